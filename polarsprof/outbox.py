"""Sealed panes on their way into a store: kept in order, tried again with growing pauses, bounded in bytes.

A store that takes nothing never raises into the stream. What it does not take is kept up to a bound; beyond it the
oldest pane is dropped, counted and named in the news.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from polarsprof.errors import StoreError

if TYPE_CHECKING:
    from polarsprof.store import Pane, ProfileStore

_FIRST_PAUSE_US: Final = 1_000_000
_LONGEST_PAUSE_US: Final = 60_000_000


class Outbox:
    """The panes of one writer that the store does not hold yet.

    Parameters
    ----------
    store
        Where they go.
    max_bytes
        How much is kept while the store takes nothing.

    Attributes
    ----------
    panes_written, bytes_written
        What the store took so far.
    rows_dropped
        Rows of panes dropped so far.
    """

    def __init__(self, store: ProfileStore, max_bytes: int) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._waiting: deque[Pane] = deque()
        self._waiting_bytes = 0
        self._error: Exception | None = None
        self._pause_us = _FIRST_PAUSE_US
        self._next_try_us = 0
        self._news: list[str] = []
        self.panes_written = 0
        self.bytes_written = 0
        self.rows_dropped = 0

    def __len__(self) -> int:
        """Number of panes that wait."""
        return len(self._waiting)

    def add(self, pane: Pane, now_us: int) -> None:
        """Take a pane in, to be published at the next call or as soon as there are too many."""
        free_bytes = self._max_bytes - len(pane.data)
        if self._waiting_bytes > free_bytes:
            self.publish(now_us)
        # The newest pane is kept whatever its size, so that a store that works gets everything.
        while self._waiting and self._waiting_bytes > free_bytes:
            dropped = self._taken_out()
            self.rows_dropped += dropped.rows
            text = f"{self._store} takes no pane: dropped one of {dropped.rows} rows of {dropped.dataset!r}"
            self._news.append(f"{text}: {self._error}")
        self._waiting_bytes += len(pane.data)
        self._waiting.append(pane)

    def publish(self, now_us: int, *, at_once: bool = False) -> None:
        """Hand the panes to the store, in order; stop at the first that it does not take."""
        if now_us < self._next_try_us and not at_once:
            return
        while self._waiting:
            pane = self._waiting[0]
            try:
                self._store.put(pane)
            except Exception as error:  # noqa: BLE001 - whatever it is, the pane stays until the store has it
                self._failed(error, now_us)
                return
            self._taken_out()
            self.panes_written += 1
            self.bytes_written += len(pane.data)
        self._error, self._pause_us, self._next_try_us = None, _FIRST_PAUSE_US, 0

    def next_due_us(self) -> int | None:
        """When to try again; None: nothing waits."""
        return self._next_try_us if self._waiting else None

    def take_news(self) -> list[str]:
        """What the user should be warned of since the last call."""
        news, self._news = self._news, []
        return news

    def raise_if_waiting(self) -> None:
        """Raise for panes that the store has not taken.

        Raises
        ------
        StoreError
            With the store's own error as its cause.
        """
        if self._waiting:
            rows = sum(pane.rows for pane in self._waiting)
            msg = f"{self._store}: {len(self._waiting)} panes of {rows} rows are not durable yet: {self._error}"
            raise StoreError(msg) from self._error

    def _taken_out(self) -> Pane:
        pane = self._waiting.popleft()
        self._waiting_bytes -= len(pane.data)
        return pane

    def _failed(self, error: Exception, now_us: int) -> None:
        if self._error is None:
            self._news.append(f"{self._store} takes no pane, will try again: {error}")
        self._error = error
        self._next_try_us = now_us + self._pause_us
        self._pause_us = min(2 * self._pause_us, _LONGEST_PAUSE_US)
