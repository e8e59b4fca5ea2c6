"""`RecordAccumulator`: takes records from any thread and cuts them into batches.

A buffer is set aside when it is full, when it is a second old, when its window of arrival ends, and on request. A
thread that takes batches out holds the lock of the checkpoints, so that the journal misses none of them.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from polarsprof._threads import Rank, ranked_lock, uninterrupted
from polarsprof.ingest.records import RecordBuffer

if TYPE_CHECKING:
    from polarsprof.ingest.records import RecordBatch
    from polarsprof.windowing.clock import Clock
    from polarsprof.windowing.windowing import Windowing

MAX_BATCH_ROWS: Final = 32_768
MAX_BATCH_BYTES: Final = 32 << 20
MAX_BATCH_AGE_US: Final = 1_000_000
_MAX_WAITING_BATCHES: Final = 2  # beyond it, `log` profiles in the thread of its caller


class RecordAccumulator:
    """Records that wait to be profiled: one buffer, and batches set aside.

    Thread-safe, but only one thread at a time may take batches out.

    Parameters
    ----------
    windowing
        The rule by which the stream is cut into windows.
    clock
        Times the arrival of records.

    Attributes
    ----------
    buffer
        Takes single records.
    rotates
        Whether `cut_if_over` must be called before a record is appended to the buffer.
    """

    def __init__(self, windowing: Windowing, clock: Clock) -> None:
        self._windowing = windowing
        self._clock = clock
        self._lock = ranked_lock(Rank.ACCUMULATOR)  # guards all below; a signal handler may log, too
        self._waiting: deque[RecordBatch] = deque()
        self._rows_set_aside = 0
        self.rotates = windowing.tumbling is not None
        self._cut_us = (0, 0) if self.rotates else (-(2**63), 2**63)  # the window of arrival of what is in the buffer
        self.buffer = self.new_buffer()

    @property
    def rows(self) -> int:
        """Number of records taken so far."""
        with self._lock:
            return self._rows_set_aside + len(self.buffer)

    def new_buffer(self) -> RecordBuffer:
        """Return an empty buffer of the same bounds."""
        return RecordBuffer(MAX_BATCH_ROWS, MAX_BATCH_BYTES, self._clock)

    def disown(self, reason: str) -> None:
        """Refuse every record in a forked child.

        The locks are new, because a thread of the parent may have held them.
        """
        self._lock = ranked_lock(Rank.ACCUMULATOR)
        self.buffer = self.new_buffer()
        self.buffer.close(reason)

    def cut_if_over(self) -> None:
        """Set the records aside and begin a new window, if that of arrival is over."""
        now_us = self._clock.now_us()
        # A signal handler inside the buffer would wait for itself; its record joins those before.
        if not self._cut_us[0] <= now_us < self._cut_us[1] and not self.buffer.is_held:
            uninterrupted(self._cut, now_us)

    def set_aside_full(self) -> bool:
        """Set a full buffer aside; return whether too many batches wait."""
        with self._lock:
            if self.buffer.full:
                self.set_aside()
            return len(self._waiting) > _MAX_WAITING_BATCHES

    def set_aside_due(self, now_us: int) -> None:
        """Set the buffer aside if it is old or its window is over."""
        with self._lock:
            begun_us = self.buffer.begun_us
            # Old, or begun before the clock was set back.
            old = begun_us is not None and not begun_us <= now_us < begun_us + MAX_BATCH_AGE_US
            if old or not self._cut_us[0] <= now_us < self._cut_us[1]:
                self.set_aside()

    def set_aside(self) -> None:
        """Set the buffer aside."""
        with self._lock:
            batch = self.buffer.swap()
            if batch.rows:
                self._waiting.append(batch)
                self._rows_set_aside += batch.rows

    def due_us(self) -> int | None:
        """Return when the next batch is due; None if no record waits."""
        with self._lock:
            begun_us = self._waiting[0].begun_us if self._waiting else self.buffer.begun_us
            return None if begun_us is None else begun_us + MAX_BATCH_AGE_US

    @property
    def waiting(self) -> int:
        """Number of batches that were set aside."""
        return len(self._waiting)

    def take_batch(self) -> RecordBatch:
        """Remove and return the first batch that was set aside."""
        return self._waiting.popleft()

    def to_journal(self) -> list[RecordBatch]:
        """Return all records that no journal holds; from now on they count as journaled."""
        with self._lock:
            return [*(batch.to_journal() for batch in self._waiting), self.buffer.to_journal()]

    def _cut(self, now_us: int) -> None:
        with self._lock:
            self.set_aside()
            window = self._windowing.window(now_us, now_us)
            self._cut_us = (window.start_us, window.end_us)
