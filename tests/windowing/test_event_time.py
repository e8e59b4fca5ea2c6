"""Event times, against Python's datetime, Fraction and integer arithmetic."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import IntEnum, StrEnum
from fractions import Fraction
from math import isfinite
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from polars.testing import assert_series_equal

from polarsprof.errors import ArgumentError
from polarsprof.windowing.event_time import event_times, event_times_of_values
from polarsprof.windowing.instants import MAX_US, MIN_US

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNITS = ["s", "ms", "us", "ns"]
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}

offsets = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(timezone)
moments = st.datetimes(timezones=st.none() | st.just(UTC) | st.timezones() | offsets) | st.datetimes()
iso_offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
units = st.none() | st.sampled_from(UNITS)
# As many small numbers as numbers of each magnitude.
integers = st.integers(-30, 30) | st.integers(7, 22).flatmap(lambda n: st.integers(-(10**n), 10**n)) | st.integers()


def in_range(time_us: int) -> int | None:
    return time_us if MIN_US <= time_us <= MAX_US else None


def utc(moment: datetime) -> int | None:
    aware = moment.replace(tzinfo=UTC) if moment.utcoffset() is None else moment
    return in_range((aware - EPOCH) // timedelta(microseconds=1))


def unit_of(number: Fraction) -> str | None:
    return next((unit for unit in UNITS if 10**8 <= abs(number) / PER_SECOND[unit] < 10**11), None)


def of_integer(number: int, unit: str | None) -> int | None:
    unit = unit or unit_of(Fraction(number))
    return None if unit is None else in_range(number * 10**6 // PER_SECOND[unit])


def one(value: object, unit: str | None = None) -> int | None:
    times = event_times_of_values([value], unit)
    assert (times.dtype, len(times)) == (pl.Int64, 1)
    answer = times.item()
    assert answer is None or isinstance(answer, int)
    return answer


# ----------------------------------------------------------------------------------------------------------- datetimes


@given(sample=st.lists(moments))
@example(sample=[datetime(1, 1, 1), datetime.max, datetime(1969, 12, 31, 23, 59, 59, 999_999)])
@example(sample=[datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))), datetime(1, 1, 1, tzinfo=UTC)])
@example(sample=[datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))])
def test_a_datetime_is_its_time_in_utc(sample):
    assert event_times_of_values(sample).to_list() == [utc(moment) for moment in sample]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kathmandu"])
@given(wall=st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1)), fold=st.sampled_from([0, 1]))
@example(wall=datetime(2024, 10, 27, 2, 30), fold=0)
@example(wall=datetime(2024, 10, 27, 2, 30), fold=1)
@example(wall=datetime(2024, 3, 31, 2, 30), fold=0)
@example(wall=datetime(2024, 3, 10, 2, 30), fold=1)
def test_folds_and_gaps_are_those_of_python(zone, wall, fold):
    moment = wall.replace(tzinfo=ZoneInfo(zone), fold=fold)
    assert one(moment) == utc(moment) == (moment.astimezone(UTC) - EPOCH) // timedelta(microseconds=1)


@pytest.mark.parametrize("time_unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Kathmandu"])
@given(ticks=st.lists(st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(-2_000, 2_000)))
def test_a_datetime_column_is_read_at_its_resolution(time_unit, zone, ticks):
    column = pl.Series("t", ticks, dtype=pl.Int64).cast(pl.Datetime(time_unit, zone))
    expected = [None if tick is None else in_range(tick * 10**6 // PER_SECOND[time_unit]) for tick in ticks]
    assert_series_equal(event_times(column, "s"), pl.Series("t", expected, dtype=pl.Int64))


@given(days=st.lists(st.dates()))
@example(days=[date.min, date.max, date(1969, 12, 31)])
def test_a_date_is_its_midnight_in_utc(days):
    expected = [utc(datetime(day.year, day.month, day.day)) for day in days]
    assert event_times(pl.Series(days, dtype=pl.Date)).to_list() == expected
    assert event_times_of_values(days).to_list() == expected


class Failing(tzinfo):
    def utcoffset(self, moment: datetime | None) -> timedelta:
        raise RuntimeError("no offset today")


class Wrong(tzinfo):
    def utcoffset(self, moment: datetime | None) -> timedelta:
        return 3_600


class Unsaid(tzinfo):
    def utcoffset(self, moment: datetime | None) -> None:
        return None


def test_a_failing_zone_costs_its_own_value_only():
    noon = datetime(2024, 1, 1, 12)
    sample = [noon, noon.replace(tzinfo=Failing()), noon.replace(tzinfo=Wrong()), noon.replace(tzinfo=Unsaid())]
    assert event_times_of_values(sample).to_list() == [utc(noon), None, None, utc(noon)]


# ---------------------------------------------------------------------------------------------------------------- text


@given(moment=st.datetimes(timezones=st.none() | st.just(UTC) | iso_offsets), separator=st.sampled_from("T "))
@example(moment=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))), separator="T")
@example(moment=datetime(1969, 12, 31, 23, 59, 59, 999_999), separator=" ")
def test_iso_text_is_the_time_that_wrote_it(moment, separator):
    text = moment.isoformat(separator)
    assert one(text) == utc(moment)
    assert event_times(pl.Series([text])).item() == utc(moment)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-02-29", datetime(2024, 2, 29)),
        ("2024-02-29T12:34", datetime(2024, 2, 29, 12, 34)),
        ("2024-02-29 12:34:56", datetime(2024, 2, 29, 12, 34, 56)),
        ("2024-02-29t12:34:56z", datetime(2024, 2, 29, 12, 34, 56)),
        ("2024-02-29T12:34:56.5Z", datetime(2024, 2, 29, 12, 34, 56, 500_000)),
        ("2024-02-29T12:34:56,25Z", datetime(2024, 2, 29, 12, 34, 56, 250_000)),
        ("2024-02-29T12:34:56.123456789", datetime(2024, 2, 29, 12, 34, 56, 123_456)),
        ("1969-12-31T23:59:59.999999999Z", datetime(1969, 12, 31, 23, 59, 59, 999_999)),
        ("2024-02-29T12:34:56+05:45", datetime(2024, 2, 29, 6, 49, 56)),
        ("2024-02-29T12:34:56-0130", datetime(2024, 2, 29, 14, 4, 56)),
        ("2024-02-29 12:34:56+00", datetime(2024, 2, 29, 12, 34, 56)),
        ("2024-02-29 12:34:56-03", datetime(2024, 2, 29, 15, 34, 56)),
        ("2024-02-29T12:34-00:30", datetime(2024, 2, 29, 13, 4)),
        ("  2024-02-29\n", datetime(2024, 2, 29)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1)),
        ("9999-12-31T23:59:59.999999999Z", datetime.max),
    ],
)
def test_text_in_iso_8601_is_a_time(text, expected):
    assert one(text) == utc(expected)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "soon", "2023-02-29", "2024-13-01", "2024-00-10", "2024-01-00", "0000-01-01", "24-01-01", "2024-1-1",
        "2024-01-01T24:00:00", "2024-01-01T12:60:00", "2024-01-01T12:00:60", "2024-01-01T12", "2024-01-01T12:00:00.",
        "2024-01-01T12:00:00.1234567890", "2024-01-01T12:00:00+24:00", "2024-01-01T12:00:00+01:60", "2024-01-01Z",
        "2024-01-01T12:00:00+1", "2024-01-01T12:00:00+1:00", "2024-01-01T12:00:00ZZ", "2024-01-01T12:00:00 CET",
        "20240101T120000", "0001-01-01T00:00+01:00", "9999-12-31T23:59-00:01", "-2024-01-01", "+12024-01-01",
        "２０２４-01-01", "1_700_000_000", "0x6553f100", "1700000000 s", "nan", "inf", "-Infinity", "1e999", ".", "-",
        "e9", "1" * 60, "1" * 1_000, "2024-01-01" + " " * 200 + "x", "\ud800", "2024-01-01\ud800", "2024-01-01\0",
    ],
)  # fmt: skip
def test_other_text_is_no_time_and_costs_its_own_value_only(text):
    times = event_times_of_values([text, "2024-01-01", text, 1_700_000_000])
    assert times.to_list() == [None, utc(datetime(2024, 1, 1)), None, 1_700_000_000_000_000]


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("1700000000", None, 1_700_000_000_000_000),
        ("+1700000000", None, 1_700_000_000_000_000),
        ("-1700000000", None, -1_700_000_000_000_000),
        ("1700000000.", None, 1_700_000_000_000_000),
        ("1700000000.25", None, 1_700_000_000_250_000),
        ("-1700000000.25", None, -1_700_000_000_250_000),
        ("-0.25", "s", -250_000),
        ("1700000000123456789", None, 1_700_000_000_123_456),
        ("1700000000123456789.9", None, 1_700_000_000_123_456),
        ("1.7e9", None, 1_700_000_000_000_000),
        ("1.7e+18", None, 1_700_000_000_000_000),
        ("17E8", None, 1_700_000_000_000_000),
        ("0", "s", 0),
        ("-1", "ns", -1),
        ("-0.5", "ns", -1),
        ("20240101", None, None),
        ("20240101", "s", 20_240_101_000_000),
    ],
)
def test_numbers_as_text_are_numbers(text, unit, expected):
    assert one(text, unit) == expected


# ------------------------------------------------------------------------------------------------------------- numbers


@given(sample=st.lists(integers), unit=units)
@example(sample=[2**63 - 1, -(2**63)], unit=None)
@example(sample=[2**127, 2**128, -(2**127), -(2**127) - 1, 10**400, 1_700_000_000], unit=None)
@example(sample=[MAX_US * 1_000 + 999, MAX_US * 1_000 + 1_000, MIN_US * 1_000, MIN_US * 1_000 - 1], unit="ns")
def test_integers_of_any_size_are_exact(sample, unit):
    expected = [of_integer(number, unit) for number in sample]
    assert event_times_of_values(sample, unit).to_list() == expected
    assert event_times_of_values([str(n) for n in sample if abs(n) < 10**99], unit).to_list() == [
        time_us for n, time_us in zip(sample, expected, strict=True) if abs(n) < 10**99
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "dtype", [pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Int128, pl.UInt8, pl.UInt32, pl.UInt64, pl.UInt128]
)
@given(data=st.data(), unit=units)
def test_integer_columns_of_every_width_are_exact(dtype, data, unit):
    bits = int(str(dtype()).lower().removeprefix("u").removeprefix("int"))
    low, high = (0, 2**bits - 1) if str(dtype()).startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    sample = data.draw(st.lists(st.none() | integers.map(lambda n: min(max(n, low), high))))
    expected = [None if number is None else of_integer(number, unit) for number in sample]
    assert event_times(pl.Series(sample, dtype=dtype), unit).to_list() == expected


@pytest.mark.parametrize("unit", UNITS)
def test_every_unit_covers_the_same_dates(unit):
    lowest, beyond = 10**8 * PER_SECOND[unit], 10**11 * PER_SECOND[unit]
    first, last = one(lowest), one(beyond - 1)
    assert first is not None
    assert last is not None
    assert EPOCH + timedelta(microseconds=first) == datetime(1973, 3, 3, 9, 46, 40, tzinfo=UTC)
    assert (EPOCH + timedelta(microseconds=last)).date() == date(5138, 11, 16)
    assert one(lowest - 1) == (None if unit == "s" else of_integer(lowest - 1, UNITS[UNITS.index(unit) - 1]))
    assert one(beyond) == (None if unit == "ns" else of_integer(beyond, UNITS[UNITS.index(unit) + 1]))
    assert one(-lowest) == -first


floats = (
    st.floats()
    | st.floats(-1e4, 1e4)
    | st.floats(1e8, 1e11)
    | st.floats(-1e20, 1e20)
    | integers.filter(lambda n: abs(n) < 10**300).map(float)
)


@given(number=floats, unit=units)
@example(number=1_700_006_399.9999999, unit=None)
@example(number=-0.0, unit="s")
@example(number=1e20, unit=None)
@example(number=float(MAX_US), unit="us")
@example(number=-62135596800.0000005, unit="s")
def test_a_float_is_its_exact_value_rounded_to_a_microsecond(number, unit):
    answer = one(number, unit)
    assert event_times(pl.Series([number], dtype=pl.Float64), unit).item() == answer
    named = unit or (unit_of(Fraction(number)) if isfinite(number) else None)
    if not isfinite(number) or named is None:
        assert answer is None
        return
    exact_us = Fraction(number) * 10**6 / PER_SECOND[named]
    if named == "ns":
        assert answer == in_range(exact_us.__floor__())
    elif answer is None:
        assert not MIN_US < exact_us < MAX_US
    else:
        # The product of the fraction is a double: its last digit can decide a tie.
        assert abs(answer - exact_us) <= Fraction(1, 2) + Fraction(1, 10**9)


def test_a_double_next_to_a_full_hour_is_that_hour():
    assert 1_700_006_399.9999999 == 1_700_006_400.0  # noqa: PLR0133 (the reason for the next lines)
    assert one(1_700_006_399.9999999) == 1_700_006_400_000_000
    assert one(1_700_006_399.9999995) == 1_700_006_400_000_000
    assert one(1_700_006_399.999999) == 1_700_006_399_999_999


@given(number=st.floats(width=32), unit=units)
def test_a_narrow_float_is_its_value(number, unit):
    assert (
        event_times(pl.Series([number], dtype=pl.Float32), unit).item()
        == one(number, unit)
        == one(np.float32(number), unit)
    )


@pytest.mark.slow
@given(number=st.integers(-(2**53), 2**53), unit=units)
def test_equal_numbers_of_every_kind_are_equal_times(number, unit):
    expected = of_integer(number, unit)
    for same in (
        number,
        float(number),
        Decimal(number),
        str(number),
        np.int64(number),
        np.float64(number),
        f"{number}.0",
    ):
        assert one(same, unit) == expected, repr(same)


@pytest.mark.slow
@given(number=st.decimals(-(10**24), 10**24, places=8, allow_nan=False, allow_infinity=False), unit=units)
def test_a_decimal_is_its_digits(number, unit):
    column = pl.Series([f"{number:f}"]).str.to_decimal(scale=8)
    assert event_times(column, unit).item() == one(number, unit) == one(f"{number:f}", unit)
    named = unit or unit_of(Fraction(int(number)))
    exact_us = None if named is None else Fraction(number) * 10**6 / PER_SECOND[named]
    answer = one(number, unit)
    if exact_us is None or not MIN_US <= exact_us <= MAX_US:
        assert answer is None
    else:
        assert answer is not None
        assert abs(answer - exact_us) <= (1 if named == "ns" else Fraction(1, 2) + Fraction(1, 10**9))


# ------------------------------------------------------------------------------------------------------- other values


class Seconds(IntEnum):
    THEN = 1_700_000_000


class Text(StrEnum):
    THEN = "2023-11-14T22:13:20Z"


class Liar:
    year, month, day, hour, minute, second, microsecond, fold = 2024, 1, 1, 0, 0, 0, 0, 0
    tzinfo = None

    @property
    def __class__(self) -> type:
        return datetime

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("called")

    __hash__ = None


class Hostile(int):
    def __int__(self) -> int:
        raise RuntimeError("called")

    def __lt__(self, other: object) -> bool:
        raise RuntimeError("called")


THEN_US = 1_700_000_000_000_000


@pytest.mark.parametrize(
    "value",
    [
        Seconds.THEN,
        Text.THEN,
        Hostile(1_700_000_000),
        np.int64(1_700_000_000),
        np.uint32(1_700_000_000),
        np.float64(1_700_000_000),
        np.longdouble(1_700_000_000),
        np.str_("1700000000"),
        Decimal("1.7E+9"),
        Decimal("1700000000.0000000000"),
        pd.Timestamp(1_700_000_000, unit="s"),
        pd.Timestamp("2023-11-14T23:13:20", tz="Europe/Berlin"),
        pd.Timestamp("2023-11-14T22:13:20.000000999Z"),
        np.datetime64(1_700_000_000, "s"),
        np.datetime64(1_700_000_000_000_000_999, "ns"),
        np.datetime64(17_000_000, "100s"),
    ],
    ids=repr,
)
def test_a_value_of_another_type_is_the_plain_value_it_stands_for(value):
    assert one(value) == THEN_US


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.datetime64("1969"), datetime(1969, 1, 1)),
        (np.datetime64("2024-02"), datetime(2024, 2, 1)),
        (np.datetime64("1969-11"), datetime(1969, 11, 1)),
        (np.datetime64("1970-01-08", "W"), datetime(1970, 1, 8)),
        (np.datetime64("2024-02-29"), datetime(2024, 2, 29)),
        (np.datetime64("2024-02-29T12", "h"), datetime(2024, 2, 29, 12)),
        (np.datetime64("2024-02-29T12:34", "m"), datetime(2024, 2, 29, 12, 34)),
        (np.datetime64(-1, "ms"), datetime(1969, 12, 31, 23, 59, 59, 999_000)),
        (np.datetime64(-1, "us"), datetime(1969, 12, 31, 23, 59, 59, 999_999)),
        (np.datetime64(-1, "ns"), datetime(1969, 12, 31, 23, 59, 59, 999_999)),
        (np.datetime64(1_999_999, "ps"), datetime(1970, 1, 1, 0, 0, 0, 1)),
        (np.datetime64(1_999_999_999, "fs"), datetime(1970, 1, 1, 0, 0, 0, 1)),
        (np.datetime64(1_999_999_999_999, "as"), datetime(1970, 1, 1, 0, 0, 0, 1)),
    ],
)
def test_numpy_datetimes_are_read_in_every_unit(value, expected):
    assert one(value) == utc(expected)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        np.bool_(1),
        float("nan"),
        float("inf"),
        float("-inf"),
        1e300,
        np.longdouble("nan"),
        10**400,
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("-Infinity"),
        Decimal("1E+1000000"),
        Decimal("1E-1000000"),
        pd.NaT,
        pd.NA,
        pd.Timestamp(10**12, unit="s"),
        np.datetime64("NaT", "s"),
        np.datetime64(20_000, "Y"),
        np.datetime64(2**62, "s"),
        np.timedelta64(1_700_000_000, "s"),
        np.array(1_700_000_000),
        time(12),
        timedelta(1),
        b"2024-01-01",
        1_700_000_000j,
        Fraction(1_700_000_000),
        [1_700_000_000],
        {"t": 1_700_000_000},
        object(),
        Liar(),
        datetime,
        datetime(2024, 1, 1, tzinfo=Failing()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_time_has_none_and_costs_its_own_value_only(value):
    assert event_times_of_values([1_700_000_000, value, "2023-11-14T22:13:20"]).to_list() == [THEN_US, None, THEN_US]
    assert one(value) is None


anything = st.one_of(
    st.none(), st.booleans(), integers, floats, st.text(), st.binary(),
    st.dates(), moments, st.times(), st.timedeltas(),
    st.decimals(), st.complex_numbers(), st.lists(st.integers()),
    st.from_regex(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}([T ]\d\d:\d\d)?\Z"),
    integers.filter(lambda n: abs(n) < 2**63).map(np.int64),
    st.integers(-(2**60), 2**60).map(lambda n: np.datetime64(n, "ns")),
)  # fmt: skip


@given(sample=st.lists(anything), unit=units)
def test_a_value_has_the_same_time_in_any_company(sample, unit):
    times = event_times_of_values(sample, unit)
    assert (times.dtype, len(times)) == (pl.Int64, len(sample))
    assert times.to_list() == [one(value, unit) for value in sample]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        (pl.Int64, st.integers(-(2**63), 2**63 - 1)),
        (pl.Float64, floats),
        (pl.String, st.text() | integers.map(str) | moments.map(str)),
        (pl.Datetime("us"), st.datetimes()),
        (pl.Datetime("us", "UTC"), st.datetimes(timezones=st.just(UTC))),
        (pl.Date, st.dates()),
        (pl.Boolean, st.booleans()),
        (pl.Time, st.times()),
        (pl.Binary, st.binary()),
    ],
    ids=str,
)
@given(data=st.data(), unit=units)
def test_a_column_and_its_values_have_the_same_times(dtype, values, data, unit):
    sample = data.draw(st.lists(st.none() | values))
    column = pl.Series(sample, dtype=dtype)
    assert_series_equal(event_times(column, unit), event_times_of_values(sample, unit), check_names=False)


@pytest.mark.parametrize(
    "column",
    [
        pl.Series("t", ["2023-11-14T22:13:20Z", None], dtype=pl.Categorical),
        pl.Series("t", ["1700000000", None], dtype=pl.Enum(["1700000000"])),
        pl.Series("t", [Decimal("1700000000.00"), None], dtype=pl.Decimal(20, 2)),
        pl.Series("t", [1_700_000_000_000_000_000, None], dtype=pl.UInt64),
    ],
    ids=lambda column: str(column.dtype),
)
def test_columns_of_other_dtypes_are_read_as_what_they_hold(column):
    assert_series_equal(event_times(column), pl.Series("t", [THEN_US, None], dtype=pl.Int64))


@pytest.mark.parametrize(
    "column",
    [
        pl.Series("t", [True, None]),
        pl.Series("t", [None, None]),
        pl.Series("t", [time(1), None]),
        pl.Series("t", [timedelta(1), None]),
        pl.Series("t", [b"2024-01-01", None]),
        pl.Series("t", [[1_700_000_000], None]),
        pl.Series("t", [{"a": 1_700_000_000}, None]),
        pl.Series("t", [object(), None], dtype=pl.Object),
    ],
    ids=lambda column: str(column.dtype),
)
def test_columns_that_hold_no_times_are_all_null(column):
    assert_series_equal(event_times(column), pl.Series("t", [None, None], dtype=pl.Int64))
    assert_series_equal(event_times(column.clear()), pl.Series("t", [], dtype=pl.Int64))


@pytest.mark.parametrize(
    "dtype", [pl.Int64, pl.Float64, pl.String, pl.Datetime("ns", "UTC"), pl.Date, pl.Decimal(10, 2), pl.Null]
)
def test_times_of_nothing_are_none(dtype):
    assert_series_equal(event_times(pl.Series("t", [], dtype=dtype)), pl.Series("t", [], dtype=pl.Int64))
    assert_series_equal(event_times_of_values([]), pl.Series("", [], dtype=pl.Int64))
    assert_series_equal(event_times_of_values([None, None]), pl.Series("", [None, None], dtype=pl.Int64))


@pytest.mark.parametrize("unit", ["S", "d", "seconds", "", 1, ["s"]])
def test_an_unknown_unit_is_refused_with_the_known_ones(unit):
    for refused in (lambda: event_times(pl.Series([1]), unit), lambda: event_times_of_values([1], unit)):
        with pytest.raises(ArgumentError, match=r'^unit: got .* expected None, "s", "ms", "us" or "ns"$'):
            refused()


def test_only_a_series_is_a_column():
    with pytest.raises(ArgumentError, match=r"^series: got .* expected a Polars series"):
        event_times([1_700_000_000])


def test_a_type_that_refuses_to_be_hashed_has_no_usable_time() -> None:
    class Kind(type):
        __hash__ = None  # type: ignore[assignment]

    values = [Kind("Foreign", (), {})(), 1_700_000_000, None]
    assert event_times_of_values(values).to_list() == [None, THEN_US, None]
