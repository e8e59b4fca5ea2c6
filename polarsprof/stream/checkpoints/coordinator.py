"""`CheckpointCoordinator`: what of a writer is on a disk, and what has to get there when.

Rows that were added are on the disk with the next checkpoint; those that are yet to be added may go into the journal,
which is quicker. As long as there was no checkpoint, a dead process leaves nothing behind.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from polarsprof.errors import StoreError
from polarsprof.stream.checkpoints.messages import rows_entry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from polarsprof.ingest.records import RecordBatch
    from polarsprof.stream.checkpoints.storage import CheckpointStorage
    from polarsprof.windowing.clock import Clock

_MAX_JOURNAL_BYTES: Final = 64 << 20
_MAX_JOURNAL_ROWS: Final = 16_384  # at once
_FIRST_PAUSE_US: Final = 1_000_000
_LONGEST_PAUSE_US: Final = 60_000_000
_RARELY: Final = 9  # for panes alone, checkpoints are this many times as far apart as one takes: a tenth of the time


class CheckpointCoordinator:
    """The journal and the checkpoints of one writer.

    Parameters
    ----------
    folder
        Where they lie.
    made
        Makes the files of a new writer.
    every_us
        How long changes may wait for a checkpoint; None: there are none.
    clock
        What times checkpoints.
    files
        Those of a writer that lives no more, to go on with.

    Attributes
    ----------
    lock
        Guards all of it. Who takes rows out to add them holds it until `expect` knows of them, so that a flush finds
        each row either waiting or expected.
    unsaved
        Whether there are rows that neither the checkpoint nor the journal holds.
    """

    def __init__(
        self,
        folder: Path,
        made: Callable[[], CheckpointStorage],
        every_us: int | None,
        clock: Clock,
        files: CheckpointStorage | None,
    ) -> None:
        self.lock = threading.RLock()
        self.unsaved = False
        self._folder = folder
        self._made = made
        self._every_us = every_us
        self._clock = clock
        self._files = files
        self._changed_us: int | None = None  # when the first change since the checkpoint came
        self._saved_us = self._cost_us = self._retry_us = 0
        self._pause_us = _FIRST_PAUSE_US
        self._warnings: list[str] = []

    @property
    def saves(self) -> bool:
        """Whether there are checkpoints at all."""
        return self._every_us is not None

    @property
    def holds(self) -> bool:
        """Whether a checkpoint lies on the disk, of which rows would count again if the process died."""
        return self._files is not None and not self._files.empty

    def mark_unsaved(self) -> None:
        """Note that there are rows or positions, or are about to be, that no journal has."""
        with self.lock:  # or a journal that is being written by another thread would end with the mark wiped out
            self.unsaved = True

    def changed(self, now_us: int) -> None:
        """Note that something changed that the next checkpoint has to say."""
        if self._changed_us is None:
            self._changed_us = now_us

    def nothing_to_save(self) -> None:
        """Note that all that was added is safe elsewhere."""
        self.unsaved, self._changed_us = False, None

    @property
    def changed_us(self) -> int | None:
        """When the first change came that no checkpoint has; None where all is in one."""
        return self._changed_us

    def age_us(self, now_us: int) -> int:
        """For how long changes have been waiting for a checkpoint; 0 where there are none."""
        return 0 if self._changed_us is None else max(0, now_us - self._changed_us)

    def expect(self, batch: RecordBatch) -> None:
        """Put records that are about to be added into the journal, where one was begun; else a checkpoint must come."""
        try:
            journaled = self._files is not None and self._files.journal_bytes > 0
            journaled = journaled and self.journal(lambda: [batch.to_journal()])
        except Exception:  # noqa: BLE001 - whatever is wrong with the journal, the batch goes on
            journaled = False
        if not journaled:
            self.mark_unsaved()

    def journal(self, batches: Callable[[], list[RecordBatch]]) -> bool:
        """Put records that are yet to be added into the journal; whether that was possible. `is_durable` waits for it.

        It is not where rows that came before are in no checkpoint and no journal, and for so many that to profile them
        and save a checkpoint is the cheaper way: then only `save` makes all durable.
        """
        files = self._files
        if files is None or files.empty or self.unsaved or files.journal_bytes > _MAX_JOURNAL_BYTES:
            return False
        self.unsaved = True  # unless all goes well: they count as given to the journal from here on
        given = [batch for batch in batches() if batch.rows]
        if sum(batch.rows for batch in given) > _MAX_JOURNAL_ROWS:
            return False
        for batch in given:
            entry = rows_entry(batch)
            if entry is None or not _appended(files, *entry):
                return False
            self.changed(batch.begun_us)
        self.unsaved = False
        return True

    def is_durable(self) -> bool:
        """Wait until the journal is durable; whether all that was added is by that."""
        if self.unsaved:
            return False
        try:
            if self._files is not None:
                self._files.sync()
        except OSError:
            return False
        return True

    def save(self, write: Callable[[CheckpointStorage], bool], now_us: int) -> None:
        """Have a checkpoint written.

        Parameters
        ----------
        write
            Writes it, with all that was logged in it; whether it left nothing out.
        now_us
            The time.

        Raises
        ------
        StoreError
            Where the folder does not take it; that is in the news, and to be tried again.
        """
        begun_us = self._clock.now_us()
        try:
            with self.lock:
                self.unsaved = True  # from here on the old journal takes nothing any more
                whole = write(self._opened())
                self.unsaved, self._changed_us = not whole, None
        except Exception as error:
            self._failed(error, now_us)
            if not isinstance(error, OSError):
                raise
            msg = f"{self._folder}: what was logged is not durable yet: {error}"
            raise StoreError(msg) from error
        self._saved_us = self._clock.now_us()
        self._cost_us = self._saved_us - begun_us
        self._retry_us, self._pause_us = 0, _FIRST_PAUSE_US

    def due_us(self, now_us: int, *, panes_wait: bool, urgent: bool) -> int | None:
        """When the next checkpoint is to be saved; panes may wait for it, many of them urgently; None: never."""
        if self._every_us is None:
            return None
        if self._changed_us is not None:  # a clock that was set back makes nothing wait for longer
            self._changed_us = min(self._changed_us, now_us)
        self._saved_us, self._retry_us = min(self._saved_us, now_us), min(self._retry_us, now_us + _LONGEST_PAUSE_US)
        dues = [] if self._changed_us is None else [self._changed_us + self._every_us]
        if panes_wait:
            dues.append(self._saved_us + (0 if urgent else _RARELY * self._cost_us))
        return max(min(dues), self._retry_us) if dues else None

    def end(self, *, leave: bool) -> None:
        """Leave the files to whoever comes next, or remove them."""
        files, self._files = self._files, None
        if files is not None and leave:
            files.leave()
        elif files is not None:
            files.remove()

    def disown(self) -> None:
        """Leave the files alone in a forked child, where they belong to the parent."""
        if self._files is not None:
            self._files.leave()

    def drain_warnings(self) -> list[str]:
        """What the user should be warned of since the last call."""
        news, self._warnings = self._warnings, []
        return news

    def _opened(self) -> CheckpointStorage:
        if self._files is None:
            self._files = self._made()
        return self._files

    def _failed(self, error: Exception, now_us: int) -> None:
        if not self._retry_us:
            self._warnings.append(f"{self._folder}: no checkpoint can be saved, will try again: {error}")
        with self.lock:
            if isinstance(error, FileNotFoundError) and self._files is not None and self._files.gone:
                self.end(leave=True)  # somebody removed the folder: the next try makes it anew
        self._retry_us = now_us + self._pause_us
        self._pause_us = min(2 * self._pause_us, _LONGEST_PAUSE_US)


def _appended(files: CheckpointStorage, *parts: bytes) -> bool:
    try:
        files.append(*parts)
    except OSError:
        return False
    return True
