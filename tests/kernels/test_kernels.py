"""Kernels: each figure of a `ColumnBatch` is compared with plain Python."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import KINDS, columns, floats

from polarsprof import kernels
from polarsprof.kernels import column_batches, numbers, strings, value_counts
from polarsprof.kernels.batch import ColumnBatch, TypedColumns
from polarsprof.kernels.spec import ProfileSpec
from polarsprof.profiles.profile import Profile
from polarsprof.profiles.value_groups import GROUPS
from polarsprof.testing import assert_profile_equal

if TYPE_CHECKING:
    from collections.abc import Iterable

LEAVES = [kind for kind in KINDS.values() if kind.name.split()[0] not in ("List", "Array", "Struct")]


def batches(*leaves: tuple[str, pl.Series], **more: Any) -> list[ColumnBatch]:
    rows = max((len(series) for _, series in leaves), default=0)
    return list(column_batches(TypedColumns(rows, list(leaves), **more), lambda _: ProfileSpec()))


def single(column: Iterable[ColumnBatch]) -> ColumnBatch:
    (batch,) = column
    return batch


def ranked_values(batch: ColumnBatch) -> list[float]:
    """The input of the quantile sketch for a small batch.

    Each value represents itself.
    """
    if batch.even_ranks is None:
        return []
    assert batch.even_ranks.level == 0
    assert not batch.even_ranks.rest.size
    return batch.even_ranks.values.tolist()


@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.name)
@given(data=st.data())
def test_every_value_is_in_exactly_one_group(kind: Any, data: st.DataObject) -> None:
    series = data.draw(columns(kind))
    column = batches(("c", series))
    assert sum(batch.counters["count"] for batch in column) == len(series) - series.null_count()
    assert all(batch.path == "c" and batch.group in GROUPS for batch in column)
    for batch in column:
        assert sum(batch.weights) == (batch.counters["count"] if batch.items else 0)
        assert batch.items_offset == 0


def test_a_column_without_values_has_no_batch() -> None:
    empty = [("a", pl.Series([], dtype=pl.Int64)), ("b", pl.Series([None, None], dtype=pl.String))]
    assert batches(*empty) == []
    assert batches(lists=[("l", pl.Series([], dtype=pl.Int64))]) == []
    assert batches() == []


def test_one_path_can_have_several_types() -> None:
    column = batches(("c", pl.Series([1, None])), ("c", pl.Series(["x"])), ("c", pl.Series([2.5])))
    assert Counter((batch.path, batch.group) for batch in column) == {("c", "number"): 2, ("c", "string"): 1}


def test_structs_objects_and_lists_are_counted_under_their_paths() -> None:
    all_batches = batches(
        structs=Counter({"s": 2}),
        objects=Counter({"o": 3}),
        lists=[("l", pl.Series([0, 4, 1]))],
        integers={"i": [2**200]},
    )
    assert {batch.path: (batch.group, batch.counters["count"]) for batch in all_batches} == {
        "s": ("struct", 2),
        "o": ("object", 3),
        "l": ("list", 3),
        "i": ("number", 1),
    }
    length = next(batch.length for batch in all_batches if batch.path == "l")
    assert length is not None
    assert (length.minimum, length.maximum, length.integer_sum) == (0, 4, 5)


@given(st.lists(floats, min_size=1, max_size=40))
def test_even_ranks_leave_out_only_nan(values: list[float]) -> None:
    batch = single(batches(("c", pl.Series(values, dtype=pl.Float64))))
    ordered = sorted(value for value in values if not math.isnan(value))
    assert ranked_values(batch) == ordered
    assert (batch.even_ranks is None) == (not ordered)


def test_no_array_is_a_view_of_user_data() -> None:
    array = np.array([1.0, 2.0, 3.0])
    series = pl.Series("c", array)
    batch = single(batches(("c", series)))
    assert batch.even_ranks is not None
    batch.even_ranks.values[:] = -1.0
    assert series.to_list() == [1.0, 2.0, 3.0]
    assert array.tolist() == [1.0, 2.0, 3.0]


@given(st.lists(st.integers(0, 400), min_size=1, max_size=600))
def test_counts_of_missing_items_are_at_most_the_offset(values: list[int]) -> None:
    spec = ProfileSpec(lg_items=3)
    batch = single(column_batches(TypedColumns(len(values), [("c", pl.Series(values))]), lambda _: spec))
    truth = Counter(values)
    weights = dict(zip(batch.items, batch.weights, strict=True))
    assert len(weights) <= spec.max_items
    assert batch.items_offset * (spec.max_items + 1) <= len(values)
    for value, count in truth.items():
        assert count <= batch.items_offset if value not in weights else count == weights[value] + batch.items_offset


@pytest.mark.parametrize("switch", ["quantiles", "distinct", "frequent_items"])
def test_untracked_statistics_are_not_computed(switch: str) -> None:
    off: dict[str, Any] = {switch: False}
    spec = ProfileSpec(**off)
    field = {"quantiles": "even_ranks", "distinct": "hashes", "frequent_items": "items"}[switch]
    leaves = [("n", pl.Series([1.5])), ("t", pl.Series(["a"])), ("d", pl.Series([0]).cast(pl.Datetime("us")))]
    for batch in column_batches(TypedColumns(1, leaves), lambda _: spec):
        assert not getattr(batch, field)
        assert batch.length is None or not getattr(batch.length, field)


def test_equal_numbers_are_one_item_in_any_type() -> None:
    same = [pl.Series([7], dtype=dtype) for dtype in (pl.Int8, pl.UInt64, pl.Int128, pl.Float32, pl.Decimal(9, 2))]
    all_batches = batches(*(("c", series) for series in same))
    assert [batch.items for batch in all_batches] == [[7]] * len(same)
    assert all(type(batch.items[0]) is int for batch in all_batches)
    hashes = {(int(b.hashes[0][0]), int(b.hashes[1][0])) for b in all_batches if b.hashes is not None}
    assert len(hashes) == 1


def test_integers_beyond_int64_count_as_the_equal_double() -> None:
    all_batches = batches(
        ("c", pl.Series([2**64], dtype=pl.Int128)),
        ("c", pl.Series([2.0**64])),
        ("c", pl.Series([2**63], dtype=pl.UInt64)),
    )
    assert [batch.items for batch in all_batches] == [[2.0**64], [2.0**64], [2.0**63]]
    first, second = (batch.hashes for batch in all_batches[:2])
    assert first is not None
    assert second is not None
    assert [half.tolist() for half in first] == [half.tolist() for half in second]


def test_long_texts_with_equal_starts_are_distinct_items() -> None:
    long = ["x" * 100 + end for end in ("a", "b", "b")]
    batch = single(batches(("c", pl.Series(long))))
    assert sorted(batch.weights) == [1, 2]
    assert all(isinstance(item, str) and item.startswith("x" * 64 + "…#") and len(item) == 82 for item in batch.items)
    raw = single(batches(("c", pl.Series([value.encode() for value in long]))))
    assert all(isinstance(item, bytes) and len(item) == 72 for item in raw.items)


def test_lengths_count_characters_of_text_and_bytes_of_binary() -> None:
    for values, lengths in ((["é", "日本", ""], [0, 1, 2]), (["é".encode(), b""], [0, 2])):
        batch = single(batches(("c", pl.Series(values))))
        assert batch.length is not None
        assert ranked_values(batch.length) == lengths
        assert batch.counters["empty"] == 1


def test_a_text_of_a_megabyte_has_a_short_extreme() -> None:
    batch = single(batches(("c", pl.Series(["y" * 1_000_000, "z"]))))
    assert batch.length is not None
    assert (batch.length.maximum, batch.minimum) == (1_000_000, "y" * 128)


@pytest.mark.parametrize(("unit", "per_us"), [("us", 1), ("ms", 1_000)])
def test_microseconds_of_today_are_exact_in_the_quantile_sketch(unit: Any, per_us: int) -> None:
    now_us = 1_790_000_000_123_000
    for dtype in (pl.Datetime(unit), pl.Datetime(unit, "UTC"), pl.Duration(unit)):
        ticks = [now_us // per_us, now_us // per_us + 1]
        batch = single(batches(("c", pl.Series(ticks).cast(dtype))))
        assert ranked_values(batch) == [now_us, now_us + per_us]
    nanoseconds = pl.Series([now_us * 1_000 + 999, -1]).cast(pl.Datetime("ns"))
    batch = single(batches(("c", nanoseconds)))
    assert ranked_values(batch) == [-1.0, now_us]


def test_sums_are_exact_at_every_width() -> None:
    for values, dtype in (
        ([2**63 - 1] * 3, pl.Int64),
        ([-(2**63)] * 5, pl.Int64),
        ([2**64 - 1] * 4, pl.UInt64),
        ([2**127 - 1] * 3, pl.Int128),
        ([-(2**127)] * 3, pl.Int128),
        ([2**128 - 1] * 3, pl.UInt128),
        ([127] * 1_000, pl.Int8),
    ):
        assert sum(batch.integer_sum for batch in batches(("c", pl.Series(values, dtype=dtype)))) == sum(values)


def test_a_name_can_contain_any_character() -> None:
    for dtype in (pl.Int64, pl.String, pl.Binary):
        (batch,) = batches(("c", pl.Series("\0", [None, 1]).cast(pl.String).cast(dtype)))
        assert batch.counters["count"] == 1


def test_columns_of_different_heights_are_counted_separately() -> None:
    all_batches = batches(
        ("a", pl.Series([1, 1, None])), ("b", pl.Series(["x", "y", "y"])), ("c", pl.Series([5.0, None, None]))
    )
    weights = {batch.path: dict(zip(batch.items, batch.weights, strict=True)) for batch in all_batches}
    assert weights == {"a": {1: 2}, "b": {"x": 1, "y": 2}, "c": {5: 1}}


def every_way(series: pl.Series, monkeypatch: pytest.MonkeyPatch, spec: ProfileSpec) -> list[Profile]:
    """The profiles of a column by each method.

    The methods are groups by slots, groups by Polars, and rows.
    """
    profiles = []
    for repetitive, large in ((True, 0), (True, 2**62), (False, 0)):
        for module in (numbers, strings):
            monkeypatch.setattr(module, "looks_repetitive", lambda _, answer=repetitive: answer)
        monkeypatch.setattr(value_counts, "_LARGE", large)
        monkeypatch.setattr(value_counts, "_FEW", -1)
        profile = Profile(spec)
        profile.update(TypedColumns(len(series), [("c", series)]))
        profiles.append(profile)
    return profiles


@pytest.mark.slow
@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.name)
@given(data=st.data())
def test_every_method_of_counting_gives_the_same_figures(kind: Any, data: st.DataObject) -> None:
    series = data.draw(columns(kind))
    with pytest.MonkeyPatch.context() as monkeypatch:
        slots, groups, rows = every_way(series, monkeypatch, ProfileSpec())
    assert_profile_equal(slots, groups)
    assert_profile_equal(groups, rows)
    for name in groups["c"].groups if "c" in groups else ():
        one, other = groups["c"].group(name), rows["c"].group(name)
        assert one.frequent_items(1_000) == other.frequent_items(1_000)
        if one.min is not None and name != "string":
            assert one.quantiles([0, 0.1, 0.5, 0.9, 1]) == other.quantiles([0, 0.1, 0.5, 0.9, 1])


MANY = {
    "few integers": lambda draw, n: pl.Series(draw.integers(-3, 4, n)),
    "spread integers": lambda draw, n: pl.Series(draw.integers(-(2**62), 2**62, n)),
    "zipf": lambda draw, n: pl.Series(draw.zipf(1.3, n).clip(max=2**40)),
    "doubles": lambda draw, n: pl.Series(draw.normal(size=n)),
    "constant": lambda _, n: pl.Series(np.full(n, 0.1)),
    "specials": lambda draw, n: pl.Series(draw.choice([math.nan, math.inf, -math.inf, -0.0, 0.0, 1.5], n)),
    "mostly NaN": lambda draw, n: pl.Series(np.where(draw.random(n) < 0.001, draw.random(n), math.nan)),
    "moments": lambda draw, n: pl.Series(draw.integers(0, 2**50, n)).cast(pl.Datetime("us", "UTC")),
    "few texts": lambda draw, n: pl.Series(draw.choice(["", "é", "long" * 30], n)),
    "spread texts": lambda draw, n: pl.Series([f"user-{i}" for i in draw.integers(0, 2**40, n)]),
    "hot and cold texts": lambda draw, n: pl.Series([f"{min(i, 2**30)}" for i in draw.zipf(1.2, n).tolist()]),
    "binary": lambda draw, n: pl.Series([draw.bytes(5) for _ in range(n)]),
}


@pytest.mark.parametrize("name", MANY)
@pytest.mark.parametrize("n", [5_000, 140_000])
def test_every_method_stays_within_its_bounds_for_many_rows(name: str, n: int) -> None:
    series = MANY[name](np.random.default_rng(n), n)
    truth = Counter(series.to_list())
    with pytest.MonkeyPatch.context() as monkeypatch:
        slots, groups, rows = every_way(series, monkeypatch, ProfileSpec())
    assert_profile_equal(slots, groups)
    assert_profile_equal(groups, rows)
    assert slots["c"].distinct == groups["c"].distinct == rows["c"].distinct
    for profile in (slots, groups, rows):
        group = profile["c"].group(profile["c"].groups[0])
        summary = group.item_summary
        assert summary is not None
        assert summary.offset <= n / (ProfileSpec().max_items + 1)
        items = {item.value: item for item in group.frequent_items(1_000)}
        for value, count in truth.most_common(500):
            if value == value and not (isinstance(value, str | bytes) and len(value) > 64):  # noqa: PLR0124 - NaN
                bounds = items.get(value)
                assert count <= summary.offset if bounds is None else bounds.lower <= count <= bounds.upper
        ordered = series.drop_nans().sort() if series.dtype == pl.Float64 else series.sort()
        for q, quantile in zip(RANKS, group.quantiles(RANKS) or [], strict=False):
            below, up_to = (ordered < quantile).sum(), (ordered <= quantile).sum()
            assert below / len(ordered) - 0.0165 <= q <= up_to / len(ordered) + 0.0165


@pytest.mark.parametrize("longest", [3, 70_000])
def test_repeated_lengths_are_counted_at_any_size(longest: int) -> None:
    values = [b"", b"a" * longest, b"b" * longest, b"c", b"c"]
    length = single(batches(("c", pl.Series(values)))).length
    assert length is not None
    assert dict(zip(length.items, length.weights, strict=True)) == Counter(map(len, values))


@pytest.mark.parametrize("long", [True, False])
def test_threads_change_no_figure(long: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(5)
    columns = TypedColumns(3_000, [(name, factory(draw, 3_000)) for name, factory in MANY.items()])
    monkeypatch.setattr(kernels, "_WORTH_THREADS", 0 if long else 2**62)
    profile, alone = Profile(), Profile()
    profile.update(columns)
    for leaf in columns.leaves:
        alone.update(TypedColumns(0, [leaf]))
    alone.rows = 3_000
    assert_profile_equal(profile, alone)


RANKS = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]


@pytest.mark.parametrize("k", [8, 200, 400, 4_096, 65_535])
@pytest.mark.parametrize("repetitive", [True, False])
def test_quantiles_are_within_the_stated_error_for_every_k(
    k: int, repetitive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numbers, "looks_repetitive", lambda _: repetitive)
    values = np.random.default_rng(k).normal(size=140_000)
    for n in (min(k, 60_000), 140_000):
        profile = Profile(ProfileSpec(k=k))
        profile.update(TypedColumns(n, [("c", pl.Series(values[:n]))]))
        group, ordered = profile["c"].group("number"), np.sort(values[:n])
        error = group.rank_error
        assert error is not None
        assert (error == 0) == (n <= k)  # up to k values are retained completely
        for q, quantile in zip(RANKS, group.quantiles(RANKS) or [], strict=True):
            rank = np.searchsorted(ordered, quantile, "right") / n
            assert abs(rank - q) <= 1.5 * error + 1.5 / n  # the stated error holds for 99 of 100
