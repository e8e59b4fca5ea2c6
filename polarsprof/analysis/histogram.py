"""Histograms read off a quantile sketch: bins between two values, shares of the rows in them, places of quantiles.

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

    from polarsprof.profiles.group import GroupProfile

RANKS: Final = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
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
    quantiles
        Where the quantiles at `RANKS` lie, 0 at the left end of the first bin and 1 at the right end of the last.
    edges
        Ends of the bins as numbers, one more than there are bins: of datetimes, times and durations in microseconds, of
        dates in days; of whole numbers halfway between two of them. The first bin holds both its ends.
    """

    shares: list[float]
    start: Any
    end: Any
    cut: bool
    quantiles: list[float]
    edges: list[float]


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
    whole = _is_whole(group) and max(abs(low), abs(high)) < _EXACT_STEPS
    edges = _edges(low, high, bins, whole=whole)
    ranks = [group.cdf(scale.value(edge)) or 0.0 for edge in edges[1:]]
    below = (group.cdf(scale.value(edges[0])) or 0.0) if cut else 0.0
    shares = [max(0.0, right - left) for left, right in pairwise([below, *ranks])]
    drawn = [edge + 0.5 for edge in edges] if whole and low < high else edges
    places = [_place(scale.number(value), drawn) for value in group.quantiles(RANKS) or []]
    return Histogram(shares, scale.value(low), scale.value(high), cut, places, drawn)


def _place(number: float | None, edges: list[float]) -> float:
    """Where a number lies between the first edge and the last, from 0 to 1."""
    width = edges[-1] - edges[0]
    return min(max(((number or 0.0) - edges[0]) / width, 0.0), 1.0) if width else 0.5


def _is_whole(group: GroupProfile) -> bool:
    return group.name == "date" or (group.name == "number" and group.counters["integral"] == group.count)


def _edges(low: float, high: float, bins: int, *, whole: bool) -> list[float]:
    """Edges of equal bins from low to high; whole numbers get whole widths, so that no bin holds more of them."""
    if high == low:
        return [low, high]
    if whole:
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


def instant(us: float) -> datetime:
    """The moment nearest to a number of microseconds since 1970, of those that Python can say."""
    first, last = (moment - _EPOCH for moment in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)))
    return _EPOCH + min(max(_duration(us), first), last)


def _day(ordinal: float) -> date:
    return date.fromordinal(min(max(round(ordinal), date.min.toordinal()), date.max.toordinal()))


def _time(us: float) -> time:
    return instant(min(max(us, 0), 86_399_999_999)).time()


# Statistics group → its scale; datetimes and times in microseconds, dates in days.
_SCALES: Final = {
    "number": _Scale(float, lambda number: number),
    "datetime_utc": _Scale(_of(datetime, _us), instant),
    "datetime": _Scale(_of(datetime, _us), lambda us: instant(us).replace(tzinfo=None)),
    "date": _Scale(_of(date, lambda day: float(day.toordinal())), _day),
    "time": _Scale(_of(time, lambda t: _us(datetime.combine(_EPOCH, t))), _time),
    "duration": _Scale(_of(timedelta, lambda duration: duration / _US), _duration),
}
