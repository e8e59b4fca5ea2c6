"""Distances between two distributions whose probabilities are known within bounds.

Each distance has a lower and an upper bound. They follow from the bounds of the probabilities alone, for metrics that
are sums over cells of a convex f(p, q). Such an f is 0 if p = q and grows with the distance between p and q.

- Within the bounds of a cell, f is largest at one of the two corners where p and q are furthest apart. The sum of these
  maxima is the upper bound.
- f is smallest where p and q are closest: 0 if their intervals overlap, otherwise at the corner between them.
- Joining cells never raises such a sum (the data processing inequality; Csiszár 1967). So every way to cut ordered
  cells into runs gives a lower bound: the sum of the smallest f of the runs. The probability of a run has the same
  error as that of a cell, so long runs give better bounds if the error is large. Dynamic programming finds the best
  cut.
- The root of a bound bounds the root. The total variation equals the sum of the excess of p over q, and the sum of the
  excess of q over p; the better bound counts. If one interval makes the difference, its error counts once instead of
  three times.

Pure numpy; imports no other module of the library.
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

# PSI raises smaller probabilities to this one: an empty cell makes it infinite otherwise.
PSI_FLOOR: Final = 1e-4


class Interval(NamedTuple):
    """A figure, and its bounds given the error of the sketches."""

    value: float
    lower: float
    upper: float


class Probabilities(NamedTuple):
    """Probabilities of cells with their bounds; three arrays of one shape."""

    share: Doubles
    lower: Doubles
    upper: Doubles

    def select(self, mask: NDArray[np.bool_]) -> Probabilities:
        """The probabilities of the cells in the mask."""
        return Probabilities(*(part[mask] for part in self))

    def total(self) -> Probabilities:
        """The probability of all cells joined into one."""
        share, lower, upper = (part.sum(keepdims=True) for part in self)
        return Probabilities(share, np.minimum(lower, 1), np.minimum(upper, 1))

    def with_floor(self, cells: NDArray[np.intp] | int = 1) -> Probabilities:
        """The probabilities after each cell is raised to the floor of PSI.

        `cells` is the number of cells that each probability covers.
        """
        floor = PSI_FLOOR * cells
        rise = floor - PSI_FLOOR
        return Probabilities(*(np.maximum(part, floor) for part in (self.share, self.lower, self.upper + rise)))


@dataclass(frozen=True, slots=True)
class Cells:
    """The probabilities of two distributions in the same cells.

    Attributes
    ----------
    reference, current
        One probability per cell.
    runs
        For ordered cells, the probabilities of all runs of cells: [i, j] is the run of cells i to j - 1, and entries
        with i ≥ j are ignored. None if the cells have no order.
    """

    reference: Probabilities
    current: Probabilities
    runs: tuple[Probabilities, Probabilities] | None = None

    def with_floor(self) -> Cells:
        """The same cells, each raised to the floor of PSI."""
        return Cells(self.reference.with_floor(), self.current.with_floor(), self.runs and _runs_with_floor(*self.runs))


def _runs_with_floor(reference: Probabilities, current: Probabilities) -> tuple[Probabilities, Probabilities]:
    edges = np.arange(reference.share.shape[0])
    cells = np.maximum(edges - edges[:, np.newaxis], 1)
    return reference.with_floor(cells), current.with_floor(cells)


def _population_stability(p: Doubles, q: Doubles) -> Doubles:
    return (p - q) * np.log(p / q)


def _jensen_shannon(p: Doubles, q: Doubles) -> Doubles:
    middle = (p + q) / 2
    return (_entropy_term(p, middle) + _entropy_term(q, middle)) / 2


def _entropy_term(p: Doubles, middle: Doubles) -> Doubles:
    """The term p · log2(p / middle); 0 if p is 0."""
    # The middle of a subnormal p and 0 rounds to 0.
    ratio = np.divide(p, middle, out=np.ones_like(middle), where=(p > 0) & (middle > 0))
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


def _identity(value: float) -> float:
    return value


def _root(value: float) -> float:
    return math.sqrt(max(value, 0.0))


@dataclass(frozen=True, slots=True)
class _Divergence:
    """A metric that is a function of a sum over cells.

    Attributes
    ----------
    term
        The summand of a cell.
    lower_terms
        Summands with the same sum; each gives a lower bound.
    transform
        Function from the sum to the metric.
    maximum
        Largest possible value of the metric.
    """

    term: Term
    lower_terms: tuple[Term, ...]
    transform: Callable[[float], float] = _identity
    maximum: float = 1.0


_DIVERGENCES: Final[Mapping[str, _Divergence]] = {
    "psi": _Divergence(_population_stability, (_population_stability,), maximum=math.inf),
    "jensen_shannon": _Divergence(_jensen_shannon, (_jensen_shannon,), _root),
    "hellinger": _Divergence(_hellinger, (_hellinger,), _root),
    "total_variation": _Divergence(_total_variation, (_excess, _deficit)),
    "chi_square": _Divergence(_chi_square, (_chi_square,)),
}


def divergences(cells: Cells) -> dict[str, Interval]:
    """The metrics over cells, by name.

    Population stability index, Jensen-Shannon, Hellinger, total variation, chi-square and L∞.
    """
    with_floor = cells.with_floor()
    metrics = {
        name: _divergence(divergence, with_floor if name == "psi" else cells)
        for name, divergence in _DIVERGENCES.items()
    }
    return metrics | {"linf": _largest_difference(cells)}


def _divergence(divergence: _Divergence, cells: Cells) -> Interval:
    p, q = cells.reference, cells.current
    value = float(divergence.term(p.share, q.share).sum())
    lower = max(minimum_sum(term, cells) for term in divergence.lower_terms)
    upper = float(np.maximum(divergence.term(p.lower, q.upper), divergence.term(p.upper, q.lower)).sum())
    metric = divergence.transform
    return interval(metric(value), metric(lower), min(metric(upper), divergence.maximum))


def interval(value: float, lower: float, upper: float) -> Interval:
    """An interval whose bounds are moved to the figure if rounding puts it outside."""
    return Interval(value, min(lower, value), max(upper, value))


def minimum_sum(term: Term, cells: Cells) -> float:
    """The smallest sum of a convex term within the bounds of the probabilities."""
    if cells.runs is None:
        return float(_minimum_terms(term, cells.reference, cells.current).sum())
    return _best_cut(_minimum_terms(term, *cells.runs))


def _minimum_terms(term: Term, p: Probabilities, q: Probabilities) -> Doubles:
    """The term of each cell where the two probabilities are closest."""
    near_p = np.where(p.upper < q.lower, p.upper, np.maximum(p.lower, q.upper))
    near_q = np.where(p.upper < q.lower, q.lower, q.upper)
    apart = (p.upper < q.lower) | (q.upper < p.lower)
    return np.where(apart, term(near_p, near_q), 0.0)


def _best_cut(terms: Doubles) -> float:
    """The largest sum over all ways to cut the cells into runs.

    The term of the run of cells i to j - 1 is at [i, j].
    """
    best = np.zeros(terms.shape[0])
    for end in range(1, terms.shape[0]):
        best[end] = (best[:end] + terms[:end, end]).max()
    return float(best[-1])


def _largest_difference(cells: Cells) -> Interval:
    p, q = cells.reference, cells.current
    closest = np.maximum(p.lower - q.upper, q.lower - p.upper)
    furthest = np.maximum(p.upper - q.lower, q.upper - p.lower)
    value, lower, upper = (float(part.max(initial=0.0)) for part in (np.abs(p.share - q.share), closest, furthest))
    return interval(value, lower, min(upper, 1.0))


@dataclass(frozen=True, slots=True)
class Curves:
    """The distribution functions of two samples at the same points.

    Attributes
    ----------
    points
        Values in ascending order. The functions are constant between them.
    reference, current
        Probability of a value at or below each point.
    """

    points: Doubles
    reference: Probabilities
    current: Probabilities


def kolmogorov_smirnov(curves: Curves) -> Interval:
    """The largest difference between the two functions."""
    value, lower, upper = _differences(curves)
    return interval(*(float(part.max(initial=0.0)) for part in (value, lower, upper)))


def wasserstein(curves: Curves) -> Interval | None:
    """The area between the two functions, in the unit of the points.

    None if the area is not finite.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        widths = np.diff(curves.points)
        areas = [float((part[:-1] * widths).sum()) for part in _differences(curves)]
    return interval(*areas) if all(map(math.isfinite, areas)) else None


def _differences(curves: Curves) -> tuple[Doubles, Doubles, Doubles]:
    p, q = curves.reference, curves.current
    closest = np.maximum(0.0, np.maximum(p.lower - q.upper, q.lower - p.upper))
    furthest = np.maximum(p.upper - q.lower, q.upper - p.lower)
    return np.abs(p.share - q.share), closest, furthest
