"""Import of foreign DataSketches images: valid ones in full, all others refused."""

from __future__ import annotations

import struct
from itertools import product

import datasketches
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, norm

from polarsprof.errors import CorruptProfile
from polarsprof.sketches.images import (
    import_distinct,
    import_frequent_items,
    import_quantiles,
    theta_estimate,
)

# ------------------------------------------------------------------------------------------------------------ quantiles

RANKS = [0.01, 0.25, 0.5, 0.75, 0.99]


def kll(kind: str, k: int, n: int) -> datasketches.kll_doubles_sketch:
    sketch = getattr(datasketches, f"kll_{kind}_sketch")(k)
    sketch.update(np.random.default_rng(n).normal(size=n).astype({"doubles": "f8", "floats": "f4"}[kind]))
    return sketch


def as_the_fork_writes_it(image: bytes) -> bytes:
    """Write six words of preamble and a gap, where Apache writes five words."""
    return b"\x06" + image[1:20] + bytes(4) + image[20:] if image[0] == 5 else image


@pytest.mark.parametrize("kind", ["doubles", "floats"])
@pytest.mark.parametrize("k", [8, 200, 256, 1024])
@pytest.mark.parametrize("n", [0, 1, 2, 7, 8, 200, 201, 5_000, 100_000])
def test_a_quantile_sketch_is_imported_in_full(kind, k, n):
    sketch = kll(kind, k, n)
    image = sketch.serialize()
    imported = datasketches.kll_doubles_sketch.deserialize(import_quantiles(image))
    assert (imported.n, imported.k, imported.num_retained) == (sketch.n, sketch.k, sketch.num_retained)
    if n:
        assert (imported.get_min_value(), imported.get_max_value()) == (sketch.get_min_value(), sketch.get_max_value())
        assert list(imported.get_quantiles(RANKS)) == list(sketch.get_quantiles(RANKS))
    if kind == "doubles":
        assert import_quantiles(image) == import_quantiles(as_the_fork_writes_it(image)) == image


def test_a_merge_of_quantile_sketches_is_imported():
    sketch = kll("doubles", 200, 10_000)
    for n in range(1, 60):
        sketch.merge(kll("doubles", 200 + n, n * 97))
        image = sketch.serialize()
        assert import_quantiles(image) == image


def full(
    n: int, levels: list[int], items: list[float], *, k: int = 8, ends: tuple[float, float] | None = None
) -> bytes:
    low, high = ends or (min(items), max(items))
    head = struct.pack("<BBBBHBBQHBB", 5, 1, 15, 0, k, 8, 0, n, k, len(levels), 0)
    return head + struct.pack(f"<{len(levels)}I", *levels) + struct.pack(f"<{len(items) + 2}d", low, high, *items)


def test_invalid_quantile_sketches_are_refused():
    assert import_quantiles(full(6, [12, 14], [9.0, 1.0, 2.0, 3.0])) == full(6, [12, 14], [9.0, 1.0, 2.0, 3.0])
    nan = float("nan")
    for wrong in (
        b"",
        b"\x05",
        full(7, [12, 14], [9.0, 1.0, 2.0, 3.0]),
        full(2**63, [12, 14], [9.0, 1.0, 2.0, 3.0]),
        full(6, [14, 12], [9.0, 1.0, 2.0, 3.0]),
        full(6, [12, 14], [9.0, 1.0, 3.0, 2.0]),
        full(6, [12, 14], [9.0, 1.0, 2.0, 3.0], ends=(1.5, 9.0)),
        full(6, [12, 14], [nan, 1.0, 2.0, 3.0], ends=(1.0, 9.0)),
        full(6, [12, 14], [9.0, 1.0, 2.0, 3.0], ends=(nan, nan)),
        b"\x02" + full(6, [12, 14], [9.0, 1.0, 2.0, 3.0])[1:],  # the layout of old versions of whylogs
        b"\x06" + full(6, [12, 14], [9.0, 1.0, 2.0, 3.0])[1:],
        struct.pack("<BBBBHBBf", 2, 2, 15, 4, 200, 8, 0, nan),
        struct.pack("<BBBBHBBI", 2, 2, 15, 4, 200, 8, 0, 0x7F800001),
    ):
        with pytest.raises(CorruptProfile, match="quantile sketch"):
            import_quantiles(wrong)


# ------------------------------------------------------------------------------------------------------------- distinct

TYPES = ["HLL_4", "HLL_6", "HLL_8"]


def hll(kind: str, lg_k: int, values: range) -> datasketches.hll_sketch:
    sketch = datasketches.hll_sketch(lg_k, getattr(datasketches.tgt_hll_type, kind))
    for value in values:
        sketch.update(value)
    return sketch


def content(image: bytes) -> bytes | list[int]:
    """Registers of an HLL_8 image, or coupons of a list or set."""
    if image[7] & 3 == 2:
        return image[40:]
    return sorted(np.frombuffer(image[8 if image[7] & 3 == 0 else 12 :], "<u4").tolist())


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("lg_k", [4, 7, 8, 12, 14])
def test_a_distinct_count_is_imported_in_full(kind, lg_k):
    for n in (0, 1, 7, 8, 24, 25, 300, 385, 3_000, 20_000):
        sketch, same = hll(kind, lg_k, range(n)), hll("HLL_8", lg_k, range(n)).serialize_compact()
        for image in (sketch.serialize_compact(), sketch.serialize_updatable()):
            imported = import_distinct(image)
            assert (imported[3], imported[7]) == (lg_k, same[7])
            assert content(imported) == content(same)
            again = datasketches.hll_sketch.deserialize(imported)
            assert abs(again.get_estimate() - n) <= 6 * 1.04 / 2 ** (lg_k / 2) * n
            assert again.is_empty() == (n == 0)
            assert import_distinct(imported) == imported


def test_a_union_of_distinct_counts_is_imported():
    for (one, other), (lg_one, lg_other), n in product(product(TYPES, TYPES), [(12, 12), (11, 12)], [5, 50, 5_000]):
        union = datasketches.hll_union(12)
        union.update(hll(one, lg_one, range(n)))
        union.update(hll(other, lg_other, range(n // 2, 2 * n)))
        for kind in TYPES:
            result = union.get_result(getattr(datasketches.tgt_hll_type, kind))
            for image in (result.serialize_compact(), result.serialize_updatable()):
                imported = datasketches.hll_sketch.deserialize(import_distinct(image))
                assert abs(imported.get_estimate() - result.get_estimate()) <= 1e-9 * result.get_estimate()


def changed(image: bytes, *edits: tuple[int, int]) -> bytes:
    edited = bytearray(image)
    for position, byte in edits:
        edited[position] = byte
    return bytes(edited)


def test_invalid_distinct_counts_are_refused():
    few, some = hll("HLL_8", 12, range(3)).serialize_compact(), hll("HLL_8", 12, range(20)).serialize_compact()
    many, packed = (hll(kind, 12, range(9_000)).serialize_compact() for kind in ("HLL_8", "HLL_4"))
    exception = len(packed) - 4
    for wrong in (
        few[:7],
        few + b"\0",
        changed(few, (3, 3)),
        changed(few, (3, 22)),
        changed(few, (0, 3)),
        changed(few, (2, 15)),
        changed(few, (5, 8 | 1)),
        changed(few, (5, 8 | 4)),
        changed(few, (7, 3)),
        changed(few, (7, 12)),
        few[:12] + few[8:12] + few[16:],
        few[:8] + bytes(4) + few[12:],
        few[:8] + b"\1\0\0\0" + few[12:],
        changed(some, (8, 19)),
        changed(some, (3, 7)),
        changed(many, (40, 64)),
        changed(many, (40, many[40] ^ 1)),
        changed(many, (36, 1)),
        many[:-1],
        many[:40] + bytes(4096),
        changed(packed, (6, 64)),
        changed(packed, (6, packed[6] + 1)),
        changed(packed, (exception, packed[exception] ^ 1)),
        changed(packed, (36, packed[36] + 1)),
        packed[:-4],
    ):
        with pytest.raises(CorruptProfile, match="distinct count"):
            import_distinct(wrong)


# ------------------------------------------------------------------------------------------------------- frequent items


@pytest.mark.parametrize("lg", [3, 6, 10])
def test_a_summary_of_frequent_strings_is_imported_in_full(lg):
    sketch = datasketches.frequent_strings_sketch(lg)
    for value in np.random.default_rng(lg).zipf(1.3, 20_000).tolist():
        sketch.update(f"вал {value}")
    texts, weights, total, offset, lg_items = import_frequent_items(sketch.serialize())
    assert (total, lg_items) == (20_000, lg)
    assert {text: (weight + offset, weight) for text, weight in zip(texts, weights, strict=True)} == {
        text: (upper, lower)
        for text, _, lower, upper in sketch.get_frequent_items(
            datasketches.frequent_items_error_type.NO_FALSE_NEGATIVES, 0
        )
    }


def test_an_empty_summary_has_its_size_alone():
    assert import_frequent_items(datasketches.frequent_strings_sketch(10).serialize()) == ([], [], 0, 0, 10)
    for flags in (1, 4, 5):
        assert import_frequent_items(bytes([1, 1, 10, 10, 3, flags, 0, 0]))[4] == 10


def test_invalid_summaries_are_refused():
    one = struct.pack("<BBBBBBHIIQQQI", 4, 1, 10, 10, 3, 0, 0, 1, 0, 5, 0, 5, 1) + b"a"
    assert import_frequent_items(one) == (["a"], [5], 5, 0, 10)
    twice = struct.pack("<BBBBBBHIIQQQQ", 4, 1, 10, 10, 3, 0, 0, 2, 0, 5, 0, 1, 1) + 2 * (struct.pack("<I", 1) + b"a")
    for wrong in (
        b"",
        one[:-1],
        one + b"\0",
        one[:-1] + b"\xff",
        twice,
        changed(one, (3, 17)),
        changed(one, (32, 6)),
        changed(one, (32, 0)),
        changed(one, (24, 6)),
        changed(one, (40, 2)),
        bytes([1, 1, 10, 28, 28, 5, 0, 0]),
        bytes([1, 1, 10, 10, 3, 0, 0, 0]),
        bytes([1, 1, 10, 10, 3, 8, 0, 0]),
        one.ljust((1 << 23) + 1, b"\0"),
    ):
        with pytest.raises(CorruptProfile, match="frequent items"):
            import_frequent_items(wrong)


# ---------------------------------------------------------------------------------------------------------------- theta


def theta(values: range, lg_k: int = 12, share: float = 1.0) -> datasketches.update_theta_sketch:
    sketch = datasketches.update_theta_sketch(lg_k, p=share)
    for value in values:
        sketch.update(value)
    return sketch


def near(one: float, other: float) -> bool:
    return abs(one - other) <= 1e-9 * other


@pytest.mark.parametrize("n", [1, 2, 100, 4_096, 8_000, 50_000])
@pytest.mark.parametrize("ordered", [True, False])
def test_a_theta_sketch_is_estimated_as_the_library_does(n, ordered):
    sketch = theta(range(n)).compact(ordered=ordered)
    found = theta_estimate(sketch.serialize())
    assert near(found.estimate, sketch.get_estimate())
    assert near(found.lower, sketch.get_lower_bound(2))
    assert near(found.upper, sketch.get_upper_bound(2))


@pytest.mark.parametrize("n", [0, 1, 5, 60, 300, 1_500])
def test_bounds_of_few_hashes_are_near_those_of_the_library(n):
    sketch = theta(range(n), share=0.07).compact()
    found = theta_estimate(sketch.serialize())
    if found is None:
        assert n == 0
        return
    assert near(found.estimate, sketch.get_estimate())
    assert found.lower <= found.estimate <= found.upper
    assert abs(found.lower - sketch.get_lower_bound(2)) <= 2 + 0.03 * n
    assert abs(found.upper - sketch.get_upper_bound(2)) <= 2 + 0.03 * n


@pytest.mark.parametrize("n", [0, 1, 7, 120])
@pytest.mark.parametrize("share", [0.9, 0.2, 1e-3, 1e-12])
def test_the_bounds_of_few_hashes_are_those_of_the_binomial_distribution(n, share):
    bound = 1 << 63
    limit = round(share * bound)
    hashes = np.arange(1, n + 1, dtype="<u8")
    image = struct.pack("<BBBBBBHIIQ", 3, 3, 3, 0, 0, 8 | 16, 0, n, 0, limit) + hashes.tobytes()
    found = theta_estimate(image)
    tail = norm.sf(2)
    assert near(found.estimate, n / (limit / bound))
    for values, is_inside in ((found.lower, True), (found.lower - 1, False)):
        if n and values >= n and share > 1e-6:  # else one more value makes no difference in doubles
            assert (binom.sf(n - 1, values, limit / bound) > tail) == is_inside
    for values, is_inside in ((found.upper, True), (found.upper + 1, False)):
        if share > 1e-6:
            assert (binom.cdf(n, values, limit / bound) > tail) == is_inside
    assert binom.cdf(n, int(1.001 * found.upper + 1), limit / bound) < tail * (1 + 1e-6)


def test_an_empty_sketch_has_no_estimate():
    assert theta_estimate(theta(range(0)).compact().serialize()) is None


def test_invalid_theta_sketches_are_refused():
    image = theta(range(9_000)).compact().serialize()
    assert image[0] == 3
    for wrong in (
        b"",
        image[:-1],
        image + b"\0",
        changed(image, (1, 2)),
        changed(image, (2, 2)),
        changed(image, (0, 4)),
        changed(image, (5, image[5] | 4)),
        changed(image, (5, image[5] & ~8)),
        changed(image, (16, 0), (23, 0xFF)),
        image[:16] + bytes(8) + image[24:],
        image[:24] + image[24:32] + image[24:32] + image[40:],
        image[:24] + bytes(8) + image[32:],
        image[:-8] + b"\xff" * 8,
    ):
        with pytest.raises(CorruptProfile, match="theta"):
            theta_estimate(wrong)


@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_refused_or_imported(data):
    for import_image in (import_quantiles, import_distinct, import_frequent_items, theta_estimate):
        for image in (data, b"\x05\x01\x0f\x00\x08\x00\x08\x00" + data, b"\x02\x01\x07\x0c\x03\x08" + data):
            try:
                import_image(image)
            except CorruptProfile:
                continue
