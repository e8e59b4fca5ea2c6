"""Exact counts of the values of one group, in at most a few dozen bytes of a file."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final

from polarsprof.errors import CorruptProfile
from polarsprof.sketches.limits import MAX_COUNT, writable
from polarsprof.sketches.statistic import Statistic
from polarsprof.sketches.values import NUMBERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polarsprof.files import profile_pb2 as pb
    from polarsprof.kernels.batch import ColumnBatch
    from polarsprof.kernels.spec import ProfileSpec
    from polarsprof.sketches.values import ValueType

COUNTERS: Final = (
    "count",
    "integral",
    "nan",
    "positive_infinity",
    "negative_infinity",
    "zero",
    "negative",
    "true",
    "empty",
    "unexamined",
)
_COUNTS_OF: Final = attrgetter(*COUNTERS)


class Counters(Statistic["pb.Counters"]):
    """Number of values, in all and of each kind in `COUNTERS`.

    Counts are exact under any split and any merge.

    Examples
    --------
    >>> import polarsprof as pp
    >>> column = pp.profile([{"price": 9.5}, {"price": 0}, {"price": -2}])["price"]
    >>> counters = column.group("number").counters
    >>> counters["count"], counters["zero"], counters["negative"]
    (3, 1, 1)
    """

    __slots__ = ("_counts",)

    field = "counters"

    def __init__(self, spec: ProfileSpec, values: ValueType = NUMBERS) -> None:
        super().__init__(spec, values)
        self._counts = dict.fromkeys(COUNTERS, 0)

    def __getitem__(self, name: str) -> int:
        return self._counts[name]

    @property
    def counts(self) -> dict[str, int]:
        """Name → count, zeros included; `unexamined` only if there are such values."""
        return {name: count for name, count in self._counts.items() if count or name != "unexamined"}

    @property
    def exact(self) -> dict[str, int]:
        """All counts."""
        return self.counts

    def update(self, batch: ColumnBatch) -> None:
        """Add the counts of a batch."""
        for name, count in batch.counters.items():
            self._counts[name] += count

    def merge(self, *others: Counters) -> None:
        """Add the counts of others."""
        self._add([tuple(other._counts.values()) for other in others])

    def to_message(self, message: pb.Counters) -> None:
        """Write the counts; zeros take no bytes."""
        message.count = writable(self._counts["count"])
        for name, count in self._counts.items():
            if count:
                setattr(message, name, count)

    def from_message(self, message: pb.Counters) -> None:
        """Read the counts of a message."""
        self._counts = dict(zip(COUNTERS, _counts_of(message), strict=True))

    def merge_messages(self, messages: Sequence[pb.Counters], counts: Sequence[int]) -> None:
        """Add the counts of messages."""
        del counts  # they come from these messages
        self._add(list(map(_counts_of, messages)))

    def _add(self, rows: Sequence[tuple[int, ...]]) -> None:
        columns = zip(self._counts.values(), *rows, strict=True)
        self._counts = dict(zip(COUNTERS, map(sum, columns), strict=True))


def _counts_of(message: pb.Counters) -> tuple[int, ...]:
    counts: tuple[int, ...] = _COUNTS_OF(message)
    if max(counts) > min(counts[0], MAX_COUNT):
        msg = f"counts that no values have: {dict(zip(COUNTERS, counts, strict=True))}"
        raise CorruptProfile(msg)
    return counts
