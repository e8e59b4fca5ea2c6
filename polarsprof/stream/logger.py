"""`Logger`: the public handle of one stream; rows go in from any thread.

A call of `log` appends to a buffer. When the buffer is full, is a second old or crosses the end of a window, a
background thread types the records, folds them into the open windows, saves checkpoints and publishes panes. Bad data
never raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Self

from polarsprof.errors import argument_error, plain_text
from polarsprof.ingest.frames import is_tabular
from polarsprof.ingest.json_lines import BULK_BYTES, JsonLines, row_batches
from polarsprof.ingest.records import RejectedRow, decode_json
from polarsprof.stream.worker import StreamWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from polarsprof.kernels.batch import RowBatch
    from polarsprof.profiles.profile import Profile
    from polarsprof.stream.settings import WriterSettings
    from polarsprof.stream.status import SourceStatus, StreamStatus

_UNSET: Final = object()


class Logger:
    """Profiles one stream. Made by `Session.logger`.

    A context manager that closes the logger on exit. A logger that is never closed loses nothing at a normal exit of
    the interpreter, and never delays it. In a child process after a fork, the loggers of the parent raise.

    Attributes
    ----------
    dataset_name
        The name of the data set.
    source_status
        Progress of the source that is read into the logger; None without a source.
    """

    def __init__(self, settings: WriterSettings, on_close: Callable[[Logger], None]) -> None:
        self.dataset_name = settings.dataset
        self.source_status: SourceStatus | None = None
        self._settings = settings
        self._worker = StreamWorker(settings, partial(on_close, self))
        self._accumulator = self._worker.accumulator
        self._json_lines = JsonLines()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        return f"Logger({self.dataset_name!r}, {state}, rows_logged={self._worker.rows_logged})"

    @property
    def settings(self) -> WriterSettings:
        """The checked options of the logger."""
        return self._settings

    @property
    def closed(self) -> bool:
        """Whether `close` has succeeded."""
        return self._worker.lifecycle.closed

    @property
    def ending(self) -> bool:
        """Whether `close` was called but has not succeeded."""
        lifecycle = self._worker.lifecycle
        return lifecycle.ending and not lifecycle.closed

    def log(self, record: object = _UNSET, *, feature_name: str | None = None, value: object = _UNSET) -> None:
        """Log one record, or one value of one column.

        Parameters
        ----------
        record
            A mapping of column names to values; anything else is rejected and counted. It may be changed afterwards.
        feature_name, value
            Instead of a record: its only column, and the value of that column.

        Raises
        ------
        ArgumentError
            For neither or both, and for a name that is not text.
        ClosedError
            After `close`, or in a forked child.
        """
        if record is _UNSET or feature_name is not None or value is not _UNSET:
            record = _record_of_value(record, feature_name, value)
        accumulator = self._accumulator
        if accumulator.rotates:
            accumulator.cut_if_over()
        if accumulator.buffer.append(record):
            self._worker.attend()

    def log_records(self, records: Iterable[Mapping[str, Any]], *, positions: Mapping[str, int] | None = None) -> None:
        """Log each record of an iterable, as `log` does.

        Parameters
        ----------
        records
            The records.
        positions
            Source → next position to read after these records. After a crash both count or neither does. So a program
            that reads on from `positions` of the next logger counts each record exactly once.

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
        self._log_each(records, positions)

    def log_json(
        self, data: bytes | bytearray | memoryview | str, *, positions: Mapping[str, int] | None = None
    ) -> None:
        """Log the objects of newline-delimited JSON; other lines are rejected.

        From 512 KiB on, the lines are profiled at once, at a fifth of the cost per line. Fewer lines wait with the
        records of `log`, unless they come with positions.

        Parameters
        ----------
        data
            One line or many.
        positions
            As for `log_records`.

        Raises
        ------
        ArgumentError
            For anything but bytes or text.
        ClosedError
            After `close`, or in a forked child.
        """
        if isinstance(data, bytes | bytearray | memoryview | str) and len(data) >= BULK_BYTES:
            self.log_rows(self._json_lines.batches(data), positions=positions)
            return
        records, rejected = decode_json(data)
        self._log_each(chain(records, map(RejectedRow, rejected.elements())), positions)

    def log_frame(self, frame: Any, *, positions: Mapping[str, int] | None = None) -> None:
        """Log the rows of a table.

        Parameters
        ----------
        frame
            A Polars frame or lazy frame, anything with an Arrow C stream (pandas, pyarrow, DuckDB, narwhals, …), a
            cursor of ADBC, a file or data set of pyarrow, a path of a Parquet, CSV, NDJSON or Arrow IPC file, or an
            iterable of these. It is read in batches, so memory stays bounded.
        positions
            As for `log_records`; then all batches are in memory together.

        Raises
        ------
        ArgumentError
            For anything else.
        ClosedError
            After `close`, or in a forked child.
        """
        self.log_rows(row_batches(frame), positions=positions)

    log_dataframe = log_frame

    def log_rows(self, batches: Iterable[RowBatch], *, positions: Mapping[str, int] | None = None) -> None:
        """Log decoded rows, as `Session.run` does; other programs use the methods above.

        Parameters
        ----------
        batches
            The rows.
        positions
            As for `log_records`.

        Raises
        ------
        ClosedError
            After `close`, or in a forked child.
        """
        self._worker.lifecycle.check_open()
        if positions is not None:
            checked = _checked_positions(positions)
            if self._settings.checkpoint_every_us is None:
                raise argument_error("positions", positions, "None without checkpoints, which keep them")
            self._worker.add(list(batches), checked)
            return
        for batch in batches:
            self._worker.add([batch])

    def flush(self) -> None:
        """Return once everything logged survives a kill and a loss of power.

        Rows go into a journal or a checkpoint beside the store; windows stay open. With `checkpoint_every=None` there
        is neither, so the open windows are sealed and published instead.

        Raises
        ------
        StoreError
            If that cannot be written; it is kept for the next try, up to a bound.
        ClosedError
            After `close`, or in a forked child.
        """
        self._worker.flush()

    def close(self) -> None:
        """Seal and publish everything and end the logger; a second call does nothing.

        Raises
        ------
        StoreError
            If a store does not take everything. The logger takes no more rows, but may be closed again. Panes that are
            not published when the process ends are published by the next logger of the data set.
        """
        self._worker.finish()

    @property
    def positions(self) -> dict[str, int]:
        """Source → next position to read; all before it, by any logger, is durable."""
        return self._worker.positions()

    @property
    def profile(self) -> Profile:
        """A merged copy of all open windows, everything logged so far included."""
        return self._worker.snapshot()

    @property
    def counters(self) -> dict[str, int]:
        """Counters since the logger was created, by the names of `StreamCounters`.

        `rows_logged` equals `rows_profiled` plus `rows_rejected` plus the rows still buffered; dropped rows were
        profiled before. Each file holds the counters of its writer that are not 0, see `Profile.writers`.
        """
        return self._worker.counters().to_dict()

    @property
    def rejected(self) -> dict[str, int]:
        """Reason → rejected rows since the logger was created, without buffered rows."""
        return self._worker.rejected()

    @property
    def watched(self) -> bool:
        """Whether `status` is kept up to date."""
        return self._worker.watched

    def watch(self) -> None:
        """Keep `status` up to date, at a cost of some microseconds a batch."""
        self._worker.watch()

    @property
    def status(self) -> StreamStatus:
        """State at the end of the last work, for metrics; empty before `watch`.

        Never waits for other work.
        """
        status, source = self._worker.status, self.source_status
        counters = dict(status.counters)
        # Read last, so that no more rows are profiled than logged.
        counters |= {"rows_logged": self._worker.rows_logged, "rows_recovered": self._worker.rows_recovered}
        if source is not None:
            counters |= {"records_read": source.records, "dead_letters": source.dead_letters}
        sources = () if source is None else (source,)
        return replace(status, counters=counters, sources=sources, now_us=self._settings.clock.now_us())

    def select(self, choose: Callable[[set[str]], Collection[str]], timeout_s: float) -> Profile | None:
        """Return a merged copy of a few columns of the open windows.

        Rows still buffered are left out.

        Parameters
        ----------
        choose
            All paths → wanted paths.
        timeout_s
            Longest wait for other work, in seconds. The stream waits while one window at a time is copied.

        Returns
        -------
        Profile
            None if other work took longer.
        """
        return self._worker.select(choose, timeout_s)

    def disown(self) -> None:
        """Make the logger useless in a forked child; its state belongs to the parent."""
        self._worker.disown()

    def _log_each(self, records: Iterable[object], positions: Mapping[str, int] | None) -> None:
        if positions is not None:
            self.log_rows(self._accumulator.new_buffer().batches(records), positions=positions)
            return
        accumulator, attend = self._accumulator, self._worker.attend
        for record in records:  # the steps of `log`, whose call takes a tenth of the time
            if accumulator.rotates:
                accumulator.cut_if_over()
            if accumulator.buffer.append(record):
                attend()


def _checked_positions(positions: Mapping[str, int]) -> dict[str, int]:
    if not isinstance(positions, Mapping):
        raise argument_error("positions", positions, "a mapping of sources to positions")
    for source, position in positions.items():
        plain_text("positions: source", source)
        if type(position) is not int or not -(2**63) <= position < 2**63:
            raise argument_error(f"positions: {source}", position, "an integer of 64 bits")
    return dict(positions)


def _record_of_value(record: object, feature_name: object, value: object) -> dict[str, object]:
    arguments = {"record": record, "feature_name": feature_name, "value": value}
    got = {name: each for name, each in arguments.items() if each is not _UNSET and each is not None}
    if record is not _UNSET or feature_name is None or value is _UNSET:
        raise argument_error("log", got, "either a record or feature_name= with value=")
    if not isinstance(feature_name, str):
        raise argument_error("feature_name", feature_name, "the name of a column")
    return {feature_name: value}
