"""`ManifestCache`: all files of a data set, even while a compactor deletes some.

A listing is no snapshot: files appear and disappear while it is read. A compactor deletes files only after their merge
is durable and the *epoch* of the data set is renewed. If the epoch is the same before and after a listing, every file
deleted in between was replaced before the listing began, by a file that the listing holds. Otherwise the data set is
listed again.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from polarsprof.errors import StoreError
from polarsprof.store.manifest import Entry, Manifest
from polarsprof.store.names import prefix_of, sidecar_name
from polarsprof.store.prefetch import prefetch

if TYPE_CHECKING:
    from collections.abc import Callable

    from polarsprof.profiles.header import ProfileHeader
    from polarsprof.store.backend import Stamp, StoreBackend

# A compactor renews the epoch at most 16 times a run, so only a listing much slower than whole runs fails this often.
_MAX_LISTINGS: Final = 100


class ManifestCache:
    """The manifests of a store's data sets, kept from one call to the next.

    Parameters
    ----------
    backend
        Lists the files, and holds epochs and indexes.
    read_header
        Name of a file → its header. Raises CorruptProfile, UnsupportedVersion or OSError for a file without one.
    """

    def __init__(self, backend: StoreBackend, read_header: Callable[[str], ProfileHeader]) -> None:
        self._backend = backend
        self._read_header = read_header
        self._manifests: dict[str, Manifest] = {}

    def manifest(self, dataset: str) -> Manifest:
        """The current files of a data set; only new and changed files are opened.

        Raises
        ------
        CorruptProfile, UnsupportedVersion, OSError
            If the header of a file cannot be read. The message names it.
        StoreError
            If compactors deleted files during each of 100 listings.
        """
        for _ in range(_MAX_LISTINGS):
            with suppress(FileNotFoundError):  # deleted after the listing: another file holds its panes
                manifest = self._list(dataset)
                if manifest is not None:
                    return manifest
        msg = f"{self._backend.url}: the files of {dataset!r} were deleted under each of {_MAX_LISTINGS} listings"
        raise StoreError(msg)

    def _list(self, dataset: str) -> Manifest | None:
        epoch = self.epoch(dataset)
        stamps = self._backend.stamps(prefix_of(dataset))
        if self.epoch(dataset) != epoch:
            return None
        if not stamps:
            return Manifest()
        previous = self._manifests.get(dataset)
        same = (self._read_index(dataset, len(stamps)) if previous is None else previous).unchanged(stamps)
        known_names = set(same.names)
        fresh = self._read_entries(dataset, {name: stamp for name, stamp in stamps.items() if name not in known_names})
        manifest = self._manifests[dataset] = same.with_entries(fresh)
        # An index costs a write of all entries, so it is renewed once a hundredth of them is new.
        if len(fresh) >= max(self._backend.min_index_files, len(stamps) // 100):
            with suppress(OSError):  # a read-only store has no index
                if index := manifest.to_bytes(dataset):
                    self._backend.write_sidecar(sidecar_name(dataset, "index"), index)
        return manifest

    def forget(self, dataset: str) -> None:
        """Open every file again at the next call, because an entry did not match its file."""
        self._manifests[dataset] = Manifest()

    def epoch(self, dataset: str) -> bytes:
        """A random value that changes before files are deleted; empty at first."""
        return self._backend.read_sidecar(sidecar_name(dataset, "epoch"))

    def renew_epoch(self, dataset: str) -> None:
        """Make every process that lists files at this moment list them again."""
        self._backend.write_sidecar(sidecar_name(dataset, "epoch"), secrets.token_bytes(16))

    def _read_index(self, dataset: str, files: int) -> Manifest:
        if files < self._backend.min_index_files:
            return Manifest()
        manifest = Manifest.from_bytes(self._backend.read_sidecar(sidecar_name(dataset, "index")), dataset)
        return Manifest() if manifest is None else manifest

    def _read_entries(self, dataset: str, files: dict[str, Stamp]) -> list[Entry]:
        def entry(name: str) -> Entry:
            header = self._read_header(name)
            window = header.window if header.dataset == dataset else None
            return Entry(name, files[name], window, header.rows, header.panes)

        return list(prefetch(entry, files, self._backend.concurrent_reads))
