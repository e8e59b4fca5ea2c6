"""Drift of the profiles of a stream: the drift frames of all windows in one frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import polars as pl

from polarsprof.analysis.drift.frame import SCHEMA, column_names, profile_argument, rows, select_columns
from polarsprof.analysis.drift.rules import rules
from polarsprof.errors import argument_error, positive_integer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from polarsprof.analysis.drift.rules import Rules
    from polarsprof.profiles.profile import Profile

_TIME: Final = pl.Datetime("us", "UTC")
_SCHEMA: Final = pl.Schema({"window_start": _TIME, "window_end": _TIME, **SCHEMA})


def drift_timeline(
    profiles: Iterable[Profile],
    reference: Profile | None = None,
    *,
    rolling: int = 1,
    columns: Iterable[str] | None = None,
    thresholds: Mapping[str, float | None] | None = None,
    alpha: float = 0.01,
) -> pl.DataFrame:
    """The drift of each window, against one reference or the windows before it.

    Parameters
    ----------
    profiles
        Profiles in order of time, such as ``(store.read(name, w.start, w.end) for w in store.windows(name))``. They
        are read one at a time.
    reference
        The profile to compare each with. Default: the merged `rolling` profiles before it.
    rolling
        Without a reference, how many profiles before each to merge; fewer at the start. The first profile has no rows,
        since no profile comes before it.
    columns, thresholds, alpha
        As for `drift`. A column has no row if neither side has it.

    Returns
    -------
    polars.DataFrame
        The frames of `drift`, concatenated, with `window_start` and `window_end` in front: datetimes in UTC, null for
        profiles without a window.

    Raises
    ------
    ArgumentError
        As for `drift`, and if `rolling` is below 1.
    SpecMismatch
        If profiles to be merged track different statistics.
    """
    drift_rules = rules(thresholds, alpha)
    positive_integer("rolling", rolling)
    if not isinstance(profiles, Iterable):
        raise argument_error("profiles", profiles, "an iterable of Profile")
    windows = (profile_argument("profiles", profile) for profile in profiles)
    fixed = None if reference is None else profile_argument("reference", reference)
    pairs = _against_earlier(windows, rolling) if fixed is None else ((fixed, profile) for profile in windows)
    names = None if columns is None else column_names(columns)
    table: list[dict[str, object]] = []
    all_columns: set[str] = set()
    for before, current in pairs:
        known = {*before.columns, *current.columns}
        all_columns |= known
        selected = None if names is None else [name for name in names if name in known]
        table += _window_rows(before, current, selected, drift_rules)
    if all_columns:
        select_columns(sorted(all_columns), names)
    return pl.DataFrame(table, schema=_SCHEMA, orient="row")


def _against_earlier(profiles: Iterable[Profile], rolling: int) -> Iterator[tuple[Profile, Profile]]:
    earlier: deque[Profile] = deque(maxlen=rolling)
    for profile in profiles:
        if earlier:
            before = earlier[0].copy()
            before.merge(*list(earlier)[1:])
            yield before, profile
        earlier.append(profile)


def _window_rows(
    reference: Profile, current: Profile, columns: list[str] | None, rules: Rules
) -> Iterator[dict[str, object]]:
    window = current.window
    times: dict[str, object] = {"window_start": window and window.start, "window_end": window and window.end}
    for row in rows(reference, current, columns, rules):
        yield times | row
