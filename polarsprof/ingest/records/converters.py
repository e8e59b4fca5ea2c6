"""One Python value → its target dtype and its physical value.

There is one converter per family of types. A target is the name of a dtype that a value joins without a change of
meaning: "boolean", "integer", "float", "string", "binary", "date", "time", "naive_us", "naive_ns", "utc_us", "utc_ns",
"duration_us" or "duration_ns". Temporal values become integers in the unit of the target. No method of an unknown
object is ever called.
"""

from __future__ import annotations

import datetime as dt
import math
import sys
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from typing import Any, Final

import numpy as np

from polarsprof.ingest.records.foreign import FATAL

Conversion = tuple[str, object]
"""Target and physical value; the target of a null is ""."""
Converter = Callable[[Any], Conversion]

_INTEGER_TOO_LARGE: Final = "integer beyond the range of a double"
_DECIMAL_TOO_LARGE: Final = "decimal beyond the range of a double"
_FLOAT_TOO_LARGE: Final = "long double beyond the range of a double"
_DATETIME_RANGE: Final = "datetime out of range"
_DATETIME_ZONE: Final = "datetime with an unusable zone"
_TIME_ZONE: Final = "time with a zone"
_DURATION_RANGE: Final = "duration out of range"

EPOCH: Final = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - naive on purpose: the origin of naive values
EPOCH_UTC: Final = EPOCH.replace(tzinfo=dt.UTC)
INT64: Final = range(-(2**63), 2**63)
_EPOCH_ORDINAL: Final = dt.date(1970, 1, 1).toordinal()
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_DATE_DAYS: Final = range(dt.date.min.toordinal() - _EPOCH_ORDINAL, dt.date.max.toordinal() - _EPOCH_ORDINAL + 1)
_DATETIME_US: Final = range(_DATE_DAYS.start * 86_400_000_000, _DATE_DAYS.stop * 86_400_000_000)
# Unit of numpy → microseconds.
_US_PER_UNIT: Final = {"h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1_000, "us": 1}
_US_PER_SPAN: Final = {"W": 7 * 86_400_000_000, "D": 86_400_000_000, **_US_PER_UNIT}

# The bases according to `type` itself, because a metaclass may report others.
_bases_of: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__


class MisfitError(Exception):
    """No dtype holds the value; the reason is empty if its type is unknown."""


def converter_of(kind: type) -> Converter:
    """The converter of an exact type: that of the first family it belongs to."""
    pandas = sys.modules.get("pandas")  # nulls of pandas exist only if the caller imported it
    if pandas is not None and any(kind is type(getattr(pandas, name, None)) for name in ("NA", "NaT")):
        return _null
    bases = set(map(id, _bases_of(kind)))
    if id(Enum) in bases and id(int) not in bases and id(str) not in bases:
        return _unknown
    return next((convert for base, convert in _FAMILIES if id(base) in bases), _unknown)


def check_double(value: int) -> None:
    """Refuse an integer beyond the range of a double.

    Raises
    ------
    MisfitError
        If a double cannot hold the magnitude of the value.
    """
    try:
        float(value)
    except OverflowError:
        raise MisfitError(_INTEGER_TOO_LARGE) from None


def _null(_: object) -> Conversion:
    return "", None


def _unknown(_: object) -> Conversion:
    raise MisfitError


def _buffer(value: bytes | bytearray | memoryview) -> Conversion:
    return "binary", memoryview(value).tobytes()


def _numpy_float(value: np.floating) -> Conversion:
    double = float(value)
    if math.isinf(double) and not np.isinf(value):
        raise MisfitError(_FLOAT_TOO_LARGE)
    return "float", double


def _decimal(value: Decimal) -> Conversion:
    if Decimal.is_nan(value):
        return "float", math.nan  # float(Decimal("sNaN")) raises
    double = Decimal.__float__(value)
    if math.isinf(double) and Decimal.is_finite(value):
        raise MisfitError(_DECIMAL_TOO_LARGE)
    return "float", double


def _datetime(value: Any) -> Conversion:
    """Microseconds, or nanoseconds if a pandas Timestamp needs them."""
    zone = dt.datetime.tzinfo.__get__(value)
    target = "naive" if zone is None else "utc"
    if type(value) is not dt.datetime and hasattr(value, "nanosecond"):
        if value.year != dt.datetime.year.__get__(value):
            raise MisfitError(_DATETIME_RANGE)  # pandas keeps a placeholder in the fields of the base class
        if value.nanosecond:
            return f"{target}_ns", value.value
    try:
        since_us = dt.datetime.__sub__(value, EPOCH if zone is None else EPOCH_UTC) // _MICROSECOND
    except FATAL:
        raise
    except BaseException:  # noqa: BLE001 - foreign code, per value
        raise MisfitError(_DATETIME_ZONE) from None
    if since_us not in _DATETIME_US:
        raise MisfitError(_DATETIME_RANGE)
    return f"{target}_us", since_us


def _date(value: dt.date) -> Conversion:
    return "date", dt.date.toordinal(value) - _EPOCH_ORDINAL


def _time(value: dt.time) -> Conversion:
    if value.tzinfo is not None:
        raise MisfitError(_TIME_ZONE)
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return "time", (seconds * 1_000_000 + value.microsecond) * 1_000


def _timedelta(value: Any) -> Conversion:
    if type(value) is not dt.timedelta and hasattr(value, "nanoseconds"):
        if value.days != dt.timedelta.days.__get__(value):
            raise MisfitError(_DURATION_RANGE)  # a placeholder, as in `_datetime`
        if value.nanoseconds:
            return "duration_ns", value.value
    return _duration_us(dt.timedelta.__floordiv__(value, _MICROSECOND))


def _duration_us(span_us: int) -> Conversion:
    if span_us not in INT64:
        raise MisfitError(_DURATION_RANGE)
    return "duration_us", span_us


def _numpy_datetime(value: np.datetime64) -> Conversion:
    unit, steps = np.datetime_data(value.dtype)
    if np.isnat(value):
        return "", None
    count = int(value.astype(np.int64)) * steps
    if unit == "ns" and count in INT64:
        return "naive_ns", count
    if unit == "D" and count in _DATE_DAYS:
        return "date", count
    if unit in _US_PER_UNIT and count * _US_PER_UNIT[unit] in _DATETIME_US:
        return "naive_us", count * _US_PER_UNIT[unit]
    raise MisfitError(_DATETIME_RANGE if unit in ("ns", *_US_PER_SPAN) else "")


def _numpy_timedelta(value: np.timedelta64) -> Conversion:
    unit, steps = np.datetime_data(value.dtype)
    if np.isnat(value):
        return "", None
    count = int(value.astype(np.int64)) * steps
    if unit == "ns" and count in INT64:
        return "duration_ns", count
    if unit in _US_PER_SPAN:
        return _duration_us(count * _US_PER_SPAN[unit])
    raise MisfitError


# Base type → converter; the first match wins: np.timedelta64 is an np.integer, a datetime is a date. The unbound
# methods of the base types ignore overrides of a subclass. The table follows the functions that it names.
_FAMILIES: Final[tuple[tuple[type, Converter], ...]] = (
    (np.bool_, lambda value: ("boolean", bool(value))),
    (int, lambda value: ("integer", int.__int__(value))),
    (np.timedelta64, _numpy_timedelta),
    (np.integer, lambda value: ("integer", int(value))),
    (float, lambda value: ("float", float.__float__(value))),
    (np.floating, _numpy_float),
    (str, lambda value: ("string", str.__str__(value))),
    (bytes, _buffer),
    (bytearray, _buffer),
    (memoryview, _buffer),
    (dt.datetime, _datetime),
    (dt.date, _date),
    (dt.time, _time),
    (dt.timedelta, _timedelta),
    (np.datetime64, _numpy_datetime),
    (Decimal, _decimal),
)
