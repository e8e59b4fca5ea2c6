"""`GroupState`: the statistics of one group of values in one column."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from polarsprof.profiles.value_groups import GROUPS, tracked
from polarsprof.sketches.counters import Counters
from polarsprof.sketches.distinct import Distinct
from polarsprof.sketches.extremes import Extremes
from polarsprof.sketches.frequent import FrequentItems
from polarsprof.sketches.moments import Moments
from polarsprof.sketches.quantiles import Quantiles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from polarsprof.files import profile_pb2 as pb
    from polarsprof.kernels.batch import ColumnBatch
    from polarsprof.kernels.spec import ProfileSpec
    from polarsprof.sketches.statistic import AnyStatistic

_Kind = TypeVar("_Kind", bound="AnyStatistic")


class GroupState:
    """Statistics of the values of one group in one column.

    Attributes are None for statistics that the group does not have or the spec does not track.

    Parameters
    ----------
    name
        One of `GROUPS`.
    spec
        Tracked statistics and their sizes.

    Attributes
    ----------
    statistics
        Class → statistic.
    length
        Statistics of the lengths of the values, in the group "number".
    """

    def __init__(self, name: str, spec: ProfileSpec) -> None:
        self.name = name
        self._group = group = GROUPS[name]
        self._spec = spec
        self.statistics: dict[type[AnyStatistic], AnyStatistic] = {
            kind: kind(spec, group.values) for kind in tracked(name, spec.untracked)
        }
        self.counters: Counters = self.statistics[Counters]  # type: ignore[assignment]  # every group has them
        self.extremes = self.statistic(Extremes)
        self.moments = self.statistic(Moments)
        self.quantile_sketch = self.statistic(Quantiles)
        self.distinct_sketch = self.statistic(Distinct)
        self.item_summary = self.statistic(FrequentItems)
        self.length = cast("Self | None", type(self)("number", spec) if group.has_lengths else None)

    def statistic(self, kind: type[_Kind]) -> _Kind | None:
        """Statistic of a class; None if the group lacks it or the spec does not track it."""
        found = self.statistics.get(kind)
        return found if isinstance(found, kind) else None

    def update(self, batch: ColumnBatch) -> None:
        """Add a batch of this group."""
        for statistic in self.statistics.values():
            statistic.update(batch)
        if self.length is not None and batch.length is not None:
            self.length.update(batch.length)

    def merge(self, *others: Self) -> None:
        """Add the statistics of others with the same group and tracked statistics."""
        for kind, statistic in self.statistics.items():
            statistic.merge(*[other.statistics[kind] for other in others])
        if self.length is not None:
            self.length.merge(*[other.length for other in others if other.length is not None])

    def merge_messages(self, messages: Sequence[pb.Group]) -> None:
        """Add the statistics of messages of the same group and spec, after checking them."""
        counts = [message.counters.count for message in messages]
        for kind, statistic in self.statistics.items():
            statistic.merge_messages([getattr(message, kind.field) for message in messages], counts)
        if self.length is not None:
            self.length.merge_messages([message.length for message in messages])

    def check(self) -> None:
        """Raise `CorruptProfile` if the statistics contradict the number of values."""
        count = self.counters["count"]
        for statistic in self.statistics.values():
            statistic.check(count)
