"""Profiles of windows → a frame with a row per window, and per window that is missing between two others."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from polarsprof.analysis.figures import figures_of, series
from polarsprof.errors import argument_error
from polarsprof.windowing.tumbling import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from polarsprof.profiles.profile import Profile

_MOST_MISSING: Final = 1_000
_TIME: Final = pl.Datetime("us", "UTC")
WINDOW_SCHEMA: Final = pl.Schema(
    {
        "window_start": _TIME,
        "window_end": _TIME,
        "newest": pl.Boolean(),
        "panes": pl.Int64(),
        "rows": pl.Int64(),
        "late_rows": pl.Int64(),
        "rejected_rows": pl.Int64(),
    }
)


def timeline(profiles: Iterable[Profile], column: str, metrics: Sequence[str]) -> pl.DataFrame:
    """Figures of one column over windows; the profiles come in the order of time and one window each.

    Returns
    -------
    polars.DataFrame
        `window_start`, `window_end`
            The window [start, end), in UTC.
        `newest`
            Whether it is the last window, whose rows may still be on the way.
        `panes`, `rows`, `late_rows`, `rejected_rows`
            Panes, rows, rows that came after the window had been sealed, rows kept out.
        one column per metric
            Counts as Int64, other numbers as Float64; `min`, `max` and quantiles of temporals and text in their own
            dtype. Null where the column has no such figure.

        Windows that are missing between two others are rows with 0 panes, 0 rows and null metrics: as many as there is
        room for windows of the length of the one before, or one for the whole gap where that is no whole number or more
        than 1,000.

    Raises
    ------
    ArgumentError
        For a column that no profile has.
    """
    rows: list[dict[str, Any]] = []
    is_known = False
    for profile in profiles:
        is_known |= column in profile
        rows.append(window_row(profile) | figures_of(profile.column(column), metrics))
    if rows and not is_known:
        raise argument_error("column", column, "a column of the windows read")
    return frame(rows, metrics)


def window_row(profile: Profile) -> dict[str, Any]:
    """What the profile of a window says of the window itself."""
    return {
        "window": profile.window,
        "panes": len(profile.panes),
        "rows": profile.rows,
        "late_rows": profile.late_rows,
        "rejected_rows": profile.rejected_rows,
    }


def frame(rows: Sequence[dict[str, Any]], metrics: Sequence[str]) -> pl.DataFrame:
    """The frame of `timeline` from rows of windows, each with its figures; a figure that a row lacks is null."""
    whole = list(_with_missing(rows))
    windows = [row["window"] for row in whole]
    columns: dict[str, Sequence[Any]] = {
        "window_start": [window.start for window in windows],
        "window_end": [window.end for window in windows],
        "newest": [row is whole[-1] for row in whole],
        **{name: [row[name] for row in whole] for name in ("panes", "rows", "late_rows", "rejected_rows")},
    }
    found = pl.DataFrame(columns, schema=WINDOW_SCHEMA)
    return found.with_columns([series(name, [row.get(name) for row in whole]) for name in metrics])


def _with_missing(rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    yield from rows[:1]
    for before, row in pairwise(rows):
        for window in missing(before["window"], row["window"]):
            yield {"window": window, "panes": 0, "rows": 0, "late_rows": 0, "rejected_rows": 0}
        yield row


def missing(before: Window, after: Window) -> list[Window]:
    """The windows between two: of the length of the first where they fill the gap, and are 1,000 at most; else one."""
    gap_us, length_us = after.start_us - before.end_us, before.end_us - before.start_us
    if gap_us <= 0:
        return []
    count, rest_us = divmod(gap_us, length_us)
    if rest_us or count > _MOST_MISSING:
        return [Window(before.end_us, after.start_us)]
    starts_us = range(before.end_us, after.start_us, length_us)
    return [Window(start_us, start_us + length_us) for start_us in starts_us]


def is_drawn(dtype: pl.DataType) -> bool:
    """Whether a figure of that dtype can be drawn as a line."""
    return dtype.is_numeric() or dtype.is_temporal()
