"""`ProfileStore`: panes in folders and object stores, found by data set and time.

A pane is put atomically and only if absent. In a folder the first pane of a window has the plain name,
`<dataset>_profile.<window>.bin`. Later ones, and all panes in object stores, carry the writer's id and the number of
the pane, so no writer and no restart ever overwrites another pane. Each pane counts once, even if several files hold
it. The file is long because of its public docstrings; each method is a few lines.
"""

from __future__ import annotations

import errno
from collections import defaultdict
from contextlib import suppress
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from polarsprof.errors import CorruptProfile, PolarsprofError, UnsupportedVersion, argument_error, plain_text
from polarsprof.profiles.merging import names_of_columns, read
from polarsprof.store.arguments import backend_of, range_us
from polarsprof.store.compaction import Compactor
from polarsprof.store.formats import store_format
from polarsprof.store.listing import ManifestCache
from polarsprof.store.local import LocalBackend
from polarsprof.store.manifest import by_window
from polarsprof.store.names import own_name, plain_name, prefix_of, slug_in, temporary_of
from polarsprof.store.pane_files import read_file
from polarsprof.store.plan import Rules
from polarsprof.store.reading import Reader
from polarsprof.windowing.clock import SystemClock

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator
    from datetime import timedelta
    from pathlib import Path, PurePath

    import polars as pl

    from polarsprof.profiles.profile import Profile
    from polarsprof.store.arguments import Moment
    from polarsprof.store.compaction import Compaction
    from polarsprof.store.manifest import Manifest
    from polarsprof.store.names import Pane
    from polarsprof.windowing.clock import Clock
    from polarsprof.windowing.tumbling import Window

# Header fields that two panes of the same rows share; sketches can differ by the order of the rows.
_FIELDS_OF_ROWS: Final = ("rows", "rejected", "first_event_us", "last_event_us", "late_rows", "dataset", "window")


class ProfileStore:
    """Panes in a folder or an object store, found by data set and time.

    Parameters
    ----------
    url
        The folder, as a path or a `file://` URL; it is created with the first pane. Or the address of an object store:
        `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`; these need the extra `cloud`.
        `memory://name` lives as long as the process.
    spool
        For object stores, the local folder for the state of writers and for panes that are not stored; default: one in
        the user's state folder.
    options
        For object stores, the options of obstore's store of that kind, such as `region`, `endpoint`, `access_key_id`,
        `client_options`, `retry_config`. Other options come from the environment (`AWS_ACCESS_KEY_ID` and the like).
        Failed requests are repeated up to 5 times within 30 seconds, unless `retry_config` says otherwise.
    format
        "polarsprof", or "whylogs": every pane is written as a file that whylogs 1.6 opens, as a mirror of a session
        during a migration. Such a store is read like any other, as far as whylogs has a place for the figures, and is
        not compacted.

    Raises
    ------
    ArgumentError
        If the URL has another scheme, the path is a file, a folder is given options, or the format is unknown.
    PolarsprofError
        If the URL needs a package that is not installed. The message names the extra.
    """

    def __init__(
        self,
        url: str | os.PathLike[str],
        *,
        spool: str | os.PathLike[str] | None = None,
        format: str = "polarsprof",  # noqa: A002 - the public name of the argument
        **options: Any,
    ) -> None:
        self._format = store_format(format)
        self._backend = backend_of(url, spool, options)
        self._manifests = ManifestCache(self._backend, partial(read_file, self._backend, columns=()))

    def __repr__(self) -> str:
        return f"ProfileStore({self.url!r})"

    @property
    def url(self) -> str:
        """The path of the folder, or the URL of the object store."""
        return self._backend.url

    @property
    def folder(self) -> Path:
        """The folder of the panes.

        Raises
        ------
        PolarsprofError
            If the store is an object store.
        """
        if not isinstance(self._backend, LocalBackend):
            msg = f"{self.url} is no folder"
            raise PolarsprofError(msg)
        return self._backend.path

    @property
    def state_folder(self) -> Path:
        """The local folder for the state of writers; created by the first writer."""
        return self._backend.state_folder

    def datasets(self) -> list[str]:
        """Names of the data sets with at least one pane, sorted.

        Raises
        ------
        CorruptProfile, UnsupportedVersion, OSError
            If no file of a data set can be read. The message names one.
        """
        files_of: defaultdict[str, list[str]] = defaultdict(list)
        for name in self._backend.names(""):
            files_of[slug_in(name)].append(name)
        return sorted(map(self._dataset_of, files_of.values()))

    def windows(self, name: str) -> list[Window]:
        """The windows of a data set that hold panes, in order of time.

        A window inside another one is part of that one. Files seen before are not opened again; see `read`.

        Raises
        ------
        ArgumentError
            If the data set has no panes.
        CorruptProfile, UnsupportedVersion, OSError
            If the header of a file cannot be read. The message names the file.
        """
        return self._manifest(name).windows()

    def rows(self, name: str) -> dict[Window, int]:
        """The windows of a data set, as `windows`, with the rows of each; reads no column.

        Raises
        ------
        ArgumentError, CorruptProfile, UnsupportedVersion, OSError
            As `windows`.
        """
        panes = by_window(self._manifest(name))
        return {window: sum(entry.rows for entry in entries) for window, entries in panes.items()}

    def read(
        self,
        name: str,
        start: Moment | None = None,
        end: Moment | None = None,
        *,
        columns: Iterable[str] | None = None,
    ) -> Profile:
        """The merged profile of all windows that overlap [start, end).

        Opens only the files of those windows, and reads only their headers and the given columns. Costs one listing of
        the data set. The windows of all files are remembered; for a data set of many files, an index beside them
        remembers them for the next process too.

        Parameters
        ----------
        name
            Name of the data set.
        start, end
            Instants: a datetime (UTC if it has no zone), a date or ISO 8601 text. None starts at the first window, or
            ends at the last one.
        columns
            Names of the columns to read; default all.

        Returns
        -------
        Profile
            Its `window` spans the windows read, which are read whole; an empty profile if the range has no windows.
            Each pane counts once, even if several files hold it.

        Raises
        ------
        ArgumentError
            If the data set has no panes, a bound is not an instant, or the end is not after the start.
        CorruptProfile
            If a pane cannot be read. The message names its file.
        """
        start_us, end_us = range_us(start, end)
        return self._reader(name, columns).range(start_us, end_us)

    def profiles(
        self,
        name: str,
        start: Moment | None = None,
        end: Moment | None = None,
        *,
        columns: Iterable[str] | None = None,
    ) -> Iterator[Profile]:
        """The merged profile of each window that overlaps [start, end), in order of time.

        The parameters and errors are those of `read`. Arguments are checked at the call; files are read as the
        iterator advances.

        Returns
        -------
        iterator of Profile
            One per window that has panes; none if the range has no windows. If the panes of a window track different
            things, one for each spec. The `window` of each is that of `windows`, and no pane is in two of them.

        Raises
        ------
        ArgumentError, CorruptProfile
            As `read`.
        StoreError
            If `compact` made windows that were returned part of a longer one before the others were read.
        """
        start_us, end_us = range_us(start, end)
        self._manifest(name)
        return self._reader(name, columns).windows(start_us, end_us)

    def timeline(
        self,
        name: str,
        column: str,
        metrics: Iterable[str] | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
    ) -> pl.DataFrame:
        """Figures of one column over time, one row per window that overlaps [start, end).

        Reads only that column, in less than 1 ms a file in a folder. Windows missing between two others have a row too.

        Parameters
        ----------
        name, start, end
            As `read`.
        column
            Name of the column.
        metrics
            Names of figures: `count`, `null_count`, `nan_count`, `infinite_count`, `true_count`, `zeros`, `negatives`,
            `empties`; `null_share`, `true_share`, `sum`, `mean`, `variance`, `stddev`, `skewness`, `kurtosis`,
            `distinct`, `distinct_lower`, `distinct_upper`, `length_min`, `length_mean`, `length_max`; `min`, `median`,
            `max` and quantiles in percent, such as `q05`, `q50`, `q99.9`. Default: count, null_share, distinct, mean,
            stddev, min, five quantiles, max.

        Returns
        -------
        polars.DataFrame
            `window_start`, `window_end`
                The window [start, end), in UTC.
            `newest`
                Whether it is the last window, whose rows can still arrive.
            `panes`, `rows`, `late_rows`, `rejected_rows`
                Panes; rows; rows that arrived after the window was sealed; rows that were rejected.
            one column per metric
                Counts as Int64, other numbers as Float64; `min`, `max` and quantiles of temporals and text in their own
                dtype. Null if the column has no such figure.

            Windows missing between two others have 0 panes, 0 rows and null metrics, and the length of the window
            before the gap. If such windows do not fill the gap, or there are more than 1,000, one row stands for the
            gap. A range without windows has no rows.

        Raises
        ------
        ArgumentError
            If no window of the range has the column, a metric is unknown, and as `read`.
        CorruptProfile, StoreError
            As `profiles`.
        """
        from polarsprof.analysis.figures import metric_names
        from polarsprof.analysis.timeline import timeline

        wanted = metric_names(metrics)
        return timeline(self.profiles(name, start, end, columns=[plain_text("column", column)]), column, wanted)

    def files(self, name: str) -> list[PurePath]:
        """The files of a data set, sorted by name; paths if the store is a folder.

        Empty if the data set has no panes.
        """
        return [self._path(file) for file in self._backend.names(prefix_of(name))]

    def put(self, pane: Pane, *, compared: bool = False) -> PurePath:
        """Make a pane durable and return its file.

        An existing pane of the same id stays, and its file is returned.

        Parameters
        ----------
        pane
            The pane.
        compared
            Whether an existing pane must have the same rows, as far as headers show. A writer does not ask for that:
            after it recovers from an earlier checkpoint, its pane has fewer rows than the published one of that id.

        Raises
        ------
        OSError
            If the store cannot write the pane; then no incomplete pane is left. A `FileExistsError` if the existing
            pane has other rows.
        """
        names = [plain_name(pane), own_name(pane)] if self._backend.plain_names else [own_name(pane)]
        data = self._format.encode(pane.data)

        def is_same(name: str) -> bool:
            return self._holds(name, pane, compared=compared)

        return self._path(self._backend.put(names, data, temporary_of(pane), is_same))

    def compact(
        self,
        name: str,
        into: str | timedelta | None = None,
        keep: str | timedelta | None = None,
        *,
        zone: str | None = None,
        grace: str | timedelta | None = "1h",
        clock: Clock | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Compaction:
        """Merge the panes of each window into one file, and delete old windows.

        Finer windows can be merged into coarser ones. Reads return the same rows before and after; only the windows
        change. Other processes can read, write and compact at the same time, and this one can die at any step: no row
        is lost, and none counts twice.

        Parameters
        ----------
        name
            Name of the data set.
        into
            Length of the coarser windows, such as "d", aligned as those of a logger; windows that lie in none are left
            alone. None keeps every window, and merges its panes into one file.
        keep
            Windows that ended longer ago are deleted, such as "90d". None deletes no window.
        zone
            Time zone of windows of whole days, such as "Europe/Berlin". None is UTC.
        grace
            Grace period: windows that ended more recently are skipped, because late rows can still arrive. Rows that
            arrive later get files of their own, which the next run merges. None skips no window, not even open ones.
        clock
            The clock; default: that of the machine.
        on_progress
            Called from time to time with the number of windows done and the number of all windows.

        Returns
        -------
        Compaction
            Counts of merged, deleted and expired files.

        Raises
        ------
        ArgumentError
            If the data set has no panes, or a duration is not valid.
        CorruptProfile, UnsupportedVersion, OSError
            If a file cannot be read or written. The message names it. Completed merges stay completed.
        PolarsprofError
            If the store has the format of another tool.
        """
        if not self._format.compactable:
            msg = f"{self.url} holds copies in the format of {self._format.name}, which are not compacted"
            raise PolarsprofError(msg)
        rules = Rules.parse(into, keep, zone, grace, (SystemClock() if clock is None else clock).now_us())
        self._manifest(name)
        return Compactor(self._backend, self._manifests, name).run(rules, on_progress or (lambda _done, _total: None))

    def remove_orphan_files(self) -> int:
        """Remove temporary files of writers that died while writing; returns their number."""
        return self._backend.remove_orphan_files()

    def _manifest(self, name: str) -> Manifest:
        manifest = self._manifests.manifest(name) if isinstance(name, str) else None
        if not manifest:
            raise argument_error("name", name, f"one of {self.datasets()}")
        return manifest

    def _reader(self, name: str, columns: Iterable[str] | None) -> Reader:
        return Reader(self._backend, self._manifests, name, partial(self._manifest, name), names_of_columns(columns))

    def _dataset_of(self, files: list[str]) -> str:
        """The name of the data set of these files, from the first readable one."""
        for file in files[:-1]:
            with suppress(CorruptProfile, UnsupportedVersion, OSError):
                return read_file(self._backend, file, ()).dataset
        return read_file(self._backend, files[-1], ()).dataset

    def _holds(self, file: str, pane: Pane, *, compared: bool) -> bool:
        # A file that cannot be read is not this pane: another user's, newer, damaged, or no profile at all.
        try:
            existing = read_file(self._backend, file, ())
        except (CorruptProfile, UnsupportedVersion, OSError):
            return False
        if (pane.writer_id, pane.number) not in existing.panes:
            return False
        if compared and self._format.compactable and not _same_rows(existing, read(pane.data, columns=())):
            text = f"holds pane {pane.number} of writer {pane.writer_id}, of {existing.rows} rows"
            file_name = self._backend.display_name(file)
            msg = f"{file_name} {text}; another one of this id, of {pane.rows} rows, is to be written"
            raise FileExistsError(errno.EEXIST, msg)
        return True

    def _path(self, file: str) -> PurePath:
        return self._backend.path / file if isinstance(self._backend, LocalBackend) else PurePosixPath(file)


def _same_rows(one: Profile, other: Profile) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in _FIELDS_OF_ROWS)
