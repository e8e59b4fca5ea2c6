"""`LoggerOptions`: every knob of a logger, checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from polarsprof.errors import argument_error
from polarsprof.profiles.header import dataset_text
from polarsprof.stream.rotation import Windowing
from polarsprof.windowing.tumbling import Interval, Tumbling, duration_us, utc_us

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from polarsprof.profiles.profile import Profile
    from polarsprof.windowing.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggerOptions:
    """How a logger cuts its stream and keeps it safe; durations are a timedelta or text such as "90s", "15m", "1d".

    Attributes
    ----------
    with_rotation_time
        Length of a window; None: one window for the whole life of the logger.
    timestamp
        Column of the event time, a dotted path in nested records; None: the time of arrival. Takes datetimes (without a
        zone: UTC), dates, ISO 8601 text and epoch numbers.
    timestamp_unit
        "s", "ms", "us" or "ns" for epoch numbers; None: told by magnitude, which is safe from 1973 to 5138.
    max_out_of_orderness
        How far rows may lag behind the latest one before their window is sealed: 0s seals as soon as the first row of
        the next window comes, 1m keeps a window open for one minute of event time more.
    allowed_lateness
        Rows whose window ended longer ago than this are too late; None: none is, each finds its window.
    late_dataset
        The data set that takes rows that are too late, in windows of their own; None: they are rejected and counted.
    idle_timeout
        Silence after which open windows are sealed; None: only at the next row, flush or close. With event time only.
    max_future
        Rows further ahead of the clock are profiled but do not advance the watermark.
    max_open_windows
        Windows open at a time, each holding up to 64 KiB per column; beyond it the oldest is sealed.
    origin
        An instant at which a window starts; default the epoch.
    zone
        Name of a time zone for windows of whole days, such as "Europe/Berlin"; default UTC.
    checkpoint_every
        How long rows may wait until they would survive the death of the process, where nobody calls `flush`: 1s loses
        less, 1m writes less. What is to be written is the state of the open windows, some 10 KiB a column. None: there
        are no checkpoints, and `flush` seals the open windows.
    on_pane
        Called with the `Profile` of each pane after a store took it, from any thread, after a crash perhaps twice. What
        it raises is told in a warning.
    """

    with_rotation_time: str | timedelta | None = None
    timestamp: str | None = None
    timestamp_unit: str | None = None
    max_out_of_orderness: str | timedelta = "0s"
    allowed_lateness: str | timedelta | None = None
    late_dataset: str | None = None
    idle_timeout: str | timedelta | None = "1m"
    max_future: str | timedelta = "1d"
    max_open_windows: int = 64
    origin: datetime | None = None
    zone: str | None = None
    checkpoint_every: str | timedelta | None = "5s"
    on_pane: Callable[[Profile], object] | None = None

    def check(self, clock: Clock) -> None:
        """Raise for a value that fits no logger; an origin or a zone may wait for the interval of one."""
        self.checkpoint_every_us()
        if self.late_dataset is not None and not dataset_text("late_dataset", self.late_dataset):
            raise argument_error("late_dataset", self.late_dataset, "text of one character or more, or None")
        if self.late_dataset is not None and self.allowed_lateness is None:
            raise argument_error(
                "late_dataset", self.late_dataset, "None where no row is too late", "allowed_lateness="
            )
        if self.on_pane is not None and not callable(self.on_pane):
            raise argument_error("on_pane", self.on_pane, "a function of a profile, or None")
        rotates = self.with_rotation_time is not None or (self.origin is None and self.zone is None)
        (self if rotates else replace(self, with_rotation_time="1d")).windowing(None, clock)

    def windowing(self, dataset_timestamp: datetime | None, clock: Clock) -> Windowing:
        """The checked form, in microseconds.

        Raises
        ------
        ArgumentError
            For an option that does not fit; the text names it.
        """
        if self.timestamp is not None and (not isinstance(self.timestamp, str) or not self.timestamp):
            raise argument_error("timestamp", self.timestamp, "the name of a column")
        if self.timestamp_unit not in (None, "s", "ms", "us", "ns"):
            raise argument_error("timestamp_unit", self.timestamp_unit, "s, ms, us, ns or None")
        if type(self.max_open_windows) is not int or self.max_open_windows < 1:
            raise argument_error("max_open_windows", self.max_open_windows, "an integer from 1")
        tumbling = self._tumbling()
        if tumbling is not None and dataset_timestamp is not None:
            expected = "None with with_rotation_time"
            raise argument_error("dataset_timestamp", dataset_timestamp, expected, "each window has its own start")
        start_us = clock.now_us() if dataset_timestamp is None else utc_us(dataset_timestamp, "dataset_timestamp")
        return Windowing(
            tumbling=tumbling,
            timestamp=self.timestamp,
            timestamp_unit=self.timestamp_unit,
            max_out_of_orderness_us=duration_us(self.max_out_of_orderness, "max_out_of_orderness"),
            allowed_lateness_us=_optional_us(self.allowed_lateness, "allowed_lateness"),
            idle_timeout_us=_optional_us(self.idle_timeout, "idle_timeout"),
            max_future_us=duration_us(self.max_future, "max_future"),
            max_open_windows=self.max_open_windows,
            start_us=start_us,
        )

    def checkpoint_every_us(self) -> int | None:
        """The longest wait for a checkpoint in microseconds."""
        return _optional_us(self.checkpoint_every, "checkpoint_every")

    def _tumbling(self) -> Tumbling | None:
        if self.with_rotation_time is None:
            if self.origin is not None or self.zone is not None:
                raise argument_error("with_rotation_time", None, "an interval where an origin or a zone is given")
            return None
        origin_us = 0 if self.origin is None else utc_us(self.origin, "origin")
        return Tumbling(Interval.parse(self.with_rotation_time, "with_rotation_time"), origin_us, self.zone)


def _optional_us(value: str | timedelta | None, name: str) -> int | None:
    return None if value is None else duration_us(value, name)
