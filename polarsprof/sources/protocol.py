"""`Source`: where batches of a stream come from and how it is told what is safe; imports nothing above.

A source hands out batches with the positions after them. Rows and positions become durable together, so a source that
can begin at given positions is counted exactly once; one that only takes acknowledgements hears of each batch when it
is durable, and gives again what it has not heard of.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Batch:
    """What a source read in one go.

    Attributes
    ----------
    data
        Bytes of whole lines of NDJSON; or a list of messages, each a JSON value in bytes, None for one without a
        value, or a mapping that is a record already; or a table, as `Logger.log_frame` takes them.
    records
        How many lines, messages or rows these are.
    positions
        Partition → the next position to read after this batch, an integer of 64 bits that only grows. Empty for a
        source that cannot begin at a position.
    place
        Number of a message in `data`, or of a byte in its lines → partition and position, for those that are rejected.
    original
        Number of a message in `data` → the bytes that came, where `data` has something else.
    receipt
        Whatever `Source.acknowledge` needs to know of the batch.
    """

    data: Any
    records: int
    positions: Mapping[str, int] = field(default_factory=dict)
    place: Callable[[int], tuple[str, int]] = lambda number: ("", number)
    original: Callable[[int], bytes | None] | None = None
    receipt: Any = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that is no record.

    Attributes
    ----------
    source, position
        The partition and where in it the message stands.
    reason
        Why it was rejected, such as "invalid JSON".
    value
        The message as it came; None where it had no value.
    """

    source: str
    position: int
    reason: str
    value: bytes | None


class Source(ABC):
    """A stream that is read batch by batch, by one thread. Only `poll` has to be written.

    Attributes
    ----------
    ended
        Whether nothing will ever come any more; False for most streams.
    blocks
        Whether `poll` may wait for longer than it was told. Then a signal raises `Interrupted` within it, upon which it
        should return what it has.
    lag_unit
        What `lag` counts, "records" or "bytes".
    """

    ended: bool = False
    blocks: bool = False
    lag_unit: str = "records"

    def seek(self, positions: Mapping[str, int]) -> Mapping[str, int]:
        """Get ready to read on; called once, before the first `poll`.

        Parameters
        ----------
        positions
            Partition → the position to read on from, of all partitions that were ever read into the data set; others
            have none and begin where the source was told to.

        Returns
        -------
        mapping
            Partition → where it begins, of all that have positions; it is made durable before the first batch, so that
            a source that begins "at the end" does not skip what comes before that.

        Raises
        ------
        SourceError
            Where it cannot be reached, is not there, or lacks what is to be read.
        """
        del positions
        return {}

    @abstractmethod
    def poll(self, most: int, timeout_s: float) -> Batch | None:
        """The next batch.

        Parameters
        ----------
        most
            Records at the most.
        timeout_s
            How long to wait for the first one.

        Returns
        -------
        Batch
            None where nothing came.

        Raises
        ------
        SourceError
            Where nothing can come any more.
        """

    def acknowledge(self, batches: Sequence[Batch]) -> None:
        """Take note that batches, in the order in which they were read, are durable; their `data` is gone."""
        del batches

    def lag(self) -> int | None:
        """How much is there that was not read yet, in `lag_unit`; None where that is not known."""
        return None

    def close(self) -> None:  # noqa: B027 - most have nothing to do
        """Let go of connections and files."""


class Interrupted(Exception):
    """A signal came while a source waited."""
