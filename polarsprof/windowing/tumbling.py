"""Event-time arithmetic: intervals, tumbling windows, their names, the watermark.

Pure but for `Watermark`, in whole microseconds since the Unix epoch, UTC; no float, no clock, no local time. Exact from
0001-01-01 to 9999-12-31: every time of that range lies in exactly one window, start <= time < end. Imports nothing
above.
"""

from __future__ import annotations

import operator
import re
from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import gcd
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo

import numpy as np

from polarsprof.errors import argument_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND_US = 1_000_000
_DAY_US = 86_400 * _SECOND_US
_UNITS_US = {"d": _DAY_US, "h": 3_600 * _SECOND_US, "m": 60 * _SECOND_US, "s": _SECOND_US}  # coarsest first
_SUFFIX_FORMATS = {"d": "%Y-%m-%d", "h": "%Y-%m-%d_%H", "m": "%Y-%m-%d_%H-%M", "s": "%Y-%m-%d_%H-%M-%S"}
_LONGEST_DAYS = 10_000
_LONGEST_DIGITS = len(str(_LONGEST_DAYS * 86_400))
_INTERVAL_TEXT = re.compile(r"([0-9]*)([smhd])", re.ASCII | re.IGNORECASE)

# The first and the last microsecond that a datetime can say; windows end at the microsecond after it at the latest.
MIN_US = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
MAX_US = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_FIRST_DAY, _LAST_DAY = MIN_US // _DAY_US, MAX_US // _DAY_US

_ONE_HOUR_US = _UNITS_US["h"]


def utc_us(moment: datetime, name: str = "moment") -> int:
    """Microseconds since the Unix epoch of a datetime; a naive one is read as UTC.

    Raises
    ------
    ArgumentError
        Where `moment` is no datetime, is NaT, has a tzinfo that fails, or is outside the years 1 to 9999 in UTC.
    """
    if not isinstance(moment, datetime):
        raise argument_error(name, moment, "a datetime", "one without a zone is read as UTC")
    try:
        time_us = _exact_us(moment)
    except Exception as error:  # a tzinfo is foreign code
        raise argument_error(name, moment, "a datetime that UTC can say", str(error)) from error
    return _checked_us(time_us, name)


def _exact_us(moment: datetime) -> int:
    # Field by field, because arithmetic on subclasses such as pandas' answers in types of their own.
    date = moment.year, moment.month, moment.day
    wall = datetime(*date, moment.hour, moment.minute, moment.second, moment.microsecond, tzinfo=UTC)
    return (wall - _EPOCH - (moment.utcoffset() or timedelta(0))) // _MICROSECOND


def utc_datetime(time_us: int) -> datetime:
    """The aware UTC datetime of microseconds since the Unix epoch.

    Raises
    ------
    ArgumentError
        Outside the years 1 to 9999.

    Examples
    --------
    >>> utc_datetime(-1).isoformat()
    '1969-12-31T23:59:59.999999+00:00'
    """
    return _EPOCH + timedelta(microseconds=_checked_us(time_us, "time_us"))


def _checked_us(time_us: int, name: str) -> int:
    try:
        exact = operator.index(time_us)
    except TypeError:
        raise argument_error(name, time_us, "whole microseconds since 1970-01-01") from None
    if not MIN_US <= exact <= MAX_US:
        raise argument_error(name, time_us, f"a time of the years 1 to 9999, {MIN_US} to {MAX_US} µs since 1970-01-01")
    return exact


def label_of_instant(time_us: int) -> str:
    """The name of an instant to the second, in UTC, as the file of a logger without rotation carries it.

    Examples
    --------
    >>> label_of_instant(1_700_000_000_999_999)
    '2023-11-14_22-13-20'
    """
    return _formatted(utc_datetime(time_us), _SUFFIX_FORMATS["s"])


def _formatted(moment: datetime, suffix_format: str) -> str:
    # Some C libraries write the year 7 as "7" for %Y.
    return moment.strftime(suffix_format.replace("%Y", f"{moment.year:04}"))


def duration_us(value: str | timedelta, name: str) -> int:
    """Microseconds of a duration: a timedelta, or text as "90s", "1d", "h" (one hour); zero is allowed.

    Raises
    ------
    ArgumentError
        Where `value` is anything else, is negative, or is longer than 10,000 days.

    Examples
    --------
    >>> duration_us("90s", "every"), duration_us(timedelta(0), "every")
    (90000000, 0)
    """
    if not isinstance(value, str | timedelta):
        raise argument_error(name, value, 'a timedelta or text such as "90s" or "1d"')
    length_us = _text_us(value, name) if isinstance(value, str) else value // _MICROSECOND
    if length_us < 0:
        raise argument_error(name, value, "a duration that is not negative")
    if length_us > _LONGEST_DAYS * _DAY_US:
        raise argument_error(name, value, f"at most {_LONGEST_DAYS} days")
    return length_us


def _text_us(text: str, name: str) -> int:
    found = _INTERVAL_TEXT.fullmatch(text)
    if found is None:
        hint = "s, m, h and d are seconds, minutes, hours and days"
        raise argument_error(name, text, 'text such as "90s", "15m", "h" or "1d"', hint)
    digits = found[1].lstrip("0") or found[1][:1]
    if len(digits) > _LONGEST_DIGITS:  # int() refuses thousands of digits with an error of its own
        raise argument_error(name, text, f"at most {_LONGEST_DAYS} days")
    return int(digits or 1) * _UNITS_US[found[2].lower()]


def _coarsest_unit(length_us: int) -> str:
    return next(unit for unit, unit_us in _UNITS_US.items() if length_us % unit_us == 0)


@dataclass(frozen=True, slots=True)
class Interval:
    """The length of a window: whole seconds, at least one, at most 10,000 days.

    Attributes
    ----------
    length_us
        Microseconds.

    Raises
    ------
    ArgumentError
        Where the length is zero, negative, no whole number of seconds, or too long.

    Examples
    --------
    >>> Interval.parse("24h") == Interval.parse("D"), Interval.parse("5400s").text, Interval.parse("60s").suffix_format
    (True, '90m', '%Y-%m-%d_%H-%M')
    """

    length_us: int

    def __post_init__(self) -> None:
        _check_length(self.length_us, self.length_us, "length_us")

    @classmethod
    def parse(cls, value: str | timedelta, name: str = "with_rotation_time") -> Interval:
        """The interval that a timedelta or a text says: digits, none for 1, and one of s, m, h, d in any case.

        Raises
        ------
        ArgumentError
            Where `value` is anything else, or the length is none of an interval; it names the argument `name`.
        """
        length_us = duration_us(value, name)
        _check_length(length_us, value, name)
        return cls(length_us)

    @property
    def text(self) -> str:
        """The shortest text that says the interval: the coarsest unit, without a number where that is 1."""
        unit = _coarsest_unit(self.length_us)
        number = self.length_us // _UNITS_US[unit]
        return unit if number == 1 else f"{number}{unit}"

    @property
    def suffix_format(self) -> str:
        """The strftime format of the coarsest unit that says the interval exactly."""
        return _SUFFIX_FORMATS[_coarsest_unit(self.length_us)]


def _check_length(length_us: int, got: object, name: str) -> None:
    if not 0 < length_us <= _LONGEST_DAYS * _DAY_US or length_us % _SECOND_US:
        raise argument_error(name, got, f"whole seconds, at least one, at most {_LONGEST_DAYS} days")


@dataclass(frozen=True, order=True, slots=True)
class Window:
    """The half-open span [start, end) of event time; windows sort by start, then by end.

    Nothing is checked here: whoever reads windows from outside checks that they are not empty.

    Attributes
    ----------
    start_us, end_us
        Microseconds since the Unix epoch.

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
        """The first moment inside, aware and in UTC; the nearest one of the years 1 to 9999."""
        return _nearest_datetime(self.start_us)

    @property
    def end(self) -> datetime:
        """The first moment after, aware and in UTC; the nearest one of the years 1 to 9999."""
        return _nearest_datetime(self.end_us)

    def contains(self, time_us: int) -> bool:
        """Whether start <= time < end."""
        return self.start_us <= time_us < self.end_us

    def overlaps(self, start_us: int | None, end_us: int | None) -> bool:
        """Whether a time can lie both in this window and in [start, end); None leaves that side open."""
        first_us = self.start_us if start_us is None else max(self.start_us, start_us)
        return first_us < (self.end_us if end_us is None else min(self.end_us, end_us))


def _nearest_datetime(time_us: int) -> datetime:
    return utc_datetime(min(max(time_us, MIN_US), MAX_US))


@dataclass(frozen=True, slots=True)
class Tumbling:
    """Windows of one length side by side: each time of the years 1 to 9999 lies in exactly one.

    Windows are aligned to the epoch in UTC, or to an origin. With a zone they are local calendar days, 23 or 25 hours
    long where clocks change; n-day windows count local days from 1970-01-01. A local day begins when its date first
    shows on the clock, after the gap where clocks skip its midnight. Windows at both ends of time are cut there.

    Attributes
    ----------
    interval
        Length of a window.
    origin_us
        A window starts here; whole seconds since the Unix epoch, in microseconds.
    zone
        Name of an IANA time zone, for intervals of whole days and without an origin.

    Raises
    ------
    ArgumentError
        Where the zone is unknown or goes with another interval or an origin, or the origin has a fraction of a second.

    Examples
    --------
    >>> berlin = Tumbling(Interval.parse("d"), zone="Europe/Berlin")
    >>> window = berlin.window_of(utc_us(datetime(2024, 3, 31, 12)))
    >>> print(window, berlin.label(window))
    [2024-03-30T23:00:00Z, 2024-03-31T22:00:00Z) 2024-03-31
    """

    interval: Interval
    origin_us: int = 0
    zone: str | None = None

    def __post_init__(self) -> None:
        if _checked_us(self.origin_us, "origin_us") % _SECOND_US:
            raise argument_error("origin_us", self.origin_us, "whole seconds")
        if self.zone is not None:
            self._check_zone(self.zone)

    def _check_zone(self, zone: str) -> None:
        if self.interval.length_us % _DAY_US:
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
            Outside the years 1 to 9999.
        """
        exact_us = _checked_us(time_us, "time_us")
        if self.zone is None:
            start_us = exact_us - (exact_us - self.origin_us) % self.interval.length_us
            return Window(max(start_us, MIN_US), min(start_us + self.interval.length_us, MAX_US + 1))
        bounds_us = self._bounds(self.zone, np.array([exact_us], dtype=np.int64))
        after = int(np.searchsorted(bounds_us, exact_us, "right"))
        return Window(int(bounds_us[after - 1]), int(bounds_us[after]))

    def starts(self, times_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """The start of the window of every time, in microseconds, equal to that of `window_of`; empty for none.

        One pass of integer arithmetic; with a zone a sorted search, and some microseconds per distinct day.

        Raises
        ------
        ArgumentError
            Where the array is not of int64, or holds a time outside the years 1 to 9999.
        """
        _check_times(times_us, "times_us")
        if self.zone is None:
            numbers = (times_us - self.origin_us) // self.interval.length_us
            return np.maximum(numbers * self.interval.length_us + self.origin_us, MIN_US)
        bounds_us = self._bounds(self.zone, times_us)
        return bounds_us[np.searchsorted(bounds_us, times_us, "right") - 1]

    def _bounds(self, zone: str, times_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """Every start and end, in order, of the windows that hold the times."""
        days = np.unique(times_us // _DAY_US)
        # No zone is a day or more from UTC, so the local date is that of UTC, the one before or the one after. Where
        # clocks go back over midnight a day begins and its eve returns, so the window may be one later again.
        nearby = np.unique((days[:, None] + np.arange(-1, 3)).ravel())
        count = self.interval.length_us // _DAY_US
        numbers = np.unique(nearby // count)
        starts = {_day_start_us(zone, number * count) for number in np.union1d(numbers, numbers + 1).tolist()}
        return np.array(sorted(starts), dtype=np.int64)

    @property
    def suffix_format(self) -> str:
        """The strftime format of the coarsest unit that says both the interval and the origin exactly."""
        return _SUFFIX_FORMATS[_coarsest_unit(gcd(self.interval.length_us, self.origin_us))]

    def label(self, window: Window) -> str:
        """The start of a window as its file is named: in the zone if there is one, else in UTC."""
        start = window.start
        # West of Greenwich the first moment of UTC still lies in the year 0.
        if self.zone is not None and window.start_us > MIN_US:
            start = start.astimezone(ZoneInfo(self.zone))
        return _formatted(start, self.suffix_format)


def _check_times(times_us: NDArray[np.int64], name: str) -> None:
    if getattr(times_us, "dtype", None) != np.int64:
        raise argument_error(name, times_us, "a numpy array of int64")
    if times_us.size:
        _checked_us(int(times_us.min()), name)
        _checked_us(int(times_us.max()), name)


@lru_cache(maxsize=4096)
def _day_start_us(zone: str, day: int) -> int:
    """The first moment of a local day, counted from 1970-01-01; at both ends of time the end."""
    if day <= _FIRST_DAY:
        return MIN_US
    if day > _LAST_DAY:
        return MAX_US + 1
    midnight = datetime.fromordinal(day + _EPOCH.toordinal()).replace(tzinfo=ZoneInfo(zone))
    wall_s = day * _DAY_US // _SECOND_US
    # PEP 495: of a time that comes twice, fold 0 is the first; one that is skipped is said with the offsets of before
    # the gap (fold 0) and after it (fold 1).
    before_s, after_s = _offset_s(midnight), _offset_s(midnight.replace(fold=1))
    if before_s >= after_s:
        return (wall_s - before_s) * _SECOND_US
    inside_s = range(wall_s - after_s, wall_s - before_s + 1)
    return inside_s[bisect_left(inside_s, wall_s, key=lambda time_s: _local_s(time_s, zone))] * _SECOND_US


def _local_s(time_s: int, zone: str) -> int:
    return time_s + _offset_s(utc_datetime(time_s * _SECOND_US).astimezone(ZoneInfo(zone)))


def _offset_s(moment: datetime) -> int:
    return cast("timedelta", moment.utcoffset()) // timedelta(seconds=1)  # a zone of the database always has one


@dataclass(slots=True)
class Watermark:
    """How far event time has come: the latest time seen less the disorder that is allowed for; it never goes back.

    Attributes
    ----------
    max_out_of_orderness_us
        How far behind the latest time rows may come and still be on time, in microseconds.
    max_future_us
        Times further ahead of the clock than this, in microseconds, move nothing, so that one wild clock does not seal
        every window; None lets every time count.
    latest_us
        The latest time that counted, None before the first. Given to a new watermark, it resumes from there.

    Raises
    ------
    ArgumentError
        Where a duration is negative.

    Examples
    --------
    >>> watermark = Watermark(max_out_of_orderness_us=10)
    >>> watermark.observe(np.array([100, 90, 10**16]), now_us=100), watermark.value_us
    (1, 90)
    """

    max_out_of_orderness_us: int = 0
    max_future_us: int | None = _ONE_HOUR_US
    latest_us: int | None = None

    def __post_init__(self) -> None:
        for name in ("max_out_of_orderness_us", "max_future_us"):
            length_us = getattr(self, name)
            if length_us is not None and length_us < 0:
                raise argument_error(name, length_us, "microseconds, not negative")

    def observe(self, times_us: NDArray[np.int64], now_us: int) -> int:
        """Advance to the latest of the times that are not beyond the allowed future; the number of those beyond.

        Parameters
        ----------
        times_us
            Event times in microseconds since the Unix epoch, in any order; may be empty.
        now_us
            The clock's time in microseconds since the Unix epoch.
        """
        credible_us = times_us if self.max_future_us is None else times_us[times_us <= now_us + self.max_future_us]
        if credible_us.size:
            newest_us = int(credible_us.max())
            self.latest_us = newest_us if self.latest_us is None else max(self.latest_us, newest_us)
        return int(times_us.size - credible_us.size)

    @property
    def value_us(self) -> int | None:
        """Microseconds since the Unix epoch before which nothing more is expected; None as long as nothing was seen."""
        return None if self.latest_us is None else self.latest_us - self.max_out_of_orderness_us
