"""`Outbox`: panes on their way into stores, in order, with retries and a bound.

A failing store never raises into the stream, and delays no other store. Panes that it does not take wait, up to a
bound; beyond it the oldest pane is dropped, counted and named in a warning.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from polarsprof.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polarsprof.store.names import Pane
    from polarsprof.store.profile_store import ProfileStore

_FIRST_PAUSE_US: Final = 1_000_000
_LONGEST_PAUSE_US: Final = 60_000_000


class Spool(Protocol):
    """Durable storage for panes that wait; they survive the process."""

    def write_pane(self, number: int, pane: bytes) -> None:
        """Make a pane durable."""

    def read_pane(self, number: int) -> bytes:
        """Return a pane."""

    def delete_pane(self, number: int) -> None:
        """Remove a pane, if it exists."""


@dataclass(slots=True)
class _Waiting:
    """A pane that some store does not hold; its data is empty if the spool holds it."""

    pane: Pane
    size_bytes: int
    missing: set[int]  # indices of the stores that do not hold it


@dataclass(slots=True)
class _Destination:
    """A store, and the time of the next attempt."""

    store: ProfileStore
    error: Exception | None = None
    pause_us: int = _FIRST_PAUSE_US
    next_try_us: int = 0

    def failed(self, error: Exception, now_us: int) -> bool:
        """Count a failed attempt; return whether it is the first in a row."""
        first = self.error is None
        self.error = error
        self.next_try_us = now_us + self.pause_us
        self.pause_us = min(2 * self.pause_us, _LONGEST_PAUSE_US)
        return first

    def succeeded(self) -> None:
        """Forget earlier failures."""
        self.error, self.pause_us, self.next_try_us = None, _FIRST_PAUSE_US, 0


class Outbox:
    """The panes of one writer that some store does not hold.

    Parameters
    ----------
    stores
        The stores that take every pane, at least one.
    max_bytes
        Most bytes that wait while a store fails; the newest pane waits whatever its size.

    Attributes
    ----------
    spool
        Holds waiting panes from the next `to_spool` on; None keeps them in memory.
    waiting_bytes
        Bytes of the panes that wait, in memory or in the spool.
    panes_written, bytes_written
        Panes in the first store, and their size.
    rows_dropped
        Rows of dropped panes.
    retries
        Failed attempts to publish a pane.
    """

    def __init__(self, stores: Sequence[ProfileStore], max_bytes: int) -> None:
        self._destinations = list(map(_Destination, stores))
        self._max_bytes = max_bytes
        self._waiting: dict[int, _Waiting] = {}  # by number, in order
        self._warnings: list[str] = []
        self._published: list[bytes] = []
        self.spool: Spool | None = None
        self.waiting_bytes = 0
        self.panes_written = self.bytes_written = self.rows_dropped = self.retries = 0

    def __len__(self) -> int:
        """Number of panes that wait."""
        return len(self._waiting)

    @property
    def rows(self) -> int:
        """Number of rows of the panes that wait."""
        return sum(waiting.pane.rows for waiting in self._waiting.values())

    def add(self, pane: Pane) -> None:
        """Take a pane, to be published by one of the next calls."""
        self._add(pane, len(pane.data))

    def add_spooled(self, pane: Pane, size_bytes: int) -> None:
        """Take a pane without data, of which the spool holds that many bytes."""
        self._add(pane, size_bytes)

    def to_spool(self) -> None:
        """Move panes from memory into the spool.

        Raises
        ------
        OSError
            If the spool does not take a pane, which then stays in memory.
        """
        for number, waiting in self._waiting.items():
            if self.spool is not None and waiting.pane.data:
                self.spool.write_pane(number, waiting.pane.data)
                waiting.pane = replace(waiting.pane, data=b"")

    def publish(self, now_us: int, last_number: int, *, at_once: bool = False) -> None:
        """Hand panes up to a number to every store, in order, until one fails there."""
        for index, destination in enumerate(self._destinations):
            # The second bound is for a clock that was set back.
            if at_once or not now_us < destination.next_try_us <= now_us + _LONGEST_PAUSE_US:
                self._publish_to(index, destination, now_us, last_number)

    def next_due_us(self, last_number: int) -> int | None:
        """Return when to publish panes up to a number; None if none waits."""
        due = [each for number, each in self._waiting.items() if number <= last_number]
        indices = {index for each in due for index in each.missing}
        return min((self._destinations[index].next_try_us for index in indices), default=None)

    def drain_warnings(self) -> list[str]:
        """Return the warnings since the last call."""
        drained, self._warnings = self._warnings, []
        return drained

    def drain_published(self) -> list[bytes]:
        """Return the panes that a first store took since the last call."""
        published, self._published = self._published, []
        return published

    def raise_if_waiting(self) -> None:
        """Raise if a store has not taken every pane.

        Raises
        ------
        StoreError
            With the store's own error as its cause.
        """
        if self._waiting:
            worst = next((each for each in self._destinations if each.error), self._destinations[0])
            msg = f"{worst.store}: {len(self)} panes of {self.rows} rows are not published yet: {worst.error}"
            raise StoreError(msg) from worst.error

    def _add(self, pane: Pane, size_bytes: int) -> None:
        # The newest pane waits whatever its size, so that a working store gets every pane.
        while self._waiting and self.waiting_bytes > self._max_bytes - size_bytes:
            self._drop(next(iter(self._waiting)), "too much waits")
        self._waiting[pane.number] = _Waiting(pane, size_bytes, set(range(len(self._destinations))))
        self.waiting_bytes += size_bytes

    def _publish_to(self, index: int, destination: _Destination, now_us: int, last_number: int) -> None:
        for number, waiting in list(self._waiting.items()):
            if number > last_number:
                break
            if index in waiting.missing and not self._put(destination, waiting, now_us):
                return
            self._mark_taken(index, waiting)
        destination.succeeded()

    def _put(self, destination: _Destination, waiting: _Waiting, now_us: int) -> bool:
        try:
            pane = self._whole(waiting)
            if pane is None:
                return True
            destination.store.put(pane)
        except Exception as error:  # noqa: BLE001 - whatever the error, the pane waits until the store has it
            self.retries += 1
            if destination.failed(error, now_us):
                self._warnings.append(f"{destination.store} takes no pane, will try again: {error}")
            return False
        if len(waiting.missing) == len(self._destinations):
            self.panes_written += 1
            self.bytes_written += len(pane.data)
            self._published.append(pane.data)
        return True

    def _whole(self, waiting: _Waiting) -> Pane | None:
        """Return the pane with its data; None if the spool has lost it."""
        if waiting.pane.data or self.spool is None:
            return waiting.pane
        try:
            return replace(waiting.pane, data=self.spool.read_pane(waiting.pane.number))
        except FileNotFoundError as error:  # other errors may pass, so the pane is tried again
            self._drop(waiting.pane.number, f"its spool has lost it: {error}")
            return None

    def _mark_taken(self, index: int, waiting: _Waiting) -> None:
        waiting.missing.discard(index)
        if not waiting.missing and waiting.pane.number in self._waiting:
            self._remove(waiting.pane.number)

    def _drop(self, number: int, reason: str) -> None:
        pane = self._remove(number)
        self.rows_dropped += pane.rows
        store = self._destinations[0].store
        errors = [str(each.error) for each in self._destinations if each.error]
        why = ": ".join([reason, *errors[:1]])
        self._warnings.append(f"{store} takes no pane: dropped one of {pane.rows} rows of {pane.dataset!r}: {why}")

    def _remove(self, number: int) -> Pane:
        waiting = self._waiting.pop(number)
        self.waiting_bytes -= waiting.size_bytes
        if self.spool is not None:
            self.spool.delete_pane(number)
        return waiting.pane
