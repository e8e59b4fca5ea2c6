"""A fleet: many writers of one data set, with a day of windows of one minute.

Each writer logs rows of its own through a real logger. Its pane then gets the window and the number of each minute,
which changes only the header. `ProfileStore.put` writes panes, and `ProfileStore.compact` merges them in a process of
its own, up to one profile of the day. After each stage, every window must have exactly the rows, the sum and the ids of
its panes.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

import polarsprof as pp
from benchmarks import data
from benchmarks.measure import Line, median_ms
from benchmarks.processes import DATASET, Usage, run_step
from polarsprof.files.codec import Sections, encode
from polarsprof.store.names import Pane
from polarsprof.windowing.durations import Interval
from polarsprof.windowing.tumbling import Tumbling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from polarsprof.files import profile_pb2 as pb
    from polarsprof.windowing.tumbling import Window

_MINUTES: Final = Tumbling(Interval.parse("1m"))
_FIRST_US: Final = int(data.START.timestamp()) * 1_000_000
_HOUR_WINDOWS: Final = 60
_FULL_DAY_PANES: Final = 1_440_000
_SUM_COLUMN: Final = "integer 0"
_PAGE_KEYS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The size of a fleet.

    Attributes
    ----------
    writers, windows, columns
        Writers, each with one pane in every window; windows of a minute; columns of a pane.
    backlog
        Windows of the store that is listed without compaction.
    compared
        Windows that are compacted one by one and together, in a folder and in an object store.
    folder
        Parent of the stores; None for the temporary folder of the system.
    backlog_folder
        Parent of the store with the backlog, which has `writers` × `backlog` files.
    """

    writers: int
    windows: int
    columns: int
    backlog: int
    compared: int = 10
    folder: Path | None = None
    backlog_folder: Path | None = None


class WriterPanes:
    """The panes of one writer: its rows, with the window and number of each minute."""

    def __init__(self, pane: bytes) -> None:
        sections = Sections.of_bytes(pane)
        self._header: pb.Header = sections.header
        self._columns = [(entry.path, sections.column(entry)) for entry in sections.entries(None)]
        self.writer_id = self._header.panes[0].writer_id
        self.rows = self._header.rows

    def pane(self, number: int) -> Pane:
        """The pane of one minute."""
        window = _window(number)
        self._header.window_start_us, self._header.window_end_us = window.start_us, window.end_us
        self._header.panes[0].number = number
        written = encode(self._header, self._columns)
        return Pane(written, DATASET, _MINUTES.label(window), self.writer_id, number, self.rows)


@dataclass(frozen=True, slots=True)
class Truth:
    """The content of every window, from the raw rows."""

    rows: int
    total: int
    writer_ids: frozenset[str]

    def check(self, store: pp.ProfileStore, windows: int) -> int:
        """Check the first windows of the fleet; returns the rows of the store.

        Raises AssertionError if a pane is missing or counts twice.
        """
        remaining, rows = set(range(windows)), 0
        for profile in store.profiles(DATASET, columns=[_SUM_COLUMN]):
            numbers = _numbers_in(profile.window) & remaining
            remaining -= numbers
            rows += profile.rows
            panes = frozenset((writer_id, number) for writer_id in self.writer_ids for number in numbers)
            expected = (self.rows * len(numbers), self.total * len(numbers), True)
            content = (profile.rows, profile[_SUM_COLUMN].sum, profile.panes == panes)
            if content != expected:
                msg = f"{profile.window}: rows, sum and panes: got {content}, expected {expected}"
                raise AssertionError(msg)
        if remaining:
            msg = f"{len(remaining)} windows are missing, among them number {min(remaining)}"
            raise AssertionError(msg)
        return rows


def _window(number: int) -> Window:
    return _MINUTES.window_of(_FIRST_US + number * _MINUTES.interval.length_us)


def _numbers_in(window: Window | None) -> set[int]:
    if window is None:
        return set()
    first, end = ((instant - _FIRST_US) // _MINUTES.interval.length_us for instant in (window.start_us, window.end_us))
    return set(range(first, end))


def logged(writers: int, columns: int) -> tuple[list[WriterPanes], Truth]:
    """The panes of each writer, with 40 to 80 rows of its own, and the truth."""
    panes, rows, total = [], 0, 0
    for writer in range(writers):
        frame = data.wide(40 + writer % 41, columns, seed=writer)
        rows, total = rows + frame.height, total + int(frame[_SUM_COLUMN].sum())
        with TemporaryDirectory() as folder, pp.Session(folder) as session:
            with session.logger(DATASET, with_rotation_time="1m", checkpoint_every=None) as logger:
                logger.log_frame(frame)
            panes.append(WriterPanes(Path(session.store.files(DATASET)[0]).read_bytes()))
    return panes, Truth(rows, total, frozenset(writer.writer_id for writer in panes))


def simulation(fleet: Fleet) -> Iterator[Line]:
    """All lines: the day, rhythms of compaction, requests, and the cost of a backlog."""
    writers, truth = logged(fleet.writers, fleet.columns)
    yield from _day(fleet, writers, truth)
    yield from _compaction_rhythms(fleet, writers, truth)
    yield from _requests(fleet, writers, truth)
    yield from _backlog(fleet)


def _line(what: str, unit: str, value: float) -> Line:
    return Line(suite="fleet", what=what, unit=unit, ours=value)


def _day(fleet: Fleet, writers: Sequence[WriterPanes], truth: Truth) -> Iterator[Line]:
    with TemporaryDirectory(dir=fleet.folder) as folder:
        store = pp.ProfileStore(folder)
        puts, compactions = _Puts(), []
        for hour in _hours(fleet.windows):
            puts.put(store, writers, hour)
            compactions.append(run_step("compact", folder))
        size = f"{fleet.writers:,} writers × {fleet.windows:,} windows, {fleet.columns} columns"
        yield _line(f"{size}: panes put", "files", puts.files)
        yield _line("the same, of a day of 1,000 writers and 1,440 windows", "%", puts.files / _FULL_DAY_PANES * 100)
        yield _line("bytes of a pane", "B", puts.written_bytes / puts.files)
        yield _line("panes put, per second", "1/s", puts.files / puts.wall_s)
        yield _line("panes put, per second of processor time", "1/s", puts.files / puts.cpu_s)
        yield from _merge_rates("panes merged, an hour at a time", compactions)
        yield from _peaks(compactions)
        yield from _stage(store, truth, fleet, "minute")
        for into, name in (("1h", "hour"), ("1d", "day")):
            usage = run_step("compact", folder, into)
            yield _line(f"into windows of one {name}: processor time", "s", usage.cpu_s)
            yield _line(f"into windows of one {name}: peak memory", "MiB", usage.peak_mib)
            yield from _stage(store, truth, fleet, name)
        rows = truth.check(store, fleet.windows)
    yield _line("rows counted, of those logged", "%", 100 * rows / (truth.rows * fleet.windows))


def _hours(windows: int) -> Iterator[range]:
    for first in range(0, windows, _HOUR_WINDOWS):
        yield range(first, min(first + _HOUR_WINDOWS, windows))


class _Puts:
    """Number, bytes and time of the panes put so far, without the time to create them."""

    def __init__(self) -> None:
        self.files = self.written_bytes = 0
        self.wall_s = self.cpu_s = 0.0

    def put(self, store: pp.ProfileStore, writers: Iterable[WriterPanes], numbers: Iterable[int]) -> None:
        """Put the panes of all writers of some windows."""
        for number in numbers:
            panes = [writer.pane(number) for writer in writers]
            start_s, start_cpu_s = perf_counter(), process_time()
            for pane in panes:
                store.put(pane)
            self.wall_s += perf_counter() - start_s
            self.cpu_s += process_time() - start_cpu_s
            self.files += len(panes)
            self.written_bytes += sum(len(pane.data) for pane in panes)


def _merge_rates(what: str, compactions: Sequence[Usage]) -> Iterator[Line]:
    files = sum(usage.count for usage in compactions)
    yield _line(f"{what}, per second", "1/s", files / sum(usage.wall_s for usage in compactions))
    yield _line(f"{what}, per second of processor time", "1/s", files / sum(usage.process_s for usage in compactions))


def _peaks(compactions: Sequence[Usage]) -> Iterator[Line]:
    peaks = [usage.peak_mib for usage in compactions]
    yield _line("peak memory of the compactor, first hour", "MiB", peaks[0])
    yield _line("peak memory of the compactor, last hour", "MiB", peaks[-1])


def _stage(store: pp.ProfileStore, truth: Truth, fleet: Fleet, name: str) -> Iterator[Line]:
    """A stage of compaction: completeness, size of files, and time to read."""
    truth.check(store, fleet.windows)
    files = [Path(file).stat().st_size for file in store.files(DATASET)]
    yield _line(f"files of one {name}", "files", len(files))
    yield _line(f"bytes of a file of one {name}", "KiB", fmean(files) / 1024)
    columns = Sections.of_bytes(Path(store.files(DATASET)[0]).read_bytes()).entries(None)
    header = files[0] - sum(entry.length for entry in columns)
    yield _line(f"of the first one its header, with the ids of panes and writers: one {name}", "KiB", header / 1024)
    first = store.windows(DATASET)[0]
    yield _line(f"read of one {name}, one column", "ms", median_ms(partial(_read, store, first), 3))


def _read(store: pp.ProfileStore, window: Window) -> object:
    return store.read(DATASET, window.start, window.end, columns=[_SUM_COLUMN])


def _rhythms(windows: int) -> list[tuple[str, list[range]]]:
    """Rhythm of compaction → the windows put before each run."""
    return [("after each window", [range(at, at + 1) for at in range(windows)]), ("once", [range(windows)])]


def _compaction_rhythms(fleet: Fleet, writers: Sequence[WriterPanes], truth: Truth) -> Iterator[Line]:
    """Compaction after each window and only once, each run in a new process."""
    windows = min(fleet.compared, fleet.windows)
    for what, batches in _rhythms(windows):
        with TemporaryDirectory(dir=fleet.folder) as folder:
            store, compactions = pp.ProfileStore(folder), []
            for batch in batches:
                _Puts().put(store, writers, batch)
                compactions.append(run_step("compact", folder))
            truth.check(store, windows)
        cpu_s = sum(usage.process_s for usage in compactions)
        yield _line(f"{windows} windows compacted {what}: processor time of the processes", "s", cpu_s)


def _requests(fleet: Fleet, writers: Sequence[WriterPanes], truth: Truth) -> Iterator[Line]:
    """Requests to an object store per window, for both rhythms of compaction."""
    windows = min(fleet.compared, fleet.windows)
    for what, batches in _rhythms(windows):
        store = pp.ProfileStore(f"memory://fleet-{what}")
        with counted_requests() as requests:
            for batch in batches:
                _Puts().put(store, writers, batch)
                pp.ProfileStore(store.url).compact(DATASET)
        truth.check(store, windows)
        for kind, count in sorted(requests.items()):
            yield _line(f"{windows} windows in an object store, compacted {what}: {kind}", "a window", count / windows)


@contextmanager
def counted_requests() -> Iterator[Counter[str]]:
    """Requests of obstore by kind: one per page of a listing, and per 1,000 deletions."""
    import obstore

    counts: Counter[str] = Counter()

    def counting(kind: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            counts[kind] += 1
            return call(*arguments, **options)

        return counted

    def listed(*arguments: Any, **options: Any) -> Iterator[Any]:
        counts["list"] += 1
        for page, chunk in enumerate(obstore_list(*arguments, **options)):
            counts["list"] += page > 0
            yield chunk

    def deleted(store: Any, names: Any) -> None:
        counts["delete"] += 1 if isinstance(names, str) else -(-len(names) // _PAGE_KEYS)
        obstore_delete(store, names)

    obstore_list, obstore_delete = obstore.list, obstore.delete
    patched: dict[str, Any] = {"list": listed, "delete": deleted}
    patched |= {kind: counting(kind, getattr(obstore, kind)) for kind in ("put", "get", "get_range")}
    with mock.patch.multiple(obstore, **patched):
        yield counts


def _backlog(fleet: Fleet) -> Iterator[Line]:
    """The cost to list and plan a store without compaction.

    Its panes have one column, and are written without syncs.
    """
    writers, _ = logged(fleet.writers, 1)
    with TemporaryDirectory(dir=fleet.backlog_folder) as folder:
        synced = _Puts()
        synced.put(pp.ProfileStore(folder), writers, [0])
        yield _line("panes put where the backlog lies, per second", "1/s", synced.files / synced.wall_s)
    with TemporaryDirectory(dir=fleet.backlog_folder) as folder:
        files = _write_panes(Path(folder), writers, fleet.backlog)
        what = f"{files:,} files not compacted"
        first = run_step("windows", folder)
        yield _line(f"{what}: windows(), each file opened once", "s", first.wall_s)
        yield _line(f"{what}: the same, processor time", "s", first.cpu_s)
        yield _line(f"{what}: the same, peak memory", "MiB", first.peak_mib)
        listed = run_step("windows", folder)
        yield _line(f"{what}: windows(), new process with the index", "s", listed.wall_s)
        planned = run_step("plan", folder)
        yield _line(f"{what}: a plan of compaction", "s", planned.wall_s)
        yield _line(f"{what}: the same, peak memory", "MiB", planned.peak_mib)
        if (listed.count, planned.count) != (fleet.backlog, fleet.backlog if fleet.writers > 1 else 0):
            msg = f"{listed.count} windows listed and {planned.count} planned, of {fleet.backlog}"
            raise AssertionError(msg)


def _write_panes(folder: Path, writers: Sequence[WriterPanes], windows: int) -> int:
    panes = (writer.pane(number) for number in range(windows) for writer in writers)
    files = 0
    while page := list(islice(panes, _PAGE_KEYS)):
        for pane in page:
            name = f"{DATASET}_profile.{pane.label}.{pane.writer_id}-{pane.number}.bin"
            (folder / name).write_bytes(pane.data)
        files += len(page)
    return files
