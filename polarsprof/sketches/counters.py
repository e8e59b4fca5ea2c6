"""Exact counts of one statistics group; at most a few dozen bytes."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final

from polarsprof.errors import CorruptProfile, PolarsprofError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polarsprof.files import profile_pb2 as pb
    from polarsprof.kernels.batch import ColumnBatch
    from polarsprof.kernels.spec import ProfileSpec

# No stream has 281 trillion rows; files that claim more would overflow 64 bits after a few merges.
MAX_COUNT: Final = 2**48

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


def writable(count: int) -> int:
    """The count, where a reader would take it.

    Raises
    ------
    PolarsprofError
        For more than `MAX_COUNT`, to which only forged files add up.
    """
    if count > MAX_COUNT:
        msg = f"the profile fits no file: a count of {count:,} is more than {MAX_COUNT:,}"
        raise PolarsprofError(msg)
    return count


class Counters:
    """How many values came, and how many of them were of the kinds in `COUNTERS`; exact under any cut and any merge."""

    __slots__ = ("_counts",)

    def __init__(self, spec: ProfileSpec) -> None:
        del spec  # nothing about a count can be chosen
        self._counts = dict.fromkeys(COUNTERS, 0)

    def __getitem__(self, name: str) -> int:
        return self._counts[name]

    @property
    def counts(self) -> dict[str, int]:
        """Name → count, zeros included; `unexamined` only where there are such values."""
        return {name: count for name, count in self._counts.items() if count or name != "unexamined"}

    def update(self, batch: ColumnBatch) -> None:
        """Add the counts of a batch."""
        for name, count in batch.counters.items():
            self._counts[name] += count

    def merge(self, *others: Counters) -> None:
        """Add the counts of others."""
        columns = zip(self._counts.values(), *[other._counts.values() for other in others], strict=True)
        self._counts = dict(zip(COUNTERS, map(sum, columns), strict=True))

    def to_message(self, message: pb.Counters) -> None:
        """Write the counts; zeros take no bytes."""
        message.count = writable(self._counts["count"])
        for name, count in self._counts.items():
            if count:
                setattr(message, name, count)

    def from_message(self, message: pb.Counters) -> None:
        """Take the counts of a message."""
        self._counts = dict(zip(COUNTERS, _counts_of(message), strict=True))

    def merge_messages(self, messages: Sequence[pb.Counters]) -> None:
        """Add the counts of messages."""
        columns = zip(self._counts.values(), *map(_counts_of, messages), strict=True)
        self._counts = dict(zip(COUNTERS, map(sum, columns), strict=True))


def _counts_of(message: pb.Counters) -> tuple[int, ...]:
    counts: tuple[int, ...] = _COUNTS_OF(message)
    if max(counts) > min(counts[0], MAX_COUNT):
        msg = f"counts that no values have: {dict(zip(COUNTERS, counts, strict=True))}"
        raise CorruptProfile(msg)
    return counts
