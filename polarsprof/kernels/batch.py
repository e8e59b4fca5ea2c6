"""The narrow waist: what sources hand to kernels (`TypedColumns`) and what kernels hand to sketches (`ColumnBatch`).

Plain data without behaviour, so that a new source or a new statistic touches one side only. Imports nothing above.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray


@dataclass(slots=True)
class TypedColumns:
    """The flat, typed columns of one micro-batch.

    A path may stand in several lists, and several times in `leaves`, once per dtype: a column of mixed types is one
    series per type. Nulls may stand in a series or be left out; both mean the same, because the nulls of a column are
    the rows it has no value in. A column of nothing but nulls stands in `leaves` all the same.

    Attributes
    ----------
    rows
        Number of rows in the batch that are profiled; rejected rows are not among them.
    leaves
        (path, series) of any dtype but List, Array, Struct and Object. The series' own name is ignored.
    lists
        (path, lengths) of list values: an Int64 series without nulls, one length per list. The elements of path `a`
        are the leaves of path `a[]`.
    structs
        path → number of mappings met there; their fields are columns `path.field`.
    integers
        path → integers that 128 bits do not hold, all within the range of a double.
    objects
        path → number of values that no dtype holds; they are counted and otherwise left alone.
    rejected
        reason → rows that were kept out.
    degraded
        reason → values that were changed or kept out of the figures they cannot join, such as text with lone
        surrogates.
    """

    rows: int
    leaves: list[tuple[str, pl.Series]] = field(default_factory=list)
    lists: list[tuple[str, pl.Series]] = field(default_factory=list)
    structs: Counter[str] = field(default_factory=Counter)
    integers: dict[str, list[int]] = field(default_factory=dict)
    objects: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    degraded: Counter[str] = field(default_factory=Counter)


# A distinct value as the sketches keep it: numbers by value, temporals as integers, text and bytes as they are.
Item = int | float | str | bytes


@dataclass(frozen=True, slots=True)
class EvenRanks:
    """Ordered values, or those at even ranks that stand for many.

    Attributes
    ----------
    level
        Each of `values` stands for 2^level values, each of `rest` for itself.
    values, rest
        float64 in ascending order, without NaN.
    minimum, maximum
        The extremes of all the values they stand for.
    """

    level: int
    values: NDArray[np.float64]
    rest: NDArray[np.float64]
    minimum: float
    maximum: float


@dataclass(slots=True)
class ColumnBatch:
    """What a kernel found in one column of one batch, for one statistics group.

    Only the fields that the group's statistics read are set; arrays are never views of user data.

    Attributes
    ----------
    group
        The statistics group, one of `polarsprof.profiles.value_groups.GROUPS`.
    counters
        name → count: `count` (values that are not null, NaN included) and those of `sketches.counters`.
    minimum, maximum
        Extremes over the values that are not NaN; None where there are none.
    integer_sum, float_sum
        The exact sum of the integral values; the sum of the finite fractional ones.
    moments
        (n, mean, m2, m3, m4) of the finite values, the last three as sums of powers of deviations from the mean.
    even_ranks
        What the quantile sketch takes in.
    hashes
        (h1, h2), the two uint64 halves of MurmurHash3 of every value that may be new; of h2 at least the leading one.
    items, weights
        Distinct values and the number of times each came, at least those that may be frequent.
    items_offset
        How often a value that is not among `items` may have come at the most.
    length
        The batch of the lengths of these values, group "number".
    """

    path: str
    group: str
    counters: dict[str, int] = field(default_factory=dict)
    minimum: Item | None = None
    maximum: Item | None = None
    integer_sum: int = 0
    float_sum: float = 0.0
    moments: tuple[int, float, float, float, float] = (0, 0.0, 0.0, 0.0, 0.0)
    even_ranks: EvenRanks | None = None
    hashes: tuple[NDArray[np.uint64], NDArray[np.uint64]] | None = None
    items: list[Item] = field(default_factory=list)
    weights: list[int] = field(default_factory=list)
    items_offset: int = 0
    length: ColumnBatch | None = None


class RowBatch(Protocol):
    """The rows of one micro-batch of a stream, before they are typed."""

    rows: int

    def times_us(self, path: str, unit: str | None) -> pl.Series:
        """Event times in microseconds, one per row, null where a row has no usable one."""

    def columns(self, positions: NDArray[np.intp] | None = None) -> TypedColumns:
        """The typed columns of the rows at the given positions; of all rows by default."""
