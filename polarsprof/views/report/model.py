"""What a report says, taken from the profiles of windows one by one: the whole, and a few figures of each window.

Some 64 profiles are in memory at a time, and 0.5 KB a column and window.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from polarsprof.analysis.figures import figures_of
from polarsprof.analysis.timeline import frame, window_row
from polarsprof.errors import SpecMismatch, argument_error

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl

    from polarsprof.profiles.profile import Profile

_MERGED_AT_ONCE: Final = 64
QUANTILES: Final = ("q05", "q25", "q50", "q75", "q95")
METRICS: Final = (*QUANTILES, "null_share", "distinct", "length_mean", "true_share")


@dataclass
class ReportModel:
    """What a report is made of.

    Attributes
    ----------
    whole
        All profiles merged, but for those in `apart`; None for no profile at all.
    apart
        Why some profiles are not in the whole: they track other things.
    windows
        A row per window, see `timeline.window_row`.
    figures
        Path → position of the window → the figures of the column there.
    """

    whole: Profile | None = None
    apart: list[str] = field(default_factory=list)
    windows: list[dict[str, Any]] = field(default_factory=list)
    figures: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)

    def timeline(self, path: str) -> pl.DataFrame:
        """The figures of one column over the windows; where it had not come it is all null."""
        found = self.figures.get(path, {})
        rows = [row | found.get(i, {"null_share": 1.0 if row["rows"] else None}) for i, row in enumerate(self.windows)]
        return frame(rows, METRICS)


def report_model(profiles: Iterable[Profile]) -> ReportModel:
    """Take in profiles, in the order of time."""
    found = ReportModel()
    waiting = iter(profiles)
    while chunk := list(islice(waiting, _MERGED_AT_ONCE)):
        for profile in chunk:
            _take_figures(found, profile)
        _merge(found, chunk)
    return found


def _take_figures(found: ReportModel, profile: Profile) -> None:
    if not hasattr(profile, "window"):
        raise argument_error("profiles", profile, "an iterable of Profile")
    if profile.window is None:
        return
    position = len(found.windows)
    found.windows.append(window_row(profile))
    for path, column in profile.columns.items():
        found.figures.setdefault(path, {})[position] = figures_of(column, METRICS)


def _merge(found: ReportModel, chunk: list[Profile]) -> None:
    if found.whole is None:
        found.whole = chunk.pop(0).copy()
    try:
        found.whole.merge(*chunk)
    except SpecMismatch:  # nothing was merged: find out which of them fit
        for profile in chunk:
            _merge_one(found, found.whole, profile)


def _merge_one(found: ReportModel, whole: Profile, profile: Profile) -> None:
    try:
        whole.merge(profile)
    except SpecMismatch as error:
        found.apart.append(str(error))
