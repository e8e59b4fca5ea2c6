"""Profiles by Ray; `test_ray.py` runs this file in the environment of Ray."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import ray
import ray.data
from hypothesis import given, settings
from hypothesis import strategies as st
from support import strategies
from support.pages import ROOT, blocks

import polarsprof as pp
from polarsprof.engines.ray import RayExecutor, profile_dataset
from polarsprof.errors import ArgumentError
from polarsprof.testing import assert_profile_equal


@pytest.fixture(scope="session", autouse=True)
def cluster():
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def lineitem(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tpch")
    command = [Path(sys.executable).with_name("tpchgen-cli"), "parquet", "-s", "0.01", "--tables", "lineitem"]
    subprocess.run([*command, "--parts", "5", "--output-dir", folder], check=True, capture_output=True)
    return str(folder / "lineitem")


@pytest.fixture(scope="session")
def items(lineitem):
    """In memory, because reading starts processes; by Polars, because Ray lacks string views."""
    return ray.data.from_arrow([pl.read_parquet(file).to_arrow() for file in sorted(Path(lineitem).iterdir())])


def test_lineitem_is_profiled_as_by_one_process(lineitem):
    found = profile_dataset(ray.data.read_parquet(lineitem))
    assert found.rows == 60_175
    assert_profile_equal(found, pp.profile(lineitem))


@pytest.mark.parametrize("by", ["l_returnflag", ["l_returnflag", "l_linestatus"], "l_linenumber"])
def test_groups_of_lineitem_are_profiled_as_their_rows(items, lineitem, by):
    found = profile_dataset(items, by=by)
    whole = pl.read_parquet(f"{lineitem}/*.parquet")
    parts = whole.partition_by(by, as_dict=True)
    assert {key if isinstance(by, list) else (key,) for key in found} == set(parts)
    assert list(found) == sorted(found)
    for key, part in found.items():
        assert_profile_equal(part, pp.profile(parts[key if isinstance(by, list) else (key,)]))
    assert_profile_equal(pp.merge(found.values()), pp.profile(lineitem))


UNLIKE = [
    {"a": [1, 2, None] * 40, "f": [0.5, math.nan, -0.0] * 40, "k": ["x", "y", None] * 40},
    {"a": [3.5, 2.0] * 25, "k": ["x", "z"] * 25, "list": [[1, 2], None] * 25, "f": [0.0, None] * 25},
    {"other": [{"in": 1}, None]},
    {"a": []},
]


def tables():
    return [pa.table(columns) for columns in UNLIKE]


def test_blocks_may_have_different_columns():
    found = profile_dataset(ray.data.from_arrow(tables()))
    assert_profile_equal(found, pp.profile(tables()))
    assert found["list"].null_count == found.rows - 25


def text_of(key):
    """A key as text, because NaN is not equal to NaN; numbers by value, with one zero."""
    return repr([value + 0.0 if isinstance(value, float | int) else value for value in key])


@pytest.mark.parametrize("by", ["a", "f", "k", ["k", "a"]])
def test_null_nan_and_absent_values_are_keys(by):
    found = profile_dataset(ray.data.from_arrow(tables()), by=by)
    names = [by] if isinstance(by, str) else by
    records = [record for table in tables() for record in table.to_pylist()]
    expected = Counter(text_of([record.get(name) for name in names]) for record in records)
    assert {text_of([key] if isinstance(by, str) else key): part.rows for key, part in found.items()} == expected
    assert_profile_equal(pp.merge(found.values()), pp.profile(tables()))
    if by == "f":
        assert found[math.nan].rows == 40


def test_an_empty_data_set_has_an_empty_profile_and_no_groups():
    spec = pp.ProfileSpec(k=64)
    for ds in (ray.data.from_items([]), ray.data.from_arrow(pa.table({"a": pa.array([], pa.int64())}))):
        found = profile_dataset(ds, spec=spec)
        assert (found.rows, found.spec) == (0, spec)
        assert profile_dataset(ds, by="a") == {}


def test_the_spec_holds():
    spec = pp.ProfileSpec(k=64, frequent_items=False)
    ds = ray.data.range(1_000, override_num_blocks=5)
    for found in (profile_dataset(ds, spec=spec), *profile_dataset(ds.limit(3), by="id", spec=spec).values()):
        assert found.spec == spec
    assert_profile_equal(profile_dataset(ds, spec=spec), pp.profile(pl.DataFrame({"id": range(1_000)}), spec=spec))


def test_tensors_are_lists():
    values = np.arange(600.0).reshape(100, 6)
    found = profile_dataset(ray.data.from_numpy(values))
    assert (found["data"].count, found["data[]"].count, found["data[]"].max) == (100, 600, 599.0)


@given(st.data())
@settings(max_examples=8)
def test_any_blocks_give_the_same_profile(data):
    frame = data.draw(strategies.frames(max_rows=20))
    parts = [frame[rows] for rows in data.draw(strategies.cuts(frame.height))]
    found = profile_dataset(ray.data.from_arrow([part.to_arrow() for part in parts]))
    assert_profile_equal(found, pp.profile([part.to_arrow() for part in parts]))


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("zz", "one of the columns 'a'"),
        (["k", "zz"], "one of the columns"),
        ("list", "a column of plain values"),
        (7, "the name of a column"),
        ([], "the name of a column"),
        ([1], "the name of a column"),
        (["k", "k"], "different names"),
    ],
)
def test_a_column_that_cannot_be_grouped_is_named(by, expected):
    with pytest.raises(ArgumentError, match=expected):
        profile_dataset(ray.data.from_arrow(tables()), by=by)


def test_an_object_that_is_not_a_data_set_is_refused():
    with pytest.raises(ArgumentError, match=r"a ray\.data\.Dataset"):
        profile_dataset(pa.table({"a": [1]}))


def test_tasks_of_ray_are_an_executor(lineitem, tmp_path):
    expected = pp.profile(lineitem)
    found = pp.profile(lineitem, executor=RayExecutor())
    assert_profile_equal(found, expected)
    Path(tmp_path, "broken.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ArgumentError, match=r"broken\.parquet"):
        pp.profile(tmp_path, executor=RayExecutor())


def test_a_pool_of_ray_is_an_executor(lineitem):
    from ray.util.multiprocessing import Pool

    with Pool(2) as pool:
        assert_profile_equal(pp.profile(lineitem, executor=pool), pp.profile(lineitem))


def test_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs" / "ray.md"
    namespace: dict[str, object] = {"__name__": "page"}
    shown = [block for block in blocks(page.read_text("utf-8")) if block.language == "python"]
    assert shown
    for block in shown:
        exec(compile("\n" * (block.line - 1) + block.text, page, "exec"), namespace)
