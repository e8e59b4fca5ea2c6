"""`Reader`: profiles of ranges and windows, each pane once, while files change.

A file that disappears was compacted: another file holds its panes, so the range is listed and read again.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from polarsprof.errors import SpecMismatch, StoreError
from polarsprof.profiles.merging import identity_of, merge_files, read_each
from polarsprof.store.manifest import by_window, each_once
from polarsprof.store.pane_files import open_file
from polarsprof.store.prefetch import prefetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from polarsprof.files.codec import Sections
    from polarsprof.profiles.profile import Profile
    from polarsprof.store.backend import StoreBackend
    from polarsprof.store.listing import ManifestCache
    from polarsprof.store.manifest import Entry, Manifest
    from polarsprof.windowing.tumbling import Window

# A compaction deletes files in at most 16 batches, so more failures in a row have another cause.
_MAX_ATTEMPTS: Final = 20
_BATCH_WINDOWS: Final = 32  # parsed together if only some columns are read: a third of the cost, and few bytes each


class Reader:
    """Reads the panes of one data set.

    Parameters
    ----------
    backend, manifests
        The files, and their manifests.
    name
        Name of the data set.
    manifest
        Returns the current manifest of the data set.
    columns
        Names of the columns to read; None reads all.
    """

    def __init__(
        self,
        backend: StoreBackend,
        manifests: ManifestCache,
        name: str,
        manifest: Callable[[], Manifest],
        columns: list[str] | None,
    ) -> None:
        self._backend = backend
        self._manifests = manifests
        self._name = name
        self._manifest = manifest
        self._columns = columns

    def range(self, start_us: int | None, end_us: int | None) -> Profile:
        """One profile of all windows that overlap [start, end).

        Raises
        ------
        StoreError
            If files were deleted during each of 20 attempts.
        """
        for _ in range(_MAX_ATTEMPTS):
            entries = each_once(self._manifest().overlapping(start_us, end_us).entries())
            with suppress(FileNotFoundError):
                return self._merge(self._open(entries))
        raise self._too_many_attempts()

    def windows(self, start_us: int | None, end_us: int | None) -> Iterator[Profile]:
        """A profile of each window that overlaps [start, end), in order of time.

        If the panes of a window track different things, one profile for each spec.

        Raises
        ------
        StoreError
            If windows already returned became part of a longer one before the others were read, or if files were
            deleted during each of 20 attempts.
        """
        last: Window | None = None
        for _ in range(_MAX_ATTEMPTS):
            with suppress(FileNotFoundError):
                for window, profile in self._each_window(start_us if last is None else last.end_us, end_us):
                    if last is not None and window != last and window.start_us <= last.start_us:
                        msg = f"{self._backend.url}: {self._name!r} was compacted while it was read; read it again"
                        raise StoreError(msg)
                    last = window
                    yield profile
                return
        raise self._too_many_attempts()

    def _each_window(self, start_us: int | None, end_us: int | None) -> Iterator[tuple[Window, Profile]]:
        panes = by_window(self._manifest().overlapping(start_us, end_us))
        files = iter(self._open(chain.from_iterable(panes.values())))
        # If two windows overlap, every pane of one can also be in the other.
        remaining = ((window, entries) for window, entries in panes.items() if entries)
        while batch := dict(islice(remaining, _BATCH_WINDOWS if self._columns else 1)):
            for window, profiles in self._read_batch(batch, files):
                for profile in profiles:
                    profile.dataset, profile.window = self._name, window
                    yield window, profile

    def _read_batch(
        self, panes: Mapping[Window, list[Entry]], files: Iterator[Sections]
    ) -> Iterator[tuple[Window, list[Profile]]]:
        """The profiles of some windows, from the next files.

        Windows of one file each are parsed together.
        """
        single: dict[Window, Sections] = {}
        profiles: dict[Window, list[Profile]] = {}
        for window, entries in panes.items():
            if len(entries) == 1:
                single[window] = next(files)
            else:
                profiles[window] = self._merge_by_spec(entries, files)
        unmerged = read_each(list(single.values()), self._columns)
        profiles |= {window: [profile] for window, profile in zip(single, unmerged, strict=True)}
        return ((window, profiles[window]) for window in panes)

    def _merge_by_spec(self, entries: Sequence[Entry], files: Iterator[Sections]) -> list[Profile]:
        """The merged profile of the next files; one for each spec if specs differ."""
        of_window = islice(files, len(entries))
        try:
            return [self._merge(of_window)]
        except SpecMismatch:
            deque(of_window, 0)
            return [self._merge(self._open(same)) for same in self._group_by_spec(entries)]

    def _group_by_spec(self, entries: Iterable[Entry]) -> Iterable[list[Entry]]:
        groups: dict[str, list[Entry]] = {}
        for entry in entries:
            spec = open_file(self._backend, entry.name, ()).header.spec_json
            groups.setdefault(spec, []).append(entry)
        return groups.values()

    def _merge(self, files: Iterable[Sections]) -> Profile:
        merged = merge_files(files, self._columns)
        merged.dataset = self._name
        return merged

    def _open(self, entries: Iterable[Entry]) -> Iterable[Sections]:
        def open_entry(entry: Entry) -> Sections:
            sections = open_file(self._backend, entry.name, self._columns)
            if identity_of(sections.header) != (entry.ids, entry.window):
                # The plain name now has another pane, or the index is wrong.
                self._manifests.forget(self._name)
                raise FileNotFoundError(entry.name)
            return sections

        return prefetch(open_entry, entries, self._backend.concurrent_reads)

    def _too_many_attempts(self) -> StoreError:
        url, tries = self._backend.url, _MAX_ATTEMPTS
        return StoreError(f"{url}: files of {self._name!r} were deleted under each of {tries} tries to read them")
