"""`Source`: the protocol of streams, read in batches; imports nothing above.

A source returns batches with the positions after them. Rows and positions become durable together, so a source that
can start at a position is counted exactly once. A source without positions is told of each batch that is durable, and
returns the other batches again after a crash.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines, messages or rows that a source read at once.

    Attributes
    ----------
    data
        Bytes of whole lines of NDJSON; a list of messages; or a table that `Logger.log_frame` accepts. A message is a
        JSON value in bytes, a mapping, or None for a message without a value.
    records
        Number of lines, messages or rows.
    positions
        Partition → the next position to read after this batch, a 64-bit integer that only grows. Empty for a source
        that cannot start at a position.
    place
        Number of a message in `data`, or offset of a byte in its lines → partition and position, for dead letters.
    original
        Number of a message in `data` → the bytes as received, if `data` has others.
    receipt
        Any value that `Source.acknowledge` needs for this batch.
    """

    data: object
    records: int
    positions: Mapping[str, int] = field(default_factory=dict)
    place: Callable[[int], tuple[str, int]] = lambda number: ("", number)
    original: Callable[[int], bytes | None] | None = None
    receipt: Any = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that is not a record.

    Attributes
    ----------
    source, position
        The partition, and the position of the message in it.
    reason
        Reason of the rejection, such as "invalid JSON".
    value
        The message as received; None for a message without a value.
    """

    source: str
    position: int
    reason: str
    value: bytes | None


class Source(ABC):
    """A stream that one thread reads in batches. Only `poll` is required.

    Attributes
    ----------
    ended
        True after the last record; False for most streams.
    blocks
        True if `poll` can wait longer than its timeout. A signal then raises `Interrupted` in it, and `poll` should
        return the records it has.
    lag_unit
        Unit of `lag`, "records" or "bytes".
    """

    ended: bool = False
    blocks: bool = False
    lag_unit: str = "records"

    def seek(self, positions: Mapping[str, int]) -> Mapping[str, int]:
        """Prepare to read; called once, before the first `poll`.

        Parameters
        ----------
        positions
            Partition → next position to read, for all partitions with a position in the data set. Other partitions
            start where the source was told to.

        Returns
        -------
        mapping
            Partition → first position, for all partitions with positions. It becomes durable before the first batch,
            so that a source that starts "at the end" skips no record after a crash.

        Raises
        ------
        SourceError
            If the source is unreachable or does not exist, or if the next record was deleted.
        """
        del positions
        return {}

    @abstractmethod
    def poll(self, max_records: int, timeout_s: float) -> Batch | None:
        """The next batch.

        Parameters
        ----------
        max_records
            Largest number of records to return.
        timeout_s
            Time to wait for the first record, in seconds.

        Returns
        -------
        Batch
            None if no record came.

        Raises
        ------
        SourceError
            If no record can come any more.
        """

    def acknowledge(self, batches: Sequence[Batch]) -> None:
        """Note that batches are durable; they come in order and without their `data`."""
        del batches

    def lag(self) -> int | None:
        """Number of unread records or bytes, see `lag_unit`; None if unknown."""
        return None

    def close(self) -> None:  # noqa: B027 - most sources have nothing to close
        """Release connections and files."""


class Interrupted(Exception):
    """A signal came while a source waited."""
