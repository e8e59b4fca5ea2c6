"""A timeline → strips: figures over windows as one line each, for a page or a terminal.

A slot per row of the timeline, side by side whatever its length, so that one wild clock squeezes nothing. Windows that
are missing are shaded, those with late rows marked below, and the newest, which may not be complete, is framed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from polarsprof.analysis.timeline import WINDOW_SCHEMA, is_drawn
from polarsprof.errors import argument_error
from polarsprof.profiles import text
from polarsprof.views import svg
from polarsprof.views.style import attribute, escaped, fragment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NAME_CELLS: Final = 14
_EIGHTHS: Final = "▁▂▃▄▅▆▇█"
_CELLS: Final = 72
_CLASSES: Final = {"·": "kg", "▴": "kt", "▸": "kc"}
_MOST_TOOLTIPS: Final = 500


def strip(timeline: pl.DataFrame, metrics: Iterable[str] | None = None) -> Strip:
    """Figures over windows, to be looked at: in a notebook as drawings, printed as lines of block characters.

    Parameters
    ----------
    timeline
        What `ProfileStore.timeline` gave, or rows of it.
    metrics
        Names of its columns; default: all figures of numbers or times.

    Raises
    ------
    ArgumentError
        For a frame that is no timeline, and for columns that it has not or that are text.

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
    if not isinstance(timeline, pl.DataFrame) or not set(WINDOW_SCHEMA) <= set(timeline.columns):
        raise argument_error("timeline", timeline, "the frame of ProfileStore.timeline")
    if isinstance(metrics, str) or not (metrics is None or isinstance(metrics, Iterable)):
        raise argument_error("metrics", metrics, "an iterable of columns of the timeline")
    drawn = [name for name in timeline.columns if is_drawn(timeline[name].dtype)]
    names = [name for name in drawn if name not in WINDOW_SCHEMA] if metrics is None else list(metrics)
    for name in names:
        if name not in drawn:
            raise argument_error("metrics", name, f"one of {', '.join(drawn)}")
    return Strip(timeline, tuple(name for name in names if name != "rows"))


@dataclass(frozen=True, slots=True, repr=False)
class Strip:
    """Figures over windows: `str` for a terminal, `_repr_html_` for a page.

    Attributes
    ----------
    timeline
        The windows.
    metrics
        Names of the figures; the rows of each window stand above them.
    """

    timeline: pl.DataFrame
    metrics: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(lines(self.timeline, ("rows", *self.metrics), _CELLS))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        found = self.timeline
        if not found.height:
            return fragment("no windows")
        drawn = marks(found)
        rows = [rows_strip(found), *[metric_strip(found, name, drawn) for name in self.metrics]]
        return fragment(f'<div class="strip">{"".join(rows)}{legend(found)}</div>')


# ---------------------------------------------------------------------------------------------------------------- HTML


def marks(timeline: pl.DataFrame) -> str:
    """What all strips of a timeline show: missing windows, those with late rows, the newest."""
    slots, bottom = timeline.height, svg.STRIP_HEIGHT
    missing, late, newest = _marked(timeline)
    parts = {
        "g": svg.slots_path(missing, slots, 0, bottom),
        "t": svg.slots_path(late, slots, bottom - 2, bottom + 2),
        "c": svg.slots_path(newest, slots, 0, bottom),
    }
    return "".join(f'<path class="{kind}" d="{path}"/>' for kind, path in parts.items() if path)


def rows_strip(timeline: pl.DataFrame, shared: str = "") -> str:
    """The rows of each window as a bar, with a tooltip where there are 500 windows at most.

    With an id in `shared`, other strips of the page show its marks by reference: `<use href="#marks"/>`.
    """
    rows = timeline["rows"].to_list()
    bars = svg.columns_path(svg.heights([row or None for row in rows], 0, max(rows, default=0)))
    content = f'<g{attribute("id", shared)}>{marks(timeline)}</g><path d="{bars}"/>{_tooltips(timeline)}'
    return _row("rows", content, _span(timeline["rows"], "rows"))


def metric_strip(timeline: pl.DataFrame, name: str, drawn: str, label: str = "") -> str:
    """One figure as a line over the windows."""
    values = numbers(timeline[name])
    ends = _ends(name, values)
    line = svg.line(svg.heights(values, *ends)) if ends else ""
    return _row(label or name, f'{drawn}<path class="l" d="{line}"/>', _span(timeline[name], name))


def quantile_strip(timeline: pl.DataFrame, drawn: str) -> str:
    """The median as a line, 25 % to 75 % and 5 % to 95 % as bands around it."""
    names = ("q05", "q25", "q50", "q75", "q95")
    found = {name: numbers(timeline[name]) for name in names}
    low, high = _ends("", found["q05"] + found["q95"]) or (0.0, 0.0)
    ys = {name: svg.heights(values, low, high) for name, values in found.items()}
    content = (
        f'{drawn}<path class="a" d="{svg.band(ys["q95"], ys["q05"])}"/>'
        f'<path class="a" d="{svg.band(ys["q75"], ys["q25"])}"/><path class="l" d="{svg.line(ys["q50"])}"/>'
    )
    return _row("quantiles", content, _span(pl.concat([timeline["q05"], timeline["q95"]]), "q05 to q95"))


def legend(timeline: pl.DataFrame) -> str:
    """The first and the last instant, and what the marks mean."""
    start, end = _bounds(timeline)
    notes = " ".join(f'<small class="{_CLASSES[sign]}">{note}</small>' for sign, note in _notes(timeline).items())
    return f'<span></span><div class="ends"><small>{start}</small><small>{end}</small></div><div>{notes}</div>'


def _row(name: str, content: str, span: str) -> str:
    drawing = svg.svg(content, svg.STRIP_WIDTH, svg.STRIP_HEIGHT, f"{escaped(name)} over windows: {escaped(span)}")
    return f"<span>{escaped(name)}</span>{drawing}<small>{escaped(span)}</small>"


def _tooltips(timeline: pl.DataFrame) -> str:
    if timeline.height > _MOST_TOOLTIPS:
        return ""
    facts = timeline.select("window_start", "rows", "panes", "late_rows", "rejected_rows").iter_rows(named=True)
    return "".join(
        f'<path class="h" d="{svg.slots_path([i], timeline.height, 0, svg.STRIP_HEIGHT)}">'
        f"<title>{escaped(_window_text(fact))}</title></path>"
        for i, fact in enumerate(facts)
    )


def _window_text(fact: Mapping[str, Any]) -> str:
    if not fact["panes"] and not fact["rows"]:
        return f"{text.shown(fact['window_start'])}: missing"
    wrong = {"late": fact["late_rows"], "rejected": fact["rejected_rows"]}
    notes = "".join(f", {count:,} {what}" for what, count in wrong.items() if count)
    return f"{text.shown(fact['window_start'])}: {fact['rows']:,} rows{notes}"


# ------------------------------------------------------------------------------------------------------------ terminal


def lines(timeline: pl.DataFrame, names: Sequence[str], cells: int) -> list[str]:
    """A line of block characters per figure, and one below for missing windows, late rows and the newest window.

    Where there are more windows than cells, neighbours share one, which shows the mean of their figures.
    """
    if not timeline.height:
        return ["no windows"]
    slots = _shared(timeline.height, cells)
    missing, late, newest = (set(positions) for positions in _marked(timeline))
    found = [f"{text.clean(name, _NAME_CELLS):16}{_blocks(timeline, name, slots, missing)}" for name in names]
    below = "".join(
        "▸" if newest & {*slot} else "▴" if late & {*slot} else "·" if missing & {*slot} else " " for slot in slots
    )
    signs = "  ".join(f"{sign} {note}" for sign, note in _notes(timeline).items())
    return [*found, f"{'':16}{below}  {' – '.join(_bounds(timeline))}  {signs}"]


def _shared(slots: int, cells: int) -> list[range]:
    """The positions that each cell stands for."""
    count = min(slots, cells)
    edges = [round(i * slots / count) for i in range(count + 1)]
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
    """Figures as numbers to draw; None for null, and for what is not finite."""
    found = values.to_physical().cast(pl.Float64).to_list()
    return [value if value is not None and isfinite(value) else None for value in found]


def _ends(name: str, values: Sequence[float | None]) -> tuple[float, float] | None:
    """The values at the bottom and at the top; counts and shares begin at 0."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    from_zero = name == "rows" or name.endswith(("count", "_share", "_rows", "distinct"))
    return (min(0.0, *known) if from_zero else min(known)), max(known)


def _span(values: pl.Series, name: str) -> str:
    """The lowest and the highest figure."""
    known: Any = values.drop_nulls()
    if not known.len():
        return "no values"
    low, high = (
        text.share(end, 1) if name.endswith("_share") else text.shown(end) for end in (known.min(), known.max())
    )
    return low if low == high else f"{low} – {high}"


def _bounds(timeline: pl.DataFrame) -> tuple[str, str]:
    if not timeline.height:
        return "", ""
    return text.shown(timeline["window_start"][0]), text.shown(timeline["window_end"][-1])


def _marked(timeline: pl.DataFrame) -> tuple[list[int], list[int], list[int]]:
    """Positions of the missing windows, of those with late rows, and of the newest."""
    is_missing = (timeline["panes"] == 0) & (timeline["rows"] == 0)
    found = (is_missing, timeline["late_rows"] > 0, timeline["newest"])
    return found[0].arg_true().to_list(), found[1].arg_true().to_list(), found[2].arg_true().to_list()


def _notes(timeline: pl.DataFrame) -> dict[str, str]:
    """Sign → what it means, for those that are there."""
    missing, late, newest = _marked(timeline)
    notes = {"·": f"{len(missing):,} missing", "▴": f"{len(late):,} with late rows", "▸": "newest"}
    return {sign: notes[sign] for sign, found in (("·", missing), ("▴", late), ("▸", newest)) if found}
