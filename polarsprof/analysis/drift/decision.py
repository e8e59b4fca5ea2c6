"""Decides whether a column has drifted, and why.

A figure counts only if it is above its threshold and neither the error of the sketches nor chance explains it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from polarsprof.analysis.drift import two_sample
from polarsprof.analysis.drift.distances import Interval
from polarsprof.analysis.drift.rules import METRICS
from polarsprof.analysis.drift.significance import two_shares

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from polarsprof.analysis.drift.comparison import Comparison, Side
    from polarsprof.analysis.drift.rules import Rules

# Bounds of distinct counts lie two standard errors away; 99 % of the true counts lie within 2.576.
_TO_99_PERCENT: Final = 2.576 / 2


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A metric above its threshold.

    Attributes
    ----------
    name, value
        Name and figure.
    threshold
        The threshold.
    unit
        Unit of both; empty if they have none.
    """

    name: str
    value: float
    threshold: float
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Changed:
    """A figure that differs between the two profiles.

    Attributes
    ----------
    name
        "null_share", "nan_share", "types" or "distinct".
    reference, current
        The figure of each profile: a share, the number of values by dtype group, or a count.
    """

    name: str
    reference: float | Mapping[str, int]
    current: float | Mapping[str, int]


Reason = Exceeded | Changed


def reasons(comparison: Comparison, reference: Side, current: Side, rules: Rules) -> list[Reason]:
    """All reasons why the column has drifted; empty if it has not."""
    nulls = (reference.null_count, reference.rows), (current.null_count, current.rows)
    nans = (reference.nan_count, reference.count), (current.nan_count, current.count)
    changes = (
        _share_change("null_share", *nulls, rules),
        _share_change("nan_share", *nans, rules),
        Changed("types", reference.types, current.types) if type_changed(reference, current, rules) else None,
        _distinct_change(reference, current, rules),
    )
    return [*_exceeded_metrics(comparison, rules), *(change for change in changes if change is not None)]


def _exceeded_metrics(comparison: Comparison, rules: Rules) -> Iterator[Exceeded]:
    """Metrics whose lower bounds exceed their thresholds, unless chance explains them."""
    if comparison.p_value is None or comparison.p_value > rules.alpha:
        return
    for name in METRICS:
        if name in comparison.metrics:
            figure, unit = comparison.metrics[name], ""
            if name == "wasserstein":
                if not 0 < comparison.scale < math.inf:
                    continue
                figure, unit = Interval(*(part / comparison.scale for part in figure)), "standard deviations"
            threshold = rules.thresholds[name]
            if threshold is not None and figure.lower > threshold:
                yield Exceeded(name, figure.value, threshold, unit)


def _share_change(name: str, reference: tuple[int, int], current: tuple[int, int], rules: Rules) -> Changed | None:
    (x, n), (y, m) = reference, current
    if not n or not m or not rules.exceeds(name, abs(x / n - y / m)):
        return None
    return Changed(name, x / n, y / m) if two_shares(x, n, y, m) <= rules.alpha else None


def type_changed(reference: Side, current: Side, rules: Rules) -> bool | None:
    """Returns whether the statistics groups of the values changed.

    None if one side has no values.
    """
    ours, theirs = reference.counts, current.counts
    if not reference.count or not current.count:
        return None
    names = list({**ours, **theirs})
    counts = [[groups.get(name, 0) for name in names] for groups in (ours, theirs)]
    shares = [np.array(part) / sum(part) for part in counts]
    if not rules.exceeds("types", float(np.abs(shares[0] - shares[1]).sum() / 2)):
        return False
    return not ours.keys() & theirs.keys() or two_sample.count_p_value(*counts) <= rules.alpha


def _distinct_change(reference: Side, current: Side, rules: Rules) -> Changed | None:
    """A change of the distinct count that the number of values does not explain.

    The expected distinct count of m values is at most that of n ≥ m values, and at least m / n of it, since it is a
    concave function of the number of values. Its variance is at most the count itself, since values that occurred
    crowd out others.
    """
    factor, one, other = rules.thresholds["distinct"], reference.distinct, current.distinct
    if factor is None or one is None or other is None:
        return None
    many, few = (reference, current) if reference.count >= current.count else (current, reference)
    low, high = _bounds(many)
    few_low, few_high = _bounds(few)
    low *= few.count / many.count
    is_more = few_low > factor * high and few_low - high > rules.deviations * math.sqrt(few_low + high)
    is_less = low > factor * few_high and low - few_high > rules.deviations * math.sqrt(low + few_high)
    return Changed("distinct", one.estimate, other.estimate) if is_more or is_less else None


def _bounds(one: Side) -> tuple[float, float]:
    """Bounds of the distinct count at 99 % confidence."""
    distinct = one.distinct
    if distinct is None:
        return 0.0, math.inf
    return (
        distinct.estimate - _TO_99_PERCENT * (distinct.estimate - distinct.lower),
        distinct.estimate + _TO_99_PERCENT * (distinct.upper - distinct.estimate),
    )
