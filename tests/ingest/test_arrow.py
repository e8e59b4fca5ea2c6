"""Arrow tables of every Arrow type are profiled by their meaning.

No type causes a panic or output on stderr.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from decimal import Decimal
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

import polarsprof as pp
from polarsprof.errors import ArgumentError
from polarsprof.testing import assert_profile_equal


def run_ends(*values: Any) -> pa.Array:
    return pa.RunEndEncodedArray.from_arrays(pa.array(range(1, len(values) + 1), pa.int32()), pa.array(values))


# A column of an Arrow type that Polars panics on or misreads → the same values in a type that it reads correctly.
SAME_MEANING: dict[str, tuple[pa.Array, pa.Array | list[Any]]] = {
    "decimal32": (pa.array([1, None, -2], pa.decimal32(5, 2)), pa.array([1, None, -2], pa.decimal128(5, 2))),
    "decimal64": (pa.array([1, None, -2], pa.decimal64(12, 2)), pa.array([1, None, -2], pa.decimal128(12, 2))),
    "decimal256": (pa.array([1, None, -2], pa.decimal256(30, 2)), pa.array([1, None, -2], pa.decimal128(30, 2))),
    "decimal of 60 digits": (
        pa.array([Decimal("123456789012345678.05"), None, Decimal("1e50")], pa.decimal256(60, 2)),
        pa.array([123456789012345678.05, None, 1e50]),
    ),
    "decimal of hundreds": (pa.array([100, None, -300], pa.decimal128(5, -2)), pa.array([100.0, None, -300.0])),
    "list of decimal256": (
        pa.array([[1, None], None, []], pa.list_(pa.decimal256(30, 2))),
        pa.array([[1, None], None, []], pa.list_(pa.decimal128(30, 2))),
    ),
    "struct of decimal256": (
        pa.array([{"x": 1}, None, {"x": None}], pa.struct([("x", pa.decimal256(30, 2))])),
        pa.array([{"x": 1}, None, {"x": None}], pa.struct([("x", pa.decimal128(30, 2))])),
    ),
    "map of decimal256": (
        pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.decimal256(30, 2))),
        pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.decimal128(30, 2))),
    ),
    "array of decimal256": (
        pa.array([[1, 2], None, [3, 4]], pa.list_(pa.decimal256(30, 2), 2)),
        pa.array([[1, 2], None, [3, 4]], pa.list_(pa.decimal128(30, 2), 2)),
    ),
    "dictionary of decimal256": (
        pa.DictionaryArray.from_arrays(pa.array([0, None, 0]), pa.array([5], pa.decimal256(30, 2))),
        pa.array([5, None, 5], pa.decimal128(30, 2)),
    ),
    "run ends": (run_ends(7, None, 8), pa.array([7, None, 8])),
    "run ends of text": (run_ends("a", None, "b"), pa.array(["a", None, "b"])),
    "list view": (pa.array([[1], None, [2, 3]], pa.list_view(pa.int64())), pa.array([[1], None, [2, 3]])),
    "large list view": (pa.array([[1], [], [2, 3]], pa.large_list_view(pa.int64())), pa.array([[1], [], [2, 3]])),
    "unknown zone": (
        pa.array([1, None, 2], pa.timestamp("s", tz="Nowhere/Land")),
        pa.array([1, None, 2], pa.timestamp("s", tz="UTC")),
    ),
    "bool8": (
        pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, None, 0], pa.int8())),
        pa.array([True, None, False]),
    ),
    "opaque": (
        pa.ExtensionArray.from_storage(pa.opaque(pa.int8(), "a", "b"), pa.array([1, None, 0], pa.int8())),
        pa.array([1, None, 0]),
    ),
    "json": (pa.ExtensionArray.from_storage(pa.json_(), pa.array(["{}", None, "1"])), pa.array(["{}", None, "1"])),
}

# Columns that no type of Polars represents, and how many of their three values are not null.
NO_MEANING: dict[str, tuple[pa.Array, int]] = {
    "interval": (pa.array([(1, 2, 3), None, (0, 0, 1)], pa.month_day_nano_interval()), 2),
    "dense union": (
        pa.UnionArray.from_dense(
            pa.array([0, 1, 0], pa.int8()), pa.array([0, 0, 1], pa.int32()), [pa.array([1, None]), pa.array(["x"])]
        ),
        2,
    ),
    "sparse union": (
        pa.UnionArray.from_sparse(pa.array([0, 1, 1], pa.int8()), [pa.array([1, 2, 3]), pa.array(["x", "y", None])]),
        2,
    ),
    "struct of run ends": (pa.StructArray.from_arrays([run_ends(1, 2, 3)], ["x"]), 3),
    "list of list views": (pa.array([[[1]], None, []], pa.list_(pa.list_view(pa.int64()))), 2),
    "list of intervals": (pa.array([[(1, 2, 3)], None, []], pa.list_(pa.month_day_nano_interval())), 2),
}


def table(column: pa.Array) -> pa.Table:
    return pa.table({"c": column, "ok": pa.array(range(len(column)))})


@pytest.mark.parametrize("name", SAME_MEANING)
def test_a_type_unknown_to_polars_is_profiled_by_its_meaning(name, capfd):
    column, same = SAME_MEANING[name]
    profile = pp.profile(table(column))
    assert_profile_equal(profile, pp.profile(table(same)))
    assert (profile["c"].count, profile["c"].null_count) == (3 - same.null_count, same.null_count)
    sliced = table(pa.chunked_array([column.slice(1, 1), column.slice(2), column.slice(0, 1)]))
    assert_profile_equal(pp.profile(sliced), profile)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", NO_MEANING)
def test_a_type_without_equivalent_is_counted_as_objects(name, tmp_path, capfd):
    column, count = NO_MEANING[name]
    with pp.Session(tmp_path) as session, session.logger() as logger:
        logger.log_frame(table(column))
    profile = session.store.read("dataset")
    assert (profile["c"].types, profile["c"].null_count) == ({"object": count}, 3 - count)
    assert (profile["ok"].sum, profile.rejected, profile.degraded) == (3, {}, {})
    assert capfd.readouterr().err == ""


def test_many_rows_of_a_cast_type_are_read_in_bounded_batches():
    column = pa.array(range(600_000), pa.decimal256(20, 0))
    profile = pp.profile(table(column))["c"]
    assert (profile.count, profile.max, profile.mean) == (600_000, 599_999, pytest.approx(299_999.5))


def test_a_table_without_columns_keeps_its_rows():
    assert pp.profile(pa.table({"c": [1, 2]}).select([])).rows == 2


def test_a_struct_array_is_a_table_and_another_array_is_not():
    assert pp.profile(pa.array([{"x": 1}, {"x": 2}]))["x"].sum == 3
    for array in (pa.array([1, 2]), pa.chunked_array([[1]])):
        with pytest.raises(ArgumentError, match=r"data: got.*expected a table"):
            pp.profile(array)


def test_repeated_column_names_are_refused_by_name(tmp_path):
    pandas = pytest.importorskip("pandas")
    twice = pa.table([pa.array([1]), pa.array([2])], names=["same", "same"])
    with pp.Session(tmp_path) as session:
        logger = session.logger()
        for data in (twice, twice.to_batches()[0], pandas.DataFrame([[1, 2]], columns=["same", "same"])):
            with pytest.raises(ArgumentError, match=r"got.*expected.*names of their own.*same"):
                logger.log_frame(data)
        assert logger.counters["rows_logged"] == 0


def test_an_extension_type_is_profiled_by_its_storage():
    storage = pl.Series("c", [1, None, 2])
    frame = pl.DataFrame([storage.ext.to(pl.Extension("acme.number", pl.Int64))])
    assert_profile_equal(pp.profile(frame), pp.profile(pl.DataFrame([storage])))


def test_no_panic_reaches_the_standard_error_of_a_process():
    code = """
        import pyarrow as pa, polarsprof as pp
        column = pa.array([(1, 2, 3)], pa.month_day_nano_interval())
        print(pp.profile(pa.table({"c": column, "d": pa.array([1], pa.decimal256(50, 2))}))["d"].max)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("1.0\n", "")
