"""Tables and files: paths that come twice, names with brackets, CSV in bounded memory and without loss."""

from __future__ import annotations

import polars as pl
import pytest

import polarsprof as pp

TWICE = [
    [{"a.b": {"c": 1}, "a": {"b": {"c": 2}}}],
    [{"a.b": {"c": 1}, "a": {"b": {"d": 2}}}],
    [{"a": {"b": {"c": 2}}, "a.b.c": 1}],
    [{"a": {"b": {"c": 2}}, "a.b": {"c": 5}, "a.b.c": 1}],
    [{"a": {"b.c": 2, "b": {"c": 3}}}],
    [{"a": [1, 2], "a[]": 5}],
    [{"a[]": 5, "a": [1, 2]}],
    [{"a": [{"b": 1, "c.d": 2, "c": {"d": 3}}]}],
    [{"a": {"b": [1]}, "a.b": [2, 3]}],
    [{"a": {"b": [1]}, "a.b[]": 7}],
    [{"a.b": 5, "a": {"b": {"c": 1}}}],
    [{"a": {"b": 1}, "a.b": "x"}],
    [{"a.b": 1, "a": {"b": 4}}, {"a.b": 2, "a": None}],
]


@pytest.mark.parametrize("records", TWICE, ids=str)
def test_a_path_that_comes_twice_in_a_row_counts_in_frames_as_in_records(records):
    frame = pl.DataFrame(records)
    assert frame.to_dicts() == records
    of_frame, of_records, nothing = pp.profile(frame), pp.profile(records), pp.profile([{"": None}])[""]
    assert of_frame.degraded == of_records.degraded
    for path, column in of_frame.columns.items():  # a frame has columns of nothing but nulls too
        same = of_records[path] if column.count else nothing
        assert (column.types, column.sum) == (same.types, same.sum)
    assert {path for path, column in of_frame.columns.items() if column.count} == set(of_records.columns)


def test_where_a_path_comes_twice_a_null_of_a_frame_gives_way():
    """In a frame it may stand for an absent key, and then the other value is the only one."""
    records = [{"a.b": 1}, {"a": {"b": 2}}]
    frame = pl.DataFrame(records, schema={"a.b": pl.Int64, "a": pl.Struct({"b": pl.Int64})})
    for data in (records, frame):
        found = pp.profile(data)
        assert (found["a.b"].count, found["a.b"].sum, found.degraded) == (2, 3, {})
