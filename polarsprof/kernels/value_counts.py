"""The distinct values of a piece with their counts, and frequent rows.

`looks_repetitive` chooses the method. Its trade-off, in nanoseconds per value of pieces of 262,144 on one core of an
x86-64 server, for doubles / strings of 7 bytes / strings of 20 bytes:

| method | 1,000 distinct values | a quarter distinct | all distinct |
|---|---|---|---|
| counts of all values; all figures from the groups | 18 / 21 / 37 | 25 / 77 / 157 | 81 / 226 / 243 |
| hashes of all, exact counts in crowded buckets; the rest from rows | 62 / 83 / 78 | 26 / 67 / 74 | 20 / 42 / 50 |

Integers whose range is at most the length of the piece are counted by their distance from the smallest, at 6 ns. Other
numbers, and texts up to 12 bytes in large pieces with many distinct ones, get slots by a multiplicative hash. All other
texts are counted by the hash table of Polars.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from polarsprof.kernels.dtypes import are_inline, text_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[Any]
    """int64 or float64, by the dtype of the array."""

_SAMPLE: Final = 1_024
_SMALL: Final = 4_096  # rows below which every method is fast, and counting all values needs no guess
_MAX_SLOT_BITS: Final = 16
# With fewer texts, or few distinct ones, the hash table of Polars is faster, by up to three times.
_LARGE: Final = 65_536
_FEW: Final = 64
_MAX_SPREAD: Final = 65_536
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)  # 2^64 divided by the golden ratio, made odd
_CROWDED: Final = 16  # rows of a bucket; with spread values, one in thousands of pieces has such a bucket


@dataclass(frozen=True, slots=True)
class Groups:
    """Distinct values, int64 or float64, and their counts."""

    values: Numbers
    counts: NDArray[np.int64]

    @property
    def total(self) -> int:
        """Number of values, including repeated ones."""
        return int(self.counts.sum())


def looks_repetitive(values: pl.Series) -> bool:
    """Whether one in 64 values of a sample is a repetition.

    That happens if fewer than one in four values are distinct. The sample consists of pairs of neighbors, so that runs
    show. A wrong guess costs time and changes no figure.
    """
    if len(values) < _SMALL:
        return True
    starts = np.arange(0, len(values) - 1, 2 * len(values) // _SAMPLE, dtype=np.uint32)
    sample = values[pl.Series(np.concatenate([starts, starts + np.uint32(1)]))].to_list()
    return len(sample) - len(set(sample)) >= len(sample) >> 6


def number_groups(numbers: Numbers) -> Groups:
    """The groups of int64 or float64 values; -0.0 counts as 0.0."""
    if numbers.dtype == np.float64:
        numbers = numbers + 0.0
        numbers[np.isnan(numbers)] = np.nan  # one bit pattern for all NaN
        return _groups_by_slot(numbers)
    low, high = int(numbers.min()), int(numbers.max())
    if high - low <= numbers.size:
        counts = np.bincount(numbers - low)
        offsets = np.flatnonzero(counts != 0)
        return Groups(offsets + low, counts[offsets])
    return _groups_by_slot(numbers)


def _groups_by_slot(numbers: Numbers) -> Groups:
    """The groups of values, counted by slots.

    Values whose slot belongs to another value are sorted; they are few unless most values are distinct. The order of
    the groups depends only on the data, so sums of floats are equal to the last digit in every run.
    """
    slots, size = _slots(numbers.view(np.uint64))
    holders = np.zeros(size, dtype=np.uint64)
    holders[slots] = numbers.view(np.uint64)
    others = np.flatnonzero(holders.take(slots) != numbers.view(np.uint64))
    used, counts = _slot_counts(slots, others, size)
    values = holders[used].view(numbers.dtype)
    if not others.size:
        return Groups(values, counts)
    rest, rest_counts = np.unique(numbers[others], return_counts=True)
    return Groups(np.concatenate([values, rest]), np.concatenate([counts, rest_counts]))


def text_groups(values: pl.Series) -> tuple[pl.Series, NDArray[np.int64]]:
    """The distinct values of a String or Binary series in one chunk, and their counts.

    Short values are compared with the holder of their slot by the two words of their views, as in `_groups_by_slot`.
    """
    if len(values) < _LARGE or values.head(_SAMPLE).n_unique() <= _FEW:
        return count_values(values)
    words = text_words(values)
    if not are_inline(words):
        return count_values(values)
    low, high = words.T
    slots, size = _slots(low ^ (high * _GOLDEN))
    holders = np.zeros(size, dtype=np.intp)
    holders[slots] = np.arange(slots.size)
    others = np.flatnonzero((low[holders].take(slots) != low) | (high[holders].take(slots) != high))
    used, counts = _slot_counts(slots, others, size)
    distinct = values[holders[used]]
    if not others.size:
        return distinct, counts
    rest, rest_counts = count_values(values[others])
    return distinct.append(rest).rechunk(), np.concatenate([counts, rest_counts])


def _slots(words: NDArray[np.uint64]) -> tuple[NDArray[np.intp], int]:
    """The slot of each word by a multiplicative hash, and the number of slots.

    Source: Knuth, TAOCP, 6.4.
    """
    bits = _slot_bits(words.size)
    slots = words * _GOLDEN
    slots >>= np.uint64(64 - bits)
    return slots.view(np.intp), 1 << bits


def _slot_counts(
    slots: NDArray[np.intp], others: NDArray[np.intp], size: int
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """The slots in use, and the count of the holder of each.

    The count is the number of rows of the slot without `others`.
    """
    counts = np.bincount(slots, minlength=size) - np.bincount(slots[others], minlength=size)
    used = np.flatnonzero(counts != 0)
    return used, counts[used]


def _slot_bits(size: int) -> int:
    return min(size.bit_length(), _MAX_SLOT_BITS)


def merge_groups(numbers: NDArray[np.int64], counts: NDArray[np.int64]) -> Groups:
    """The groups of integers from 0 on, which can repeat, with a count each."""
    if numbers.max() < _MAX_SPREAD:
        sums = np.bincount(numbers, weights=counts).astype(np.int64)  # a double is exact up to 2^53
        distinct = np.flatnonzero(sums)
        return Groups(distinct, sums[distinct])
    distinct, positions = np.unique(numbers, return_inverse=True)
    sums = np.zeros(distinct.size, dtype=np.int64)
    np.add.at(sums, positions, counts)
    return Groups(distinct, sums)


def count_values(values: pl.Series) -> tuple[pl.Series, NDArray[np.int64]]:
    """The distinct values of any dtype, and their counts."""
    counts = values.alias("v").value_counts(name="n")
    return counts["v"], counts["n"].cast(pl.Int64).to_numpy()


def crowded_rows(hashes: NDArray[np.uint64], max_items: int) -> tuple[NDArray[np.intp], int]:
    """Positions of rows of frequent values, and the maximum count of the others.

    These rows share the low bits of their hash with many others. All rows of a more frequent value are among them, so
    counting only these rows counts it exactly. The maximum is at most the error of a summary of `max_items` values.
    """
    offset = min(_CROWDED - 1, hashes.size // (max_items + 1))
    buckets = (hashes & np.uint64((1 << _slot_bits(hashes.size)) - 1)).view(np.intp)
    sizes = np.bincount(buckets)
    if sizes.max() <= offset:
        return np.empty(0, dtype=np.intp), offset
    return np.flatnonzero(sizes[buckets] > offset), offset


def frequent_groups(counts: NDArray[np.int64], max_items: int) -> tuple[NDArray[np.intp], NDArray[np.int64], int]:
    """Positions and weights of frequent groups, and the maximum of the others.

    The weights are those of Misra and Gries.
    """
    if counts.size <= max_items:
        return np.arange(counts.size), counts, 0
    repeated = np.flatnonzero(counts > 1)
    if repeated.size <= max_items:  # so every group left out has a count of 1
        return repeated, counts[repeated] - 1, 1
    cut = int(np.partition(counts[repeated], repeated.size - max_items - 1)[repeated.size - max_items - 1])
    positions = repeated[counts[repeated] > cut]
    return positions, counts[positions] - cut, cut
