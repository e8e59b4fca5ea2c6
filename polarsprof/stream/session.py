"""`Session`: where profiles go and how they are made, for any number of loggers; `get_or_create_session`."""

from __future__ import annotations

import atexit
import os
import signal
import threading
import tomllib
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from polarsprof.errors import ClosedError, StoreError, argument_error, raise_one
from polarsprof.kernels.forks import exit_on_sigterm, refuse_forked
from polarsprof.kernels.spec import ProfileSpec, checked_spec
from polarsprof.profiles.header import dataset_text, text_pairs
from polarsprof.store import ProfileStore
from polarsprof.stream.consumer import Interrupt, Limits, checked_source, consume
from polarsprof.stream.logger import Logger
from polarsprof.stream.options import LoggerOptions
from polarsprof.stream.status import StreamStatus, together
from polarsprof.stream.writer import WriterSettings
from polarsprof.windowing.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from datetime import datetime, timedelta

    from polarsprof.profiles.profile import Profile
    from polarsprof.sources.protocol import DeadLetter, Source
    from polarsprof.windowing.clock import Clock

_CONFIG_VARIABLE: Final = "POLARSPROF_CONFIG"
_CONFIG_FILE: Final = "polarsprof.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """What a configuration file may say.

    Attributes
    ----------
    store
        The folder of the panes.
    spec
        Knobs of `ProfileSpec`.
    logger
        Defaults of `Session.logger`, such as `with_rotation_time`.
    """

    store: str = "profiles"
    spec: Mapping[str, Any] = field(default_factory=dict)
    logger: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, config: str | os.PathLike[str] | Mapping[str, Any] | None) -> SessionConfig:
        """The configuration of an argument, the file that $POLARSPROF_CONFIG names, ./polarsprof.toml, or the defaults.

        Raises
        ------
        ArgumentError
            For a file that is missing or no TOML, and for a key that does not exist.
        """
        if isinstance(config, Mapping):
            return cls._checked(config, "config")
        if config is None:
            named = os.environ.get(_CONFIG_VARIABLE)
            config = named or (_CONFIG_FILE if Path(_CONFIG_FILE).is_file() else None)
        elif not isinstance(config, str | os.PathLike):
            raise argument_error("config", config, "the path of a TOML file, or a mapping")
        return cls() if config is None else cls._checked(_toml(config), os.fspath(config))

    @classmethod
    def _checked(cls, entries: Mapping[str, Any], source: str) -> SessionConfig:
        known = [f.name for f in fields(cls)]
        for name in entries:
            if name not in known:
                raise argument_error(f"{source}: key", name, f"one of {', '.join(known)}")
        config = cls(**entries)
        for name, kind in (("store", str), ("spec", Mapping), ("logger", Mapping)):
            if not isinstance(getattr(config, name), kind):
                raise argument_error(f"{source}: {name}", getattr(config, name), "text" if kind is str else "a table")
        return config


class Session:
    """Makes loggers that write into one store; a context manager that closes them.

    Parameters
    ----------
    store
        The folder of the panes, made when the first one comes; the URL of an object store; or a `ProfileStore`.
    mirrors
        Further stores that take every pane too; one that fails holds up none of the others.
    spec
        What the profiles track; default `ProfileSpec()`.
    clock
        Where the time comes from; `polarsprof.testing.SettableClock` in tests.
    logger_defaults
        Defaults for the arguments of `logger`.
    handle_sigterm
        Let SIGTERM end the process as `sys.exit` does, so that everything is closed; only where the session is made in
        the main thread and nothing else handles the signal.

    Raises
    ------
    ArgumentError
        For a store that is no folder, and for a default that is unknown or does not fit.
    ClosedError
        In a process that was forked after Polars had started its threads, without which it would hang.

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
        self._defaults = LoggerOptions(**_known_options(logger_defaults or {}))
        self._defaults.check(self._clock)
        self._loggers: dict[str, Logger] = {}
        self._ended: dict[str, StreamStatus] = {}  # of loggers that were closed
        self._watched = False
        self._lock = threading.RLock()
        self._books = threading.RLock()  # guards names and what ended, never for long; taken after the other
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
        """Whether the session makes no loggers any more."""
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
        **options: Any,
    ) -> Logger:
        """A logger for one data set; the one that is open for it already if it was made alike.

        Parameters
        ----------
        dataset_name
            Any text; file names show a safe form of it.
        with_rotation_time
            Length of a window, a timedelta or text such as "90s", "15m", "h", "1d"; default: that of the session, else
            one window for the whole life of the logger.
        timestamp
            Column of the event time, a dotted path in nested records; default: that of the session, else arrival time.
        dataset_timestamp
            Without rotation, the start of the one window; default: now.
        tags, metadata
            Text to keep in every profile.
        **options
            The other fields of `LoggerOptions`: `max_out_of_orderness`, `allowed_lateness` and so on.

        Raises
        ------
        ArgumentError
            For an option that does not exist or does not fit, and for a data set whose open logger was made otherwise.
        ClosedError
            After `close`, in a forked child, and while a logger of the data set was closed without success.
        """
        if not dataset_text("dataset_name", dataset_name):
            raise argument_error("dataset_name", dataset_name, "text of one character or more")
        with self._lock:
            self._check_open()
            given = {"with_rotation_time": with_rotation_time, "timestamp": timestamp}
            options |= {name: value for name, value in given.items() if value is not None}
            chosen = replace(self._defaults, **_known_options(options))
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
                with self._books:
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
        **options: Any,
    ) -> dict[str, int]:
        """Log a source until it ends or is told to stop, then seal and publish everything.

        Reads on where the data set was left. Of a source with positions each record counts exactly once, also where the
        process is killed; of others see `polarsprof.sources`.

        SIGTERM and Ctrl-C end it cleanly: the batch at hand is logged, all becomes durable and is acknowledged; then
        the signal does what it would have done.

        Parameters
        ----------
        source
            One of `polarsprof.sources`, or of your own. It is closed at the end.
        dataset_name
            The data set, of which no logger may be open.
        until_idle
            Stop when nothing came for so long, a timedelta or text such as "30s"; default: never.
        max_records
            Stop after so many records.
        dead_letters
            Where messages go that are no records: a file, to which JSON lines of source, position, reason and value are
            appended, or a function of a `DeadLetter`. They are counted as rejected in any case.
        stop
            An event that stops it, from another thread.
        **options
            Those of `logger`: `with_rotation_time`, `timestamp` and so on.

        Returns
        -------
        dict
            `Logger.counters`; and `records_read`, `dead_letters`, `lag`, what is there that was not read (-1:
            unknown), and `interrupted_by`, the number of a signal whose handler returned, or 0.

        Raises
        ------
        ArgumentError
            For what is no source, an option that does not fit, and a data set with an open logger.
        SourceError
            Where the source cannot be read; what came before is durable.
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
        """The open logger of a data set.

        Raises
        ------
        ArgumentError
            Where there is none; the text names those that are open.
        ClosedError
            Where its `close` was called but has not succeeded.
        """
        with self._lock:
            if not isinstance(name, str) or name not in self._loggers:
                raise argument_error("name", name, f"one of the open loggers {sorted(self._loggers)}")
            _refuse_ending(self._loggers[name])
            return self._loggers[name]

    def watch(self) -> None:
        """Keep `status` up to date from now on; what was counted by loggers that were closed before is not in them."""
        with self._lock:
            self._watched = True
            for logger in self._loggers.values():
                logger.watch()

    def status(self) -> dict[str, StreamStatus]:
        """Data set → what metrics show of it: its loggers' counters, of closed ones too, and what is open.

        Never waits for work in hand; of nothing, and in a forked child, nothing.
        """
        if self._disowned:
            return {}
        with self._books:
            names = sorted({*self._ended, *self._loggers})
            return {name: together(self._statuses_of(name)) for name in names}

    def _statuses_of(self, name: str) -> Iterator[StreamStatus]:
        if name in self._ended:
            yield self._ended[name]
        if name in self._loggers:
            yield self._loggers[name].status

    def select(self, name: str, choose: Callable[[set[str]], Collection[str]], timeout_s: float) -> Profile | None:
        """As `Logger.part`, of the open logger of a data set; None also where there is none."""
        logger = self._loggers.get(name)
        return None if logger is None or self._disowned else logger.select(choose, timeout_s)

    def close(self) -> None:
        """Close every logger, so that all is durable; a second call does nothing.

        Raises
        ------
        StoreError
            Where the store does not take all of it; every logger was tried, and closing may be tried again. What else
            went wrong stands in its notes.
        """
        if not self._disowned:
            _close_each(list(self._loggers.values()))
            self._closed = True

    def abandon(self) -> None:
        """Leave what is not durable at the exit of the interpreter, which would else try, and tell, once more."""
        _sessions.discard(self)

    def disown(self) -> None:
        """Make session and loggers useless in a forked child: they belong to the parent."""
        self._disowned = True
        for logger in self._loggers.values():
            logger.disown()

    def _forget(self, logger: Logger) -> None:
        name = logger.dataset_name
        with self._lock, self._books:
            if self._loggers.get(name) is logger:
                if self._watched:
                    self._ended[name] = together([self._ended.get(name, StreamStatus()), logger.status.ended()])
                del self._loggers[name]

    def _check_open(self) -> None:
        if self._disowned:
            raise ClosedError("the session belongs to the parent process; make one in the child")
        if self._closed:
            raise ClosedError("the session is closed")


def get_or_create_session(config: str | os.PathLike[str] | Mapping[str, Any] | None = None) -> Session:
    """The session of this process; made on the first call and again once it was closed.

    Parameters
    ----------
    config
        A TOML file or a mapping with the keys of `SessionConfig`; default: the file that $POLARSPROF_CONFIG names, then
        ./polarsprof.toml, then `Session()`.

    Raises
    ------
    ArgumentError
        For a configuration that is not valid, and for one given while a session of another is open.
    """
    global _current, _current_config  # noqa: PLW0603 - one session per process is what the function is for
    with _current_lock:
        if _current is not None and not _current.closed:
            if config is not None and SessionConfig.of(config) != _current_config:
                raise argument_error("config", config, "None while a session of another configuration is open")
            return _current
        _current_config = SessionConfig.of(config)
        spec = ProfileSpec(**_known_knobs(_current_config.spec))
        _current = Session(_current_config.store, spec=spec, logger_defaults=_current_config.logger)
        return _current


_sessions: weakref.WeakSet[Session] = weakref.WeakSet()
_current: Session | None = None
_current_config = SessionConfig()
_current_lock = threading.RLock()


def _known_options(options: Mapping[str, Any]) -> dict[str, Any]:
    return _known("option", options, LoggerOptions)


def _known_knobs(knobs: Mapping[str, Any]) -> dict[str, Any]:
    return _known("knob of the spec", knobs, ProfileSpec)


def _known(what: str, given: Mapping[str, Any], kind: type[Any]) -> dict[str, Any]:
    known = [f.name for f in fields(kind)]
    for name in given:
        if name not in known:
            raise argument_error(what, name, f"one of {', '.join(known)}")
    return dict(given)


def _store_of(store: str | os.PathLike[str] | ProfileStore) -> ProfileStore:
    return store if isinstance(store, ProfileStore) else ProfileStore(store)


def _refuse_ending(logger: Logger) -> None:
    if logger.ending:
        msg = f"logger {logger.dataset_name!r} is not closed yet: its rows are not all durable; call its close() again"
        raise ClosedError(msg)


def _alike(mine: WriterSettings, theirs: WriterSettings, dataset_timestamp: datetime | None) -> bool:
    if dataset_timestamp is None:  # each call without one has another "now"
        theirs = replace(theirs, windowing=replace(theirs.windowing, start_us=mine.windowing.start_us))
    return mine == theirs


def _toml(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    try:
        with Path(path).open("rb") as file:
            return tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise argument_error("config", os.fspath(path), "a readable TOML file", str(error)) from error


def _close_at_exit() -> None:
    _close_each(list(_sessions))  # what went wrong is shown by the interpreter


def _close_each(parts: Sequence[Logger | Session]) -> None:
    """Close them all; one that cannot be closed keeps no other from it."""
    errors: list[Exception] = []
    for part in parts:
        try:
            part.close()
        except Exception as error:  # noqa: BLE001 - raised below
            errors.append(error)
    raise_one(errors, StoreError)


def _disown_in_child() -> None:
    global _current, _current_lock
    _current, _current_lock = None, threading.RLock()
    for session in list(_sessions):
        session.disown()


atexit.register(_close_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown_in_child)
