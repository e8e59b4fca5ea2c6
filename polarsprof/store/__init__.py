"""Panes in folders and object stores: immutable files in, windows and ranges out.

A pane is put atomically and only if absent. In a folder the first pane of a window has the plain name,
`<dataset>_profile.<window>.bin`; later ones, and all in object stores, carry the writer's id and the number of the
pane, so that no two writers and no restart ever overwrite each other. Each pane counts once, whatever copies lie
about.
"""

from __future__ import annotations

import errno
import os
from collections import defaultdict
from contextlib import suppress
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from polarsprof.errors import CorruptProfile, PolarsprofError, UnsupportedVersion, argument_error, plain_text
from polarsprof.profiles.merging import names_of_columns, read
from polarsprof.profiles.profile import Profile
from polarsprof.store.backend import read_file
from polarsprof.store.compaction import Compaction, Compactor, Rules
from polarsprof.store.listing import ManifestCache
from polarsprof.store.local import LocalBackend
from polarsprof.store.manifest import by_window
from polarsprof.store.names import Pane, instant_us, own_name, plain_name, prefix_of, slug, slug_in, temporary_of
from polarsprof.store.object_store import SCHEMES, ObjectStoreBackend
from polarsprof.store.reading import Reader
from polarsprof.windowing.clock import SystemClock
from polarsprof.windowing.durations import Interval, duration_us
from polarsprof.windowing.tumbling import Tumbling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import timedelta

    import polars as pl

    from polarsprof.store.backend import StoreBackend
    from polarsprof.store.manifest import Manifest
    from polarsprof.store.names import Moment
    from polarsprof.windowing.clock import Clock
    from polarsprof.windowing.tumbling import Window

__all__ = ["Compaction", "Pane", "ProfileStore", "slug"]


class ProfileStore:
    """Panes in a folder or an object store, found again by data set and time.

    Parameters
    ----------
    url
        The folder, as a path or a `file://` URL; it is made when the first pane comes. Or the place in an object store:
        `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`, which need the extra `cloud`. `memory://name`
        is gone with the process.
    spool
        For object stores, the local folder of what writers keep until the store has it; default: one of the user's own.
    options
        For object stores, what obstore's store of that kind takes, such as `region`, `endpoint`, `access_key_id`,
        `client_options`, `retry_config`; what is not given comes from the environment (`AWS_ACCESS_KEY_ID` and the
        like). Requests that fail on the way are repeated up to 5 times within 30 seconds, unless `retry_config` says
        otherwise.
    format
        "polarsprof", or "whylogs": every pane is written as a file that whylogs 1.6 opens, which makes a mirror of a
        session during a migration; it is read like any other, with what whylogs has a place for. Not compacted.

    Raises
    ------
    ArgumentError
        For another kind of URL, a path that is a file, options of a folder, and an unknown format.
    PolarsprofError
        Where the URL needs a package that is not installed; the text names the extra.
    """

    def __init__(
        self,
        url: str | os.PathLike[str],
        *,
        spool: str | os.PathLike[str] | None = None,
        format: str = "polarsprof",  # noqa: A002 - what it is called
        **options: Any,
    ) -> None:
        if format not in _FORMATS:
            raise argument_error("format", format, f"one of {', '.join(_FORMATS)}")
        self._written = _FORMATS[format]
        self._backend = _place_of(url, spool, options)
        self._manifests = ManifestCache(self._backend)

    def __repr__(self) -> str:
        return f"ProfileStore({self.url!r})"

    @property
    def url(self) -> str:
        """Where the panes lie: the path of a folder, or the URL of an object store."""
        return self._backend.url

    @property
    def folder(self) -> Path:
        """The folder in which the panes lie.

        Raises
        ------
        PolarsprofError
            For an object store.
        """
        if not isinstance(self._backend, LocalBackend):
            msg = f"{self.url} is no folder"
            raise PolarsprofError(msg)
        return self._backend.path

    @property
    def state_folder(self) -> Path:
        """The local folder of what writers keep until the store has it; never listed, made by whoever needs it."""
        return self._backend.state_folder

    def datasets(self) -> list[str]:
        """Names of the data sets with at least one pane, sorted.

        Raises
        ------
        CorruptProfile, UnsupportedVersion, OSError
            Where no file of a data set can be read; the text names one.
        """
        files_of: defaultdict[str, list[str]] = defaultdict(list)
        for name in self._backend.names(""):
            files_of[slug_in(name)].append(name)
        return sorted(map(self._dataset_of, files_of.values()))

    def windows(self, name: str) -> list[Window]:
        """The windows of a data set that hold panes, in the order of time; one that lies in another is part of that.

        Files that were seen before are not opened again; see `read`.

        Raises
        ------
        ArgumentError
            For a data set without any pane.
        CorruptProfile, UnsupportedVersion, OSError
            For a file whose header cannot be read; the text names it.
        """
        return self._catalog(name).windows()

    def rows(self, name: str) -> dict[Window, int]:
        """The windows of a data set, see `windows`, and how many rows each holds; no column is read.

        Raises
        ------
        ArgumentError, CorruptProfile, UnsupportedVersion, OSError
            As `windows`.
        """
        panes = by_window(self._catalog(name))
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

        Opens the files of those windows alone, and reads no more of each than its header and the columns asked for.
        Costs a listing of the data set; which windows the files hold is remembered, and of a data set of many files
        also kept beside them, for the next process.

        Parameters
        ----------
        name
            The data set.
        start, end
            Instants: a datetime (without a zone: UTC), a date or ISO text; None: from the first, to the last window.
        columns
            Names of the columns to read; default all.

        Returns
        -------
        Profile
            Its `window` spans the windows read, which are read whole; an empty profile where the range holds none.
            Each pane counts once, however many files hold it.

        Raises
        ------
        ArgumentError
            For a data set without any pane, an instant that is none, or an end that is not after its start.
        CorruptProfile
            For a pane that cannot be read; the text names its file.
        """
        start_us, end_us = _range_us(start, end)
        return self._reader(name, columns).range(start_us, end_us)

    def profiles(
        self,
        name: str,
        start: Moment | None = None,
        end: Moment | None = None,
        *,
        columns: Iterable[str] | None = None,
    ) -> Iterator[Profile]:
        """The merged profile of each window that overlaps [start, end), in the order of time, read as it is asked for.

        The parameters are those of `read`, and so are the errors; what is wrong with an argument is told at the call.

        Returns
        -------
        iterator of Profile
            One per window that has panes, none for a range without any; of a window whose panes track different things
            one for each spec. The `window` of each is that of `windows`, and no pane is in two of them.

        Raises
        ------
        ArgumentError, CorruptProfile
            As `read`.
        StoreError
            Where windows that were given became part of a longer one, by `compact`, before the others were read.
        """
        start_us, end_us = _range_us(start, end)
        self._catalog(name)
        return self._reader(name, columns).windows(start_us, end_us)

    def timeline(
        self,
        name: str,
        column: str,
        metrics: Iterable[str] | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
    ) -> pl.DataFrame:
        """Figures of one column over time: a row per window that overlaps [start, end), and per window missing between.

        Reads that column alone, in less than 1 ms a file in a folder.

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
                Whether it is the last one, whose rows may still be on the way.
            `panes`, `rows`, `late_rows`, `rejected_rows`
                Panes; rows; those that came after the window had been sealed; those that were kept out.
            one column per metric
                Counts as Int64, other numbers as Float64; `min`, `max` and quantiles of temporals and text in their own
                dtype. Null where the column has no such figure.

            Windows that are missing between two others have 0 panes, 0 rows and null metrics. There are as many as fill
            the gap with windows of the length of the one before; where they do not fill it, or would be more than
            1,000, one row stands for the gap. A range without windows gives no rows.

        Raises
        ------
        ArgumentError
            For a column that no window of the range has, for a metric that is none, and as `read`.
        CorruptProfile, StoreError
            As `profiles`.
        """
        from polarsprof.analysis.figures import metric_names
        from polarsprof.analysis.timeline import timeline

        wanted = metric_names(metrics)
        return timeline(self.profiles(name, start, end, columns=[plain_text("column", column)]), column, wanted)

    def files(self, name: str) -> list[PurePath]:
        """The files of a data set, sorted by name; none for one that is not there. Paths, if the store is a folder."""
        return [self._path(file) for file in self._backend.names(prefix_of(name))]

    def put(self, pane: Pane, *, compared: bool = False) -> PurePath:
        """Make a pane durable and return its file; a pane of its id that lies there already is left alone.

        Parameters
        ----------
        pane
            The pane.
        compared
            Whether one that lies there must be of the same rows, as far as headers say. A writer does not ask for that:
            what it recovers from an earlier checkpoint is less than what it had published under that id.

        Raises
        ------
        OSError
            Where the store does not take it; nothing but complete panes is left behind. A `FileExistsError` where the
            pane that lies there is of other rows.
        """
        names = [plain_name(pane), own_name(pane)] if self._backend.plain_names else [own_name(pane)]
        data = self._written(pane.data)

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
        """Merge the panes of each window into one file, finer windows into coarser ones, and drop what is old.

        Reading gives what it gave before, but for the windows, which are those asked for. Other processes may read,
        write and compact meanwhile, and this one may die at any moment: no row is lost, none counts twice.

        Parameters
        ----------
        name
            The data set.
        into
            Length of the windows to make of finer ones, such as "d", aligned as those of a logger; windows that lie
            in none are left alone. None: every window stays, its panes become one file.
        keep
            Windows that ended longer ago are deleted, such as "90d"; None: none is.
        zone
            Time zone of windows of whole days, such as "Europe/Berlin"; None: UTC.
        grace
            Windows that ended less than this ago are not merged yet, since their rows may still be on the way; rows
            that come later all the same get files of their own, for the next run to merge. None: also those that have
            not ended.
        clock
            What tells the time; default: that of the machine.
        tell
            Is called with the number of windows done and that of all, now and then.

        Returns
        -------
        Compaction
            What was done.

        Raises
        ------
        ArgumentError
            For a data set without any pane, and for durations that are none.
        CorruptProfile, UnsupportedVersion, OSError
            For a file that cannot be read or written; the text names it. What was done before stays done.
        PolarsprofError
            For a store of the format of another tool.
        """
        if self._written is not _as_it_is:
            msg = f"{self.url} holds copies in the format of another tool, which are not compacted"
            raise PolarsprofError(msg)
        rules = _rules(into, keep, zone, grace, SystemClock() if clock is None else clock)
        self._catalog(name)
        return Compactor(self._backend, self._manifests, name).run(rules, on_progress or _untold)

    def remove_orphan_files(self) -> int:
        """Remove the temporary files of writers that died in the midst of one; how many there were."""
        return self._backend.remove_orphan_files()

    def _catalog(self, name: str) -> Manifest:
        found = self._manifests.manifest(name) if isinstance(name, str) else None
        if not found:
            raise argument_error("name", name, f"one of {self.datasets()}")
        return found

    def _reader(self, name: str, columns: Iterable[str] | None) -> Reader:
        return Reader(self._backend, self._manifests, name, lambda: self._catalog(name), names_of_columns(columns))

    def _dataset_of(self, files: list[str]) -> str:
        """The name of the data set that the files are of, from the first that can be read."""
        for file in files[:-1]:
            with suppress(CorruptProfile, UnsupportedVersion, OSError):
                return read_file(self._backend, file, ()).dataset
        return read_file(self._backend, files[-1], ()).dataset

    def _holds(self, file: str, pane: Pane, *, compared: bool) -> bool:
        # What cannot be read is not ours: another user's, of a newer version, damaged, no file at all.
        try:
            held = read_file(self._backend, file, ())
        except (CorruptProfile, UnsupportedVersion, OSError):
            return False
        if (pane.writer_id, pane.number) not in held.panes:
            return False
        if compared and self._written is _as_it_is and not _same_rows(held, read(pane.data, columns=())):
            text = f"holds pane {pane.number} of writer {pane.writer_id}, of {held.rows} rows"
            msg = f"{self._backend.where(file)} {text}; another one of this id, of {pane.rows} rows, is to be written"
            raise FileExistsError(errno.EEXIST, msg)
        return True

    def _path(self, file: str) -> PurePath:
        return self._backend.path / file if isinstance(self._backend, LocalBackend) else PurePosixPath(file)


def _same_rows(one: Profile, other: Profile) -> bool:
    """Whether the headers of two panes can be of the same rows; sketches may differ by the order in which they came."""
    return all(getattr(one, name) == getattr(other, name) for name in _OF_THE_ROWS)


_OF_THE_ROWS: Final = ("rows", "rejected", "first_event_us", "last_event_us", "late_rows", "dataset", "window")


def _as_it_is(pane: bytes) -> bytes:
    return pane


def _as_whylogs(pane: bytes) -> bytes:
    return Profile.from_bytes(pane).to_whylogs()


_FORMATS: Final[Mapping[str, Callable[[bytes], bytes]]] = {"polarsprof": _as_it_is, "whylogs": _as_whylogs}


def _place_of(url: object, spool: str | os.PathLike[str] | None, options: dict[str, Any]) -> StoreBackend:
    expected = "the path of a folder, or the URL of an object store"
    if not isinstance(url, str | os.PathLike) or not isinstance(os.fspath(url), str) or not os.fspath(url):
        raise argument_error("url", url, expected)
    text = os.fspath(url)
    if text.partition("://")[0] in SCHEMES and "://" in text:
        return ObjectStoreBackend(text, None if spool is None else Path(spool), options)
    text = text.removeprefix("file://")
    if "://" in text or "\0" in text:
        raise argument_error("url", url, f"{expected}: {', '.join(f'{scheme}://' for scheme in ('file', *SCHEMES))}")
    if options or spool is not None:
        raise argument_error("url", url, "the URL of an object store", "a folder takes no options")
    folder = Path(text)
    if folder.exists() and not folder.is_dir():
        raise argument_error("url", url, "a folder", "a file lies there")
    return LocalBackend(folder)


def _range_us(start: Moment | None, end: Moment | None) -> tuple[int | None, int | None]:
    start_us, end_us = instant_us("start", start), instant_us("end", end)
    if start_us is not None and end_us is not None and start_us >= end_us:
        raise argument_error("end", end, f"an instant after start, {start}")
    return start_us, end_us


def _rules(
    into: str | timedelta | None,
    keep: str | timedelta | None,
    zone: str | None,
    grace: str | timedelta | None,
    clock: Clock,
) -> Rules:
    if zone is not None and into is None:
        raise argument_error("zone", zone, "None without into")
    coarser = None if into is None else Tumbling(Interval.parse(into, "into"), zone=zone)
    now_us = clock.now_us()
    kept_us = None if keep is None else duration_us(keep, "keep")
    if kept_us == 0:
        raise argument_error("keep", keep, "longer than nothing")
    return Rules(
        coarser,
        None if grace is None else now_us - duration_us(grace, "grace"),
        None if kept_us is None else now_us - kept_us,
    )


def _untold(done: int, total: int) -> None:
    del done, total
