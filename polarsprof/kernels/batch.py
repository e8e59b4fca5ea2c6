"""Plain data between the stages, `TypedColumns` and `ColumnBatch`.

`TypedColumns` goes from ingest to kernels, `ColumnBatch` from kernels to sketches. The records have no behavior, so a
new source or a new statistic touches only one side. Imports nothing above.
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

    A path can be in several lists, and several times in `leaves`, once per dtype: a column of mixed types is one series
    per type. Nulls can be in a series or be left out; both mean the same, because the nulls of a column are the rows
    without a value. A column with only nulls is in `leaves` too.

    Attributes
    ----------
    rows
        Number of rows in the batch that are profiled, without rejected rows.
    leaves
        (path, series) of any dtype except List, Array, Struct and Object. The name of the series is ignored.
    lists
        (path, lengths) of list values: an Int64 series without nulls, one length per list. The elements of path `a`
        are the leaves of path `a[]`.
    structs
        Path → number of mappings; their fields are columns `path.field`.
    integers
        Path → integers beyond 128 bits, all within the range of a double.
    objects
        Path → number of values that no dtype holds; they are only counted.
    rejected
        Reason → number of rejected rows.
    degraded
        Reason → number of values that were changed, such as text with lone surrogates, or left out of figures.
    """

    rows: int
    leaves: list[tuple[str, pl.Series]] = field(default_factory=list)
    lists: list[tuple[str, pl.Series]] = field(default_factory=list)
    structs: Counter[str] = field(default_factory=Counter)
    integers: dict[str, list[int]] = field(default_factory=dict)
    objects: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    degraded: Counter[str] = field(default_factory=Counter)


# A distinct value in a sketch: numbers by value, temporals as integers, text and bytes unchanged.
Item = int | float | str | bytes


@dataclass(frozen=True, slots=True)
class EvenRanks:
    """Ordered values, or a sample at even ranks that represents them.

    Attributes
    ----------
    level
        Each of `values` represents 2^level values, each of `rest` one.
    values, rest
        float64 in ascending order, without NaN.
    minimum, maximum
        The extremes of all represented values.
    """

    level: int
    values: NDArray[np.float64]
    rest: NDArray[np.float64]
    minimum: float
    maximum: float


@dataclass(slots=True)
class ColumnBatch:
    """The figures of one column of one micro-batch, for one statistics group.

    Only the fields that the statistics of the group read are set; arrays are never views of user data.

    Attributes
    ----------
    group
        The statistics group, one of `polarsprof.profiles.value_groups.GROUPS`.
    counters
        Name → count: `count` (values that are not null, including NaN) and the counters of `sketches.counters`.
    minimum, maximum
        Extremes of the values that are not NaN; None if there are none.
    integer_sum, float_sum
        The exact sum of the integral values; the sum of the finite fractional ones.
    moments
        (n, mean, m2, m3, m4) of the finite values, the last three as sums of powers of deviations from the mean.
    even_ranks
        Input of the quantile sketch.
    hashes
        (h1, h2), the two uint64 halves of MurmurHash3 of every value that can be new; of h2 at least the leading one.
    items, weights
        Distinct values and their counts, at least for the values that can be frequent.
    items_offset
        Upper bound of the count of a value that is not in `items`.
    length
        The batch of the lengths of the values, in group "number".
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
        """Event times in microseconds, one per row; null if a row has no usable one."""

    def columns(self, positions: NDArray[np.intp] | None = None) -> TypedColumns:
        """The typed columns of the rows at the given positions; of all rows by default."""
