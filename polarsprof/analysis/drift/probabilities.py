"""What two sketches know of two distributions, cut into the same cells: shares with the bounds they leave open.

Ordered values come from a `Distribution`: the mass of any interval is off by its `error` at the most, at 99 %
confidence, and where all values are known by nothing. Classes come from frequent items, whose bounds are certain.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from polarsprof.analysis.drift.distances import Cells, Curves, Masses

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from polarsprof.profiles.group import GroupProfile
    from polarsprof.sketches import Distribution, FrequentItem

    Doubles = NDArray[np.float64]

_MOST_BINS: Final = 10
# Values that each bin holds on average, at the least, in the smaller of the two samples.
_LEAST_IN_BIN: Final = 5
# Where not every value is listed, rarer values than this are put together in one class.
_LEAST_SHARE: Final = 0.01
_ALL: Final = 1 << 30


def curves(reference: Distribution, current: Distribution) -> Curves:
    """Both distribution functions at every point where one of them may rise."""
    ends = [reference.minimum, reference.maximum, current.minimum, current.maximum]
    points = np.unique(np.concatenate([reference.values, current.values, ends]))
    return Curves(points, _shares_upto(reference, points), _shares_upto(current, points))


def _shares_upto(of: Distribution, points: Doubles) -> Masses:
    """The share at or below each point: nothing below the minimum, all from the maximum on, for certain."""
    counts = np.append(0, np.cumsum(of.weights))[np.searchsorted(of.values, points, "right")]
    share = np.where(points >= of.maximum, 1.0, counts / of.n)
    certain = (points < of.minimum) | (points >= of.maximum)
    error = np.where(certain, 0.0, of.error)
    return Masses(share, np.maximum(share - error, 0), np.minimum(share + error, 1))


def edges_of_bins(reference: Distribution, current: Distribution) -> Doubles:
    """The inner edges of bins by quantiles of the reference; a bin has its upper edge in it.

    Ten bins, fewer where one of the samples has less than fifty values: at least five to a bin. A value that fills more
    than one bin gets a bin of its own. The first and the last bin have no end.
    """
    bins = max(2, min(_MOST_BINS, min(reference.n, current.n) // _LEAST_IN_BIN))
    ranks = np.arange(1, bins) / bins
    upto = np.cumsum(reference.weights) / reference.n
    positions = np.searchsorted(upto, ranks - 1e-12)
    quantiles, times = np.unique(reference.values[positions], return_counts=True)
    weights = reference.weights[np.searchsorted(reference.values, quantiles)]
    alone = quantiles[(times > 1) | (weights * bins >= reference.n)]
    edges = np.union1d(quantiles, np.nextafter(alone, -np.inf))
    finite: Doubles = edges[np.isfinite(edges)]
    return finite


def ordered_cells(reference: Distribution, current: Distribution, edges: Doubles) -> Cells:
    """The masses of the bins between inner edges, and of all runs of them."""
    runs = _runs(reference, edges), _runs(current, edges)
    bins = np.arange(edges.size + 1)
    single = [Masses(*(part[bins, bins + 1] for part in masses)) for masses in runs]
    return Cells(single[0], single[1], runs)


def _runs(of: Distribution, edges: Doubles) -> Masses:
    share, lower, upper = (np.concatenate([[0.0], part, [1.0]]) for part in _shares_upto(of, edges))
    mass = share[np.newaxis, :] - share[:, np.newaxis]
    least = np.maximum(mass - of.error, lower[np.newaxis, :] - upper[:, np.newaxis])
    most = np.minimum(mass + of.error, upper[np.newaxis, :] - lower[:, np.newaxis])
    return Masses(np.maximum(mass, 0), np.maximum(least, 0), np.clip(most, 0, 1))


@dataclass(frozen=True, slots=True)
class Classes:
    """Cells without order: a class a value, and a last one for all that are not listed.

    Attributes
    ----------
    cells
        The masses of the classes.
    sizes
        Number of values on both sides.
    covered
        The share of the values in classes that say something: the share that would come again in another sample where
        every value is listed, else the share of those listed; of the two sides the smaller one.
    new, lost
        Values that came in the current profile and for certain not in the reference, and the reverse, the most frequent
        first.
    """

    cells: Cells
    sizes: tuple[int, int]
    covered: float
    new: list[Any]
    lost: list[Any]


@dataclass(frozen=True, slots=True)
class _Listed:
    """The items of one group by value, without NaN; how many values it has; how often one not listed may have come."""

    items: dict[Any, FrequentItem]
    size: int
    absent: int

    @property
    def repeated(self) -> float:
        """Turing's estimate of the chance that another value is one that was seen."""
        return 1 - sum(item.lower == 1 for item in self.items.values()) / self.size


def classes(reference: GroupProfile, current: GroupProfile) -> Classes | None:
    """The classes of two groups; None where one of them has no values, or no items that can be told apart."""
    mine, theirs = _listed(reference), _listed(current)
    if mine is None or theirs is None:
        return None
    complete = not mine.absent and not theirs.absent
    values = _values(mine, theirs, complete=complete)
    cells = Cells(_masses(mine, values), _masses(theirs, values))
    listed = 1 - float(max(cells.reference.share[-1], cells.current.share[-1]))
    covered = min(mine.repeated, theirs.repeated) if complete else listed
    return Classes(cells, (mine.size, theirs.size), covered, _certainly_new(theirs, mine), _certainly_new(mine, theirs))


def _listed(group: GroupProfile) -> _Listed | None:
    size, absent = group.count - group.counters["nan"], group.unlisted_count
    if absent is None or size < 1:
        return None
    items = [item for item in group.frequent_items(_ALL) if item.value == item.value]
    by_value = {item.value: item for item in items}
    # Times are shown to the microsecond, so two of them can look like one.
    return _Listed(by_value, size, absent) if len(by_value) == len(items) else None


def _values(one: _Listed, other: _Listed, *, complete: bool) -> list[Any]:
    """The values that get a class: all of them where none is missing, else those that are not rare in both together.

    In both together, because values chosen for how often they came on one side would make the sides look different.
    """
    counts = Counter({value: item.estimate for value, item in one.items.items()})
    counts.update({value: item.estimate for value, item in other.items.items()})
    least = 0 if complete else _LEAST_SHARE * (one.size + other.size)
    return [value for value, count in counts.items() if count >= least]


def _certainly_new(here: _Listed, there: _Listed) -> list[Any]:
    """Values that came here, and that are not listed there, where all that came are."""
    return [] if there.absent else [v for v, item in here.items.items() if item.lower and v not in there.items]


def _masses(listed: _Listed, values: Iterable[Any]) -> Masses:
    found = [listed.items.get(value) for value in values]
    share = np.array([0 if item is None else item.estimate for item in found], dtype=np.float64)
    lower = np.array([0 if item is None else item.lower for item in found], dtype=np.float64)
    upper = np.array([listed.absent if item is None else item.upper for item in found], dtype=np.float64)
    rest = [listed.size - part.sum() for part in (share, upper, lower)]
    parts = [
        np.clip(np.append(part, left) / listed.size, 0, 1)
        for part, left in zip((share, lower, upper), rest, strict=True)
    ]
    return Masses(parts[0] / parts[0].sum(), parts[1], parts[2])
