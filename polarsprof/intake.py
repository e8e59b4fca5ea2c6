"""`Intake`: records on their way from any thread to the writer; one buffer, and batches that were set aside.

A buffer is set aside when it is full, when the window of arrival ends, and when somebody wants all there is. Batches
that a `flush` made small are joined again before they are profiled, because a batch has a price of its own.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from polarsprof.clock import uninterrupted
from polarsprof.records import RecordBatch, RecordBuffer, joined

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polarsprof.clock import Clock
    from polarsprof.rotation import Windowing

MAX_BATCH_ROWS: Final = 32_768
MAX_BATCH_BYTES: Final = 32 << 20
MAX_BATCH_AGE_US: Final = 1_000_000
_MAX_FULL_BATCHES: Final = 2


@dataclass(slots=True)
class Waiting:
    """A batch that was set aside: when its window of arrival begins and ends, whether the journal has it."""

    batch: RecordBatch
    cut_us: tuple[int, int]
    journaled: bool = False

    def is_like(self, other: Waiting) -> bool:
        """Whether both can be profiled as one batch."""
        return (self.cut_us, self.journaled) == (other.cut_us, other.journaled)


class Intake:
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
        self._waiting: deque[Waiting] = deque()
        self._full = 0  # how many of them were set aside because they were full
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
        if not self._cut_us[0] <= now_us < self._cut_us[1]:
            uninterrupted(partial(self._cut, now_us))

    def set_aside_full(self) -> bool:
        """Set a full buffer aside; whether there are more than the background thread can see to."""
        with self._lock:
            if self.buffer.full:
                self._set_aside()
                self._full += 1
            return self._full > _MAX_FULL_BATCHES

    def due_us(self) -> int | None:
        """When what came first has been waiting for long enough; None: there is nothing."""
        with self._lock:
            begun_us = self._waiting[0].batch.begun_us if self._waiting else self.buffer.begun_us
            return None if begun_us is None else begun_us + MAX_BATCH_AGE_US

    def taken_due(self, now_us: int) -> Iterator[Waiting]:
        """Take out what is due: all that is old or of a window that is over, else what makes a whole batch."""
        with self._lock:
            due_us = self.due_us()
            cuts = [self._cut_us, *(each.cut_us for each in self._waiting)]
            old = (due_us is not None and due_us <= now_us) or any(not start <= now_us < end for start, end in cuts)
            whole = self._full > 0 or sum(each.batch.rows for each in self._waiting) >= MAX_BATCH_ROWS
        if old or whole:
            yield from self.taken(everything=old)

    def taken(self, *, everything: bool = True) -> Iterator[Waiting]:
        """Take out what was set aside, and what is in the buffer too, in batches as large as they may be."""
        number = len(self.set_aside() if everything else self._waiting)
        self._full = 0
        while number > 0:  # one by one: an error in one keeps the others
            alike = self._alike(number)
            number -= len(alike)
            yield Waiting(joined([each.batch for each in alike]), alike[0].cut_us, alike[0].journaled)

    def set_aside(self) -> list[Waiting]:
        """Set the buffer aside; all that wait, in order."""
        with self._lock:
            self._set_aside()
            return list(self._waiting)

    def _alike(self, number: int) -> list[Waiting]:
        """Take out the first batches that can be profiled as one, at least one and at most so many."""
        alike = [self._waiting.popleft()]
        rows = alike[0].batch.rows
        while len(alike) < number:
            following = self._waiting[0]
            rows += following.batch.rows
            if rows > MAX_BATCH_ROWS or not following.is_like(alike[0]):
                break
            alike.append(self._waiting.popleft())
        return alike

    def _cut(self, now_us: int) -> None:
        with self._lock:
            self._set_aside()
            window = self._windowing.window(now_us, now_us)
            self._cut_us = (window.start_us, window.end_us)

    def _set_aside(self) -> None:
        batch = self.buffer.swap()
        if batch.rows:
            self._waiting.append(Waiting(batch, self._cut_us))
            self._rows_set_aside += batch.rows
