"""Groups of values and their statistics, in one table: `GROUPS`.

A column keeps numbers, strings, dates and so on apart. Adding a statistic to profiles is one entry in a row here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from polarsprof.profiles import ticks
from polarsprof.sketches.counters import Counters
from polarsprof.sketches.distinct import Distinct
from polarsprof.sketches.extremes import Extremes
from polarsprof.sketches.frequent import FrequentItems
from polarsprof.sketches.moments import Moments
from polarsprof.sketches.quantiles import Quantiles
from polarsprof.sketches.values import BINARY, INTEGERS, NUMBERS, STRINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polarsprof.profiles.ticks import Axis
    from polarsprof.sketches.statistic import AnyStatistic
    from polarsprof.sketches.values import ValueType


@dataclass(frozen=True, slots=True)
class ValueGroup:
    """Statistics and value type of one group.

    Attributes
    ----------
    name
        Name of the group, such as "number".
    statistics
        Classes of the statistics, in the order of reading and writing.
    values
        How stored values are parsed and checked.
    axis
        How values are ordered and presented; None for groups without quantiles.
    has_lengths
        Whether the lengths of the values have statistics of their own.
    """

    name: str
    statistics: tuple[type[AnyStatistic], ...]
    values: ValueType = INTEGERS
    axis: Axis | None = None
    has_lengths: bool = False

    @property
    def is_temporal(self) -> bool:
        """Whether values are stored as ticks."""
        return self.axis is not None and self.axis.from_ticks is not None


_NUMBER: Final = (Counters, Extremes, Moments, Quantiles, Distinct, FrequentItems)
_TEMPORAL: Final = (Counters, Extremes, Quantiles, Distinct, FrequentItems)
_STRING: Final = (Counters, Extremes, Distinct, FrequentItems)
_BINARY: Final = (Counters, Distinct, FrequentItems)

# The figures of a column of mixed types come from its first group in this order.
_ROWS: Final = (
    ValueGroup("number", _NUMBER, NUMBERS, ticks.NUMBERS_AXIS),
    ValueGroup("datetime_utc", _TEMPORAL, INTEGERS, ticks.UTC_AXIS),
    ValueGroup("datetime", _TEMPORAL, INTEGERS, ticks.DATETIME_AXIS),
    ValueGroup("date", _TEMPORAL, INTEGERS, ticks.DATE_AXIS),
    ValueGroup("time", _TEMPORAL, INTEGERS, ticks.TIME_AXIS),
    ValueGroup("duration", _TEMPORAL, INTEGERS, ticks.DURATION_AXIS),
    ValueGroup("string", _STRING, STRINGS, has_lengths=True),
    ValueGroup("boolean", (Counters,)),
    ValueGroup("binary", _BINARY, BINARY, has_lengths=True),
    ValueGroup("list", (Counters,), has_lengths=True),
    ValueGroup("struct", (Counters,)),
    ValueGroup("object", (Counters,)),
)

GROUPS: Final[Mapping[str, ValueGroup]] = {group.name: group for group in _ROWS}
TEMPORAL_GROUPS: Final = tuple(group.name for group in _ROWS if group.is_temporal)
STATISTICS: Final[tuple[type[AnyStatistic], ...]] = tuple(
    dict.fromkeys(kind for row in _ROWS for kind in row.statistics)
)


@cache
def tracked(name: str, untracked: frozenset[str]) -> tuple[type[AnyStatistic], ...]:
    """Classes of the statistics of a group, without untracked fields."""
    return tuple(kind for kind in GROUPS[name].statistics if kind.field not in untracked)
