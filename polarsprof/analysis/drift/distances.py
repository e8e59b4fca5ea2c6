"""Distances between two distributions of which the masses are known within bounds: each between two bounds itself.

The bounds follow from those of the masses without further assumptions. Four steps, for the metrics that are sums over
cells of a convex f(p, q), which is 0 where p = q and grows with the distance of the two:

- In a box of masses f is largest at one of the two corners where p and q are furthest apart. The sum of these maxima is
  the upper bound.
- It is smallest where p and q are closest: 0 where their intervals overlap, else at the corner between them.
- Putting cells together never raises such a sum (the data processing inequality; Csiszár 1967). So any way to cut
  ordered cells into runs gives a lower bound, the sum of the smallest f of the runs. The mass of a run is as well known
  as that of a cell, so that long runs are the better the less is known. The best cut is found by dynamic programming.
- A root of a bound bounds the root. The total variation is also the sum of what p exceeds q by, and of what q exceeds p
  by, whichever bound is better: of one interval that makes the difference it counts the error once, not three times.

Pure numpy; imports nothing of the library.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]
    Term = Callable[[Doubles, Doubles], Doubles]

# PSI takes no share for less: an empty cell would make it infinite.
SMALLEST_SHARE: Final = 1e-4


class Interval(NamedTuple):
    """A figure, and the bounds that the sketches leave open."""

    value: float
    lower: float
    upper: float


class Masses(NamedTuple):
    """Shares of a distribution, and their bounds; arrays of one shape."""

    share: Doubles
    lower: Doubles
    upper: Doubles

    def within(self, keep: NDArray[np.bool_]) -> Masses:
        """Those of some cells."""
        return Masses(*(part[keep] for part in self))

    def total(self) -> Masses:
        """All put together, as one cell."""
        share, lower, upper = (part.sum(keepdims=True) for part in self)
        return Masses(share, np.minimum(lower, 1), np.minimum(upper, 1))

    def floored(self, cells: NDArray[np.intp] | int = 1) -> Masses:
        """What they are when each cell is raised to the smallest share; `cells` is how many stand in each mass."""
        least = SMALLEST_SHARE * cells
        rise = least - SMALLEST_SHARE
        return Masses(*(np.maximum(part, least) for part in (self.share, self.lower, self.upper + rise)))


@dataclass(frozen=True, slots=True)
class Cells:
    """The masses of two distributions in the same cells.

    Attributes
    ----------
    reference, current
        One mass per cell.
    runs
        Of ordered cells the masses of all runs, at [i, j] that of the cells i to j - 1; what stands at i ≥ j is not
        looked at. None where the cells have no order.
    """

    reference: Masses
    current: Masses
    runs: tuple[Masses, Masses] | None = None

    def floored(self) -> Cells:
        """The same with no cell below the smallest share."""
        return Cells(self.reference.floored(), self.current.floored(), self.runs and _floored_runs(*self.runs))


def _floored_runs(reference: Masses, current: Masses) -> tuple[Masses, Masses]:
    edges = np.arange(reference.share.shape[0])
    cells = np.maximum(edges - edges[:, np.newaxis], 1)
    return reference.floored(cells), current.floored(cells)


def _population_stability(p: Doubles, q: Doubles) -> Doubles:
    return (p - q) * np.log(p / q)


def _jensen_shannon(p: Doubles, q: Doubles) -> Doubles:
    middle = (p + q) / 2
    return (_part_of_entropy(p, middle) + _part_of_entropy(q, middle)) / 2


def _part_of_entropy(p: Doubles, middle: Doubles) -> Doubles:
    """The term p · log2(p / middle), 0 of nothing."""
    ratio = np.divide(p, middle, out=np.ones_like(middle), where=p > 0)
    return p * np.log2(ratio)


def _hellinger(p: Doubles, q: Doubles) -> Doubles:
    return (np.sqrt(p) - np.sqrt(q)) ** 2 / 2


def _total_variation(p: Doubles, q: Doubles) -> Doubles:
    return np.abs(p - q) / 2


def _excess(p: Doubles, q: Doubles) -> Doubles:
    return np.maximum(p - q, 0)


def _deficit(p: Doubles, q: Doubles) -> Doubles:
    return np.maximum(q - p, 0)


def _chi_square(p: Doubles, q: Doubles) -> Doubles:
    total = p + q
    return np.divide((p - q) ** 2, 2 * total, out=np.zeros_like(total), where=total > 0)


def _itself(value: float) -> float:
    return value


def _root(value: float) -> float:
    return math.sqrt(max(value, 0.0))


@dataclass(frozen=True, slots=True)
class _Divergence:
    """A sum over cells.

    Attributes
    ----------
    term
        What is summed.
    least
        Terms with the same sum, each of which bounds it from below.
    shown
        What becomes of the sum.
    largest
        The largest value there is.
    """

    term: Term
    least: tuple[Term, ...]
    shown: Callable[[float], float] = _itself
    largest: float = 1.0


_DIVERGENCES: Final[Mapping[str, _Divergence]] = {
    "psi": _Divergence(_population_stability, (_population_stability,), largest=math.inf),
    "jensen_shannon": _Divergence(_jensen_shannon, (_jensen_shannon,), _root),
    "hellinger": _Divergence(_hellinger, (_hellinger,), _root),
    "total_variation": _Divergence(_total_variation, (_excess, _deficit)),
    "chi_square": _Divergence(_chi_square, (_chi_square,)),
}


def divergences(cells: Cells) -> dict[str, Interval]:
    """Population stability index, Jensen-Shannon, Hellinger, total variation, chi-square and L∞ over the same cells."""
    floored = cells.floored()
    found = {name: _of(one, floored if name == "psi" else cells) for name, one in _DIVERGENCES.items()}
    return found | {"linf": _largest_difference(cells)}


def _of(one: _Divergence, cells: Cells) -> Interval:
    p, q = cells.reference, cells.current
    value = float(one.term(p.share, q.share).sum())
    lower = max(least_sum(term, cells) for term in one.least)
    upper = float(np.maximum(one.term(p.lower, q.upper), one.term(p.upper, q.lower)).sum())
    return interval(one.shown(value), one.shown(lower), min(one.shown(upper), one.largest))


def interval(value: float, lower: float, upper: float) -> Interval:
    """The figure between its bounds, which rounding may have put beside it."""
    return Interval(value, min(lower, value), max(upper, value))


def least_sum(term: Term, cells: Cells) -> float:
    """The least sum of a convex term that the bounds of the masses allow."""
    if cells.runs is None:
        return float(_least(term, cells.reference, cells.current).sum())
    return _best_cut(_least(term, *cells.runs))


def _least(term: Term, p: Masses, q: Masses) -> Doubles:
    """The term where the two masses are closest."""
    near_p = np.where(p.upper < q.lower, p.upper, np.maximum(p.lower, q.upper))
    near_q = np.where(p.upper < q.lower, q.lower, q.upper)
    apart = (p.upper < q.lower) | (q.upper < p.lower)
    return np.where(apart, term(near_p, near_q), 0.0)


def _best_cut(least: Doubles) -> float:
    """The largest sum over a way to cut the cells into runs, where the run of the cells i to j - 1 has [i, j]."""
    best = np.zeros(least.shape[0])
    for end in range(1, least.shape[0]):
        best[end] = (best[:end] + least[:end, end]).max()
    return float(best[-1])


def _largest_difference(cells: Cells) -> Interval:
    p, q = cells.reference, cells.current
    apart = np.maximum(p.lower - q.upper, q.lower - p.upper)
    most = np.maximum(p.upper - q.lower, q.upper - p.lower)
    value, lower, upper = (float(part.max(initial=0.0)) for part in (np.abs(p.share - q.share), apart, most))
    return interval(value, lower, min(upper, 1.0))


@dataclass(frozen=True, slots=True)
class Curves:
    """The distribution functions of two samples at the same points, between points constant.

    Attributes
    ----------
    points
        Ascending.
    reference, current
        The share at or below each point, with its bounds.
    """

    points: Doubles
    reference: Masses
    current: Masses


def kolmogorov_smirnov(curves: Curves) -> Interval:
    """The largest difference of the two functions."""
    value, lower, upper = _differences(curves)
    return interval(*(float(part.max(initial=0.0)) for part in (value, lower, upper)))


def wasserstein(curves: Curves) -> Interval | None:
    """The area between the two functions, in the unit of the points; None where it is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        widths = np.diff(curves.points)
        areas = [float((part[:-1] * widths).sum()) for part in _differences(curves)]
    return interval(*areas) if all(map(math.isfinite, areas)) else None


def _differences(curves: Curves) -> tuple[Doubles, Doubles, Doubles]:
    p, q = curves.reference, curves.current
    apart = np.maximum(0.0, np.maximum(p.lower - q.upper, q.lower - p.upper))
    most = np.maximum(p.upper - q.lower, q.upper - p.lower)
    return np.abs(p.share - q.share), apart, most
