"""Durations and intervals: timedeltas and text such as "15m" → whole microseconds.

A duration can be zero; an interval, the length of a window, is at least one second. Imports nothing above.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from polarsprof.errors import argument_error

SECOND_US: Final = 1_000_000
DAY_US: Final = 86_400 * SECOND_US
_UNITS_US: Final = {"d": DAY_US, "h": 3_600 * SECOND_US, "m": 60 * SECOND_US, "s": SECOND_US}  # coarsest first
_SUFFIX_FORMATS: Final = {"d": "%Y-%m-%d", "h": "%Y-%m-%d_%H", "m": "%Y-%m-%d_%H-%M", "s": "%Y-%m-%d_%H-%M-%S"}
_MAX_DAYS: Final = 10_000  # 27 years: longer than any retention, and far from an overflow of int64
_MAX_DIGITS: Final = len(str(_MAX_DAYS * 86_400))
_INTERVAL_TEXT: Final = re.compile(r"([0-9]*)([smhd])", re.ASCII | re.IGNORECASE)


def duration_us(value: str | timedelta, name: str) -> int:
    """Microseconds of a duration: a timedelta, or text such as "90s", "1d" or "h".

    Text is a number and a unit: s, m, h or d, in any case. Without a number it is one unit. Zero is allowed.

    Raises
    ------
    ArgumentError
        If `value` has another form, is negative, or is longer than 10,000 days. The error names the argument `name`.

    Examples
    --------
    >>> duration_us("90s", "every"), duration_us(timedelta(0), "every")
    (90000000, 0)
    """
    if not isinstance(value, str | timedelta):
        raise argument_error(name, value, 'a timedelta or text such as "90s" or "1d"')
    length_us = _text_us(value, name) if isinstance(value, str) else value // timedelta(microseconds=1)
    if length_us < 0:
        raise argument_error(name, value, "a duration that is not negative")
    if length_us > _MAX_DAYS * DAY_US:
        raise argument_error(name, value, f"at most {_MAX_DAYS} days")
    return length_us


def _text_us(text: str, name: str) -> int:
    match = _INTERVAL_TEXT.fullmatch(text)
    if match is None:
        hint = "s, m, h and d are seconds, minutes, hours and days"
        raise argument_error(name, text, 'text such as "90s", "15m", "h" or "1d"', hint)
    digits = match[1].lstrip("0") or match[1][:1]
    if len(digits) > _MAX_DIGITS:  # int() refuses thousands of digits with an error of its own
        raise argument_error(name, text, f"at most {_MAX_DAYS} days")
    return int(digits or 1) * _UNITS_US[match[2].lower()]


@dataclass(frozen=True, slots=True)
class Interval:
    """The length of a window: whole seconds, at least one, at most 10,000 days.

    Attributes
    ----------
    length_us
        Length in microseconds.

    Raises
    ------
    ArgumentError
        If the length is zero, negative, not a whole number of seconds, or too long.

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
        """The interval of a timedelta, or of text as `duration_us` reads it.

        Raises
        ------
        ArgumentError
            If `value` has another form, or its length is not valid for an interval. The error names the argument
            `name`.
        """
        length_us = duration_us(value, name)
        _check_length(length_us, value, name)
        return cls(length_us)

    @property
    def text(self) -> str:
        """The shortest text of the interval: "90m", or "h" for one hour."""
        unit = _coarsest_unit(self.length_us)
        number = self.length_us // _UNITS_US[unit]
        return unit if number == 1 else f"{number}{unit}"

    @property
    def suffix_format(self) -> str:
        """The strftime format of the coarsest unit that divides the interval."""
        return suffix_format(self.length_us)


def _check_length(length_us: int, got: object, name: str) -> None:
    if not 0 < length_us <= _MAX_DAYS * DAY_US or length_us % SECOND_US:
        raise argument_error(name, got, f"whole seconds, at least one, at most {_MAX_DAYS} days")


def suffix_format(length_us: int) -> str:
    """The strftime format of the coarsest unit that divides a length of whole seconds."""
    return _SUFFIX_FORMATS[_coarsest_unit(length_us)]


def _coarsest_unit(length_us: int) -> str:
    return next(unit for unit, unit_us in _UNITS_US.items() if length_us % unit_us == 0)
