"""`CheckpointCoordinator`: decides when the state of a writer is made durable.

Rows in profiles become durable with the next checkpoint. Rows that wait to be profiled may go into the journal, which
is quicker. Before the first checkpoint, a crashed process leaves nothing behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from polarsprof._threads import Rank, ranked_lock
from polarsprof.errors import StoreError
from polarsprof.stream.checkpoints.messages import rows_entry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from polarsprof.ingest.records import RecordBatch
    from polarsprof.stream.checkpoints.storage import CheckpointStorage
    from polarsprof.windowing.clock import Clock

_MAX_JOURNAL_BYTES: Final = 64 << 20  # bounds the time of a recovery
_MAX_JOURNAL_ROWS: Final = 16_384  # at once
_FIRST_PAUSE_US: Final = 1_000_000
_LONGEST_PAUSE_US: Final = 60_000_000
_PANE_PAUSES: Final = 9  # costs of a checkpoint between two for panes alone, so that they take a tenth of the time


class CheckpointCoordinator:
    """The journal and the checkpoints of one writer.

    Parameters
    ----------
    folder
        The folder of the files.
    new_files
        Creates the files of a new writer.
    every_us
        Longest wait of a change for a checkpoint, in microseconds; None saves no checkpoints.
    clock
        Times checkpoints.
    files
        Files of a crashed writer to go on with; None for a new writer.

    Attributes
    ----------
    lock
        Guards all of it. A thread that takes rows out of the accumulator holds it until `expect` has them, so that a
        flush finds each row either waiting or expected.
    unsaved
        Whether neither the checkpoint nor the journal holds some rows.
    """

    def __init__(
        self,
        folder: Path,
        new_files: Callable[[], CheckpointStorage],
        every_us: int | None,
        clock: Clock,
        files: CheckpointStorage | None,
    ) -> None:
        self.lock = ranked_lock(Rank.CHECKPOINTS)
        self.unsaved = False
        self._folder = folder
        self._new_files = new_files
        self._every_us = every_us
        self._clock = clock
        self._files = files
        self._changed_us: int | None = None  # time of the first change since the checkpoint
        self._saved_us = self._cost_us = self._retry_us = 0
        self._pause_us = _FIRST_PAUSE_US
        self._warnings: list[str] = []

    @property
    def saves(self) -> bool:
        """Whether checkpoints are saved at all."""
        return self._every_us is not None

    @property
    def holds(self) -> bool:
        """Whether a checkpoint exists, so that its rows count again after a crash."""
        return self._files is not None and not self._files.empty

    def mark_unsaved(self) -> None:
        """Note rows or positions that no journal holds, now or soon."""
        with self.lock:  # another thread that writes the journal clears the mark at its end
            self.unsaved = True

    def changed(self, now_us: int) -> None:
        """Note a change that the next checkpoint must hold."""
        if self._changed_us is None:
            self._changed_us = now_us

    def nothing_to_save(self) -> None:
        """Note that all rows are durable elsewhere."""
        self.unsaved, self._changed_us = False, None

    @property
    def changed_us(self) -> int | None:
        """Time of the first change that no checkpoint holds; None if there is none."""
        return self._changed_us

    def age_us(self, now_us: int) -> int:
        """Return the age of the first change that no checkpoint holds; 0 if none."""
        return 0 if self._changed_us is None else max(0, now_us - self._changed_us)

    def expect(self, batch: RecordBatch) -> None:
        """Journal records that are profiled next, or note that a checkpoint must follow."""
        try:
            journaled = self._files is not None and self._files.journal_bytes > 0
            journaled = journaled and self.journal(lambda: [batch.to_journal()])
        except Exception:  # noqa: BLE001 - an error of the journal does not stop the batch
            journaled = False
        if not journaled:
            self.mark_unsaved()

    def journal(self, batches: Callable[[], list[RecordBatch]]) -> bool:
        """Append waiting records to the journal; return whether it took them.

        The journal takes none if earlier rows are in no checkpoint and no journal, or if profiling so many records and
        saving a checkpoint is cheaper. Then only `save` makes everything durable. `is_durable` waits for the disk.
        """
        files = self._files
        if files is None or files.empty or self.unsaved or files.journal_bytes > _MAX_JOURNAL_BYTES:
            return False
        self.unsaved = True  # until all went well: from here on they count as journaled
        pending = [batch for batch in batches() if batch.rows]
        if sum(batch.rows for batch in pending) > _MAX_JOURNAL_ROWS:
            return False
        for batch in pending:
            entry = rows_entry(batch)
            if entry is None or not _appended(files, *entry):
                return False
            self.changed(batch.begun_us)
        self.unsaved = False
        return True

    def is_durable(self) -> bool:
        """Wait until the journal is durable; return whether every row is."""
        if self.unsaved:
            return False
        try:
            if self._files is not None:
                self._files.sync()
        except OSError:
            return False
        return True

    def flush(self, batches: Callable[[], list[RecordBatch]]) -> bool:
        """Journal waiting records; return whether that made every row durable."""
        with self.lock:
            return self.journal(batches) and self.is_durable()

    def save(self, write: Callable[[CheckpointStorage], bool], now_us: int) -> None:
        """Save a checkpoint.

        Parameters
        ----------
        write
            Writes everything logged; returns whether it left nothing out.
        now_us
            The time.

        Raises
        ------
        StoreError
            If the folder does not take it; a warning says so, and it is tried again.
        """
        begun_us = self._clock.now_us()
        try:
            with self.lock:
                self.unsaved = True  # from here on the old journal takes nothing
                whole = write(self._opened())
                self.unsaved, self._changed_us = not whole, None
        except Exception as error:
            self._failed(error, now_us)
            if not isinstance(error, OSError):
                raise
            msg = f"{self._folder}: logged rows are not durable: {error}"
            raise StoreError(msg) from error
        self._saved_us = self._clock.now_us()
        self._cost_us = self._saved_us - begun_us
        self._retry_us, self._pause_us = 0, _FIRST_PAUSE_US

    def due_us(self, now_us: int, *, panes_wait: bool, urgent: bool) -> int | None:
        """Return when to save the next checkpoint; None if never.

        Panes may wait for it; many of them make it urgent.
        """
        if self._every_us is None:
            return None
        if self._changed_us is not None:  # a clock that was set back delays nothing
            self._changed_us = min(self._changed_us, now_us)
        self._saved_us, self._retry_us = min(self._saved_us, now_us), min(self._retry_us, now_us + _LONGEST_PAUSE_US)
        dues = [] if self._changed_us is None else [self._changed_us + self._every_us]
        if panes_wait:
            dues.append(self._saved_us + (0 if urgent else _PANE_PAUSES * self._cost_us))
        return max(min(dues), self._retry_us) if dues else None

    def end(self, *, leave: bool) -> None:
        """Leave the files to the next logger, or remove them."""
        files, self._files = self._files, None
        if files is not None and leave:
            files.leave()
        elif files is not None:
            files.remove()

    def disown(self) -> None:
        """Leave the files alone in a forked child, where they belong to the parent."""
        self.lock = ranked_lock(Rank.CHECKPOINTS)  # a thread of the parent may hold the old one
        if self._files is not None:
            self._files.leave()

    def drain_warnings(self) -> list[str]:
        """Return the warnings since the last call."""
        drained, self._warnings = self._warnings, []
        return drained

    def _opened(self) -> CheckpointStorage:
        if self._files is None:
            self._files = self._new_files()
        return self._files

    def _failed(self, error: Exception, now_us: int) -> None:
        if not self._retry_us:
            self._warnings.append(f"{self._folder}: no checkpoint can be saved, will try again: {error}")
        with self.lock:
            if isinstance(error, FileNotFoundError) and self._files is not None and self._files.gone:
                self.end(leave=True)  # the folder was removed: the next try makes it anew
        self._retry_us = now_us + self._pause_us
        self._pause_us = min(2 * self._pause_us, _LONGEST_PAUSE_US)


def _appended(files: CheckpointStorage, *parts: bytes) -> bool:
    try:
        files.append(*parts)
    except OSError:
        return False
    return True
