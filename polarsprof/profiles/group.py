"""`GroupProfile`: figures of one group of values, such as numbers, in one column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from polarsprof.errors import argument_error
from polarsprof.kernels.batch import ColumnBatch
from polarsprof.kernels.murmur3 import hash_integers
from polarsprof.profiles.group_state import GroupState
from polarsprof.profiles.value_figures import ValueFigures
from polarsprof.sketches.distinct import Distinct, Estimate
from polarsprof.sketches.frequent import FrequentItem
from polarsprof.sketches.quantiles import Distribution

if TYPE_CHECKING:
    from polarsprof.kernels.batch import Item


class GroupProfile(GroupState, ValueFigures):
    """Figures of the values of one group in one column.

    Figures are None if there are no values, if the group does not have the statistic, or if the spec does not track
    it; counts are 0. Datetimes are rounded down to the microsecond; `min_ns` and `max_ns` are exact.
    """

    @property
    def _state(self) -> GroupProfile:
        return self

    @property
    def count(self) -> int:
        """Number of values, including NaN."""
        return self.counters["count"]

    @property
    def min_ns(self) -> int | None:
        """Smallest datetime, time or duration in exact nanoseconds; else None."""
        return None if self.extremes is None else self._ns(self.extremes.minimum)

    @property
    def max_ns(self) -> int | None:
        """Largest datetime, time or duration in exact nanoseconds; else None."""
        return None if self.extremes is None else self._ns(self.extremes.maximum)

    @property
    def skewness(self) -> float | None:
        """Skewness g1 of the finite values; None if they do not vary."""
        return None if self.moments is None else self.moments.skewness

    @property
    def kurtosis(self) -> float | None:
        """Excess kurtosis g2 of the finite values; None if they do not vary."""
        return None if self.moments is None else self.moments.kurtosis

    @property
    def distinct(self) -> Estimate | None:
        """Number of distinct values, with bounds two standard errors away.

        It is exact for booleans.
        """
        if self.name == "boolean":
            count = float(len(self._boolean_counts()))
            return Estimate(count, count, count) if count else None
        return None if self.distinct_sketch is None else self.distinct_sketch.estimate()

    @property
    def rank_error(self) -> float | None:
        """Rank error of a quantile at 99 % confidence; 0 while all values are stored."""
        return None if self.quantile_sketch is None else self.quantile_sketch.rank_error

    def distribution(self) -> Distribution | None:
        """Distinct values in order, as doubles, with their counts.

        The distribution is exact if the frequent items list every value; otherwise it comes from the quantile sketch.
        Numbers and days since 1970 are unchanged, other temporals are in microseconds. NaN is left out.

        Returns
        -------
        Distribution or None
            None if empty, and for groups other than numbers and temporals.
        """
        axis = self._group.axis
        if axis is None:
            return None
        if self.item_summary is None or self.item_summary.offset:
            return None if self.quantile_sketch is None else self.quantile_sketch.distribution()
        items = [item for item in self.item_summary.items() if item.value == item.value]
        places = [axis.place(item.value) for item in items if isinstance(item.value, int | float)]
        counts = np.array([item.lower for item in items], dtype=np.int64)
        return Distribution.of_counts(np.array(places, dtype=np.float64), counts) if items else None

    @property
    def unlisted_count(self) -> int | None:
        """Certain upper bound of the count of a value outside the frequent items.

        0 if every value is listed; None if the group has no frequent items.
        """
        if self.name == "boolean":
            return 0
        return None if self.item_summary is None else self.item_summary.offset

    def frequent_items(self, n: int = 10) -> list[FrequentItem]:
        """The `n` most frequent values, each with certain bounds.

        Long text is given as its start and a hash.
        """
        check_number(n)
        if self.name == "boolean":
            counts = sorted(self._boolean_counts().items(), key=lambda item: (-item[1], item[0]))
            return [FrequentItem(value, count, count, count) for value, count in counts[:n]]
        if self.item_summary is None:
            return []
        items, axis = self.item_summary.items()[:n], self._group.axis
        if axis is None:
            return items
        return [FrequentItem(axis.value(item.value), item.estimate, item.lower, item.upper) for item in items]

    def distinct_as_numbers(self) -> Distinct | None:
        """Sketch of the distinct values; booleans count as the numbers 0 and 1."""
        if self.name != "boolean" or not self._spec.distinct:
            return self.distinct_sketch
        sketch = Distinct(self._spec)
        values = np.array([int(value) for value in self._boolean_counts()], dtype=np.int64)
        sketch.update(ColumnBatch("", "boolean", hashes=hash_integers(values)))
        return sketch

    def _boolean_counts(self) -> dict[bool, int]:
        true = self.counters["true"]
        if self.counters["unexamined"]:
            return {}
        return {value: count for value, count in ((False, self.count - true), (True, true)) if count}

    def _ns(self, stored: Item | None) -> int | None:
        axis = self._group.axis
        return stored if axis is not None and axis.has_ns and isinstance(stored, int) else None


def check_number(n: object) -> None:
    """Raise `ArgumentError` unless `n` is a number of items."""
    if not isinstance(n, int) or n < 0:
        raise argument_error("n", n, "an integer from 0")
