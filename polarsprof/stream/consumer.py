"""`consume`: a source into a logger, until it ends, is idle, or a signal comes.

A batch is decoded as a whole and logged with the positions after it, so that both become durable together or neither
does. Every `checkpoint_every` what was logged is made durable, and only then acknowledged to the source. Nothing is
read ahead of what is profiled: a slow profile makes a slow reader, and memory holds one batch.
"""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self

from polarsprof.errors import StoreError, argument_error, positive_integer
from polarsprof.sources.dead_letters import DeadLetters
from polarsprof.sources.decoding import Decoder
from polarsprof.sources.protocol import Interrupted
from polarsprof.stream.partition_locks import PartitionLocks
from polarsprof.stream.status import SourceStatus
from polarsprof.windowing.tumbling import duration_us

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping
    from datetime import timedelta
    from types import FrameType

    from polarsprof.sources.protocol import Batch, DeadLetter, Source
    from polarsprof.stream.logger import Logger

_MOST_RECORDS: Final = 262_144  # of a batch
_POLL_S: Final = 0.5  # and so long a signal may have to wait
_DEFAULT_EVERY_US: Final = 5_000_000
_MOST_UNACKNOWLEDGED: Final = 1_000_000  # records
_METHODS: Final = ("seek", "poll", "acknowledge", "lag", "close")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When to stop, and who hears of it.

    Attributes
    ----------
    until_idle
        Stop when nothing came for so long, a timedelta or text such as "30s"; None: wait for ever.
    max_records
        Stop after so many records; None: never.
    dead_letters
        A file or a function for messages that are no records, see `DeadLetters`.
    stop
        Stop when it is set, by whatever thread.
    tell
        Called with the counters after each batch.
    """

    until_idle: str | timedelta | None = None
    max_records: int | None = None
    dead_letters: str | os.PathLike[str] | Callable[[DeadLetter], object] | None = None
    stop: threading.Event | None = None
    on_progress: Callable[[Mapping[str, int]], object] | None = None

    def __post_init__(self) -> None:
        _ = self.until_idle_us
        if self.max_records is not None:
            positive_integer("max_records", self.max_records)

    @property
    def until_idle_us(self) -> int | None:
        """The longest silence, in microseconds."""
        return None if self.until_idle is None else duration_us(self.until_idle, "until_idle")


class Interrupt:
    """While it is entered, SIGINT and SIGTERM set `signal`, and end a wait that would not end by itself.

    A second one does what it did before. In a thread that is not the main one, signals do what they always do.
    """

    def __init__(self) -> None:
        self.signal = 0
        self._waiting = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """What may wait for ever; a signal raises `Interrupted` in it, or has done so."""
        self._waiting = True
        try:
            if self.signal:
                raise Interrupted
            yield
        finally:
            self._waiting = False

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self.signal:
            self.__exit__()
            signal.raise_signal(number)
        self.signal = number
        if self._waiting:
            self._waiting = False
            raise Interrupted


def consume(source: Source, open_logger: Callable[[], Logger], limits: Limits, interrupt: Interrupt) -> dict[str, int]:
    """Log a source, seal and publish everything, close the logger; the source is closed whatever happens.

    Returns
    -------
    dict
        The counters of the logger; `records_read`, `dead_letters`, `lag` (-1: unknown) and `interrupted_by`, the
        number of the signal that ended it or 0.

    Raises
    ------
    SourceError
        Where the source cannot be read; what came before is durable and acknowledged.
    StoreError
        Where not all could be published, as from `Logger.close`.
    """
    checked_source(source)
    with ExitStack() as stack:
        stack.callback(source.close)
        letters = DeadLetters(limits.dead_letters)
        stack.callback(letters.close)
        with open_logger() as logger:
            partition_locks = PartitionLocks(logger.settings)
            stack.callback(partition_locks.release)
            consumer = _Consumer(source, logger, limits, letters, interrupt)
            consumer.run(partition_locks)
        consumer.acknowledge()
        return consumer.counters()


def checked_source(source: Any) -> None:
    """Raise for what cannot be read."""
    if not all(callable(getattr(source, name, None)) for name in _METHODS):
        hint = "polarsprof.sources has some; an iterable goes to IterableSource(items)"
        raise argument_error("source", source, f"a source, with {', '.join(_METHODS)}", hint)


class _Consumer:
    def __init__(
        self, source: Source, logger: Logger, limits: Limits, letters: DeadLetters, interrupt: Interrupt
    ) -> None:
        self._source = source
        self._logger = logger
        self._limits = limits
        self._letters = letters
        self._interrupt = interrupt
        self._decoder = Decoder(letters.add)
        self._clock = logger.settings.clock
        self._every_us = logger.settings.checkpoint_every_us or _DEFAULT_EVERY_US
        self._unacknowledged: list[Batch] = []
        self._kept_us = self._heard_us = self._clock.now_us()
        self._records = 0
        self._lag: int | None = None

    def run(self, partition_locks: PartitionLocks) -> None:
        self._begin(partition_locks)
        try:
            while self._goes_on():
                batch = self._polled()
                if batch is not None:
                    self._log(batch)
                elif self._source.ended or self._is_idle():
                    break
                self._show(after_batch=batch is not None)
                self._keep_if_due()
            self._lag = self._source.lag()
        finally:
            with suppress(StoreError):  # closing the logger tries again, and tells
                self._keep()

    def _begin(self, partition_locks: PartitionLocks) -> None:
        """Make durable where the source begins, so that it begins there again if this dies before the first batch."""
        known = self._logger.positions
        positions = self._source.seek(known)
        partition_locks.take(positions)
        if not positions.items() <= known.items():
            self._logger.log_rows([], positions=positions)
            with suppress(StoreError):  # the logger warned of it
                self._logger.flush()
        self._show(after_batch=False)

    def _show(self, *, after_batch: bool) -> None:
        """Let others see how far this is."""
        on_progress = self._limits.on_progress if after_batch else None
        if self._logger.watched or on_progress is not None:
            self._lag = self._source.lag()
            self._logger.source_status = SourceStatus(
                self._records, self._letters.count, self._lag, self._source.lag_unit
            )
        if on_progress is not None:
            on_progress(self.counters())

    def counters(self) -> dict[str, int]:
        lag = -1 if self._lag is None else self._lag
        counted = {"records_read": self._records, "dead_letters": self._letters.count, "lag": lag}
        return {**self._logger.counters, **counted, "interrupted_by": int(self._interrupt.signal)}

    def _goes_on(self) -> bool:
        stopped = self._interrupt.signal or (self._limits.stop is not None and self._limits.stop.is_set())
        return not stopped and self._remaining() > 0

    def _remaining(self) -> int:
        return _MOST_RECORDS if self._limits.max_records is None else self._limits.max_records - self._records

    def _is_idle(self) -> bool:
        silence_us = self._limits.until_idle_us
        return silence_us is not None and self._clock.now_us() - self._heard_us >= silence_us

    def _polled(self) -> Batch | None:
        most = min(_MOST_RECORDS, self._remaining())
        if not self._source.blocks:
            return self._source.poll(most, _POLL_S)
        with suppress(Interrupted), self._interrupt.waiting():
            return self._source.poll(most, _POLL_S)
        return None

    def _log(self, batch: Batch) -> None:
        rows = self._decoder.rows(batch)
        self._letters.sync()
        # Without positions there is nothing that the rows must not be parted from.
        self._logger.log_rows(rows, positions=batch.positions or None)
        self._records += batch.records
        self._heard_us = self._clock.now_us()
        if batch.positions or batch.receipt is not None:
            self._unacknowledged.append(replace(batch, data=None, place=_nowhere, original=None))

    def _keep_if_due(self) -> None:
        now_us = self._clock.now_us()
        many = sum(batch.records for batch in self._unacknowledged) >= _MOST_UNACKNOWLEDGED
        if self._unacknowledged and (many or not self._kept_us <= now_us < self._kept_us + self._every_us):
            with suppress(StoreError):  # the logger warned of it; the next time comes
                self._keep()
            self._kept_us = now_us

    def _keep(self) -> None:
        """Make durable what was logged, and acknowledge it."""
        if self._unacknowledged:
            self._logger.flush()
            self.acknowledge()

    def acknowledge(self) -> None:
        """Tell the source that all that was logged is durable."""
        batches, self._unacknowledged = self._unacknowledged, []
        if batches:
            self._source.acknowledge(batches)


def _nowhere(number: int) -> tuple[str, int]:
    return "", number
