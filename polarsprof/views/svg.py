"""Small inline SVG drawings: bars, a quantile line, lines and bands over windows.

Coordinates are integers except for bars, so a line over 200 windows takes about 1 KB. The callers escape the labels,
which screen readers read; no other text enters a drawing.
"""

from __future__ import annotations

from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from polarsprof.analysis.histogram import Histogram

WIDTH: Final = 144
HEIGHT: Final = 36
_LINE: Final = 10
STRIP_WIDTH: Final = 720
STRIP_HEIGHT: Final = 40

Point = tuple[int, int]


def svg(content: str, width: int, height: int, label: str) -> str:
    """A drawing that stretches to its container; `label` is its name and tooltip."""
    return (
        f'<svg height="{height}" viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img">'
        f"<title>{label}</title>{content}</svg>"
    )


def distribution(bins: Histogram, label: str) -> str:
    """The bars of a histogram, with the quantiles below them on the same axis."""
    return svg(f'<path d="{_bars(bins.shares)}"/>{_quantile_line(bins.quantiles)}', WIDTH, HEIGHT + _LINE, label)


def _bars(shares: Sequence[float]) -> str:
    """One path of all bars; every bin with values is at least one pixel high."""
    step = WIDTH / len(shares)
    highest = max(shares) or 1.0
    bars = []
    for i, share in enumerate(shares):
        height = max(1.0, share / highest * (HEIGHT - 1)) if share else 0.0
        bars.append(f"M{i * step:.4g} {HEIGHT}v{-height:.3g}h{step * 0.9:.3g}v{height:.3g}z" if share else "")
    return "".join(bars)


def _quantile_line(positions: Sequence[float]) -> str:
    """A box plot of quantiles.

    A thin line spans 1 % to 99 %, a thicker line 5 % to 95 %, and a box 25 % to 75 %.
    """
    q01, q05, q25, q50, q75, q95, q99 = (position * WIDTH for position in positions)
    y = HEIGHT + _LINE // 2 + 1
    half = max(q75 - q25, 1.0)
    return (
        f'<path class="w" d="{_bar(q01, q99, y, 1)}{_bar(q05, q95, y, 3)}"/>'
        f'<path d="{_bar(q25, q25 + half, y, 7)}"/>'
        f'<path class="m" d="{_bar(q50 - 1, q50 + 1, y, 9)}"/>'
    )


def _bar(left: float, right: float, middle: float, height: float) -> str:
    return f"M{left:.4g} {middle - height / 2:.4g}h{right - left:.3g}v{height:.3g}h{left - right:.3g}z"


def share_bar(part: float, whole: float) -> str:
    """A bar that fills a share of its container; decoration beside the text."""
    return (
        f'<svg class="b" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">'
        f'<path d="M0 0h{100 * min(part / whole, 1.0):.3g}v1H0z"/></svg>'
    )


def heights(values: Sequence[float | None], low: float, high: float) -> list[int | None]:
    """Values as y coordinates of a strip, `low` at the bottom and `high` at the top.

    All values are in the middle if `low` equals `high`.
    """
    span = high - low
    height = STRIP_HEIGHT - 6
    return [
        None if value is None else 3 + round(height * (1 - (value - low) / span) if span else height / 2)
        for value in values
    ]


def centers(slots: int) -> list[int]:
    """The x coordinates of the centers of windows side by side."""
    return [round((i + 0.5) * STRIP_WIDTH / slots) for i in range(slots)]


def line(ys: Sequence[int | None]) -> str:
    """A line over windows with gaps for missing values; a single value is a dot."""
    return "".join(_path(run) for run in _runs(ys))


def band(uppers: Sequence[int | None], lowers: Sequence[int | None]) -> str:
    """The area between two lines, with gaps where either has no value."""
    both = [None if upper is None else lower for upper, lower in zip(uppers, lowers, strict=True)]
    tops = [None if lower is None else upper for upper, lower in zip(uppers, both, strict=True)]
    return "".join(f"{_path([*top, *reversed(bottom)])}z" for top, bottom in zip(_runs(tops), _runs(both), strict=True))


def slots_path(positions: Sequence[int], slots: int, top: int, bottom: int) -> str:
    """Boxes over the windows at some positions; adjacent boxes become one."""
    boxes = []
    for _, entries in groupby(enumerate(positions), lambda entry: entry[1] - entry[0]):
        run = [position for _, position in entries]
        left, right = (round(edge * STRIP_WIDTH / slots) for edge in (run[0], run[-1] + 1))
        boxes.append(f"M{left} {top}h{max(right - left, 1)}v{bottom - top}h{-max(right - left, 1)}z")
    return "".join(boxes)


def columns_path(ys: Sequence[int | None]) -> str:
    """A bar over each window with a value, up to its y coordinate."""
    edges = [round(i * STRIP_WIDTH / len(ys)) for i in range(len(ys) + 1)]
    return "".join(
        f"M{left} {STRIP_HEIGHT}V{y}H{max(left + 1, right - (right - left > 2))}V{STRIP_HEIGHT}z"
        for (left, right), y in zip(pairwise(edges), ys, strict=True)
        if y is not None
    )


def _runs(ys: Sequence[int | None]) -> Iterator[list[Point]]:
    """The points of each run of windows with values.

    Of many points at one x, only the first, highest, lowest and last remain.
    """
    points = zip(centers(len(ys)) if ys else [], ys, strict=True)
    for is_known, run in groupby(points, lambda point: point[1] is not None):
        if is_known:
            known = [(x, y) for x, y in run if y is not None]
            yield [point for _, column in groupby(known, lambda point: point[0]) for point in _thin([*column])]


def _thin(points: list[Point]) -> list[Point]:
    if len(points) <= 4:
        return points
    by_height = sorted(points, key=lambda point: point[1])
    return [points[0], by_height[0], by_height[-1], points[-1]]


def _path(points: Sequence[Point]) -> str:
    first = points[0]
    if len(points) == 1:
        return f"M{first[0]} {first[1]}h0"
    steps = [_step(x1 - x0, y1 - y0) for (x0, y0), (x1, y1) in pairwise(points)]
    return f"M{first[0]} {first[1]}{''.join(steps)}"


def _step(dx: int, dy: int) -> str:
    if dy == 0:
        return f"h{dx}"
    return f"l{dx}{dy}" if dy < 0 else f"l{dx} {dy}"
