"""`RecordAccumulator`: records on their way from any thread to the writer; one buffer, and batches that were set aside.

A buffer is set aside when it is full, when it is a second old, when the window of arrival ends, and when somebody wants
all there is. Who takes batches out holds a lock of the caller's choice, so that a journal misses none of them.
"""

from __future__ import annotations

import threading
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final

from polarsprof.ingest.records import RecordBuffer
from polarsprof.windowing.clock import uninterrupted

if TYPE_CHECKING:
    from polarsprof.ingest.records import RecordBatch
    from polarsprof.stream.rotation import Windowing
    from polarsprof.windowing.clock import Clock

MAX_BATCH_ROWS: Final = 32_768
MAX_BATCH_BYTES: Final = 32 << 20
MAX_BATCH_AGE_US: Final = 1_000_000
_MAX_WAITING_BATCHES: Final = 2


class RecordAccumulator:
    """Records that are not profiled yet; every method is thread-safe, but only one thread at a time may take them out.

    Parameters
    ----------
    windowing
        How the stream is cut.
    clock
        What says when a record comes.

    Attributes
    ----------
    buffer
        Where records go.
    rotates
        Whether `cut_if_over` has to be called before a record goes there.
    """

    def __init__(self, windowing: Windowing, clock: Clock) -> None:
        self._windowing = windowing
        self._clock = clock
        self._lock = threading.RLock()  # guards all below; a signal handler may log too
        self._waiting: deque[RecordBatch] = deque()
        self._rows_set_aside = 0
        self.rotates = windowing.tumbling is not None
        self._cut_us = (0, 0) if self.rotates else (-(2**63), 2**63)  # the window of arrival of what is in the buffer
        self.buffer = self.new_buffer()

    @property
    def rows(self) -> int:
        """Number of records that ever came."""
        with self._lock:
            return self._rows_set_aside + len(self.buffer)

    def new_buffer(self) -> RecordBuffer:
        """A buffer of the same bounds."""
        return RecordBuffer(MAX_BATCH_ROWS, MAX_BATCH_BYTES, self._clock)

    def disown(self, reason: str) -> None:
        """Refuse every record in a forked child, where a thread of the parent may have held the locks."""
        self._lock = threading.RLock()
        self.buffer = self.new_buffer()
        self.buffer.close(reason)

    def cut_if_over(self) -> None:
        """Where the window of arrival is over, set its records aside and begin that of now."""
        now_us = self._clock.now_us()
        # A handler that logs while its thread holds the buffer would wait for itself; its record joins those before.
        if not self._cut_us[0] <= now_us < self._cut_us[1] and not self.buffer.is_held:
            uninterrupted(partial(self._cut, now_us))

    def set_aside_full(self) -> bool:
        """Set a full buffer aside; whether more wait than the background thread can see to."""
        with self._lock:
            if self.buffer.full:
                self.set_aside()
            return len(self._waiting) > _MAX_WAITING_BATCHES

    def set_aside_due(self, now_us: int) -> None:
        """Set the buffer aside where it is old or its window is over."""
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
        """When something is to be done; None: there is nothing."""
        with self._lock:
            begun_us = self._waiting[0].begun_us if self._waiting else self.buffer.begun_us
            return None if begun_us is None else begun_us + MAX_BATCH_AGE_US

    @property
    def waiting(self) -> int:
        """Number of batches that were set aside."""
        return len(self._waiting)

    def taken(self) -> RecordBatch:
        """Take the first batch out that was set aside."""
        return self._waiting.popleft()

    def to_journal(self) -> list[RecordBatch]:
        """All records here that were not given to a journal; from now on they count as given to one."""
        with self._lock:
            return [*(batch.to_journal() for batch in self._waiting), self.buffer.to_journal()]

    def _cut(self, now_us: int) -> None:
        with self._lock:
            self.set_aside()
            window = self._windowing.window(now_us, now_us)
            self._cut_us = (window.start_us, window.end_us)
