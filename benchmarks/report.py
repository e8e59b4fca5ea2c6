"""Lines as a Markdown table, as JSON, and as a plot: bars on a logarithmic axis, drawn by hand."""

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
    from collections.abc import Iterable, Sequence

    from benchmarks.measure import Line, Setup

_PACKAGES: Final = (
    *("polarsprof", "polars", "datasketches", "numpy", "pyarrow", "polars-hash"),
    *("duckdb", "chdb", "chdb-core", "dataprof", "netra-profiler"),
)
_ROW_PX: Final = 24
_LABEL_PX: Final = 430
_AXIS_PX: Final = 360
_MARGIN_PX: Final = 80
_TICKS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)


def markdown(lines: Iterable[Line]) -> str:
    """The table; a line that was skipped says why."""
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
    """Three digits that count, or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _ratio(line: Line) -> str:
    if line.ratio is None or line.lower_quartile is None or line.upper_quartile is None:
        return ""
    return f"**{line.ratio:.2f}** ({line.lower_quartile:.2f} – {line.upper_quartile:.2f})"


def _bound(value: float | None) -> str:
    return "" if value is None else f"≤ {value:.3g}"


def as_json(lines: Iterable[Line], setup: Setup) -> str:
    """All figures and what they were measured with; no names of hosts or folders."""
    machine = {"cpus": os.cpu_count(), "machine": platform.machine(), "system": platform.system()}
    asked = {"rows": setup.rows, "threads": setup.threads, "quick": setup.quick}
    about = machine | asked | {"python": platform.python_version(), "versions": versions()}
    measured = [asdict(line) | {"verdict": line.verdict} for line in lines]
    return json.dumps(about | {"lines": measured}, indent=2, ensure_ascii=False)


def versions() -> dict[str, str]:
    """Package → version of what is installed."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def svg(lines: Iterable[Line]) -> str:
    """The ratios as bars with their quartiles; left of the line at 1 we are faster, or smaller."""
    shown = [line for line in lines if line.ratio is not None]
    width, height = _LABEL_PX + _AXIS_PX + _MARGIN_PX, _ROW_PX * (len(shown) + 2)
    ticks = _ticks(shown)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
            "<style>text { font: 12px sans-serif }</style>",
            "<title>Time of polarsprof divided by the time of its peers</title>",
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            *(part for tick in ticks for part in _tick(tick, ticks, height)),
            *(part for number, line in enumerate(shown) for part in _bar(line, ticks, number)),
            "</svg>\n",
        ]
    )


def _ticks(shown: Sequence[Line]) -> list[float]:
    """The round ratios from the one below all quartiles to the one above; 1 is always among them."""
    ends = [end for line in shown for end in (line.lower_quartile, line.upper_quartile) if end is not None] or [1.0]
    low = max((tick for tick in _TICKS if tick <= min(*ends, 0.5)), default=_TICKS[0])
    high = min((tick for tick in _TICKS if tick >= max(*ends, 2.0)), default=_TICKS[-1])
    return [tick for tick in _TICKS if low <= tick <= high]


def _x(ratio: float, ticks: Sequence[float]) -> float:
    share = math.log(max(ratio, 1e-6) / ticks[0]) / math.log(ticks[-1] / ticks[0])
    return round(_LABEL_PX + _AXIS_PX * min(max(share, 0.0), 1.0), 1)


def _tick(tick: float, ticks: Sequence[float], height: int) -> list[str]:
    x, bottom = _x(tick, ticks), height - _ROW_PX
    stroke = "#444444" if tick == 1 else "#dddddd"
    return [
        f'<line x1="{x}" y1="{_ROW_PX / 2}" x2="{x}" y2="{bottom}" stroke="{stroke}"/>',
        f'<text x="{x}" y="{bottom + 15}" text-anchor="middle" fill="#444444">{tick:g}</text>',
    ]


def _bar(line: Line, ticks: Sequence[float], number: int) -> list[str]:
    if line.ratio is None or line.lower_quartile is None or line.upper_quartile is None:
        return []
    middle = _ROW_PX * (number + 1.2)
    one, end = _x(1.0, ticks), _x(line.ratio, ticks)
    color = "#2a7f62" if line.ratio <= 1 else "#b5651d"
    low, high = _x(line.lower_quartile, ticks), _x(line.upper_quartile, ticks)
    label = escape(f"{line.what} ÷ {line.against}")
    return [
        f'<text x="{_LABEL_PX - 10}" y="{middle + 4:.1f}" text-anchor="end" fill="#222222">{label}</text>',
        f'<rect x="{min(one, end)}" y="{middle - 6:.1f}" width="{abs(end - one):.1f}" height="12" fill="{color}"/>',
        f'<line x1="{low}" y1="{middle:.1f}" x2="{high}" y2="{middle:.1f}" stroke="#111111" stroke-width="2"/>',
        f'<text x="{_LABEL_PX + _AXIS_PX + 12}" y="{middle + 4:.1f}" fill="#222222">{line.ratio:.2f}</text>',
    ]
