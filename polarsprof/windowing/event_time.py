"""Event times in columns or values → microseconds since the Unix epoch, UTC.

`event_times` reads a Polars column, `event_times_of_values` Python values of any mix. The same data gives the same
times, because values become columns, one per type, before they are read. Data never raises: a value that is no time of
the years 1 to 9999 gives null. Imports nothing above.

| data | read as |
|---|---|
| datetime | UTC if it has no zone; nanoseconds round down |
| date | its midnight in UTC |
| ISO 8601 text: date, or date, `T` or space, time, offset | UTC without an offset; digits after the sixth are cut |
| number, number as text | in `unit`, else in the unit of its magnitude; see `event_times` |
| boolean, NaN, infinity, time of day, anything else | null |
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import polars as pl

from polarsprof.errors import argument_error
from polarsprof.windowing.durations import DAY_US
from polarsprof.windowing.instants import EPOCH, MAX_US, MIN_US, utc_datetime

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    _MakeColumn: TypeAlias = Callable[[list[Any]], pl.Series]
    _ToPlain: TypeAlias = Callable[[Any], object]

_US_PER_UNIT: Final = {"d": DAY_US, "s": 1_000_000, "ms": 1_000, "us": 1}
_UNITS: Final = ("s", "ms", "us", "ns")
# Magnitudes of numbers in seconds: 1973-03-03 up to 5138-11-16. In milliseconds they are a thousand times as large, so
# no number has two units.
_MIN_SECONDS: Final = 10**8
_MAX_SECONDS: Final = 10**11
_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_NUMPY_MONTHS: Final = {"Y": 12, "M": 1}
_NUMPY_US: Final = {  # microseconds per unit, as a fraction
    "W": (7 * DAY_US, 1),
    "D": (DAY_US, 1),
    "h": (3_600_000_000, 1),
    "m": (60_000_000, 1),
    "s": (1_000_000, 1),
    "ms": (1_000, 1),
    "us": (1, 1),
    "ns": (1, 10**3),
    "ps": (1, 10**6),
    "fs": (1, 10**9),
    "as": (1, 10**12),
}

_MAX_TEXT: Final = 128  # characters; longer text is no time, and this bounds the cost of hostile text
_ISO: Final = (
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9])(?:[.,]([0-9]{1,9}))?)?"
    r"([Zz]|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)?)?$"
)
_DECIMAL: Final = r"^([+-]?[0-9]+)(\.[0-9]*)?$"
_SCIENTIFIC: Final = r"^[+-]?[0-9]+(?:\.[0-9]*)?[eE][+-]?[0-9]+$"


def event_times(series: pl.Series, unit: str | None = None) -> pl.Series:
    """The event times of a column; null if a value is no usable time.

    Parameters
    ----------
    series
        A column of any dtype; the result has its name.
    unit
        Unit of numbers since the epoch: "s", "ms", "us" or "ns". None derives it from the magnitude of each number:
        from 1e8 up to 1e11 seconds, from there up to 1e14 milliseconds, up to 1e17 microseconds, up to 1e20
        nanoseconds. So every unit covers 1973-03-03 to 5138-11-16, and with a minus sign the same span before 1970,
        down to the year 1. Other numbers are no usable time.

    Returns
    -------
    pl.Series
        Int64 microseconds since the Unix epoch, as long as `series`. A fraction of a microsecond is rounded, half to
        even; the fraction of whole nanoseconds is cut.

    Raises
    ------
    ArgumentError
        If `series` is no Polars series, or `unit` is not one of the four.

    Examples
    --------
    >>> event_times(pl.Series(["1970-01-02T01:00+01:00", "1700000000", "soon"])).to_list()
    [86400000000, 1700000000000000, None]
    """
    if not isinstance(series, pl.Series):
        raise argument_error("series", series, "a Polars series")
    _check_unit(unit)
    return _times(series, unit).alias(series.name)


def event_times_of_values(values: Sequence[object], unit: str | None = None) -> pl.Series:
    """The event times of Python values of any mix, as `event_times` reads them.

    Subclasses and NumPy scalars are read as their plain values, a pandas Timestamp as a datetime, and a Decimal as its
    digits. A datetime whose tzinfo fails is no usable time. No code of other foreign types is called. Costs one
    vectorized call per type.

    Parameters
    ----------
    values
        Objects of any type.
    unit
        As for `event_times`.

    Returns
    -------
    pl.Series
        Int64 microseconds since the Unix epoch, as long as `values`; null if a value is no usable time.

    Raises
    ------
    ArgumentError
        If `unit` is not one of the four.

    Examples
    --------
    >>> event_times_of_values([datetime(1970, 1, 1, 0, 0, 1), 1.7e9, None, True]).to_list()
    [1000000, 1700000000000000, None, None]
    """
    _check_unit(unit)
    types = _types_of(values)
    if not types <= _COLUMNS.keys() | {type(None)}:
        values = [value if id(type(value)) in _COLUMN_IDS else _plain(value) for value in values]
        types = _types_of(values)
    types.discard(type(None))
    if len(types) == 1:  # the common case, with or without nulls
        return _times(_COLUMNS[types.pop()](list(values)), unit).alias("")
    parts = [_times_of_type(kind, values, unit) for kind in sorted(types, key=lambda kind: kind.__name__)]
    return pl.select(pl.coalesce(_nulls(len(values)), *parts)).to_series().alias("")


def _check_unit(unit: str | None) -> None:
    if unit is not None and unit not in _UNITS:
        raise argument_error("unit", unit, 'None, "s", "ms", "us" or "ns"')


# ------------------------------------------------------------------------------------------------------------- columns


def _times(series: pl.Series, unit: str | None) -> pl.Series:
    dtype = series.dtype
    if isinstance(dtype, pl.Datetime):
        return _scaled(series.to_physical(), dtype.time_unit)
    if dtype == pl.Date:
        return _scaled(series.to_physical(), "d")
    if dtype.is_integer():
        return _scaled(series, unit)
    if dtype.is_float():
        return _times_of_floats(series, unit)
    # A decimal number as text loses no digit.
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum | pl.Decimal):
        return _times_of_text(series.cast(pl.String), unit)
    return _nulls(len(series))


def _nulls(length: int) -> pl.Series:
    return pl.Series([None], dtype=pl.Int64).new_from_index(0, length)


def _times_of_floats(series: pl.Series, unit: str | None) -> pl.Series:
    # Both parts are exact, so only the fraction is rounded, at the end. A number that was rounded before stays so:
    # 1700006399.9999999 is the same double as 1700006400.0, the first moment of the next window.
    numbers = series.cast(pl.Float64)
    whole = numbers.cast(pl.Int128, strict=False)  # towards zero; NaN, infinities and larger numbers give null
    return _scaled(whole, unit, numbers - whole.cast(pl.Float64))


def _scaled(whole: pl.Series, unit: str | None, fraction: pl.Series | None = None) -> pl.Series:
    """Numbers in a unit → microseconds; the fraction of a number has its sign."""
    # 128 bits hold every number of every unit and its microseconds: no sum or product below can overflow.
    parts = pl.DataFrame({"whole": whole.cast(pl.Int128, strict=False)})
    parts = parts.with_columns(fraction=pl.lit(None, pl.Float64) if fraction is None else fraction)
    if unit is None:
        times = pl.coalesce(pl.when(_has_magnitude_of(name)).then(_microseconds(name)) for name in _UNITS)
    else:
        times = _microseconds(unit)
    usable = times.is_between(_exact(MIN_US), _exact(MAX_US))
    return parts.select(pl.when(usable).then(times).cast(pl.Int64, strict=False)).to_series()


def _microseconds(unit: str) -> pl.Expr:
    whole, fraction = pl.col("whole"), pl.col("fraction").fill_null(0.0)
    if unit == "ns":
        return (whole + fraction.floor().cast(pl.Int128)).floordiv(_exact(1_000))
    per_unit = _US_PER_UNIT[unit]
    # A number beyond these limits is no time; within them no product overflows.
    bounded = pl.when(whole.is_between(_exact(MIN_US // per_unit - 1), _exact(MAX_US // per_unit + 1))).then(whole)
    return bounded * _exact(per_unit) + (fraction * per_unit).round(0, mode="half_to_even").cast(pl.Int128)


def _has_magnitude_of(unit: str) -> pl.Expr:
    whole, per_second = pl.col("whole"), _PER_SECOND[unit]
    lowest, beyond = _MIN_SECONDS * per_second, _MAX_SECONDS * per_second
    after = whole.is_between(_exact(lowest), _exact(beyond), closed="left")
    return after | whole.is_between(_exact(-beyond), _exact(-lowest), closed="right")


def _exact(number: int) -> pl.Expr:
    return pl.lit(number, pl.Int128)


# ---------------------------------------------------------------------------------------------------------------- text


def _times_of_text(series: pl.Series, unit: str | None) -> pl.Series:
    frame = pl.DataFrame({"text": series})
    short = pl.col("text").str.len_bytes() <= _MAX_TEXT
    text = frame.select(pl.when(short).then(pl.col("text").str.strip_chars())).to_series()
    times = _times_of_iso(text)
    if times.null_count() == text.null_count():
        return times
    rest = (
        pl.DataFrame({"text": text, "times": times}).select(pl.when(pl.col("times").is_null()).then("text")).to_series()
    )
    numbers = _times_of_decimals(rest, unit), _times_of_scientific(rest, unit)
    return pl.select(pl.coalesce(times, *numbers)).to_series()


def _times_of_iso(text: pl.Series) -> pl.Series:
    names = ["date", "hours", "minutes", "seconds", "fraction", "offset"]
    fields = text.str.extract_groups(_ISO).struct.rename_fields(names).struct.unnest()
    # The pattern checks all but the length of the month; this makes null of 30 February.
    days = pl.col("date").str.to_date("%Y-%m-%d", strict=False).to_physical().cast(pl.Int64)
    clock_s = _number("hours") * 3_600 + _number("minutes") * 60 + _number("seconds")
    fraction_us = pl.col("fraction").fill_null("").str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64)
    times = days * DAY_US + (clock_s - _offset_s()) * 1_000_000 + fraction_us
    return fields.select(pl.when(times.is_between(MIN_US, MAX_US)).then(times)).to_series()


def _number(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Int64).fill_null(0)


def _offset_s() -> pl.Expr:
    """Seconds ahead of UTC of an offset: empty, `Z`, `+hh`, `+hhmm` or `+hh:mm`."""
    offset = pl.col("offset")
    hours = offset.str.slice(1, 2).cast(pl.Int64, strict=False)  # "Z" has no digits, so null
    minutes = pl.when(offset.str.len_bytes() > 3).then(offset.str.slice(-2).cast(pl.Int64, strict=False)).otherwise(0)
    seconds = hours * 3_600 + minutes * 60
    return pl.when(offset.str.starts_with("-")).then(-seconds).otherwise(seconds).fill_null(0)


def _times_of_decimals(text: pl.Series, unit: str | None) -> pl.Series:
    parts = text.str.extract_groups(_DECIMAL).struct.rename_fields(["whole", "fraction"]).struct.unnest()
    sign = pl.when(pl.col("whole").str.starts_with("-")).then(-1.0).otherwise(1.0)
    parts = parts.select(
        whole=pl.col("whole").cast(pl.Int128, strict=False),
        fraction=sign * ("0" + pl.col("fraction")).cast(pl.Float64, strict=False),
    )
    return _scaled(parts["whole"], unit, parts["fraction"])


def _times_of_scientific(text: pl.Series, unit: str | None) -> pl.Series:
    numbers = pl.DataFrame({"text": text}).select(pl.when(pl.col("text").str.contains(_SCIENTIFIC)).then("text"))
    return _times_of_floats(numbers.to_series().cast(pl.Float64, strict=False), unit)


# -------------------------------------------------------------------------------------------------------------- values


def _types_of(values: Sequence[object]) -> set[type]:
    try:
        return set(map(type, values))
    except Exception:  # noqa: BLE001 (a metaclass may refuse to be hashed)
        return {object}


def _times_of_type(kind: type, values: Sequence[object], unit: str | None) -> pl.Series:
    """The times of the values of one plain type; null in the rows of other types."""
    return _times(_COLUMNS[kind]([value if type(value) is kind else None for value in values]), unit)


def _column_of_integers(values: list[int | None]) -> pl.Series:
    try:
        return pl.Series(values, dtype=pl.Int64)
    except (OverflowError, TypeError):
        bounded = [value if value is not None and -(2**127) <= value < 2**127 else None for value in values]
        return pl.Series(bounded, dtype=pl.Int128)


def _column_of_text(values: list[str | None]) -> pl.Series:
    if max(map(len, filter(None, values)), default=0) > _MAX_TEXT:
        values = [value if value is not None and len(value) <= _MAX_TEXT else None for value in values]
    try:
        return pl.Series(values, dtype=pl.String)
    except UnicodeEncodeError:  # lone surrogates; no time has any
        return pl.Series([value if value is None or value.isascii() else None for value in values], dtype=pl.String)


def _column_of_datetimes(values: list[datetime | None]) -> pl.Series:
    if all(value is None or value.tzinfo is None for value in values):
        return pl.Series(values, dtype=pl.Datetime("us"))
    # Polars reads zones itself, but refuses a whole column for one skipped hour or one failing tzinfo.
    spans = [None if value is None else _since_epoch(value) for value in values]
    return pl.Series(spans, dtype=pl.Duration("us")).to_physical().cast(pl.Datetime("us"))


def _since_epoch(moment: datetime) -> timedelta | None:
    """The exact time since the epoch; None if the tzinfo fails."""
    try:
        return moment - EPOCH if moment.utcoffset() is not None else moment.replace(tzinfo=UTC) - EPOCH
    except Exception:  # noqa: BLE001 (foreign code)
        return None


# The plain types, each with the function that makes a column of its values. Values of other types become one of these,
# or None.
_COLUMNS: Final[dict[type, _MakeColumn]] = {
    int: _column_of_integers,
    float: lambda values: pl.Series(values, dtype=pl.Float64),
    str: _column_of_text,
    datetime: _column_of_datetimes,
    date: lambda values: pl.Series(values, dtype=pl.Date),
}
_COLUMN_IDS: Final = frozenset(map(id, [*_COLUMNS, type(None)]))


def _plain(value: object) -> object:
    """The plain value of a value of another type; None if it is no time."""
    kind = type(value)  # not __class__, which an object can set
    try:
        return next((read(value) for known, read in _READERS if issubclass(kind, known)), None)
    except Exception:  # noqa: BLE001 (subclasses run code of their own; NaT has no year)
        return None


def _plain_datetime(moment: datetime) -> datetime:
    # Field by field: other ways keep a pandas Timestamp, and this one cuts its nanoseconds.
    fields = moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second, moment.microsecond
    return datetime(*fields, tzinfo=moment.tzinfo, fold=moment.fold)


def _digits(number: Decimal) -> str | None:
    # A hostile Decimal has an exponent whose digits fill the memory.
    if not number.is_finite() or not -_MAX_TEXT < number.adjusted() < _MAX_TEXT:
        return None
    return Decimal.__format__(number, "f")


def _datetime_of_numpy(moment: np.datetime64) -> datetime:
    name, count = np.datetime_data(moment.dtype)
    number = int(moment.astype(np.int64)) * count
    if name in _NUMPY_MONTHS:
        months = number * _NUMPY_MONTHS[name]
        return datetime(1970 + months // 12, 1 + months % 12, 1)  # noqa: DTZ001 (naive is UTC here)
    numerator, denominator = _NUMPY_US[name]
    return utc_datetime(number * numerator // denominator)


# In this order: a bool is an int, a datetime a date, and NumPy's double a float.
_READERS: Final[list[tuple[type, _ToPlain]]] = [
    (bool, lambda _: None),
    (int, int.__int__),
    (float, float.__float__),
    (str, str.__str__),
    (datetime, _plain_datetime),
    (date, lambda day: date(day.year, day.month, day.day)),
    (Decimal, _digits),
    (np.datetime64, _datetime_of_numpy),
    (np.integer, int),
    (np.floating, float),
]
