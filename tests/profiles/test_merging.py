"""Merging many profiles at once equals merging them one after the other."""

from __future__ import annotations

import gc
import math
import struct
import weakref
from collections import Counter
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.strategies import KINDS, through_bytes

import polarsprof as pp
from polarsprof.errors import ArgumentError, CorruptProfile, SpecMismatch
from polarsprof.files import profile_pb2 as pb
from polarsprof.kernels.batch import ColumnBatch
from polarsprof.kernels.murmur3 import hash_integers
from polarsprof.kernels.spec import ProfileSpec
from polarsprof.profiles import merging
from polarsprof.profiles.column import ColumnProfile
from polarsprof.profiles.merging import merge_files, open_sections
from polarsprof.profiles.reading import read_groups, write_groups
from polarsprof.sketches import Distinct, FrequentItems, Moments, frequent_write
from polarsprof.sketches.frequent_read import integer_items
from polarsprof.sketches.frequent_write import Summary, item_text, ranked_images
from polarsprof.sketches.limits import MAX_COUNT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from polarsprof.kernels.batch import Item

SPECS = st.builds(
    pp.ProfileSpec,
    k=st.sampled_from([8, 200, 400]),
    lg_k=st.sampled_from([4, 7, 8, 12, 14]),
    lg_items=st.sampled_from([9, 10]),
)
SOME_KINDS = st.sampled_from(
    ["Int64", "Int128", "Float64", "String", "Boolean", "Binary", "Date", "Datetime ns", "List", "Struct"]
)


@st.composite
def profiles(draw: st.DrawFn) -> pp.Profile:
    """Profile of no rows, of few rows of any kind, or of enough numbers for registers."""
    profile = pp.Profile(draw(SPECS))
    if draw(st.booleans()):
        kinds = draw(st.lists(SOME_KINDS, max_size=3))
        rows = draw(st.integers(0, 5))
        found = [
            KINDS[name].build(draw(st.lists(KINDS[name].values, min_size=rows, max_size=rows))).alias(f"c{position}")
            for position, name in enumerate(kinds)
        ]
        profile = pp.profile(pl.DataFrame(found), spec=profile.spec)
    elif draw(st.booleans()):
        first = draw(st.integers(-1_000, 1_000))
        numbers = pl.Series("c0", range(first, first + draw(st.sampled_from([10, 200, 700]))))
        profile = pp.profile(numbers.to_frame(), spec=profile.spec)
    profile.dataset = draw(st.sampled_from(["", "a", "b"]))
    profile.late_rows = draw(st.integers(0, 9))
    profile.positions = {"s": draw(st.integers(0, 9))}
    return profile


def exact(profile: pp.Profile) -> dict[str, Any]:
    """Figures that no order of merges changes."""
    return {
        "rows": (profile.rows, profile.late_rows, profile.rejected, profile.degraded),
        "header": (profile.dataset, profile.window, profile.tags, profile.versions, profile.positions, profile.panes),
        **{
            path: {name: _exact(column.group(name)) for name in column.groups}
            for path, column in profile.columns.items()
        },
    }


def _exact(group: pp.GroupProfile) -> tuple[Any, ...]:
    return (
        group.counters.counts,
        (group.min, group.max, group.min_ns, group.max_ns),
        None if group.moments is None else (group.moments.n, group.moments.integer_sum),
        None if group.quantile_sketch is None else (group.quantile_sketch.n, group.quantile_sketch.quantiles([0, 1])),
        None if group.distinct_sketch is None else image_of(group.distinct_sketch),
        None if group.length is None else _exact(group.length),
    )


def rounded(profile: pp.Profile) -> dict[tuple[str, str], float]:
    """Figures whose last digits depend on the order of merges."""
    return {
        (path, figure): value
        for path, column in profile.columns.items()
        for figure in ("sum", "mean", "variance")
        if (value := getattr(column.group("number"), figure)) is not None
    }


def image_of(sketch: Distinct) -> bytes:
    message = pb.Distinct()
    sketch.to_message(message)
    return message.hll


@pytest.mark.slow
@settings(max_examples=150)
@given(pieces=st.lists(profiles(), min_size=1, max_size=6), wire=st.booleans())
def test_merging_at_once_equals_merging_one_after_the_other(pieces: list[pp.Profile], wire: bool) -> None:
    before = [piece.to_bytes() for piece in pieces]
    one_by_one = pieces[0].copy()
    for piece in pieces[1:]:
        one_by_one.merge(piece)
    at_once = pieces[0].copy()
    at_once.merge(*(map(through_bytes, pieces[1:]) if wire else pieces[1:]))
    merged = pp.merge(map(through_bytes, pieces) if wire else pieces)
    assert exact(at_once) == exact(one_by_one) == exact(merged)
    assert exact(through_bytes(at_once)) == exact(one_by_one)
    assert rounded(at_once) == pytest.approx(rounded(one_by_one), rel=1e-9, abs=1e-9)
    for path in one_by_one.columns:
        items = {item.value: (item.lower, item.upper) for item in one_by_one[path].frequent_items(2_000)}
        if not any(group.item_summary and group.item_summary.offset for group in at_once[path]._groups.values()):
            assert {item.value: (item.lower, item.upper) for item in at_once[path].frequent_items(2_000)} == items
    assert [piece.to_bytes() for piece in pieces] == before


@pytest.mark.slow
@settings(max_examples=150)
@given(pieces=st.lists(profiles(), min_size=1, max_size=6), as_profiles=st.sets(st.integers(0, 5)))
def test_merging_files_equals_merging_their_profiles(pieces: list[pp.Profile], as_profiles: set[int]) -> None:
    files = [piece.to_bytes() for piece in pieces]
    expected = pp.merge(pieces)
    merged = pp.merge(pieces[at] if at in as_profiles else file for at, file in enumerate(files))
    assert exact(merged) == exact(expected)
    assert exact(through_bytes(merged)) == exact(expected)
    assert rounded(merged) == pytest.approx(rounded(expected), rel=1e-9, abs=1e-9)
    for path in expected.columns:
        assert items_of(merged[path]) == items_of(expected[path])


def items_of(column: pp.ColumnProfile) -> dict[Any, tuple[int, int]]:
    return {item.value: (item.lower, item.upper) for item in column.frequent_items(2_000)}


def test_files_of_unequal_specs_merge_in_whole_and_in_part(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": range(900), "l": [[1, 2]] * 900, "b": ["x"] * 900})
    specs = [pp.ProfileSpec(), pp.ProfileSpec(lg_k=10, k=100, lg_items=4), pp.ProfileSpec()]
    paths = [tmp_path / f"{number}.bin" for number in range(3)]
    for path, spec in zip(paths, specs, strict=True):
        pp.profile(frame, spec=spec).write(path)
    assert exact(pp.merge(paths)) == exact(pp.merge(map(pp.read, paths)))
    some = merge_files((open_sections(path, ["l[]"]) for path in paths), ["l[]"])
    assert list(some.columns) == ["l", "l[]"]
    assert (some["l[]"].count, some["l[]"].rows) == (5_400, 5_400)


def test_columns_of_files_beyond_the_limit_are_only_counted() -> None:
    spec = pp.ProfileSpec(max_columns=2)
    files = [pp.profile(pl.DataFrame({name: [1, 2], "a": [1, 2]}), spec=spec).to_bytes() for name in "bcdc"]
    merged = pp.merge(files)
    assert list(merged.columns) == ["a", "b"]
    assert merged.degraded == {"too many columns": 6}


@pytest.mark.parametrize("position", [0, 1, 3])
def test_a_damaged_file_among_many_is_named(tmp_path: Path, position: int) -> None:
    paths = [tmp_path / f"{number}.bin" for number in range(5)]
    for path in paths:
        pp.profile(pl.DataFrame({"a": [1, 2]})).write(path)
    data = bytearray(paths[position].read_bytes())
    data[-3] ^= 1
    paths[position].write_bytes(data)
    with pytest.raises(CorruptProfile, match=rf"{position}\.bin: .*checksum of column 'a'"):
        pp.merge(paths)


@pytest.mark.parametrize("wrong", ["a.bin", b"POLPROF", Path("a.bin"), 3, [3], [None]])
def test_anything_but_profiles_and_files_is_refused(wrong: Any) -> None:
    with pytest.raises(ArgumentError, match="profiles"):
        pp.merge(wrong)


@pytest.mark.slow
@settings(max_examples=600)
@given(
    which=st.sampled_from(["quantiles.kll_doubles", "distinct.hll", "frequent_items.items"]),
    size=st.sampled_from([3, 300, 610]),
    edits=st.lists(st.tuples(st.integers(0, 119), st.integers(0, 255)), min_size=1, max_size=2),
    cut=st.sampled_from([0, 0, 0, 1, 8]),
)
def test_reading_and_merging_refuse_the_same_messages(
    which: str, size: int, edits: list[tuple[int, int]], cut: int
) -> None:
    message = pb.Column()
    write_groups(pp.profile(pl.DataFrame({"x": [*range(size), *[5] * 9, -3]}))["x"].add_messages(message))
    good = pb.Column.FromString(message.SerializeToString())
    statistic, field = which.split(".")
    image = bytearray(getattr(getattr(message.groups[0], statistic), field))
    for position, value in edits:
        image[position % len(image)] = value
    setattr(getattr(message.groups[0], statistic), field, bytes(image[: len(image) - cut]))
    outcomes = [outcome(partial(read_column, message)), outcome(partial(merge_columns, [good, message, good]))]
    assert outcomes[0] == outcomes[1]


def outcome(run: Callable[[], object]) -> str:
    try:
        run()
    except CorruptProfile:
        return "refused"
    return "accepted"


def read_column(message: pb.Column) -> None:
    read_groups(ColumnProfile("x", ProfileSpec(), len).ensure_groups(message))


def merge_columns(messages: list[pb.Column]) -> None:
    ColumnProfile("x", ProfileSpec(), len).merge_messages(messages)


@given(
    st.lists(
        st.dictionaries(
            st.one_of(st.integers(-20, 20), st.integers(-(2**64), 2**64), st.sampled_from([2**63 - 1, -(2**63), 0])),
            st.integers(1, 50),
            min_size=1,
            max_size=12,
        ),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from(["", "0", "-0", "00", "+1", "1_0", "1.0", "-", "1e3", " 1", "x", "nan"]),
)
def test_bulk_reading_of_integers_equals_one_by_one(parts: list[dict[int, int]], odd: str) -> None:
    images, expected = [], Counter[int]()
    for part in parts:
        images.append(frequent_image({str(value): weight for value, weight in part.items()}))
        expected.update(part)
    found = integer_items(images)
    if all(-(2**63) < value < 2**63 for value in expected):
        assert found is not None
        assert dict(zip(found.values, found.weights, strict=True)) == expected
        assert found.weight_sums == [sum(part.values()) for part in parts]
    else:
        assert found is None
    assert (integer_items([*images, frequent_image({odd: 1})]) is None) or odd == "0"


FLOATS = st.one_of(
    st.floats(allow_nan=False),
    st.floats(1e-6, 1e-3),
    st.floats(1e15, 1e17),
    st.sampled_from([math.nan, 0.1, 1e-4, 9.999999999999999e-05, 9999999999999998.0, 1e16, 5e-324]),
)
ITEMS = (
    st.one_of(st.text(max_size=40), st.sampled_from(["", "a" * 300, "ß", "\U0001f600", "\0\0\0\5", "\uffff"])),
    st.binary(max_size=9),
    st.integers(),
    FLOATS,
    st.one_of(st.integers(), FLOATS),
)
_LARGEST = (2, MAX_COUNT)
WEIGHTED = st.one_of(
    [
        st.dictionaries(kind, st.integers(1, largest), min_size=1, max_size=9)
        for kind in ITEMS
        for largest in (2, MAX_COUNT)
    ]
)


def ranked_by_hand(items: dict[Item, int]) -> bytes:
    return frequent_image(dict(sorted(((item_text(i), w) for i, w in items.items()), key=lambda x: (-x[1], x[0]))))


@given(st.lists(WEIGHTED, max_size=8))
def test_bulk_writing_of_summaries_equals_one_by_one(parts: list[dict[Item, int]]) -> None:
    expected = [ranked_by_hand(part) for part in parts]
    summaries = [Summary(image[:32], part.keys(), part.values()) for image, part in zip(expected, parts, strict=True)]
    for many in (1, 2**62):
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(frequent_write, "_MANY", many)
            assert ranked_images(summaries) == expected


def frequent_image(weights: dict[str, int]) -> bytes:
    head = struct.pack("<BBBBBBHIIQQ", 4, 1, 10, 9, 9, 0, 0, len(weights), 0, sum(weights.values()), 0)
    encoded = [text.encode() for text in weights]
    texts = b"".join(struct.pack("<I", len(text)) + text for text in encoded)
    return head + np.array([*weights.values()], "<u8").tobytes() + texts


@pytest.mark.parametrize("zeros", ["", "0" * 17])
def test_an_integer_twice_in_one_image_is_refused(zeros: str) -> None:
    one, two = f"1{zeros}", f"2{zeros}"
    twice = frequent_image({one: 1, two: 1}).replace(two.encode(), one.encode())
    assert integer_items([frequent_image({one: 1}), frequent_image({one: 2})]) is not None
    assert integer_items([frequent_image({one: 1}), twice]) is None
    message = pb.FrequentItems(items=twice, total=2)
    with pytest.raises(CorruptProfile, match="twice"):
        FrequentItems(ProfileSpec()).merge_messages([message], [2])


def test_merging_none_changes_nothing() -> None:
    profile = pp.profile(pl.DataFrame({"a": [1, 2]}))
    state = profile.to_bytes()
    profile.merge()
    profile.merge(pp.Profile(), pp.Profile())
    assert profile.to_bytes() == state
    assert pp.merge(iter([])).rows == 0
    assert pp.merge([profile]).to_bytes() == state


@given(
    st.lists(
        st.tuples(st.sampled_from([4, 7, 8, 10, 12]), st.integers(-500, 500), st.sampled_from([0, 1, 7, 30, 300, 900])),
        min_size=2,
        max_size=8,
    ),
    st.randoms(),
)
def test_distinct_counts_merge_at_once_to_the_same_bytes(parts: list[tuple[int, int, int]], random: Any) -> None:
    def sketches() -> list[Distinct]:
        created = []
        for lg_k, first, n in parts:
            created.append(Distinct(ProfileSpec(lg_k=lg_k)))
            created[-1].update(ColumnBatch("c", "number", hashes=hash_integers(np.arange(first, first + n))))
        return created

    one_by_one, at_once = Distinct(ProfileSpec(lg_k=14)), Distinct(ProfileSpec(lg_k=14))
    for sketch in sketches():
        one_by_one.merge(sketch)
    others = sketches()
    random.shuffle(others)
    at_once.merge(*others)
    assert image_of(at_once) == image_of(one_by_one)


@given(
    st.lists(st.tuples(st.sampled_from([3, 4, 9]), st.lists(st.integers(0, 40), max_size=60)), min_size=1, max_size=12)
)
def test_one_cut_preserves_the_bounds_of_frequent_items(parts: list[tuple[int, list[int]]]) -> None:
    sketches = []
    for lg_items, values in parts:
        counted = Counter(values)
        sketches.append(FrequentItems(ProfileSpec(lg_items=lg_items)))
        batch = ColumnBatch("c", "number", {"count": len(values)}, items=[*counted], weights=[*counted.values()])
        sketches[-1].update(batch)
    merged = FrequentItems(ProfileSpec(lg_items=9))
    merged.merge(*sketches)
    truth = Counter(value for _, values in parts for value in values)
    shown = {item.value: item for item in merged.items()}
    capacity = min(3 << lg_items for lg_items, _ in parts) // 4
    assert len(shown) <= capacity
    assert merged.offset * (capacity + 1) + sum(item.lower for item in shown.values()) <= truth.total()
    for value, count in truth.items():
        item = shown.get(value)
        assert count <= merged.offset if item is None else item.lower <= count <= item.upper


@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20), min_size=1, max_size=8))
def test_moments_merge_at_once_to_those_of_all_values(parts: list[list[float]]) -> None:
    merged = pp.merge(pp.profile(pl.DataFrame({"x": part}, schema={"x": pl.Float64})) for part in parts)["x"]
    whole = pp.profile(pl.DataFrame({"x": list(chain.from_iterable(parts))}, schema={"x": pl.Float64}))["x"]
    for figure in ("sum", "mean", "variance"):
        scale = max([1.0, *(value * value for part in parts for value in part)])
        assert getattr(merged, figure) == pytest.approx(getattr(whole, figure), rel=1e-9, abs=1e-9 * scale)


def test_moments_of_one_state_are_unchanged() -> None:
    number = pp.profile(pl.DataFrame({"x": [0.1, 0.2, 0.7]}))["x"].group("number").moments
    assert number is not None
    merged = Moments(ProfileSpec())
    merged.merge(Moments(ProfileSpec()), number, Moments(ProfileSpec()))
    assert (merged.mean, merged.variance, merged.skewness) == (number.mean, number.variance, number.skewness)


def test_a_refused_merge_leaves_the_profile_unchanged() -> None:
    profile, good = (pp.profile(pl.DataFrame({"a": [1, 2]})) for _ in range(2))
    untracked = pp.profile(pl.DataFrame({"a": [1]}), spec=pp.ProfileSpec(quantiles=False))
    first, again = (pp.profile(pl.DataFrame({"a": [1]})) for _ in range(2))
    first.panes = again.panes = frozenset({("w", 1)})
    state = profile.to_bytes()
    with pytest.raises(SpecMismatch, match=r"quantiles=True.*quantiles=False"):
        profile.merge(good, untracked)
    with pytest.raises(ArgumentError, match="pane 1 of writer w"):
        profile.merge(first, good, again)
    with pytest.raises(ArgumentError, match="into itself"):
        profile.merge(good, profile)
    assert profile.to_bytes() == state


def test_a_pane_is_refused_twice_across_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "_MERGED_AT_ONCE", 2)
    pieces = [pp.profile(pl.DataFrame({"a": [number]})) for number in range(9)]
    for number, piece in enumerate(pieces):
        piece.panes = frozenset({("w", number)})
    assert len(pp.merge(pieces).panes) == 9
    with pytest.raises(ArgumentError, match="pane 0 of writer w"):
        pp.merge([*pieces, pieces[0].copy()])


def test_merging_an_iterator_holds_few_profiles_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "_MERGED_AT_ONCE", 4)
    data = pp.profile(pl.DataFrame({"a": [1, 2], "b": [["x"], []]})).to_bytes()
    living: weakref.WeakSet[pp.Profile] = weakref.WeakSet()
    peak = 0

    def stream() -> Iterator[pp.Profile]:
        nonlocal peak
        for _ in range(50):
            profile = pp.Profile.from_bytes(data)
            living.add(profile)
            peak = max(peak, len(living))
            yield profile

    gc.disable()
    try:
        assert pp.merge(stream()).rows == 100
    finally:
        gc.enable()
    assert peak <= 4 + 2  # and the first one, and the one just read


def test_a_column_outlives_its_profile_with_its_rows() -> None:
    column = pp.profile(pl.DataFrame({"a": [1, None, 3], "l": [[1], [None, 2], None]}))["a"]
    gc.collect()
    assert (column.rows, column.null_count) == (3, 1)
