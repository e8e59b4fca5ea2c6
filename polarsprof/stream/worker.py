"""`StreamWorker`: all work on one stream, behind one lock.

A background thread, which the clock provides, runs the work that is due. Calls that need an answer run theirs in the
thread of the caller. Warnings are given and `on_pane` is called after the lock is released, because both may log.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from polarsprof._threads import Rank, ranked_lock, uninterrupted
from polarsprof.errors import StoreError, run_all
from polarsprof.kernels.forks import handlers_only_raise
from polarsprof.profiles.merging import merge
from polarsprof.stream.accumulator import RecordAccumulator
from polarsprof.stream.counters import StreamCounters
from polarsprof.stream.effects import Effects
from polarsprof.stream.lifecycle import Lifecycle
from polarsprof.stream.recovery import CrashedWriters
from polarsprof.stream.status import StreamStatus
from polarsprof.stream.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from polarsprof.kernels.batch import RowBatch
    from polarsprof.profiles.profile import Profile
    from polarsprof.stream.settings import WriterSettings

_Result = TypeVar("_Result")
_Arguments = ParamSpec("_Arguments")


class StreamWorker:
    """Owns the writers of one data set, their records and the background thread.

    Parameters
    ----------
    settings
        Of the writer. Panes that crashed writers of the data set left behind are published, too.
    on_closed
        Called once `finish` has succeeded. Until then the thread keeps it alive, and with it the session, so that an
        abandoned logger is closed at exit.

    Attributes
    ----------
    accumulator
        Takes single records; call `attend` if its buffer asks for it.
    lifecycle
        Whether the stream is open.
    watched
        Whether `status` is kept up to date.
    status
        The state of the stream at the end of the last work, if watched.
    """

    def __init__(self, settings: WriterSettings, on_closed: Callable[[], None]) -> None:
        self.accumulator = RecordAccumulator(settings.windowing, settings.clock)
        self.lifecycle = Lifecycle(settings.dataset)
        self.watched = False
        self.status = StreamStatus()
        self._settings = settings
        self._on_closed = on_closed
        self._clock = settings.clock
        self._lock = ranked_lock(Rank.WORK)  # guards the writers; a signal handler of its holder may take it again
        self._writer = Writer(settings, self._gather)
        self._crashed = CrashedWriters(settings, self._writer, Writer)
        self._rows_in_batches = 0
        self._finished = False
        self.run(self._crashed.recover, self._clock.now_us())
        self._alarm_us: int | None = None  # next time of the alarm, set by its last run
        self._alarm = self._clock.alarm(self._on_alarm)

    @property
    def rows_recovered(self) -> int:
        """Rows of panes that crashed writers left behind."""
        return self._crashed.rows

    @property
    def rows_logged(self) -> int:
        """Rows that were logged, including those still buffered."""
        return self._rows_in_batches + self.accumulator.rows

    def run(
        self,
        work: Callable[_Arguments, _Result],
        *arguments: _Arguments.args,
        **options: _Arguments.kwargs,
    ) -> _Result:
        """Do work to its end under the lock, then emit its warnings and panes."""
        effects = Effects()
        try:
            return uninterrupted(partial(self._run_locked, effects, work, *arguments, **options))
        finally:
            effects.emit(self._settings)

    def tick(self) -> None:
        """Profile, seal, save and publish what is due; move the alarm forward if needed."""
        if not self.lifecycle.is_over and self.run(self._is_due_before_alarm):
            self._alarm.wake()

    def snapshot(self) -> Profile:
        """Return a merged copy of all open windows, everything logged included."""
        self.lifecycle.check_open()
        return self.run(self._snapshot)

    def finish(self) -> None:
        """Seal and publish everything and end the worker; later calls do nothing.

        Raises
        ------
        StoreError
            If a store does not take everything. No more rows are taken, but `finish` may be called again.
        """
        if self.lifecycle.is_over:
            return
        self.lifecycle.ending = True
        self.accumulator.buffer.close(self.lifecycle.reason)
        self.run(self._finish)
        self.lifecycle.closed = True
        self.accumulator.buffer.close(self.lifecycle.reason)
        self._alarm.stop()
        self._on_closed()

    def attend(self) -> None:
        """Handle a buffer that got its first record, is full, or was just closed."""
        accumulator = self.accumulator
        if accumulator.buffer.is_held:  # by this thread: a signal handler logs, and nothing can be done inside of it
            self._alarm.wake()
            return
        crowded = accumulator.buffer.full and uninterrupted(accumulator.set_aside_full)
        if self.lifecycle.ending:  # the closing thread may have emptied the buffer already
            self.run(self._finish)
        elif crowded:
            self.tick()
        else:
            self._alarm.wake()

    def add(self, batches: list[RowBatch], positions: Mapping[str, int] | None = None) -> None:
        """Profile batches in the thread of the caller.

        Given positions, batches and positions become durable together.

        Raises
        ------
        ClosedError
            After `finish` was called, and in a forked child.
        """
        self.run(self._add, batches, positions)
        self.tick()

    def flush(self) -> None:
        """Return once everything logged before is durable.

        Raises
        ------
        StoreError
            If it cannot be written; it is kept for the next try, up to a bound.
        ClosedError
            After `finish` was called, and in a forked child.
        """
        self.lifecycle.check_open()
        # The journal is written beside the background thread. If an exception cuts it short, the next flush saves a
        # checkpoint. Handing it to another thread costs more than the work itself; only a handler that logs must not
        # come in between.
        journal = partial(self._writer.checkpoints.flush, self.accumulator.to_journal)
        has_journal = self._settings.checkpoint_every_us is not None
        if not (has_journal and (journal() if handlers_only_raise() else uninterrupted(journal))):
            self.run(self._make_durable, self._clock.now_us())

    def positions(self) -> dict[str, int]:
        """Return source → next position to read; all before it, by any logger, is durable."""
        return uninterrupted(self._read, self._crashed.durable_positions)

    def counters(self) -> StreamCounters:
        """Return the counters since the worker was created."""
        counters: StreamCounters = uninterrupted(self._read, self._count)  # no handler finds a lock held that it needs
        return counters

    def rejected(self) -> dict[str, int]:
        """Return reason → rejected rows; buffered rows are not looked at."""
        return uninterrupted(self._read, lambda: dict(self._writer.rejected))

    def watch(self) -> None:
        """Keep `status` up to date, at a cost of some microseconds a batch."""
        self.watched = True
        self.run(lambda: None)

    def select(self, choose: Callable[[set[str]], Collection[str]], timeout_s: float) -> Profile | None:
        """Return a merged copy of a few columns of the open windows; None on timeout.

        The lock is taken once a window, so the stream waits for one copy at a time.
        """
        until_s = time.monotonic() + timeout_s

        def read(read: Callable[..., _Result], *arguments: object) -> _Result:
            rest_s = max(0.0, until_s - time.monotonic())
            return uninterrupted(partial(self._read, read, *arguments, timeout_s=rest_s))

        try:
            starts_us, paths = read(self._writer.on_time.open_paths)
            chosen = choose(paths)
            files = [read(self._writer.on_time.select, start_us, chosen) for start_us in (starts_us if chosen else ())]
        except TimeoutError:
            return None
        return merge(filter(None, files))

    def disown(self) -> None:
        """Make the worker useless in a forked child; its state belongs to the parent."""
        self.lifecycle.disowned = True
        self._lock = ranked_lock(Rank.WORK)  # a thread of the parent may hold the old one
        self.accumulator.disown(self.lifecycle.reason)
        for writer in self._writers:
            writer.checkpoints.disown()

    @property
    def _writers(self) -> list[Writer]:
        return [self._writer, *self._crashed.writers]

    def _run_locked(
        self,
        effects: Effects,
        work: Callable[_Arguments, _Result],
        *arguments: _Arguments.args,
        **options: _Arguments.kwargs,
    ) -> _Result:
        with self._lock:
            try:
                return work(*arguments, **options)
            finally:
                effects.collect(self._crashed.drain_warnings(), self._writers)
                if self.watched:
                    self.status = self._writer.status()

    def _read(self, read: Callable[..., _Result], *arguments: object, timeout_s: float = -1) -> _Result:
        """Read the writer under the lock; raise TimeoutError if it is held too long."""
        if not self._lock.acquire(timeout=timeout_s):
            raise TimeoutError
        try:
            return read(*arguments)
        finally:
            self._lock.release()

    def _on_alarm(self) -> int | None:
        """Do what is due; return when to run again."""
        return None if self.lifecycle.is_over else self.run(self._set_alarm)

    def _set_alarm(self) -> int | None:
        self._alarm_us = self._do_what_is_due()
        return self._alarm_us

    def _is_due_before_alarm(self) -> bool:
        due_us = self._do_what_is_due()
        return due_us is not None and (self._alarm_us is None or due_us < self._alarm_us)

    def _do_what_is_due(self) -> int | None:
        now_us = self._clock.now_us()
        self.accumulator.set_aside_due(now_us)
        self._fold()
        dues = [self._writer.tick(now_us), *self._crashed.tick(now_us), self.accumulator.due_us()]
        return min((due for due in dues if due is not None), default=None)

    def _add(self, batches: Iterable[RowBatch], positions: Mapping[str, int] | None) -> None:
        self.lifecycle.check_open()
        for batch in batches:
            self._rows_in_batches += batch.rows
            self._writer.checkpoints.mark_unsaved()
            self._writer.add(batch, self._clock.now_us())
        if positions:
            self._writer.advance(positions, self._clock.now_us())

    def _gather(self) -> None:
        """Fold all records logged so far into their windows."""
        self.accumulator.set_aside()
        self._fold()

    def _fold(self) -> None:
        """Fold the batches that were set aside into their windows."""
        for _ in range(self.accumulator.waiting):  # one by one: an error in one keeps the others
            with self._writer.checkpoints.lock:  # so that a flush finds each batch either here or there
                batch = self.accumulator.take_batch()
                self._writer.checkpoints.expect(batch)
            self._writer.add(batch, batch.begun_us)

    def _snapshot(self) -> Profile:
        self._gather()
        return merge(self._writer.on_time.open_profiles())

    def _make_durable(self, now_us: int) -> None:
        if self._finished:  # by another thread, which made everything durable
            return
        if self._settings.checkpoint_every_us is None:
            self._gather()
            self._writer.seal_and_publish(now_us)
        else:
            self._writer.save(now_us)

    def _finish(self) -> None:
        now_us = self._clock.now_us()
        self._gather()
        run_all((partial(writer.seal_and_publish, now_us) for writer in self._writers), StoreError)
        self._writer.end()
        self._crashed.tick(now_us)
        self._crashed.leave()
        self._finished = True

    def _count(self) -> StreamCounters:
        rows = StreamCounters(rows_logged=self.rows_logged, rows_recovered=self.rows_recovered)
        return self._writer.counters(self._clock.now_us()) + rows
