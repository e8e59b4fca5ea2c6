"""Arrow tables of every Arrow type are profiled by their meaning.

No type causes a panic or output on stderr.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap

import polars as pl
import pyarrow as pa
import pytest
from support.arrow_types import NO_MEANING, SAME_MEANING

import polarsprof as pp
from polarsprof.errors import ArgumentError
from polarsprof.testing import assert_profile_equal


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
