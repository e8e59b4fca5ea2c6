"""Records → typed columns: hazards, an oracle, laws of the buffer.

Every hazard of records has a case; arbitrary nested values are compared with the oracle.
"""

from __future__ import annotations

import datetime as dt
import enum
import json
import math
import threading
import uuid
from collections import Counter, OrderedDict, UserDict, namedtuple
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polarsprof.errors import ArgumentError, ClosedError
from polarsprof.ingest.records import RecordBatch, RecordBuffer, decode_json, typed_columns
from polarsprof.ingest.records.dtypes import build_series
from polarsprof.testing import SettableClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from polarsprof.kernels.batch import TypedColumns

UTC = dt.UTC
START = dt.datetime(2025, 1, 1, tzinfo=UTC)
UTC_US = pl.Datetime("us", "UTC")
NAIVE_US = pl.Datetime("us")
NAIVE_NS = pl.Datetime("ns")
SPAN_US = pl.Duration("us")
SPAN_NS = pl.Duration("ns")


CALLS: list[str] = []


def refuse(*_: object) -> Any:
    """A method that must not be called.

    Calls are recorded, because the code under test suppresses the exception.
    """
    CALLS.append("a method of a user's object was called")
    raise RuntimeError


class Hostile:
    __eq__ = __hash__ = __repr__ = __str__ = __bool__ = __len__ = __float__ = __int__ = __index__ = __iter__ = refuse


class UnhashableKind(type):
    __hash__ = None  # type: ignore[assignment]
    __eq__ = refuse


@pytest.fixture(autouse=True)
def _no_method_of_an_unknown_object_is_called() -> Iterator[None]:
    CALLS.clear()
    yield
    assert not CALLS


class OfUnhashableKind(metaclass=UnhashableKind):
    pass


class BrokenZone(dt.tzinfo):
    def utcoffset(self, _: dt.datetime | None) -> dt.timedelta:
        raise RuntimeError("no zone data")

    tzname = dst = utcoffset  # type: ignore[assignment]


class OffsetlessZone(dt.tzinfo):
    def utcoffset(self, _: dt.datetime | None) -> None:
        return None

    tzname = dst = utcoffset


class BrokenMapping(UserDict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("the connection is gone")

    keys = values = __iter__ = items


class BrokenDict(dict[str, Any]):
    def items(self) -> Any:
        raise KeyError("lazy")


class Panic(BaseException):
    pass


class PanickingMapping(UserDict[str, Any]):
    def items(self) -> Any:
        raise Panic


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 3


class Word(enum.StrEnum):
    YES = "yes"


class ShoutingText(str):
    def __str__(self) -> str:
        return "CHANGED"

    __slots__ = ()


class LyingInt(int):
    def __int__(self) -> int:
        return -1

    __index__ = __int__


class LyingList(list[Any]):
    def __iter__(self) -> Iterator[Any]:
        raise RuntimeError("no iteration")


Point = namedtuple("Point", "x y")  # noqa: PYI024  an untyped one is what users have


def cyclic_list() -> list[Any]:
    loop: list[Any] = [1]
    loop += [loop, loop]
    return loop


def cyclic_dict() -> dict[str, Any]:
    loop: dict[str, Any] = {"x": 1}
    loop["self"] = loop
    return loop


def nested(depth: int, innermost: object = 1, *, mapping: bool = False) -> Any:
    value = innermost
    for _ in range(depth):
        value = {"a": value} if mapping else [value]
    return value


def laughs() -> Any:
    value: list[Any] = ["ha"] * 10
    for _ in range(12):
        value = [value] * 10
    return value


def released_view() -> memoryview:
    view = memoryview(b"abc")
    view.release()
    return view


def moment(*parts: int, zone: dt.tzinfo | None = None, fold: int = 0) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=zone, fold=fold)  # type: ignore[arg-type,misc]


# Expected leaves: {path: {dtype: values}}. A case adds any of lists, structs, integers, objects, rejected, degraded.
Leaves = dict[str, dict[Any, list[Any]]]


def column(values: list[Any], leaves: dict[Any, list[Any]] | None = None, **others: Any) -> Any:
    """A case of one column `a`; `objects` and `integers` belong to it."""
    for name in ("objects", "integers"):
        if name in others:
            others[name] = {"a": others[name]}
    return [{"a": value} for value in values], {"a": leaves} if leaves else {}, others


def batch(records: list[Any], leaves: Leaves, **others: Any) -> Any:
    return records, leaves, others


TOKYO = ZoneInfo("Asia/Tokyo")
NEW_YORK = ZoneInfo("America/New_York")
NAN = float("nan")
INF = float("inf")
BERLIN_GAP = moment(2024, 3, 31, 2, 30, zone=ZoneInfo("Europe/Berlin"))

CASES: dict[str, Any] = {
    "int and str": column([1, "x"], {pl.Int64: [1], pl.String: ["x"]}),
    "150 ints then everything else": column(
        [*range(150), 1.9, True, Decimal("7.9"), "7", dt.date(2024, 1, 1), NAN, INF, 1e300, 2**70, b"7"],
        {
            pl.Int64: [*range(150)],
            pl.Int128: [2**70],
            pl.Float64: [1.9, 7.9, NAN, INF, 1e300],
            pl.Boolean: [True],
            pl.String: ["7"],
            pl.Date: [dt.date(2024, 1, 1)],
            pl.Binary: [b"7"],
        },
    ),
    "150 bools then numbers": column(
        [*[True] * 150, 2, 1.5, "x"],
        {pl.Boolean: [True] * 150, pl.Int64: [2], pl.Float64: [1.5], pl.String: ["x"]},
    ),
    "150 nulls then a value": column([*[None] * 150, 1, "x"], {pl.Int64: [1], pl.String: ["x"]}),
    "only nulls": column([None] * 3, {pl.Null: []}),
    "a key first seen after row 100": batch(
        [{"b": 1}] * 150 + [{"b": 2, "late": 7}], {"b": {pl.Int64: [1] * 150 + [2]}, "late": {pl.Int64: [7]}}
    ),
    "large ints beside floats": column([2**60 + 1, 0.5], {pl.Int64: [2**60 + 1], pl.Float64: [0.5]}),
    "ints at the edges of 64 bits": column([2**63 - 1, -(2**63)], {pl.Int64: [2**63 - 1, -(2**63)]}),
    "ints beyond 64 bits": column(
        [1, 2**63, 2**64, -(2**63) - 1], {pl.Int64: [1], pl.Int128: [2**63, 2**64, -(2**63) - 1]}
    ),
    "ints of 128 bits": column(
        [2**127 - 1, -(2**127), 2**127, 2**128 - 1],
        {pl.Int128: [2**127 - 1, -(2**127)], pl.UInt128: [2**127, 2**128 - 1]},
    ),
    "ints beyond 128 bits": column(
        [2**128, -(2**127) - 1, 10**400, 3],
        {pl.Int64: [3]},
        integers=[2**128, -(2**127) - 1],
        objects=1,
        degraded={"integer beyond the range of a double": 1},
    ),
    "floats that are no numbers": column([NAN, INF, -INF, -0.0, None], {pl.Float64: [NAN, INF, -INF, -0.0]}),
    "surrogates in values": column(
        ["\ud800x", "caf\udce9", "é"],
        {pl.String: ["?x", "caf?", "é"]},
        degraded={"lone surrogate replaced": 2},
    ),
    "surrogates in keys": batch(
        [{"k\ud800": 1}, {"k?": 2}],
        {"k?": {pl.Int64: [1, 2]}},
        degraded={"lone surrogate replaced": 1},
    ),
    "surrogates that make keys equal": batch(
        [{"k" + chr(0xD800): 1, "k" + chr(0xD801): 2, "z": 0}],
        {"k?": {pl.Int64: [2]}, "z": {pl.Int64: [0]}},
        degraded={"lone surrogate replaced": 2, "duplicate path": 1},
    ),
    "surrogates below": batch(
        [{"a": {"k\ud800": ["\udfff"]}}],
        {"a.k?[]": {pl.String: ["?"]}},
        structs={"a": 1},
        lists={"a.k?": [1]},
        degraded={"lone surrogate replaced": 2},
    ),
    "strange but valid text": column(["\0", "\u202eabc", "\ufeff", ""], {pl.String: ["\0", "\u202eabc", "\ufeff", ""]}),
    "long text, long key, empty key": batch(
        [{"k" * 1_000_000: "v" * 5_000_000, "": 1}],
        {"k" * 1_000_000: {pl.String: ["v" * 5_000_000]}, "": {pl.Int64: [1]}},
    ),
    "bytes and str": column([b"a", "b"], {pl.Binary: [b"a"], pl.String: ["b"]}),
    "bytes of every kind": column(
        [b"a", bytearray(b"bc"), memoryview(b"xdefx")[1:4], memoryview(b"a-b-")[::2]],
        {pl.Binary: [b"a", b"bc", b"def", b"ab"]},
    ),
    "a released view": column(
        [b"a", released_view()], {pl.Binary: [b"a"]}, objects=1, degraded={"not representable": 1}
    ),
    "naive and aware datetimes": column(
        [moment(2024, 1, 1), moment(2024, 1, 1, zone=TOKYO), moment(2024, 1, 2, zone=UTC)],
        {
            NAIVE_US: [moment(2024, 1, 1)],
            UTC_US: [moment(2023, 12, 31, 15, zone=UTC), moment(2024, 1, 2, zone=UTC)],
        },
    ),
    "a gap and both folds": column(
        [
            BERLIN_GAP,
            moment(2024, 11, 3, 1, 30, zone=NEW_YORK),
            moment(2024, 11, 3, 1, 30, zone=NEW_YORK, fold=1),
        ],
        {
            UTC_US: [
                moment(2024, 3, 31, 1, 30, zone=UTC),
                moment(2024, 11, 3, 5, 30, zone=UTC),
                moment(2024, 11, 3, 6, 30, zone=UTC),
            ]
        },
    ),
    "unusable zones": column(
        [moment(2024, 1, 1, zone=BrokenZone()), moment(2024, 1, 1, zone=OffsetlessZone()), moment(2024, 1, 1)],
        {NAIVE_US: [moment(2024, 1, 1)]},
        objects=2,
        degraded={"datetime with an unusable zone": 2},
    ),
    "datetimes at the edges": column(
        [dt.datetime.min, dt.datetime.max, dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=1)))],
        {NAIVE_US: [dt.datetime.min, dt.datetime.max]},
        objects=1,
        degraded={"datetime out of range": 1},
    ),
    "date, datetime, str and int": column(
        [dt.date(2024, 1, 1), moment(1969, 12, 31, 23, 59, 59, 999999), "x", 5, dt.date.min, dt.date.max],
        {
            pl.Date: [dt.date(2024, 1, 1), dt.date.min, dt.date.max],
            NAIVE_US: [moment(1969, 12, 31, 23, 59, 59, 999999)],
            pl.String: ["x"],
            pl.Int64: [5],
        },
    ),
    "times": column(
        [dt.time(1, 2, 3, 4), dt.time.max, dt.time(1, tzinfo=UTC)],
        {pl.Time: [dt.time(1, 2, 3, 4), dt.time.max]},
        objects=1,
        degraded={"time with a zone": 1},
    ),
    "timedeltas": column(
        [dt.timedelta(days=-1, microseconds=1), dt.timedelta.max, dt.timedelta.min],
        {SPAN_US: [dt.timedelta(days=-1, microseconds=1)]},
        objects=2,
        degraded={"duration out of range": 2},
    ),
    "numpy datetimes": column(
        [
            np.datetime64("2024-01-01T00:00:00.5", "ms"),
            np.datetime64("2024-01-01T01", "h"),
            np.datetime64("1970-01-01T00:00:00.000001", "ns"),
            np.datetime64("2024-02-29", "D"),
            np.datetime64("NaT", "s"),
            np.datetime64("2024-01", "M"),
            np.datetime64(5, "as"),
            np.datetime64(10**17, "s"),
        ],
        {
            NAIVE_US: [moment(2024, 1, 1, 0, 0, 0, 500_000), moment(2024, 1, 1, 1)],
            NAIVE_NS: [moment(1970, 1, 1, 0, 0, 0, 1)],
            pl.Date: [dt.date(2024, 2, 29)],
        },
        objects=3,
        degraded={"datetime out of range": 1},
    ),
    "numpy timedeltas": column(
        [
            np.timedelta64(5, "D"),
            np.timedelta64(3000, "ns"),
            np.timedelta64("NaT", "s"),
            np.timedelta64(1, "M"),
            np.timedelta64(2**62, "D"),
        ],
        {SPAN_US: [dt.timedelta(days=5)], SPAN_NS: [dt.timedelta(microseconds=3)]},
        objects=2,
        degraded={"duration out of range": 1},
    ),
    "decimals, ints and floats": column(
        [Decimal("1.10"), Decimal("2.123"), 1, 0.5], {pl.Float64: [1.1, 2.123, 0.5], pl.Int64: [1]}
    ),
    "decimals that are no numbers": column(
        [Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity"), Decimal("Infinity")],
        {pl.Float64: [NAN, NAN, -INF, INF]},
    ),
    "extreme decimals": column(
        [Decimal("1" * 50), Decimal("1E+40"), Decimal("1E+400"), Decimal("-1E+400")],
        {pl.Float64: [float("1" * 50), 1e40]},
        objects=2,
        degraded={"decimal beyond the range of a double": 2},
    ),
    "values that no dtype holds": column(
        [
            {1},
            frozenset({2}),
            uuid.UUID(int=1),
            Hostile(),
            OfUnhashableKind(),
            lambda: 0,
            1j,
            iter(()),
            (number for number in range(3)),
            Fraction(1, 3),
            Colour.RED,
            Colour,
            range(3),
            pl.Series([1]),
        ],
        objects=14,
    ),
    "a number beside objects": column(
        [1, Hostile(), Colour.RED, Level.LOW, Word.YES], {pl.Int64: [1, 3], pl.String: ["yes"]}, objects=2
    ),
    "subclasses by value": column(
        [ShoutingText("a"), LyingInt(7), np.float64(0.5), np.str_("s"), np.bytes_(b"y")],
        {pl.String: ["a", "s"], pl.Int64: [7], pl.Float64: [0.5], pl.Binary: [b"y"]},
    ),
    "numpy scalars": column(
        [
            np.int64(-5),
            np.uint64(2**64 - 1),
            np.float32(0.1),
            np.float16(0.5),
            np.bool_(True),
            np.int8(3),
            np.str_("x"),
        ],
        {
            pl.Int64: [-5, 3],
            pl.Int128: [2**64 - 1],
            pl.Float64: [float(np.float32(0.1)), 0.5],
            pl.Boolean: [True],
            pl.String: ["x"],
        },
    ),
    "long doubles": column(
        [np.longdouble("0.5"), np.longdouble("inf"), np.longdouble("1e4000")],
        {pl.Float64: [0.5, INF]},
        objects=1,
        degraded={"long double beyond the range of a double": 1},
    ),
    "list and scalar, mixed list, list of lists": batch(
        [{"a": [1, "x", None]}, {"a": 5}, {"a": [[2.5], []]}, {"a": []}, {"a": None}],
        {
            "a": {pl.Int64: [5]},
            "a[]": {pl.Int64: [1], pl.String: ["x"]},
            "a[][]": {pl.Float64: [2.5]},
        },
        lists={"a": [3, 2, 0], "a[]": [1, 0]},
    ),
    "tuples, named tuples and list subclasses": batch(
        [{"a": (1, 2)}, {"a": Point(3, 4)}, {"a": LyingList([5])}],
        {"a[]": {pl.Int64: [1, 2, 3, 4, 5]}},
        lists={"a": [2, 2, 1]},
    ),
    "numpy arrays": batch(
        [
            {"a": np.array([[1, 2], [3, 4]]), "t": np.array(["2024-01-01"], "datetime64[ns]"), "z": np.array(7)},
            {"a": np.array([0.5]), "t": np.array([None]), "z": np.ma.masked_array([1, 2], [True, False])},
        ],
        {
            "a[][]": {pl.Int64: [1, 2, 3, 4]},
            "a[]": {pl.Float64: [0.5]},
            "t[]": {NAIVE_NS: [moment(2024, 1, 1)]},
            "z": {pl.Int64: [7]},
            "z[]": {pl.Int64: [2]},
        },
        lists={"a": [2, 1], "a[]": [2, 2], "t": [1, 1], "z": [2]},
    ),
    "an array that stands for more than memory": batch(
        [{"a": np.broadcast_to(np.int8(1), 10**12)}, {"a": np.empty((10**12, 0))}, {"a": 1}],
        {"a": {pl.Int64: [1]}},
        rejected={"too many nested values": 2},
    ),
    "dict and int, dicts with different keys": batch(
        [{"a": {"x": 1}}, {"a": 5}, {"a": {"y": "s"}}, {"a": {}}],
        {"a": {pl.Int64: [5]}, "a.x": {pl.Int64: [1]}, "a.y": {pl.String: ["s"]}},
        structs={"a": 3},
    ),
    "mappings in lists": batch(
        [{"a": [{"x": 1}, {"x": 2, "y": [3]}, 4]}],
        {"a[]": {pl.Int64: [4]}, "a[].x": {pl.Int64: [1, 2]}, "a[].y[]": {pl.Int64: [3]}},
        structs={"a[]": 2},
        lists={"a": [3], "a[].y": [1]},
    ),
    "keys that are not text": batch(
        [{"a": 1}, {1: 2}, {None: 3}, {("t",): 4}, {"a": {5: 6}}, {"a": [{b"k": 1}]}, {Word.YES: 8, "a": 2}],
        {"a": {pl.Int64: [1, 2]}, "yes": {pl.Int64: [8]}},
        rejected={"a key is not text": 5},
    ),
    "rows that are no mappings": batch(
        [None, [("a", 1)], "a", 5, {"a": 1}, Hostile(), OfUnhashableKind(), object],
        {"a": {pl.Int64: [1]}},
        rejected={"not a mapping": 7},
    ),
    "foreign mappings": batch(
        [UserDict(a=1), OrderedDict(a=2), {"a": UserDict(b=3)}],
        {"a": {pl.Int64: [1, 2]}, "a.b": {pl.Int64: [3]}},
        structs={"a": 1},
    ),
    "mappings that raise": batch(
        [BrokenMapping(a=1), BrokenDict(a=2), {"a": BrokenDict()}, {"a": 3}, PanickingMapping(a=1)],
        {"a": {pl.Int64: [3]}},
        rejected={"unreadable record": 4},
    ),
    "empty records": batch([{}, {}, {"a": 1}], {"a": {pl.Int64: [1]}}),
    "nesting at the limit": batch(
        [{"a": nested(32)}, {"a": nested(33)}, {"a": nested(33, mapping=True)}, {"a": nested(50_000)}],
        {"a" + "[]" * 32: {pl.Int64: [1]}},
        lists={"a" + "[]" * depth: [1] for depth in range(32)},
        rejected={"nested too deeply": 3},
    ),
    "cycles": batch(
        [{"a": cyclic_list()}, {"a": cyclic_dict()}, cyclic_dict(), {"a": 1}],
        {"a": {pl.Int64: [1]}},
        rejected={"nested too deeply": 3},
    ),
    "a record that stands for 10^13 values": batch(
        [{"a": laughs()}, {"a": 1}], {"a": {pl.Int64: [1]}}, rejected={"too many nested values": 1}
    ),
    "a rejected row leaves no trace": batch(
        [{"a": "\ud800", "k\ud800": 1, "b": {"x": [1]}, "c": cyclic_list()}, {"d": 1}],
        {"d": {pl.Int64: [1]}},
        rejected={"nested too deeply": 1},
    ),
    "a flat key and a nested one of the same path": batch(
        [
            {"a": {"b": 1, "c": 2}, "a.b": 3},
            {"a.b": None, "a": {"b": 4}},
            {"a": {"b": 5}},
            {"a.b": {"z": 6}, "a": {"b": 7}},
        ],
        {"a.b": {pl.Int64: [3, 5]}, "a.c": {pl.Int64: [2]}, "a.b.z": {pl.Int64: [6]}},
        structs={"a": 4, "a.b": 1},
        degraded={"duplicate path": 3},
    ),
    "the key of fewer levels wins": batch(
        [{"a": {"b": {"c": 1}}, "a.b": {"c": 2}}, {"a": {"b": {"c": 3}, "b.c": 4}}],
        {"a.b.c": {pl.Int64: [2, 4]}},
        structs={"a": 2, "a.b": 2},
        degraded={"duplicate path": 2},
    ),
    "a flat key with the path of elements": batch(
        [{"a[]": 1, "a": [2, 3]}, {"a": [4]}],
        {"a[]": {pl.Int64: [1, 4]}},
        lists={"a": [1]},
        degraded={"duplicate path": 1},
    ),
    "nothing": batch([], {}),
}


def comparable(values: list[Any]) -> list[tuple[str, str]]:
    """Values that can be compared and sorted, by type and spelling.

    So 1, 1.0, True and -0.0 differ.
    """
    in_utc = [value.astimezone(UTC) if getattr(value, "tzinfo", None) else value for value in values]
    return sorted((type(value).__name__, repr(value)) for value in in_utc)


def leaves_of(columns: TypedColumns) -> dict[str, dict[Any, list[tuple[str, str]]]]:
    leaves: dict[str, dict[Any, list[Any]]] = {}
    for path, series in columns.leaves:
        leaves.setdefault(path, {}).setdefault(series.dtype, []).extend(series.drop_nulls().to_list())
    return {path: {dtype: comparable(values) for dtype, values in dtypes.items()} for path, dtypes in leaves.items()}


def lists_of(columns: TypedColumns) -> dict[str, list[int]]:
    lists: dict[str, list[int]] = {}
    for path, lengths in columns.lists:
        assert lengths.dtype == pl.Int64
        assert lengths.null_count() == 0
        lists.setdefault(path, []).extend(lengths.to_list())
    return lists


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "beside another column"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_every_hazard_is_typed_counted_or_rejected(case: Any, *, alone: bool) -> None:
    records, leaves, others = case
    leaves = {path: dict(dtypes) for path, dtypes in leaves.items()}
    if not alone:
        records = [*records, *({"other": number} for number in range(200))]
        leaves["other"] = {pl.Int64: [*range(200)]}

    columns = typed_columns(records)

    assert columns.rows + columns.rejected.total() == len(records)
    assert leaves_of(columns) == {
        path: {dtype() if isinstance(dtype, type) else dtype: comparable(values) for dtype, values in dtypes.items()}
        for path, dtypes in leaves.items()
    }
    assert lists_of(columns) == others.get("lists", {})
    assert dict(columns.structs) == others.get("structs", {})
    assert columns.integers == others.get("integers", {})
    assert dict(columns.objects) == others.get("objects", {})
    assert dict(columns.rejected) == others.get("rejected", {})
    assert dict(columns.degraded) == others.get("degraded", {})


def columns_through_buffer(records: list[Any]) -> TypedColumns:
    """The typed columns of records after a round trip through a buffer."""
    buffer = RecordBuffer()
    for record in records:
        buffer.append(record)
    return buffer.swap().columns()


def assert_equal_columns(actual: TypedColumns, expected: TypedColumns) -> None:
    assert leaves_of(actual) == leaves_of(expected)
    assert {path: sorted(lengths) for path, lengths in lists_of(actual).items()} == {
        path: sorted(lengths) for path, lengths in lists_of(expected).items()
    }
    assert {path: sorted(values) for path, values in actual.integers.items()} == {
        path: sorted(values) for path, values in expected.integers.items()
    }
    for name in ("rows", "structs", "objects", "rejected", "degraded"):
        assert getattr(actual, name) == getattr(expected, name), name


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_buffer_changes_nothing_for_any_hazard(case: Any) -> None:
    records, _, _ = case
    for among in ([], [{"other": number} for number in range(3)], [{"a": None, "b": 1}] * 2):
        mixed = [*among, *records, *among]
        assert_equal_columns(columns_through_buffer(mixed), typed_columns(mixed))


def test_pandas_nulls_are_nulls_and_nanoseconds_survive() -> None:
    pandas = pytest.importorskip("pandas")
    stamp = pandas.Timestamp("2024-01-01 00:00:00.123456789")
    values = [
        pandas.NA,
        pandas.NaT,
        1,
        "a",
        stamp,
        stamp.tz_localize("Asia/Tokyo"),
        pandas.Timestamp("2024-01-01"),
        pandas.Timedelta("1ns"),
        pandas.Timedelta("1us"),
        pandas.Timestamp(np.datetime64("15000-01-01", "s")),
        pandas.Timedelta(np.timedelta64(10**15, "s")),
    ]
    columns = typed_columns([{"a": value} for value in values])

    physical = {series.dtype: series.to_physical().to_list() for _, series in columns.leaves}
    midnight_ns = 1_704_067_200 * 10**9
    assert physical == {
        pl.Int64(): [1],
        pl.String(): ["a"],
        NAIVE_NS: [midnight_ns + 123_456_789],
        pl.Datetime("ns", "UTC"): [midnight_ns + 123_456_789 - 9 * 3600 * 10**9],
        NAIVE_US: [midnight_ns // 1000],
        SPAN_NS: [1],
        SPAN_US: [1],
    }
    assert columns.rows == len(values)
    assert columns.degraded == {"datetime out of range": 1, "duration out of range": 1}


def test_columns_beyond_the_limit_are_only_counted() -> None:
    records = [{f"k{row}_{column}": column for column in range(10)} for row in range(100)]
    columns = typed_columns([*records, {"k0_0": None, "nested": {"x": 1}, "null": None}], max_columns=25)
    assert columns.rows == 101
    assert len({path for path, _ in columns.leaves}) == 25
    assert columns.degraded == {"too many columns": 1000 - 25 + 1}
    assert not columns.structs


def test_a_hundred_thousand_distinct_keys_are_one_batch() -> None:
    columns = typed_columns([{str(number): number} for number in range(100_000)])
    assert columns.rows == 100_000
    assert len(columns.leaves) == 10_000
    assert columns.degraded == {"too many columns": 90_000}


def test_max_depth_counts_the_containers_within_a_record() -> None:
    records = [{"a": nested(depth)} for depth in range(6)]
    assert typed_columns(records, max_depth=3).rejected == {"nested too deeply": 2}
    assert typed_columns([{"a": nested(100)}], max_depth=100).rows == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_exceptions_that_end_the_process_pass(error: type[BaseException]) -> None:
    class Interrupted(UserDict[str, Any]):
        def items(self) -> Any:
            raise error

    with pytest.raises(error):
        typed_columns([Interrupted(a=1)])


@pytest.mark.parametrize(
    "call",
    [
        lambda: typed_columns({"a": 1}),  # type: ignore[arg-type]
        lambda: typed_columns("ab"),
        lambda: typed_columns(5),  # type: ignore[arg-type]
        lambda: typed_columns([], max_depth=0),
        lambda: typed_columns([], max_depth=101),
        lambda: typed_columns([], max_columns=True),
        lambda: RecordBuffer(max_rows=0),
        lambda: RecordBuffer(max_bytes=1.5),  # type: ignore[arg-type]
        lambda: decode_json(5),  # type: ignore[arg-type]
    ],
)
def test_wrong_arguments_raise_at_once(call: Callable[[], object]) -> None:
    with pytest.raises(ArgumentError, match="expected"):
        call()


@pytest.mark.parametrize("position", [0, 1, 500, 999])
def test_halving_drops_only_the_value_that_polars_refuses(position: int) -> None:
    values: list[Any] = list(range(1000))
    values[position] = "no integer"
    built, failed = build_series(values, pl.Int64())
    assert failed == 1
    assert sorted(pl.concat(built).to_list()) == [number for number in range(1000) if number != position]


def test_halving_is_bounded_if_polars_refuses_half_of_the_values() -> None:
    values = ["x" if number % 2 else number for number in range(1024)]
    built, failed = build_series(values, pl.Int64())
    assert failed + sum(map(len, built)) == 1024
    assert len(built) <= 21


def test_a_panic_of_polars_is_caught(capfd: pytest.CaptureFixture[str]) -> None:
    built, failed = build_series([Decimal("NaN"), Decimal(1), Decimal(2)], pl.Decimal(10, 2))
    assert failed == 1
    assert sorted(pl.concat(built).to_list()) == [Decimal(1), Decimal(2)]
    assert "panicked" in capfd.readouterr().err


# ---- arbitrary values against a slow oracle without columns

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**130), 2**130),
    st.sampled_from([10**309, -(10**309), 2**63, 2**127, 2**128]),
    st.floats(),
    st.text(st.characters(codec=None), max_size=5),
    st.binary(max_size=5),
    st.decimals(allow_nan=True, allow_infinity=True),
    st.datetimes(timezones=st.none() | st.timezones()),
    st.datetimes(),
    st.dates(),
    st.times(timezones=st.none() | st.just(UTC)),
    st.timedeltas(),
    st.builds(Hostile),
    st.sampled_from([1j, Colour.RED, Level.LOW, Word.YES, np.bool_(True), np.int32(4), np.float32(1.5)]),
)
KEYS = st.sampled_from(["a", "b", "c", "", "é", "\ud800"])  # one surrogate, because two become equal keys
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.tuples(inner) | st.dictionaries(KEYS | st.just(3), inner, max_size=3)
    ),
    max_leaves=12,
)
RECORDS = st.lists(st.dictionaries(KEYS, VALUES, max_size=4) | VALUES, max_size=12)


class OracleRejectsError(Exception):
    pass


def clean(text: str) -> str:
    return "".join("?" if "\ud800" <= character <= "\udfff" else character for character in text)


def target_of(value: Any) -> str | None:  # noqa: C901, PLR0911, PLR0912 - on purpose no table, unlike the code
    """The type that a value counts as; None for a null."""
    if value is None:
        return None
    if isinstance(value, bool | np.bool_):
        return "Boolean"
    if isinstance(value, Colour | complex | Hostile):
        return "object"
    if isinstance(value, int | np.integer):
        number = int(value)
        if -(2**63) <= number < 2**63:
            return "Int64"
        if -(2**127) <= number < 2**128:
            return "Int128" if number < 2**127 else "UInt128"
        return "integer" if abs(number) < 2**1024 - 2**970 else "object"
    if isinstance(value, float | np.floating):
        return "Float64"
    if isinstance(value, Decimal):
        finite = value.is_finite() and math.isinf(float(value))
        return "object" if finite else "Float64"
    if isinstance(value, str):
        return "String"
    if isinstance(value, bytes):
        return "Binary"
    if isinstance(value, dt.datetime):
        return "Datetime" if value.tzinfo is None else aware_target(value)
    if isinstance(value, dt.date):
        return "Date"
    if isinstance(value, dt.time):
        return "Time" if value.tzinfo is None else "object"
    assert isinstance(value, dt.timedelta)
    return "Duration" if -(2**63) <= value / dt.timedelta(microseconds=1) < 2**63 else "object"


def aware_target(value: dt.datetime) -> str:
    try:
        value.astimezone(UTC)
    except OverflowError:
        return "object"
    return "Datetime UTC"


def oracle_row(path: str | None, value: Any, counts: Counter[tuple[str, str]]) -> None:
    if isinstance(value, dict):
        if path is not None:
            counts[path, "struct"] += 1
        if any(not isinstance(key, str) for key in value):
            raise OracleRejectsError("a key is not text")
        for key, inner in {clean(key): inner for key, inner in value.items()}.items():
            oracle_row(key if path is None else f"{path}.{key}", inner, counts)
        return
    if path is None:
        raise OracleRejectsError("not a mapping")
    if isinstance(value, list | tuple):
        counts[path, "list"] += 1
        for element in value:
            oracle_row(f"{path}[]", element, counts)
    elif target := target_of(value):
        counts[path, target] += 1


def oracle(records: list[Any]) -> tuple[Counter[tuple[str, str]], Counter[str]]:
    counts: Counter[tuple[str, str]] = Counter()
    rejected: Counter[str] = Counter()
    for record in records:
        row: Counter[tuple[str, str]] = Counter()
        try:
            oracle_row(None, record, row)
        except OracleRejectsError as rejection:
            rejected[str(rejection)] += 1
        else:
            counts += row
    return counts, rejected


def counts_of(columns: TypedColumns) -> Counter[tuple[str, str]]:
    counts: Counter[tuple[str, str]] = Counter()
    for path, series in columns.leaves:
        name = str(series.dtype.base_type())
        if series.dtype == UTC_US:
            name = "Datetime UTC"
        counts[path, name] += len(series) - series.null_count()
    for path, lengths in columns.lists:
        counts[path, "list"] += len(lengths)
    counts.update({(path, "struct"): count for path, count in columns.structs.items()})
    counts.update({(path, "object"): count for path, count in columns.objects.items()})
    counts.update({(path, "integer"): len(values) for path, values in columns.integers.items()})
    return +counts


@pytest.mark.slow
@settings(max_examples=400)
@given(RECORDS)
def test_counts_per_path_and_type_equal_those_of_the_oracle(records: list[Any]) -> None:
    expected, rejected = oracle(records)
    columns = typed_columns(records)
    assert columns.rows == len(records) - rejected.total()
    assert columns.rejected == rejected
    assert counts_of(columns) == expected


@given(RECORDS, st.data())
def test_cutting_a_batch_changes_no_count(records: list[Any], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(records)))
    whole, first, second = (typed_columns(part) for part in (records, records[:cut], records[cut:]))
    assert counts_of(first) + counts_of(second) == counts_of(whole)
    assert first.rejected + second.rejected == whole.rejected
    assert first.degraded + second.degraded == whole.degraded


AMBIGUOUS_KEYS = st.sampled_from(["a", "b", "a.b", "b.a", "a[]", ".a", "", "a.", "a[].b", "[]"])
AMBIGUOUS = st.recursive(
    st.integers(0, 9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(AMBIGUOUS_KEYS, inner, max_size=4),
    max_leaves=15,
)


@settings(max_examples=300)
@given(st.dictionaries(AMBIGUOUS_KEYS, AMBIGUOUS, max_size=6))
def test_no_row_counts_twice_at_one_path(record: dict[str, Any]) -> None:
    columns = typed_columns([record])
    per_path: Counter[str] = Counter()
    for (path, _), count in counts_of(columns).items():
        per_path[path] += count
    assert columns.rows == 1
    assert all(count == 1 for path, count in per_path.items() if "[]" not in path)


# ---- RecordBuffer


def test_a_buffer_reports_its_first_arrival_and_its_bound() -> None:
    clock = SettableClock(START)
    buffer = RecordBuffer(max_rows=3, clock=clock)
    assert (len(buffer), buffer.begun_us, buffer.swap().rows) == (0, None, 0)
    for _ in range(2):
        begun_us = clock.now_us()
        assert [buffer.append({"a": number}) for number in range(4)] == [True, False, True, True]
        clock.advance(dt.timedelta(seconds=1))
        assert (len(buffer), buffer.full, buffer.begun_us) == (4, True, begun_us)
        batch = buffer.swap()
        assert (batch.rows, batch.begun_us) == (4, begun_us)
        assert leaves_of(batch.columns()) == {"a": {pl.Int64(): comparable([0, 1, 2, 3])}}
        assert (len(buffer), buffer.full, buffer.begun_us) == (0, False, None)


def test_bytes_count_towards_the_bound_at_any_depth() -> None:
    large = 10_000
    for value in ("x" * large, b"x" * large, bytearray(large), ["x" * large], {"k": (b"x" * large,)}, np.zeros(large)):
        for max_bytes, full in ((large, True), (large * 10, False)):
            buffer = RecordBuffer(max_bytes=max_bytes)
            buffer.append({"a": value})
            assert buffer.full is full


@pytest.mark.parametrize("rows_before", [0, 1, 1_000])
def test_long_text_is_noticed_within_128_rows(rows_before: int) -> None:
    buffer = RecordBuffer(max_rows=10**6, max_bytes=10**6)
    for _ in range(rows_before):
        buffer.append({"a": "", "b": None})
    rows = next(number for number in range(1_000) if buffer.append({"a": "x" * 10**5, "b": None}) and buffer.full)
    assert rows < 10 + min(2 * rows_before, 128)


def test_a_closed_buffer_refuses_records_and_can_be_swapped() -> None:
    buffer = RecordBuffer()
    for record in ({"a": 1}, {"a": 2}, {"a": [3]}):
        buffer.append(record)
    buffer.close("no more")
    for record in ({"a": 1}, {"b": 1}, {"a": [1]}, None):
        with pytest.raises(ClosedError, match="no more"):
            buffer.append(record)
    assert buffer.swap().rows == 3


def test_layouts_and_types_can_alternate_in_a_batch() -> None:
    records: list[Any] = []
    for number in range(300):
        records += [
            {"a": number, "b": "x", "c": None},
            {"c": 0.5, "b": None, "a": number},
            {"a": str(number), "b": number % 2 == 0, "c": b"y"},
            {"a": number},
            {"a": [number], "b": "x", "c": None},
            {"only": None, "a": np.int32(number)},
            {},
            OrderedDict(a=number, c=None),
            UserDict(b=number),
            {f"column {number}": number},
        ]
    assert_equal_columns(columns_through_buffer(records), typed_columns(records))


def test_types_of_earlier_batches_do_not_return() -> None:
    buffer = RecordBuffer()
    for values, dtypes in (
        ([1, "x", None], {pl.Int64(): [1], pl.String(): ["x"]}),
        ([2, 3], {pl.Int64(): [2, 3]}),
        ([None], {pl.Null(): []}),
    ):
        for value in values:
            buffer.append({"a": value, "b": 0})
        leaves = leaves_of(buffer.swap().columns())["a"]
        assert leaves == {dtype: comparable(expected) for dtype, expected in dtypes.items()}


def test_more_row_types_than_are_remembered_stay_in_their_batch() -> None:
    records = [{f"c{bit}": number if number >> bit & 1 else None for bit in range(12)} for number in range(4_096)]
    buffer = RecordBuffer()
    for _ in range(2):
        for record in records:
            buffer.append(record)
        assert_equal_columns(buffer.swap().columns(), typed_columns(records))


def test_types_of_a_hostile_metaclass_reach_no_column() -> None:
    class Pretender(type):
        """Pretends that its types are int."""

        def __hash__(cls) -> int:
            return hash(int)

        def __eq__(cls, other: object) -> bool:
            return True

    class Panicking(type):
        def __hash__(cls) -> int:
            raise Panic

    records: list[Any] = [{"a": 1, "b": "x"}]
    for kind in (UnhashableKind, Pretender, Panicking):
        records += [{"a": kind("Foreign", (), {})(), "b": "y"}, {"a": 2, "b": "z"}]
    columns = columns_through_buffer(records)
    assert columns.rows == 7
    assert columns.objects == {"a": 3}
    assert leaves_of(columns) == {
        "a": {pl.Int64(): comparable([1, 2, 2, 2])},
        "b": {pl.String(): comparable(["x", "y", "z"] * 1 + ["y", "z"] * 2)},
    }


@given(RECORDS, st.lists(st.booleans(), min_size=12, max_size=12))
def test_a_buffer_changes_nothing_for_any_records(records: list[Any], repeated: list[bool]) -> None:
    records = [record for record, twice in zip(records, repeated, strict=False) for _ in range(1 + twice)]
    assert_equal_columns(columns_through_buffer(records), typed_columns(records))


FLAT_RECORDS = st.lists(st.permutations("abc").flatmap(lambda keys: st.fixed_dictionaries(dict.fromkeys(keys, LEAVES))))


@given(FLAT_RECORDS, st.data())
def test_positions_of_a_batch_are_typed_as_their_records(records: list[Any], data: st.DataObject) -> None:
    records += data.draw(st.lists(st.dictionaries(KEYS, LEAVES | st.lists(LEAVES, max_size=2), max_size=3)))
    buffer = RecordBuffer()
    for number, record in enumerate(records):
        buffer.append(record | {"row": number})
    batch = buffer.swap()
    rows = batch.times_us("row", "us").to_list()  # the record at each position
    assert sorted(rows) == list(range(len(records)))
    mask = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    positions = np.flatnonzero(np.array(mask, dtype=bool))
    expected = typed_columns([records[rows[at]] | {"row": rows[at]} for at in positions])
    assert_equal_columns(batch.columns(positions), expected)


def test_changes_of_a_record_after_append_have_no_effect() -> None:
    inner: dict[str, Any] = {"x": [1, {"y": 2}]}
    array, raw = np.array([1, 2]), bytearray(b"ab")
    record: dict[str, Any] = {
        "flat": 1,
        "inner": inner,
        "pair": (inner, 5),
        "array": array,
        "raw": raw,
        "user": UserDict(z=inner),
    }
    buffer = RecordBuffer()
    before = counts_of(typed_columns([record]))
    buffer.append(record)

    inner["x"].append(3)
    inner["x"][1]["y"] = "changed"
    inner["more"] = [4]
    array[:] = 0
    raw[:] = b"longer"
    record.clear()

    columns = buffer.swap().columns()
    assert counts_of(columns) == before
    leaves = leaves_of(columns)
    assert leaves["array[]"] == {pl.Int64(): comparable([1, 2])}
    assert leaves["raw"] == {pl.Binary(): comparable([b"ab"])}
    assert leaves["inner.x[].y"] == {pl.Int64(): comparable([2])}


@pytest.mark.parametrize("warm", [False, True], ids=["first", "after flat rows of the same keys"])
@pytest.mark.parametrize(
    ("factory", "change", "path", "dtype", "expected"),
    [
        (lambda: [1], lambda value: value.append(2), "a[]", pl.Int64, [1]),
        (lambda: {"x": 1}, dict.clear, "a.x", pl.Int64, [1]),
        (lambda: ([1],), lambda value: value[0].clear(), "a[][]", pl.Int64, [1]),
        (lambda: bytearray(b"ab"), lambda value: value.extend(b"c"), "a", pl.Binary, [b"ab"]),
        (lambda: type("Raw", (bytearray,), {})(b"ab"), lambda value: value.extend(b"c"), "a", pl.Binary, [b"ab"]),
        (lambda: memoryview(bytearray(b"ab")), lambda value: value.__setitem__(0, 0), "a", pl.Binary, [b"ab"]),
        (lambda: np.array([1]), lambda value: value.fill(9), "a[]", pl.Int64, [1]),
        (lambda: np.array(1), lambda value: value.fill(9), "a", pl.Int64, [1]),
        (lambda: UserDict(x=1), lambda value: value.clear(), "a.x", pl.Int64, [1]),
        (lambda: LyingList([1]), lambda value: value.clear(), "a[]", pl.Int64, [1]),
    ],
)
def test_every_mutable_value_is_copied(
    factory: Callable[[], Any],
    change: Callable[[Any], object],
    path: str,
    dtype: Any,
    expected: list[Any],
    *,
    warm: bool,
) -> None:
    value = factory()
    buffer = RecordBuffer()
    for _ in range(3 * warm):
        buffer.append({"a": "text", "b": 0})
    buffer.append({"a": value, "b": 1})
    change(value)
    assert leaves_of(buffer.swap().columns())[path][dtype()] == comparable(expected)


def test_values_that_a_mapping_creates_on_access_are_not_confused() -> None:
    class Fresh(UserDict[str, Any]):
        def items(self) -> Any:
            return {name: [name] for name in "abcdef"}.items()

    columns = columns_through_buffer([{"outer": [Fresh(), Fresh()]}])
    assert lists_of(columns)["outer"] == [2]
    for name in "abcdef":
        assert leaves_of(columns)[f"outer[].{name}[]"] == {pl.String(): comparable([name] * 2)}


def test_a_caller_with_a_full_stack_loses_no_record() -> None:
    buffer = RecordBuffer()

    def descend() -> None:
        try:
            descend()
        except RecursionError:
            if not len(buffer):
                buffer.append({"a": nested(30), "b": 1})

    descend()
    columns = buffer.swap().columns()
    assert columns.rows == 1
    assert counts_of(columns)["a" + "[]" * 30, "Int64"] == 1


def test_a_record_that_cannot_be_copied_is_kept() -> None:
    records = [{"a": 1}, None, BrokenMapping(), Hostile(), {"a": released_view()}, {"a": cyclic_list()}]
    rejected = {"not a mapping": 2, "unreadable record": 1, "nested too deeply": 1}
    assert columns_through_buffer(records).rejected == rejected == typed_columns(records).rejected


def test_eight_threads_append_while_one_swaps_without_loss() -> None:
    buffer = RecordBuffer(max_rows=100)
    threads, each = 8, 5_000
    start = threading.Barrier(threads + 1)
    batches: list[RecordBatch] = []

    def append(thread: int) -> None:
        start.wait()
        for number in range(each):  # three layouts, one with two row types, and nested records
            extra = [{"pad": "x"}, {"pad": None}, {}, {"list": [number]}, {"more": number}][number % 5]
            buffer.append({"id": thread * each + number} | extra)

    workers = [threading.Thread(target=append, args=(thread,)) for thread in range(threads)]
    for worker in workers:
        worker.start()
    start.wait()
    while any(worker.is_alive() for worker in workers):
        batches.append(buffer.swap())
    for worker in workers:
        worker.join()
    batches.append(buffer.swap())

    swapped = [columns for batch in batches if (columns := batch.columns()).rows]
    ids = [id_ for columns in swapped for path, series in columns.leaves if path == "id" for id_ in series]
    assert len(ids) == sum(columns.rows for columns in swapped)
    assert sorted(ids) == list(range(threads * each))
    more = [value for columns in swapped for path, series in columns.leaves if path == "more" for value in series]
    assert Counter(more) == dict.fromkeys(range(4, each, 5), threads)
    assert sum(counts_of(columns)["list", "list"] for columns in swapped) == threads * each // 5
    assert sum(counts_of(columns)["pad", "String"] for columns in swapped) == threads * each // 5


def test_every_row_has_its_own_event_time_in_any_layout() -> None:
    kinds: list[Callable[[int], Any]] = [
        lambda row: {"row": row, "t": row, "x": "a"},
        lambda row: {"x": None, "t": str(row), "row": row},
        lambda row: {"row": row, "t": dt.datetime.fromtimestamp(row, UTC)},
        lambda row: {"row": row, "t": [row]},
        lambda row: {"row": row, "t": float(row), "nested": {"t": 1}},
        lambda row: {"row": row, "x": row},
        lambda row: {"row": row, "t": OfUnhashableKind()},
        lambda row: {"row": row, "t": None, "x": "a"},
        lambda row: UserDict(row=row, t=np.int64(row)),
    ]
    timed = {0, 1, 2, 4, 8}
    buffer = RecordBuffer()
    for number in range(900):
        buffer.append(kinds[number % len(kinds)](10**9 + number))
    batch = buffer.swap()
    rows, times = batch.times_us("row", "s").to_list(), batch.times_us("t", "s").to_list()
    assert sorted(rows) == [(10**9 + number) * 10**6 for number in range(900)]
    for row, time in zip(rows, times, strict=True):
        assert time == (row if (row // 10**6 - 10**9) % len(kinds) in timed else None)


def test_an_exact_key_has_precedence_as_path_of_event_time() -> None:
    buffer = RecordBuffer()
    for record in ({"a.t": 1, "b": 0}, {"a": {"t": 2}}, {"a": 3}, {"a.t": 4, "a": {"t": 5}}, None):
        buffer.append(record)
    assert sorted(buffer.swap().times_us("a.t", "us").to_list(), key=str) == [1, 2, 4, None, None]


# ---- decode_json


@pytest.mark.parametrize(
    ("data", "values", "rejected"),
    [
        (b"", [], {}),
        (b'{"a": 1}', [{"a": 1}], {}),
        (b'\xef\xbb\xbf{"a": 1}\r\n\r\n  \n{"b": 2}\n', [{"a": 1}, {"b": 2}], {}),
        ('\ufeff{"a": "\u2028"}\n', [{"a": "\u2028"}], {}),
        (bytearray(b"[1]\n5\nnull\n"), [[1], 5, None], {}),
        (memoryview(b'x{"a": 1}x')[1:-1], [{"a": 1}], {}),
        (b'{"a": 1}\n{"a": \n}\n{"a": 1} {"a": 2}\n{"a": 3}', [{"a": 1}, {"a": 3}], {"invalid JSON": 3}),
        (b'{"a": 1}\n{"a": "\xff"}\n{"a": "\xed\xa0\x80"}\n{"a": 2}', [{"a": 1}, {"a": 2}], {"invalid JSON": 2}),
        (b'{"a": "\\ud800"}', [{"a": "\ud800"}], {}),
        (b'{"a": Infinity}\n{"a": -Infinity}', [{"a": INF}, {"a": -INF}], {}),
        (b"[" * 200_000 + b"\n7", [7], {"nested too deeply": 1}),
        (b'{"a": ' + b"9" * 5_000 + b"}\n8", [8], {"invalid JSON": 1}),
        (b'{"a": 1, "a": 2}', [{"a": 2}], {}),
    ],
)
def test_json_lines_are_decoded_one_by_one(data: Any, values: list[Any], rejected: dict[str, int]) -> None:
    decoded, reasons = decode_json(data)
    assert decoded == values
    assert reasons == rejected


@given(
    st.lists(st.dictionaries(st.text(max_size=3), st.none() | st.text() | st.integers() | st.floats(allow_nan=False)))
)
def test_json_lines_round_trip_as_bytes_and_as_text(records: list[dict[str, Any]]) -> None:
    for ascii_only in (True, False):
        text = "\n".join(json.dumps(record, ensure_ascii=ascii_only) for record in records)
        assert decode_json(text) == (records, Counter())
        assert decode_json(text.encode("utf-8", "surrogatepass")) == (records, Counter())


def test_numbers_of_json_are_integers_by_value() -> None:
    values, _ = decode_json(
        "[10, 10.0, 1e1, -0.0, 1e18, -9223372036854775808.0, 9223372036854775808.0, 1e19, 2.5, 1e400]"
    )
    expected = [10, 10, 10, 0, 10**18, -(2**63), 2.0**63, 1e19, 2.5, INF]
    assert [(type(value), value) for value in values[0]] == [(type(value), value) for value in expected]  # type: ignore[attr-defined]


def test_a_nan_token_is_a_float() -> None:
    values, rejected = decode_json(b"[NaN]")
    assert repr(values) == "[[nan]]"
    assert not rejected
