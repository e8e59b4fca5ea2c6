"""Datetimes ⇄ whole microseconds since the Unix epoch, UTC.

Exact from 0001-01-01 to 9999-12-31. Integers only: no float, no clock, no local time. Imports nothing above.
"""

from __future__ import annotations

import operator
from datetime import UTC, datetime, timedelta
from typing import Final

from polarsprof.errors import argument_error

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

# The first and the last microsecond of a datetime. Windows end one microsecond after the last at the latest.
MIN_US: Final = (datetime.min.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND
MAX_US: Final = (datetime.max.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND


def utc_us(moment: datetime, name: str = "moment") -> int:
    """Microseconds since the Unix epoch of a datetime; a naive one is read as UTC.

    Raises
    ------
    ArgumentError
        If `moment` is no datetime, is NaT, has a tzinfo that fails, or is outside the years 1 to 9999 in UTC. The
        error names the argument `name`.
    """
    if not isinstance(moment, datetime):
        raise argument_error(name, moment, "a datetime", "one without a zone is read as UTC")
    try:
        time_us = _exact_us(moment)
    except Exception as error:  # a tzinfo is foreign code
        raise argument_error(name, moment, "a datetime within the years 1 to 9999 in UTC", str(error)) from error
    return checked_us(time_us, name)


def _exact_us(moment: datetime) -> int:
    # Field by field, because arithmetic on subclasses such as pandas.Timestamp returns types of their own.
    date = moment.year, moment.month, moment.day
    wall = datetime(*date, moment.hour, moment.minute, moment.second, moment.microsecond, tzinfo=UTC)
    return (wall - EPOCH - (moment.utcoffset() or timedelta(0))) // _MICROSECOND


def utc_datetime(time_us: int) -> datetime:
    """The aware UTC datetime of microseconds since the Unix epoch.

    Raises
    ------
    ArgumentError
        If the time is outside the years 1 to 9999.

    Examples
    --------
    >>> utc_datetime(-1).isoformat()
    '1969-12-31T23:59:59.999999+00:00'
    """
    return EPOCH + timedelta(microseconds=checked_us(time_us, "time_us"))


def checked_us(time_us: int, name: str) -> int:
    """The time as a Python int; accepts every integer type, NumPy's included.

    Raises
    ------
    ArgumentError
        If `time_us` is no integer, or is outside the years 1 to 9999. The error names the argument `name`.
    """
    try:
        exact = operator.index(time_us)
    except TypeError:
        raise argument_error(name, time_us, "whole microseconds since 1970-01-01") from None
    if not MIN_US <= exact <= MAX_US:
        raise argument_error(name, time_us, f"a time of the years 1 to 9999, {MIN_US} to {MAX_US} µs since 1970-01-01")
    return exact
