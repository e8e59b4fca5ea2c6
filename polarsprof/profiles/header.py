"""`ProfileHeader`: origin, time span, row counts and data problems of a profile.

It mirrors the header of a file. Merging adds counts and widens spans; of differing texts the first in order remains.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import version
from itertools import starmap
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from polarsprof.errors import ArgumentError, CorruptProfile, argument_error, plain_text
from polarsprof.files import profile_pb2 as pb
from polarsprof.files.codec import MAX_DATASET_CHARACTERS, MAX_TEXT_BYTES
from polarsprof.profiles.foreign_metrics import merge_figures, merge_reasons, read_figures, write_figures
from polarsprof.sketches.limits import MAX_COUNT, writable
from polarsprof.windowing.instants import utc_datetime
from polarsprof.windowing.tumbling import Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from polarsprof.kernels.spec import ProfileSpec
    from polarsprof.profiles.foreign_metrics import Figures

_COUNTS: Final = ("rows", "late_rows", "untimed_rows", "future_rows", "dropped_rows")
_COUNTS_OF: Final = attrgetter(*_COUNTS)
_VERSIONED: Final = ("polarsprof", "polars", "datasketches")


class ProfileHeader:
    """Figures of all rows together; `Profile` documents the attributes."""

    def __init__(
        self,
        *,
        dataset: str,
        window: Window | None,
        tags: Mapping[str, str] | None,
        metadata: Mapping[str, str] | None,
    ) -> None:
        self.dataset = dataset_text("dataset", dataset)
        self.window = window
        self.tags = text_pairs("tags", tags)
        self.metadata = text_pairs("metadata", metadata)
        self.rows = self.late_rows = self.untimed_rows = self.future_rows = self.dropped_rows = 0
        self.rejected: Counter[str] = Counter()
        self.degraded: Counter[str] = Counter()
        self.first_event_us: int | None = None
        self.last_event_us: int | None = None
        self.panes: frozenset[tuple[str, int]] = frozenset()
        self.positions: dict[str, int] = {}
        self.writers: dict[str, dict[str, int]] = {}
        self.versions = dict(_versions())
        self.foreign: Figures = {}
        self.incomplete: dict[str, str] = {}

    @property
    def first_event(self) -> datetime | None:
        """Earliest event time; None if no row has one."""
        return None if self.first_event_us is None else utc_datetime(self.first_event_us)

    @property
    def last_event(self) -> datetime | None:
        """Latest event time; None if no row has one."""
        return None if self.last_event_us is None else utc_datetime(self.last_event_us)

    @property
    def rejected_rows(self) -> int:
        """Number of rejected rows, for any reason."""
        return self.rejected.total()

    def observe_times(self, first_us: int, last_us: int) -> None:
        """Widen the span of event times."""
        self.first_event_us = first_us if self.first_event_us is None else min(self.first_event_us, first_us)
        self.last_event_us = last_us if self.last_event_us is None else max(self.last_event_us, last_us)

    def _merge_headers(self, others: Iterable[ProfileHeader | ParsedHeader]) -> None:
        panes, windows = [], [self.window]
        for other in others:
            self._merge_header(other)
            panes.append(other.panes)
            windows.append(other.window)
        self.panes = self.panes.union(*panes)
        self.window = _span(windows)

    def _merge_header(self, other: ProfileHeader | ParsedHeader) -> None:
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for total, more in ((self.rejected, other.rejected), (self.degraded, other.degraded)):
            if more:
                total.update(more)
        if other.first_event_us is not None and other.last_event_us is not None:
            self.observe_times(other.first_event_us, other.last_event_us)
        advance(self.positions, other.positions)
        for writer_id, counters in other.writers.items():
            own = self.writers.setdefault(writer_id, {})
            own |= {name: max(count, own.get(name, 0)) for name, count in counters.items()}
        if other.foreign or other.incomplete:
            merge_figures(self.foreign, other.foreign)
            merge_reasons(self.incomplete, other.incomplete)
        self.dataset = min(self.dataset or other.dataset, other.dataset or self.dataset)
        for mine, theirs in ((self.tags, other.tags), (self.metadata, other.metadata), (self.versions, other.versions)):
            if theirs and theirs != mine:
                mine |= {key: min(value, mine.get(key, value)) for key, value in theirs.items()}

    def _disjoint(self, others: Iterable[_Header]) -> Iterator[_Header]:
        """Yield each of the others, after checking that no two share a pane."""
        panes: set[tuple[str, int]] = set()  # without those of this header, which can be very many
        for other in others:
            if not (other.panes.isdisjoint(self.panes) and other.panes.isdisjoint(panes)):
                writer, number = min((self.panes | panes) & other.panes)
                msg = f"other: holds pane {number} of writer {writer}, whose rows are in this profile already"
                raise ArgumentError(msg)
            panes |= other.panes
            yield other

    def _header_message(self, spec: ProfileSpec) -> pb.Header:
        header = pb.Header(dataset=self.dataset, spec_json=spec.to_json())
        for name in _COUNTS:
            setattr(header, name, writable(getattr(self, name)))
        if self.window is not None:
            header.window_start_us, header.window_end_us = self.window.start_us, self.window.end_us
        if self.first_event_us is not None and self.last_event_us is not None:
            header.first_event_us, header.last_event_us = self.first_event_us, self.last_event_us
        for reason, count in sorted(self.rejected.items()):
            header.rejected.add(name=reason, count=writable(count))
        for reason, count in sorted(self.degraded.items()):
            header.degraded.add(name=reason, count=writable(count))
        for writer_id, number in sorted(self.panes):
            header.panes.add(writer_id=writer_id, number=number)
        for source, position in sorted(self.positions.items()):
            header.positions.add(source=source, next=position)
        header.writers.extend(starmap(_writer_message, sorted(self.writers.items())))
        for name in ("tags", "metadata", "versions"):
            for key, value in sorted(getattr(self, name).items()):
                getattr(header, name).add(key=key, value=value)
        write_figures(self.foreign, header)
        header.incomplete.extend(starmap(_pair_message, sorted(self.incomplete.items())))
        return header

    def _read_header(self, header: pb.Header) -> None:
        """Set every attribute from a header, after checking it."""
        parsed = parse_header(header)
        for name, value in parsed._asdict().items():
            setattr(self, name, value)
        self.rejected, self.degraded = Counter(parsed.rejected), Counter(parsed.degraded)

    def _merge_header_messages(self, headers: Iterable[pb.Header]) -> None:
        """Merge headers of files, like profiles with these headers."""
        # One after the other: thousands at once make the garbage collector look for cycles among them.
        self._merge_headers(self._disjoint(map(parse_header, headers)))


class ParsedHeader(NamedTuple):
    """Valid header of a file; the names are those of `ProfileHeader`."""

    dataset: str
    window: Window | None
    tags: dict[str, str]
    metadata: dict[str, str]
    rows: int
    late_rows: int
    untimed_rows: int
    future_rows: int
    dropped_rows: int
    rejected: dict[str, int]
    degraded: dict[str, int]
    first_event_us: int | None
    last_event_us: int | None
    panes: frozenset[tuple[str, int]]
    positions: dict[str, int]
    writers: dict[str, dict[str, int]]
    versions: dict[str, str]
    foreign: Figures
    incomplete: dict[str, str]


_Header = TypeVar("_Header", bound=ProfileHeader | ParsedHeader)


def parse_header(header: pb.Header) -> ParsedHeader:
    """Parse and check the header of a file.

    Raises
    ------
    CorruptProfile
        For counts, windows or times that no profile has.
    """
    # Empty fields, most of them in most files, are skipped: a year of hours has thousands of files.
    counts = rows, late, untimed, future, dropped = _COUNTS_OF(header)
    rejected, degraded = _counts_of(header.rejected), _counts_of(header.degraded)
    if max(*counts, *rejected.values(), *degraded.values()) > MAX_COUNT:
        raise CorruptProfile("not a readable profile: counts that no stream has")
    first_us, last_us = _events_of(header)
    positions, writers, foreign = header.positions, header.writers, header.foreign
    return ParsedHeader(
        dataset=dataset_text("dataset", header.dataset),
        window=_window_of(header),
        tags=_pairs(header.tags),
        metadata=_pairs(header.metadata),
        rows=rows,
        late_rows=late,
        untimed_rows=untimed,
        future_rows=future,
        dropped_rows=dropped,
        rejected=rejected,
        degraded=degraded,
        first_event_us=first_us,
        last_event_us=last_us,
        panes=panes_of(header),
        positions={position.source: position.next for position in positions} if positions else {},
        writers={writer.id: _counts_of(writer.counters) for writer in writers} if writers else {},
        versions=_pairs(header.versions),
        foreign=read_figures(header) if foreign else {},
        incomplete=_pairs(header.incomplete),
    )


def panes_of(header: pb.Header) -> frozenset[tuple[str, int]]:
    """Ids of the panes in a file."""
    return frozenset([(pane.writer_id, pane.number) for pane in header.panes])


def _window_of(header: pb.Header) -> Window | None:
    if not header.HasField("window_start_us"):
        return None
    if header.window_start_us >= header.window_end_us:
        msg = f"not a readable profile: a window from {header.window_start_us} to {header.window_end_us}"
        raise CorruptProfile(msg)
    return Window(header.window_start_us, header.window_end_us)


def _events_of(header: pb.Header) -> tuple[int, int] | tuple[None, None]:
    if not header.HasField("first_event_us"):
        return None, None
    first_us, last_us = header.first_event_us, header.last_event_us
    try:
        first, last = utc_datetime(first_us), utc_datetime(last_us)
    except ArgumentError as error:
        raise CorruptProfile(f"not a readable profile: {error}") from error
    if first > last:
        raise CorruptProfile(f"not a readable profile: event times from {first} to {last}")
    return first_us, last_us


@cache
def _versions() -> Mapping[str, str]:
    return {name: version(name) for name in _VERSIONED}


def _pairs(pairs: Sequence[pb.Pair]) -> dict[str, str]:
    return {pair.key: pair.value for pair in pairs} if pairs else {}


def _counts_of(entries: Sequence[pb.NamedCount]) -> dict[str, int]:
    return {entry.name: entry.count for entry in entries} if entries else {}


def advance(positions: dict[str, int], others: Mapping[str, int]) -> None:
    """Move the positions of sources forward to those of others."""
    for source, position in others.items():
        positions[source] = max(position, positions.get(source, position))


def _writer_message(writer_id: str, counters: Mapping[str, int]) -> pb.Writer:
    entries = [pb.NamedCount(name=name, count=count) for name, count in sorted(counters.items())]
    return pb.Writer(id=writer_id, counters=entries)


def _pair_message(key: str, value: str) -> pb.Pair:
    return pb.Pair(key=key, value=value)


def _span(windows: Iterable[Window | None]) -> Window | None:
    known = [window for window in windows if window is not None]
    if not known:
        return None
    return Window(min([window.start_us for window in known]), max([window.end_us for window in known]))


def dataset_text(name: str, value: object) -> str:
    """Return the name of a data set; raise `ArgumentError` unless it is short text."""
    text = plain_text(name, value)
    if len(text) > MAX_DATASET_CHARACTERS:
        raise argument_error(name, text, f"at most {MAX_DATASET_CHARACTERS:,} characters")
    return text


def text_pairs(name: str, pairs: Mapping[str, str] | None) -> dict[str, str]:
    """Copy pairs of text, none for None; raise `ArgumentError` for anything else."""
    if pairs is None:
        return {}
    if not isinstance(pairs, Mapping):
        raise argument_error(name, pairs, "a mapping of text to text")
    for key, value in pairs.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise argument_error(name, {key: value}, "a mapping of text to text")
        plain_text(f"{name}: key", key)
        plain_text(f"{name}[{key!r:.80}]", value)
    if sum(4 * (len(key) + len(value)) for key, value in pairs.items()) > MAX_TEXT_BYTES:
        size_bytes = sum(len(text.encode()) for pair in pairs.items() for text in pair)
        if size_bytes > MAX_TEXT_BYTES:
            raise argument_error(name, f"{size_bytes:,} bytes", f"at most {MAX_TEXT_BYTES:,} bytes of text")
    return dict(pairs)
