"""`PartitionLocks`: partitions that one process alone reads into a data set, so that no record counts twice.

A claim is a lock beside the state of the writers; it ends with its process, however that ends. What stays of the file,
the next logger of the data set removes, as it does with that of a writer that left nothing.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from polarsprof.errors import SourceError
from polarsprof.files.durable import Lock, make_folder
from polarsprof.store import slug
from polarsprof.stream.recovery import known_positions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from polarsprof.stream.writer import WriterSettings

_OWNER_ONLY: Final = 0o700
_MOST: Final = 256  # because each holds a file open


class PartitionLocks:
    """The claims of one consumer of a data set.

    Parameters
    ----------
    settings
        Of its logger.
    """

    def __init__(self, settings: WriterSettings) -> None:
        self._settings = settings
        self._locks: list[Lock] = []

    def take(self, positions: Mapping[str, int]) -> None:
        """Claim partitions that are about to be read from positions, the first 256 of them by name.

        Raises
        ------
        SourceError
            Where another process reads one of them, or read on after the positions were looked up.
        """
        try:
            make_folder(self._settings.stores[0].state_folder, _OWNER_ONLY)
            for name in sorted(positions)[:_MOST]:
                self._locks.append(self._taken(name))
            known = known_positions(self._settings)
        except SourceError:
            raise
        except OSError:  # where nothing can be written, there are no positions to be kept either
            return
        for name, position in positions.items():
            if known.get(name, position) > position:
                raise SourceError(self._text(name))

    def release(self) -> None:
        """Let others read them."""
        for lock in self._locks:
            lock.remove()
        self._locks.clear()

    def _taken(self, name: str) -> Lock:
        lock = Lock.acquire_retrying(self._path(name))
        if lock is None:
            raise SourceError(self._text(name))
        return lock

    def _path(self, name: str) -> Path:
        digest = hashlib.sha256(name.encode(errors="replace")).hexdigest()[:12]
        return self._settings.stores[0].state_folder / f"{slug(self._settings.dataset)}.{digest}.lock"

    def _text(self, name: str) -> str:
        return f"{name}: another process reads it into data set {self._settings.dataset!r}; two would count it twice"
