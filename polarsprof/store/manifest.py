"""`Manifest`: windows, rows and panes of all files of a data set, from headers.

The entries are NumPy arrays, not objects. A manifest is built from a listing. Entries of files with the same name and
stamp come from an older manifest; other files are opened. Its bytes are an index for the next process: derived data,
which is dropped at the first inconsistency. An index is not trusted: no size in it is allocated before it was checked,
and a name in it counts only if the listing has it too.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from polarsprof.windowing.tumbling import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from polarsprof.store.backend import Stamp

    Ids = frozenset[tuple[str, int]]

_MAGIC: Final = b"POLPIDX1"
# Magic, CRC-32 of the body, digest of the data set, numbers of files and panes, lengths of file names and writer ids.
_HEAD: Final = struct.Struct("<8sI32sQQQQ")


class Entry(NamedTuple):
    """The header of one file, in short.

    Attributes
    ----------
    name
        Name of the file.
    stamp
        Its stamp in the listing.
    window
        Its window; None if the file is no pane of the data set.
    rows
        Number of rows.
    ids
        Writer id and number of each pane in it.
    """

    name: str
    stamp: Stamp
    window: Window | None
    rows: int
    ids: Ids


@dataclass(frozen=True, slots=True)
class Manifest:
    """The entries of all files of a data set, sorted by name.

    Attributes
    ----------
    names
        Names of the files.
    stamps
        int64, shape (files, 3).
    spans
        int64, shape (files, 3): start, end and rows; start = end if the file is no pane of the data set.
    first_pane
        int64, shape (files + 1): index of a file's first pane in `panes`; the last one is the number of panes.
    panes
        uint64, shape (panes, 2): index of the writer in `writers`, and number of the pane.
    writers
        Ids of the writers.
    """

    names: list[str] = field(default_factory=list)
    stamps: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 3), np.int64))
    spans: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 3), np.int64))
    first_pane: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    panes: NDArray[np.uint64] = field(default_factory=lambda: np.empty((0, 2), np.uint64))
    writers: list[str] = field(default_factory=list)

    @classmethod
    def from_entries(cls, entries: Iterable[Entry]) -> Manifest:
        """The manifest of entries in any order."""
        ordered = sorted(entries, key=lambda entry: entry.name)
        position: dict[str, int] = {}
        panes = [
            (position.setdefault(writer_id, len(position)), number)
            for entry in ordered
            for writer_id, number in sorted(entry.ids)
        ]
        return cls(
            [entry.name for entry in ordered],
            np.array([entry.stamp for entry in ordered], np.int64).reshape(-1, 3),
            np.array([_span(entry) for entry in ordered], np.int64).reshape(-1, 3),
            np.cumsum([0, *[len(entry.ids) for entry in ordered]], dtype=np.int64),
            np.array(panes, np.uint64).reshape(-1, 2),
            list(position),
        )

    def unchanged(self, stamps: Mapping[str, Stamp]) -> Manifest:
        """The part of this manifest whose files have the same stamps in a listing."""
        if len(stamps) == len(self.names) and sorted(stamps) == self.names:
            listed = np.array([stamps[name] for name in self.names], np.int64).reshape(-1, 3)
            same = (listed == self.stamps).all(axis=1)
            return self if same.all() else self.select(np.flatnonzero(same))
        known = enumerate(zip(self.names, map(tuple, self.stamps.tolist()), strict=True))
        return self.select(np.array([row for row, (name, stamp) in known if stamps.get(name) == stamp], np.int64))

    def select(self, rows: NDArray[np.int64]) -> Manifest:
        """The manifest of the files at some positions, in ascending order."""
        counts = np.diff(self.first_pane)[rows]
        first_pane = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        shift = np.repeat(self.first_pane[rows] - first_pane[:-1], counts)
        panes = self.panes[np.arange(first_pane[-1]) + shift]
        names = [self.names[row] for row in rows.tolist()]
        return Manifest(names, self.stamps[rows], self.spans[rows], first_pane, panes, self.writers)

    def with_entries(self, entries: Sequence[Entry]) -> Manifest:
        """The manifest of these files and further ones."""
        if not entries:
            return self
        added = Manifest.from_entries(entries)
        position = {writer_id: at for at, writer_id in enumerate(self.writers)}
        positions = [position.setdefault(writer_id, len(position)) for writer_id in added.writers]
        panes = added.panes.copy()
        panes[:, 0] = np.array(positions, np.uint64)[panes[:, 0]]
        both = Manifest(
            self.names + added.names,
            np.concatenate([self.stamps, added.stamps]),
            np.concatenate([self.spans, added.spans]),
            np.concatenate([self.first_pane, added.first_pane[1:] + self.first_pane[-1]]),
            np.concatenate([self.panes, panes]),
            list(position),
        )
        order = sorted(range(len(both.names)), key=both.names.__getitem__)
        return both.select(np.array(order, np.int64))

    def __bool__(self) -> bool:
        """Returns whether any file is a pane of the data set."""
        return bool(self._panes_of_dataset().any())

    def windows(self) -> list[Window]:
        """The windows inside no other window; starts and ends both ascend."""
        starts, ends = self._outermost()
        return list(map(Window, starts.tolist(), ends.tolist()))

    def _outermost(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        spans = self.spans[self._panes_of_dataset()]
        order = np.lexsort((-spans[:, 1], spans[:, 0]))  # if starts are equal, the longest first
        starts, ends = spans[order, 0], spans[order, 1]
        latest = np.maximum.accumulate(ends)
        outermost = np.ones(len(ends), bool)
        outermost[1:] = ends[1:] > latest[:-1]
        return starts[outermost], ends[outermost]

    def overlapping(self, start_us: int | None, end_us: int | None) -> Manifest:
        """The files of all `windows` that overlap [start, end); None is an open side."""
        starts, ends = self._outermost()
        overlaps = np.ones(len(starts), bool)
        if start_us is not None:
            overlaps &= ends > start_us
        if end_us is not None:
            overlaps &= starts < end_us
        starts, ends = starts[overlaps], ends[overlaps]
        if not len(starts):
            return Manifest()
        # Of the windows that start no later than a file, the last one also ends last.
        last = np.searchsorted(starts, self.spans[:, 0], "right") - 1
        inside = (last >= 0) & (self.spans[:, 1] <= ends[last])
        return self.select(np.flatnonzero(inside & self._panes_of_dataset()))

    def entries(self) -> Iterator[Entry]:
        """All entries, sorted by name."""
        panes = [(self.writers[at], number) for at, number in self.panes.tolist()]
        bounds = pairwise(self.first_pane.tolist())
        for name, stamp, span, (first, end) in zip(
            self.names, self.stamps.tolist(), self.spans.tolist(), bounds, strict=True
        ):
            window = Window(span[0], span[1]) if span[0] < span[1] else None
            yield Entry(name, tuple(stamp), window, span[2], frozenset(panes[first:end]))

    def _panes_of_dataset(self) -> NDArray[np.bool_]:
        is_pane: NDArray[np.bool_] = self.spans[:, 0] < self.spans[:, 1]
        return is_pane

    def to_bytes(self, dataset: str) -> bytes:
        """The bytes of the index; empty if a name or an id is not printable."""
        if any("\n" in text or not text.isprintable() for text in (*self.names, *self.writers)):
            return b""
        names, writers = ("\n".join(texts).encode() for texts in (self.names, self.writers))
        arrays = (self.stamps, self.spans, self.first_pane, self.panes)
        body = b"".join([*[array.astype(array.dtype.newbyteorder("<")).tobytes() for array in arrays], names, writers])
        sizes = len(self.names), len(self.panes), len(names), len(writers)
        return _HEAD.pack(_MAGIC, zlib.crc32(body), _digest(dataset), *sizes) + body

    @classmethod
    def from_bytes(cls, data: bytes, dataset: str) -> Manifest | None:
        """The manifest of an index; None if it is damaged or of another data set."""
        try:
            return cls._parse(data, dataset)
        except (ValueError, IndexError, struct.error):
            return None

    @classmethod
    def _parse(cls, data: bytes, dataset: str) -> Manifest | None:
        magic, crc32, digest, files, panes, names_bytes, writers_bytes = _HEAD.unpack_from(data)
        lengths = [24 * files, 24 * files, 8 * (files + 1), 16 * panes, names_bytes, writers_bytes]
        body = data[_HEAD.size :]
        if (magic, digest, sum(lengths)) != (_MAGIC, _digest(dataset), len(body)) or zlib.crc32(body) != crc32:
            return None
        cuts = np.cumsum([0, *lengths]).tolist()
        parts = [body[first:end] for first, end in pairwise(cuts)]
        stamps, spans, first_pane = (np.frombuffer(part, "<i8").astype(np.int64) for part in parts[:3])
        manifest = cls(
            parts[4].decode().split("\n") if files else [],
            stamps.reshape(-1, 3),
            spans.reshape(-1, 3),
            first_pane,
            np.frombuffer(parts[3], "<u8").astype(np.uint64).reshape(-1, 2),
            parts[5].decode().split("\n") if panes else [],
        )
        return manifest if manifest._is_consistent() else None

    def _is_consistent(self) -> bool:
        bounds = self.first_pane
        return (
            len(self.names) == len(self.stamps)
            and all(first < second for first, second in pairwise(self.names))
            and bounds[0] == 0
            and bounds[-1] == len(self.panes)
            and bool((np.diff(bounds) >= 0).all())
            and bool((self.panes[:, 0] < len(self.writers)).all())
            and bool((self.spans[:, 0] <= self.spans[:, 1]).all())
        )


def superset_first(entries: Iterable[Entry]) -> list[Entry]:
    """Entries with a superset first: by number of panes, then by length of the window."""

    def rank(entry: Entry) -> tuple[int, int, str]:
        window = entry.window
        return -len(entry.ids), 0 if window is None else window.start_us - window.end_us, entry.name

    return sorted(entries, key=rank)


def each_once(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The entries with a pane that no earlier entry has, and those without pane ids."""
    seen: set[tuple[str, int]] = set()
    for entry in superset_first(entries):
        if not entry.ids or not entry.ids <= seen:
            seen |= entry.ids
            yield entry


def by_window(manifest: Manifest) -> dict[Window, list[Entry]]:
    """The windows of a manifest in order of time, each with files of every pane once."""
    panes: dict[Window, list[Entry]] = {window: [] for window in manifest.windows()}
    outer = None
    for entry in sorted(each_once(manifest.entries()), key=_start_then_longest):
        if entry.window is not None:
            outer = entry.window if entry.window in panes else outer  # the last one to start no later also ends last
            if outer is not None:
                panes[outer].append(entry)
    return panes


def _start_then_longest(entry: Entry) -> tuple[int, int]:
    return (0, 0) if entry.window is None else (entry.window.start_us, -entry.window.end_us)


def _span(entry: Entry) -> tuple[int, int, int]:
    return (0, 0, 0) if entry.window is None else (entry.window.start_us, entry.window.end_us, entry.rows)


def _digest(dataset: str) -> bytes:
    return hashlib.sha256(dataset.encode("utf-8", "surrogatepass")).digest()
