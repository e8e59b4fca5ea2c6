"""`Logger`: rows of a stream in, panes in a store out. Thread-safe; nothing that the data does raises.

A call of `log` appends to a buffer. When the buffer is full, a second old or crosses the end of a window, a background
thread types it, folds it into the open windows and publishes those that are sealed.
"""

from __future__ import annotations

import secrets
import sys
import threading
import warnings
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from polarsprof.clock import uninterrupted
from polarsprof.errors import ClosedError, DataWarning, argument_error
from polarsprof.frames import is_tabular
from polarsprof.jsonlines import JsonLines, row_batches
from polarsprof.outbox import Outbox
from polarsprof.profiles import Profile
from polarsprof.records import RecordBatch, RecordBuffer, RejectedRow, decode_json
from polarsprof.rotation import Rotation, Windowing
from polarsprof.store import Pane, ProfileStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from polarsprof.batch import RowBatch
    from polarsprof.clock import Clock
    from polarsprof.spec import ProfileSpec
    from polarsprof.window import Window

MAX_BATCH_ROWS: Final = 32_768
MAX_BATCH_BYTES: Final = 32 << 20
MAX_BATCH_AGE_US: Final = 1_000_000
MAX_WAITING_BYTES: Final = 256 << 20
_MANY_LINES_BYTES: Final = 512 << 10  # of JSON; fewer cost less together with what else comes
_MAX_WAITING_BATCHES: Final = 2  # then the caller profiles them itself, which slows it to what the machine can do
_Result = TypeVar("_Result")
_NOTHING: Final = object()
_INSIDE: Final = str(Path(__file__).parent)  # what stands between a warning and the user's call
_ROW_COUNTERS: Final = ("rows_logged", "rows_profiled", "rows_rejected", "rows_late", "rows_untimed")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggerSettings:
    """What a logger writes, where, and how it cuts the stream."""

    dataset: str
    store: ProfileStore
    spec: ProfileSpec
    clock: Clock
    windowing: Windowing
    tags: Mapping[str, str]
    metadata: Mapping[str, str]


class Logger:
    """Profiles one stream; made by `Session.logger`.

    Usable as a context manager, which closes it. A logger that is never closed loses nothing at a normal exit of the
    interpreter and never holds it up. A child process after a fork cannot use the loggers of its parent.

    Attributes
    ----------
    dataset_name
        The name of the data set.
    """

    def __init__(self, settings: LoggerSettings, on_close: Callable[[Logger], None]) -> None:
        self.dataset_name = settings.dataset
        self._settings = settings
        self._on_close = on_close
        self._clock = settings.clock
        self._writer_id = secrets.token_hex(6)
        self._panes = 0
        self._rotation = Rotation(settings.windowing, self._new_profile, self._hand_over)
        self._outbox = Outbox(settings.store, MAX_WAITING_BYTES)
        self._entry = (
            threading.RLock()
        )  # guards the waiting batches, the cut, and rows logged; a signal handler may log too
        self._work = threading.RLock()  # guards rotation and outbox; taken before the other one where both are
        self._buffer = self._new_buffer()
        self._waiting: deque[RecordBatch] = deque()
        self._json_lines = JsonLines()
        self._rotates = settings.windowing.tumbling is not None
        self._cut_us = (0, 0) if self._rotates else (-(2**63), 2**63)  # the window of arrival of what is in the buffer
        self._counts: Counter[str] = Counter()
        self._warned: set[str] = set()
        self._news: list[str] = []
        self._dropped_told = 0
        self._ending = self._closed = self._disowned = False
        self._alarm = self._clock.alarm(self._tick)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"Logger({self.dataset_name!r}, {state}, rows_logged={self.counters['rows_logged']})"

    @property
    def settings(self) -> LoggerSettings:
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
        if self._rotates:  # from here on as _append, whose call would be a tenth of all this
            self._cut_if_over()
        if self._buffer.append(record):
            self._attend()

    def log_records(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Log each record of an iterable, as `log` does."""
        if is_tabular(records):
            raise argument_error("records", records, "an iterable of mappings", "a table goes to log_frame(table)")
        if isinstance(records, Mapping | bytes | bytearray | memoryview) or not hasattr(records, "__iter__"):
            raise argument_error("records", records, "an iterable of mappings", "one record goes to log(record)")
        for record in records:
            self._append(record)

    def log_json(self, data: bytes | bytearray | memoryview | str) -> None:
        """Log the objects of newline-delimited JSON, one line or many; a line that is no object is rejected.

        From 512 KiB on they are profiled at once, at a fifth of the price a line; fewer wait with the records of `log`.

        Raises
        ------
        ArgumentError
            For anything but bytes or text.
        ClosedError
            After `close`, or in a forked child.
        """
        if isinstance(data, bytes | bytearray | memoryview | str) and len(data) >= _MANY_LINES_BYTES:
            self._add(self._json_lines.batches(data))
            return
        records, rejected = decode_json(data)
        for record in chain(records, map(RejectedRow, rejected.elements())):
            self._append(record)

    def log_frame(self, frame: Any) -> None:
        """Log the rows of a table.

        Parameters
        ----------
        frame
            A Polars frame or lazy frame, anything with an Arrow C stream (pandas, pyarrow, DuckDB, …), a path of a
            Parquet, CSV, NDJSON or Arrow IPC file, or an iterable of these. Taken in batches, so memory stays bounded.

        Raises
        ------
        ArgumentError
            For anything else.
        ClosedError
            After `close`, or in a forked child.
        """
        self._add(row_batches(frame))

    log_dataframe = log_frame

    def flush(self) -> None:
        """Return once everything logged before is durable in the store.

        The open windows are written as panes; what comes later for the same windows goes into further panes, which
        readers merge.

        Raises
        ------
        StoreError
            Where the store does not take it; it is kept, within a bound, for the next try.
        ClosedError
            After `close`, or in a forked child.
        """
        self._check_open()
        self._settle(self._clock.now_us())

    def close(self) -> None:
        """Make everything durable and end the logger; a second call does nothing.

        Raises
        ------
        StoreError
            Where the store does not take it. The logger takes no more rows, but closing it may be tried again.
        """
        if self._closed or self._disowned:
            return
        self._ending = True
        self._buffer.close(self._not_open())
        self._settle(self._clock.now_us())
        self._closed = True
        self._buffer.close(self._not_open())
        self._alarm.stop()
        self._on_close(self)

    @property
    def profile(self) -> Profile:
        """A merged copy of what is open, everything logged so far included that is not sealed yet."""
        self._check_open()
        return self._do(self._look)

    @property
    def counters(self) -> dict[str, int]:
        """Rows logged, profiled, rejected, late, without time, dropped; panes and bytes written, panes waiting.

        Rows logged = rows profiled + rows rejected + rows still in the buffer; dropped ones had been counted before.
        """
        with self._work, self._entry:
            counts = self._counts.copy()
            counts["rows_logged"] += len(self._buffer)
            for profile in self._rotation.open_profiles():
                _count_rows(counts, profile)
            return {name: counts[name] for name in _ROW_COUNTERS} | {
                "rows_dropped": self._outbox.rows_dropped,
                "panes_written": self._outbox.panes_written,
                "panes_waiting": len(self._outbox),
                "bytes_written": self._outbox.bytes_written,
            }

    def disown(self) -> None:
        """Make the logger useless in a forked child: its buffer and windows belong to the parent."""
        self._disowned = True
        self._entry = threading.RLock()  # a thread of the parent may have held the other one, and that of the buffer
        self._buffer = self._new_buffer()
        self._buffer.close(self._not_open())

    def _new_buffer(self) -> RecordBuffer:
        return RecordBuffer(MAX_BATCH_ROWS, MAX_BATCH_BYTES, self._clock)

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
        if self._rotates:
            self._cut_if_over()
        if self._buffer.append(record):
            self._attend()

    def _add(self, batches: Iterable[RowBatch]) -> None:
        """Profile rows that come in batches, past the buffer and in the caller's thread."""
        self._check_open()
        for batch in batches:
            self._do(partial(self._profile_batch, batch))
            self._tick()

    def _profile_batch(self, batch: RowBatch) -> None:
        self._check_open()
        with self._entry:
            self._counts["rows_logged"] += batch.rows
        self._rotation.add(batch, self._clock.now_us())

    def _cut_if_over(self) -> None:
        """Where the window of arrival is over, set its records aside and begin that of now."""
        now_us = self._clock.now_us()
        if not self._cut_us[0] <= now_us < self._cut_us[1]:
            uninterrupted(partial(self._cut, now_us))

    def _cut(self, now_us: int) -> None:
        with self._entry:
            self._set_aside()
            window = self._settings.windowing.window(now_us, now_us)
            self._cut_us = (window.start_us, window.end_us)

    def _attend(self) -> None:
        """See to a buffer that was begun, is full, or took a record while it was closed."""
        crowded = self._buffer.full and uninterrupted(self._set_aside_full)
        if self._ending:  # the thread that closes may have looked at the buffer already
            self._settle(self._clock.now_us())
        elif crowded:
            self._tick()
        else:
            self._alarm.wake()

    def _set_aside_full(self) -> bool:
        """Set a full buffer aside; whether there are more than the background thread can see to."""
        with self._entry:
            if self._buffer.full:
                self._set_aside()
            return len(self._waiting) > _MAX_WAITING_BATCHES

    def _set_aside(self) -> None:
        batch = self._buffer.swap()
        if batch.rows:
            self._waiting.append(batch)
            self._counts["rows_logged"] += batch.rows

    def _tick(self) -> int | None:
        """Profile what is due, seal and publish what is done; return when to look again."""
        if self._disowned or self._closed:
            return None
        return self._do(self._do_what_is_due)

    def _do_what_is_due(self) -> int | None:
        now_us = self._clock.now_us()
        with self._entry:
            begun_us = self._buffer.begun_us
            aged = begun_us is not None and now_us >= begun_us + MAX_BATCH_AGE_US
            over = not self._cut_us[0] <= now_us < self._cut_us[1]
        self._drain(everything=aged or over)
        self._rotation.seal_due(now_us)
        self._outbox.publish(now_us)
        return self._next_due_us()

    def _next_due_us(self) -> int | None:
        with self._entry:
            begun_us = self._waiting[0].begun_us if self._waiting else self._buffer.begun_us
        buffer_us = None if begun_us is None else begun_us + MAX_BATCH_AGE_US
        dues = (buffer_us, self._rotation.next_due_us(), self._outbox.next_due_us())
        return min((due for due in dues if due is not None), default=None)

    def _settle(self, now_us: int) -> None:
        self._do(partial(self._seal_and_publish_all, now_us))

    def _seal_and_publish_all(self, now_us: int) -> None:
        self._drain()
        try:
            self._rotation.seal_all(now_us)
        finally:  # a window that cannot become a pane keeps no other from the store
            self._outbox.publish(now_us, at_once=True)
        self._outbox.raise_if_waiting()

    def _look(self) -> Profile:
        self._drain()
        return self._rotation.look()

    def _drain(self, *, everything: bool = True) -> None:
        """Fold the batches set aside into their windows, and what is in the buffer too if asked for."""
        with self._entry:
            if everything:
                self._set_aside()
            number = len(self._waiting)
        for _ in range(number):  # one by one: an error in one keeps the others
            batch = self._waiting.popleft()
            self._rotation.add(batch, batch.begun_us)

    def _hand_over(self, profile: Profile, window: Window) -> None:
        """Turn a sealed profile into a pane of this writer; where that raises, nothing has happened."""
        number, dropped = self._panes + 1, self._outbox.rows_dropped
        profile.panes = frozenset([(self._writer_id, number)])
        profile.dropped_rows = dropped - self._dropped_told
        label = self._settings.windowing.label(window)
        pane = Pane(profile.to_bytes(), self.dataset_name, label, self._writer_id, number, profile.rows)
        self._outbox.add(pane, self._clock.now_us())
        self._panes, self._dropped_told = number, dropped
        self._count(profile)

    def _count(self, profile: Profile) -> None:
        with self._entry:
            _count_rows(self._counts, profile)
        for reason, rows in profile.rejected.items():
            self._tell_once(f"rejected {rows} rows: {reason}", f"rejected {reason}")
        for reason, values in profile.degraded.items():
            self._tell_once(f"{values} values: {reason}", f"degraded {reason}")

    def _tell_once(self, text: str, kind: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            self._news.append(f"{self.dataset_name}: {text}; further ones are only counted")

    def _do(self, work: Callable[[], _Result]) -> _Result:
        """Do work to its end, holding the work lock; warn when that is free, because a filter may raise warnings."""
        news: list[str] = []
        try:
            return uninterrupted(partial(self._locked, work, news))
        finally:
            for text in news:
                warnings.warn(text, DataWarning, stacklevel=_level_of_user())

    def _locked(self, work: Callable[[], _Result], news: list[str]) -> _Result:
        with self._work:
            try:
                return work()
            finally:
                news += [*self._news, *self._outbox.take_news()]
                self._news = []

    def _new_profile(self, window: Window) -> Profile:
        settings = self._settings
        return Profile(
            settings.spec, dataset=settings.dataset, window=window, tags=settings.tags, metadata=settings.metadata
        )


def _level_of_user() -> int:
    """How far up the stack of its caller the first frame outside this package stands; of a thread, its start."""
    level, frame = 1, sys._getframe(1)  # noqa: SLF001 - warnings can skip files by themselves since Python 3.12 alone
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_INSIDE):
        level, frame = level + 1, frame.f_back
    return level


def _count_rows(counts: Counter[str], profile: Profile) -> None:
    counts["rows_profiled"] += profile.rows
    counts["rows_rejected"] += profile.rejected_rows
    counts["rows_late"] += profile.late_rows
    counts["rows_untimed"] += profile.untimed_rows


def _record_of_value(record: object, feature_name: object, value: object) -> dict[str, object]:
    given = {"record": record, "feature_name": feature_name, "value": value}
    got = {name: each for name, each in given.items() if each is not _NOTHING and each is not None}
    if record is not _NOTHING or feature_name is None or value is _NOTHING:
        raise argument_error("log", got, "either a record or feature_name= with value=")
    if not isinstance(feature_name, str):
        raise argument_error("feature_name", feature_name, "the name of a column")
    return {feature_name: value}
