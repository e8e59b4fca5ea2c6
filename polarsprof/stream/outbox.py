"""Sealed panes on their way into stores: kept in order, tried again with growing pauses, bounded in bytes.

A store that takes nothing never raises into the stream, and delays no other store. What it does not take is kept up to
a bound; beyond it the oldest pane is dropped, counted and named in the news.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from polarsprof.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polarsprof.store import Pane, ProfileStore

_FIRST_PAUSE_US: Final = 1_000_000
_LONGEST_PAUSE_US: Final = 60_000_000


class Spool(Protocol):
    """Where the bytes of panes wait, so that they survive the process and need no memory."""

    def keep(self, number: int, pane: bytes) -> None:
        """Make a pane durable."""

    def kept(self, number: int) -> bytes:
        """A pane that was kept."""

    def forget(self, number: int) -> None:
        """Remove a pane, if it is kept."""


@dataclass(slots=True)
class _Waiting:
    """A pane that not all stores hold yet; its data is empty where the spool holds it."""

    pane: Pane
    size_bytes: int
    missing: set[int]  # places of the stores in their list


@dataclass(slots=True)
class _Destination:
    """A store, and when it is asked again."""

    store: ProfileStore
    error: Exception | None = None
    pause_us: int = _FIRST_PAUSE_US
    next_try_us: int = 0

    def failed(self, error: Exception, now_us: int) -> bool:
        """Note that it took nothing; whether that is news."""
        news = self.error is None
        self.error = error
        self.next_try_us = now_us + self.pause_us
        self.pause_us = min(2 * self.pause_us, _LONGEST_PAUSE_US)
        return news

    def succeeded(self) -> None:
        """Note that it takes everything."""
        self.error, self.pause_us, self.next_try_us = None, _FIRST_PAUSE_US, 0


class Outbox:
    """The panes of one writer that not all stores hold yet.

    Parameters
    ----------
    stores
        Where they go, at least one.
    max_bytes
        How much is kept while a store takes nothing.

    Attributes
    ----------
    spool
        Where they wait from `to_spool` on; None: in memory.
    panes_written, bytes_written
        What the first store took so far.
    rows_dropped
        Rows of panes dropped so far.
    retries
        How often a store took nothing.
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
        """Take a pane in, to be published at one of the next calls."""
        self._add(pane, len(pane.data))

    def add_spooled(self, pane: Pane, size_bytes: int) -> None:
        """Take a pane in that the spool holds already; it comes without data."""
        self._add(pane, size_bytes)

    def to_spool(self) -> None:
        """Move what is in memory into the spool.

        Raises
        ------
        OSError
            Where it does not take a pane, which then stays in memory.
        """
        for number, waiting in self._waiting.items():
            if self.spool is not None and waiting.pane.data:
                self.spool.keep(number, waiting.pane.data)
                waiting.pane = replace(waiting.pane, data=b"")

    def publish(self, now_us: int, last_number: int, *, at_once: bool = False) -> None:
        """Hand the panes up to a number to every store, in order; of each stop at the first that it does not take."""
        for place, destination in enumerate(self._destinations):
            # The second half is for a clock that was set back.
            if at_once or not now_us < destination.next_try_us <= now_us + _LONGEST_PAUSE_US:
                self._publish_to(place, destination, now_us, last_number)

    def next_due_us(self, last_number: int) -> int | None:
        """When to publish those up to a number; None: nothing waits."""
        due = [each for number, each in self._waiting.items() if number <= last_number]
        places = {place for each in due for place in each.missing}
        return min((self._destinations[place].next_try_us for place in places), default=None)

    def drain_warnings(self) -> list[str]:
        """What the user should be warned of since the last call."""
        news, self._warnings = self._warnings, []
        return news

    def take_published(self) -> list[bytes]:
        """The panes that a store took first since the last call."""
        published, self._published = self._published, []
        return published

    def raise_if_waiting(self) -> None:
        """Raise for panes that a store has not taken.

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
        # The newest pane is kept whatever its size, so that a store that works gets everything.
        while self._waiting and self.waiting_bytes > self._max_bytes - size_bytes:
            self._drop(next(iter(self._waiting)), "too much waits")
        self._waiting[pane.number] = _Waiting(pane, size_bytes, set(range(len(self._destinations))))
        self.waiting_bytes += size_bytes

    def _publish_to(self, place: int, destination: _Destination, now_us: int, last_number: int) -> None:
        for number, waiting in list(self._waiting.items()):
            if number > last_number:
                break
            if place in waiting.missing and not self._put(destination, waiting, now_us):
                return
            self._note(place, waiting)
        destination.succeeded()

    def _put(self, destination: _Destination, waiting: _Waiting, now_us: int) -> bool:
        try:
            pane = self._whole(waiting)
            if pane is None:
                return True
            destination.store.put(pane)
        except Exception as error:  # noqa: BLE001 - whatever it is, the pane stays until the store has it
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
        """The pane with its data; None where the spool has lost it."""
        if waiting.pane.data or self.spool is None:
            return waiting.pane
        try:
            return replace(waiting.pane, data=self.spool.kept(waiting.pane.number))
        except FileNotFoundError as error:  # any other one may pass, so it is tried again
            self._drop(waiting.pane.number, f"its spool has lost it: {error}")
            return None

    def _note(self, place: int, waiting: _Waiting) -> None:
        waiting.missing.discard(place)
        if not waiting.missing and waiting.pane.number in self._waiting:
            self._take_out(waiting.pane.number)

    def _drop(self, number: int, reason: str) -> None:
        pane = self._take_out(number)
        self.rows_dropped += pane.rows
        store = self._destinations[0].store
        errors = [str(each.error) for each in self._destinations if each.error]
        why = ": ".join([reason, *errors[:1]])
        self._warnings.append(f"{store} takes no pane: dropped one of {pane.rows} rows of {pane.dataset!r}: {why}")

    def _take_out(self, number: int) -> Pane:
        waiting = self._waiting.pop(number)
        self.waiting_bytes -= waiting.size_bytes
        if self.spool is not None:
            self.spool.forget(number)
        return waiting.pane
