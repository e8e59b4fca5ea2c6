"""The values of one column → one series per lane; Python values in, series with explicit dtypes out, imports `batch`.

A lane is a dtype that a value joins without a change of meaning. Every value is classified by its exact type before
polars sees it, because polars would coerce (1.9 → 1, True → 1), lose whole batches (one lone surrogate) or die (a
Decimal NaN) on its own. A column of one plain type costs about 30 ns a value; the rest is converted value by value,
about 0.5 µs each. No method of an unknown object is ever called.
"""

from __future__ import annotations

import datetime as dt
import math
import sys
from collections import defaultdict
from collections.abc import Callable, Collection
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from polarsprof.kernels.batch import TypedColumns

SURROGATE = "lone surrogate replaced"
NOT_REPRESENTABLE = "not representable"
UNKNOWN = "unknown"  # the lane, so to say, of a value that no lane holds
_INTEGER_TOO_LARGE = "integer beyond the range of a double"
_DECIMAL_TOO_LARGE = "decimal beyond the range of a double"
_FLOAT_TOO_LARGE = "long double beyond the range of a double"
_DATETIME_RANGE = "datetime out of range"
_DATETIME_ZONE = "datetime with an unusable zone"
_TIME_ZONE = "time with a zone"
_DURATION_RANGE = "duration out of range"

# What must end the process ends it; everything else that data can provoke, PanicException included, is data.
FATAL = (KeyboardInterrupt, SystemExit, GeneratorExit)

EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001  naive on purpose: what naive values count from
EPOCH_UTC = EPOCH.replace(tzinfo=dt.UTC)
_EPOCH_ORDINAL = dt.date(1970, 1, 1).toordinal()
_MICROSECOND = dt.timedelta(microseconds=1)
_INT64 = range(-(2**63), 2**63)
_DATE_DAYS = range(dt.date.min.toordinal() - _EPOCH_ORDINAL, dt.date.max.toordinal() - _EPOCH_ORDINAL + 1)
_DATETIME_US = range(_DATE_DAYS.start * 86_400_000_000, _DATE_DAYS.stop * 86_400_000_000)

# Lane → dtype. Temporal lanes hold integers of the dtype's own unit: polars needs 1.2 µs for an aware datetime.
_PHYSICAL: dict[str, pl.DataType] = {
    "date": pl.Date(),
    "time": pl.Time(),
    "naive_us": pl.Datetime("us"),
    "naive_ns": pl.Datetime("ns"),
    "utc_us": pl.Datetime("us", "UTC"),
    "utc_ns": pl.Datetime("ns", "UTC"),
    "duration_us": pl.Duration("us"),
    "duration_ns": pl.Duration("ns"),
}
_DIRECT: dict[str, pl.DataType] = {"boolean": pl.Boolean(), "fraction": pl.Float64(), "binary": pl.Binary()}
# The exact types whose values enter their lane as they are.
_PLAIN = {id(bool): "boolean", id(int): "integer", id(float): "fraction", id(str): "text", id(bytes): "binary"}
_NONE = id(type(None))
# The exact types of values that surely hold no others; by id, because a metaclass may forbid to hash a type.
FLAT_IDS = frozenset(
    map(id, (bool, int, float, str, bytes, type(None), dt.datetime, dt.date, dt.time, dt.timedelta, Decimal))
)
_US_PER_UNIT = {"h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1_000, "us": 1}
_US_PER_SPAN = {"W": 7 * 86_400_000_000, "D": 86_400_000_000, **_US_PER_UNIT}

# type's own bases, whatever a metaclass says
_bases_of: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__

_Placed = tuple[str, Any]
_Convert = Callable[[Any], _Placed]


class _MisfitError(Exception):
    """A value that no lane holds; the reason is empty where nothing was lost but the value's own type is unknown."""


def kinds_of(values: Collection[object]) -> dict[int, type]:
    """The distinct exact types of `values`, by id, so that no metaclass is asked to compare or to hash."""
    try:
        return {id(kind): kind for kind in set(map(type, values))}
    except FATAL:
        raise
    except BaseException:  # noqa: BLE001  a metaclass may forbid hashing in any way it likes
        return {id(kind): kind for kind in map(type, values)}


def clean_text(text: str) -> str:
    """The text with every lone surrogate replaced by a question mark; the same object where there is none."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def add_leaves(path: str, values: list[Any], out: TypedColumns, kinds: dict[int, type] | None = None) -> None:
    """Add the values of one column to `out`: to its leaves, integers and objects, with what was degraded.

    Parameters
    ----------
    path
        The column.
    values
        Any values but mappings, lists, tuples and arrays. None, `pandas.NA` and NaT are nulls and left out; where
        nothing else is there, a series of dtype Null makes the column known. No values, no series.
    out
        Where they go.
    kinds
        `kinds_of(values)` where the caller has it.
    """
    kinds = kinds_of(values) if kinds is None else kinds
    present = [value for value in values if value is not None] if _NONE in kinds else values
    lanes: defaultdict[str, list[Any]] = defaultdict(list)
    if not present:
        pass
    elif len(kinds) - (_NONE in kinds) == 1:
        _place(next(kind for kind in kinds.values() if kind is not type(None)), present, path, lanes, out)
    else:
        for group in _by_kind(present):
            _place(type(group[0]), group, path, lanes, out)
    for lane, found in lanes.items():
        _build(lane, found, path, out)
    if values and not lanes and not out.objects[path]:
        out.leaves.append((path, pl.Series("", [None] * len(values), dtype=pl.Null)))


def _by_kind(values: Iterable[Any]) -> Iterable[list[Any]]:
    groups: defaultdict[int, list[Any]] = defaultdict(list)
    for value in values:
        groups[id(type(value))].append(value)
    return groups.values()


def _place(kind: type, values: list[Any], path: str, lanes: defaultdict[str, list[Any]], out: TypedColumns) -> None:
    """Put values of one exact type into the lanes they belong to."""
    if lane := _PLAIN.get(id(kind)):
        lanes[lane] = lanes[lane] + values if lane in lanes else values
        return
    convert = _converter(kind)
    for value in values:
        try:
            lane, plain = convert(value)
        except _MisfitError as misfit:
            _misfits(path, str(misfit), 1, out)
        except FATAL:
            raise
        except BaseException:  # noqa: BLE001  what a foreign tzinfo or a released buffer raises is not ours to list
            _misfits(path, NOT_REPRESENTABLE, 1, out)
        else:
            if lane:
                lanes[lane].append(plain)


class Placer:
    """Finds the lane of single values; it remembers types, which are few."""

    def __init__(self) -> None:
        self._converters: dict[int, tuple[type, _Convert]] = {}  # with the type, so that its id stays its own

    def place(self, value: object) -> tuple[str, Any]:
        """The lane of a value and what the lane holds of it.

        The lane is "" for a null; `UNKNOWN` for a value that is counted as an object and nothing else; for one that
        is counted with a reason too, that reason.
        """
        kind = type(value)
        if value is None:
            return "", None
        if lane := _PLAIN.get(id(kind)):
            return lane, value
        try:
            return self._converter(kind)(value)
        except _MisfitError as misfit:
            return str(misfit) or UNKNOWN, None
        except FATAL:
            raise
        except BaseException:  # noqa: BLE001  as in `_place`
            return NOT_REPRESENTABLE, None

    def _converter(self, kind: type) -> _Convert:
        known = self._converters.get(id(kind))
        if known is None:
            known = self._converters[id(kind)] = kind, _converter(kind)
        return known[1]


def _misfits(path: str, reason: str, count: int, out: TypedColumns) -> None:
    out.objects[path] += count
    if reason:
        out.degraded[reason] += count


# ---- one value: (lane, plain value); the lane of a null is ""


def _converter(kind: type) -> _Convert:
    """The converter of an exact type: the first family it belongs to."""
    pandas = sys.modules.get("pandas")  # its nulls exist only where the caller imported it
    if pandas is not None and any(kind is type(getattr(pandas, name, None)) for name in ("NA", "NaT")):
        return _null
    bases = set(map(id, _bases_of(kind)))
    if id(Enum) in bases and id(int) not in bases and id(str) not in bases:
        return _unknown
    return next((convert for base, convert in _FAMILIES if id(base) in bases), _unknown)


def _null(_: object) -> _Placed:
    return "", None


def _unknown(_: object) -> _Placed:
    raise _MisfitError


def _buffer(value: bytes | bytearray | memoryview) -> _Placed:
    return "binary", memoryview(value).tobytes()


def _numpy_float(value: np.floating[Any]) -> _Placed:
    plain = float(value)
    if math.isinf(plain) and not np.isinf(value):
        raise _MisfitError(_FLOAT_TOO_LARGE)
    return "fraction", plain


def _decimal(value: Decimal) -> _Placed:
    if Decimal.is_nan(value):
        return "fraction", math.nan  # float(Decimal("sNaN")) raises
    plain = Decimal.__float__(value)
    if math.isinf(plain) and Decimal.is_finite(value):
        raise _MisfitError(_DECIMAL_TOO_LARGE)
    return "fraction", plain


def _datetime(value: Any) -> _Placed:
    """Microseconds; a pandas Timestamp with nanoseconds, which a datetime does not hold, keeps them."""
    zone = dt.datetime.tzinfo.__get__(value)
    lane = "naive" if zone is None else "utc"
    if type(value) is not dt.datetime and hasattr(value, "nanosecond"):
        if value.year != dt.datetime.year.__get__(value):
            raise _MisfitError(_DATETIME_RANGE)  # pandas keeps a stand-in in the fields of the base class
        if value.nanosecond:
            return f"{lane}_ns", value.value
    try:
        since_us = dt.datetime.__sub__(value, EPOCH if zone is None else EPOCH_UTC) // _MICROSECOND
    except FATAL:
        raise
    except BaseException:  # noqa: BLE001  a foreign tzinfo may raise anything
        raise _MisfitError(_DATETIME_ZONE) from None
    if since_us not in _DATETIME_US:
        raise _MisfitError(_DATETIME_RANGE)
    return f"{lane}_us", since_us


def _date(value: dt.date) -> _Placed:
    return "date", dt.date.toordinal(value) - _EPOCH_ORDINAL


def _time(value: dt.time) -> _Placed:
    if value.tzinfo is not None:
        raise _MisfitError(_TIME_ZONE)
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return "time", (seconds * 1_000_000 + value.microsecond) * 1_000


def _timedelta(value: Any) -> _Placed:
    if type(value) is not dt.timedelta and hasattr(value, "nanoseconds"):
        if value.days != dt.timedelta.days.__get__(value):
            raise _MisfitError(_DURATION_RANGE)  # a stand-in, as above
        if value.nanoseconds:
            return "duration_ns", value.value
    return _duration_us(dt.timedelta.__floordiv__(value, _MICROSECOND))


def _duration_us(span_us: int) -> _Placed:
    if span_us not in _INT64:
        raise _MisfitError(_DURATION_RANGE)
    return "duration_us", span_us


def _numpy_datetime(value: np.datetime64) -> _Placed:
    unit, steps = np.datetime_data(value.dtype)
    if np.isnat(value):
        return "", None
    count = int(value.astype(np.int64)) * steps
    if unit == "ns" and count in _INT64:
        return "naive_ns", count
    if unit == "D" and count in _DATE_DAYS:
        return "date", count
    if unit in _US_PER_UNIT and count * _US_PER_UNIT[unit] in _DATETIME_US:
        return "naive_us", count * _US_PER_UNIT[unit]
    raise _MisfitError(_DATETIME_RANGE if unit in ("ns", *_US_PER_SPAN) else "")


def _numpy_timedelta(value: np.timedelta64) -> _Placed:
    unit, steps = np.datetime_data(value.dtype)
    if np.isnat(value):
        return "", None
    count = int(value.astype(np.int64)) * steps
    if unit == "ns" and count in _INT64:
        return "duration_ns", count
    if unit in _US_PER_SPAN:
        return _duration_us(count * _US_PER_SPAN[unit])
    raise _MisfitError


# The base types by which a value is known, first match wins: np.timedelta64 is a np.integer, datetime is a date. The
# unbound methods of the base types pass by whatever a subclass overrides.
_FAMILIES: tuple[tuple[type, _Convert], ...] = (
    (np.bool_, lambda value: ("boolean", bool(value))),
    (int, lambda value: ("integer", int.__int__(value))),
    (np.timedelta64, _numpy_timedelta),
    (np.integer, lambda value: ("integer", int(value))),
    (float, lambda value: ("fraction", float.__float__(value))),
    (np.floating, _numpy_float),
    (str, lambda value: ("text", str.__str__(value))),
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


# ---- one lane: series


def _build(lane: str, values: list[Any], path: str, out: TypedColumns) -> None:
    if lane == "integer":
        _build_integers(values, path, out)
    elif lane == "text":
        _build_text(values, path, out)
    elif lane in _DIRECT:
        _append(values, _DIRECT[lane], path, out)
    else:
        _append(values, pl.Int64(), path, out, _PHYSICAL[lane])


def _append(
    values: list[Any], dtype: pl.DataType, path: str, out: TypedColumns, cast: pl.DataType | None = None
) -> None:
    built, failed = built_series(values, dtype)
    out.leaves += [(path, series if cast is None else series.cast(cast)) for series in built]
    if failed:
        _misfits(path, NOT_REPRESENTABLE, failed, out)


def _build_integers(values: list[int], path: str, out: TypedColumns) -> None:
    fits = _attempt(values, pl.Int64())  # it looks at every value anyway, in a quarter of the time of min and max
    if fits is not None:
        out.leaves.append((path, fits))
        return
    widths: defaultdict[pl.DataType | None, list[int]] = defaultdict(list)
    for value in values:
        widths[_integer_dtype(value)].append(value)
    for value in widths.pop(None, ()):
        try:
            float(value)
        except OverflowError:
            _misfits(path, _INTEGER_TOO_LARGE, 1, out)
        else:
            out.integers.setdefault(path, []).append(value)
    for dtype, fitting in widths.items():
        if dtype is not None:
            _append(fitting, dtype, path, out)


def _integer_dtype(value: int) -> pl.DataType | None:
    if value in _INT64:
        return pl.Int64()
    if -(2**127) <= value < 2**127:
        return pl.Int128()
    return pl.UInt128() if 0 <= value < 2**128 else None


def _build_text(values: list[str], path: str, out: TypedColumns) -> None:
    try:
        out.leaves.append((path, pl.Series("", values, dtype=pl.String, strict=True)))
    except UnicodeEncodeError:
        cleaned = list(map(clean_text, values))
        out.degraded[SURROGATE] += sum(clean is not text for clean, text in zip(cleaned, values, strict=True))
        _append(cleaned, pl.String(), path, out)


def built_series(values: list[Any], dtype: pl.DataType) -> tuple[list[pl.Series], int]:
    """Series of `dtype` that hold the values polars takes, and the number of those it does not.

    A list that fails is halved, in at most 2·log2(n) + 1 attempts, enough to put one bad value aside; what is still
    undecided then counts as failed. The order of the values is not kept.
    """
    built: list[pl.Series] = []
    failed = 0
    pending = [values]
    attempts = 2 * (len(values) - 1).bit_length() + 1
    while pending:
        part = pending.pop()
        attempts -= 1
        series = _attempt(part, dtype) if attempts >= 0 else None
        if series is not None:
            built.append(series)
        elif len(part) == 1 or attempts < 0:
            failed += len(part)
        else:
            pending += [part[: len(part) // 2], part[len(part) // 2 :]]
    return built, failed


def _attempt(values: list[Any], dtype: pl.DataType) -> pl.Series | None:
    try:
        return pl.Series("", values, dtype=dtype, strict=True)
    except FATAL:
        raise
    except BaseException:  # noqa: BLE001  pyo3's PanicException is no Exception
        return None
