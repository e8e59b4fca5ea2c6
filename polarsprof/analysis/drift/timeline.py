"""The profiles of a stream, one after the other → the drift frames of all, below one another."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from polarsprof.analysis.drift.frame import SCHEMA, checked, names, rows, wanted
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
    """The drift of one profile after the other: of windows against one reference, or each against those before it.

    Parameters
    ----------
    profiles
        Profiles in the order of time, such as ``(store.read(name, w.start, w.end) for w in store.windows(name))``. They
        are taken one at a time.
    reference
        What each is compared with; None: the merged `rolling` profiles before it.
    rolling
        Without a reference, how many profiles before each to merge, fewer where there are not as many yet. The first
        one is compared with nothing and has no rows.
    columns, thresholds, alpha
        As for `drift`; a column has no row where neither side has it.

    Returns
    -------
    polars.DataFrame
        As `drift`, below one another, with `window_start` and `window_end` in front: datetimes in UTC, null for
        profiles without a window.

    Raises
    ------
    ArgumentError
        As `drift`, and for `rolling` below 1.
    SpecMismatch
        Where profiles to be merged track different things.
    """
    limits = rules(thresholds, alpha)
    positive_integer("rolling", rolling)
    if not isinstance(profiles, Iterable):
        raise argument_error("profiles", profiles, "an iterable of Profile")
    every = (checked("profiles", profile) for profile in profiles)
    fixed = None if reference is None else checked("reference", reference)
    pairs = _against_earlier(every, rolling) if fixed is None else ((fixed, profile) for profile in every)
    asked = None if columns is None else names(columns)
    found: list[dict[str, Any]] = []
    met: set[str] = set()
    for before, one in pairs:
        known = {*before.columns, *one.columns}
        met |= known
        found += _timed(before, one, None if asked is None else [name for name in asked if name in known], limits)
    if met:
        wanted(sorted(met), asked)
    return pl.DataFrame(found, schema=_SCHEMA, orient="row")


def _against_earlier(profiles: Iterable[Profile], rolling: int) -> Iterator[tuple[Profile, Profile]]:
    earlier: deque[Profile] = deque(maxlen=rolling)
    for profile in profiles:
        if earlier:
            before = earlier[0].copy()
            before.merge(*list(earlier)[1:])
            yield before, profile
        earlier.append(profile)


def _timed(reference: Profile, current: Profile, columns: list[str] | None, limits: Rules) -> Iterator[dict[str, Any]]:
    window = current.window
    times = {"window_start": window and window.start, "window_end": window and window.end}
    for found in rows(reference, current, columns, limits):
        yield times | found
