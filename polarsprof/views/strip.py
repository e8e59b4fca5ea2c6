"""Strips: figures of a timeline as one line each, for a page or a terminal.

Each row of the timeline has a slot of equal width, so that one wrong timestamp does not compress the other windows.
Missing windows are shaded, windows with late rows are marked below, and a frame marks the newest window, which can be
incomplete.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING, Final

import polars as pl

from polarsprof.analysis.timeline import WINDOW_SCHEMA, window_marks
from polarsprof.errors import argument_error
from polarsprof.profiles import text
from polarsprof.views import svg
from polarsprof.views.style import attribute, escaped, fragment
from polarsprof.views.timeline_columns import drawable_columns, metrics_argument, timeline_argument

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

_NAME_CELLS: Final = 14
_EIGHTHS: Final = "▁▂▃▄▅▆▇█"
_CELLS: Final = 72
_CLASSES: Final = {"·": "kg", "▴": "kt", "▸": "kc"}
_MAX_TOOLTIPS: Final = 500


def strip(timeline: pl.DataFrame, metrics: Iterable[str] | None = None) -> Strip:
    """Figures over windows: drawings in a notebook, block characters in a terminal.

    Parameters
    ----------
    timeline
        The frame of `ProfileStore.timeline`, or rows of it.
    metrics
        Names of its columns. Default: all figures that are numbers or times.

    Raises
    ------
    ArgumentError
        If the frame is no timeline, does not have a column, or a column is text.

    Examples
    --------
    >>> from datetime import UTC, datetime, timedelta
    >>> import polars as pl
    >>> start = datetime(2026, 1, 1, tzinfo=UTC)
    >>> starts = [start + timedelta(hours=i) for i in range(6)]
    >>> windows = {"window_start": starts, "window_end": [s + timedelta(hours=1) for s in starts]}
    >>> counts = {"panes": [1, 1, 0, 2, 1, 1], "rows": [5, 4, 0, 6, 5, 1], "late_rows": [0, 0, 0, 2, 0, 0]}
    >>> rest = {"newest": [i == 5 for i in range(6)], "rejected_rows": [0] * 6, "mean": [1.0, 2.0, None, 4.0, 3.0, 2.0]}
    >>> print(strip(pl.DataFrame(windows | counts | rest)))
    rows            ▇▆·█▇▂  0 – 6
    mean            ▁▃·█▆▃  1 – 4
                      ·▴ ▸  2026-01-01 00:00Z – 2026-01-01 06:00Z  · 1 missing  ▴ 1 with late rows  ▸ newest
    """
    drawable = drawable_columns(timeline_argument(timeline))
    requested = metrics_argument(metrics)
    names = [name for name in drawable if name not in WINDOW_SCHEMA] if requested is None else requested
    for name in names:
        if name not in drawable:
            raise argument_error("metrics", name, f"one of {', '.join(drawable)}")
    return Strip(timeline, tuple(name for name in names if name != "rows"))


@dataclass(frozen=True, slots=True, repr=False)
class Strip:
    """Figures over windows: `str` for a terminal, `_repr_html_` for a page.

    Attributes
    ----------
    timeline
        The windows.
    metrics
        Names of the figures. The first line shows the rows of each window.
    """

    timeline: pl.DataFrame
    metrics: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(lines(self.timeline, ("rows", *self.metrics), _CELLS))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        timeline = self.timeline
        if not timeline.height:
            return fragment("no windows")
        background = marks(timeline)
        rows = [rows_strip(timeline), *[metric_strip(timeline, name, background) for name in self.metrics]]
        return fragment(f'<div class="strip">{"".join(rows)}{legend(timeline)}</div>')


# ---------------------------------------------------------------------------------------------------------------- HTML


def marks(timeline: pl.DataFrame) -> str:
    """Marks common to all strips of a timeline, for missing, late and newest windows."""
    slots, bottom = timeline.height, svg.STRIP_HEIGHT
    positions = window_marks(timeline)
    parts = {
        "g": svg.slots_path(positions.missing, slots, 0, bottom),
        "t": svg.slots_path(positions.late, slots, bottom - 2, bottom + 2),
        "c": svg.slots_path(positions.newest, slots, 0, bottom),
    }
    return "".join(f'<path class="{kind}" d="{path}"/>' for kind, path in parts.items() if path)


def rows_strip(timeline: pl.DataFrame, shared: str = "") -> str:
    """The rows of each window as a bar, with tooltips for up to 500 windows.

    `shared` is an id for the marks; with it, other strips of the page refer to them: `<use href="#marks"/>`.
    """
    rows = timeline["rows"].to_list()
    bars = svg.columns_path(svg.heights([row or None for row in rows], 0, max(rows, default=0)))
    content = f'<g{attribute("id", shared)}>{marks(timeline)}</g><path d="{bars}"/>{_tooltips(timeline)}'
    return _row("rows", content, _span(timeline["rows"], "rows"))


def metric_strip(timeline: pl.DataFrame, name: str, background: str, label: str = "") -> str:
    """One figure as a line over the windows, in front of the marks."""
    values = numbers(timeline[name])
    ends = _ends(name, values)
    line = svg.line(svg.heights(values, *ends)) if ends else ""
    return _row(label or name, f'{background}<path class="l" d="{line}"/>', _span(timeline[name], name))


def quantile_strip(timeline: pl.DataFrame, background: str) -> str:
    """The median as a line, with bands from 25 % to 75 % and from 5 % to 95 %."""
    names = ("q05", "q25", "q50", "q75", "q95")
    quantiles = {name: numbers(timeline[name]) for name in names}
    low, high = _ends("", quantiles["q05"] + quantiles["q95"]) or (0.0, 0.0)
    ys = {name: svg.heights(values, low, high) for name, values in quantiles.items()}
    content = (
        f'{background}<path class="a" d="{svg.band(ys["q95"], ys["q05"])}"/>'
        f'<path class="a" d="{svg.band(ys["q75"], ys["q25"])}"/><path class="l" d="{svg.line(ys["q50"])}"/>'
    )
    return _row("quantiles", content, _span(pl.concat([timeline["q05"], timeline["q95"]]), "q05 to q95"))


def legend(timeline: pl.DataFrame) -> str:
    """The first and the last instant, and the meaning of the marks."""
    start, end = _bounds(timeline)
    notes = " ".join(f'<small class="{_CLASSES[sign]}">{note}</small>' for sign, note in _notes(timeline).items())
    return f'<span></span><div class="ends"><small>{start}</small><small>{end}</small></div><div>{notes}</div>'


def _row(name: str, content: str, span: str) -> str:
    drawing = svg.svg(content, svg.STRIP_WIDTH, svg.STRIP_HEIGHT, f"{escaped(name)} over windows: {escaped(span)}")
    return f"<span>{escaped(name)}</span>{drawing}<small>{escaped(span)}</small>"


def _tooltips(timeline: pl.DataFrame) -> str:
    if timeline.height > _MAX_TOOLTIPS:
        return ""
    missing = set(window_marks(timeline).missing)
    windows = timeline.select("window_start", "rows", "late_rows", "rejected_rows").iter_rows()
    texts = [_window_text(*window, is_missing=position in missing) for position, window in enumerate(windows)]
    return "".join(
        f'<path class="h" d="{svg.slots_path([position], timeline.height, 0, svg.STRIP_HEIGHT)}">'
        f"<title>{escaped(tooltip)}</title></path>"
        for position, tooltip in enumerate(texts)
    )


def _window_text(start: datetime, rows: int, late: int, rejected: int, *, is_missing: bool) -> str:
    if is_missing:
        return f"{text.shown(start)}: missing"
    notes = "".join(f", {count:,} {kind}" for kind, count in (("late", late), ("rejected", rejected)) if count)
    return f"{text.shown(start)}: {rows:,} rows{notes}"


# ------------------------------------------------------------------------------------------------------------ terminal


def lines(timeline: pl.DataFrame, names: Sequence[str], cells: int) -> list[str]:
    """A line of block characters per figure, and a line of marks below.

    If there are more windows than cells, adjacent windows share a cell, which shows the mean of their figures.
    """
    if not timeline.height:
        return ["no windows"]
    slots = _slots(timeline.height, cells)
    positions = window_marks(timeline)
    missing, late, newest = set(positions.missing), set(positions.late), set(positions.newest)
    figures = [f"{text.clean(name, _NAME_CELLS):16}{_blocks(timeline, name, slots, missing)}" for name in names]
    signs = "".join(
        "▸" if newest & {*slot} else "▴" if late & {*slot} else "·" if missing & {*slot} else " " for slot in slots
    )
    notes = "  ".join(f"{sign} {note}" for sign, note in _notes(timeline).items())
    return [*figures, f"{'':16}{signs}  {' – '.join(_bounds(timeline))}  {notes}"]


def _slots(windows: int, cells: int) -> list[range]:
    """The positions of the windows in each cell."""
    count = min(windows, cells)
    edges = [round(i * windows / count) for i in range(count + 1)]
    return [range(left, right) for left, right in pairwise(edges)]


def _blocks(timeline: pl.DataFrame, name: str, slots: Sequence[range], missing: set[int]) -> str:
    values = numbers(timeline[name])
    means = [_mean([values[i] for i in slot if i not in missing]) for slot in slots]
    low, high = _ends(name, means) or (0.0, 0.0)
    signs = [
        _EIGHTHS[round(7 * (mean - low) / (high - low)) if high > low else 3]
        if mean is not None
        else "·"
        if missing >= {*slot}
        else " "
        for mean, slot in zip(means, slots, strict=True)
    ]
    return f"{''.join(signs)}  {_span(timeline[name], name)}"


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


# ---------------------------------------------------------------------------------------------------------------- both


def numbers(values: pl.Series) -> list[float | None]:
    """Figures as numbers to draw; None for null and for values that are not finite."""
    doubles = values.to_physical().cast(pl.Float64).to_list()
    return [value if value is not None and isfinite(value) else None for value in doubles]


def _ends(name: str, values: Sequence[float | None]) -> tuple[float, float] | None:
    """The values at the bottom and top of a strip; counts and shares start at 0."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    from_zero = name == "rows" or name.endswith(("count", "_share", "_rows", "distinct"))
    return (min(0.0, *known) if from_zero else min(known)), max(known)


def _span(values: pl.Series, name: str) -> str:
    """The lowest and the highest figure as text."""
    ends = values.min(), values.max()
    if None in ends:
        return "no values"
    low, high = (
        text.share(end, 1) if name.endswith("_share") and isinstance(end, int | float) else text.shown(end)
        for end in ends
    )
    return low if low == high else f"{low} – {high}"


def _bounds(timeline: pl.DataFrame) -> tuple[str, str]:
    if not timeline.height:
        return "", ""
    return text.shown(timeline["window_start"][0]), text.shown(timeline["window_end"][-1])


def _notes(timeline: pl.DataFrame) -> dict[str, str]:
    """Sign → its meaning, for the marks that occur."""
    marks = window_marks(timeline)
    notes = {
        "·": (f"{len(marks.missing):,} missing", marks.missing),
        "▴": (f"{len(marks.late):,} with late rows", marks.late),
        "▸": ("newest", marks.newest),
    }
    return {sign: note for sign, (note, positions) in notes.items() if positions}
