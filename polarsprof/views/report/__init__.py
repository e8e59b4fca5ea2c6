"""Profiles of windows → one HTML page that needs nothing else: no script, no network, no other file.

Below 1 MB for 100 columns over 200 windows. A content security policy in the page forbids everything but its own style
sheet, by its hash. All text from the data is cleaned, cut to 200 characters and escaped.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from polarsprof.analysis.drift import drift as drift_of
from polarsprof.errors import argument_error, plain_text
from polarsprof.views.report.drift_section import checked_drift
from polarsprof.views.report.model import report_model
from polarsprof.views.report.page import page
from polarsprof.views.report.sections import sections

if TYPE_CHECKING:
    import polars as pl

    from polarsprof.profiles.profile import Profile

__all__ = ["report"]


def report(
    profiles: Profile | Iterable[Profile],
    *,
    reference: Profile | None = None,
    drift: pl.DataFrame | None = None,
    title: str | None = None,
) -> str:
    """A page about a profile, or about the windows of a stream: overview, windows, columns, drift, what went wrong.

    Parameters
    ----------
    profiles
        A profile; or one per window in the order of time, such as `store.profiles("clicks")`. They are taken one by
        one, merged as `pp.merge` does, and stay as they are. Of those that track other things than the first, the
        figures over time are shown alone, and the page says so.
    reference
        What to compare all of it with, as `pp.drift` does by default.
    drift
        Instead of a reference: a frame of `pp.drift`, to be shown. Without either there is no section on drift.
    title
        The heading; default: the name of the data set.

    Returns
    -------
    str
        HTML in ASCII. `pathlib.Path("clicks.html").write_text(page)` writes it. About 5 KB a column, and 1 KB for each
        of its lines over 200 windows.

    Raises
    ------
    ArgumentError
        For what is no profile, no frame of drift or no text, for a reference and a frame of drift together, and where
        two profiles hold the same pane.
    """
    heading = None if title is None else plain_text("title", title)
    table = None if drift is None else checked_drift(drift)
    if reference is not None and drift is not None:
        raise argument_error("drift", drift, "None beside a reference")
    found = report_model(_each(profiles))
    if reference is not None and found.whole is not None:
        table = drift_of(reference, found.whole)
    return page(sections(found, table, heading))


def _each(profiles: Any) -> Iterable[Profile]:
    if hasattr(profiles, "merge_sections"):
        return [profiles]
    if isinstance(profiles, Iterable) and not isinstance(profiles, str | bytes):
        return profiles
    raise argument_error("profiles", profiles, "a Profile, or an iterable of them")
