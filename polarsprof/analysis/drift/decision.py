"""Why a column has drifted: figures above their thresholds that neither sketches nor chance explain."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from polarsprof.analysis.drift import two_sample as chance
from polarsprof.analysis.drift.distances import Interval
from polarsprof.analysis.drift.rules import METRICS
from polarsprof.analysis.drift.significance import two_shares
from polarsprof.profiles import text

if TYPE_CHECKING:
    from polarsprof.analysis.drift.comparison import Found, Side
    from polarsprof.analysis.drift.rules import Rules

# Bounds of distinct counts lie two standard errors away; 99 % of the truths lie within 2.58.
_TO_99_PERCENT: Final = 2.576 / 2


def reasons(found: Found, reference: Side, current: Side, rules: Rules) -> list[str]:
    """All of them, one short phrase each; none where the column has not drifted."""
    nulls = (reference.null_count, reference.rows), (current.null_count, current.rows)
    nans = (reference.nan_count, reference.count), (current.nan_count, current.count)
    others = (
        _of_share("null_share", *nulls, rules),
        _of_share("nan_share", *nans, rules),
        f"types {reference.types} → {current.types}" if type_changed(reference, current, rules) else "",
        _of_distinct(reference, current, rules),
    )
    return [*_of_values(found, rules), *filter(None, others)]


def _of_values(found: Found, rules: Rules) -> list[str]:
    """The metrics that are above their thresholds whatever the sketches leave open, unless chance explains it."""
    if found.p_value is None or found.p_value > rules.alpha:
        return []
    named = ((name, found.metrics[name]) for name in METRICS if name in found.metrics)
    return [reason for name, figure in named if (reason := _reason(name, figure, found.scale, rules))]


def _reason(name: str, figure: Interval, scale: float, rules: Rules) -> str:
    unit = ""
    if name == "wasserstein":
        if not 0 < scale < math.inf:
            return ""
        figure, unit = Interval(*(part / scale for part in figure)), " standard deviations"
    if not rules.exceeds(name, figure.lower):
        return ""
    threshold = f"{rules.thresholds[name]:g}"
    short = f"{figure.value:.3g}"
    return f"{name} {short if short != threshold else f'{figure.value:g}'}{unit} above {threshold}"


def _of_share(name: str, reference: tuple[int, int], current: tuple[int, int], rules: Rules) -> str:
    (x, n), (y, m) = reference, current
    if not n or not m or not rules.exceeds(name, abs(x / n - y / m)):
        return ""
    return f"{name} {x / n:.3g} → {y / m:.3g}" if two_shares(x, n, y, m) <= rules.alpha else ""


def type_changed(reference: Side, current: Side, rules: Rules) -> bool | None:
    """Whether the statistics groups of the values changed; None where one side has no values."""
    mine, theirs = reference.counts, current.counts
    if not reference.count or not current.count:
        return None
    names = list({**mine, **theirs})
    counts = [[groups.get(name, 0) for name in names] for groups in (mine, theirs)]
    shares = [np.array(part) / sum(part) for part in counts]
    if not rules.exceeds("types", float(np.abs(shares[0] - shares[1]).sum() / 2)):
        return False
    return not mine.keys() & theirs.keys() or chance.of_counts(*counts) <= rules.alpha


def _of_distinct(reference: Side, current: Side, rules: Rules) -> str:
    """A change of the number of distinct values beyond what the number of values explains.

    The number expected of m values is at most that of n ≥ m, and at least m / n of it, since it is a concave function
    of the number of values; its variance is no more than itself, since values that are seen crowd others out.
    """
    factor, one, other = rules.thresholds["distinct"], reference.distinct, current.distinct
    if factor is None or one is None or other is None:
        return ""
    many, few = (reference, current) if reference.count >= current.count else (current, reference)
    low, high = _bounds(many)
    least, most = _bounds(few)
    low *= few.count / many.count
    more = least > factor * high and least - high > rules.deviations * math.sqrt(least + high)
    less = low > factor * most and low - most > rules.deviations * math.sqrt(low + most)
    return f"distinct {text.number(round(one.estimate))} → {text.number(round(other.estimate))}" if more or less else ""


def _bounds(one: Side) -> tuple[float, float]:
    """The bounds of the number of distinct values at 99 % confidence."""
    found = one.distinct
    if found is None:
        return 0.0, math.inf
    return (
        found.estimate - _TO_99_PERCENT * (found.estimate - found.lower),
        found.estimate + _TO_99_PERCENT * (found.upper - found.estimate),
    )
