"""Histograms from quantile sketches: bins, shares, positions of quantiles.

A histogram has at most `bins` bins. The share of each bin is within twice the rank error of the sketch. Imports no
other module of the library.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from math import ceil, isfinite
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from polarsprof.profiles.group import GroupProfile

Kind = TypeVar("Kind")

RANKS: Final = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_US: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US: Final = 86_400_000_000
_TAIL: Final = 0.01
# A range this many times wider than its middle 98 % has nearly all values in one bin, so the tails are cut off.
_MAX_RANGE_RATIO: Final = 4
# Doubles represent whole numbers and their halves exactly below this bound.
_MAX_EXACT: Final = 2**52


@dataclass(frozen=True, slots=True)
class Histogram:
    """Shares of values in bins of equal width.

    Attributes
    ----------
    shares
        One share in [0, 1] per bin. They add up to 1 unless the tails are cut off.
    start, end
        Values at both ends, of the type of the column.
    is_cut
        Whether the histogram leaves out the values below the 1 % and above the 99 % quantile.
    quantiles
        Positions of the quantiles at `RANKS`: 0 is the left end of the first bin, 1 the right end of the last bin.
    edges
        Edges of the bins as numbers, one more than bins: microseconds for datetimes, times and durations, days for
        dates. Edges of whole numbers lie halfway between two of them. The first bin contains both its edges.
    """

    shares: list[float]
    start: object
    end: object
    is_cut: bool
    quantiles: list[float]
    edges: list[float]


def histogram(group: GroupProfile, bins: int = 24) -> Histogram | None:
    """The histogram of a statistics group.

    Returns
    -------
    Histogram or None
        None if the group is empty, has no order, or has no finite range.
    """
    ends = group.quantiles([0.0, _TAIL, 1 - _TAIL, 1.0])
    scale = _SCALES.get(group.name)
    if ends is None or scale is None:
        return None
    numbers = [scale.number(value) for value in ends]
    if None in numbers:
        return None
    low, first, last, high = (float(number or 0) for number in numbers)
    # The whole range can be infinite, or too wide for a double.
    is_cut = (high - low > _MAX_RANGE_RATIO * (last - first) or not isfinite(high - low)) and first < last
    if is_cut:
        low, high = first, last
    if not isfinite(high - low):
        return None
    # A cut histogram starts above the values below it; otherwise the first bin includes the smallest value.
    is_whole = _is_whole(group) and max(abs(low), abs(high)) < _MAX_EXACT
    edges = _edges(low, high, bins, is_whole=is_whole)
    ranks = [group.cdf(scale.value(edge)) or 0.0 for edge in edges[1:]]
    below = (group.cdf(scale.value(edges[0])) or 0.0) if is_cut else 0.0
    shares = [max(0.0, right - left) for left, right in pairwise([below, *ranks])]
    visible_edges = [edge + 0.5 for edge in edges] if is_whole and low < high else edges
    positions = [_position(scale.number(value), visible_edges) for value in group.quantiles(RANKS) or []]
    return Histogram(shares, scale.value(low), scale.value(high), is_cut, positions, visible_edges)


def _position(number: float | None, edges: list[float]) -> float:
    """Position of a number between the first edge (0) and the last edge (1)."""
    width = edges[-1] - edges[0]
    return min(max(((number or 0.0) - edges[0]) / width, 0.0), 1.0) if width else 0.5


def _is_whole(group: GroupProfile) -> bool:
    return group.name == "date" or (group.name == "number" and group.counters["integral"] == group.count)


def _edges(low: float, high: float, bins: int, *, is_whole: bool) -> list[float]:
    """Edges of equal bins from low to high.

    Bins of whole numbers have whole widths, so that every bin contains equally many of them.
    """
    if high == low:
        return [low, high]
    if is_whole:
        width = ceil((high - low + 1) / bins)
        return [low - 1 + i * width for i in range(ceil((high - low + 1) / width) + 1)]
    return [*(low + (high - low) * (i / bins) for i in range(bins)), high]


@dataclass(frozen=True, slots=True)
class _Scale:
    """Conversions between values and numbers; a value without a number gives None."""

    number: Callable[[object], float | None]
    value: Callable[[float], object]


def _if_instance(kind: type[Kind], number: Callable[[Kind], float]) -> Callable[[object], float | None]:
    """Convert instances of `kind`; None for other values.

    A datetime beyond the years of Python's datetime is an integer, so it has no number.
    """
    return lambda value: number(value) if isinstance(value, kind) else None


def _us(value: datetime) -> float:
    return (value.replace(tzinfo=UTC) - _EPOCH) / _US


def _duration(us: float) -> timedelta:
    """The nearest duration, limited to the range of Python's timedelta."""
    return timedelta(microseconds=min(max(round(us), timedelta.min // _US), timedelta.max // _US))


def instant(us: float) -> datetime:
    """The moment nearest to `us` microseconds since 1970, in the range of datetime."""
    first, last = (moment - _EPOCH for moment in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)))
    return _EPOCH + min(max(_duration(us), first), last)


def _day(ordinal: float) -> date:
    return date.fromordinal(min(max(round(ordinal), date.min.toordinal()), date.max.toordinal()))


def _time(us: float) -> time:
    return instant(min(max(us, 0), _DAY_US - 1)).time()


# Statistics group → scale: microseconds for datetimes, times and durations, days for dates.
_SCALES: Final = {
    "number": _Scale(lambda value: float(value) if isinstance(value, int | float) else None, lambda number: number),
    "datetime_utc": _Scale(_if_instance(datetime, _us), instant),
    "datetime": _Scale(_if_instance(datetime, _us), lambda us: instant(us).replace(tzinfo=None)),
    "date": _Scale(_if_instance(date, lambda day: float(day.toordinal())), _day),
    "time": _Scale(_if_instance(time, lambda t: _us(datetime.combine(_EPOCH, t))), _time),
    "duration": _Scale(_if_instance(timedelta, lambda duration: duration / _US), _duration),
}
