"""Elements one by one give the profile of one pass, however they are split, sent and merged."""

from __future__ import annotations

import datetime as dt
import json
import pickle
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import cuts, frames

import polarsprof as pp
from polarsprof.engines import bundles
from polarsprof.engines.bundles import BundleProfiler
from polarsprof.errors import CorruptProfile, UnsupportedVersion
from polarsprof.ingest.records import typed_columns
from polarsprof.testing import assert_profile_equal

SPEC = pp.ProfileSpec()

scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(width=32) | st.text(max_size=5)
values = scalars | st.lists(scalars, max_size=3) | st.dictionaries(st.text(max_size=2), scalars, max_size=2)
records = st.dictionaries(st.sampled_from(["a", "b", "a.b", "c"]), values, max_size=3)
garbage = st.sampled_from([None, 7, (1, 2), [{"a": 1}], {"a", "b"}, {1: 2}, Path("flights.parquet"), object()])
LINES = {b"": 0, "\ud800": 1, b'{"a": 1}\n\n{"b": null}\n': 2, '{"a": [1, "x"], "b": "\ud800"}': 1, b"\xef\xbb\xbf{": 1}
lines = st.sampled_from(list(LINES))


def profiler_of(elements: list[Any]) -> BundleProfiler:
    profiler = BundleProfiler(pp.Profile(SPEC))
    for element in elements:
        profiler.add(element)
    return profiler


def profile_of_records(records: list[Any]) -> pp.Profile:
    profile = pp.Profile(SPEC)
    profile.update(typed_columns(records))
    return profile


@st.composite
def sent_and_merged(draw: st.DrawFn, elements: list[Any]) -> pp.Profile:
    pieces = [profiler_of(elements[part]) for part in draw(cuts(len(elements)))]
    pieces = [BundleProfiler.from_bytes(piece.to_bytes()) if draw(st.booleans()) else piece for piece in pieces]
    merged = BundleProfiler.merge(SPEC, iter(pieces))
    again = BundleProfiler.merge(SPEC, pieces)  # so merging changed none of them
    assert merged.to_bytes() == again.to_bytes()
    return merged.profile()


@given(st.lists(records | garbage, max_size=12), st.data())
def test_any_split_of_records_equals_one_pass(elements: list[Any], data: st.DataObject) -> None:
    merged = data.draw(sent_and_merged(elements))
    assert merged.rows + merged.rejected_rows == len(elements)
    assert_profile_equal(merged, profile_of_records(elements))


@given(st.lists(records | garbage | lines, max_size=12), st.data())
def test_every_row_of_any_element_is_profiled_or_rejected(elements: list[Any], data: st.DataObject) -> None:
    merged = data.draw(sent_and_merged(elements))
    rows = [LINES[element] if isinstance(element, str | bytes) else 1 for element in elements]
    assert merged.rows + merged.rejected_rows == sum(rows)


@given(st.lists(frames(max_rows=6), max_size=4), st.data())
def test_any_split_of_frames_equals_one_pass(elements: list[pl.DataFrame], data: st.DataObject) -> None:
    merged = data.draw(sent_and_merged(elements))
    assert_profile_equal(merged, pp.merge(map(pp.profile, [pl.DataFrame(), *elements])))


@given(frames(max_rows=20), st.data())
def test_small_frames_profiled_together_give_the_same_profile(frame: pl.DataFrame, data: st.DataObject) -> None:
    parts = [frame[part] for part in data.draw(cuts(frame.height))]
    assert_profile_equal(profiler_of(parts).profile(), pp.profile(frame) if frame.height else pp.Profile())


def test_waiting_rows_are_bounded(monkeypatch):
    updates: list[int] = []
    plain = bundles.update_or_reject
    monkeypatch.setattr(
        bundles, "update_or_reject", lambda profile, batch: (updates.append(batch.rows), plain(profile, batch))
    )
    profiler = profiler_of([{"x": i} for i in range(50_000)])
    assert max(updates) <= 16_384 + 128
    assert sum(updates) >= 50_000 - 16_384 - 128
    for i in range(50_000):
        profiler.add(b'{"x": %d}' % i)
    for start in range(0, 400_000, 1_000):
        profiler.add(pl.DataFrame({"x": range(start, start + 1_000)}))
    assert sum(updates) >= 500_000 - 2 * 16_384 - 65_536
    assert len(updates) <= 4 + 40 + 7
    updates.clear()
    profiler.add({"x": 0})
    profiler.add({"text": "t" * (8 << 20)})
    profiler.add(b'{"text": "' + b"t" * (8 << 20) + b'"}')
    assert sum(updates) >= 3  # large elements do not wait
    profile = profiler.profile()
    assert profile.rows == 500_003
    assert profile["x"].sum == sum(range(50_000)) * 2 + sum(range(400_000))


class Click(NamedTuple):
    user: int
    ok: bool | None


def test_named_tuples_are_records():
    profile = profiler_of([Click(1, ok=True), Click(2, ok=None)]).profile()
    assert (profile.rows, profile["user"].sum, profile["ok"].null_count) == (2, 3, 1)


TABLE = pa.table({"a": [1, None, 3], "b": ["x", "y", None]})


@pytest.mark.parametrize(
    "table",
    [TABLE, TABLE.to_batches()[0], TABLE.to_pandas(), pl.from_arrow(TABLE), pl.from_arrow(TABLE).lazy()],
    ids=lambda table: type(table).__name__,
)
def test_tables_of_any_kind_are_their_rows(table):
    profile = profiler_of([table, {"a": 4, "b": None}]).profile()
    assert (profile.rows, profile["a"].sum, profile["a"].null_count, profile["b"].null_count) == (4, 8, 1, 2)


def test_a_table_without_arrow_types_is_rejected_row_by_row():
    mixed = pd.DataFrame({"a": [1, "x", b"y"]})
    twice = pa.Table.from_arrays([pa.array([1, 2])] * 2, names=["a", "a"])
    profile = profiler_of([mixed, twice, {"a": 1}]).profile()
    assert (profile.rows, profile.rejected) == (1, {"could not be read as a table: ArgumentError": 5})


def test_a_path_is_not_read(tmp_path):
    path = tmp_path / "rows.ndjson"
    path.write_text('{"a": 1}\n')
    profile = profiler_of([path, str(path)]).profile()
    assert (profile.rows, profile.rejected) == (0, {"not a mapping": 1, "invalid JSON": 1})


def test_event_times_are_the_earliest_and_latest_known_times():
    profiler, other = profiler_of([]), profiler_of([])
    profiler.add({"x": 1}, 2_000_000)
    profiler.add({"x": 2}, -(2**63))  # out of range, such as the minimum of Beam
    profiler.add({"x": 3}, None)
    other.add({"x": 4}, -1)
    profile = BundleProfiler.merge(SPEC, [profiler, other, profiler_of([{"x": 5}])]).profile()
    assert profile.first_event == dt.datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=dt.UTC)
    assert profile.last_event == dt.datetime(1970, 1, 1, 0, 0, 2, tzinfo=dt.UTC)
    assert profiler_of([{"x": 1}]).profile().first_event is None


def test_equal_profilers_have_equal_bytes_and_other_bytes_fail():
    elements = [json.dumps({"x": i}).encode() for i in range(100)]
    data = profiler_of(elements).to_bytes()
    assert profiler_of(elements).to_bytes() == data == BundleProfiler.from_bytes(data).to_bytes()
    assert profiler_of(elements[:50]).to_bytes() != data
    for bad in (b"", b"garbage", data[:-1], data + b"\0", data[:40] + b"\xff" + data[41:]):
        with pytest.raises(CorruptProfile):
            BundleProfiler.from_bytes(bad)
    with pytest.raises(UnsupportedVersion):
        BundleProfiler.from_bytes(data[:8] + b"\x63\0" + data[10:])


def test_a_profiler_takes_rows_after_reading_and_after_pickling():
    profiler = profiler_of([{"x": 1}])
    assert profiler.profile().rows == 1
    profiler.add({"x": 2})
    again = pickle.loads(pickle.dumps(profiler))  # noqa: S301 - as engines do
    again.add({"x": 3})
    assert (profiler.profile()["x"].sum, again.profile()["x"].sum) == (3, 6)
