"""p-values: how likely chance alone explains a difference between two samples.

Every p-value is exact or conservative for samples large enough to reach a threshold. Needs no SciPy, and imports no
other module of the library.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_TERMS: Final = 20_000


def kolmogorov_smirnov(distance: float, n: int, m: int) -> float:
    """Upper bound of the p-value of a distance between two distribution functions.

    The bound is 2 exp(-2 n m / (n + m) · D²): the two-sample form of the Dvoretzky-Kiefer-Wolfowitz inequality with
    Massart's constant. Source: Wei and Dudley, "Two-sample Dvoretzky-Kiefer-Wolfowitz inequalities", 2012. For samples
    below 458 values the true p-value can exceed it by a few percent of itself.
    """
    return min(1.0, 2 * math.exp(-2 * distance**2 * n * m / (n + m)))


def chi_square(statistic: float, degrees: int) -> float:
    """The p-value of a chi-square statistic; 1 for no degrees of freedom.

    Uses the finite sums for even and for odd degrees of freedom. Source: Abramowitz and Stegun, 26.4.4 and 26.4.5.
    """
    half = statistic / 2
    if degrees < 1 or half <= 0:
        return 1.0
    if math.isinf(half):
        return 0.0
    first = 0.5 if degrees % 2 else 0.0
    powers = first + np.arange(math.ceil(degrees / 2 - first))
    logs = powers * math.log(half) - half - np.array([math.lgamma(power + 1) for power in powers])
    return min(1.0, float(np.exp(logs).sum()) + (math.erfc(math.sqrt(half)) if degrees % 2 else 0.0))


def two_shares(x: int, n: int, y: int, m: int) -> float:
    """The p-value of a difference between two shares, x of n and y of m.

    Fisher's exact test, as twice the smaller tail. Above 20,000 terms, Pearson's statistic with Yates' correction
    replaces it.
    """
    if not n or not m:
        return 1.0
    if n < m:
        x, n, y, m = y, m, x, n
    positives = x + y
    low, high = max(0, positives - n), min(positives, m)
    if high - low > _MAX_TERMS:
        return _yates(x, n, y, m)
    probabilities = _hypergeometric(low, high, positives, n, m)
    at = y - low
    return min(1.0, 2 * float(min(probabilities[: at + 1].sum(), probabilities[at:].sum())))


def _hypergeometric(low: int, high: int, positives: int, n: int, m: int) -> NDArray[np.float64]:
    """Probabilities of low … high positives in the m, if all n + m have `positives`."""
    k = np.arange(low, high, dtype=np.float64)
    steps = np.log(positives - k) + np.log(m - k) - np.log(k + 1) - np.log(n - positives + k + 1)
    logs = np.append(0.0, np.cumsum(steps))
    weights = np.exp(logs - logs.max())
    probabilities: NDArray[np.float64] = weights / weights.sum()
    return probabilities


def _yates(x: int, n: int, y: int, m: int) -> float:
    share = (x + y) / (n + m)
    difference = max(0.0, abs(x / n - y / m) - (1 / n + 1 / m) / 2)
    variance = share * (1 - share) * (1 / n + 1 / m)
    return math.erfc(difference / math.sqrt(2 * variance)) if variance else 1.0
