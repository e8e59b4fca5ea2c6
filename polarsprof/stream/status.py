"""`StreamStatus`: the state of a running logger at one moment, for metrics.

Counters of loggers that follow each other on one data set add up, so they never decrease during a session. It holds
instants, not ages; the reader computes ages from its own time.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """Progress of a source that is read into a logger.

    Attributes
    ----------
    records, dead_letters
        Messages read, and messages that were not records.
    lag
        Records or bytes that were not read; None if unknown.
    lag_unit
        "records" or "bytes".
    """

    records: int = 0
    dead_letters: int = 0
    lag: int | None = None
    lag_unit: str = "records"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStatus:
    """Counters and open windows.

    Instants are in microseconds since the epoch, None if there is none.

    Attributes
    ----------
    counters
        Counters of `Logger.counters` that never decrease, and `records_read` and `dead_letters` of a source.
    rejected
        Reason → rejected rows.
    panes_waiting, open_windows
        Sealed panes that a store has not taken; open windows, including those of rows that are too late.
    oldest_us
        Start of the oldest open window.
    watermark_us, latest_us
        Event time up to which windows are sealed; the latest event time.
    unsaved_us
        Time of the first change that no checkpoint holds.
    now_us
        Time of this status.
    sources
        Progress of each source that is read.
    """

    counters: Mapping[str, int] = field(default_factory=Counter)
    rejected: Mapping[str, int] = field(default_factory=Counter)
    panes_waiting: int = 0
    open_windows: int = 0
    oldest_us: int | None = None
    watermark_us: int | None = None
    latest_us: int | None = None
    unsaved_us: int | None = None
    now_us: int | None = None
    sources: tuple[SourceStatus, ...] = ()

    def ended(self) -> StreamStatus:
        """Return the part that stays after the logger is closed: its counters."""
        return StreamStatus(counters=self.counters, rejected=self.rejected)


def combined(parts: Iterable[StreamStatus]) -> StreamStatus:
    """Combine the states of several loggers.

    Counters are summed; instants are the earliest, the event time is the latest.
    """
    return reduce(_combine, parts, StreamStatus())


def _combine(one: StreamStatus, other: StreamStatus) -> StreamStatus:
    return StreamStatus(
        counters=_sum(one.counters, other.counters),
        rejected=_sum(one.rejected, other.rejected),
        panes_waiting=one.panes_waiting + other.panes_waiting,
        open_windows=one.open_windows + other.open_windows,
        oldest_us=_chosen(min, one.oldest_us, other.oldest_us),
        watermark_us=_chosen(min, one.watermark_us, other.watermark_us),
        latest_us=_chosen(max, one.latest_us, other.latest_us),
        unsaved_us=_chosen(min, one.unsaved_us, other.unsaved_us),
        now_us=_chosen(max, one.now_us, other.now_us),
        sources=one.sources + other.sources,
    )


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> Counter[str]:
    total = Counter(one)
    total.update(other)
    return total


def _chosen(choose: Callable[[list[int]], int], *moments: int | None) -> int | None:
    known = [moment for moment in moments if moment is not None]
    return choose(known) if known else None
