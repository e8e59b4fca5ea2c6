"""Profiles of windows as one self-contained HTML page.

The page needs no script, no network and no other file. It stays below 1 MB for 100 columns over 200 windows. A content
security policy in the page forbids everything except its own style sheet, identified by its hash. Text from the data is
cleaned, cut to 200 characters and escaped.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from polarsprof.analysis.drift import drift as drift_of
from polarsprof.errors import argument_error, plain_text
from polarsprof.profiles.profile import Profile
from polarsprof.views.report.drift_section import drift_argument
from polarsprof.views.report.model import report_model
from polarsprof.views.report.page import page
from polarsprof.views.report.sections import sections

if TYPE_CHECKING:
    import polars as pl

__all__ = ["report"]


def report(
    profiles: Profile | Iterable[Profile],
    *,
    reference: Profile | None = None,
    drift: pl.DataFrame | None = None,
    title: str | None = None,
) -> str:
    """A page about a profile, or about the windows of a stream.

    It has an overview, and sections on windows, drift, columns, rejected and late rows, and the profile itself.

    Parameters
    ----------
    profiles
        A profile; or one per window in order of time, such as `store.profiles("clicks")`. They are read one by one,
        merged as by `pp.merge`, and stay unchanged. A profile that tracks other statistics than the first one appears
        only in the figures over time, and the page says so.
    reference
        A profile to compare the merged profiles with, as `pp.drift` does by default.
    drift
        A frame of `pp.drift` to show instead of a comparison with a reference. Without either, the page has no section
        on drift.
    title
        The heading. Default: the name of the data set.

    Returns
    -------
    str
        HTML in ASCII, about 5 KB per column, and 1 KB for each of its lines over 200 windows.
        `pathlib.Path("clicks.html").write_text(page)` writes it.

    Raises
    ------
    ArgumentError
        If an argument is no profile, no drift frame or no text, if both a reference and a drift frame are given, or if
        two profiles contain the same pane.
    """
    heading = None if title is None else plain_text("title", title)
    table = None if drift is None else drift_argument(drift)
    if reference is not None and drift is not None:
        raise argument_error("drift", drift, "None beside a reference")
    model = report_model(_profiles_argument(profiles))
    if reference is not None and model.whole is not None:
        table = drift_of(reference, model.whole)
    return page(sections(model, table, heading))


def _profiles_argument(profiles: object) -> Iterable[Profile]:
    if isinstance(profiles, Profile):
        return [profiles]
    if isinstance(profiles, Iterable) and not isinstance(profiles, str | bytes):
        return profiles
    raise argument_error("profiles", profiles, "a Profile, or an iterable of them")
