"""Histograms read off a quantile sketch: bins between two values, the share of the rows in each.

At most `bins` bins; their shares are within twice the sketch's rank error. Imports nothing of the library.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from math import ceil, isfinite
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from polarsprof.column import GroupProfile

_US: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TAIL: Final = 0.01
# A range that is so many times wider than its middle 98 % would show one bar: the tails are cut off then.
_WIDE: Final = 4
_EXACT_STEPS: Final = 2**52


@dataclass(frozen=True, slots=True)
class Histogram:
    """Shares of the values in bins of equal width.

    Attributes
    ----------
    shares
        One share in [0, 1] per bin; they add up to 1 unless the tails are cut.
    start, end
        The values at both ends, of the column's own type.
    cut
        Whether values lie beyond the ends: those under the 1 % and over the 99 % quantile.
    """

    shares: list[float]
    start: Any
    end: Any
    cut: bool


def histogram(group: GroupProfile, bins: int = 24) -> Histogram | None:
    """The histogram of a group; None of nothing, for groups without order and where the ends are not finite."""
    found = group.quantiles([0.0, _TAIL, 1 - _TAIL, 1.0])
    scale = _SCALES.get(group.name)
    if found is None or scale is None:
        return None
    numbers = [scale.number(value) for value in found]
    if None in numbers:
        return None
    low, first, last, high = (float(number or 0) for number in numbers)
    # The whole range may be infinite, or too wide for a double.
    cut = (high - low > _WIDE * (last - first) or not isfinite(high - low)) and first < last
    if cut:
        low, high = first, last
    if not isfinite(high - low):
        return None
    # A cut histogram starts above what lies below it; else the first bin takes the smallest value in.
    edges = _edges(low, high, bins, whole=_is_whole(group))
    ranks = [group.cdf(scale.value(edge)) or 0.0 for edge in edges[1:]]
    below = (group.cdf(scale.value(edges[0])) or 0.0) if cut else 0.0
    shares = [max(0.0, right - left) for left, right in pairwise([below, *ranks])]
    return Histogram(shares, scale.value(low), scale.value(high), cut)


def _is_whole(group: GroupProfile) -> bool:
    return group.name == "date" or (group.name == "number" and group.counters["integral"] == group.count)


def _edges(low: float, high: float, bins: int, *, whole: bool) -> list[float]:
    """Edges of equal bins from low to high; whole numbers get whole widths, so that no bin holds more of them."""
    if high == low:
        return [low, high]
    if whole and max(abs(low), abs(high)) < _EXACT_STEPS:
        width = ceil((high - low + 1) / bins)
        return [low - 1 + i * width for i in range(ceil((high - low + 1) / width) + 1)]
    return [*(low + (high - low) * (i / bins) for i in range(bins)), high]


@dataclass(frozen=True, slots=True)
class _Scale:
    """The number of a value, None where it has none, and the value of a number."""

    number: Callable[[Any], float | None]
    value: Callable[[float], Any]


def _of(kind: type, number: Callable[[Any], float]) -> Callable[[Any], float | None]:
    """A datetime beyond the years that Python knows comes as an integer: it has no number then."""
    return lambda value: number(value) if isinstance(value, kind) else None


def _us(value: datetime) -> float:
    return (value.replace(tzinfo=UTC) - _EPOCH) / _US


def _duration(us: float) -> timedelta:
    """The duration nearest to a number of microseconds; the longest ones round beyond what Python holds."""
    return timedelta(microseconds=min(max(round(us), timedelta.min // _US), timedelta.max // _US))


def _instant(us: float) -> datetime:
    first, last = (moment - _EPOCH for moment in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)))
    return _EPOCH + min(max(_duration(us), first), last)


def _day(ordinal: float) -> date:
    return date.fromordinal(min(max(round(ordinal), date.min.toordinal()), date.max.toordinal()))


def _time(us: float) -> time:
    return _instant(min(max(us, 0), 86_399_999_999)).time()


# Statistics group → its scale; datetimes and times in microseconds, dates in days.
_SCALES: Final = {
    "number": _Scale(float, lambda number: number),
    "datetime_utc": _Scale(_of(datetime, _us), _instant),
    "datetime": _Scale(_of(datetime, _us), lambda us: _instant(us).replace(tzinfo=None)),
    "date": _Scale(_of(date, lambda day: float(day.toordinal())), _day),
    "time": _Scale(_of(time, lambda t: _us(datetime.combine(_EPOCH, t))), _time),
    "duration": _Scale(_of(timedelta, lambda duration: duration / _US), _duration),
}
