"""The figures of a piece of numbers or temporals.

They come from its group counts, or from its rows if few values repeat.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from polarsprof.kernels.batch import ColumnBatch, EvenRanks
from polarsprof.kernels.dtypes import INT64, PIECE_ROWS
from polarsprof.kernels.murmur3 import hash_integers, hash_numbers, rare
from polarsprof.kernels.value_counts import (
    count_values,
    crowded_rows,
    frequent_groups,
    looks_repetitive,
    number_groups,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from polarsprof.kernels.batch import Item
    from polarsprof.kernels.dtypes import Piece
    from polarsprof.kernels.murmur3 import Hashes
    from polarsprof.kernels.spec import ProfileSpec
    from polarsprof.kernels.value_counts import Groups, Numbers

_NS_PER_US: Final = 1_000
# Up to so many values, or k if that is more, enter the quantile sketch one by one. More values are represented by at
# least half as many at even ranks, each for at most 2^7 values: with 512, that moves no rank by more than 0.1 %.
_MAX_EXACT: Final = 1_023
_MAX_LEVEL: Final = 7
# From so many rows on, a sample of one in four consecutive rows is ordered for the quantiles. A sample of 32,768 of
# 131,072 moves a rank by 0.24 %, of 65,536 of 262,144 by 0.17 % (one standard deviation); a sketch of k = 200 states
# 1.33 % for 99 of 100 quantiles. A sketch of a larger k states less, so it gets all rows.
_MIN_SAMPLED_ROWS: Final = 131_072
_MAX_SAMPLED_K: Final = 256
_SAMPLE_STEP: Final = 4
# Ordering more groups costs more than ordering the sample.
_MANY_GROUPS: Final = 4_096
_SAMPLE_OFFSETS: Final = np.random.default_rng(9001).integers(0, _SAMPLE_STEP, PIECE_ROWS // _SAMPLE_STEP)


def number_batch(piece: Piece, spec: ProfileSpec, floor: int) -> ColumnBatch:
    """The batch of numbers or temporals in any canonical dtype."""
    if piece.values.dtype not in (pl.Int64, pl.Float64):
        return wide_integer_batch(piece.path, piece.group, piece.values.to_list(), spec)
    if not looks_repetitive(piece.values):
        return _rows_batch(piece, spec, floor)
    groups = number_groups(piece.values.to_numpy())
    if groups.values.size <= _MANY_GROUPS or spec.k > _MAX_SAMPLED_K:
        return groups_batch(piece.path, piece.group, groups, spec)
    batch = groups_batch(piece.path, piece.group, groups, replace(spec, quantiles=False))
    if spec.quantiles:
        _add_ranks_of_rows(batch, piece.values.to_numpy(), spec)
    return batch


def groups_batch(path: str, group: str, groups: Groups, spec: ProfileSpec) -> ColumnBatch:
    """The batch of numbers given by their groups."""
    batch = ColumnBatch(path, group)
    _describe(batch, groups.values, groups.counts)
    if spec.quantiles:
        order = np.argsort(groups.values)  # NaN is last
        ordinates = _ordinates(group, groups.values[order])
        batch.even_ranks = _even_ranks(ordinates, groups.counts[order], groups.total, spec.k)
    if spec.distinct:
        batch.hashes = _hashes(groups.values)
    if spec.frequent_items:
        _add_items(batch, groups.values, groups.counts, spec)
    return batch


def _rows_batch(piece: Piece, spec: ProfileSpec, floor: int) -> ColumnBatch:
    values = piece.values.to_numpy()
    batch = ColumnBatch(piece.path, piece.group)
    _describe(batch, values, None)
    if spec.quantiles:
        _add_ranks_of_rows(batch, values, spec)
    if spec.distinct or spec.frequent_items:
        hashes = _hashes(values)
        batch.hashes = rare(hashes, floor) if spec.distinct else None
        if spec.frequent_items:
            rows, offset = crowded_rows(hashes[0], spec.max_items)
            if rows.size:
                distinct, counts = count_values(piece.values[rows])
                _add_items(batch, distinct.to_numpy(), counts, spec)
            batch.items_offset = max(batch.items_offset, offset)
    return batch


def _add_ranks_of_rows(batch: ColumnBatch, values: Numbers, spec: ProfileSpec) -> None:
    valid = values[~np.isnan(values)] if batch.counters.get("nan") else values
    sample = _sample(valid) if spec.k <= _MAX_SAMPLED_K else valid
    batch.even_ranks = _even_ranks(np.sort(_ordinates(batch.group, sample)), None, valid.size, spec.k)
    _widen_to_extremes(batch)


def wide_integer_batch(path: str, group: str, integers: list[int], spec: ProfileSpec) -> ColumnBatch:
    """The batch of integers beyond 64 bits; one by one, because they are rare."""
    doubles = np.array([float(value) for value in integers])
    batch = ColumnBatch(path, group, {"count": len(integers)})
    batch.minimum, batch.maximum = min(integers), max(integers)
    if group == "number":
        batch.counters |= {"integral": len(integers), "negative": sum(value < 0 for value in integers)}
        batch.integer_sum = sum(integers)
        batch.moments = moments(doubles, None)
    if spec.quantiles:
        ticks = integers if group == "number" else [value // _NS_PER_US for value in integers]
        batch.even_ranks = _even_ranks(np.sort(np.array(ticks, dtype=np.float64)), None, len(ticks), spec.k)
    if spec.distinct:
        batch.hashes = hash_numbers(doubles)
    if spec.frequent_items:
        counts = Counter(number_item(value) for value in integers) if group == "number" else Counter(integers)
        positions, weights, batch.items_offset = frequent_groups(np.array(list(counts.values())), spec.max_items)
        items: list[Item] = list(counts)
        batch.items, batch.weights = [items[position] for position in positions], weights.tolist()
    return batch


def number_item(value: Any) -> Item:
    """The canonical form of a number.

    An int if integral and within int64, otherwise the equal double, otherwise the integer.
    """
    if isinstance(value, float):
        if math.isnan(value):
            return math.nan
        return int(value) if value.is_integer() and INT64[0] <= value <= INT64[1] - 1023 else value
    return float(value) if not INT64[0] <= value <= INT64[1] and int(float(value)) == value else value


def moments(values: NDArray[np.float64], counts: NDArray[np.int64] | None) -> tuple[int, float, float, float, float]:
    """(n, mean, m2, m3, m4) of finite values, each occurring `counts` times, or once."""
    n = values.size if counts is None else int(counts.sum())
    if not n:
        return (0, 0.0, 0.0, 0.0, 0.0)
    if values[0] == values[-1] and (values == values[0]).all():  # a rounded mean makes equal values vary
        return (n, float(values[0]), 0.0, 0.0, 0.0)
    with np.errstate(all="ignore"):  # values near the end of the range overflow to inf, as intended
        mean = _total(values, counts) / n
        if not math.isfinite(mean):
            mean = _total(values / n, counts)
        deviations = values - mean
        squares = deviations * deviations
        weighted = squares if counts is None else squares * counts
        return n, mean, float(weighted.sum()), _dot(weighted, deviations), _dot(weighted, squares)


def _describe(batch: ColumnBatch, values: Numbers, counts: NDArray[np.int64] | None) -> None:
    """Add counters, extremes, sums and moments of values.

    Each value occurs `counts` times, or once.
    """
    size = values.size if counts is None else int(counts.sum())
    if values.dtype == np.float64:
        _describe_fractional(batch, values, counts, size)
    else:
        _describe_integral(batch, values, counts, size)


def _describe_fractional(
    batch: ColumnBatch, values: NDArray[np.float64], counts: NDArray[np.int64] | None, size: int
) -> None:
    is_nan = np.isnan(values)
    nan = _number_of(is_nan, counts)
    if nan:
        values, counts = values[~is_nan], None if counts is None else counts[~is_nan]
    infinities = dict.fromkeys(("positive_infinity", "negative_infinity"), 0)
    if values.size:
        # Adding 0.0 turns -0.0 into 0.0, so that equal extremes have equal bytes.
        batch.minimum, batch.maximum = float(values.min()) + 0.0, float(values.max()) + 0.0
    negative, zero = _number_of(values < 0, counts), _number_of(values == 0, counts)
    if math.inf in (batch.maximum, -(batch.minimum or 0.0)):  # type: ignore[operator]
        infinities["positive_infinity"] = _number_of(values == math.inf, counts)
        infinities["negative_infinity"] = _number_of(values == -math.inf, counts)
        finite = np.isfinite(values)
        values, counts = values[finite], None if counts is None else counts[finite]
    batch.counters = {"count": size, "nan": nan, "zero": zero, "negative": negative} | infinities
    with np.errstate(over="ignore", invalid="ignore"):
        batch.float_sum = _total(values, counts)
    batch.moments = moments(values, counts)


def _describe_integral(
    batch: ColumnBatch, values: NDArray[np.int64], counts: NDArray[np.int64] | None, size: int
) -> None:
    batch.counters = {"count": size}
    batch.minimum, batch.maximum = int(values.min()), int(values.max())
    if batch.group == "number":
        signs = {"zero": _number_of(values == 0, counts), "negative": _number_of(values < 0, counts)}
        batch.counters |= {"integral": size} | signs
        batch.integer_sum = _exact_sum(values, counts, max(-batch.minimum, batch.maximum) * size)
        batch.moments = moments(values.astype(np.float64), counts)


def _exact_sum(values: NDArray[np.int64], counts: NDArray[np.int64] | None, bound: int) -> int:
    """The sum of values that occur `counts` times each, or once.

    No partial sum is beyond ±`bound`.
    """
    if bound <= INT64[1]:
        return int((values if counts is None else values * counts).sum())
    # Two halves of 32 bits; neither can overflow with fewer than 2^31 values.
    low, high = values & 0xFFFFFFFF, values >> 32
    if counts is not None:
        low, high = low * counts, high * counts
    return (int(high.sum()) << 32) + int(low.sum())


def _add_items(batch: ColumnBatch, values: Numbers, counts: NDArray[np.int64], spec: ProfileSpec) -> None:
    positions, weights, batch.items_offset = frequent_groups(counts, spec.max_items)
    items = values[positions].tolist()
    batch.items = items if values.dtype == np.int64 else [number_item(value) for value in items]
    batch.weights = weights.tolist()


def _even_ranks(ordinates: NDArray[np.float64], counts: NDArray[np.int64] | None, n: int, k: int) -> EvenRanks | None:
    """The input of a quantile sketch of size `k` for `n` values; None if empty.

    Parameters
    ----------
    ordinates
        In ascending order: the values, each occurring `counts` times, NaN last; or a sample of them, without NaN.
    """
    if counts is not None and math.isnan(ordinates[-1]):
        n -= int(counts[-1])
        ordinates, counts = ordinates[:-1], counts[:-1]
    if not ordinates.size:
        return None
    level = min(max(0, n.bit_length() - max(_MAX_EXACT, k).bit_length()), _MAX_LEVEL)
    upto = None if counts is None else np.cumsum(counts)
    return EvenRanks(
        level=level,
        values=ordinates[_at_even_ranks(upto, ordinates.size, n >> level)],
        rest=ordinates[_at_even_ranks(upto, ordinates.size, n & ((1 << level) - 1))],
        minimum=float(ordinates[0]),
        maximum=float(ordinates[-1]),
    )


def _at_even_ranks(upto: NDArray[np.int64] | None, available: int, size: int) -> NDArray[np.intp]:
    """Positions of the values in the middle of `size` equal parts of the ranks."""
    total = available if upto is None else int(upto[-1])
    ranks = (2 * np.arange(size) + 1) * total // (2 * max(size, 1))
    return ranks if upto is None else np.searchsorted(upto, ranks, "right")


def _sample(values: Numbers) -> Numbers:
    """One of each four consecutive values, by fixed random offsets.

    Returns all values if they are not many.
    """
    if values.size < _MIN_SAMPLED_ROWS:
        return values
    blocks = values.size // _SAMPLE_STEP
    sample: Numbers = values[_SAMPLE_STEP * np.arange(blocks) + _SAMPLE_OFFSETS[:blocks]]
    return sample


def _widen_to_extremes(batch: ColumnBatch) -> None:
    """Replace the extremes of a sample by those of all values."""
    if batch.even_ranks is not None:
        extremes = _ordinates(batch.group, np.array([batch.minimum, batch.maximum]))
        low, high = (float(extreme) for extreme in extremes)
        batch.even_ranks = replace(batch.even_ranks, minimum=low, maximum=high)


def _ordinates(group: str, values: Numbers) -> NDArray[np.float64]:
    """The values for the quantile sketch.

    Numbers and days are unchanged, other temporals are in microseconds. The division is of integers, because doubles of
    today's nanoseconds are off by 128.
    """
    if group not in ("number", "date"):
        values = values // _NS_PER_US
    return values.astype(np.float64, copy=False)


def _hashes(values: Numbers) -> Hashes:
    return hash_numbers(values) if values.dtype == np.float64 else hash_integers(values)


def _number_of(mask: NDArray[np.bool_], counts: NDArray[np.int64] | None) -> int:
    return int(np.count_nonzero(mask)) if counts is None else int(counts[mask].sum())


def _total(values: NDArray[np.float64], counts: NDArray[np.int64] | None) -> float:
    return float(values.sum()) if counts is None else _dot(values, counts.astype(np.float64))


def _dot(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    # Not np.dot: BLAS starts its own threads, which compete with the threads of the columns.
    return float(np.einsum("i,i->", left, right))
