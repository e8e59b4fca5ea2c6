"""Two columns → the metrics of their values with their bounds, and what chance explains of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from polarsprof.analysis.drift import two_sample as chance
from polarsprof.analysis.drift.distances import Interval, divergences, kolmogorov_smirnov, wasserstein
from polarsprof.analysis.drift.probabilities import classes, curves, edges_of_bins, ordered_cells
from polarsprof.profiles import text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polarsprof.analysis.drift.probabilities import Classes
    from polarsprof.profiles.column import ColumnProfile
    from polarsprof.profiles.group import GroupProfile
    from polarsprof.profiles.profile import Profile
    from polarsprof.sketches import Distribution, Estimate

# A column of numbers is compared value by value where it has no more values, and so many rows for each on average.
_MOST_CATEGORIES: Final = 50
_LEAST_ROWS_EACH: Final = 5
# Classes that so few values would come into again say nothing; the lengths of the values do.
_LEAST_COVERED: Final = 0.1
# Statistics group → seconds in the unit of its distribution; the figures of other groups keep their own unit.
_SECONDS: Final = {"datetime_utc": 1e-6, "datetime": 1e-6, "time": 1e-6, "duration": 1e-6, "date": 86_400.0}


@dataclass(frozen=True, slots=True)
class Side:
    """What one of the two profiles says of a column; without the column all its rows are nulls.

    Attributes
    ----------
    name
        What the profile is called in reasons.
    rows, count, nan_count
        Number of rows, of values that are not null, of NaN.
    types, dtype_group
        The dtype groups, with shares where there are several; the one most of the values are of. "null" without values.
    distinct
        Number of distinct values.
    groups
        Statistics group → its statistics.
    is_missing
        Whether the profile does not have the column.
    is_event_time
        Whether its values lie exactly between the first and the last event time of the profile.
    """

    name: str
    rows: int
    count: int = 0
    nan_count: int = 0
    types: str = "null"
    dtype_group: str = "null"
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


@dataclass(frozen=True, slots=True)
class Found:
    """What a comparison of the values found; empty where they cannot be compared.

    Attributes
    ----------
    method
        "quantiles", "frequent_items" or "lengths".
    metrics
        Metric → figure with its bounds, for those that apply.
    p_value
        See `chance`.
    scale
        The standard deviation of the reference, in the unit of the Wasserstein distance; 0 where there is none.
    new, lost
        See `Classes`.
    why_not
        Why the values were not compared.
    """

    method: str | None = None
    metrics: dict[str, Interval] = field(default_factory=dict)
    p_value: float | None = None
    scale: float = 0.0
    new: list[Any] = field(default_factory=list)
    lost: list[Any] = field(default_factory=list)
    why_not: str = ""


def side(name: str, profile: Profile, columns: Mapping[str, ColumnProfile], path: str) -> Side:
    """A profile's side of a column. The elements of lists that never came have no rows."""
    column = columns.get(path)
    if column is None:
        return Side(name, 0 if "[]" in path else profile.rows)
    types = column.types
    return Side(
        name,
        rows=column.rows,
        count=column.count,
        nan_count=column.nan_count,
        types=text.types_text(types),
        dtype_group=max(types, key=lambda group: types[group], default="null"),
        distinct=column.distinct,
        groups={group: column.group(group) for group in column.groups},
        is_missing=False,
        is_event_time=_is_event_time(profile, column),
    )


def _is_event_time(profile: Profile, column: ColumnProfile) -> bool:
    ends = [end.replace(tzinfo=end.tzinfo or UTC) for end in (column.min, column.max) if isinstance(end, datetime)]
    return bool(ends) and ends == [profile.first_event, profile.last_event]


def compared(reference: Side, current: Side) -> Found:
    """The metrics of the values, where both sides have values of one kind."""
    name = _group_of_both(reference, current)
    if name is None or not reference.count or not current.count:
        return Found(why_not=_why_not(reference, current))
    if reference.is_event_time and current.is_event_time:
        return Found(why_not="not compared: the time of the events, which moves with the windows")
    return _compared(reference.groups[name], current.groups[name])


def _why_not(reference: Side, current: Side) -> str:
    """Why two sides have no values of one kind."""
    sides = reference, current
    without = [
        *(f"no rows in the {one.name}" for one in sides if not one.rows),
        *(f"not in the {one.name}" for one in sides if one.is_missing),
        *(f"no values in the {one.name}" for one in sides if not one.count),
    ]
    return without[0] if without else "no type in common"


def _group_of_both(reference: Side, current: Side) -> str | None:
    """The statistics group that both have, of several the one with the most values."""
    mine, theirs = reference.counts, current.counts
    shared = {name: count + theirs[name] for name, count in mine.items() if name in theirs}
    return max(shared, key=lambda name: shared[name], default=None)


def _compared(reference: GroupProfile, current: GroupProfile) -> Found:
    ordered = _both(reference.distribution(), current.distribution())
    if ordered is None or (_are_categories(*ordered) and reference.unlisted_count == current.unlisted_count == 0):
        listed = classes(reference, current)
        if listed is not None and (listed.covered >= _LEAST_COVERED or ordered is not None):
            return _of_classes(listed, ordered, reference.name)
    if ordered is not None:
        return _of_ordered("quantiles", *ordered, reference.name)
    lengths = _both(_lengths(reference), _lengths(current))
    if lengths is not None:
        return _of_ordered("lengths", *lengths, "number")
    return Found(why_not="nothing tracked to compare")


def _both(reference: Distribution | None, current: Distribution | None) -> tuple[Distribution, Distribution] | None:
    return None if reference is None or current is None else (reference, current)


def _lengths(group: GroupProfile) -> Distribution | None:
    return None if group.length is None else group.length.distribution()


def _are_categories(reference: Distribution, current: Distribution) -> bool:
    """Whether ordered values are so few that each can be looked at by itself."""
    if reference.error or current.error:
        return False
    most = min(_MOST_CATEGORIES, min(reference.n, current.n) // _LEAST_ROWS_EACH)
    return np.union1d(reference.values, current.values).size <= most


def _of_ordered(method: str, reference: Distribution, current: Distribution, group: str) -> Found:
    edges = edges_of_bins(reference, current)
    cells = ordered_cells(reference, current, edges)
    metrics = divergences(cells) | _of_curves(reference, current, group)
    p_value = chance.of_ordered(metrics["ks"], reference, current, cells, edges)
    return Found(method, metrics, p_value, _deviation(reference, group))


def _of_curves(reference: Distribution, current: Distribution, group: str) -> dict[str, Interval]:
    both = curves(reference, current)
    area, unit = wasserstein(both), _SECONDS.get(group, 1.0)
    in_unit = {} if area is None else {"wasserstein": Interval(*(unit * figure for figure in area))}
    return {"ks": kolmogorov_smirnov(both), **in_unit}


def _deviation(of: Distribution, group: str) -> float:
    """The standard deviation in the unit of the Wasserstein distance; not finite where values are not."""
    with np.errstate(over="ignore", invalid="ignore"):
        weights = of.weights / of.n
        mean = float((weights * of.values).sum())
        return _SECONDS.get(group, 1.0) * math.sqrt(float((weights * (of.values - mean) ** 2).sum()))


def _of_classes(listed: Classes, ordered: tuple[Distribution, Distribution] | None, group: str) -> Found:
    metrics, scale = divergences(listed.cells), 0.0
    if ordered is not None:
        metrics |= _of_curves(*ordered, group)
        scale = _deviation(ordered[0], group)
    p_value = chance.of_classes(listed.cells, *listed.sizes)
    return Found("frequent_items", metrics, p_value, scale, listed.new, listed.lost)
