"""`consume`: reads a source into a logger until its end, silence or a signal.

A batch is logged together with the positions after it, so that both become durable or neither does. Every
`checkpoint_every`, logged batches are made durable and only then acknowledged to the source. The next batch is read
after the last one is logged, so memory holds one batch.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from polarsprof.errors import StoreError, argument_error, positive_integer
from polarsprof.sources.dead_letters import DeadLetters
from polarsprof.sources.decoding import Decoder
from polarsprof.sources.protocol import Interrupted
from polarsprof.stream.partition_locks import PartitionLocks
from polarsprof.stream.recovery import saved_positions
from polarsprof.stream.status import SourceStatus
from polarsprof.windowing.durations import duration_us

if TYPE_CHECKING:
    import os
    import threading
    from collections.abc import Callable, Mapping
    from datetime import timedelta

    from polarsprof.sources.protocol import Batch, DeadLetter, Source
    from polarsprof.stream.interrupt import Interrupt
    from polarsprof.stream.logger import Logger

_MAX_BATCH_RECORDS: Final = 262_144
_POLL_S: Final = 0.5  # the longest wait of a signal
_DEFAULT_EVERY_US: Final = 5_000_000
_MAX_UNACKNOWLEDGED_RECORDS: Final = 1_000_000  # more are made durable before they are due
_METHODS: Final = ("seek", "poll", "acknowledge", "lag", "close")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When to stop reading a source, and who follows its progress.

    Attributes
    ----------
    until_idle
        Stop after a silence of this length, a timedelta or text such as "30s"; None waits forever.
    max_records
        Stop after this number of records; None sets no bound.
    dead_letters
        A file or a function for messages that are not records, see `DeadLetters`.
    stop
        Stop when any thread sets it.
    on_progress
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


def consume(source: Source, open_logger: Callable[[], Logger], limits: Limits, interrupt: Interrupt) -> dict[str, int]:
    """Log a source, publish everything, and close logger and source in any case.

    Returns
    -------
    dict
        The counters of the logger; `records_read`, `dead_letters`, `lag` (-1 if unknown) and `interrupted_by`, the
        number of the signal that ended it or 0.

    Raises
    ------
    SourceError
        If the source cannot be read; earlier records are durable and acknowledged.
    StoreError
        If a pane could not be published, as from `Logger.close`.
    """
    checked_source(source)
    with ExitStack() as stack:
        stack.callback(source.close)
        letters = DeadLetters(limits.dead_letters)
        stack.callback(letters.close)
        with open_logger() as logger:
            partition_locks = PartitionLocks(logger.settings, partial(saved_positions, logger.settings))
            stack.callback(partition_locks.release)
            consumer = _Consumer(source, logger, limits, letters, interrupt)
            consumer.run(partition_locks)
        consumer.acknowledge()
        return consumer.counters()


def checked_source(source: object) -> None:
    """Raise for an object that is not a source."""
    if not all(callable(getattr(source, name, None)) for name in _METHODS):
        hint = "polarsprof.sources has them; an iterable goes to IterableSource(items)"
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
        self._saved_us = self._last_record_us = self._clock.now_us()
        self._records = 0
        self._lag: int | None = None

    def run(self, partition_locks: PartitionLocks) -> None:
        self._begin(partition_locks)
        try:
            while self._continues():
                batch = self._poll()
                if batch is not None:
                    self._log(batch)
                elif self._source.ended or self._is_idle():
                    break
                self._report(after_batch=batch is not None)
                self._save_if_due()
            self._lag = self._source.lag()
        finally:
            with suppress(StoreError):  # closing the logger tries again, and raises
                self._save()

    def _begin(self, partition_locks: PartitionLocks) -> None:
        """Make the first positions durable, so that a crash at once begins there again."""
        known = self._logger.positions
        positions = self._source.seek(known)
        partition_locks.acquire(positions)
        if not positions.items() <= known.items():
            self._logger.log_rows([], positions=positions)
            with suppress(StoreError):  # the logger warned of it
                self._logger.flush()
        self._report(after_batch=False)

    def _report(self, *, after_batch: bool) -> None:
        """Report progress to metrics and to the caller."""
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
        own = {"records_read": self._records, "dead_letters": self._letters.count, "lag": lag}
        return {**self._logger.counters, **own, "interrupted_by": int(self._interrupt.signal)}

    def _continues(self) -> bool:
        stopped = self._interrupt.signal or (self._limits.stop is not None and self._limits.stop.is_set())
        return not stopped and self._remaining() > 0

    def _remaining(self) -> int:
        return _MAX_BATCH_RECORDS if self._limits.max_records is None else self._limits.max_records - self._records

    def _is_idle(self) -> bool:
        silence_us = self._limits.until_idle_us
        return silence_us is not None and self._clock.now_us() - self._last_record_us >= silence_us

    def _poll(self) -> Batch | None:
        max_records = min(_MAX_BATCH_RECORDS, self._remaining())
        if not self._source.blocks:
            return self._source.poll(max_records, _POLL_S)
        with suppress(Interrupted), self._interrupt.waiting():
            return self._source.poll(max_records, _POLL_S)
        return None

    def _log(self, batch: Batch) -> None:
        rows = self._decoder.rows(batch)
        self._letters.sync()
        # Without positions, rows need not become durable together with them.
        self._logger.log_rows(rows, positions=batch.positions or None)
        self._records += batch.records
        self._last_record_us = self._clock.now_us()
        if batch.positions or batch.receipt is not None:
            self._unacknowledged.append(replace(batch, data=None, place=_nowhere, original=None))

    def _save_if_due(self) -> None:
        now_us = self._clock.now_us()
        many = sum(batch.records for batch in self._unacknowledged) >= _MAX_UNACKNOWLEDGED_RECORDS
        if self._unacknowledged and (many or not self._saved_us <= now_us < self._saved_us + self._every_us):
            with suppress(StoreError):  # the logger warned of it, and it is tried again
                self._save()
            self._saved_us = now_us

    def _save(self) -> None:
        """Make logged batches durable, then acknowledge them."""
        if self._unacknowledged:
            self._logger.flush()
            self.acknowledge()

    def acknowledge(self) -> None:
        """Acknowledge to the source that all logged batches are durable."""
        batches, self._unacknowledged = self._unacknowledged, []
        if batches:
            self._source.acknowledge(batches)


def _nowhere(number: int) -> tuple[str, int]:
    return "", number
