"""Comparison of the values of two columns: metrics with bounds, and a p-value."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import numpy as np

from polarsprof.analysis.drift import two_sample
from polarsprof.analysis.drift.distances import Interval, divergences, kolmogorov_smirnov, wasserstein
from polarsprof.analysis.drift.probabilities import classes, curves, edges_of_bins, ordered_cells

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from polarsprof.analysis.drift.probabilities import Classes
    from polarsprof.profiles.column import ColumnProfile
    from polarsprof.profiles.group import GroupProfile
    from polarsprof.profiles.profile import Profile
    from polarsprof.sketches.distinct import Estimate
    from polarsprof.sketches.quantiles import Distribution

# Ordered values are compared value by value up to this many values, with this many rows each on average.
_MAX_CATEGORIES: Final = 50
_MIN_ROWS_PER_CATEGORY: Final = 5
# Classes that cover fewer values are not informative; the lengths of the values are.
_MIN_COVERAGE: Final = 0.1
# Statistics group → seconds per unit of its distribution; figures of other groups keep their unit.
_SECONDS: Final = {"datetime_utc": 1e-6, "datetime": 1e-6, "time": 1e-6, "duration": 1e-6, "date": 86_400.0}


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two profiles, seen for one column.

    All rows are nulls if the profile does not have the column.

    Attributes
    ----------
    name
        Name of the profile in reasons.
    rows, count, nan_count
        Number of rows, of values that are not null, of NaN.
    types
        Dtype group → number of values.
    distinct
        Number of distinct values.
    groups
        Statistics group → its statistics.
    is_missing
        Whether the profile does not have the column.
    is_event_time
        Whether its extremes are exactly the first and the last event time of the profile.
    """

    name: str
    rows: int
    count: int = 0
    nan_count: int = 0
    types: Mapping[str, int] = field(default_factory=dict)
    distinct: Estimate | None = None
    groups: Mapping[str, GroupProfile] = field(default_factory=dict)
    is_missing: bool = True
    is_event_time: bool = False

    @property
    def null_count(self) -> int:
        """Number of rows without a value."""
        return max(0, self.rows - self.count)

    @property
    def counts(self) -> dict[str, int]:
        """Statistics group → number of values."""
        return {name: group.count for name, group in self.groups.items()}

    @property
    def dtype_group(self) -> str:
        """The dtype group with the most values; "null" without values."""
        return max(self.types, key=lambda group: self.types[group], default="null")


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of a comparison of values; empty if they cannot be compared.

    Attributes
    ----------
    method
        "quantiles", "frequent_items" or "lengths".
    metrics
        Metric → figure with bounds, for the metrics that apply.
    p_value
        See `two_sample`.
    scale
        Standard deviation of the reference, in the unit of the Wasserstein distance; 0 for values without order.
    new_values, lost_values
        See `Classes`.
    skip_reason
        Why the values were not compared.
    """

    method: str | None = None
    metrics: dict[str, Interval] = field(default_factory=dict)
    p_value: float | None = None
    scale: float = 0.0
    new_values: list[Hashable] = field(default_factory=list)
    lost_values: list[Hashable] = field(default_factory=list)
    skip_reason: str = ""


def side(name: str, profile: Profile, columns: Mapping[str, ColumnProfile], path: str) -> Side:
    """The side of a profile; elements of lists without a column have no rows."""
    column = columns.get(path)
    if column is None:
        return Side(name, 0 if "[]" in path else profile.rows)
    return Side(
        name,
        rows=column.rows,
        count=column.count,
        nan_count=column.nan_count,
        types=column.types,
        distinct=column.distinct,
        groups={group: column.group(group) for group in column.groups},
        is_missing=False,
        is_event_time=_is_event_time(profile, column),
    )


def _is_event_time(profile: Profile, column: ColumnProfile) -> bool:
    ends = [end.replace(tzinfo=end.tzinfo or UTC) for end in (column.min, column.max) if isinstance(end, datetime)]
    return bool(ends) and ends == [profile.first_event, profile.last_event]


def compare(reference: Side, current: Side) -> Comparison:
    """Compare the values, if both sides have values of one statistics group."""
    name = _common_group(reference, current)
    if name is None or not reference.count or not current.count:
        return Comparison(skip_reason=_skip_reason(reference, current))
    if reference.is_event_time and current.is_event_time:
        return Comparison(skip_reason="not compared: the time of the events, which moves with the windows")
    return _compare_groups(reference.groups[name], current.groups[name])


def _skip_reason(reference: Side, current: Side) -> str:
    """Why two sides have no values of one statistics group."""
    sides = reference, current
    reasons = [
        *(f"no rows in the {one.name}" for one in sides if not one.rows),
        *(f"not in the {one.name}" for one in sides if one.is_missing),
        *(f"no values in the {one.name}" for one in sides if not one.count),
    ]
    return reasons[0] if reasons else "no type in common"


def _common_group(reference: Side, current: Side) -> str | None:
    """The common statistics group with the most values; None if there is none."""
    ours, theirs = reference.counts, current.counts
    shared = {name: count + theirs[name] for name, count in ours.items() if name in theirs}
    return max(shared, key=lambda name: shared[name], default=None)


def _compare_groups(reference: GroupProfile, current: GroupProfile) -> Comparison:
    ordered = _both(reference.distribution(), current.distribution())
    if ordered is None or (_are_categories(*ordered) and reference.unlisted_count == current.unlisted_count == 0):
        listed = classes(reference, current)
        if listed is not None and (listed.coverage >= _MIN_COVERAGE or ordered is not None):
            return _compare_classes(listed, ordered, reference.name)
    if ordered is not None:
        return _compare_ordered("quantiles", *ordered, reference.name)
    lengths = _both(_lengths(reference), _lengths(current))
    if lengths is not None:
        return _compare_ordered("lengths", *lengths, "number")
    return Comparison(skip_reason="nothing tracked to compare")


def _both(reference: Distribution | None, current: Distribution | None) -> tuple[Distribution, Distribution] | None:
    return None if reference is None or current is None else (reference, current)


def _lengths(group: GroupProfile) -> Distribution | None:
    return None if group.length is None else group.length.distribution()


def _are_categories(reference: Distribution, current: Distribution) -> bool:
    """Returns whether ordered values are few enough to be compared one by one."""
    if reference.error or current.error:
        return False
    max_values = min(_MAX_CATEGORIES, min(reference.n, current.n) // _MIN_ROWS_PER_CATEGORY)
    return np.union1d(reference.values, current.values).size <= max_values


def _compare_ordered(method: str, reference: Distribution, current: Distribution, group: str) -> Comparison:
    edges = edges_of_bins(reference, current)
    cells = ordered_cells(reference, current, edges)
    metrics = divergences(cells) | _curve_metrics(reference, current, group)
    p_value = two_sample.ordered_p_value(metrics["ks"], reference, current, cells, edges)
    return Comparison(method, metrics, p_value, _standard_deviation(reference, group))


def _curve_metrics(reference: Distribution, current: Distribution, group: str) -> dict[str, Interval]:
    both = curves(reference, current)
    area, unit = wasserstein(both), _SECONDS.get(group, 1.0)
    in_unit = {} if area is None else {"wasserstein": Interval(*(unit * figure for figure in area))}
    return {"ks": kolmogorov_smirnov(both), **in_unit}


def _standard_deviation(distribution: Distribution, group: str) -> float:
    """Standard deviation in the unit of the Wasserstein distance.

    Not finite if the values are not.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        weights = distribution.weights / distribution.n
        mean = float((weights * distribution.values).sum())
        return _SECONDS.get(group, 1.0) * math.sqrt(float((weights * (distribution.values - mean) ** 2).sum()))


def _compare_classes(listed: Classes, ordered: tuple[Distribution, Distribution] | None, group: str) -> Comparison:
    metrics, scale = divergences(listed.cells), 0.0
    if ordered is not None:
        metrics |= _curve_metrics(*ordered, group)
        scale = _standard_deviation(ordered[0], group)
    p_value = two_sample.class_p_value(listed.cells, *listed.sizes)
    return Comparison("frequent_items", metrics, p_value, scale, listed.new_values, listed.lost_values)
