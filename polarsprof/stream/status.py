"""`StreamStatus`: what a running logger shows of itself, taken at one moment; plain data, imports nothing.

Of loggers that follow each other on one data set the counters add up, so they never go back while a session lasts.
Moments are kept, not ages: who looks says how long ago they were.
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
    """How far a source was read into a logger.

    Attributes
    ----------
    records, dead_letters
        How many came, and how many of them were no records.
    lag
        How much is there that was not read, None where that is not known; its unit, "records" or "bytes".
    """

    records: int = 0
    dead_letters: int = 0
    lag: int | None = None
    lag_unit: str = "records"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStatus:
    """What was counted, and what is open; moments in microseconds since the epoch, None where there is none.

    Attributes
    ----------
    counters
        Those of `Logger.counters` that only grow, and `records_read` and `dead_letters` of a source.
    rejected
        Reason → rows kept out.
    panes_waiting, open_windows
        Sealed windows that no store has taken; windows that are open, those of late rows among them.
    oldest_us
        Start of the oldest open window.
    watermark_us, latest_us
        Event time up to which windows are sealed; the latest event time.
    unsaved_us
        When the first change came that no checkpoint has.
    now_us
        When this was looked at.
    readings
        How far sources were read, of each that is being read.
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
        """What stays when the logger is closed: what it counted."""
        return StreamStatus(counters=self.counters, rejected=self.rejected)


def together(parts: Iterable[StreamStatus]) -> StreamStatus:
    """What several loggers show: counts added up, the earliest of each moment, the latest event time."""
    return reduce(_joined, parts, StreamStatus())


def _joined(one: StreamStatus, other: StreamStatus) -> StreamStatus:
    return StreamStatus(
        counters=_sum(one.counters, other.counters),
        rejected=_sum(one.rejected, other.rejected),
        panes_waiting=one.panes_waiting + other.panes_waiting,
        open_windows=one.open_windows + other.open_windows,
        oldest_us=_of(min, one.oldest_us, other.oldest_us),
        watermark_us=_of(min, one.watermark_us, other.watermark_us),
        latest_us=_of(max, one.latest_us, other.latest_us),
        unsaved_us=_of(min, one.unsaved_us, other.unsaved_us),
        now_us=_of(max, one.now_us, other.now_us),
        sources=one.sources + other.sources,
    )


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> Counter[str]:
    total = Counter(one)
    total.update(other)
    return total


def _of(choose: Callable[[list[int]], int], *moments: int | None) -> int | None:
    known = [moment for moment in moments if moment is not None]
    return choose(known) if known else None
