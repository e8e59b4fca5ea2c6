"""How likely so large a difference is between two samples of one distribution, at the least that the sketches allow.

The figure of each test is taken at the end of its interval that speaks for no difference, so that neither the errors of
sketches nor chance raise an alarm. Several tests on one column are one: the smallest p-value times their number.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from polarsprof.analysis.drift import significance
from polarsprof.analysis.drift.distances import Cells, Masses, least_sum
from polarsprof.analysis.drift.probabilities import ordered_cells

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from polarsprof.analysis.drift.distances import Interval
    from polarsprof.sketches import Distribution

    Doubles = NDArray[np.float64]

# The chi-square distribution describes Pearson's statistic where so many values are expected in a cell (Cochran 1954).
_LEAST_EXPECTED: Final = 5
_CELLS_LOOKED_AT: Final = 3
_ROUNDING: Final = 1e-6


def of_ordered(ks: Interval, reference: Distribution, current: Distribution, cells: Cells, edges: Doubles) -> float:
    """Of ordered values: Kolmogorov-Smirnov, Pearson's chi-square over bins, and Fisher's test of single bins."""
    n, m = reference.n, current.n
    kept = edges[_edges_between_full(_expected(cells, n, m))]
    full = cells if kept.size == edges.size else ordered_cells(reference, current, kept)
    return _smallest(
        [significance.kolmogorov_smirnov(ks.lower, n, m), _homogeneity(full, n, m), _single_cells(cells, n, m)]
    )


def of_classes(cells: Cells, n: int, m: int) -> float:
    """Of classes: Pearson's chi-square, rare classes put together, and Fisher's test of single classes."""
    return _smallest([_homogeneity(_without_rare(cells, n, m), n, m), _single_cells(cells, n, m)])


def _smallest(p_values: list[float]) -> float:
    return min(1.0, len(p_values) * min(p_values))


def _expected(cells: Cells, n: int, m: int) -> Doubles:
    """Number of values expected in each cell of the smaller sample, if both are of one distribution."""
    pooled: Doubles = (n * cells.reference.share + m * cells.current.share) / (n + m)
    return pooled * min(n, m)


def _edges_between_full(expected: Doubles) -> NDArray[np.intp]:
    """The edges that leave enough on both sides, taken from the left; the last bin takes what is not enough."""
    kept, since = [], 0.0
    left = expected.sum()
    for position, count in enumerate(expected[:-1].tolist()):
        since += count
        left -= count
        if since >= _LEAST_EXPECTED and left >= _LEAST_EXPECTED:
            kept.append(position)
            since = 0.0
    return np.array(kept, dtype=np.intp)


def _without_rare(cells: Cells, n: int, m: int) -> Cells:
    expected = _expected(cells, n, m)
    rare = expected < _LEAST_EXPECTED
    if not rare.any():
        return cells
    if expected[rare].sum() < _LEAST_EXPECTED and not rare.all():
        rare[np.argmin(np.where(rare, np.inf, expected))] = True
    return Cells(_rare_as_one(cells.reference, rare), _rare_as_one(cells.current, rare))


def _rare_as_one(masses: Masses, rare: NDArray[np.bool_]) -> Masses:
    kept, one = masses.within(~rare), masses.within(rare).total()
    return Masses(*(np.append(part, more) for part, more in zip(kept, one, strict=True)))


def _homogeneity(cells: Cells, n: int, m: int) -> float:
    """Pearson's test whether two samples are of one distribution; both sizes known, the shares within bounds."""

    def term(p: Doubles, q: Doubles) -> Doubles:
        pooled = n * p + m * q
        return np.divide(n * m * (p - q) ** 2, pooled, out=np.zeros_like(pooled), where=pooled > 0)

    return significance.chi_square(least_sum(term, cells), cells.reference.share.size - 1)


def _single_cells(cells: Cells, n: int, m: int) -> float:
    """Fisher's test of the cells that look most different, as if all had been tested."""
    p, q = cells.reference, cells.current
    apart = np.maximum(p.lower - q.upper, q.lower - p.upper)
    pooled = n * p.share + m * q.share
    weight = np.divide(apart, np.sqrt(pooled), out=np.zeros_like(pooled), where=(pooled > 0) & (apart > 0))
    chosen = [cell for cell in np.argsort(-weight)[:_CELLS_LOOKED_AT].tolist() if apart[cell] > 0]
    return min(1.0, apart.size * min((_single(p, q, cell, n, m) for cell in chosen), default=1.0))


def _single(p: Masses, q: Masses, cell: int, n: int, m: int) -> float:
    """Fisher's test of one cell, at the counts that are closest to each other."""
    if p.upper[cell] < q.lower[cell]:
        x, y = math.ceil(n * p.upper[cell] - _ROUNDING), math.floor(m * q.lower[cell] + _ROUNDING)
    else:
        x, y = math.floor(n * p.lower[cell] + _ROUNDING), math.ceil(m * q.upper[cell] - _ROUNDING)
    return significance.two_shares(x, n, y, m)


def of_counts(reference: Iterable[int], current: Iterable[int]) -> float:
    """Of exact counts in the same classes."""
    x, y = np.array(list(reference), dtype=np.float64), np.array(list(current), dtype=np.float64)
    n, m = int(x.sum()), int(y.sum())
    return of_classes(Cells(_exact(x / n), _exact(y / m)), n, m)


def _exact(share: Doubles) -> Masses:
    return Masses(share, share, share)
