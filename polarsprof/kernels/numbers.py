"""Numbers and temporals: the figures of a piece from its group counts, or from its rows where few repeat."""

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
from polarsprof.kernels.value_counts import counted, crowded_rows, frequent, looks_repetitive, number_groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from polarsprof.kernels.batch import Item
    from polarsprof.kernels.dtypes import Piece
    from polarsprof.kernels.murmur3 import Hashes
    from polarsprof.kernels.spec import ProfileSpec
    from polarsprof.kernels.value_counts import Groups

    Numbers = NDArray[Any]  # int64 or float64

_NS_PER_US: Final = 1_000
# Up to so many values, or k if that is more, go into the quantile sketch one by one. Of more, at least half as many
# stand for all at even ranks, each for 2^7 values at the most: at 512 that moves no rank by more than 0.1 %.
_MOST_KEPT: Final = 1_023
_SPARSEST: Final = 7
# Of so many rows, one of each four in a row is drawn and ordered for the quantiles. At 32,768 of 131,072 that moves a
# rank by 0.24 %, at 65,536 of 262,144 by 0.17 % (one standard deviation), against 1.33 % that a sketch of k = 200
# states for 99 of 100 quantiles. A sketch of a larger k states less, so it gets all rows.
_LEAST_DRAWN_FROM: Final = 131_072
_LARGEST_K_DRAWN_FOR: Final = 256
_DRAWN: Final = 4
# Ordering more groups than these costs more than ordering the rows that are drawn.
_MANY_GROUPS: Final = 4_096
_DRAWS: Final = np.random.default_rng(9001).integers(0, _DRAWN, PIECE_ROWS // _DRAWN)


def number_batch(piece: Piece, spec: ProfileSpec, floor: int) -> ColumnBatch:
    """The batch of numbers or temporals in any canonical dtype."""
    if piece.values.dtype not in (pl.Int64, pl.Float64):
        return wide_integer_batch(piece.path, piece.group, piece.values.to_list(), spec)
    if not looks_repetitive(piece.values):
        return _rows_batch(piece, spec, floor)
    groups = number_groups(piece.values.to_numpy())
    if groups.values.size <= _MANY_GROUPS or spec.k > _LARGEST_K_DRAWN_FOR:
        return groups_batch(piece.path, piece.group, groups, spec)
    batch = groups_batch(piece.path, piece.group, groups, replace(spec, quantiles=False))
    if spec.quantiles:
        _take_ranks_of_rows(batch, piece.values.to_numpy(), spec)
    return batch


def groups_batch(path: str, group: str, groups: Groups, spec: ProfileSpec) -> ColumnBatch:
    """The batch of numbers that are known by their groups."""
    batch = ColumnBatch(path, group)
    _describe(batch, groups.values, groups.counts)
    if spec.quantiles:
        order = np.argsort(groups.values)  # NaN comes last
        ordinates = _ordinates(group, groups.values[order])
        batch.even_ranks = _even_ranks(ordinates, groups.counts[order], groups.total, spec.k)
    if spec.distinct:
        batch.hashes = _hashes(groups.values)
    if spec.frequent_items:
        _take_items(batch, groups.values, groups.counts, spec)
    return batch


def _rows_batch(piece: Piece, spec: ProfileSpec, floor: int) -> ColumnBatch:
    values = piece.values.to_numpy()
    batch = ColumnBatch(piece.path, piece.group)
    _describe(batch, values, None)
    if spec.quantiles:
        _take_ranks_of_rows(batch, values, spec)
    if spec.distinct or spec.frequent_items:
        hashes = _hashes(values)
        batch.hashes = rare(hashes, floor) if spec.distinct else None
        if spec.frequent_items:
            rows, missed = crowded_rows(hashes[0], spec.max_items)
            if rows.size:
                distinct, counts = counted(piece.values[rows])
                _take_items(batch, distinct.to_numpy(), counts, spec)
            batch.items_offset = max(batch.items_offset, missed)
    return batch


def _take_ranks_of_rows(batch: ColumnBatch, values: Numbers, spec: ProfileSpec) -> None:
    valid = values[~np.isnan(values)] if batch.counters.get("nan") else values
    drawn = _drawn(valid) if spec.k <= _LARGEST_K_DRAWN_FOR else valid
    batch.even_ranks = _even_ranks(np.sort(_ordinates(batch.group, drawn)), None, valid.size, spec.k)
    _widen_to_extremes(batch)


def wide_integer_batch(path: str, group: str, integers: list[int], spec: ProfileSpec) -> ColumnBatch:
    """The batch of integers that 64 bits do not hold; one by one, because they are rare."""
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
        kept, weights, batch.items_offset = frequent(np.array(list(counts.values())), spec.max_items)
        items: list[Item] = list(counts)
        batch.items, batch.weights = [items[position] for position in kept], weights.tolist()
    return batch


def number_item(value: Any) -> Item:
    """One form per value: an int where it is integral and fits int64, else the double, else the integer."""
    if isinstance(value, float):
        if math.isnan(value):
            return math.nan
        return int(value) if value.is_integer() and INT64[0] <= value <= INT64[1] - 1023 else value
    return float(value) if not INT64[0] <= value <= INT64[1] and int(float(value)) == value else value


def moments(values: NDArray[np.float64], counts: NDArray[np.int64] | None) -> tuple[int, float, float, float, float]:
    """(n, mean, m2, m3, m4) of finite values, each coming `counts` times, or once."""
    n = values.size if counts is None else int(counts.sum())
    if not n:
        return (0, 0.0, 0.0, 0.0, 0.0)
    if values[0] == values[-1] and (values == values[0]).all():  # a rounded mean would make equal values vary
        return (n, float(values[0]), 0.0, 0.0, 0.0)
    with np.errstate(all="ignore"):  # values near the end of the range overflow to inf, which is what they say
        mean = _total(values, counts) / n
        if not math.isfinite(mean):
            mean = _total(values / n, counts)
        deviations = values - mean
        squares = deviations * deviations
        weighted = squares if counts is None else squares * counts
        return n, mean, float(weighted.sum()), _dot(weighted, deviations), _dot(weighted, squares)


def _describe(batch: ColumnBatch, values: Numbers, counts: NDArray[np.int64] | None) -> None:
    """Counters, extremes, sums and moments of values that each come `counts` times, or once."""
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
        # Adding 0.0 turns -0.0 into 0.0, so that equal extremes are written alike.
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
    """The sum of values each coming `counts` times, or once; its parts are at most `bound` away from 0."""
    if bound <= INT64[1]:
        return int((values if counts is None else values * counts).sum())
    # In two halves of 32 bits, neither of which can overflow below 2^31 values.
    low, high = values & 0xFFFFFFFF, values >> 32
    if counts is not None:
        low, high = low * counts, high * counts
    return (int(high.sum()) << 32) + int(low.sum())


def _take_items(batch: ColumnBatch, values: Numbers, counts: NDArray[np.int64], spec: ProfileSpec) -> None:
    kept, weights, batch.items_offset = frequent(counts, spec.max_items)
    items = values[kept].tolist()
    batch.items = items if values.dtype == np.int64 else [number_item(value) for value in items]
    batch.weights = weights.tolist()


def _even_ranks(ordinates: NDArray[np.float64], counts: NDArray[np.int64] | None, n: int, k: int) -> EvenRanks | None:
    """What a quantile sketch of size `k` takes for `n` values; of nothing None.

    Parameters
    ----------
    ordinates
        In ascending order: the values, each coming `counts` times, NaN last; or values drawn from them, without NaN.
    """
    if counts is not None and math.isnan(ordinates[-1]):
        n -= int(counts[-1])
        ordinates, counts = ordinates[:-1], counts[:-1]
    if not ordinates.size:
        return None
    level = min(max(0, n.bit_length() - max(_MOST_KEPT, k).bit_length()), _SPARSEST)
    upto = None if counts is None else np.cumsum(counts)
    return EvenRanks(
        level=level,
        values=ordinates[_at_even_ranks(upto, ordinates.size, n >> level)],
        rest=ordinates[_at_even_ranks(upto, ordinates.size, n & ((1 << level) - 1))],
        minimum=float(ordinates[0]),
        maximum=float(ordinates[-1]),
    )


def _at_even_ranks(upto: NDArray[np.int64] | None, available: int, size: int) -> NDArray[np.intp]:
    """Positions of `size` values at the middle of as many equal parts of the ranks."""
    total = available if upto is None else int(upto[-1])
    ranks = (2 * np.arange(size) + 1) * total // (2 * max(size, 1))
    return ranks if upto is None else np.searchsorted(upto, ranks, "right")


def _drawn(values: Numbers) -> Numbers:
    """One of each four values in a row, which one by a fixed draw; all of them where they are not many."""
    if values.size < _LEAST_DRAWN_FROM:
        return values
    blocks = values.size // _DRAWN
    drawn: Numbers = values[_DRAWN * np.arange(blocks) + _DRAWS[:blocks]]
    return drawn


def _widen_to_extremes(batch: ColumnBatch) -> None:
    """Give values drawn from many the extremes of all."""
    if batch.even_ranks is not None:
        extremes = _ordinates(batch.group, np.array([batch.minimum, batch.maximum]))
        low, high = (float(extreme) for extreme in extremes)
        batch.even_ranks = replace(batch.even_ranks, minimum=low, maximum=high)


def _ordinates(group: str, values: Numbers) -> NDArray[np.float64]:
    """What the quantile sketch holds: numbers and days as they are, other temporals in microseconds.

    Divided as integers: doubles of today's nanoseconds are off by 128.
    """
    if group not in ("number", "date"):
        values = values // _NS_PER_US
    return values.astype(np.float64, copy=False)


def _hashes(values: Numbers) -> Hashes:
    return hash_numbers(values) if values.dtype == np.float64 else hash_integers(values)


def _number_of(which: NDArray[np.bool_], counts: NDArray[np.int64] | None) -> int:
    return int(np.count_nonzero(which)) if counts is None else int(counts[which].sum())


def _total(values: NDArray[np.float64], counts: NDArray[np.int64] | None) -> float:
    return float(values.sum()) if counts is None else _dot(values, counts.astype(np.float64))


def _dot(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    # Not np.dot: BLAS starts threads of its own, which fight with those that the columns are spread over.
    return float(np.einsum("i,i->", left, right))
