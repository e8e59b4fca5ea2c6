"""Figures of one column over windows, with rows for missing windows."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import polars as pl

from polarsprof.analysis.figures import figures_of, series
from polarsprof.errors import argument_error
from polarsprof.windowing.tumbling import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from polarsprof.profiles.profile import Profile

_MAX_MISSING_WINDOWS: Final = 1_000
_TIME: Final = pl.Datetime("us", "UTC")
_COUNTS: Final = ("panes", "rows", "late_rows", "rejected_rows")
WINDOW_SCHEMA: Final = pl.Schema(
    {
        "window_start": _TIME,
        "window_end": _TIME,
        "newest": pl.Boolean(),
        **dict.fromkeys(_COUNTS, pl.Int64()),
    }
)


@dataclass(frozen=True, slots=True)
class WindowRow:
    """One row of a timeline.

    Attributes
    ----------
    window
        The window [start, end).
    panes, rows, late_rows, rejected_rows
        Counts of the window; all are 0 if the window is missing.
    figures
        Figures of the column by name; a figure that is absent is null in the frame.
    """

    window: Window
    panes: int = 0
    rows: int = 0
    late_rows: int = 0
    rejected_rows: int = 0
    figures: Mapping[str, object] = field(default_factory=dict)


def timeline(profiles: Iterable[Profile], column: str, metrics: Sequence[str]) -> pl.DataFrame:
    """The frame of `ProfileStore.timeline`, which describes its columns.

    Parameters
    ----------
    profiles
        One profile per window, in order of time. Profiles without a window are ignored.
    column
        Path of the column.
    metrics
        Names of figures, as `metric_names` returns them.

    Raises
    ------
    ArgumentError
        If no profile has the column.
    """
    rows: list[WindowRow] = []
    is_known = False
    for profile in profiles:
        is_known |= column in profile
        if profile.window is not None:
            rows.append(window_row(profile, profile.window, figures_of(profile.column(column), metrics)))
    if rows and not is_known:
        raise argument_error("column", column, "a column of the windows read")
    return frame(rows, metrics)


def window_row(profile: Profile, window: Window, figures: Mapping[str, object]) -> WindowRow:
    """The row of one window: counts of its profile, and figures of one column."""
    return WindowRow(window, len(profile.panes), profile.rows, profile.late_rows, profile.rejected_rows, figures)


def frame(rows: Sequence[WindowRow], metrics: Sequence[str]) -> pl.DataFrame:
    """A timeline from rows in order of time, with rows inserted for missing windows."""
    filled = list(_with_missing_windows(rows))
    columns: dict[str, Sequence[object]] = {
        "window_start": [row.window.start for row in filled],
        "window_end": [row.window.end for row in filled],
        "newest": [row is filled[-1] for row in filled],
        **{name: [getattr(row, name) for row in filled] for name in _COUNTS},
    }
    windows = pl.DataFrame(columns, schema=WINDOW_SCHEMA)
    return windows.with_columns([series(name, [row.figures.get(name) for row in filled]) for name in metrics])


def _with_missing_windows(rows: Sequence[WindowRow]) -> Iterator[WindowRow]:
    yield from rows[:1]
    for before, row in pairwise(rows):
        for window in missing_windows(before.window, row.window):
            yield WindowRow(window)
        yield row


def missing_windows(before: Window, after: Window) -> list[Window]:
    """The windows between two windows.

    They have the length of `before` if such windows fill the gap exactly and are at most 1,000. Otherwise one window
    spans the gap.
    """
    gap_us, length_us = after.start_us - before.end_us, before.end_us - before.start_us
    if gap_us <= 0:
        return []
    count, rest_us = divmod(gap_us, length_us)
    if rest_us or count > _MAX_MISSING_WINDOWS:
        return [Window(before.end_us, after.start_us)]
    starts_us = range(before.end_us, after.start_us, length_us)
    return [Window(start_us, start_us + length_us) for start_us in starts_us]


@dataclass(frozen=True, slots=True)
class WindowMarks:
    """Positions of the windows in a timeline that need attention.

    Attributes
    ----------
    missing
        Windows without a pane.
    late
        Windows with late rows.
    newest
        The last window, which can be incomplete.
    """

    missing: list[int]
    late: list[int]
    newest: list[int]


def window_marks(timeline: pl.DataFrame) -> WindowMarks:
    """Positions of missing windows, windows with late rows, and the newest window."""
    conditions = ((timeline["panes"] == 0) & (timeline["rows"] == 0), timeline["late_rows"] > 0, timeline["newest"])
    missing, late, newest = (condition.arg_true().to_list() for condition in conditions)
    return WindowMarks(missing, late, newest)
