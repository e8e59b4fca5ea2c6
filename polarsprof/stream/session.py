"""`Session`: the store and the options that any number of loggers share."""

from __future__ import annotations

import atexit
import os
import signal
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from polarsprof._threads import Rank, ranked_lock
from polarsprof.errors import ClosedError, StoreError, argument_error, run_all
from polarsprof.kernels.forks import exit_on_sigterm, refuse_forked
from polarsprof.kernels.spec import checked_spec
from polarsprof.profiles.header import dataset_text, text_pairs
from polarsprof.store.profile_store import ProfileStore
from polarsprof.stream.config import known_keys
from polarsprof.stream.consumer import Limits, checked_source, consume
from polarsprof.stream.interrupt import Interrupt
from polarsprof.stream.logger import Logger
from polarsprof.stream.options import LoggerOptions
from polarsprof.stream.settings import WriterSettings
from polarsprof.stream.status import StreamStatus, combined
from polarsprof.windowing.clock import SystemClock

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from datetime import datetime, timedelta
    from typing import Unpack

    from polarsprof.kernels.spec import ProfileSpec
    from polarsprof.profiles.profile import Profile
    from polarsprof.sources.protocol import DeadLetter, Source
    from polarsprof.stream.options import LoggerKeywords, MoreLoggerKeywords
    from polarsprof.windowing.clock import Clock


class Session:
    """Creates loggers that write into one store; a context manager that closes them.

    Parameters
    ----------
    store
        A folder, created with the first pane; the URL of an object store; or a `ProfileStore`.
    mirrors
        Further stores that take every pane, too; one that fails delays none of the others.
    spec
        Statistics to track; default `ProfileSpec()`.
    clock
        Source of the time; `polarsprof.testing.SettableClock` in tests.
    logger_defaults
        Defaults for the arguments of `logger`.
    handle_sigterm
        Whether SIGTERM ends the process as `sys.exit` does, so that everything is closed. Only for a session created in
        the main thread, and if nothing else handles the signal.

    Raises
    ------
    ArgumentError
        For a store that is not a folder, and for a default that is unknown or invalid.
    ClosedError
        In a process that was forked after Polars had started its threads; it can only hang there.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Session(folder) as session:
    ...     with session.logger("clicks", with_rotation_time="1h", timestamp="at") as logger:
    ...         logger.log({"at": "2026-01-31T12:34:56Z", "price": 9.5})
    ...     print([path.name for path in session.store.files("clicks")])
    ['clicks_profile.2026-01-31_12.bin']
    """

    def __init__(
        self,
        store: str | os.PathLike[str] | ProfileStore = "profiles",
        *,
        mirrors: Iterable[str | os.PathLike[str] | ProfileStore] = (),
        spec: ProfileSpec | None = None,
        clock: Clock | None = None,
        logger_defaults: Mapping[str, Any] | None = None,
        handle_sigterm: bool = True,
    ) -> None:
        refuse_forked()
        if handle_sigterm:
            exit_on_sigterm()
        self.store = _store_of(store)
        self._mirrors = tuple(map(_store_of, mirrors))
        self.spec = checked_spec(spec)
        self._clock: Clock = SystemClock() if clock is None else clock
        if not hasattr(self._clock, "now_us") or not hasattr(self._clock, "alarm"):
            raise argument_error("clock", clock, "a clock, with now_us and alarm")
        self._defaults = LoggerOptions(**known_keys("option", logger_defaults or {}, LoggerOptions))
        self._defaults.check(self._clock)
        self._loggers: dict[str, Logger] = {}
        self._ended: dict[str, StreamStatus] = {}  # of closed loggers
        self._watched = False
        self._lock = ranked_lock(Rank.SESSION)
        self._names_lock = ranked_lock(Rank.NAMES)  # guards `_loggers` and `_ended`, never for long
        self._closed = self._disowned = False
        _sessions.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Session({self.store.url!r}, loggers={sorted(self._loggers)})"

    @property
    def closed(self) -> bool:
        """Whether the session creates no more loggers."""
        return self._closed or self._disowned

    def logger(
        self,
        dataset_name: str = "dataset",
        *,
        with_rotation_time: str | timedelta | None = None,
        timestamp: str | None = None,
        dataset_timestamp: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        metadata: Mapping[str, str] | None = None,
        **options: Unpack[MoreLoggerKeywords],
    ) -> Logger:
        """Return the open logger of a data set if its options are equal, else a new one.

        Parameters
        ----------
        dataset_name
            Any text; file names show a safe form of it.
        with_rotation_time
            Length of a window, a timedelta or text such as "90s", "15m", "h", "1d". Default: that of the session, else
            one window for the whole life of the logger.
        timestamp
            Column of the event time, a dotted path in nested records. Default: that of the session, else arrival time.
        dataset_timestamp
            Without rotation, the start of the one window; default: now.
        tags, metadata
            Text that every profile holds.
        **options
            The other fields of `LoggerOptions`: `max_out_of_orderness`, `allowed_lateness` and so on.

        Raises
        ------
        ArgumentError
            For an unknown or invalid option, and for a data set whose open logger has other options.
        ClosedError
            After `close`, in a forked child, and while a failed `close` of the data set's logger was not repeated.
        """
        if not dataset_text("dataset_name", dataset_name):
            raise argument_error("dataset_name", dataset_name, "text of one character or more")
        with self._lock:
            self._check_open()
            explicit = {"with_rotation_time": with_rotation_time, "timestamp": timestamp}
            entries = {**options, **{name: value for name, value in explicit.items() if value is not None}}
            chosen = replace(self._defaults, **known_keys("option", entries, LoggerOptions))
            chosen.check(self._clock)
            settings = WriterSettings(
                dataset=dataset_name,
                stores=(self.store, *self._mirrors),
                spec=self.spec,
                clock=self._clock,
                windowing=chosen.windowing(dataset_timestamp, self._clock),
                tags=text_pairs("tags", tags),
                metadata=text_pairs("metadata", metadata),
                late_dataset=chosen.late_dataset,
                checkpoint_every_us=chosen.checkpoint_every_us(),
                on_pane=chosen.on_pane,
            )
            found = self._loggers.get(dataset_name)
            if found is not None:
                _refuse_ending(found)
            if found is None:
                found = Logger(settings, self._forget)
                if self._watched:
                    found.watch()
                with self._names_lock:
                    self._loggers[dataset_name] = found
            elif not _alike(found.settings, settings, dataset_timestamp):
                hint = "close it first, or use another name"
                raise argument_error(
                    "dataset_name", dataset_name, "a data set without an open logger of other options", hint
                )
            return found

    def run(
        self,
        source: Source,
        *,
        dataset_name: str = "dataset",
        until_idle: str | timedelta | None = None,
        max_records: int | None = None,
        dead_letters: str | os.PathLike[str] | Callable[[DeadLetter], object] | None = None,
        stop: threading.Event | None = None,
        **options: Unpack[LoggerKeywords],
    ) -> dict[str, int]:
        """Log a source until it ends or is stopped, then seal and publish everything.

        Reading starts where the data set was left. Each record of a source with positions counts exactly once, even if
        the process is killed; for other sources see `polarsprof.sources`.

        SIGTERM and Ctrl-C end it cleanly: the current batch is logged, everything becomes durable and is acknowledged.
        Then the signal has its usual effect.

        Parameters
        ----------
        source
            One of `polarsprof.sources`, or your own. It is closed at the end.
        dataset_name
            The data set; it must have no open logger.
        until_idle
            Stop after a silence of this length, a timedelta or text such as "30s"; default: never.
        max_records
            Stop after this number of records.
        dead_letters
            Takes messages that are not records: a file, to which JSON lines of source, position, reason and value are
            appended, or a function of a `DeadLetter`. They are counted as rejected in any case.
        stop
            An event that stops it, from another thread.
        **options
            The options of `logger`: `with_rotation_time`, `timestamp` and so on.

        Returns
        -------
        dict
            `Logger.counters`, and four more: `records_read`; `dead_letters`; `lag`, the records or bytes not read (-1
            means unknown); `interrupted_by`, the number of a signal whose handler returned, or 0.

        Raises
        ------
        ArgumentError
            For an object that is not a source, an invalid option, and a data set with an open logger.
        SourceError
            If the source cannot be read; earlier records are durable.
        StoreError
            As from `Logger.close`.
        """
        checked_source(source)
        limits = Limits(until_idle=until_idle, max_records=max_records, dead_letters=dead_letters, stop=stop)
        if dataset_name in self._loggers:
            raise argument_error("dataset_name", dataset_name, "a data set without an open logger", "close it first")
        with Interrupt() as interrupt:
            counters = consume(source, lambda: self.logger(dataset_name, **options), limits, interrupt)
        if interrupt.signal:
            signal.raise_signal(interrupt.signal)
        return counters

    def get_logger(self, name: str) -> Logger:
        """Return the open logger of a data set.

        Raises
        ------
        ArgumentError
            If there is none; the message names the open ones.
        ClosedError
            If its `close` was called but has not succeeded.
        """
        with self._lock:
            if not isinstance(name, str) or name not in self._loggers:
                raise argument_error("name", name, f"one of the open loggers {sorted(self._loggers)}")
            _refuse_ending(self._loggers[name])
            return self._loggers[name]

    def watch(self) -> None:
        """Keep `status` up to date; it leaves out loggers that were closed before."""
        with self._lock:
            self._watched = True
            for logger in self._loggers.values():
                logger.watch()

    def status(self) -> dict[str, StreamStatus]:
        """Return data set → state for metrics, of open and closed loggers.

        Never waits for other work. Empty in a forked child.
        """
        if self._disowned:
            return {}
        with self._names_lock:
            names = sorted({*self._ended, *self._loggers})
            return {name: combined(self._statuses_of(name)) for name in names}

    def _statuses_of(self, name: str) -> Iterator[StreamStatus]:
        if name in self._ended:
            yield self._ended[name]
        if name in self._loggers:
            yield self._loggers[name].status

    def select(self, name: str, choose: Callable[[set[str]], Collection[str]], timeout_s: float) -> Profile | None:
        """Return columns of an open logger, as `Logger.select`; None also without one."""
        logger = self._loggers.get(name)
        return None if logger is None or self._disowned else logger.select(choose, timeout_s)

    def close(self) -> None:
        """Close every logger, so that everything is durable; a second call does nothing.

        Raises
        ------
        StoreError
            If the store does not take everything. Every logger was tried, and `close` may be called again. Further
            errors are notes of this one.
        """
        if not self._disowned:
            run_all([logger.close for logger in self._loggers.values()], StoreError)
            self._closed = True

    def abandon(self) -> None:
        """Do not close the session at the exit of the interpreter.

        Otherwise a session that failed to close is tried and reported once more.
        """
        _sessions.discard(self)

    def disown(self) -> None:
        """Make session and loggers useless in a forked child: they belong to the parent."""
        self._disowned = True
        self._lock, self._names_lock = ranked_lock(Rank.SESSION), ranked_lock(Rank.NAMES)  # a thread may hold the old
        for logger in self._loggers.values():
            logger.disown()

    def _forget(self, logger: Logger) -> None:
        name = logger.dataset_name
        with self._lock, self._names_lock:
            if self._loggers.get(name) is logger:
                if self._watched:
                    self._ended[name] = combined([self._ended.get(name, StreamStatus()), logger.status.ended()])
                del self._loggers[name]

    def _check_open(self) -> None:
        if self._disowned:
            raise ClosedError("the session belongs to the parent process; make one in the child")
        if self._closed:
            raise ClosedError("the session is closed")


_sessions: weakref.WeakSet[Session] = weakref.WeakSet()  # to close at exit, to disown after a fork


def _store_of(store: str | os.PathLike[str] | ProfileStore) -> ProfileStore:
    return store if isinstance(store, ProfileStore) else ProfileStore(store)


def _refuse_ending(logger: Logger) -> None:
    if logger.ending:
        name = logger.dataset_name
        raise ClosedError(f"logger {name!r} is not closed: some of its rows are not durable; call its close() again")


def _alike(mine: WriterSettings, theirs: WriterSettings, dataset_timestamp: datetime | None) -> bool:
    if dataset_timestamp is None:  # each call without one has its own "now"
        theirs = replace(theirs, windowing=replace(theirs.windowing, start_us=mine.windowing.start_us))
    return mine == theirs


def _close_at_exit() -> None:
    run_all([session.close for session in _sessions], StoreError)  # the interpreter shows errors


def _disown_in_child() -> None:
    for session in list(_sessions):
        session.disown()


atexit.register(_close_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown_in_child)
