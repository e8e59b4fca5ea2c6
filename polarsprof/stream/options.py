"""`LoggerOptions`: every option of a logger, with its default and check."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypedDict

from polarsprof.errors import argument_error
from polarsprof.profiles.header import dataset_text
from polarsprof.windowing.durations import Interval, duration_us
from polarsprof.windowing.instants import utc_us
from polarsprof.windowing.tumbling import Tumbling
from polarsprof.windowing.windowing import Windowing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime, timedelta

    from polarsprof.profiles.profile import Profile
    from polarsprof.windowing.clock import Clock


class MoreLoggerKeywords(TypedDict, total=False):
    """Further keyword arguments of `Session.logger`, beside those in its signature."""

    timestamp_unit: str | None
    max_out_of_orderness: str | timedelta
    allowed_lateness: str | timedelta | None
    late_dataset: str | None
    idle_timeout: str | timedelta | None
    max_future: str | timedelta
    max_open_windows: int
    origin: datetime | None
    zone: str | None
    checkpoint_every: str | timedelta | None
    on_pane: Callable[[Profile], object] | None


class LoggerKeywords(MoreLoggerKeywords, total=False):
    """Keyword arguments of `Session.logger`."""

    with_rotation_time: str | timedelta | None
    timestamp: str | None
    dataset_timestamp: datetime | None
    tags: Mapping[str, str] | None
    metadata: Mapping[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggerOptions:
    """Windows and durability of a logger.

    Durations are a timedelta or text such as "90s", "15m", "1d".

    Attributes
    ----------
    with_rotation_time
        Length of a window; None keeps one window for the whole life of the logger.
    timestamp
        Column of the event time, a dotted path in nested records; None uses the time of arrival. The column holds
        datetimes (UTC if without a zone), dates, ISO 8601 text or epoch numbers.
    timestamp_unit
        "s", "ms", "us" or "ns" for epoch numbers; None infers it from their magnitude, safely from 1973 to 5138.
    max_out_of_orderness
        Lag of a row behind the latest one before its window is sealed: 0s seals with the first row of the next window,
        1m keeps a window open for one more minute of event time.
    allowed_lateness
        Rows whose window ended longer ago than this are too late; with None no row is, each opens its window anew.
    late_dataset
        The data set that takes rows that are too late, in windows of their own; None rejects and counts them.
    idle_timeout
        Silence after which open windows are sealed, with event time only; None waits for a row, `flush` or `close`.
    max_future
        Rows further ahead of the clock are profiled but do not advance the watermark.
    max_open_windows
        Most windows open at a time, each with up to 64 KiB per column; beyond it the oldest is sealed.
    origin
        An instant at which a window starts; default: the epoch.
    zone
        Time zone of windows of whole days, such as "Europe/Berlin"; default: UTC.
    checkpoint_every
        Longest wait of a row until it survives a crash, without a call of `flush`: 1s loses less, 1m writes less. A
        checkpoint writes the open windows, some 10 KiB a column. None saves none, and `flush` seals the open windows.
    on_pane
        Called with the `Profile` of each pane after a store took it, from any thread; after a crash perhaps twice. An
        error in it becomes a warning.
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
        """Raise for an invalid value; defaults may have a zone without an interval."""
        self.checkpoint_every_us()
        if self.late_dataset is not None and not dataset_text("late_dataset", self.late_dataset):
            raise argument_error("late_dataset", self.late_dataset, "text of one character or more, or None")
        if self.late_dataset is not None and self.allowed_lateness is None:
            raise argument_error(
                "late_dataset", self.late_dataset, "None without allowed_lateness", "allowed_lateness="
            )
        if self.on_pane is not None and not callable(self.on_pane):
            raise argument_error("on_pane", self.on_pane, "a function of a profile, or None")
        rotates = self.with_rotation_time is not None or (self.origin is None and self.zone is None)
        (self if rotates else replace(self, with_rotation_time="1d")).windowing(None, clock)

    def windowing(self, dataset_timestamp: datetime | None, clock: Clock) -> Windowing:
        """Return the windows of a stream, checked, in microseconds.

        Raises
        ------
        ArgumentError
            For an invalid option; the message names it.
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
        """Return the longest wait for a checkpoint, in microseconds."""
        return _optional_us(self.checkpoint_every, "checkpoint_every")

    def _tumbling(self) -> Tumbling | None:
        if self.with_rotation_time is None:
            if self.origin is not None or self.zone is not None:
                raise argument_error("with_rotation_time", None, "an interval if an origin or a zone is given")
            return None
        origin_us = 0 if self.origin is None else utc_us(self.origin, "origin")
        return Tumbling(Interval.parse(self.with_rotation_time, "with_rotation_time"), origin_us, self.zone)


def _optional_us(value: str | timedelta | None, name: str) -> int | None:
    return None if value is None else duration_us(value, name)
