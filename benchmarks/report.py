"""Lines as a Markdown table, as JSON, and as an SVG plot with a logarithmic axis."""

from __future__ import annotations

import json
import math
import os
import platform
from dataclasses import asdict
from html import escape
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmarks.measure import Line

_PACKAGES: Final = (
    *("polarsprof", "polars", "datasketches", "numpy", "pyarrow", "polars-hash"),
    *("duckdb", "chdb", "chdb-core", "dataprof", "netra-profiler"),
)
# Columns of the plot from left to right: measurement, peer, bars, ratio.
_PEER_PX: Final = 16
_AXIS_AT_PX: Final = 455
_AXIS_PX: Final = 300
_WIDTH_PX: Final = 820
_ROW_PX: Final = 17
_TOP_PX: Final = 48
_BOTTOM_PX: Final = 40
_STYLE: Final = """
  text { font: 12px system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2328 }
  .end { text-anchor: end } .middle { text-anchor: middle } .faint { fill: #59636e }
  .card { fill: #ffffff } .grid { stroke: #e4e8ec } .one { stroke: #59636e }
  .less { fill: #1a7f5a } .more { fill: #bc5a14 } .spread { stroke: #1f2328 }
  .budget { stroke: #1f2328; stroke-width: 2; stroke-dasharray: 2 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .faint { fill: #9198a1 }
    .card { fill: #161b22 } .grid { stroke: #2f363e } .one { stroke: #9198a1 }
    .less { fill: #3fb68b } .more { fill: #e08a45 } .spread, .budget { stroke: #e6edf3 }
  }
"""
_TICKS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)


def markdown(lines: Iterable[Line]) -> str:
    """The table; a skipped line has a reason."""
    head = ["| suite | what | against | ours | theirs | ours ÷ theirs | budget | goal | holds |"]
    return "\n".join([*head, "|---|---|---|--:|--:|--:|--:|--:|---|", *map(_row, lines)])


def _row(line: Line) -> str:
    if line.skipped:
        return f"| {line.suite} | {line.what} | {line.against} | skipped: {line.skipped} ||||||"
    cells = [
        *(line.suite, line.what, line.against, _measured(line.ours, line.unit), _measured(line.theirs, line.unit)),
        *(_ratio(line), _bound(line.budget), _bound(line.goal), line.verdict),
    ]
    return f"| {' | '.join(cells)} |"


def _measured(value: float | None, unit: str) -> str:
    return "" if value is None else f"{_digits(value)} {unit}"


def _digits(value: float) -> str:
    """Three significant digits, or all digits before the decimal point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _ratio(line: Line) -> str:
    if line.ratio is None or line.lower_quartile is None or line.upper_quartile is None:
        return ""
    return f"**{line.ratio:.2f}** ({line.lower_quartile:.2f} – {line.upper_quartile:.2f})"


def _bound(value: float | None) -> str:
    return "" if value is None else f"≤ {value:.3g}"


def figures(lines: Iterable[Line]) -> str:
    """A table of lines without a peer."""
    rows = (f"| {line.what} | {_measured(line.ours, line.unit)} |" for line in lines)
    return "\n".join(["| what | |", "|---|--:|", *rows])


def as_json(lines: Iterable[Line], options: Mapping[str, object], rates: Mapping[str, object] | None = None) -> str:
    """All figures with options, versions and machine; no names of hosts or folders."""
    machine = {"cpus": os.cpu_count(), "machine": platform.machine(), "system": platform.system()}
    about = {**machine, **options, "python": platform.python_version(), "versions": versions()}
    measured = [asdict(line) | {"verdict": line.verdict} for line in lines]
    found = {"lines": measured} if rates is None else {"rates": rates, "lines": measured}
    return json.dumps(about | found, indent=2, ensure_ascii=False)


def versions() -> dict[str, str]:
    """Package → version, for installed packages."""
    installed = {}
    for name in _PACKAGES:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            continue
    return installed


def svg(lines: Iterable[Line]) -> str:
    """Ratios to peers as bars with quartiles, for light and dark pages.

    Bars to the left of 1 show that polarsprof is faster.
    """
    shown = [line for line in lines if line.ratio is not None and line.suite != "memory"]
    ticks, height = _ticks(shown), _TOP_PX + _ROW_PX * len(shown) + _BOTTOM_PX
    title = "Time of polarsprof ÷ time of its peers"
    before = [None, *[line.what for line in shown]]  # a row omits the label of the row above
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH_PX} {height}" role="img">',
            f"<title>{title}</title>",
            f"<style>{_STYLE}</style>",
            f'<rect class="card" width="{_WIDTH_PX}" height="{height}" rx="6"/>',
            f'<text x="{_PEER_PX}" y="22" style="font-weight: 600">{title}</text>',
            *_directions(ticks),
            *(part for tick in ticks for part in _tick(tick, ticks, height)),
            *(
                part
                for row, line in enumerate(shown)
                for part in _row_of(line, ticks, row, is_new=line.what != before[row])
            ),
            _legend(height),
            "</svg>\n",
        ]
    )


def _ticks(shown: Sequence[Line]) -> list[float]:
    """Round ratios that enclose all quartiles; 1 is always one of them."""
    ends = [end for line in shown for end in (line.lower_quartile, line.upper_quartile) if end is not None] or [1.0]
    low = max((tick for tick in _TICKS if tick <= min(*ends, 0.5)), default=_TICKS[0])
    high = min((tick for tick in _TICKS if tick >= max(*ends, 2.0)), default=_TICKS[-1])
    return [tick for tick in _TICKS if low <= tick <= high]


def _x(ratio: float, ticks: Sequence[float]) -> float:
    share = math.log(max(ratio, 1e-6) / ticks[0]) / math.log(ticks[-1] / ticks[0])
    return round(_AXIS_AT_PX + _AXIS_PX * min(max(share, 0.0), 1.0), 1)


def _directions(ticks: Sequence[float]) -> list[str]:
    one = _x(1.0, ticks)
    return [
        f'<text class="faint end" x="{one - 6}" y="{_TOP_PX - 12}">◂ polarsprof faster</text>',
        f'<text class="faint" x="{one + 6}" y="{_TOP_PX - 12}">slower ▸</text>',
    ]


def _tick(tick: float, ticks: Sequence[float], height: int) -> list[str]:
    x, bottom = _x(tick, ticks), height - _BOTTOM_PX + 2
    return [
        f'<line class="{"one" if tick == 1 else "grid"}" x1="{x}" y1="{_TOP_PX - 4}" x2="{x}" y2="{bottom}"/>',
        f'<text class="faint middle" x="{x}" y="{bottom + 13}">{tick:g}</text>',
    ]


def _row_of(line: Line, ticks: Sequence[float], row: int, *, is_new: bool) -> list[str]:
    if line.ratio is None or line.lower_quartile is None or line.upper_quartile is None:
        return []
    top = _TOP_PX + _ROW_PX * row
    base, middle = top + 12, top + _ROW_PX / 2
    one, end = _x(1.0, ticks), _x(line.ratio, ticks)
    low, high = _x(line.lower_quartile, ticks), _x(line.upper_quartile, ticks)
    start, width, side = min(one, end), abs(end - one), "less" if line.ratio <= 1 else "more"
    parts = [
        f'<text class="peer faint end" x="{_AXIS_AT_PX - 10}" y="{base}">{escape(line.against)}</text>',
        f'<rect class="{side}" x="{start}" y="{top + 3}" width="{width:.1f}" height="{_ROW_PX - 6}" rx="1.5"/>',
        f'<line class="spread" x1="{low}" y1="{middle}" x2="{high}" y2="{middle}"/>',
        f'<text class="end" x="{_WIDTH_PX - 14}" y="{base}">{line.ratio:.2f}</text>',
    ]
    if is_new:
        parts.append(f'<text x="{_PEER_PX}" y="{base}">{escape(line.what)}</text>')
    if line.budget is not None:
        x = _x(line.budget, ticks)
        parts.append(f'<line class="budget" x1="{x}" y1="{top + 1}" x2="{x}" y2="{top + _ROW_PX - 1}"/>')
    return parts


def _legend(height: int) -> str:
    legend = "bar: median of the pairs · thin line: quartiles · dashes: budget"
    return f'<text class="faint" x="{_PEER_PX}" y="{height - 14}">{legend}</text>'
