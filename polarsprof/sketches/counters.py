"""Exact counts of one statistics group; at most a few dozen bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from polarsprof.errors import CorruptProfile

if TYPE_CHECKING:
    from polarsprof.batch import ColumnBatch
    from polarsprof.proto import profile_pb2 as pb
    from polarsprof.spec import ProfileSpec

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
)


class Counters:
    """How many values came, and how many of them were of the kinds in `COUNTERS`; exact under any cut and any merge."""

    def __init__(self, spec: ProfileSpec) -> None:
        del spec  # nothing about a count can be chosen
        self._counts = dict.fromkeys(COUNTERS, 0)

    def __getitem__(self, name: str) -> int:
        return self._counts[name]

    @property
    def counts(self) -> dict[str, int]:
        """Name → count, zeros included."""
        return dict(self._counts)

    def update(self, batch: ColumnBatch) -> None:
        """Add the counts of a batch."""
        for name, count in batch.counters.items():
            self._counts[name] += count

    def merge(self, other: Counters) -> None:
        """Add the counts of another."""
        for name, count in other._counts.items():
            self._counts[name] += count

    def to_message(self, message: pb.Counters) -> None:
        """Write the counts; zeros take no bytes."""
        for name, count in self._counts.items():
            setattr(message, name, count)

    def from_message(self, message: pb.Counters) -> None:
        """Take the counts of a message."""
        self._counts = {name: getattr(message, name) for name in COUNTERS}
        if max(self._counts.values()) > min(message.count, MAX_COUNT):
            msg = f"counts that no values have: {self._counts}"
            raise CorruptProfile(msg)
