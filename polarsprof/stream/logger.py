"""`Logger`: rows of a stream in, from any thread; what they become is the business of its `Writer`.

A call of `log` appends to a buffer. When the buffer is full, a second old or crosses the end of a window, a background
thread hands it to the writer, which types it, folds it into the open windows, saves checkpoints and publishes panes.
Nothing that the data does raises.
"""

from __future__ import annotations

import sys
import threading
import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from polarsprof.errors import ClosedError, DataWarning, StoreError, argument_error, plain_text, raise_one
from polarsprof.ingest.frames import is_tabular
from polarsprof.ingest.json_lines import BULK_BYTES, JsonLines, row_batches
from polarsprof.ingest.records import RejectedRow, decode_json
from polarsprof.kernels.forks import handlers_only_raise
from polarsprof.profiles.header import advance
from polarsprof.profiles.merging import merge
from polarsprof.profiles.profile import Profile
from polarsprof.stream.accumulator import RecordAccumulator
from polarsprof.stream.recovery import known_positions, recovered
from polarsprof.stream.status import SourceStatus, StreamStatus
from polarsprof.stream.writer import Writer, WriterSettings
from polarsprof.windowing.clock import uninterrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from polarsprof.kernels.batch import RowBatch

_Result = TypeVar("_Result")
_NOTHING: Final = object()
_INSIDE: Final = str(Path(__file__).parents[1])  # what stands between a warning and the user's call
_COUNTERS: Final = (
    "rows_logged",
    "rows_profiled",
    "rows_rejected",
    "rows_late",
    "rows_untimed",
    "rows_dropped",
    "rows_recovered",
    "panes_written",
    "panes_waiting",
    "bytes_written",
    "retries",
    "checkpoint_age_us",
    "lag_us",
)


@dataclass(slots=True)
class _Heard:
    """What happened while work was done that others want to know of."""

    news: list[str] = field(default_factory=list)
    panes: list[bytes] = field(default_factory=list)


class Logger:
    """Profiles one stream; made by `Session.logger`.

    Usable as a context manager, which closes it. A logger that is never closed loses nothing at a normal exit of the
    interpreter and never holds it up. A child process after a fork cannot use the loggers of its parent.

    Attributes
    ----------
    dataset_name
        The name of the data set.
    source_status
        How far a source was read into it; None where none is.
    """

    def __init__(self, settings: WriterSettings, on_close: Callable[[Logger], None]) -> None:
        self.dataset_name = settings.dataset
        self._settings = settings
        self._on_close = on_close
        self._clock = settings.clock
        self._work = threading.RLock()  # guards the writers; a signal handler may come by again
        self._accumulator = RecordAccumulator(settings.windowing, settings.clock)
        self._writer = Writer(settings, self._gather)
        self._json_lines = JsonLines()
        self._rows_in_batches = self._rows_recovered = 0
        self._warnings: list[str] = []
        self.source_status: SourceStatus | None = None
        self._watched, self._status = False, StreamStatus()
        self._ending = self._finished = self._closed = self._disowned = False
        self._recovered: list[Writer] = []
        self._known_positions: dict[str, int] = {}
        self._do(self._recover)
        self._alarm_us: int | None = None  # when the alarm goes off, as of its last run
        self._alarm = self._clock.alarm(self._on_alarm)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"Logger({self.dataset_name!r}, {state}, rows_logged={self._rows_in_batches + self._accumulator.rows})"

    @property
    def settings(self) -> WriterSettings:
        """What the logger was made with."""
        return self._settings

    @property
    def closed(self) -> bool:
        """Whether `close` has succeeded."""
        return self._closed

    @property
    def ending(self) -> bool:
        """Whether `close` was called, though not all is durable yet."""
        return self._ending and not self._closed

    def log(self, record: Any = _NOTHING, *, feature_name: str | None = None, value: object = _NOTHING) -> None:
        """Log one record, or one value of one column.

        Parameters
        ----------
        record
            A mapping of column names to values. Anything else is rejected and counted. It may be changed afterwards.
        feature_name, value
            Instead of a record: the one column it has, and its value.

        Raises
        ------
        ArgumentError
            For neither or both, and for a name that is no text.
        ClosedError
            After `close`, or in a forked child.
        """
        if record is _NOTHING or feature_name is not None or value is not _NOTHING:
            record = _record_of_value(record, feature_name, value)
        accumulator = self._accumulator
        if accumulator.rotates:  # from here on as _append, whose call would be a tenth of all this
            accumulator.cut_if_over()
        if accumulator.buffer.append(record):
            self._attend()

    def log_records(self, records: Iterable[Mapping[str, Any]], *, positions: Mapping[str, int] | None = None) -> None:
        """Log each record of an iterable, as `log` does.

        Parameters
        ----------
        records
            The records.
        positions
            Source → the next position to read after these records. After a crash either both count or neither does, so
            who reads on from `positions` of the next logger counts each record exactly once.

        Raises
        ------
        ArgumentError
            For anything else.
        ClosedError
            After `close`, or in a forked child.
        """
        if is_tabular(records):
            raise argument_error("records", records, "an iterable of mappings", "a table goes to log_frame(table)")
        if isinstance(records, Mapping | bytes | bytearray | memoryview) or not hasattr(records, "__iter__"):
            raise argument_error("records", records, "an iterable of mappings", "one record goes to log(record)")
        if positions is not None:
            self._add(self._accumulator.new_buffer().batches(records), positions)
            return
        for record in records:
            self._append(record)

    def log_json(
        self, data: bytes | bytearray | memoryview | str, *, positions: Mapping[str, int] | None = None
    ) -> None:
        """Log the objects of newline-delimited JSON, one line or many; a line that is no object is rejected.

        From 512 KiB on they are profiled at once, at a fifth of the price a line; fewer wait with the records of `log`,
        unless they come with positions.

        Parameters
        ----------
        data
            The lines.
        positions
            As of `log_records`.

        Raises
        ------
        ArgumentError
            For anything but bytes or text.
        ClosedError
            After `close`, or in a forked child.
        """
        if isinstance(data, bytes | bytearray | memoryview | str) and len(data) >= BULK_BYTES:
            self._add(self._json_lines.batches(data), positions)
            return
        records, rejected = decode_json(data)
        rows = chain(records, map(RejectedRow, rejected.elements()))
        if positions is not None:
            self._add(self._accumulator.new_buffer().batches(rows), positions)
            return
        for record in rows:
            self._append(record)

    def log_frame(self, frame: Any, *, positions: Mapping[str, int] | None = None) -> None:
        """Log the rows of a table.

        Parameters
        ----------
        frame
            A Polars frame or lazy frame, anything with an Arrow C stream (pandas, pyarrow, DuckDB, narwhals, …), a
            cursor of ADBC, a file or data set of pyarrow, a path of a Parquet, CSV, NDJSON or Arrow IPC file, or an
            iterable of these. Taken in batches, so memory stays bounded.
        positions
            As of `log_records`; then all batches are in memory together.

        Raises
        ------
        ArgumentError
            For anything else.
        ClosedError
            After `close`, or in a forked child.
        """
        self._add(row_batches(frame), positions)

    log_dataframe = log_frame

    def log_rows(self, batches: Iterable[RowBatch], *, positions: Mapping[str, int] | None = None) -> None:
        """Log rows that were decoded already; this is how `Session.run` logs, and of no use otherwise.

        Parameters
        ----------
        batches
            The rows, as the other methods make them of what they are given.
        positions
            As of `log_records`.

        Raises
        ------
        ClosedError
            After `close`, or in a forked child.
        """
        self._add(batches, positions)

    def flush(self) -> None:
        """Return once everything logged before would survive the death of the process and the loss of power.

        It goes into a journal or a checkpoint beside the store; windows stay open and become panes in their time. With
        `checkpoint_every=None` there is neither, so the open windows are sealed and published instead.

        Raises
        ------
        StoreError
            Where that cannot be written; it is kept, within a bound, for the next try.
        ClosedError
            After `close`, or in a forked child.
        """
        self._check_open()
        if self._settings.checkpoint_every_us is None or not self._is_journaled_safely():
            self._do(partial(self._make_durable, self._clock.now_us()))

    def close(self) -> None:
        """Seal and publish everything and end the logger; a second call does nothing.

        Raises
        ------
        StoreError
            Where the store does not take it. The logger takes no more rows, but closing it may be tried again; what is
            not published when the process ends, the next logger of the data set publishes.
        """
        if self._closed or self._disowned:
            return
        self._ending = True
        self._accumulator.buffer.close(self._not_open())
        self._do(self._finish)
        self._closed = True
        self._accumulator.buffer.close(self._not_open())
        self._alarm.stop()
        self._on_close(self)

    @property
    def positions(self) -> dict[str, int]:
        """Source → the position to read on from: all before it is durable. What earlier loggers left is among them."""
        return uninterrupted(self._durable_positions)

    @property
    def profile(self) -> Profile:
        """A merged copy of what is open, everything logged so far included that is not sealed yet."""
        self._check_open()
        return self._do(self._look)

    @property
    def counters(self) -> dict[str, int]:
        """What was counted since the logger was made.

        Rows logged, profiled, rejected, late, without time, dropped, recovered from loggers that died; panes and bytes
        written, panes waiting, how often a store took nothing (`retries`). And in microseconds, how long changes have
        been waiting for a checkpoint, and by how much the latest event time is behind the clock (`lag_us`).
        Rows logged = rows profiled + rows rejected + rows still in the buffer; dropped ones had been counted before.
        Each file holds what its writer had counted until then and is not 0, see `Profile.writers`.
        """
        return uninterrupted(self._counted)  # which no handler may find holding a lock that it needs

    @property
    def rejected(self) -> dict[str, int]:
        """Reason → rows that were kept out, since the logger was made; those in the buffer are not looked at yet."""
        return uninterrupted(self._rejected)

    @property
    def watched(self) -> bool:
        """Whether somebody looks at `status`."""
        return self._watched

    def watch(self) -> None:
        """Keep `status` up to date from now on, at the cost of some microseconds a batch."""
        self._watched = True
        self._do(lambda: None)

    @property
    def status(self) -> StreamStatus:
        """What metrics show, as of the end of the last work; never waits for work in hand. Empty before `watch`."""
        seen, reading = self._status, self.source_status
        counters = dict(seen.counters)
        # Looked at last, so that no more rows are profiled than logged.
        counters |= {
            "rows_logged": self._rows_in_batches + self._accumulator.rows,
            "rows_recovered": self._rows_recovered,
        }
        if reading is not None:
            counters |= {"records_read": reading.records, "dead_letters": reading.dead_letters}
        sources = () if reading is None else (reading,)
        return replace(seen, counters=counters, sources=sources, now_us=self._clock.now_us())

    def select(self, choose: Callable[[set[str]], Collection[str]], timeout_s: float) -> Profile | None:
        """A merged copy of a few columns of what is open, without what was logged since the last batch.

        Parameters
        ----------
        choose
            All paths → those that are wanted.
        timeout_s
            How long to wait for work in hand, in seconds. The stream waits while one window at a time is copied.

        Returns
        -------
        Profile
            None where the work in hand took longer.
        """
        until_s = time.monotonic() + timeout_s
        try:
            starts_us, paths = self._between_work(self._writer.open_paths, until_s)
            wanted = choose(paths)
            copies = [partial(self._writer.select, start_us, wanted) for start_us in (starts_us if wanted else ())]
            parts = [self._between_work(copy, until_s) for copy in copies]
        except TimeoutError:
            return None
        return merge(filter(None, parts))

    def _between_work(self, snapshot: Callable[[], _Result], until_s: float) -> _Result:
        """Look at the writer once the work in hand is done; a TimeoutError where it takes too long."""
        return uninterrupted(partial(self._looked, snapshot, until_s))

    def _looked(self, snapshot: Callable[[], _Result], until_s: float) -> _Result:
        if not self._work.acquire(timeout=max(0.0, until_s - time.monotonic())):
            raise TimeoutError
        try:
            return snapshot()
        finally:
            self._work.release()

    def disown(self) -> None:
        """Make the logger useless in a forked child: its buffer and windows belong to the parent."""
        self._disowned = True
        self._accumulator.disown(self._not_open())
        for writer in (self._writer, *self._recovered):
            writer.checkpoints.disown()

    def _durable_positions(self) -> dict[str, int]:
        with self._work:
            positions = dict(self._writer.durable_positions)
            advance(positions, self._known_positions)  # which others have saved, if this one has not yet
            return positions

    def _counted(self) -> dict[str, int]:
        with self._work:
            counts = self._writer.counters(self._clock.now_us())
            counts["rows_logged"] = self._rows_in_batches + self._accumulator.rows
            counts["rows_recovered"] = self._rows_recovered
            return {name: counts[name] for name in _COUNTERS}

    def _rejected(self) -> dict[str, int]:
        with self._work:
            return dict(self._writer.rejected)

    def _not_open(self) -> str:
        if self._disowned:
            return f"logger {self.dataset_name!r} belongs to the parent process; make a session in the child"
        if self._closed:
            return f"logger {self.dataset_name!r} is closed"
        return f"logger {self.dataset_name!r} takes no more rows; where close() failed, call it again"

    def _check_open(self) -> None:
        if self._disowned or self._ending:
            raise ClosedError(self._not_open())

    def _append(self, record: object) -> None:
        if self._accumulator.rotates:
            self._accumulator.cut_if_over()
        if self._accumulator.buffer.append(record):
            self._attend()

    def _add(self, batches: Iterable[RowBatch], positions: Mapping[str, int] | None = None) -> None:
        """Profile rows that come in batches, past the buffer and in the caller's thread."""
        self._check_open()
        if positions is not None:
            checked = _checked_positions(positions)
            if self._settings.checkpoint_every_us is None:
                raise argument_error("positions", positions, "None where there are no checkpoints to keep them")
            self._do(partial(self._profile_batches, list(batches), checked))
            self._tick()
            return
        for batch in batches:
            self._do(partial(self._profile_batches, [batch]))
            self._tick()

    def _profile_batches(self, batches: list[RowBatch], positions: Mapping[str, int] | None = None) -> None:
        self._check_open()
        for batch in batches:
            self._rows_in_batches += batch.rows
            self._writer.checkpoints.mark_unsaved()
            self._writer.add(batch, self._clock.now_us())
        if positions:
            self._writer.advance(positions, self._clock.now_us())

    def _attend(self) -> None:
        """See to a buffer that was begun, is full, or took a record while it was closed."""
        if (
            self._accumulator.buffer.is_held
        ):  # by this very thread, in which a signal handler logs: nobody else could do it now
            self._alarm.wake()
            return
        crowded = self._accumulator.buffer.full and uninterrupted(self._accumulator.set_aside_full)
        if self._ending:  # the thread that closes may have looked at the buffer already
            self._do(self._finish)
        elif crowded:
            self._tick()
        else:
            self._alarm.wake()

    def _tick(self) -> None:
        """Profile what is due, seal, save and publish what is done; where that comes sooner now, set the alarm anew."""
        if not (self._disowned or self._closed) and self._do(self._is_due_before_alarm):
            self._alarm.wake()

    def _is_due_before_alarm(self) -> bool:
        due_us = self._do_what_is_due()
        return due_us is not None and (self._alarm_us is None or due_us < self._alarm_us)

    def _on_alarm(self) -> int | None:
        """The same as `_tick`; return when to look again."""
        return None if self._disowned or self._closed else self._do(self._set_alarm)

    def _set_alarm(self) -> int | None:
        self._alarm_us = self._do_what_is_due()
        return self._alarm_us

    def _do_what_is_due(self) -> int | None:
        now_us = self._clock.now_us()
        self._accumulator.set_aside_due(now_us)
        self._fold()
        dues = [self._writer.tick(now_us), *self._see_to_recovered(now_us), self._accumulator.due_us()]
        return min((due for due in dues if due is not None), default=None)

    def _is_journaled_safely(self) -> bool:
        # What an exception cuts short only makes the next flush save a checkpoint, and to have another thread do it
        # costs more than the work itself. But a handler that logs must not come in between.
        return self._is_journaled() if handlers_only_raise() else uninterrupted(self._is_journaled)

    def _is_journaled(self) -> bool:
        """Put what waits into the journal, while the background thread works on; whether all is durable by that."""
        checkpoints = self._writer.checkpoints
        with checkpoints.lock:
            return checkpoints.journal(self._accumulator.to_journal) and checkpoints.is_durable()

    def _make_durable(self, now_us: int) -> None:
        if self._finished:  # by another thread meanwhile, which made all durable
            return
        if self._settings.checkpoint_every_us is None:
            self._gather()
            self._writer.seal_and_publish(now_us)
        else:
            self._writer.save(now_us)

    def _gather(self) -> None:
        """Fold all that was logged into its windows."""
        self._accumulator.set_aside()
        self._fold()

    def _fold(self) -> None:
        """Fold what was set aside into its windows."""
        for _ in range(self._accumulator.waiting):  # one by one: an error in one keeps the others
            with self._writer.checkpoints.lock:  # so that a flush sees each batch either here or there
                batch = self._accumulator.taken()
                self._writer.checkpoints.expect(batch)
            self._writer.add(batch, batch.begun_us)

    def _finish(self) -> None:
        now_us = self._clock.now_us()
        self._gather()
        writers = (self._writer, *self._recovered)
        errors: list[Exception] = []
        for writer in writers:
            try:
                writer.seal_and_publish(now_us)
            except Exception as error:  # noqa: BLE001 - raised below
                errors.append(error)
        raise_one(errors, StoreError)
        self._writer.end()
        self._see_to_recovered(now_us)
        for writer in self._recovered:
            writer.checkpoints.end(leave=True)
        self._finished = True

    def _look(self) -> Profile:
        self._gather()
        return self._writer.snapshot()

    def _recover(self) -> None:
        """Take over what dead loggers of the data set left."""
        now_us = self._clock.now_us()
        try:
            for writer in recovered(self._settings, self._warnings):
                self._recovered.append(writer)
        except OSError as error:
            self._warnings.append(f"{self.dataset_name}: what was left by others cannot be looked at: {error}")
        try:
            self._known_positions = known_positions(self._settings)
        except OSError as error:
            self._warnings.append(f"{self.dataset_name}: the positions of others cannot be looked at: {error}")
        for writer in self._recovered:
            self._rows_recovered += writer.rows_waiting
            self._writer.inherit(writer.positions)
        self._writer.inherit(self._known_positions)
        if self._writer.positions:
            with suppress(StoreError):  # it is in the news, and tried again
                self._writer.save(now_us)
        self._see_to_recovered(now_us)
        for store in self._settings.stores:
            with suppress(OSError):  # what stays is in nobody's way, and the next logger tries again
                store.remove_orphan_files()

    def _see_to_recovered(self, now_us: int) -> list[int | None]:
        """Publish what dead loggers left, and end those of which everything is elsewhere; when to look again."""
        dues = []
        for writer in list(self._recovered):
            dues.append(writer.tick(now_us))
            if writer.finished and self._writer.has_saved(writer.positions):
                writer.end(inherited=True)
                self._recovered.remove(writer)
        return dues

    def _do(self, work: Callable[[], _Result]) -> _Result:
        """Do work to its end, holding the work lock; tell what happened when that is free, as who hears may log."""
        heard = _Heard()
        try:
            return uninterrupted(partial(self._locked, work, heard))
        finally:
            self._tell(heard)

    def _locked(self, work: Callable[[], _Result], heard: _Heard) -> _Result:
        with self._work:
            try:
                return work()
            finally:
                news, self._warnings = self._warnings, []
                heard.news += news
                for writer in (self._writer, *self._recovered):
                    heard.news += writer.drain_warnings()
                    heard.panes += writer.take_published()
                if self._watched:
                    self._status = self._writer.status()

    def _tell(self, heard: _Heard) -> None:
        if self._settings.on_pane is not None:
            for pane in heard.panes:
                self._tell_of_pane(self._settings.on_pane, pane, heard.news)
        for text in heard.news:
            warnings.warn(text, DataWarning, stacklevel=_level_of_user())

    def _tell_of_pane(self, on_pane: Callable[[Profile], object], pane: bytes, news: list[str]) -> None:
        try:
            on_pane(Profile.from_bytes(pane))
        except Exception as error:  # noqa: BLE001 - what the user's code does wrong stops no stream
            news.append(f"{self.dataset_name}: on_pane failed: {type(error).__name__}: {error}")


def _level_of_user() -> int:
    """How far up the stack of its caller the first frame outside this package stands; of a thread, its start."""
    level, frame = 1, sys._getframe(1)  # noqa: SLF001 - warnings can skip files by themselves since Python 3.12 alone
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_INSIDE):
        level, frame = level + 1, frame.f_back
    return level


def _checked_positions(positions: Mapping[str, int]) -> dict[str, int]:
    if not isinstance(positions, Mapping):
        raise argument_error("positions", positions, "a mapping of sources to positions")
    for source, position in positions.items():
        plain_text("positions: source", source)
        if type(position) is not int or not -(2**63) <= position < 2**63:
            raise argument_error(f"positions: {source}", position, "an integer of 64 bits")
    return dict(positions)


def _record_of_value(record: object, feature_name: object, value: object) -> dict[str, object]:
    given = {"record": record, "feature_name": feature_name, "value": value}
    got = {name: each for name, each in given.items() if each is not _NOTHING and each is not None}
    if record is not _NOTHING or feature_name is None or value is _NOTHING:
        raise argument_error("log", got, "either a record or feature_name= with value=")
    if not isinstance(feature_name, str):
        raise argument_error("feature_name", feature_name, "the name of a column")
    return {feature_name: value}
