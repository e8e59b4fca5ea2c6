"""Two-sample tests: p-values of a difference between two sketches.

Each test uses the bound of its figure that is closest to no difference. So neither the error of the sketches nor
chance raises an alarm. Several tests of one column count as one: the smallest p-value times their number.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from polarsprof.analysis.drift import significance
from polarsprof.analysis.drift.distances import Cells, Probabilities, minimum_sum
from polarsprof.analysis.drift.probabilities import ordered_cells

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from polarsprof.analysis.drift.distances import Interval
    from polarsprof.sketches.quantiles import Distribution

    Doubles = NDArray[np.float64]

# Pearson's statistic follows the chi-square distribution if each cell expects this many values (Cochran 1954).
_MIN_EXPECTED: Final = 5
_MAX_TESTED_CELLS: Final = 3
_ROUNDING: Final = 1e-6


def ordered_p_value(
    ks: Interval, reference: Distribution, current: Distribution, cells: Cells, edges: Doubles
) -> float:
    """The p-value for ordered values.

    Combines Kolmogorov-Smirnov, Pearson's chi-square over bins, and Fisher's test of single bins.
    """
    n, m = reference.n, current.n
    inner_edges = edges[_edges_between_full_bins(_expected_counts(cells, n, m))]
    full = cells if inner_edges.size == edges.size else ordered_cells(reference, current, inner_edges)
    return _smallest(
        [significance.kolmogorov_smirnov(ks.lower, n, m), _homogeneity(full, n, m), _single_cells(cells, n, m)]
    )


def class_p_value(cells: Cells, n: int, m: int) -> float:
    """The p-value for classes of n and m values.

    Combines Pearson's chi-square, with rare classes joined, and Fisher's test of single classes.
    """
    return _smallest([_homogeneity(_join_rare_cells(cells, n, m), n, m), _single_cells(cells, n, m)])


def count_p_value(reference: Iterable[int], current: Iterable[int]) -> float:
    """The p-value for exact counts in the same classes."""
    x, y = np.array(list(reference), dtype=np.float64), np.array(list(current), dtype=np.float64)
    n, m = int(x.sum()), int(y.sum())
    return class_p_value(Cells(_exact(x / n), _exact(y / m)), n, m)


def _exact(share: Doubles) -> Probabilities:
    return Probabilities(share, share, share)


def _smallest(p_values: list[float]) -> float:
    return min(1.0, len(p_values) * min(p_values))


def _expected_counts(cells: Cells, n: int, m: int) -> Doubles:
    """Expected values per cell of the smaller sample, if both have one distribution."""
    pooled: Doubles = (n * cells.reference.share + m * cells.current.share) / (n + m)
    return pooled * min(n, m)


def _edges_between_full_bins(expected: Doubles) -> NDArray[np.intp]:
    """Edges with enough expected values in every bin between them.

    Bins are filled from the left; the last bin takes the remainder.
    """
    edges, count_in_bin = [], 0.0
    remaining = expected.sum()
    for position, count in enumerate(expected[:-1].tolist()):
        count_in_bin += count
        remaining -= count
        if count_in_bin >= _MIN_EXPECTED and remaining >= _MIN_EXPECTED:
            edges.append(position)
            count_in_bin = 0.0
    return np.array(edges, dtype=np.intp)


def _join_rare_cells(cells: Cells, n: int, m: int) -> Cells:
    expected = _expected_counts(cells, n, m)
    rare = expected < _MIN_EXPECTED
    if not rare.any():
        return cells
    if expected[rare].sum() < _MIN_EXPECTED and not rare.all():
        rare[np.argmin(np.where(rare, np.inf, expected))] = True
    return Cells(_joined(cells.reference, rare), _joined(cells.current, rare))


def _joined(probabilities: Probabilities, rare: NDArray[np.bool_]) -> Probabilities:
    frequent, one = probabilities.select(~rare), probabilities.select(rare).total()
    return Probabilities(*(np.append(part, more) for part, more in zip(frequent, one, strict=True)))


def _homogeneity(cells: Cells, n: int, m: int) -> float:
    """The p-value of Pearson's test of homogeneity, with shares known within bounds."""

    def term(p: Doubles, q: Doubles) -> Doubles:
        pooled = n * p + m * q
        return np.divide(n * m * (p - q) ** 2, pooled, out=np.zeros_like(pooled), where=pooled > 0)

    return significance.chi_square(minimum_sum(term, cells), cells.reference.share.size - 1)


def _single_cells(cells: Cells, n: int, m: int) -> float:
    """The p-value of Fisher's test of the most different cells.

    It is corrected for all cells, as if each was tested.
    """
    p, q = cells.reference, cells.current
    gap = np.maximum(p.lower - q.upper, q.lower - p.upper)
    pooled = n * p.share + m * q.share
    weight = np.divide(gap, np.sqrt(pooled), out=np.zeros_like(pooled), where=(pooled > 0) & (gap > 0))
    candidates = [cell for cell in np.argsort(-weight)[:_MAX_TESTED_CELLS].tolist() if gap[cell] > 0]
    return min(1.0, gap.size * min((_single_cell(p, q, cell, n, m) for cell in candidates), default=1.0))


def _single_cell(p: Probabilities, q: Probabilities, cell: int, n: int, m: int) -> float:
    """The p-value of Fisher's test of one cell, at the counts closest to each other."""
    if p.upper[cell] < q.lower[cell]:
        x, y = math.ceil(n * p.upper[cell] - _ROUNDING), math.floor(m * q.lower[cell] + _ROUNDING)
    else:
        x, y = math.floor(n * p.lower[cell] + _ROUNDING), math.ceil(m * q.upper[cell] - _ROUNDING)
    return significance.two_shares(x, n, y, m)
