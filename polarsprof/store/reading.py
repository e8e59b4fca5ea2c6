"""Profiles of ranges and of single windows, each pane once, though files are replaced while they are read.

A file that went was compacted: what lies there now holds the same panes, so the range is listed and read again.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from polarsprof.errors import SpecMismatch, StoreError
from polarsprof.profiles.merging import identity_of, merge_files, read_each
from polarsprof.store.backend import opened_file
from polarsprof.store.listing import each_ahead
from polarsprof.store.manifest import by_window, each_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from polarsprof.files.codec import Sections
    from polarsprof.profiles.profile import Profile
    from polarsprof.store.backend import StoreBackend
    from polarsprof.store.listing import ManifestCache
    from polarsprof.store.manifest import Entry, Manifest
    from polarsprof.windowing.tumbling import Window

_MOST_READS: Final = 20
_WINDOWS_AT_ONCE: Final = 32  # where only some columns are read


class Reader:
    """Reads the panes of one data set.

    Parameters
    ----------
    place, listings
        Where the panes lie, and what is known of them.
    name
        The data set.
    catalog
        Lists the files anew.
    columns
        Names of the columns to read; None: all.
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
        self._catalog = manifest
        self._columns = columns

    def range(self, start_us: int | None, end_us: int | None) -> Profile:
        """One profile of all windows that overlap [start, end)."""
        for _ in range(_MOST_READS):
            chosen = each_once(self._catalog().overlapping(start_us, end_us).entries())
            with suppress(FileNotFoundError):
                return self._profile(self._opened(chosen))
        raise self._given_up()

    def windows(self, start_us: int | None, end_us: int | None) -> Iterator[Profile]:
        """A profile of each window that overlaps [start, end), in the order of time.

        Of a window whose panes track different things, one for each spec.

        Raises
        ------
        StoreError
            Where windows that were given became part of a longer one before the others were read.
        """
        last: Window | None = None
        for _ in range(_MOST_READS):
            with suppress(FileNotFoundError):
                for window, profile in self._each_window(start_us if last is None else last.end_us, end_us):
                    if last is not None and window != last and window.start_us <= last.start_us:
                        msg = f"{self._backend.url}: {self._name!r} was compacted while it was read; read it again"
                        raise StoreError(msg)
                    last = window
                    yield profile
                return
        raise self._given_up()

    def _each_window(self, start_us: int | None, end_us: int | None) -> Iterator[tuple[Window, Profile]]:
        panes = by_window(self._catalog().overlapping(start_us, end_us))
        opened = iter(self._opened(chain.from_iterable(panes.values())))
        # Of two windows that overlap, one may have no pane that is not in the other, too.
        waiting = ((window, entries) for window, entries in panes.items() if entries)
        while some := dict(islice(waiting, _WINDOWS_AT_ONCE if self._columns else 1)):
            for window, profiles in self._of_windows(some, opened):
                for profile in profiles:
                    profile.dataset, profile.window = self._name, window
                    yield window, profile

    def _of_windows(
        self, panes: Mapping[Window, list[Entry]], opened: Iterator[Sections]
    ) -> Iterator[tuple[Window, list[Profile]]]:
        """The profiles of some windows, whose files come next; windows of one file are read together."""
        files: dict[Window, Sections] = {}
        found: dict[Window, list[Profile]] = {}
        for window, entries in panes.items():
            if len(entries) == 1:
                files[window] = next(opened)
            else:
                found[window] = self._merged(entries, opened)
        alone = read_each(list(files.values()), self._columns)
        found |= {window: [profile] for window, profile in zip(files, alone, strict=True)}
        return ((window, found[window]) for window in panes)

    def _merged(self, entries: Sequence[Entry], opened: Iterator[Sections]) -> list[Profile]:
        """The merged profile of the next files; several where they track different things."""
        files = islice(opened, len(entries))
        try:
            return [self._profile(files)]
        except SpecMismatch:
            deque(files, 0)
            return [self._profile(self._opened(same)) for same in self._alike(entries)]

    def _alike(self, entries: Iterable[Entry]) -> Iterable[list[Entry]]:
        """The files of each spec."""
        kinds: dict[str, list[Entry]] = {}
        for entry in entries:
            spec = opened_file(self._backend, entry.name, ()).header.spec_json
            kinds.setdefault(spec, []).append(entry)
        return kinds.values()

    def _profile(self, files: Iterable[Sections]) -> Profile:
        merged = merge_files(files, self._columns)
        merged.dataset = self._name
        return merged

    def _opened(self, chosen: Iterable[Entry]) -> Iterable[Sections]:
        def opened(entry: Entry) -> Sections:
            found = opened_file(self._backend, entry.name, self._columns)
            if identity_of(found.header) != (entry.ids, entry.window):
                # A plain name that was given to another pane, or an index that lies.
                self._manifests.distrust(self._name)
                raise FileNotFoundError(entry.name)
            return found

        return each_ahead(opened, chosen, self._backend.readers)

    def _given_up(self) -> StoreError:
        backend, tries = self._backend.url, _MOST_READS
        return StoreError(f"{backend}: files of {self._name!r} were deleted under each of {tries} tries to read them")
