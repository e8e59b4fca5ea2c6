"""Laws of profiles over every dtype group: merges, splits, bytes, exact figures."""

from __future__ import annotations

import datetime as dt
import math
import pickle
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from polars.testing.parametric import dataframes
from support.strategies import (
    KINDS,
    WIDTHS,
    Kind,
    columns,
    cuts,
    floats,
    frames,
    integers,
    merged,
    texts,
    through_bytes,
)

import polarsprof as pp
from polarsprof.errors import ArgumentError, SpecMismatch
from polarsprof.testing import DISTRIBUTIONS, assert_profile_equal

EVERY_KIND = pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
EMPTY = pp.Profile().to_bytes()


def spec_of(**knobs: Any) -> pp.ProfileSpec:
    return pp.ProfileSpec(**knobs)


def one(values: list[Any], dtype: Any = None, **spec: Any) -> pp.ColumnProfile:
    """Profile one column; a column without values if there are none."""
    profile = pp.profile(pl.DataFrame({"c": pl.Series(values, dtype=dtype)}), spec=pp.ProfileSpec(**spec))
    return profile["c"] if "c" in profile else pp.ColumnProfile("c", profile.spec, lambda _: profile.rows)


# ------------------------------------------------------------------------------------------------------- merges, splits


@EVERY_KIND
@settings(max_examples=25)
@given(data=st.data())
def test_any_split_order_and_tree_of_merges_equals_one_pass(kind: Kind, data: st.DataObject) -> None:
    frame = data.draw(columns(kind)).alias("c").to_frame()
    whole = pp.profile(frame)
    pieces = [pp.profile(frame[rows]) for rows in data.draw(cuts(frame.height))]
    wire = data.draw(st.booleans())
    assert_profile_equal(data.draw(merged(pieces, wire=wire)), whole)
    assert_profile_equal(
        whole, data.draw(merged([pp.profile(row) for row in frame.iter_slices(1)] or [whole], wire=wire))
    )


@pytest.mark.slow
@settings(max_examples=100)
@given(frames(max_rows=20), st.data())
def test_splitting_frames_of_many_columns_does_not_matter(frame: pl.DataFrame, data: st.DataObject) -> None:
    pieces = [pp.profile(frame[rows]) for rows in data.draw(cuts(frame.height))]
    assert_profile_equal(data.draw(merged(pieces, wire=data.draw(st.booleans()))), pp.profile(frame))


@pytest.mark.slow
@settings(max_examples=150)
@given(dataframes(min_cols=1, max_cols=4, max_size=10), st.data())
def test_splitting_frames_of_any_nested_dtype_does_not_matter(frame: pl.DataFrame, data: st.DataObject) -> None:
    whole = pp.profile(frame)
    assert all(column.null_count >= 0 for column in whole.columns.values())
    pieces = [pp.profile(frame[rows]) for rows in data.draw(cuts(frame.height))]
    # Polars draws doubles from their whole range; their moments overflow in some orders only.
    for profile in (data.draw(merged(pieces, wire=True)), through_bytes(whole)):
        assert {p: (c.count, c.types, c.min, c.max, c.distinct) for p, c in profile.columns.items()} == {
            p: (c.count, c.types, c.min, c.max, c.distinct) for p, c in whole.columns.items()
        }


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_splitting_long_columns_does_not_matter(name: str) -> None:
    values = pl.DataFrame({"c": DISTRIBUTIONS[name](20_000, np.random.default_rng(1))})
    parts = pp.merge(through_bytes(pp.profile(values[start : start + 331])) for start in range(0, 20_000, 331))
    assert_profile_equal(parts, pp.profile(values))


@settings(max_examples=60)
@given(frames())
def test_empty_is_the_identity_of_merge(frame: pl.DataFrame) -> None:
    profile = pp.profile(frame)
    state = profile.to_bytes()
    profile.merge(pp.Profile())
    assert profile.to_bytes() == state
    grown = pp.Profile()
    grown.merge(profile)
    assert grown.to_bytes() == state
    assert pp.Profile().to_bytes() == EMPTY
    assert pp.merge([]).to_bytes() == EMPTY


@settings(max_examples=60)
@given(frames(), frames())
def test_merge_leaves_its_argument_as_it_was(left: pl.DataFrame, right: pl.DataFrame) -> None:
    target, argument = pp.profile(left), pp.profile(right)
    before = argument.to_bytes()
    target.merge(argument)
    assert argument.to_bytes() == before
    after = target.to_bytes()
    argument.merge(pp.profile(left))  # the merged state shares nothing with its source
    assert target.to_bytes() == after


@settings(max_examples=30)
@given(st.lists(st.lists(floats, max_size=500), min_size=2, max_size=4))
def test_merge_of_profiles_does_not_change_them(batches: list[list[float]]) -> None:
    profiles = [pp.profile(pl.DataFrame({"c": pl.Series(values, dtype=pl.Float64)})) for values in batches]
    before = [profile.to_bytes() for profile in profiles]
    pp.merge(profiles)
    assert [profile.to_bytes() for profile in profiles] == before


@settings(max_examples=60)
@given(st.lists(frames(max_rows=6), min_size=1, max_size=5))
def test_late_columns_have_all_rows_of_the_profile(batches: list[pl.DataFrame]) -> None:
    renamed = [
        frame.rename({name: f"{name}:{frame[name].dtype}:{i % 2}" for name in frame.columns})
        for i, frame in enumerate(batches)
    ]
    profile = pp.merge(map(pp.profile, renamed))
    assert profile.rows == sum(frame.height for frame in batches)
    for name in {name for frame in renamed for name in frame.columns}:
        present = sum(frame[name].len() - frame[name].null_count() for frame in renamed if name in frame.columns)
        if any(frame.height for frame in renamed if name in frame.columns):
            column = profile[name]
            assert (column.count, column.rows, column.null_count) == (present, profile.rows, profile.rows - present)


def test_the_rows_of_elements_are_the_elements() -> None:
    lists = [[1, None, 3], None, [], [None]]
    profile = pp.profile(pl.DataFrame({"a": lists, "b": [[{"x": [1, 2]}, {"x": None}], None, [None], []]}))
    assert (profile["a"].rows, profile["a"].count, profile["a"].null_count) == (4, 3, 1)
    assert (profile["a[]"].rows, profile["a[]"].count, profile["a[]"].null_count) == (4, 2, 2)
    assert (profile["b[]"].rows, profile["b[]"].count) == (3, 2)
    assert (profile["b[].x"].rows, profile["b[].x"].count) == (3, 1)
    assert (profile["b[].x[]"].rows, profile["b[].x[]"].count) == (2, 2)


def test_elements_of_long_names_have_the_rows_of_their_lists() -> None:
    profile = pp.profile(pl.DataFrame({"n" * 600: [[1, 2, 3], None]}))
    counted = sorted((column.rows, column.count, column.null_count) for column in profile.columns.values())
    assert counted == [(2, 1, 1), (3, 3, 0)]


def test_merging_the_same_pane_twice_is_refused() -> None:
    pane = pp.profile(pl.DataFrame({"c": [1]}))
    pane.panes = frozenset({("writer", 7)})
    total = pane.copy()
    state = total.to_bytes()
    with pytest.raises(ArgumentError, match="pane 7 of writer writer"):
        total.merge(pane)
    with pytest.raises(ArgumentError, match="itself"):
        total.merge(total)
    assert total.to_bytes() == state


# ---------------------------------------------------------------------------------------------------------------- specs


@pytest.mark.parametrize(("knob", "small", "large"), [("k", 20, 400), ("lg_k", 8, 12), ("lg_items", 4, 9)])
@pytest.mark.parametrize("rows", [0, 5, 3_000])
def test_unequal_sizes_merge_both_ways(knob: str, small: int, large: int, rows: int) -> None:
    frame = pl.DataFrame({"n": np.arange(rows), "t": [f"v{i % 700}" for i in range(rows)]})
    sizes = [spec_of(**{knob: size}) for size in (small, large)]
    for one_spec, other_spec in (sizes, sizes[::-1]):
        total = pp.profile(frame, spec=one_spec)
        other = pp.profile(frame, spec=other_spec)
        total.merge(other)
        total = through_bytes(total)
        assert total.rows == 2 * rows
        for column in total.columns.values():
            truth = min(700, rows) if column.path == "t" else rows
            assert column.count == 2 * rows
            assert column.distinct is not None
            assert column.distinct.lower * 0.9 <= truth <= column.distinct.upper * 1.1
            for item in column.frequent_items(1_000):
                assert item.lower <= frame[column.path].eq(item.value).sum() * 2 <= item.upper
        if rows:
            assert total["n"].quantile(0.5) == pytest.approx(rows / 2, abs=0.2 * rows + 1)


@pytest.mark.parametrize("rows", [5, 200, 3_000])
def test_a_folded_distinct_count_equals_one_of_the_smaller_size(rows: int) -> None:
    frame = pl.DataFrame({"n": np.arange(rows)})
    small, large = (pp.profile(frame, spec=pp.ProfileSpec(lg_k=size)) for size in (8, 14))
    expected = small["n"].distinct
    large.merge(small)
    assert large["n"].distinct == expected


@pytest.mark.parametrize("switch", ["quantiles", "distinct", "frequent_items"])
def test_tracked_against_untracked_is_refused_by_naming_both(switch: str) -> None:
    frame = pl.DataFrame({"c": [1, 2]})
    tracked, untracked = pp.profile(frame), pp.profile(frame, spec=spec_of(**{switch: False}))
    for left, right in ((tracked, untracked), (untracked, tracked)):
        state = left.to_bytes()
        with pytest.raises(SpecMismatch, match=rf"'c'.*{switch}=(True|False).*{switch}=(True|False)") as raised:
            left.merge(right)
        assert f"{switch}=True" in str(raised.value)
        assert f"{switch}=False" in str(raised.value)
        assert left.to_bytes() == state


def test_untracked_statistics_are_absent() -> None:
    column = one([1, 2, 2], quantiles=False, distinct=False, frequent_items=False)
    assert (column.count, column.sum, column.quantile(0.5), column.distinct, column.frequent_items()) == (
        3, 5, None, None, [],
    )  # fmt: skip
    texts_only = one(["a"], quantiles=False, distinct=False, frequent_items=False)
    assert (texts_only.min, texts_only.distinct, texts_only.length and texts_only.length.max) == ("a", None, 1)


def test_overrides_hold_for_the_columns_they_match() -> None:
    spec = pp.ProfileSpec(columns={"secret*": {"frequent_items": False}, "secret_b": {"frequent_items": True}})
    profile = pp.profile(pl.DataFrame({"secret_a": ["x"], "secret_b": ["x"], "open": ["x"]}), spec=spec)
    shown = {path: [item.value for item in column.frequent_items()] for path, column in profile.columns.items()}
    assert shown == {"open": ["x"], "secret_a": [], "secret_b": ["x"]}
    assert through_bytes(profile).spec == spec


def test_columns_beyond_the_limit_are_only_counted() -> None:
    frame = pl.DataFrame({f"c{i}": [i, None] for i in range(5)})
    profile = pp.profile(frame, spec=pp.ProfileSpec(max_columns=3))
    assert len(profile.columns) == 3
    assert profile.degraded == {"too many columns": 2}


# ----------------------------------------------------------------------------------------------------------- round trip


@settings(max_examples=150)
@given(frames())
def test_bytes_come_back_as_the_same_profile(frame: pl.DataFrame) -> None:
    profile = pp.profile(frame, tags={"region": "eu"}, metadata={"über": "\x00"})
    state = profile.to_bytes()
    back = pp.Profile.from_bytes(state)
    assert back.to_bytes() == state
    assert (back.tags, back.metadata, back.versions) == (profile.tags, profile.metadata, profile.versions)
    assert_frame_equal(back.summary(), profile.summary())
    assert_profile_equal(back, profile)
    for copied in (pickle.loads(pickle.dumps(profile)), profile.copy()):  # noqa: S301 - our own bytes
        assert copied.to_bytes() == state
    for path, column in profile.columns.items():
        for name in column.groups:
            mine, theirs = column.group(name), back[path].group(name)
            for figure in ("min", "max", "sum", "mean", "variance", "skewness", "kurtosis", "distinct", "rank_error"):
                assert repr(getattr(mine, figure)) == repr(getattr(theirs, figure))
            assert mine.quantiles([0, 0.3, 1]) == theirs.quantiles([0, 0.3, 1])
            assert repr(mine.frequent_items(99)) == repr(theirs.frequent_items(99))


@settings(max_examples=40)
@given(frames())
def test_a_column_read_alone_is_that_of_the_whole_file(frame: pl.DataFrame) -> None:
    profile = pp.profile(frame)
    for path, column in profile.columns.items():
        alone = pp.read(profile.to_bytes(), columns=[path])
        assert_profile_equal(_only(alone, path), _only(profile, path))
        assert (alone[path].rows, alone[path].null_count) == (column.rows, column.null_count)
        assert set(alone.columns) <= {path, *(path[: i + 1] for i in range(len(path)) if path[i + 1 : i + 3] == "[]")}


def _only(profile: pp.Profile, path: str) -> pp.Profile:
    parents = {path[:i] for i in range(len(path)) if path.startswith("[]", i)}
    part = pp.read(profile.to_bytes(), columns=[path])
    assert set(part.columns) == {path} | (parents & set(profile.columns))
    return part


def test_every_field_of_the_header_survives() -> None:
    profile = pp.Profile(dataset="d", window=pp.Window(-5, 7), tags={"a": "b"}, metadata={"": "x"})
    profile.rows, profile.late_rows, profile.untimed_rows, profile.future_rows, profile.dropped_rows = 1, 2, 3, 4, 5
    profile.rejected, profile.degraded = Counter(bad=6), Counter(odd=7)
    profile.observe_times(-9, 9)
    profile.panes, profile.positions = frozenset({("w", 0), ("w", 1)}), {"kafka": -1, "file": 2**60}
    profile.versions = {"polarsprof": "0.0.1", "elsewhere": "9"}
    profile.writers = {"w": {"rows_profiled": 5, "lag_us": 2**60}, "v": {}}
    back = through_bytes(profile)
    names = [
        "dataset",
        "window",
        "tags",
        "metadata",
        "rows",
        "late_rows",
        "untimed_rows",
        "future_rows",
        "dropped_rows",
        "rejected",
        "degraded",
        "spec",
        "first_event_us",
        "last_event_us",
        "first_event",
        "last_event",
        "panes",
        "positions",
        "writers",
        "versions",
        "rejected_rows",
    ]
    assert {name: getattr(back, name) for name in names} == {name: getattr(profile, name) for name in names}


def test_merging_headers_keeps_every_count_and_the_widest_span() -> None:
    left = pp.Profile(dataset="b", window=pp.Window(0, 10), tags={"k": "2", "l": "x"})
    right = pp.Profile(dataset="a", window=pp.Window(10, 20), tags={"k": "1"})
    for number, profile in enumerate((left, right), start=1):
        profile.rows = profile.late_rows = profile.untimed_rows = profile.future_rows = profile.dropped_rows = number
        profile.rejected, profile.degraded = Counter(bad=number), Counter(odd=number)
        profile.observe_times(number, 10 * number)
        profile.panes, profile.positions = frozenset({("w", number)}), {"s": 5 * number}
        profile.writers = {"w": {"retries": 4 - number, "rows_profiled": number}, f"only {number}": {"retries": 1}}
    merges = [pp.merge(pair) for pair in ([left, right], [right, left])]
    assert merges[0].to_bytes() == merges[1].to_bytes()
    total = merges[0]
    assert (total.rows, total.late_rows, total.untimed_rows, total.future_rows, total.dropped_rows) == (3,) * 5
    assert (total.rejected, total.degraded, total.rejected_rows) == (Counter(bad=3), Counter(odd=3), 3)
    assert (total.dataset, total.window, total.tags) == ("a", pp.Window(0, 20), {"k": "1", "l": "x"})
    assert (total.first_event_us, total.last_event_us, total.positions) == (1, 20, {"s": 10})
    assert total.panes == {("w", 1), ("w", 2)}
    assert total.writers == {
        "w": {"retries": 3, "rows_profiled": 2},
        "only 1": {"retries": 1},
        "only 2": {"retries": 1},
    }


# -------------------------------------------------------------------------------------------------------- exact figures


@EVERY_KIND
@settings(max_examples=20)
@given(data=st.data())
def test_counts_are_those_of_polars(kind: Kind, data: st.DataObject) -> None:
    series = data.draw(columns(kind)).alias("c")
    profile = pp.profile(series.to_frame())
    present = series.len() - series.null_count()
    assert ("c" in profile) == (series.len() > 0)
    assert profile.rows == series.len()
    if series.len():
        column = profile["c"]
        assert (column.count, column.null_count, sum(column.types.values())) == (present, series.null_count(), present)


@pytest.mark.parametrize("name", WIDTHS)
@settings(max_examples=40)
@given(data=st.data())
def test_integers_are_exact_at_every_width(name: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.none() | integers(name), max_size=30))
    present = [value for value in values if value is not None]
    column = one(values, getattr(pl, name))
    assert (column.min, column.max) == (min(present, default=None), max(present, default=None))
    assert column.sum == (sum(present) if present else None)
    assert column.types == ({"integral": len(present)} if present else {})
    number = column.group("number")
    assert number.counters["zero"] == present.count(0)
    assert number.counters["negative"] == sum(value < 0 for value in present)
    if present:
        assert column.mean == pytest.approx(float(Fraction(sum(present), len(present))), rel=1e-12, abs=1e-300)
        assert column.distinct is not None
        assert round(column.distinct.estimate) == len({float(v) if abs(v) >= 2**63 else v for v in present})
        assert {item.value: item.lower for item in column.frequent_items(99)} == Counter(present)


@settings(max_examples=60)
@given(st.lists(st.integers(-(2**200), 2**200), min_size=1, max_size=12))
def test_integers_beyond_128_bits_are_exact(values: list[int]) -> None:
    column = pp.profile([{"c": value} for value in values])["c"]
    assert (column.min, column.max, column.sum) == (min(values), max(values), sum(values))
    assert column.types == {"integral": len(values)}
    assert through_bytes(pp.profile([{"c": value} for value in values]))["c"].sum == sum(values)


@pytest.mark.parametrize("dtype", [pl.Float64, pl.Float32])
@settings(max_examples=150)
@given(data=st.data())
def test_fractions_agree_with_fsum_and_scipy(dtype: Any, data: st.DataObject) -> None:
    series = pl.Series(data.draw(st.lists(st.none() | floats, max_size=40)), dtype=dtype)
    values = [value for value in series.to_list() if value is not None]
    ordered = [value for value in values if not math.isnan(value)]
    finite = [value for value in values if math.isfinite(value)]
    column = one(series.to_list(), dtype)
    number = column.group("number")
    assert (column.count, column.nan_count) == (len(values), len(values) - len(ordered))
    assert number.counters["positive_infinity"] == values.count(math.inf)
    assert number.counters["negative_infinity"] == values.count(-math.inf)
    assert number.counters["zero"] == values.count(0.0)
    assert number.counters["negative"] == sum(value < 0 for value in values)
    assert (column.min, column.max) == (min(ordered, default=None), max(ordered, default=None))
    rounding = 1e-14 * math.fsum(map(abs, finite))
    assert (column.sum is None) == (not finite)
    if finite:
        assert column.sum == pytest.approx(math.fsum(finite), rel=0, abs=rounding)
        assert column.mean == pytest.approx(math.fsum(finite) / len(finite), rel=0, abs=rounding)
    _agree_with_scipy(number, np.array(finite))
    if values:
        assert column.distinct is not None
        assert round(column.distinct.estimate) == len(set(ordered)) + (len(ordered) < len(values))


def _agree_with_scipy(number: pp.GroupProfile, finite: Any) -> None:
    if finite.size < 2:
        assert number.variance is None
        assert number.stddev is None
        return
    exact = [Fraction(value) for value in finite.tolist()]
    mean = sum(exact) / len(exact)
    variance = float(sum((value - mean) ** 2 for value in exact) / (len(exact) - 1))
    scale = float(np.abs(finite).max())
    assert number.variance == pytest.approx(variance, rel=1e-9, abs=1e-14 * scale**2)
    if not variance:
        assert (number.skewness, number.kurtosis) == (None, None)
    elif math.sqrt(variance) > 1e-3 * scale and variance > 1e-100:  # else the result is rounding alone
        assert number.skewness == pytest.approx(scipy.stats.skew(finite), rel=1e-9, abs=1e-9)
        assert number.kurtosis == pytest.approx(scipy.stats.kurtosis(finite), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e-81, 1e-60, 1e60, 1e77, 1e120, 1e155, 1e300])
def test_moments_near_the_ends_of_the_doubles_are_right_or_absent(scale: float) -> None:
    shape = np.array([1.0, 2.0, 5.0, 5.5])
    number = one((shape * scale).tolist()).group("number")
    assert number.mean == pytest.approx(3.375 * scale)
    assert number.skewness is None or number.skewness == pytest.approx(scipy.stats.skew(shape))
    assert number.kurtosis is None or number.kurtosis == pytest.approx(scipy.stats.kurtosis(shape))
    if 1e-61 < scale < 1e70:
        assert number.skewness is not None
        assert number.kurtosis is not None


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e17 + 2, -0.0, 2**62 + 2**30 - 1, 1e-310, 1.7e308])
@pytest.mark.parametrize("rows", [1, 2, 3, 10, 1_001])
def test_equal_values_do_not_vary(value: float, rows: int) -> None:
    halves = pp.merge([pp.profile(pl.DataFrame({"c": [value] * n})) for n in (rows, 2 * rows)])["c"]
    for column in (one([value] * 3 * rows), halves):
        assert (column.min, column.max, column.variance) == (value, value, 0.0)
        assert column.mean == pytest.approx(value, rel=1e-12, abs=0)
        assert (column.group("number").skewness, column.group("number").kurtosis) == (None, None)


def test_sums_beyond_the_doubles_are_infinite_not_errors() -> None:
    column = pp.profile([{"c": 10**308 + 1}, {"c": 17 * 10**307}, {"c": 0.5}])["c"]
    assert column.sum == math.inf
    assert column.types == {"integral": 2, "fractional": 1}
    assert column.cdf(10**400) == 1.0
    assert column.cdf(-(10**400)) == 0.0


@settings(max_examples=80)
@given(st.lists(st.none() | texts, max_size=30))
def test_texts_agree_with_python(values: list[str | None]) -> None:
    present = [value for value in values if value is not None]
    column = one(values, pl.String)
    assert (column.count, column.null_count) == (len(present), len(values) - len(present))
    if not present:
        return
    in_byte_order = sorted(present, key=str.encode)
    assert (column.min, column.max) == (in_byte_order[0][:128], in_byte_order[-1][:128])
    assert column.group("string").counters["empty"] == present.count("")
    assert column.length is not None
    assert (column.length.sum, column.length.max) == (sum(map(len, present)), max(map(len, present)))
    assert column.distinct is not None
    assert round(column.distinct.estimate) == len(set(present))
    short = Counter(value for value in present if len(value) <= 64)
    shown = {item.value: item.lower for item in column.frequent_items(99)}
    assert {value: count for value, count in shown.items() if value in short} == short
    assert sorted(shown.values()) == sorted(Counter(present).values())


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=80), min_size=1, max_size=30))
def test_binary_agrees_with_python(values: list[bytes]) -> None:
    column = one(values, pl.Binary)
    assert column.types == {"binary": len(values)}
    assert column.length is not None
    assert (column.length.min, column.length.sum) == (min(map(len, values)), sum(map(len, values)))
    assert column.distinct is not None
    assert round(column.distinct.estimate) == len(set(values))
    assert sorted(item.lower for item in column.frequent_items(99)) == sorted(Counter(values).values())


@settings(max_examples=40)
@given(st.lists(st.none() | st.booleans(), max_size=30))
def test_booleans_are_counted(values: list[bool | None]) -> None:
    column = one(values, pl.Boolean)
    assert column.true_count == values.count(True)
    assert column.count == values.count(True) + values.count(False)
    seen = Counter(value for value in values if value is not None)
    assert {item.value: item.estimate for item in column.frequent_items()} == seen
    assert (column.distinct and column.distinct.estimate) == (len(seen) or None)


@pytest.mark.parametrize(("unit", "factor"), [("ms", 10**6), ("us", 10**3), ("ns", 1)])
@pytest.mark.parametrize("base", ["Datetime", "Datetime UTC", "Duration"])
@settings(max_examples=30)
@given(values=st.lists(KINDS["Duration us"].values, min_size=1, max_size=12))
def test_temporal_extremes_are_exact_at_every_resolution(unit: Any, factor: int, base: str, values: list[int]) -> None:
    dtypes = {"Datetime": pl.Datetime(unit), "Datetime UTC": pl.Datetime(unit, "UTC"), "Duration": pl.Duration(unit)}
    groups = {"Datetime": "datetime", "Datetime UTC": "datetime_utc", "Duration": "duration"}
    column = pp.profile(pl.DataFrame({"c": pl.Series(values).cast(dtypes[base])}))["c"]
    group = column.group(groups[base])
    assert (group.min_ns, group.max_ns) == (min(values) * factor, max(values) * factor)
    assert column.types == {"temporal": len(values)}
    assert column.distinct is not None
    nanoseconds = {value * factor for value in values}
    assert round(column.distinct.estimate) == len({n if abs(n) < 2**63 else float(n) for n in nanoseconds})


@settings(max_examples=30)
@given(st.lists(st.integers(-3_000, 3_000), min_size=1, max_size=20), st.integers(0, 20))
def test_items_of_temporals_differ_by_nanoseconds(values: list[int], cut: int) -> None:
    frame = pl.DataFrame({"c": pl.Series(values).cast(pl.Datetime("ns"))})
    summary = pp.merge(map(pp.profile, (frame[:cut], frame[cut:])))["c"].group("datetime").item_summary
    assert summary is not None
    assert {item.value: item.lower for item in summary.items()} == Counter(values)


@settings(max_examples=60)
@given(
    st.lists(st.datetimes(), min_size=1, max_size=9),
    st.lists(st.dates(), min_size=1, max_size=9),
    st.lists(st.times(), min_size=1, max_size=9),
    st.lists(st.timedeltas(dt.timedelta(days=-(10**6)), dt.timedelta(days=10**6)), min_size=1, max_size=9),
)
def test_temporals_are_returned_as_python_types(
    naive: list[dt.datetime], dates: list[dt.date], times: list[dt.time], durations: list[dt.timedelta]
) -> None:
    aware = [moment.replace(tzinfo=dt.UTC) for moment in naive]
    every: tuple[list[Any], ...] = (naive, dates, times, durations, aware)
    for values in every:
        column = one(values)
        assert (column.min, column.max) == (min(values), max(values))
        assert {item.value: item.lower for item in column.frequent_items(99)} == Counter(values)
        assert column.cdf(max(values)) == 1.0
        assert column.types == {"temporal": len(values)}


def test_a_zone_does_not_change_the_instant() -> None:
    moment = dt.datetime(2026, 3, 29, 1, 30, tzinfo=dt.UTC)
    for zone in ("UTC", "Asia/Tokyo", "Europe/Berlin", "-03:00"):
        column = one([moment], pl.Datetime("us", zone) if zone != "-03:00" else pl.Datetime("us", "Etc/GMT+3"))
        assert (column.min, column.groups) == (moment, ("datetime_utc",))


@settings(max_examples=60)
@given(st.lists(st.none() | st.lists(st.none() | st.integers(-9, 9), max_size=5), max_size=9))
def test_lists_agree_with_python(values: list[list[int | None] | None]) -> None:
    profile = pp.profile(pl.DataFrame({"c": pl.Series(values, dtype=pl.List(pl.Int64))}))
    lists = [value for value in values if value is not None]
    elements = [element for value in lists for element in value if element is not None]
    if lists:
        length = profile["c"].length
        assert length is not None
        assert (length.count, length.sum, length.max) == (len(lists), sum(map(len, lists)), max(map(len, lists)))
        assert profile["c"].types == {"list": len(lists)}
    assert ("c[]" in profile) == any(lists)
    if elements:
        assert (profile["c[]"].sum, profile["c[]"].rows) == (sum(elements), sum(map(len, lists)))


@settings(max_examples=60)
@given(st.lists(st.none() | st.fixed_dictionaries({"a": st.none() | st.integers(-9, 9)}), max_size=9))
def test_structs_agree_with_python(values: list[dict[str, int | None] | None]) -> None:
    dtype = pl.Struct({"a": pl.Int64})
    profile = pp.profile(pl.DataFrame({"c": pl.Series(values, dtype=dtype)}))
    mappings = [value for value in values if value is not None]
    inner = [value["a"] for value in mappings if value["a"] is not None]
    if mappings:
        assert profile["c"].types == {"struct": len(mappings)}
    if inner:
        assert (profile["c.a"].sum, profile["c.a"].null_count) == (sum(inner), len(values) - len(inner))


# ------------------------------------------------------------------------------------------------------------ estimates


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("rows", [1, 2, 200, 201, 5_000, 20_000])
def test_quantiles_and_counts_are_within_their_bounds(name: str, rows: int) -> None:
    values = DISTRIBUTIONS[name](rows, np.random.default_rng(rows))
    column = one(values.tolist(), pl.Float64)
    ordered = np.sort(values)
    # 1.65 % holds for all quantiles at once at 99 % confidence; twice as much never fails by chance.
    error = 0.0165 * 2 if rows > 200 else 0.0
    ranks = [0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0]
    quantiles = column.quantiles(ranks)
    assert quantiles is not None
    assert (quantiles[0], quantiles[-1]) == (ordered[0], ordered[-1])
    for rank, value in zip(ranks, quantiles, strict=True):
        below, up_to = (np.searchsorted(ordered, value, side) / rows for side in ("left", "right"))
        assert below - error - 1e-12 <= rank <= up_to + error + 1e-12
        assert column.cdf(value) == pytest.approx(up_to, abs=error + 1e-12)
    rank_error = column.group("number").rank_error
    assert rank_error is not None
    assert 0 <= rank_error <= 0.0134
    _distinct_holds(column, len(set(values.tolist())))
    _items_hold(column, Counter(values.tolist()), rows)


def _distinct_holds(column: pp.ColumnProfile, truth: int) -> None:
    assert column.distinct is not None
    if truth <= 300:
        assert round(column.distinct.estimate) == truth
    # Bounds are two standard errors away; four never fail by chance.
    assert column.distinct.estimate == pytest.approx(truth, rel=4 * 0.0163)
    assert column.distinct.lower <= column.distinct.estimate <= column.distinct.upper


def _items_hold(column: pp.ColumnProfile, truth: Counter[Any], rows: int) -> None:
    items = {item.value: item for item in column.frequent_items(1_000)}
    summary = column.group("number").item_summary
    assert summary is not None
    assert summary.offset <= rows / (3 * 2**9 // 4 + 1)
    for value, count in truth.items():
        item = items.get(value)
        assert count <= summary.offset if item is None else item.lower <= count <= item.upper
    assert all(truth[value] or item.lower == 0 for value, item in items.items())


@settings(max_examples=40)
@given(st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=60), min_size=1, max_size=6))
def test_bounds_of_frequent_items_hold_after_any_merge(batches: list[list[int]]) -> None:
    spec = pp.ProfileSpec(lg_items=3)  # lists six values
    total = pp.merge(through_bytes(pp.profile(pl.DataFrame({"c": batch}), spec=spec)) for batch in batches)
    truth = Counter(value for batch in batches for value in batch)
    items = {item.value: item for item in total["c"].frequent_items(99)}
    summary = total["c"].group("number").item_summary
    assert summary is not None
    assert len(items) <= 6
    assert summary.offset <= truth.total() / 7
    for value, count in truth.items():
        item = items.get(value)
        assert count <= summary.offset if item is None else item.lower <= count <= item.upper


@pytest.mark.parametrize("lg_k", [4, 8, 12, 16])
def test_distinct_counts_are_within_their_error_at_every_size(lg_k: int) -> None:
    error = 1.04 / math.sqrt(2**lg_k)
    for truth in (10, 1_000, 50_000):
        column = one([f"user {i}" for i in range(truth)], lg_k=lg_k, frequent_items=False)
        assert column.distinct is not None
        assert column.distinct.estimate == pytest.approx(truth, rel=4 * error)
        assert column.distinct.lower <= column.distinct.upper


# --------------------------------------------------------------------------------------------------- records and frames


@settings(max_examples=80)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "i": st.none() | st.integers(-(2**63), 2**63 - 1),
                "f": st.none() | floats,
                "t": st.none() | texts,
                "b": st.none() | st.booleans(),
                "y": st.none() | st.binary(max_size=9),
                "d": st.none() | st.datetimes(),
                "e": st.none() | st.dates(),
                "m": st.none() | st.times(),
                "p": st.none() | st.timedeltas(dt.timedelta(days=-9), dt.timedelta(days=9)),
                "l": st.none() | st.lists(st.none() | st.integers(-9, 9), max_size=3),
                "s": st.none() | st.fixed_dictionaries({"x": st.none() | st.integers(-9, 9), "y": st.none() | texts}),
            }
        ),
        max_size=12,
    )
)
def test_the_same_rows_as_records_and_as_a_frame_agree(records: list[dict[str, Any]]) -> None:
    schema: Any = {
        "i": pl.Int64, "f": pl.Float64, "t": pl.String, "b": pl.Boolean, "y": pl.Binary, "d": pl.Datetime("us"),
        "e": pl.Date, "m": pl.Time, "p": pl.Duration("us"), "l": pl.List(pl.Int64),
        "s": pl.Struct({"x": pl.Int64, "y": pl.String}),
    }  # fmt: skip
    from_records, from_frame = pp.profile(records), pp.profile(pl.DataFrame(records, schema=schema))
    # A frame has the fields of its structs and the type of its lists even if all are null; records have not.
    unseen = {name for name in from_frame.columns.keys() - from_records.columns.keys() if "." in name}
    assert all(from_frame[name].count == 0 for name in unseen)
    known = [name for name in from_frame.columns if name not in unseen]
    assert_profile_equal(from_records, pp.read(from_frame.to_bytes(), columns=known))


def test_integral_and_fractional_batches_count_the_same_distinct_values() -> None:
    mixed = pp.merge([pp.profile(pl.DataFrame({"c": [1, 2, 0]})), pp.profile(pl.DataFrame({"c": [1.0, 2.5, -0.0]}))])
    assert mixed["c"].distinct is not None
    assert round(mixed["c"].distinct.estimate) == 4
    assert {item.value: item.lower for item in mixed["c"].frequent_items()} == {0: 2, 1: 2, 2: 1, 2.5: 1}
    assert mixed["c"].types == {"integral": 3, "fractional": 3}


def test_anything_but_a_record_is_rejected():
    for records in ([None], [None, {"a": 1}], [{"a": 1}, None]):
        profile = pp.profile(records)
        assert (profile.rows, profile.rejected) == (records.count({"a": 1}), {"not a mapping": 1})


def test_a_pickle_older_than_the_modules_loads():
    golden = Path(__file__).parents[1] / "golden" / "v1"
    loaded = pickle.loads((golden / "window.pickle").read_bytes())  # noqa: S301 - written by the golden generator
    assert loaded.to_bytes() == (golden / "window.bin").read_bytes()
    assert b"polarsprof.profiles\x94" in pickle.dumps(loaded, protocol=4)
