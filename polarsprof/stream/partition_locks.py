"""`PartitionLocks`: no two processes read one partition into a data set.

A lock lies beside the state of the writers and ends with its process. The next logger of the data set removes files
that remain, as it does for writers that left nothing.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from polarsprof.errors import SourceError
from polarsprof.files.durable import make_folder
from polarsprof.files.locks import Lock
from polarsprof.store.names import slug

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from polarsprof.stream.settings import WriterSettings

_OWNER_ONLY: Final = 0o700
_MAX_LOCKS: Final = 256  # because each keeps a file open


class PartitionLocks:
    """The partitions that one consumer of a data set has locked.

    Parameters
    ----------
    settings
        Of its logger.
    saved_positions
        Reads the positions that any writer of the data set has saved.
    """

    def __init__(self, settings: WriterSettings, saved_positions: Callable[[], Mapping[str, int]]) -> None:
        self._settings = settings
        self._saved_positions = saved_positions
        self._locks: list[Lock] = []

    def acquire(self, positions: Mapping[str, int]) -> None:
        """Lock partitions before they are read from positions: the first 256 by name.

        Raises
        ------
        SourceError
            If another process reads one of them, or read on after the positions were looked up.
        """
        try:
            make_folder(self._settings.state_folder, _OWNER_ONLY)
            for name in sorted(positions)[:_MAX_LOCKS]:
                self._locks.append(self._acquire_one(name))
            saved = self._saved_positions()
        except SourceError:
            raise
        except OSError:  # if nothing can be written, no positions are saved either
            return
        for name, position in positions.items():
            if saved.get(name, position) > position:
                raise self._conflict(name)

    def release(self) -> None:
        """Let other processes read the partitions."""
        for lock in self._locks:
            lock.remove()
        self._locks.clear()

    def _acquire_one(self, name: str) -> Lock:
        lock = Lock.acquire_retrying(self._path(name))
        if lock is None:
            raise self._conflict(name)
        return lock

    def _path(self, name: str) -> Path:
        digest = hashlib.sha256(name.encode(errors="replace")).hexdigest()[:12]
        return self._settings.state_folder / f"{slug(self._settings.dataset)}.{digest}.lock"

    def _conflict(self, name: str) -> SourceError:
        dataset = self._settings.dataset
        return SourceError(f"{name}: another process reads it into data set {dataset!r}; two would count it twice")
