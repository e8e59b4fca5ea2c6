"""Windows, tumbling windows and their names: pure integer arithmetic.

Every time from 0001-01-01 to 9999-12-31 lies in exactly one tumbling window, start <= time < end. Works in whole
microseconds since the Unix epoch, UTC; no float, no clock. Imports nothing above.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from math import gcd
from typing import TYPE_CHECKING, Final, cast
from zoneinfo import ZoneInfo

import numpy as np

from polarsprof.errors import argument_error
from polarsprof.windowing.durations import DAY_US, SECOND_US, Interval, suffix_format  # msgspec reads annotations
from polarsprof.windowing.instants import EPOCH, MAX_US, MIN_US, checked_us, utc_datetime

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FIRST_DAY: Final = MIN_US // DAY_US
_LAST_DAY: Final = MAX_US // DAY_US
_MAX_CACHED_DAYS: Final = 4_096  # starts of local days: eleven years of one zone, some 500 KB


@dataclass(frozen=True, order=True, slots=True)
class Window:
    """A half-open span [start, end) of event time; sorts by start, then by end.

    The order of the bounds is not checked: code that reads windows from outside rejects empty ones.

    Attributes
    ----------
    start_us, end_us
        Bounds in microseconds since the Unix epoch.

    Examples
    --------
    >>> print(Window(0, 3_600_000_000))
    [1970-01-01T00:00:00Z, 1970-01-01T01:00:00Z)
    """

    start_us: int
    end_us: int

    def __str__(self) -> str:
        start, end = (moment.isoformat().replace("+00:00", "Z") for moment in (self.start, self.end))
        return f"[{start}, {end})"

    @property
    def start(self) -> datetime:
        """The first moment inside, in UTC; clipped to the years 1 to 9999."""
        return _nearest_datetime(self.start_us)

    @property
    def end(self) -> datetime:
        """The first moment after, in UTC; clipped to the years 1 to 9999."""
        return _nearest_datetime(self.end_us)

    def contains(self, time_us: int) -> bool:
        """Returns whether start <= time < end."""
        return self.start_us <= time_us < self.end_us

    def overlaps(self, start_us: int | None, end_us: int | None) -> bool:
        """Returns whether this window and [start, end) share a time; None is an open side."""
        first_us = self.start_us if start_us is None else max(self.start_us, start_us)
        return first_us < (self.end_us if end_us is None else min(self.end_us, end_us))


def _nearest_datetime(time_us: int) -> datetime:
    return utc_datetime(min(max(time_us, MIN_US), MAX_US))


@dataclass(frozen=True, slots=True)
class Tumbling:
    """Windows of one length, side by side.

    Each time of the years 1 to 9999 lies in exactly one window. Windows are aligned to the epoch in UTC, or to an
    origin. With a zone they are local calendar days, 23 or 25 hours long on days when clocks change; n-day windows
    count local days from 1970-01-01. A local day begins when its date first shows on the clock: after the gap, if
    clocks skip its midnight. Windows at both ends of time are cut there.

    Attributes
    ----------
    interval
        Length of a window.
    origin_us
        The start of one of the windows, in microseconds since the Unix epoch; whole seconds.
    zone
        Name of an IANA time zone; needs an interval of whole days and no origin. None is UTC.

    Raises
    ------
    ArgumentError
        If the zone is unknown or is combined with another interval or an origin, or if the origin has a fraction of a
        second.

    Examples
    --------
    >>> from polarsprof.windowing.instants import utc_us
    >>> berlin = Tumbling(Interval.parse("d"), zone="Europe/Berlin")
    >>> window = berlin.window_of(utc_us(datetime(2024, 3, 31, 12)))
    >>> print(window, berlin.label(window))
    [2024-03-30T23:00:00Z, 2024-03-31T22:00:00Z) 2024-03-31
    """

    interval: Interval
    origin_us: int = 0
    zone: str | None = None

    def __post_init__(self) -> None:
        if checked_us(self.origin_us, "origin_us") % SECOND_US:
            raise argument_error("origin_us", self.origin_us, "whole seconds")
        if self.zone is not None:
            self._check_zone(self.zone)

    def _check_zone(self, zone: str) -> None:
        if self.interval.length_us % DAY_US:
            raise argument_error(
                "zone", zone, f"None for windows of {self.interval.text}", "zones have whole days only"
            )
        if self.origin_us:
            raise argument_error("origin_us", self.origin_us, "0 with a zone", "local days count from 1970-01-01")
        try:
            ZoneInfo(zone)
        except (LookupError, OSError, TypeError, ValueError) as error:
            hint = "systems without time zones of their own need the package tzdata"
            raise argument_error("zone", zone, 'the name of a time zone such as "Europe/Berlin"', hint) from error

    def window_of(self, time_us: int) -> Window:
        """The window that holds a time in microseconds since the Unix epoch.

        Raises
        ------
        ArgumentError
            If the time is outside the years 1 to 9999.
        """
        exact_us = checked_us(time_us, "time_us")
        if self.zone is None:
            start_us = exact_us - (exact_us - self.origin_us) % self.interval.length_us
            return Window(max(start_us, MIN_US), min(start_us + self.interval.length_us, MAX_US + 1))
        bounds_us = self._bounds(self.zone, np.array([exact_us], dtype=np.int64))
        after = int(np.searchsorted(bounds_us, exact_us, "right"))
        return Window(int(bounds_us[after - 1]), int(bounds_us[after]))

    def starts(self, times_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """The start of the window of every time, as in `window_of`.

        Costs one pass of integer arithmetic; with a zone, a sorted search and some microseconds per distinct day.

        Parameters
        ----------
        times_us
            Microseconds since the Unix epoch, in any order.

        Returns
        -------
        NDArray[int64]
            Microseconds since the Unix epoch, as long as `times_us`.

        Raises
        ------
        ArgumentError
            If the dtype is not int64, or a time is outside the years 1 to 9999.
        """
        _check_times(times_us, "times_us")
        if self.zone is None:
            numbers = (times_us - self.origin_us) // self.interval.length_us
            return np.maximum(numbers * self.interval.length_us + self.origin_us, MIN_US)
        bounds_us = self._bounds(self.zone, times_us)
        return bounds_us[np.searchsorted(bounds_us, times_us, "right") - 1]

    def _bounds(self, zone: str, times_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """Every start and end of the windows that hold the times, in order."""
        days = np.unique(times_us // DAY_US)
        # No zone is a day or more from UTC, so the local date is the UTC date, the day before or the day after. If
        # clocks go back over midnight, a day begins and the day before returns, so the window can be one later again.
        nearby = np.unique((days[:, None] + np.arange(-1, 3)).ravel())
        count = self.interval.length_us // DAY_US
        numbers = np.unique(nearby // count)
        starts = {_day_start_us(zone, number * count) for number in np.union1d(numbers, numbers + 1).tolist()}
        return np.array(sorted(starts), dtype=np.int64)

    @property
    def suffix_format(self) -> str:
        """The strftime format of the coarsest unit that divides interval and origin."""
        return suffix_format(gcd(self.interval.length_us, self.origin_us))

    def label(self, window: Window) -> str:
        """The start of a window as in file names: in the zone if set, else in UTC."""
        start = window.start
        # West of Greenwich, the first moment of UTC is still in the year 0.
        if self.zone is not None and window.start_us > MIN_US:
            start = start.astimezone(ZoneInfo(self.zone))
        return _formatted(start, self.suffix_format)


def label_of_instant(time_us: int) -> str:
    """The name of an instant to the second, in UTC.

    Loggers without rotation name their files so.

    Raises
    ------
    ArgumentError
        If the time is outside the years 1 to 9999.

    Examples
    --------
    >>> label_of_instant(1_700_000_000_999_999)
    '2023-11-14_22-13-20'
    """
    return _formatted(utc_datetime(time_us), suffix_format(SECOND_US))


def _formatted(moment: datetime, strftime_format: str) -> str:
    # Some C libraries write the year 7 as "7" for %Y.
    return moment.strftime(strftime_format.replace("%Y", f"{moment.year:04}"))


def _check_times(times_us: NDArray[np.int64], name: str) -> None:
    if getattr(times_us, "dtype", None) != np.int64:
        raise argument_error(name, times_us, "a numpy array of int64")
    if times_us.size:
        checked_us(int(times_us.min()), name)
        checked_us(int(times_us.max()), name)


@lru_cache(maxsize=_MAX_CACHED_DAYS)
def _day_start_us(zone: str, day: int) -> int:
    """The first moment of a local day, counted from 1970-01-01; clipped at both ends."""
    if day <= _FIRST_DAY:
        return MIN_US
    if day > _LAST_DAY:
        return MAX_US + 1
    midnight = datetime.fromordinal(day + EPOCH.toordinal()).replace(tzinfo=ZoneInfo(zone))
    wall_s = day * DAY_US // SECOND_US
    # PEP 495: if a local time occurs twice, fold 0 is the first. If it is skipped, fold 0 has the offset before the
    # gap and fold 1 the offset after it.
    before_s, after_s = _offset_s(midnight), _offset_s(midnight.replace(fold=1))
    if before_s >= after_s:
        return (wall_s - before_s) * SECOND_US
    inside_s = range(wall_s - after_s, wall_s - before_s + 1)
    return inside_s[bisect_left(inside_s, wall_s, key=lambda time_s: _local_s(time_s, zone))] * SECOND_US


def _local_s(time_s: int, zone: str) -> int:
    return time_s + _offset_s(utc_datetime(time_s * SECOND_US).astimezone(ZoneInfo(zone)))


def _offset_s(moment: datetime) -> int:
    return cast("timedelta", moment.utcoffset()) // timedelta(seconds=1)  # never None for a zone of the IANA database
