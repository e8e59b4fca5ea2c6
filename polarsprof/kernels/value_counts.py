"""Group counts: the distinct values of a piece and how often each came, and the rows that may be frequent.

How a piece is counted is chosen in `looks_repetitive`. What the choice weighs, in nanoseconds per value of pieces of
262,144 on one core of an x86-64 server, for doubles / strings of 7 bytes / strings of 20 bytes:

| way | 1,000 distinct values | a quarter distinct | all distinct |
|---|---|---|---|
| counts of all values; all figures from the groups | 18 / 21 / 37 | 25 / 77 / 157 | 81 / 226 / 243 |
| hashes of all, exact counts in crowded buckets; the rest from rows | 62 / 83 / 78 | 26 / 67 / 74 | 20 / 42 / 50 |

Numbers within a range no wider than the piece is long are counted by their distance from the smallest, at 6. Other
numbers, and texts up to 12 bytes of large pieces with many distinct ones, get slots by a multiplicative hash; all other
texts go through the hash table of Polars.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from polarsprof.kernels.dtypes import are_inline, text_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SAMPLE: Final = 1_024
_SMALL: Final = 4_096  # below it every way is quick, and Polars' own needs no guess
_MOST_SLOT_BITS: Final = 16
# Of fewer texts, or of few that are distinct, Polars' own counts are the quicker ones, by up to three times.
_LARGE: Final = 65_536
_FEW: Final = 64
_MOST_SPREAD: Final = 65_536
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)  # 2^64 divided by the golden ratio, made odd
_CROWDED: Final = 16  # rows; of a piece of spread values a bucket holds that many once in thousands of pieces


@dataclass(frozen=True, slots=True)
class Groups:
    """Distinct values, int64 or float64, and the number of times each came."""

    values: NDArray[Any]
    counts: NDArray[np.int64]

    @property
    def total(self) -> int:
        """Number of values counted."""
        return int(self.counts.sum())


def looks_repetitive(values: pl.Series) -> bool:
    """Whether one in 64 of a sample came before in it, as where fewer than one in four values are distinct.

    The sample is of neighbours, so that runs show. A guess that is wrong costs time, never a figure.
    """
    if len(values) < _SMALL:
        return True
    starts = np.arange(0, len(values) - 1, 2 * len(values) // _SAMPLE, dtype=np.uint32)
    sample = values[pl.Series(np.concatenate([starts, starts + np.uint32(1)]))].to_list()
    return len(sample) - len(set(sample)) >= len(sample) >> 6


def number_groups(numbers: NDArray[Any]) -> Groups:
    """The groups of int64 or float64 values; -0.0 counts as 0.0."""
    if numbers.dtype == np.float64:
        numbers = numbers + 0.0
        numbers[np.isnan(numbers)] = np.nan  # one pattern of bits for all of them
        return _slotted_groups(numbers)
    low, high = int(numbers.min()), int(numbers.max())
    if high - low <= numbers.size:
        counts = np.bincount(numbers - low)
        found = np.flatnonzero(counts != 0)
        return Groups(found + low, counts[found])
    return _slotted_groups(numbers)


def _slotted_groups(numbers: NDArray[Any]) -> Groups:
    """Each value has a slot; those whose slot another one took, few unless most are distinct, are sorted.

    The order of the groups is that of the data, so that sums of floats are the same to the last digit in each run.
    """
    slots, size = _slots(numbers.view(np.uint64))
    holders = np.zeros(size, dtype=np.uint64)
    holders[slots] = numbers.view(np.uint64)
    others = np.flatnonzero(holders.take(slots) != numbers.view(np.uint64))
    taken, counts = _held(slots, others, size)
    held = holders[taken].view(numbers.dtype)
    if not others.size:
        return Groups(held, counts)
    rest, more = np.unique(numbers[others], return_counts=True)
    return Groups(np.concatenate([held, rest]), np.concatenate([counts, more]))


def text_groups(values: pl.Series) -> tuple[pl.Series, NDArray[np.int64]]:
    """The distinct values of String or Binary ones in one chunk, and their counts.

    Short ones are compared as the two words of their views, each with the one that holds its slot, see
    `_slotted_groups`.
    """
    if len(values) < _LARGE or values.head(_SAMPLE).n_unique() <= _FEW:
        return counted(values)
    words = text_words(values)
    if not are_inline(words):
        return counted(values)
    low, high = words.T
    slots, size = _slots(low ^ (high * _GOLDEN))
    holders = np.zeros(size, dtype=np.intp)
    holders[slots] = np.arange(slots.size)
    others = np.flatnonzero((low[holders].take(slots) != low) | (high[holders].take(slots) != high))
    taken, counts = _held(slots, others, size)
    distinct = values[holders[taken]]
    if not others.size:
        return distinct, counts
    rest, more = counted(values[others])
    return distinct.append(rest).rechunk(), np.concatenate([counts, more])


def _slots(words: NDArray[np.uint64]) -> tuple[NDArray[np.intp], int]:
    """A slot for each word by a multiplicative hash, and how many there are (Knuth, TAOCP, 6.4)."""
    bits = _slot_bits(words.size)
    slots = words * _GOLDEN
    slots >>= np.uint64(64 - bits)
    return slots.view(np.intp), 1 << bits


def _held(slots: NDArray[np.intp], others: NDArray[np.intp], size: int) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """The slots with a holder, and how often each holder came: all rows of the slot but the others."""
    counts = np.bincount(slots, minlength=size) - np.bincount(slots[others], minlength=size)
    taken = np.flatnonzero(counts != 0)
    return taken, counts[taken]


def _slot_bits(size: int) -> int:
    return min(size.bit_length(), _MOST_SLOT_BITS)


def merged_groups(numbers: NDArray[np.int64], counts: NDArray[np.int64]) -> Groups:
    """Groups of integers from 0 on that may repeat, each standing for a count."""
    if numbers.max() < _MOST_SPREAD:
        sums = np.bincount(numbers, weights=counts).astype(np.int64)  # of at most 2^53, which a double holds
        distinct = np.flatnonzero(sums)
        return Groups(distinct, sums[distinct])
    distinct, positions = np.unique(numbers, return_inverse=True)
    sums = np.zeros(distinct.size, dtype=np.int64)
    np.add.at(sums, positions, counts)
    return Groups(distinct, sums)


def counted(values: pl.Series) -> tuple[pl.Series, NDArray[np.int64]]:
    """The distinct values of any dtype, and their counts."""
    found = values.alias("v").value_counts(name="n")
    return found["v"], found["n"].cast(pl.Int64).to_numpy()


def crowded_rows(marks: NDArray[np.uint64], max_items: int) -> tuple[NDArray[np.intp], int]:
    """Positions of the rows that share the low bits of their hash with many others, and how often others may come.

    A value that came oftener is there with all its rows, so that counting those alone counts it exactly. What is missed
    is less than what keeping `max_items` values may miss anyway.
    """
    missed = min(_CROWDED - 1, marks.size // (max_items + 1))
    buckets = (marks & np.uint64((1 << _slot_bits(marks.size)) - 1)).view(np.intp)
    sizes = np.bincount(buckets)
    if sizes.max() <= missed:
        return np.empty(0, dtype=np.intp), missed
    return np.flatnonzero(sizes[buckets] > missed), missed


def frequent(counts: NDArray[np.int64], max_items: int) -> tuple[NDArray[np.intp], NDArray[np.int64], int]:
    """Positions of the groups that may be frequent, their weights, and what any other may weigh (Misra-Gries)."""
    if counts.size <= max_items:
        return np.arange(counts.size), counts, 0
    repeated = np.flatnonzero(counts > 1)
    if repeated.size <= max_items:  # so the first group left out came once
        return repeated, counts[repeated] - 1, 1
    cut = int(np.partition(counts[repeated], repeated.size - max_items - 1)[repeated.size - max_items - 1])
    kept = repeated[counts[repeated] > cut]
    return kept, counts[kept] - cut, cut
