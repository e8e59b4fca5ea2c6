"""`Lock`: a lock on an open file, which ends with its process.

| constructor | creates the file | if another process holds the lock |
|---|---|---|
| `Lock.try_acquire` | yes | returns None at once |
| `Lock.try_existing` | no | returns None at once |
| `Lock.acquire_retrying` | yes | tries again for up to 2 seconds, then returns None |
| `Lock.acquire` | yes | waits without limit |
| `Lock.temporary` | yes | tries again for up to 2 seconds, then goes on without the lock |
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

from polarsprof.files.durable import OWNER_ONLY, remove, sync_handle, write_all

if TYPE_CHECKING:
    from pathlib import Path

_LOCK_FILE: Final = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
# Other processes hold a lock for a moment to see whether its owner lives. The scheduler can pause them while they do,
# so a lock is tried for 2 seconds before it counts as held.
_ATTEMPTS: Final = 100
_PAUSE_S: Final = 0.02


class Lock:
    """A lock that a process holds by an open file; its constructors differ in waits."""

    def __init__(self, path: Path, handle: int) -> None:
        self._path = path
        self._handle = handle

    @classmethod
    def try_acquire(cls, path: Path) -> Self | None:
        """The lock of a file, without a wait; None if another process holds it.

        Creates the file if it is missing.

        Raises
        ------
        OSError
            If the file cannot be created or opened.
        """
        return cls._try(path, _LOCK_FILE)

    @classmethod
    def try_existing(cls, path: Path) -> Self | None:
        """The lock of an existing file, without a wait.

        None if the file does not exist, or if another process holds the lock.

        Raises
        ------
        OSError
            If the file cannot be opened.
        """
        try:
            return cls._try(path, _LOCK_FILE & ~os.O_CREAT)
        except FileNotFoundError:
            return None

    @classmethod
    def _try(cls, path: Path, flags: int) -> Self | None:
        handle = os.open(path, flags, OWNER_ONLY)
        try:
            acquired = _lock(handle) and _is_file_of(handle, path)  # the previous holder can have removed the file
        except BaseException:
            os.close(handle)
            raise
        if acquired:
            return cls(path, handle)
        os.close(handle)
        return None

    @classmethod
    def acquire_retrying(cls, path: Path) -> Self | None:
        """The lock of a file, tried for up to 2 seconds; None if another process keeps it.

        For locks that other processes take for a moment to see whether the owner lives. Creates the file if it is
        missing.

        Raises
        ------
        OSError
            As `try_acquire`.
        """
        for _ in range(_ATTEMPTS):
            if (lock := cls.try_acquire(path)) is not None:
                return lock
            time.sleep(_PAUSE_S)
        return None

    @classmethod
    def temporary(cls, path: Path) -> Self:
        """The lock of a new file to `fill`.

        The lock shows other processes that the file is in use. Tried for up to 2 seconds. On file systems without locks
        the file is written without one: `try_existing` fails there too, so no process takes the file for an orphan.

        Raises
        ------
        OSError
            If the file cannot be created.
        """
        with suppress(OSError):
            if (lock := cls.acquire_retrying(path)) is not None:
                return lock
        return cls(path, os.open(path, _LOCK_FILE, OWNER_ONLY))

    @classmethod
    def acquire(cls, path: Path) -> Self:
        """The lock of a file; waits without limit until no other process holds it.

        For files that no process removes. Creates the file if it is missing.

        Raises
        ------
        OSError
            If the file cannot be created or opened.
        """
        handle = os.open(path, _LOCK_FILE, OWNER_ONLY)
        try:
            _wait_for_lock(handle)
        except BaseException:
            os.close(handle)
            raise
        return cls(path, handle)

    def fill(self, data: bytes) -> None:
        """Write the file and wait until its bytes are durable.

        Its name is durable after `sync_folder`.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        write_all(self._handle, data)
        sync_handle(self._handle)

    def remove(self) -> None:
        """Remove the file, then release the lock."""
        if sys.platform == "win32":  # open files cannot be removed there
            self.release()
            remove(self._path)
        else:
            remove(self._path)
            self.release()

    def release(self) -> None:
        """Release the lock; the file stays.

        In a forked child, the lock of the parent stays held.
        """
        handle, self._handle = self._handle, -1
        if handle >= 0:
            with suppress(OSError):  # the handle is closed even after an error
                os.close(handle)


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _wait_for_lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)

else:
    import fcntl

    def _lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _wait_for_lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)


def _is_file_of(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
