"""Hashes equal those of DataSketches, with and without the plugin.

Those of DataSketches are read from the coupons of its sketches.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

import datasketches
import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.strategies import KINDS, binaries, columns, frames, texts

import polarsprof as pp
from polarsprof.kernels import murmur3
from polarsprof.kernels.murmur3 import hash_integers, hash_numbers, hash_text, number_keys

if TYPE_CHECKING:
    from polarsprof.kernels.murmur3 import Hashes

LONG = st.text(max_size=100) | st.integers(0, 70).map(lambda n: "é" * n) | texts


def native_coupon(value: Any) -> int:
    """The only coupon of a sketch of one value."""
    sketch = datasketches.hll_sketch(12)
    sketch.update(value)
    return int(struct.unpack_from("<I", sketch.serialize_compact(), 8)[0])


def coupons(hashes: Hashes) -> list[int]:
    """The published rule of coupons in Python integers.

    The slot bits of h1 stand below the leading zeros of h2 plus one.
    """
    pairs = zip(hashes[0].tolist(), hashes[1].tolist(), strict=True)
    return [(min(64 - h2.bit_length(), 62) + 1) << 26 | h1 & 0x3FFFFFF for h1, h2 in pairs]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=50))
def test_integers_hash_as_in_datasketches(values: list[int]) -> None:
    assert coupons(hash_integers(np.array(values, dtype=np.int64))) == [native_coupon(value) for value in values]


@given(st.lists(st.floats(), min_size=1, max_size=50))
@example([0.0, -0.0, math.nan, math.inf, -math.inf, 2.0**63, -(2.0**63), 2.0**53 + 1, 5e-324, 1e300, 0.1])
def test_floats_hash_as_in_datasketches_integral_ones_as_integers(values: list[float]) -> None:
    def native(value: float) -> int:
        integral = math.isfinite(value) and value.is_integer() and -(2.0**63) <= value < 2.0**63
        return native_coupon(int(value) if integral else value)

    assert coupons(hash_numbers(np.array(values))) == [native(value) for value in values]


@given(st.lists(LONG.filter(bool), min_size=1, max_size=20))
def test_texts_hash_as_in_datasketches(values: list[str]) -> None:
    assert coupons(hash_text(pl.Series(values))) == [native_coupon(value) for value in values]


def test_all_nan_are_one_value_and_both_zeros_too() -> None:
    nans = np.array([0x7FF8000000000001, 0xFFF8000000000000, 0x7FF8000000000000], dtype=np.uint64).view(np.float64)
    assert len(set(number_keys(nans).tolist())) == 1
    assert number_keys(np.array([0.0, -0.0, 3.0, -1.0])).tolist() == [0, 0, 3, 2**64 - 1]


def test_a_long_column_hashes_like_its_single_values() -> None:
    values = np.random.default_rng(3).integers(-(2**63), 2**63 - 1, 40_000)
    whole, single = hash_integers(values), [hash_integers(values[i : i + 1]) for i in (0, 16_383, 16_384, 39_999)]
    assert [(whole[0][i], whole[1][i]) for i in (0, 16_383, 16_384, 39_999)] == [(h[0][0], h[1][0]) for h in single]


# --------------------------------------------------------------------------------------------------- without the plugin


@pytest.fixture
def no_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate a platform without a wheel of polars-hash."""
    monkeypatch.setattr(murmur3, "polars_hash", None)


def both_ways(values: pl.Series) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """First halves and coupons, with and without the plugin."""
    if murmur3.polars_hash is None:
        pytest.skip("polars-hash is not installed")
    plugin, fallback = hash_text(values), murmur3._murmur_of_bytes(values)
    return (
        list(zip(plugin[0].tolist(), coupons(plugin), strict=True)),
        list(zip(fallback[0].tolist(), coupons(fallback), strict=True)),
    )


@given(st.lists(LONG, max_size=20))
def test_the_fallback_equals_the_plugin_on_any_text(values: list[str]) -> None:
    plugin, fallback = both_ways(pl.Series(values, dtype=pl.String))
    assert fallback == plugin


@given(st.lists(st.binary(max_size=70) | binaries, max_size=20))
def test_the_fallback_equals_the_plugin_on_any_bytes(values: list[bytes]) -> None:
    plugin, fallback = both_ways(pl.Series(values, dtype=pl.Binary))
    assert fallback == plugin


@pytest.mark.parametrize("name", ["String", "Binary"])
@given(data=st.data())
def test_the_fallback_equals_the_plugin_on_slices_and_chunks(name: str, data: st.DataObject) -> None:
    series = data.draw(columns(KINDS[name])).drop_nulls()
    plugin, fallback = both_ways(series)
    assert fallback == plugin
    cut = data.draw(st.integers(0, len(series)))
    assert plugin[cut:] == both_ways(series[cut:])[1]


@pytest.mark.parametrize("length", [*range(34), 47, 48, 49, 1_000, 16_384, 1_000_003])
def test_the_fallback_equals_datasketches_at_every_length(length: int, no_plugin: None) -> None:
    text = "".join(chr(97 + i * 7 % 26) for i in range(length))
    if length:  # DataSketches skips the empty string
        assert coupons(hash_text(pl.Series([text]))) == [native_coupon(text)]
    else:
        assert [half.size for half in hash_text(pl.Series([text]))] == [1, 1]


@given(frames())
def test_a_profile_without_the_plugin_has_the_same_bytes(frame: pl.DataFrame) -> None:
    if murmur3.polars_hash is None:
        pytest.skip("polars-hash is not installed")
    expected = pp.profile(frame).to_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(murmur3, "polars_hash", None)
        assert pp.profile(frame).to_bytes() == expected
