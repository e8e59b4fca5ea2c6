"""Pipelines on the runners of Beam; `test_beam.py` runs this file in the environment of Beam.

Batches run on the `FnApiRunner`, streams on the `BundleBasedDirectRunner`, which supports `TestStream`. `DirectRunner`
uses these two without Prism.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import apache_beam as beam
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.coders import registry
from apache_beam.internal import pickler
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing import test_stream as streams
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.trigger import (
    AccumulationMode,
    AfterCount,
    AfterProcessingTime,
    AfterWatermark,
)
from apache_beam.transforms.window import FixedWindows, GlobalWindows, Sessions, SlidingWindows, TimestampedValue
from apache_beam.typehints.decorators import TypeCheckError
from hypothesis import given, settings
from hypothesis import strategies as st
from support.strategies import frames

import polarsprof as pp
from polarsprof.engines import beam as engine
from polarsprof.engines.beam import AccumulatorCoder, ProfileCoder, ProfileFn, ProfileWindows, WritePanes
from polarsprof.errors import ArgumentError, CorruptProfile
from polarsprof.store import Pane
from polarsprof.testing import assert_profile_equal

MINUTE = 60
SCALE = os.environ.get("POLARSPROF_TEST_SCALE", "0.005")

scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(width=32) | st.text(max_size=5)
records = st.dictionaries(st.sampled_from(["a", "b", "c"]), scalars | st.lists(scalars, max_size=3), max_size=3)
tables = frames(max_rows=4) | st.lists(st.none() | st.floats()).map(lambda values: pa.table({"a": values}))


def batch(**options):
    return beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([], **options))


def stream():
    return beam.Pipeline(runner=BundleBasedDirectRunner(), options=PipelineOptions([], streaming=True))


def equals(expected):
    """A check of `assert_that`: one profile, equal to the expected one."""

    def check(profiles):
        (profile,) = profiles
        assert_profile_equal(profile, expected)

    return check


def events(*pairs):
    """Records with their times in seconds."""
    return [TimestampedValue({"i": i}, at) for i, at in pairs]


def numbers(profile):
    return sorted(item.value for item in profile["i"].frequent_items(100))


def window(start, end):
    return pp.Window(start * 1_000_000, end * 1_000_000)


# ------------------------------------------------------------------------------------------------------ the CombineFn


@settings(max_examples=40)
@given(st.lists(st.lists(records | tables, max_size=5), max_size=5), st.booleans())
def test_bundles_give_what_one_pass_over_all_elements_gives(bundles, sent):
    fn, coder = ProfileFn(), AccumulatorCoder()
    accumulators = [fn.compact(fn.add_inputs(fn.create_accumulator(), bundle)) for bundle in bundles]
    accumulators = [coder.decode(coder.encode(one)) if sent else one for one in accumulators]
    merged = fn.extract_output(fn.merge_accumulators(iter([fn.create_accumulator(), *accumulators])))
    expected = pp.Profile()
    for element in (element for bundle in bundles for element in bundle):
        expected.merge(pp.profile([element] if isinstance(element, dict) else element))
    assert_profile_equal(merged, expected)


def test_an_empty_accumulator_is_neutral_and_merging_changes_none():
    fn = ProfileFn(pp.ProfileSpec(k=100))
    one = fn.add_inputs(fn.create_accumulator(), [{"x": i} for i in range(1_000)])
    before = one.to_bytes()
    merged = fn.merge_accumulators([fn.create_accumulator(), one, fn.create_accumulator()])
    assert merged.to_bytes() == one.to_bytes() == before
    seen = fn.extract_output(merged)
    fn.add_input(merged, {"x": 0})
    assert (seen.rows, fn.extract_output(merged).rows, fn.extract_output(one).rows) == (1_000, 1_001, 1_000)
    assert fn.extract_output(fn.merge_accumulators([])).rows == 0
    assert fn.extract_output(fn.create_accumulator()).spec == pp.ProfileSpec(k=100)


def test_the_function_and_the_transforms_can_be_pickled():
    fn = pickler.loads(pickler.dumps(ProfileFn(pp.ProfileSpec(lg_k=10))))
    profile = fn.apply([{"x": 1}, beam.Row(x=2, y="z"), b'{"x": 3}'])
    assert (profile["x"].sum, profile["y"].count, profile.spec.lg_k) == (6, 1, 10)
    run = pickler.loads(pickler.dumps(ProfileWindows("clicks", run="r")))
    with batch() as pipeline:
        found = pipeline | beam.Create([{"x": 1}]) | run | beam.Map(lambda profile: profile.dataset)
        assert_that(found, equal_to(["clicks"]))


def test_coders_are_registered_and_refuse_other_bytes():
    coder = registry.get_coder(pp.Profile)
    profile = pp.profile([{"x": 1}])
    assert type(coder) is ProfileCoder
    assert coder == ProfileCoder()
    assert coder.is_deterministic()
    assert coder.encode(profile) == profile.to_bytes() == coder.encode(coder.decode(profile.to_bytes()))
    for coder in (ProfileCoder(), AccumulatorCoder()):
        for bad in (b"", b"\x80\x05K\x01.", profile.to_bytes()[:-3]):
            with pytest.raises(CorruptProfile):
                coder.decode(bad)


def test_wrong_arguments_fail_when_the_pipeline_is_built(tmp_path):
    for wrong in (
        lambda: ProfileFn("k=100"),
        lambda: ProfileWindows(""),
        lambda: ProfileWindows(7),
        lambda: ProfileWindows("x" * 70_000),
        lambda: ProfileWindows("x", run=7),
        lambda: ProfileWindows("x", tags={"a": 1}),
        lambda: WritePanes("ftp://nowhere"),
        lambda: WritePanes(tmp_path, colour="red"),
    ):
        with pytest.raises(ArgumentError):
            wrong()
    with pytest.raises(TypeCheckError), batch() as pipeline:
        _ = pipeline | beam.Create([1]) | beam.WindowInto(FixedWindows(60)) | WritePanes(tmp_path)


# ------------------------------------------------------------------------------------------------------------ batches


def test_a_batch_of_records_tables_and_garbage_loses_no_row():
    rows = [{"x": i, "t": f"t{i % 7}", "f": i / 3 if i % 5 else float("nan")} for i in range(3_000)]
    table = pl.DataFrame(rows[1_000:])
    with batch() as pipeline:
        elements = pipeline | beam.Create([*rows[:500], *map(json.dumps, rows[500:1_000]), table, table.to_arrow()])
        garbage = pipeline | "garbage" >> beam.Create([7, None, "no JSON", b"[1]", ("a", 1)])
        profile = (elements, garbage) | beam.Flatten() | beam.CombineGlobally(ProfileFn())
        assert_that(profile, lambda found: _check_counts(found, rows))


def _check_counts(found, rows):
    (profile,) = found
    twice = [*rows, *rows[1_000:]]
    assert profile.rows == len(twice)
    assert profile.rejected == {"not a mapping": 4, "invalid JSON": 1}
    assert profile["x"].sum == sum(row["x"] for row in twice)
    assert profile["f"].nan_count == sum(row["f"] != row["f"] for row in twice)
    assert Counter({item.value: item.estimate for item in profile["t"].frequent_items(9)}) == Counter(
        row["t"] for row in twice
    )


@pytest.mark.parametrize("size", [1, 100])
def test_no_elements_give_an_empty_profile_or_none(size):
    with batch() as pipeline:
        nothing = pipeline | beam.Create([])
        assert_that(nothing | beam.CombineGlobally(ProfileFn()), equals(pp.Profile()), "global")
        assert_that(nothing | beam.Map(lambda x: (x, x)) | beam.CombinePerKey(ProfileFn()), equal_to([]), "key")
        windows = nothing | beam.WindowInto(FixedWindows(size)) | ProfileWindows("x")
        assert_that(windows, equal_to([]), "windows")


def test_segments_are_keys():
    rows = [{"country": f"c{i % 3}", "x": i} for i in range(300)]
    with batch() as pipeline:
        keyed = pipeline | beam.Create(rows) | beam.WithKeys(lambda row: row["country"])
        found = keyed | beam.CombinePerKey(ProfileFn()) | beam.MapTuple(lambda key, p: (key, p.rows, p["x"].sum))
        failures = [(f"c{c}", 100, sum(range(c, 300, 3))) for c in range(3)]
        assert_that(found, equal_to(failures))


def test_lineitem_through_beam_is_lineitem(tmp_path):
    generator = shutil.which("tpchgen-cli", path=Path(sys.executable).parent)
    if generator is None:
        pytest.skip("tpchgen-cli is not installed")
    wanted = ["parquet", f"--scale-factor={SCALE}", "--tables=lineitem", f"--output-dir={tmp_path}"]
    subprocess.run([generator, *wanted], check=True, capture_output=True)
    path = tmp_path / "lineitem.parquet"
    expected = pp.profile(path)
    with batch() as pipeline:
        frames = pipeline | beam.io.ReadFromParquetBatched(str(path)) | "frames" >> beam.CombineGlobally(ProfileFn())
        assert_that(frames, equals(expected), "of frames")
        if float(SCALE) <= 0.1:
            of_records = pipeline | beam.io.ReadFromParquet(str(path)) | beam.CombineGlobally(ProfileFn())
            assert_that(of_records, equals(pp.profile(pq.read_table(path).to_pylist())), "of records")


# ------------------------------------------------------------------------------------------------------------ windows


def test_windows_of_a_batch_are_those_of_a_logger(tmp_path):
    start = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
    rows = [{"at": start + dt.timedelta(seconds=i * 7919 % 86_400), "x": i} for i in range(2_000)]
    with pp.Session(tmp_path / "logger") as session:
        session.logger("clicks", with_rotation_time="1h", timestamp="at").log_records(
            sorted(rows, key=lambda row: row["at"])
        )
    with batch() as pipeline:
        timed = pipeline | beam.Create(rows) | beam.Map(lambda row: TimestampedValue(row, row["at"].timestamp()))
        windows = timed | beam.WindowInto(FixedWindows(3_600))
        files = windows | ProfileWindows("clicks", tags={"a": "b"}) | WritePanes(tmp_path / "beam")
        assert_that(files | beam.combiners.Count.Globally(), equal_to([24]))
    ours, theirs = pp.ProfileStore(tmp_path / "beam"), session.store
    assert [path.name for path in ours.files("clicks")] == [path.name for path in theirs.files("clicks")]
    assert ours.windows("clicks") == theirs.windows("clicks")
    for mine, other in zip(ours.profiles("clicks"), theirs.profiles("clicks"), strict=True):
        assert_profile_equal(mine, other)
        assert (mine.first_event, mine.last_event, mine.tags) == (other.first_event, other.last_event, {"a": "b"})


def test_each_data_set_has_its_own_panes(tmp_path):
    with batch() as pipeline:
        rows = pipeline | beam.Create(events(*((i, i) for i in range(200)))) | beam.WindowInto(FixedWindows(100))
        _ = rows | ProfileWindows(lambda row: f"../odd {row['i'] % 2}") | WritePanes(tmp_path)
    store = pp.ProfileStore(tmp_path)
    assert store.datasets() == ["../odd 0", "../odd 1"]
    assert store.read("../odd 1")["i"].sum == sum(range(1, 200, 2))
    assert sorted(store.rows("../odd 1").values()) == [50, 50]


def test_sessions_are_windows(tmp_path):
    with batch() as pipeline:
        rows = pipeline | beam.Create(events((1, 0), (2, 5), (3, 30))) | beam.WindowInto(Sessions(10))
        _ = rows | ProfileWindows("clicks") | WritePanes(tmp_path)
    store = pp.ProfileStore(tmp_path)
    assert store.rows("clicks") == {window(0, 15): 2, window(30, 40): 1}


def test_a_profile_of_the_global_window_has_none():
    with batch() as pipeline:
        profiles = pipeline | beam.Create([{"i": 1}]) | ProfileWindows("clicks")
        assert_that(profiles | beam.Map(lambda p: (p.window, p.rows, p.first_event)), equal_to([(None, 1, None)]))


# ------------------------------------------------------------------------------------------------------------ streams


def arriving():
    return (
        streams.TestStream()
        .add_elements(events((1, 10), (2, 20)))
        .advance_processing_time(30)  # an early firing
        .add_elements(events((3, 30)))
        .advance_watermark_to(61)  # on time
        .add_elements(events((4, 40), (5, 70)))
        .advance_processing_time(30)  # a late one, and an early one of the next window
        .advance_watermark_to(80)
        .add_elements(events((6, 41)))
        .advance_processing_time(30)
        .advance_watermark_to(200)
        .add_elements(events((7, 42), (8, 71)))  # beyond 60 + 100; within 120 + 100
        .advance_watermark_to_infinity()
    )


FIRST, SECOND = window(0, 60), window(60, 120)
FIRINGS = [  # window, number, rows, of which late
    (FIRST, 1, [1, 2], 0),
    (FIRST, 2, [3], 0),
    (FIRST, 3, [4], 1),
    (SECOND, 1, [5], 0),
    (FIRST, 4, [6], 1),
    (SECOND, 3, [8], 1),
]
EAGER = partial(AfterWatermark, early=AfterProcessingTime(10), late=AfterCount(1))


def firing_of(profile):
    ((_, number),) = profile.panes
    return profile.window, number, numbers(profile), profile.late_rows


def test_each_firing_of_a_stream_is_a_pane_and_every_row_counts_once(tmp_path):
    with stream() as pipeline:
        windows = (
            pipeline
            | arriving()
            | beam.WindowInto(
                FixedWindows(MINUTE),
                trigger=EAGER(),
                accumulation_mode=AccumulationMode.DISCARDING,
                allowed_lateness=100,
            )
        )
        profiles = windows | ProfileWindows("clicks")
        assert_that(profiles | beam.Map(firing_of), equal_to(FIRINGS))
        _ = profiles | WritePanes(tmp_path)
    store = pp.ProfileStore(tmp_path)
    everything = store.read("clicks")
    assert (numbers(everything), everything.late_rows) == ([1, 2, 3, 4, 5, 6, 8], 3)
    assert store.rows("clicks") == {FIRST: 5, SECOND: 2}
    assert len(everything.panes) == len(FIRINGS)
    assert (everything.first_event, everything.last_event) == tuple(
        dt.datetime.fromtimestamp(at, dt.UTC) for at in (10, 71)
    )
    compacted = store.compact("clicks", grace=None)
    assert compacted
    assert numbers(store.read("clicks")) == [1, 2, 3, 4, 5, 6, 8]


def test_the_default_trigger_makes_late_rows_panes_too(tmp_path):
    with stream() as pipeline:
        windows = pipeline | arriving() | beam.WindowInto(FixedWindows(MINUTE), allowed_lateness=100)
        _ = windows | ProfileWindows("clicks") | WritePanes(tmp_path)
    everything = pp.ProfileStore(tmp_path).read("clicks")
    assert (numbers(everything), everything.late_rows) == ([1, 2, 3, 4, 5, 6, 8], 3)


def test_accumulating_firings_repeat_rows_and_are_not_panes(tmp_path):
    accumulating = beam.WindowInto(
        FixedWindows(MINUTE), trigger=EAGER(), accumulation_mode=AccumulationMode.ACCUMULATING, allowed_lateness=100
    )
    with stream() as pipeline:
        profiles = pipeline | arriving() | accumulating | ProfileWindows("clicks")
        first = profiles | beam.Filter(lambda p: p.window == FIRST) | beam.Map(lambda p: (numbers(p), p.panes))
        growing = [([1, 2], frozenset()), ([1, 2, 3], frozenset())]
        growing += [([1, 2, 3, 4], frozenset()), ([1, 2, 3, 4, 6], frozenset())]
        assert_that(first, equal_to(growing))
    with pytest.raises(ArgumentError, match="ACCUMULATING"), stream() as pipeline:
        _ = pipeline | arriving() | accumulating | ProfileWindows("clicks") | WritePanes(tmp_path)
    # A second WindowInto does not hide that the profiles are not panes.
    rewindow = "rewindow" >> beam.WindowInto(FixedWindows(MINUTE))
    with pytest.raises(Exception, match="WritePanes"), stream() as pipeline:
        _ = pipeline | arriving() | accumulating | ProfileWindows("clicks") | rewindow | WritePanes(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("windows", [SlidingWindows(60, 30), GlobalWindows()], ids=["sliding", "global"])
def test_windows_that_cannot_be_panes_are_refused(windows, tmp_path):
    with pytest.raises(ArgumentError, match="windowing"), batch() as pipeline:
        _ = (
            pipeline
            | beam.Create(events((1, 1)))
            | beam.WindowInto(windows)
            | ProfileWindows("x")
            | WritePanes(tmp_path)
        )


# ------------------------------------------------------------------------------------------------------ exactly once


class FailsAfterwards(engine._Put):
    """Writes a bundle, and fails at its end the first two times, so that it is retried."""

    def __init__(self, store_url, marks):
        super().__init__(store_url, {})
        self._marks = marks

    def finish_bundle(self):
        tries = len(list(Path(self._marks).iterdir()))
        if tries < 2:
            Path(self._marks, str(tries)).touch()
            raise RuntimeError("the worker crashes after the write")


def test_a_retried_bundle_counts_once(tmp_path):
    marks, place = tmp_path / "marks", tmp_path / "store"
    marks.mkdir()
    transform = WritePanes(place)
    transform._put = FailsAfterwards(str(place), str(marks))
    failures = 0
    for _ in range(3):  # the runner does not retry, so the pipeline runs again as the same run
        try:
            with batch() as pipeline:
                rows = pipeline | beam.Create(events(*((i, i) for i in range(300))))
                windows = rows | beam.WindowInto(FixedWindows(100)) | ProfileWindows("clicks", run="2026-01-05")
                _ = windows | transform
        except RuntimeError:
            failures += 1
    store = pp.ProfileStore(place)
    assert (failures, store.read("clicks").rows, len(store.files("clicks"))) == (2, 300, 3)


def rows_after_writing(tmp_path, rows, run):
    with batch() as pipeline:
        windows = pipeline | beam.Create(rows) | beam.WindowInto(FixedWindows(100))
        _ = windows | ProfileWindows("clicks", run=run) | WritePanes(tmp_path)
    return pp.ProfileStore(tmp_path).read("clicks").rows


def test_the_same_run_counts_once_and_other_rows_are_refused(tmp_path):
    rows = events(*((i, i) for i in range(300)))
    assert rows_after_writing(tmp_path, rows, "monday") == 300
    assert rows_after_writing(tmp_path, list(reversed(rows)), "monday") == 300
    assert rows_after_writing(tmp_path, rows, "tuesday") == 600
    assert rows_after_writing(tmp_path, rows, None) == 900
    assert rows_after_writing(tmp_path, rows, None) == 1_200
    with pytest.raises(Exception, match="holds pane 1 of writer"):
        rows_after_writing(tmp_path, rows + events((7, 7)), "monday")


def test_objects_in_a_store_take_panes_once(tmp_path):
    pytest.importorskip("obstore")
    put = engine._Put("memory://beam", {})
    put.setup()
    profile = pp.profile([{"i": 1}])
    profile.dataset, profile.window, profile.panes = "clicks", FIRST, frozenset([("w", 1)])
    (pane,) = engine._Encode().process(profile)
    assert [*put.process(pane), *put.process(pane)] == ["clicks_profile.1970-01-01_00-00.w-1.bin"] * 2
    other = pp.profile([{"i": 1}, {"i": 2}])
    other.dataset, other.window, other.panes = profile.dataset, profile.window, profile.panes
    with pytest.raises(FileExistsError, match="of 2 rows"):
        list(put.process(Pane(other.to_bytes(), "clicks", pane.label, "w", 1, 2)))


def test_counters_count_written_panes_and_rows(tmp_path):
    pipeline = batch()
    rows = pipeline | beam.Create([*events((1, 1), (2, 2)), TimestampedValue("garbage", 3)])
    _ = rows | beam.WindowInto(FixedWindows(100)) | ProfileWindows("clicks") | WritePanes(tmp_path)
    result = pipeline.run()
    result.wait_until_finish()
    found = {
        c.key.metric.name: c.committed
        for c in result.metrics().query()["counters"]
        if c.key.metric.namespace == "polarsprof"
    }
    assert found == {"panes_written": 1, "rows_written": 2, "rows_rejected": 1, "rows_late": 0}


# ------------------------------------------------------------------------------------------------------ documentation


def test_the_page_runs_from_top_to_bottom(tmp_path, monkeypatch):
    page = Path(__file__).parents[3] / "docs" / "beam.md"
    monkeypatch.chdir(tmp_path)
    # Where there is a network, the default runner would fetch Prism.
    monkeypatch.setattr(sys, "argv", ["page", f"--runner={FnApiRunner.__module__}.{FnApiRunner.__name__}"])
    namespace = {"__name__": "page"}
    text = page.read_text("utf-8")
    blocks = list(re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    assert len(blocks) >= 3
    for block in blocks:
        lines_above = "\n" * text.count("\n", 0, block.start(1))
        exec(compile(lines_above + block[1], page, "exec"), namespace)
