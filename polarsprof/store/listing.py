"""Which files a data set has, so that none is missing though a compactor is at work; and reading several at a time.

A listing is no snapshot: files come and go while it is made. A compactor deletes files only after their merge is
durable and the *epoch* of the data set was renewed. So where the epoch is the same before a listing and after it,
whatever was deleted meanwhile was replaced before the listing began, by a file that it holds. Else it is made again.
"""

from __future__ import annotations

import secrets
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

from polarsprof.errors import StoreError
from polarsprof.store.backend import read_file
from polarsprof.store.manifest import Entry, Manifest
from polarsprof.store.names import kept_name, prefix_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from polarsprof.store.backend import Stamp, StoreBackend

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_MOST_LISTINGS: Final = 100


class ManifestCache:
    """The catalogs of a place, kept from one question to the next."""

    def __init__(self, backend: StoreBackend) -> None:
        self._backend = backend
        self._known: dict[str, Manifest] = {}

    def manifest(self, dataset: str) -> Manifest:
        """What the files of a data set hold now; of those seen before, no more than names and stamps are read.

        Raises
        ------
        CorruptProfile, UnsupportedVersion, OSError
            For a file whose header cannot be read; the text names it.
        """
        for _ in range(_MOST_LISTINGS):
            with suppress(FileNotFoundError):  # a file went after it was listed: another one holds its panes
                found = self._listed(dataset)
                if found is not None:
                    return found
        msg = f"{self._backend.url}: the files of {dataset!r} were deleted under each of {_MOST_LISTINGS} listings"
        raise StoreError(msg)

    def _listed(self, dataset: str) -> Manifest | None:
        epoch = self.epoch(dataset)
        listed = self._backend.stamps(prefix_of(dataset))
        if self.epoch(dataset) != epoch:
            return None
        if not listed:
            return Manifest()
        known = self._known.get(dataset)
        same = (self._index(dataset, len(listed)) if known is None else known).unchanged(listed)
        known_names = set(same.names)
        fresh = self._opened(dataset, {name: stamp for name, stamp in listed.items() if name not in known_names})
        found = self._known[dataset] = same.extended(fresh)
        if len(fresh) >= max(self._backend.index_from, len(listed) // 100):
            with suppress(OSError):  # a place that is only read has no index
                if index := found.to_bytes(dataset):
                    self._backend.keep(kept_name(dataset, "index"), index)
        return found

    def distrust(self, dataset: str) -> None:
        """Open every file at the next question: one was not what the catalog said."""
        self._known[dataset] = Manifest()

    def epoch(self, dataset: str) -> bytes:
        """What changes before files are deleted."""
        return self._backend.kept(kept_name(dataset, "epoch"))

    def renew_epoch(self, dataset: str) -> None:
        """Have everyone who lists files at this moment list them again."""
        self._backend.keep(kept_name(dataset, "epoch"), secrets.token_bytes(16))

    def _index(self, dataset: str, files: int) -> Manifest:
        if files < self._backend.index_from:
            return Manifest()
        found = Manifest.from_bytes(self._backend.kept(kept_name(dataset, "index")), dataset)
        return Manifest() if found is None else found

    def _opened(self, dataset: str, files: dict[str, Stamp]) -> list[Entry]:
        def entry(name: str) -> Entry:
            head = read_file(self._backend, name, ())
            window = head.window if head.dataset == dataset else None
            return Entry(name, files[name], window, head.rows, head.panes)

        return list(each_ahead(entry, files, self._backend.readers))


def each_ahead(work: Callable[[_Item], _Result], items: Iterable[_Item], workers: int) -> Iterator[_Result]:
    """The results for the items, in order; with several workers so many are worked out ahead."""
    if workers == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(workers, "polarsprof-read") as pool:
        ahead: deque[Callable[[], _Result]] = deque()
        try:
            for item in items:
                ahead.append(pool.submit(work, item).result)
                if len(ahead) > 2 * workers:
                    yield ahead.popleft()()
            while ahead:
                yield ahead.popleft()()
        finally:
            pool.shutdown(cancel_futures=True)
