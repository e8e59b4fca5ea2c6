"""Rules of drift: a threshold per figure, and a level of significance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

from polarsprof.errors import argument_error

METRICS: Final = (
    "ks",
    "psi",
    "jensen_shannon",
    "hellinger",
    "wasserstein",
    "total_variation",
    "chi_square",
    "linf",
)

# For a normal distribution, a shift by a quarter to a half of the standard deviation reaches any of the thresholds for
# ordered values.
THRESHOLDS: Final[Mapping[str, float]] = {
    "ks": 0.1,
    "psi": 0.2,
    "jensen_shannon": 0.15,
    "hellinger": 0.15,
    "wasserstein": 0.3,
    "total_variation": 0.15,
    "chi_square": 0.05,
    "linf": 0.1,
    "null_share": 0.05,
    "nan_share": 0.05,
    "types": 0.05,
    "distinct": 2.0,
}


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one comparison.

    Attributes
    ----------
    thresholds
        Figure → threshold; None for a figure that cannot cause drift.
    alpha
        Level of significance in (0, 1).
    """

    thresholds: Mapping[str, float | None]
    alpha: float

    def exceeds(self, name: str, value: float) -> bool:
        """Returns whether a figure has a threshold and is above it."""
        threshold = self.thresholds[name]
        return threshold is not None and value > threshold

    @property
    def deviations(self) -> float:
        """Standard deviations, to either side, within which chance explains a difference."""
        return NormalDist().inv_cdf(1 - self.alpha / 2)


def rules(thresholds: Mapping[str, float | None] | None, alpha: float) -> Rules:
    """The default thresholds, overridden by those given.

    Raises
    ------
    ArgumentError
        If a name is unknown, a threshold is no number in range, or `alpha` is not between 0 and 1.
    """
    if thresholds is not None and not isinstance(thresholds, Mapping):
        raise argument_error("thresholds", thresholds, "a mapping of the name of a figure to a number or None")
    for name, value in (thresholds or {}).items():
        _check_threshold(name, value)
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 < alpha < 1:
        raise argument_error("alpha", alpha, "a number between 0 and 1")
    return Rules({**THRESHOLDS, **(thresholds or {})}, float(alpha))


def _check_threshold(name: object, value: object) -> None:
    if name not in THRESHOLDS:
        raise argument_error("thresholds", name, f"names of {', '.join(THRESHOLDS)}")
    if value is None:
        return
    minimum = 1 if name == "distinct" else 0
    if isinstance(value, bool) or not isinstance(value, int | float) or not minimum <= value < math.inf:
        raise argument_error("thresholds", {name: value}, f"numbers from {minimum} on, or None")
