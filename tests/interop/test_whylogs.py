"""Files of whylogs are read exactly, and whylogs opens and merges written files."""

from __future__ import annotations

import json
import math
import os
import subprocess
import warnings
from collections import Counter
from pathlib import Path

import datasketches
import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from support.strategies import frames, through_bytes
from support.whylogs_files import (
    TIMESTAMP_MS,
    cardinality,
    delimited,
    distribution,
    doubles,
    ends,
    frequent,
    hll,
    integers,
    items,
    kll,
    longs,
    schema,
    v0,
    v0_message,
    v1,
)

import polarsprof as pp
from polarsprof.analysis.figures import figure
from polarsprof.cli import main
from polarsprof.errors import ArgumentError, CorruptProfile, DataWarning, PolarsprofError, UnsupportedVersion
from polarsprof.interop.whylogs import whylogs_pb2 as wl
from polarsprof.testing import SettableClock

FILES = Path(__file__).parent / "whylogs"
EXPECTED = json.loads((FILES / "flights_expected.json").read_text("utf-8"))
PEER = os.environ.get("POLARSPROF_TEST_WHYLOGS")

# ----------------------------------------------------------------------------------------------------- files of whylogs


@pytest.mark.parametrize("name", ["flights_v0.bin", "flights_v1.bin"])
@pytest.mark.parametrize("through", [lambda profile: profile, through_bytes], ids=["read", "written again"])
def test_a_file_has_the_figures_of_its_rows(name, through):
    profile = through(pp.read(FILES / name))
    assert profile.rows == EXPECTED["rows"]
    assert list(profile.columns) == sorted(EXPECTED["columns"])
    assert profile.incomplete == {}
    for path, expected in EXPECTED["columns"].items():
        column = profile[path]
        assert column.null_count == expected["nulls"]
        assert column.distinct.lower <= expected["distinct"] <= column.distinct.upper
        _check_numbers(column, expected)
        _check_items(column, expected["top"], kept=name == "flights_v1.bin")


def _check_numbers(column, expected):
    if "mean" not in expected:
        assert column.types == {"string": column.count}
        return
    assert (column.min, column.max) == (expected["min"], expected["max"])
    assert column.mean == pytest.approx(expected["mean"], rel=1e-14)
    assert column.stddev == pytest.approx(expected["stddev"], rel=1e-12)
    assert column.sum == pytest.approx(expected["mean"] * column.count, rel=1e-13)
    rank = column.group("number").rank_error
    low, high = column.quantiles([max(0.0, 0.5 - rank), 0.5 + rank])
    assert low <= expected["median"] <= high


def _check_items(column, top, *, kept):
    """Check that counts are within bounds, also those of values that are not listed."""
    found = {str(item.value): item for item in column.frequent_items(10_000)}
    floats_without_items = kept and column.types.keys() == {"fractional"}
    for value, count in top:
        if value in found:
            assert found[value].lower <= count <= found[value].upper
        elif not floats_without_items:
            assert not kept
            assert count <= column.group(column.groups[0]).item_summary.offset
    if floats_without_items:
        assert not found


def test_sums_of_integers_are_exact_where_the_file_has_them_and_never_look_so_where_it_has_not():
    old, new = pp.read(FILES / "flights_v0.bin"), pp.read(FILES / "flights_v1.bin")
    exact = round(EXPECTED["columns"]["distance"]["mean"] * EXPECTED["rows"])
    assert (type(old["distance"].sum), old["distance"].sum) == (int, exact)
    assert (type(new["distance"].sum), new["distance"].sum) == (float, exact)
    both = pp.merge([old, new])
    assert type(both["distance"].sum) is float
    assert type(through_bytes(both)["distance"].sum) is float


def test_unknown_figures_stay_unknown_in_every_merge():
    native = pp.profile([{"dep_delay": 3, "tailnum": "A"}])
    for merged in (
        pp.merge([pp.read(FILES / "flights_v1.bin"), native]),
        pp.merge([native, FILES / "flights_v1.bin"]),
        pp.merge([native.to_bytes(), pp.read(FILES / "flights_v1.bin").to_bytes()]),
    ):
        assert merged.rows == 15_001
        delay, tail = merged["dep_delay"].group("number"), merged["tailnum"].group("string")
        assert delay.skewness is None
        assert delay.kurtosis is None
        assert (tail.min, tail.max) == (None, None)
        row = merged.summary().row(by_predicate=pl.col("column") == "dep_delay", named=True)
        assert (row["zeros"], row["negatives"]) == (None, None)
        assert merged["dep_delay"].count == 14_851


def test_files_of_both_versions_and_our_own_merge():
    old, new = pp.read(FILES / "flights_v0.bin"), pp.read(FILES / "flights_v1.bin")
    merged = pp.merge([old, new])
    assert merged.rows == 30_000
    for path, expected in EXPECTED["columns"].items():
        column = merged[path]
        assert column.null_count == 2 * expected["nulls"]
        if "mean" in expected:
            assert column.mean == pytest.approx(expected["mean"], rel=1e-13)
            assert column.quantile(0.5) == pytest.approx(expected["median"], abs=12)
        elif path != "time_hour":  # whylogs 0.x hashed these texts as datetimes
            assert column.distinct.lower <= expected["distinct"] <= column.distinct.upper


def test_facts_of_a_file_arrive():
    old, new = pp.read(FILES / "flights_v0.bin"), pp.read(FILES / "flights_v1.bin")
    assert (old.dataset, old.tags) == ("flights", {"env": "test"})
    assert old.metadata["host"] == "h1"
    assert old.window.start == new.window.start == pp.Window(1_356_998_400_000_000, 1_356_998_400_001_000).start
    assert (old.versions, new.versions) == ({"whylogs": "format 0"}, {"whylogs": "format 1"})
    assert old["carrier"].length.mean == 2.0
    assert old["tailnum"].length.max == 6


def test_model_performance_is_read_and_merged():
    profile = pp.read(FILES / "performance_v1.bin")
    figures = profile.foreign[""]
    assert figures["model_performance/type"] == "regression"
    assert figures["model_performance/regression/count"] == 2
    assert figures["model_performance/regression/sum_abs_diff"] == pytest.approx(0.3)
    assert (profile["p"].min, profile["p"].max, round(profile["p"].mean, 12)) == (1.1, 2.2, 1.65)
    twice = pp.merge([profile, through_bytes(profile)])
    assert twice.foreign[""]["model_performance/regression/count"] == 4
    assert twice.foreign[""]["model_performance/type"] == "regression"
    assert twice.rows == 4


def test_figures_that_do_not_add_up_are_none_after_a_merge():
    first, second = (
        pp.read(v1({"a": integers(counts__n=1, condition_count__total=n) | {"udf/x:mean": wl.Component(fractional=n)}}))
        for n in (1, 2)
    )
    first.merge(second)
    assert through_bytes(first).foreign == {"a": {"condition_count/total": 3, "udf/x:mean": None}}


# ----------------------------------------------------------------------------------------------------- semantics of 1.x


def rows_with_everything():
    """A column as whylogs 1.x counts rows: NaN is a fraction, a NaN and a null."""
    values = [1, 2, -4, 0.5, math.nan, math.inf, True, True, False, "x", "", None]
    numbers = [1, 2, -4, 0.5, math.inf, 1, 1, 0]
    return values, v1(
        {
            "a": integers(counts__n=12, counts__null=2, counts__nan=1, counts__inf=1, counts__true=2)
            | integers(types__integral=3, types__fractional=3, types__boolean=3, types__string=2)
            | ends(-4, 2)
            | distribution(numbers, mean=math.nan, m2=math.nan)
            | cardinality([1, 2, -4, 0.5, math.inf, 0, "x"])
            | frequent({"1": 1, "2": 1, "-4": 1, "0.5": 1, "nan": 1, "inf": 1, "True": 2, "False": 1, "x": 1, "": 1})
        }
    )


def test_every_kind_of_value_is_counted_as_the_rows_say():
    values, data = rows_with_everything()
    with pytest.warns(DataWarning, match="1 column is incomplete"):
        column = pp.read(data)["a"]
    native = pp.profile([{"a": value} for value in values])["a"]
    assert (column.count, column.null_count, column.nan_count) == (11, 1, 1)
    assert (column.true_count, column.types) == (native.true_count, native.types)
    assert (column.min, column.max) == (-4, math.inf)
    assert column.group("number").counters.counts == native.group("number").counters.counts
    assert column.group("string").counters.counts == native.group("string").counters.counts
    assert (column.group("string").min, column.group("string").max) == ("", "x")
    known = {(repr(item.value), item.lower, item.upper) for item in native.frequent_items(20)}
    assert {(repr(item.value), item.lower, item.upper) for item in column.frequent_items(20)} == known
    assert column.mean is None  # it includes an infinity, and the quantiles include booleans
    assert column.variance is None
    assert column.sum is None


def test_moments_of_numbers_exclude_booleans():
    numbers, booleans = [3.5, -1.0, 2.25, 8.0], [1, 1, 0]
    data = v1(
        {
            "a": integers(counts__n=7, counts__true=2, types__fractional=4, types__boolean=3)
            | distribution(numbers + booleans)
            | cardinality([*numbers, 0, 1])
        }
    )
    with pytest.warns(DataWarning, match="booleans"):
        column = pp.read(data)["a"]
    assert column.mean == pytest.approx(np.mean(numbers))
    assert column.variance == pytest.approx(np.var(numbers, ddof=1))
    assert column.quantile(0.5) is None


def test_a_poisoned_mean_falls_back_on_quantiles_that_hold_every_value():
    values = [1.5, 2.0, 4.0, math.nan]
    figures = integers(counts__n=4, counts__null=1, counts__nan=1, types__fractional=4) | cardinality(values)
    column = pp.read(v1({"a": figures | distribution(values, mean=math.nan, m2=math.nan)}))["a"]
    assert (column.nan_count, column.null_count) == (1, 0)
    assert column.mean == pytest.approx(2.5)
    assert column.variance == pytest.approx(np.var([1.5, 2.0, 4.0], ddof=1))
    assert column.sum == pytest.approx(7.5)


def test_a_poisoned_mean_is_unknown_where_quantiles_are_estimates():
    values = np.random.default_rng(1).normal(size=20_000).tolist()
    figures = integers(counts__n=20_000, types__fractional=20_000) | cardinality(values)
    data = v1({"a": figures | distribution(values, mean=math.nan, m2=math.nan)})
    with pytest.warns(DataWarning, match="mean, variance and sum are not known"):
        profile = pp.read(data)
    column = through_bytes(profile)["a"]
    assert (column.mean, column.variance, column.sum) == (None, None, None)
    assert column.min == min(values)
    other = pp.profile([{"a": 1.0}])
    other.merge(profile)
    assert (other["a"].mean, other["a"].stddev, other["a"].sum) == (None, None, None)


def test_infinities_are_split_by_their_ends():
    values = [1.0, -math.inf, -math.inf, 2.0]
    figures = integers(counts__n=4, counts__inf=2, types__fractional=4) | cardinality(values)
    counters = (
        pp.read(v1({"a": figures | distribution(values, mean=-math.inf, m2=math.nan)}))["a"].group("number").counters
    )
    assert (counters["negative_infinity"], counters["positive_infinity"], counters["negative"]) == (2, 0, 2)


def test_integers_beyond_doubles_keep_their_ends():
    values = [2**62 + 1, -(2**62) - 1]
    figures = integers(counts__n=2, types__integral=2) | ends(min(values), max(values)) | cardinality(values)
    column = pp.read(v1({"a": figures | distribution(values)}))["a"]
    assert (column.min, column.max) == (-(2**62) - 1, 2**62 + 1)


def test_integers_that_never_came_are_no_extremes():
    values = [5.5, 7.25]
    figures = integers(counts__n=2, types__fractional=2) | ends(0, 0) | cardinality(values)  # as whylogs migrates 0.x
    column = pp.read(v1({"a": figures | distribution(values)}))["a"]
    assert (column.min, column.max) == (5.5, 7.25)


def test_a_column_without_its_metrics_says_so():
    with pytest.warns(DataWarning, match="no distinct count; no minimum and maximum; no quantiles"):
        column = pp.read(v1({"a": integers(counts__n=3, counts__null=1, types__integral=2)}))["a"]
    assert (column.count, column.null_count) == (2, 1)
    assert (column.min, column.mean, column.sum, column.quantile(0.5)) == (None, None, None, None)
    assert column.group("number").item_summary.offset == 2  # both can be any value


def test_long_texts_meet_their_native_twins_unless_whylogs_cut_them():
    middle, long = "m" * 100, "l" * 200
    figures = integers(counts__n=3, types__string=3) | cardinality([middle, long]) | distribution([])
    with pytest.warns(DataWarning, match="cuts text at 128 characters, 1 frequent"):
        profile = pp.read(v1({"a": figures | frequent({middle: 2, long[:128]: 1})}))
    profile.merge(pp.profile([{"a": middle}]))
    assert profile["a"].frequent_items(1)[0].estimate == 3
    assert profile["a"].distinct.estimate == pytest.approx(2)


def test_tags_segments_and_metadata_arrive():
    data = v1(
        {"a": integers(counts__n=1)},
        tags={"whylogs.tag.city": "Oslo"},
        metadata={"host": "h"},
        segment={"whylogs.tag.shop": "7"},
    )
    profile = pp.read(data)
    assert profile.tags == {"city": "Oslo", "shop": "7"}
    assert profile.metadata == {"host": "h", "whylogs.creationTimestamp": str(TIMESTAMP_MS + 1)}
    assert profile["a"].null_count == profile.rows == 1


def test_figures_without_a_counterpart_can_be_read():
    profile = pp.read(
        v1(
            {
                "a": integers(counts__n=1, condition_count__total=9, condition_count__positive=4)
                | {"unicode_range/digits:distribution/kll": wl.Component(kll=wl.Sketch(image=kll([1.0, 2.0, 4.0])))}
                | {"unicode_range/digits:cardinality/hll": wl.Component(hll=wl.Sketch(image=hll([1, 2, 4])))}
                | {"x/items": wl.Component(frequent_items=wl.Sketch(image=items({"u": 2})))}
                | {"x/broken": wl.Component(kll=wl.Sketch(image=b"\x05"))}
                | {"x/struct": wl.Component(struct=b"\x0a\x0a\x0a\x01a\x12\x05\x1a\x03yes")}
                | {"x/bytes": wl.Component(serialized=b"123")}
            }
        )
    )
    figures = dict(profile.foreign["a"])
    assert figures.pop("unicode_range/digits:cardinality/hll") == pytest.approx(3)
    assert figures.pop("x/broken").startswith("refused: ")
    assert figures == {
        "condition_count/total": 9,
        "condition_count/positive": 4,
        "unicode_range/digits:distribution/kll/n": 3,
        "unicode_range/digits:distribution/kll/min": 1.0,
        "unicode_range/digits:distribution/kll/median": 2.0,
        "unicode_range/digits:distribution/kll/max": 4.0,
        "x/items": '{"u": 2}',
        "x/struct": '{"a": "yes"}',
        "x/bytes": "3 bytes",
    }
    assert "9 figures" not in repr(profile)
    assert "11 figures without a counterpart here" in repr(profile)


def test_lengths_beside_character_ranges_of_1_x_are_lengths():
    lengths = [0, 3, 3, 7]
    figures = integers(counts__n=4, types__integral=4) | ends(0, 7) | distribution(lengths) | cardinality(lengths)
    named = {f"unicode_range/string_length:{name}": component for name, component in figures.items()}
    texts = {"": 1, "abc": 2, "abcdefg": 1}
    column = integers(counts__n=4, types__string=4) | frequent(texts) | cardinality(["abc", "abcdefg"])
    profile = pp.read(v1({"a": column | named}))
    length = profile["a"].length
    assert (length.count, length.min, length.max, length.mean, length.quantile(0.5)) == (4, 0, 7, 3.25, 3.0)
    assert profile.foreign == {}


def test_a_confusion_matrix_is_read_by_its_labels():
    model = wl.ModelV0(output_fields=["p"])
    model.metrics.model_type = 1
    model.metrics.score_matrix.labels.extend(["cat", "dog"])
    for count in (5, 2, 1, 7):
        model.metrics.score_matrix.scores.add().variance.count = count
    profile = wl.ProfileV0.FromString(v0_message({}))
    profile.model = model.SerializeToString()
    merged = pp.merge([v0(profile.SerializeToString())] * 2)
    figures = merged.foreign[""]
    assert figures["model_performance/type"] == "classification"
    assert json.loads(figures["model_performance/score_matrix/labels"]) == ["cat", "dog"]
    counts = {
        name: figures[f"model_performance/score_matrix/{name}/count"] for name in ("cat/cat", "cat/dog", "dog/cat")
    }
    assert counts == {"cat/cat": 10, "cat/dog": 4, "dog/cat": 2}


def test_a_refused_sketch_marks_only_its_column():
    values = [float(n) for n in range(500)]
    old = b"\x02" + kll(values)[1:]  # many values behind the preamble of one: an old bug of whylogs
    figures = integers(counts__n=500, types__fractional=500) | cardinality(values)
    data = v1({"bad": figures | distribution(values, image=old), "good": figures | distribution(values)})
    with pytest.warns(DataWarning, match=r"1 column is incomplete.*'bad': .*quantiles refused"):
        profile = pp.read(data)
    assert list(profile.incomplete) == list(through_bytes(profile).incomplete) == ["bad"]
    assert profile["bad"].quantile(0.5) is None
    assert profile["bad"].mean == profile["good"].mean == 249.5
    assert profile["good"].quantile(0.5) == 249.0
    assert profile["bad"].distinct == profile["good"].distinct
    merged = pp.profile([{"bad": 1.0}])
    merged.merge(profile)
    assert list(merged.incomplete) == ["bad"]


# ----------------------------------------------------------------------------------------------------- semantics of 0.x


def v0_columns():
    counts = Counter(str(n % 7) for n in range(30))
    numbers = wl.ColumnV0(schema=schema(integral=30, null=2), numbers=longs([n % 7 for n in range(30)]))
    numbers.counters.count, numbers.cardinality.image = 32, hll(range(7))
    numbers.frequent_items.image = items(counts)
    floats = wl.ColumnV0(schema=schema(fractional=3), numbers=doubles([0.5, -1.5, 4.0]))
    floats.counters.count = 32
    texts = wl.ColumnV0(schema=schema(string=4, boolean=3, unknown=1))
    texts.counters.count, texts.counters.booleans.value = 10, 3
    texts.strings.count, texts.strings.items = 4, items({"b": 3, "a": 1})
    texts.strings.length.CopyFrom(longs([1, 1, 1, 1]))
    texts.strings.token_length.CopyFrom(longs([1, 1, 1, 1]))
    texts.frequent_items.image = items({"b": 3, "a": 1, "True": 2, "False": 1})
    texts.cardinality.image = hll(["a", "b", 1, 0])
    return {"number": numbers, "float": floats, "text": texts}


def test_old_files_have_their_figures():
    with pytest.warns(DataWarning, match="no distinct count"):
        profile = pp.read(v0(v0_message(v0_columns())))
    number, text, fraction = profile["number"], profile["text"], profile["float"]
    assert (profile.dataset, profile.rows) == ("orders", 32)
    assert (number.count, number.null_count, number.min, number.max) == (30, 2, 0, 6)
    assert (type(number.sum), number.sum) == (int, sum(n % 7 for n in range(30)))
    assert number.group("number").counters["zero"] == 5
    assert {item.value: item.upper for item in number.frequent_items(7)} == Counter(n % 7 for n in range(30))
    assert (fraction.min, fraction.max, fraction.sum) == (-1.5, 4.0, 3.0)
    assert text.types == {"string": 4, "boolean": 3, "object": 3}  # two of them are lists, of which only rows count
    assert text.true_count == 2
    assert (text.min, text.max, text.length.mean) == ("a", "b", 1.0)
    assert profile.foreign["text"] == {
        "token_length/count": 4,
        "token_length/min": 1,
        "token_length/max": 1,
        "token_length/mean": 1.0,
    }


def test_several_profiles_in_one_file_merge_and_one_may_stand_without_its_length():
    message = v0_message({"number": v0_columns()["number"]})
    single = pp.read(message)
    assert single.rows == 32
    assert pp.read(v0(message)).to_bytes() == single.to_bytes()
    three = pp.read(v0(message, message, message))
    assert (three.rows, three["number"].sum, three["number"].null_count) == (96, 3 * single["number"].sum, 6)


def test_theta_sketches_are_read_without_another_distinct_count():
    sketch = datasketches.update_theta_sketch(12)
    for value in range(40_000):
        sketch.update(float(value))
    column = wl.ColumnV0(schema=schema(fractional=5), numbers=doubles([1.0, 2.0, 3.0, 4.0, 5.0]))
    column.counters.count, column.numbers.compact_theta = 5, sketch.compact().serialize()
    column.strings.compact_theta = b"\x01\x03"
    with pytest.warns(DataWarning, match="no distinct count"):
        profile = pp.read(v0(v0_message({"x": column})))
    assert profile.foreign["x"]["numbers/theta"] == sketch.get_estimate()
    assert profile.foreign["x"]["strings/theta"].startswith("refused: ")
    column.cardinality.image = hll([1.0, 2.0, 3.0, 4.0, 5.0])
    assert pp.read(v0(v0_message({"x": column}))).foreign == {}


def test_booleans_of_which_the_file_does_not_tell_how_many_are_true_say_so():
    column = wl.ColumnV0(schema=schema(boolean=4))
    column.counters.count, column.cardinality.image = 4, hll([0, 1])
    with pytest.warns(DataWarning, match="how many of its booleans are true is not known"):
        profile = pp.read(v0(v0_message({"x": column})))
    assert profile["x"].types == {"boolean": 4}
    column = profile["x"]
    assert (column.true_count, column.distinct, column.frequent_items(2)) == (None, None, [])
    assert pp.read(profile.to_whylogs())["x"].count == 4


def test_texts_that_look_like_numbers_never_weigh_more_than_there_are_numbers():
    figures = integers(counts__n=5, types__integral=1, types__string=4) | ends(7, 7) | distribution([7])
    data = v1({"x": figures | cardinality([7, "5"]) | frequent({"7": 1, "5": 4})})
    with pytest.warns(DataWarning, match="frequent items of group number left out"):
        column = pp.read(data)["x"]
    assert column.frequent_items(5) == []
    assert (column.min, column.max) == (7, 7)


def test_fields_of_a_newer_whylogs_are_skipped():
    unknown = b"\x9a\x06\x03new"  # field 99
    message = v0_message({"number": v0_columns()["number"]})
    assert pp.read(v0(message + unknown)).to_bytes() == pp.read(v0(message)).to_bytes()
    assert unknown not in pp.read(v0(message + unknown)).to_bytes()


# -------------------------------------------------------------------------------------------------------- hostile bytes


def small_files():
    _, everything = rows_with_everything()
    written = pp.profile([{"a": 1, "b": "x"}, {"a": None, "b": "y"}]).to_whylogs()
    return [everything, v0(v0_message(v0_columns())), (FILES / "performance_v1.bin").read_bytes(), written]


def read_or_refused(data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        try:
            profile = pp.read(data)
        except (CorruptProfile, UnsupportedVersion):
            return
    profile.summary()
    profile.merge(through_bytes(profile))
    pp.read(profile.to_whylogs())


@pytest.mark.parametrize("data", small_files(), ids=["1.x", "0.x", "performance", "ours"])
def test_every_truncation_is_refused(data):
    for end in range(len(data)):
        with pytest.raises(CorruptProfile):
            pp.read(data[:end])


@pytest.mark.slow
@settings(max_examples=300)
@given(data=st.data())
def test_changed_bytes_are_read_or_refused(data):
    parts = small_files()
    whole = bytearray(data.draw(st.sampled_from(parts)))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(whole) - 1))
        match data.draw(st.sampled_from(["byte", "splice", "cut"])):
            case "byte":
                whole[position] = data.draw(st.integers(0, 255))
            case "splice":
                other = data.draw(st.sampled_from(parts))
                start = data.draw(st.integers(0, len(other) - 1))
                whole[position:position] = other[start : start + data.draw(st.integers(1, 64))]
            case "cut":
                del whole[position : position + data.draw(st.integers(1, 64))]
        if not whole:
            return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        read_or_refused(bytes(whole))


@pytest.mark.parametrize(
    "data",
    [
        b"WHY1",
        b"WHY1\x00",
        b"WHY1" + b"\xff" * 40,
        b"WHY1\x00" + delimited(b"\x1a\x00" * 300_000),
        b"WHY1\x00" + delimited(b"\x12\x00" * 300_000),
        b"WHY1\x00" + delimited(bytes(9 << 20)),
        delimited(b"\x0a\x02\x08\x01" + b"\x12\x00" * 300_000),
        v0(*[b"\x0a\x02\x08\x01"] * 1_001),
        v0(b"\x0a\x02\x08\x02"),
    ],
    ids=range(9),
)
def test_bombs_are_refused(data):
    with pytest.raises(CorruptProfile):
        pp.read(data)


@pytest.mark.parametrize(
    "facts",
    [
        "[" * 100_000,
        '{"dataset":"\\ud800","rows":1,"panes":[]}',
        '{"dataset":"","rows":1,"panes":[["\\ud800",1]]}',
        "[]",
    ],
    ids=["deep", "dataset", "pane", "list"],
)
def test_our_own_facts_are_not_trusted(facts):
    profile = pp.read(v1({"": integers(counts__n=1, udf__count=2)}, metadata={"polarsprof": facts}))
    assert (profile.dataset, profile.panes, profile.rows) == ("", frozenset(), 1)
    assert profile.foreign == {"": {"udf/count": 2}}


def test_a_name_of_a_data_set_beyond_the_limit_is_refused():
    with pytest.raises(CorruptProfile, match="70,000 characters"):
        pp.read(v0(v0_message({}, tags={"name": "x" * 70_000})))


@pytest.mark.parametrize("count", [-1, 2**62])
def test_counts_that_no_data_has_are_refused(count):
    with pytest.raises(CorruptProfile, match="impossible counts"):
        pp.read(v1({"a": integers(counts__n=count, types__string=count)}))


# -------------------------------------------------------------------------------------------------------------- writing


@settings(max_examples=60)
@given(frame=frames())
def test_figures_of_whylogs_survive_a_round_trip(frame):
    profile = pp.profile(frame)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        back = pp.read(profile.to_whylogs())
    assert (back.rows, list(back.columns)) == (profile.rows, list(profile.columns))
    for path, column in profile.columns.items():
        other = back[path]
        for name in ("count", "null_count", "nan_count", "true_count"):
            assert getattr(other, name) == getattr(column, name), (path, name)
        known = {name: column.types.get(name) for name in ("integral", "fractional", "boolean", "string", "list")}
        assert {name: other.types.get(name) for name in known} == known
        mine, theirs = column.group("number"), other.group("number")
        assert (theirs.quantiles([0, 0.5, 1]) or []) == (mine.quantiles([0, 0.5, 1]) or [])
        if (
            column.types.keys() <= {"integral", "string"}
            and mine.min is not None
            and abs(mine.min) < 2**63 > abs(mine.max)
        ):
            assert (theirs.min, theirs.max) == (mine.min, mine.max)
        if mine.mean is not None:
            assert theirs.mean == pytest.approx(mine.mean, rel=1e-9, abs=1e-9 * (mine.stddev or 0.0))


def test_our_own_facts_come_back_but_not_after_a_merge_of_others():
    profile = pp.profile([{"a": ["x"]}], tags={"t": "1"}, metadata={"m": "2"})
    profile.dataset, profile.window = "orders", pp.Window(0, 3_600_000_000)
    profile.panes = frozenset({("w", 3)})
    data = profile.to_whylogs()
    back = pp.read(data)
    assert (back.dataset, back.window, back.panes, back.rows) == ("orders", profile.window, profile.panes, 1)
    assert (back.tags, back.metadata["m"]) == ({"t": "1"}, "2")
    with pytest.raises(ArgumentError, match="rows are in this profile already"):
        profile.merge(back)
    changed = pp.read(data[:-1] + bytes([data[-1] ^ 1]))
    assert (changed.dataset, changed.panes) == ("orders", frozenset())


def test_a_mirror_in_their_format_survives_and_overwrites_no_file(tmp_path):
    clock = SettableClock()
    mirror = pp.ProfileStore(tmp_path / "theirs", format="whylogs")
    with (
        pp.Session(tmp_path / "ours", mirrors=[mirror], clock=clock) as session,
        session.logger("orders", with_rotation_time="1h", timestamp="at") as logger,
    ):
        for hour in (0, 1, 0):
            logger.log({"at": f"2026-01-01T0{hour}:30:00Z", "price": hour})
            logger.flush()
    native = pp.ProfileStore(tmp_path / "ours")
    assert [path.name for path in mirror.files("orders")] == [path.name for path in native.files("orders")]
    assert all(path.read_bytes().startswith(b"WHY1") for path in mirror.files("orders"))
    assert mirror.read("orders").rows == native.read("orders").rows == 3
    assert mirror.windows("orders") == native.windows("orders")
    assert mirror.read("orders")["price"].mean == native.read("orders")["price"].mean
    with pytest.raises(PolarsprofError, match="not compacted"):
        mirror.compact("orders")
    with pytest.raises(ArgumentError, match="format"):
        pp.ProfileStore(tmp_path, format="avro")


def test_a_folder_of_old_files_is_a_store(tmp_path):
    message = v0_message({"number": v0_columns()["number"]})
    (tmp_path / "orders_profile.2026-01-31_12.bin").write_bytes(v0(message))
    (tmp_path / "orders_profile.2026-01-31_13.bin").write_bytes(v0(message, message))
    store = pp.ProfileStore(tmp_path)
    assert store.datasets() == ["orders"]
    assert store.read("orders", "2026-01-31T12:00Z", "2026-01-31T13:00Z")["number"].count == 90
    assert store.compact("orders", grace=None).files_deleted == 0
    assert store.read("orders").rows == 96


def test_commands_take_files_of_whylogs_like_any_other(tmp_path):
    run = CliRunner()
    shown = run.invoke(main, ["show", str(FILES / "flights_v1.bin"), "--json"])
    assert json.loads(shown.stdout)["rows"] == 15_000
    table = run.invoke(main, ["show", str(FILES / "performance_v1.bin")])
    assert "figures without a counterpart here" in table.stdout
    merged = tmp_path / "merged.bin"
    done = run.invoke(main, ["merge", str(FILES / "flights_v0.bin"), str(FILES / "flights_v1.bin"), "-o", str(merged)])
    assert (done.exit_code, pp.read(merged).rows) == (0, 30_000)
    there, back = tmp_path / "there.bin", tmp_path / "back.bin"
    assert run.invoke(main, ["convert", str(merged), str(there), "--to", "whylogs"]).exit_code == 0
    assert there.read_bytes().startswith(b"WHY1")
    assert run.invoke(main, ["convert", str(there), str(back), "--to", "polarsprof"]).exit_code == 0
    assert back.read_bytes().startswith(b"POLPROF\n")
    assert pp.read(back)["distance"].mean == pp.read(merged)["distance"].mean


def test_windows_of_a_store_become_files_of_a_folder(tmp_path):
    with pp.Session(tmp_path / "store") as session, session.logger("x", with_rotation_time="1h", timestamp="at") as log:
        log.log_records([{"at": f"2026-01-01T0{hour}:00:00Z", "n": hour} for hour in range(3)])
    arguments = ["convert", str(tmp_path / "store"), str(tmp_path / "out"), "--to", "whylogs"]
    assert "3 files" in CliRunner().invoke(main, arguments).stdout
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [f"x_profile.2026-01-01_0{hour}.bin" for hour in range(3)]
    assert CliRunner().invoke(main, arguments).exit_code == 1  # no file is overwritten


# -------------------------------------------------------------------------------------------- whylogs itself, as a peer


def peer_rows():
    chance = np.random.default_rng(5)
    n = 12_000
    return {
        "whole": chance.zipf(1.4, n).clip(max=10**6).tolist(),
        "fraction": chance.normal(3.0, 2.0, n).tolist(),
        "text": [f"item {k % 3_000}" if k % 3 else "often" for k in range(n)],
        "sparse": [None if k % 10 == 0 else f"s{k % 50}" for k in range(n)],
        "flag": (chance.random(n) < 0.3).tolist(),
        "half": [None if k % 7 == 0 else k / 2 for k in range(n)],
    }


@pytest.mark.skipif(not PEER, reason="POLARSPROF_TEST_WHYLOGS names no interpreter with whylogs 1.6.4")
def test_whylogs_opens_merges_and_summarizes_written_files(tmp_path):
    rows = peer_rows()
    profile = pp.profile(pl.DataFrame(rows), tags={"city": "Oslo"})
    profile.window = pp.Window(1_769_817_600_000_000, 1_769_821_200_000_000)
    (tmp_path / "ours.bin").write_bytes(profile.to_whylogs())
    (tmp_path / "rows.json").write_text(json.dumps(rows), "utf-8")
    quiet = {**os.environ, "WHYLOGS_NO_ANALYTICS": "True"}
    subprocess.run([PEER, "-W", "ignore", FILES / "peer.py", tmp_path], check=True, timeout=120, env=quiet)
    said = json.loads((tmp_path / "summary.json").read_text("utf-8"))
    assert said["rows of to_pandas"] == len(rows)
    assert said["timestamp"] == "2026-01-31T00:00:00+00:00"
    assert said["metadata"]["whylogs.tag.city"] == "Oslo"
    for name, values in rows.items():
        _compare(said["ours"][name], said["theirs"][name], values, times=1)
        _compare(said["merged"][name], said["theirs"][name], values, times=2)
    assert said["drawn"] is None or min(said["drawn"]) > 1_000
    _check_read_back(pp.read(tmp_path / "theirs.bin"), profile, rows, times=1)
    _check_read_back(pp.read(tmp_path / "merged.bin"), profile, rows, times=2)


def _compare(ours, theirs, values, times):
    """Compare exact summary keys with whylogs, and estimates with the rows."""
    assert ours.keys() == theirs.keys()
    known = [value for value in values if value is not None]
    sorted_values = (
        np.sort(np.array(known, dtype=float)) if "distribution/q_01" in ours and known[0] != str(known[0]) else None
    )
    for key, value in theirs.items():
        metric, _, name = key.partition("/")
        if key == "counts/nan":  # whylogs counts nulls of a pandas column as NaN, and half of ours
            assert ours[key] in (0, value)
        elif metric in ("counts", "types"):
            assert ours[key] == times * value, key
        elif metric == "ints" or name in ("min", "max"):
            assert ours[key] == value or math.isnan(value), key
        elif name == "n":
            assert ours[key] == times * value
        elif name in ("mean", "stddev"):
            assert ours[key] == pytest.approx(value, rel=1e-4 if times == 2 else 1e-12)
        elif name.startswith("q_") or name == "median":
            _check_quantile(ours[key], 0.5 if name == "median" else int(name[2:]) / 100, sorted_values)
        elif metric == "cardinality":
            whole_floats = {value for value in known if isinstance(value, float) and value.is_integer()}
            distinct = len(set(known)) + (len(whole_floats) if times == 2 else 0)  # ours count as integers
            assert ours["cardinality/est"] == pytest.approx(distinct, rel=0.07)
            assert ours["cardinality/lower_1"] <= ours["cardinality/est"] <= ours["cardinality/upper_1"]
        else:
            assert name == "frequent_strings"
            _check_frequent(ours[key], known, times)


def _check_quantile(value, rank, sorted_values):
    if sorted_values is None:
        assert value is None
        return
    below = np.searchsorted(sorted_values, value, "left") / sorted_values.size
    upto = np.searchsorted(sorted_values, value, "right") / sorted_values.size
    assert below - 0.02 <= rank <= upto + 0.02


def _check_frequent(items, known, times):
    truth = Counter(map(str, known))
    assert items
    for value, _, lower, upper in items:
        assert lower <= times * truth[value] <= upper
    assert {item[0] for item in items[:1]} <= {value for value, count in truth.items() if count == max(truth.values())}


def _check_read_back(back, profile, rows, times):
    """The summaries of whylogs for the rows, and after a merge with ours."""
    assert back.rows == times * len(rows["whole"])
    assert back.panes == frozenset()
    for name in ("whole", "fraction"):
        values = rows[name]
        assert back[name].count == times * len(values)
        assert back[name].mean == pytest.approx(np.mean(values), rel=1e-9)
        assert (back[name].min, back[name].max) == (min(values), max(values))
        assert back[name].distinct.lower <= len(set(values)) <= back[name].distinct.upper
    assert back["sparse"].null_count == times * profile["sparse"].null_count
    assert back["flag"].true_count == times * sum(rows["flag"])
    often = back["text"].frequent_items(1)[0]
    assert (often.value, often.upper) == ("often", times * rows["text"].count("often"))


def test_counts_that_no_file_knows_are_none_in_every_view() -> None:
    both = pp.merge([pp.read(FILES / "flights_v1.bin"), pp.profile([{"dep_delay": 0.0}, {"dep_delay": -1.0}])])
    summary = both.summary().filter(column="dep_delay").row(0, named=True)
    for name in ("zeros", "negatives"):
        assert summary[name] is None
        assert figure(both["dep_delay"], name) is None
    assert "<dt>zeros</dt>" not in both._repr_html_()
