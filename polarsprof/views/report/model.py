"""The model of a report: all profiles merged, and some figures of each window.

Profiles are read in chunks of 64. The model takes 0.5 KB per column and window.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Final

from polarsprof.analysis.figures import figures_of, figures_without_column
from polarsprof.analysis.timeline import frame, window_row
from polarsprof.errors import SpecMismatch, argument_error

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl

    from polarsprof.analysis.timeline import WindowRow
    from polarsprof.profiles.profile import Profile

_CHUNK_PROFILES: Final = 64
QUANTILES: Final = ("q05", "q25", "q50", "q75", "q95")
METRICS: Final = (*QUANTILES, "null_share", "distinct", "length_mean", "true_share")


@dataclass
class ReportModel:
    """The content of a report.

    Attributes
    ----------
    whole
        All profiles merged, except those in `apart`; None without any profile.
    apart
        Why some profiles are not part of the whole: they track other statistics.
    windows
        One row per window, without figures.
    figures
        Path → position of the window → figures of the column in that window.
    """

    whole: Profile | None = None
    apart: list[str] = field(default_factory=list)
    windows: list[WindowRow] = field(default_factory=list)
    figures: dict[str, dict[int, dict[str, object]]] = field(default_factory=dict)

    def timeline(self, path: str) -> pl.DataFrame:
        """Figures of one column over the windows; all null in windows without it."""
        figures = self.figures.get(path, {})
        rows = [
            replace(window, figures=figures.get(position) or figures_without_column(window.rows))
            for position, window in enumerate(self.windows)
        ]
        return frame(rows, METRICS)


def report_model(profiles: Iterable[Profile]) -> ReportModel:
    """Build the model from profiles in order of time."""
    model = ReportModel()
    iterator = iter(profiles)
    while chunk := list(islice(iterator, _CHUNK_PROFILES)):
        for profile in chunk:
            _add_window(model, profile)
        _merge(model, chunk)
    return model


def _add_window(model: ReportModel, profile: Profile) -> None:
    if not hasattr(profile, "window"):
        raise argument_error("profiles", profile, "an iterable of Profile")
    if profile.window is None:
        return
    position = len(model.windows)
    model.windows.append(window_row(profile, profile.window, {}))
    for path, column in profile.columns.items():
        model.figures.setdefault(path, {})[position] = figures_of(column, METRICS)


def _merge(model: ReportModel, chunk: list[Profile]) -> None:
    if model.whole is None:
        model.whole = chunk.pop(0).copy()
    try:
        model.whole.merge(*chunk)
    except SpecMismatch:  # nothing was merged, so merge one by one
        for profile in chunk:
            _merge_one(model, model.whole, profile)


def _merge_one(model: ReportModel, whole: Profile, profile: Profile) -> None:
    try:
        whole.merge(profile)
    except SpecMismatch as error:
        model.apart.append(str(error))
