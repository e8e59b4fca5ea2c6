"""Probabilities of two distributions over the same cells, from their sketches.

Ordered values come from a `Distribution`. The probability of any interval of values has an error of at most `error`, at
99 % confidence; the error is 0 if the sketch retains all values. Classes come from frequent items, whose bounds are
certain.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from polarsprof.analysis.drift.distances import Cells, Curves, Probabilities

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from numpy.typing import NDArray

    from polarsprof.profiles.group import GroupProfile
    from polarsprof.sketches.frequent import FrequentItem
    from polarsprof.sketches.quantiles import Distribution

    Doubles = NDArray[np.float64]

_MAX_BINS: Final = 10
# Mean number of values per bin of the smaller sample.
_MIN_VALUES_PER_BIN: Final = 5
# Rarer values share one class if some values are not listed.
_MIN_CLASS_SHARE: Final = 0.01
_ALL: Final = 1 << 30


def curves(reference: Distribution, current: Distribution) -> Curves:
    """Both distribution functions at every point where one of them can rise."""
    ends = [reference.minimum, reference.maximum, current.minimum, current.maximum]
    points = np.unique(np.concatenate([reference.values, current.values, ends]))
    return Curves(points, _cumulative(reference, points), _cumulative(current, points))


def _cumulative(distribution: Distribution, points: Doubles) -> Probabilities:
    """Probability at or below each point.

    It is certain below the minimum, where it is 0, and from the maximum on, where it is 1.
    """
    counts = np.append(0, np.cumsum(distribution.weights))[np.searchsorted(distribution.values, points, "right")]
    share = np.where(points >= distribution.maximum, 1.0, counts / distribution.n)
    certain = (points < distribution.minimum) | (points >= distribution.maximum)
    error = np.where(certain, 0.0, distribution.error)
    return Probabilities(share, np.maximum(share - error, 0), np.minimum(share + error, 1))


def edges_of_bins(reference: Distribution, current: Distribution) -> Doubles:
    """Inner edges of bins by quantiles of the reference.

    There are ten bins, and fewer if one of the samples has less than fifty values: at least five values to a bin. A bin
    contains its upper edge. A value that fills more than one bin has a bin of its own. The first and the last bin are
    unbounded.
    """
    bins = max(2, min(_MAX_BINS, min(reference.n, current.n) // _MIN_VALUES_PER_BIN))
    ranks = np.arange(1, bins) / bins
    cumulative = np.cumsum(reference.weights) / reference.n
    positions = np.searchsorted(cumulative, ranks - 1e-12)
    quantiles, times = np.unique(reference.values[positions], return_counts=True)
    weights = reference.weights[np.searchsorted(reference.values, quantiles)]
    alone = quantiles[(times > 1) | (weights * bins >= reference.n)]
    edges = np.union1d(quantiles, np.nextafter(alone, -np.inf))
    finite: Doubles = edges[np.isfinite(edges)]
    return finite


def ordered_cells(reference: Distribution, current: Distribution, edges: Doubles) -> Cells:
    """The bins between inner edges, and all runs of them."""
    runs = _runs(reference, edges), _runs(current, edges)
    bins = np.arange(edges.size + 1)
    single = [Probabilities(*(part[bins, bins + 1] for part in run)) for run in runs]
    return Cells(single[0], single[1], runs)


def _runs(distribution: Distribution, edges: Doubles) -> Probabilities:
    share, lower, upper = (np.concatenate([[0.0], part, [1.0]]) for part in _cumulative(distribution, edges))
    probability = share[np.newaxis, :] - share[:, np.newaxis]
    error = distribution.error
    minimum = np.maximum(probability - error, lower[np.newaxis, :] - upper[:, np.newaxis])
    maximum = np.minimum(probability + error, upper[np.newaxis, :] - lower[:, np.newaxis])
    return Probabilities(np.maximum(probability, 0), np.maximum(minimum, 0), np.clip(maximum, 0, 1))


@dataclass(frozen=True, slots=True)
class Classes:
    """Cells without order: one per value, and a last one for all unlisted values.

    Attributes
    ----------
    cells
        Probabilities of the classes.
    sizes
        Number of values of the reference and of the current profile.
    coverage
        Share of the values in informative classes, the smaller of both sides. If every value is listed, it estimates
        how many values of another sample repeat a listed one; otherwise it is the share of the listed values.
    new_values, lost_values
        Values of the current profile that are certainly not in the reference, and the reverse, most frequent first.
    """

    cells: Cells
    sizes: tuple[int, int]
    coverage: float
    new_values: list[Hashable]
    lost_values: list[Hashable]


@dataclass(frozen=True, slots=True)
class _ItemTable:
    """The frequent items of one group, without NaN.

    Attributes
    ----------
    items
        Value → frequent item.
    size
        Number of values of the group, without NaN.
    max_unlisted
        Upper bound of the count of a value that is not listed.
    """

    items: dict[Hashable, FrequentItem]
    size: int
    max_unlisted: int

    @property
    def repeat_share(self) -> float:
        """Turing's estimate of the probability that the next value is a known one."""
        return 1 - sum(item.lower == 1 for item in self.items.values()) / self.size


def classes(reference: GroupProfile, current: GroupProfile) -> Classes | None:
    """The classes of two groups.

    None if one of the groups has no values, or no items that can be told apart.
    """
    ours, theirs = _item_table(reference), _item_table(current)
    if ours is None or theirs is None:
        return None
    is_complete = not ours.max_unlisted and not theirs.max_unlisted
    values = _class_values(ours, theirs, is_complete=is_complete)
    cells = Cells(_probabilities(ours, values), _probabilities(theirs, values))
    listed_share = 1 - float(max(cells.reference.share[-1], cells.current.share[-1]))
    coverage = min(ours.repeat_share, theirs.repeat_share) if is_complete else listed_share
    return Classes(
        cells, (ours.size, theirs.size), coverage, _certainly_new(theirs, ours), _certainly_new(ours, theirs)
    )


def _item_table(group: GroupProfile) -> _ItemTable | None:
    size, max_unlisted = group.count - group.counters["nan"], group.unlisted_count
    if max_unlisted is None or size < 1:
        return None
    items = [item for item in group.frequent_items(_ALL) if item.value == item.value]
    by_value = {item.value: item for item in items}
    # Python shows times to the microsecond, so two times can be equal.
    return _ItemTable(by_value, size, max_unlisted) if len(by_value) == len(items) else None


def _class_values(one: _ItemTable, other: _ItemTable, *, is_complete: bool) -> list[Hashable]:
    """Values with a class of their own.

    These are all values if every value is listed, otherwise those that are frequent in both groups together. A choice
    by the counts of one side alone makes the sides look different.
    """
    counts = Counter({value: item.estimate for value, item in one.items.items()})
    counts.update({value: item.estimate for value, item in other.items.items()})
    minimum = 0 if is_complete else _MIN_CLASS_SHARE * (one.size + other.size)
    return [value for value, count in counts.items() if count >= minimum]


def _certainly_new(here: _ItemTable, there: _ItemTable) -> list[Hashable]:
    """Values that are certainly here and not there; empty if that is unknown."""
    if there.max_unlisted:
        return []
    return [value for value, item in here.items.items() if item.lower and value not in there.items]


def _probabilities(table: _ItemTable, values: Iterable[Hashable]) -> Probabilities:
    items = [table.items.get(value) for value in values]
    share = np.array([0 if item is None else item.estimate for item in items], dtype=np.float64)
    lower = np.array([0 if item is None else item.lower for item in items], dtype=np.float64)
    upper = np.array([table.max_unlisted if item is None else item.upper for item in items], dtype=np.float64)
    rest = [table.size - part.sum() for part in (share, upper, lower)]
    parts = [
        np.clip(np.append(part, remainder) / table.size, 0, 1)
        for part, remainder in zip((share, lower, upper), rest, strict=True)
    ]
    return Probabilities(parts[0] / parts[0].sum(), parts[1], parts[2])
