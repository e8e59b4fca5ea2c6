"""Conversion between stored ticks, values that users see, and places in a sketch.

A temporal value is stored as an integer of ticks: nanoseconds, or days for dates. Its place in the quantile sketch is a
double in microseconds, or days for dates. Users see datetimes, dates, times and timedeltas.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from polarsprof.sketches.values import as_float

if TYPE_CHECKING:
    from collections.abc import Callable

    from polarsprof.kernels.batch import Item

NS_PER_US: Final = 1_000
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - wall-clock time without a zone
_EPOCH_UTC: Final = _EPOCH.replace(tzinfo=UTC)
_US: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Axis:
    """Order of the values of one group.

    Attributes
    ----------
    place_of
        A value as users write it → its place; None for a value of another group.
    from_ticks
        Ticks → the value that users see; None if values are stored as they are shown.
    ticks_per_unit
        Ticks between the places 0 and 1.
    """

    place_of: Callable[[object], float | None]
    from_ticks: Callable[[int], object] | None = None
    ticks_per_unit: int = 1

    @property
    def has_ns(self) -> bool:
        """Whether ticks are nanoseconds."""
        return self.ticks_per_unit == NS_PER_US

    def value(self, stored: object) -> object:
        """Value that users see; ticks beyond the years of Python stay integers."""
        if self.from_ticks is None or not isinstance(stored, int):
            return stored
        try:
            return self.from_ticks(stored)
        except OverflowError:
            return stored

    def value_at(self, place: float, minimum: Item | None, maximum: Item | None) -> object:
        """Value at a place of the quantile sketch, between the exact extremes."""
        if self.from_ticks is None:
            return place
        ticks = round(place) * self.ticks_per_unit
        if isinstance(minimum, int) and isinstance(maximum, int):  # doubles round microseconds beyond the year 2255
            ticks = min(max(ticks, minimum), maximum)
        return self.value(ticks)

    def place(self, stored: float) -> float:
        """Place of a stored number or of ticks."""
        return as_float(stored if self.ticks_per_unit == 1 else stored // self.ticks_per_unit)


def _number_place(x: object) -> float | None:
    return as_float(x) if isinstance(x, int | float) and x == x else None  # noqa: PLR0124 - not NaN


def _utc_place(x: object) -> float | None:
    return (x - _EPOCH_UTC) / _US if isinstance(x, datetime) and x.tzinfo is not None else None


def _datetime_place(x: object) -> float | None:
    return (x - _EPOCH) / _US if isinstance(x, datetime) and x.tzinfo is None else None


def _date_place(x: object) -> float | None:
    return float((x - _EPOCH.date()).days) if isinstance(x, date) and not isinstance(x, datetime) else None


def _time_place(x: object) -> float | None:
    return (datetime.combine(_EPOCH, x) - _EPOCH) / _US if isinstance(x, time) and x.tzinfo is None else None


def _duration_place(x: object) -> float | None:
    return x / _US if isinstance(x, timedelta) else None


def _duration(ns: int) -> timedelta:
    return timedelta(microseconds=ns // NS_PER_US)


NUMBERS_AXIS: Final = Axis(_number_place)
UTC_AXIS: Final = Axis(_utc_place, lambda ns: _EPOCH_UTC + _duration(ns), NS_PER_US)
DATETIME_AXIS: Final = Axis(_datetime_place, lambda ns: _EPOCH + _duration(ns), NS_PER_US)
DATE_AXIS: Final = Axis(_date_place, lambda days: (_EPOCH + timedelta(days=days)).date())
TIME_AXIS: Final = Axis(_time_place, lambda ns: (_EPOCH + _duration(ns)).time(), NS_PER_US)
DURATION_AXIS: Final = Axis(_duration_place, _duration, NS_PER_US)
