"""Whether a difference is beyond what chance explains between two samples of one distribution.

Every function gives a p-value that is exact or on the safe side for the samples that reach a threshold, without SciPy.
Imports nothing of the library.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_TERMS: Final = 20_000


def kolmogorov_smirnov(distance: float, n: int, m: int) -> float:
    """The chance of so large a distance between the distribution functions of two samples, at the most.

    Twice exp(-2 n m / (n + m) · D²), the two-sample form of the Dvoretzky-Kiefer-Wolfowitz inequality with Massart's
    constant. Source: Wei and Dudley, "Two-sample Dvoretzky-Kiefer-Wolfowitz inequalities", 2012; for samples below 458
    values it can be exceeded by a few percent of itself.
    """
    return min(1.0, 2 * math.exp(-2 * distance**2 * n * m / (n + m)))


def chi_square(statistic: float, degrees: int) -> float:
    """The chance of so large a value of the chi-square distribution; 1 for no degrees of freedom.

    The finite sums for even and for odd degrees of freedom. Source: Abramowitz and Stegun, 26.4.4 and 26.4.5.
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
    """The chance that two samples of one population differ so much in how many of their members have a property.

    Fisher's exact test, twice the smaller tail: x of n against y of m. Above 20,000 terms Pearson's statistic with
    Yates' correction stands for it.
    """
    if not n or not m:
        return 1.0
    if n < m:
        x, n, y, m = y, m, x, n
    having = x + y
    low, high = max(0, having - n), min(having, m)
    if high - low > _MOST_TERMS:
        return _yates(x, n, y, m)
    chances = _hypergeometric(low, high, having, n, m)
    at = y - low
    return min(1.0, 2 * float(min(chances[: at + 1].sum(), chances[at:].sum())))


def _hypergeometric(low: int, high: int, having: int, n: int, m: int) -> NDArray[np.float64]:
    """The chance that low … high of the m have the property, where `having` of all n + m have it."""
    k = np.arange(low, high, dtype=np.float64)
    steps = np.log(having - k) + np.log(m - k) - np.log(k + 1) - np.log(n - having + k + 1)
    logs = np.append(0.0, np.cumsum(steps))
    chances = np.exp(logs - logs.max())
    shares: NDArray[np.float64] = chances / chances.sum()
    return shares


def _yates(x: int, n: int, y: int, m: int) -> float:
    share = (x + y) / (n + m)
    off = max(0.0, abs(x / n - y / m) - (1 / n + 1 / m) / 2)
    variance = share * (1 - share) * (1 / n + 1 / m)
    return math.erfc(off / math.sqrt(2 * variance)) if variance else 1.0
