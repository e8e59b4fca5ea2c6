"""A fleet: many writers of one data set, a day of windows of one minute, from their panes to one profile of the day.

Each writer logs rows of its own through a real logger; its pane is then given the window and the number of each minute,
which rewrites the header alone. Panes go through `ProfileStore.put`, merges through `ProfileStore.compact` in a process
of its own. After each stage every window must have exactly the rows, the sum and the ids of the panes that were put in.
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
from benchmarks.child import DATASET, Taken, measured
from benchmarks.measure import Line, median_ms
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
_AN_HOUR: Final = 60
_DAY_OF_A_FLEET: Final = 1_440_000
_SUMMED: Final = "integer 0"
_KEYS_OF_A_PAGE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """How large.

    Attributes
    ----------
    writers, windows, columns
        Writers, each with one pane in every window; windows of a minute; columns of a pane.
    backlog
        Windows of the store that is listed without having been compacted.
    compared
        Windows that are compacted one by one and together, in a folder and in an object store.
    folder
        Where stores lie; None: the folder of the system for temporary files.
    backlog_folder
        The same for the store that is listed; it holds `writers` × `backlog` files at once.
    """

    writers: int
    windows: int
    columns: int
    backlog: int
    compared: int = 10
    folder: Path | None = None
    backlog_folder: Path | None = None


class WriterPanes:
    """The panes of one writer: what it logged, under the window and the number of each minute."""

    def __init__(self, logged: bytes) -> None:
        sections = Sections.of_bytes(logged)
        self._header: pb.Header = sections.header
        self._columns = [(entry.path, sections.column(entry)) for entry in sections.entries(None)]
        self.writer_id = self._header.panes[0].writer_id
        self.rows = self._header.rows

    def pane(self, number: int) -> Pane:
        """The pane of the minute of that number."""
        window = _window(number)
        self._header.window_start_us, self._header.window_end_us = window.start_us, window.end_us
        self._header.panes[0].number = number
        written = encode(self._header, self._columns)
        return Pane(written, DATASET, _MINUTES.label(window), self.writer_id, number, self.rows)


@dataclass(frozen=True, slots=True)
class Truth:
    """What every window must hold, known from the raw rows."""

    rows: int
    total: int
    writer_ids: frozenset[str]

    def check(self, store: pp.ProfileStore, windows: int) -> int:
        """Rows of the store; raises unless it has the first windows of the fleet, each pane of them, and none twice."""
        left, rows = set(range(windows)), 0
        for profile in store.profiles(DATASET, columns=[_SUMMED]):
            numbers = _numbers_in(profile.window) & left
            left -= numbers
            rows += profile.rows
            expected = frozenset((writer_id, number) for writer_id in self.writer_ids for number in numbers)
            found = (profile.rows, profile[_SUMMED].sum, profile.panes == expected)
            if found != (self.rows * len(numbers), self.total * len(numbers), True):
                msg = f"{profile.window}: {found} is not what {len(numbers)} windows hold"
                raise AssertionError(msg)
        if left:
            msg = f"{len(left)} windows are missing, among them number {min(left)}"
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
    """What each writer logs, 40 to 80 rows that no other one has, and what a window of all of them holds."""
    found, rows, total = [], 0, 0
    for writer in range(writers):
        frame = data.wide(40 + writer % 41, columns, seed=writer)
        rows, total = rows + frame.height, total + int(frame[_SUMMED].sum())
        with TemporaryDirectory() as folder, pp.Session(folder) as session:
            with session.logger(DATASET, with_rotation_time="1m", checkpoint_every=None) as logger:
                logger.log_frame(frame)
            found.append(WriterPanes(Path(session.store.files(DATASET)[0]).read_bytes()))
    return found, Truth(rows, total, frozenset(writer.writer_id for writer in found))


def simulation(fleet: Fleet) -> Iterator[Line]:
    """All lines: the day, how often to compact, requests, and what a backlog costs."""
    writers, truth = logged(fleet.writers, fleet.columns)
    yield from _day(fleet, writers, truth)
    yield from _often(fleet, writers, truth)
    yield from _requests(fleet, writers, truth)
    yield from _backlog(fleet)


def _line(what: str, unit: str, value: float) -> Line:
    return Line(suite="fleet", what=what, unit=unit, ours=value)


def _day(fleet: Fleet, writers: Sequence[WriterPanes], truth: Truth) -> Iterator[Line]:
    with TemporaryDirectory(dir=fleet.folder) as folder:
        store = pp.ProfileStore(folder)
        puts, compactions = _Put(), []
        for hour in _hours(fleet.windows):
            puts.put(store, writers, hour)
            compactions.append(measured("compact", folder))
        size = f"{fleet.writers:,} writers × {fleet.windows:,} windows, {fleet.columns} columns"
        yield _line(f"{size}: panes put", "files", puts.files)
        yield _line("the same, of a day of 1,000 writers and 1,440 windows", "%", puts.files / _DAY_OF_A_FLEET * 100)
        yield _line("bytes of a pane", "B", puts.written / puts.files)
        yield _line("panes put, per second", "1/s", puts.files / puts.wall_s)
        yield _line("panes put, per second of processor time", "1/s", puts.files / puts.cpu_s)
        yield from _merged("panes merged, an hour at a time", compactions)
        yield from _peaks(compactions)
        yield from _stage(store, truth, fleet, "minute")
        for into, name in (("1h", "hour"), ("1d", "day")):
            taken = measured("compact", folder, into)
            yield _line(f"into windows of one {name}: processor time", "s", taken.cpu_s)
            yield _line(f"into windows of one {name}: peak memory", "MiB", taken.peak_mib)
            yield from _stage(store, truth, fleet, name)
        rows = truth.check(store, fleet.windows)
    yield _line("rows counted, of those logged", "%", 100 * rows / (truth.rows * fleet.windows))


def _hours(windows: int) -> Iterator[range]:
    for first in range(0, windows, _AN_HOUR):
        yield range(first, min(first + _AN_HOUR, windows))


class _Put:
    """Panes put so far, what they had in bytes, and what putting them took; making them is not counted."""

    def __init__(self) -> None:
        self.files = self.written = 0
        self.wall_s = self.cpu_s = 0.0

    def put(self, store: pp.ProfileStore, writers: Iterable[WriterPanes], numbers: Iterable[int]) -> None:
        """Put the panes of all writers of some windows."""
        for number in numbers:
            panes = [writer.pane(number) for writer in writers]
            begun_s, begun_cpu_s = perf_counter(), process_time()
            for pane in panes:
                store.put(pane)
            self.wall_s += perf_counter() - begun_s
            self.cpu_s += process_time() - begun_cpu_s
            self.files += len(panes)
            self.written += sum(len(pane.data) for pane in panes)


def _merged(what: str, compactions: Sequence[Taken]) -> Iterator[Line]:
    files = sum(taken.found for taken in compactions)
    yield _line(f"{what}, per second", "1/s", files / sum(taken.wall_s for taken in compactions))
    yield _line(f"{what}, per second of processor time", "1/s", files / sum(taken.process_s for taken in compactions))


def _peaks(compactions: Sequence[Taken]) -> Iterator[Line]:
    peaks = [taken.peak_mib for taken in compactions]
    yield _line("peak memory of the compactor, first hour", "MiB", peaks[0])
    yield _line("peak memory of the compactor, last hour", "MiB", peaks[-1])


def _stage(store: pp.ProfileStore, truth: Truth, fleet: Fleet, name: str) -> Iterator[Line]:
    """A store whose panes were merged: all is there, how large a file is, and what a question costs."""
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
    return store.read(DATASET, window.start, window.end, columns=[_SUMMED])


def _rhythms(windows: int) -> list[tuple[str, list[range]]]:
    """When to compact → the windows that are put before each time."""
    return [("after each window", [range(at, at + 1) for at in range(windows)]), ("once", [range(windows)])]


def _often(fleet: Fleet, writers: Sequence[WriterPanes], truth: Truth) -> Iterator[Line]:
    """Compacting after each window beside compacting once, in processes that begin anew each time."""
    windows = min(fleet.compared, fleet.windows)
    for what, batches in _rhythms(windows):
        with TemporaryDirectory(dir=fleet.folder) as folder:
            store, compactions = pp.ProfileStore(folder), []
            for batch in batches:
                _Put().put(store, writers, batch)
                compactions.append(measured("compact", folder))
            truth.check(store, windows)
        cpu_s = sum(taken.process_s for taken in compactions)
        yield _line(f"{windows} windows compacted {what}: processor time of the processes", "s", cpu_s)


def _requests(fleet: Fleet, writers: Sequence[WriterPanes], truth: Truth) -> Iterator[Line]:
    """Requests that an object store would get, for each window, with windows compacted one by one and together."""
    windows = min(fleet.compared, fleet.windows)
    for what, batches in _rhythms(windows):
        store = pp.ProfileStore(f"memory://fleet-{what}")
        with counted_requests() as requests:
            for batch in batches:
                _Put().put(store, writers, batch)
                pp.ProfileStore(store.url).compact(DATASET)
        truth.check(store, windows)
        for kind, count in sorted(requests.items()):
            yield _line(f"{windows} windows in an object store, compacted {what}: {kind}", "a window", count / windows)


@contextmanager
def counted_requests() -> Iterator[Counter[str]]:
    """Requests by kind that obstore would make of a store, one for each page of a listing and for 1,000 deletions."""
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
        counts["delete"] += 1 if isinstance(names, str) else -(-len(names) // _KEYS_OF_A_PAGE)
        obstore_delete(store, names)

    obstore_list, obstore_delete = obstore.list, obstore.delete
    patched: dict[str, Any] = {"list": listed, "delete": deleted}
    patched |= {kind: counting(kind, getattr(obstore, kind)) for kind in ("put", "get", "get_range")}
    with mock.patch.multiple(obstore, **patched):
        yield counts


def _backlog(fleet: Fleet) -> Iterator[Line]:
    """A store that nobody compacted: panes of one column, written without syncs, to be listed and planned for."""
    writers, _ = logged(fleet.writers, 1)
    with TemporaryDirectory(dir=fleet.backlog_folder) as folder:
        synced = _Put()
        synced.put(pp.ProfileStore(folder), writers, [0])
        yield _line("panes put where the backlog lies, per second", "1/s", synced.files / synced.wall_s)
    with TemporaryDirectory(dir=fleet.backlog_folder) as folder:
        files = _written(Path(folder), writers, fleet.backlog)
        what = f"{files:,} files not compacted"
        first = measured("windows", folder)
        yield _line(f"{what}: windows(), each file opened once", "s", first.wall_s)
        yield _line(f"{what}: the same, processor time", "s", first.cpu_s)
        yield _line(f"{what}: the same, peak memory", "MiB", first.peak_mib)
        listed = measured("windows", folder)
        yield _line(f"{what}: windows(), new process with the index", "s", listed.wall_s)
        planned = measured("plan", folder)
        yield _line(f"{what}: a plan of compaction", "s", planned.wall_s)
        yield _line(f"{what}: the same, peak memory", "MiB", planned.peak_mib)
        if (listed.found, planned.found) != (fleet.backlog, fleet.backlog if fleet.writers > 1 else 0):
            msg = f"{listed.found} windows listed and {planned.found} planned, of {fleet.backlog}"
            raise AssertionError(msg)


def _written(folder: Path, writers: Sequence[WriterPanes], windows: int) -> int:
    panes = (writer.pane(number) for number in range(windows) for writer in writers)
    files = 0
    while some := list(islice(panes, _KEYS_OF_A_PAGE)):
        for pane in some:
            name = f"{DATASET}_profile.{pane.label}.{pane.writer_id}-{pane.number}.bin"
            (folder / name).write_bytes(pane.data)
        files += len(some)
    return files
