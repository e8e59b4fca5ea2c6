"""Files that are whole or absent, and stay so after a crash; locks that end with their process. Imports nothing above.

What `write_whole` and `Appender.sync` returned from survives the death of the process and the loss of power, as far as
the file system keeps what `fsync` promises. After a failed `fsync` nothing is known of what was written before, so the
same handle is never asked again: an `Appender` that failed once refuses everything from then on.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_LOCK_FILE: Final = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
_LOOKS: Final = 100
_LOOK_S: Final = 0.02  # one who looks may be put off by the scheduler before it lets go
_OWNER_ONLY: Final = 0o600  # what a profile shows of the data is nobody else's business


def write_synced(path: Path, *parts: bytes) -> None:
    """Write a new file of these parts and wait until it is durable; its name is once the folder is synced.

    Raises
    ------
    OSError
        Where the file is there already, or cannot be written; then none is left behind.
    """
    handle = os.open(path, _NEW_FILE, _OWNER_ONLY)
    try:
        try:
            _write_all(handle, *parts)
            _sync(handle)
        finally:
            os.close(handle)
    except BaseException:
        remove(path)
        raise


def write_whole(path: Path, *parts: bytes) -> None:
    """Write or replace a file, so that at any moment it is what it was or all of the new one, and durable on return.

    Raises
    ------
    OSError
        Where it cannot be written; then it is what it was. Or the new one, where it is only not known to be durable.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    remove(temporary)  # of a process that died in the midst of this
    write_synced(temporary, *parts)
    try:
        os.replace(temporary, path)  # noqa: PTH105 - like its neighbours
    except BaseException:
        remove(temporary)
        raise
    sync_folder(path.parent)


def replace_file(target: Path, data: bytes) -> None:
    """Write a file, replacing what lies there whole or not at all; it is not waited for."""
    try:
        with replacing(target) as temporary:
            temporary.write_bytes(data)
    except OSError as error:  # the user knows nothing of the temporary file
        raise OSError(error.errno, error.strerror, os.fspath(target)) from error


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """The path of a file to write, which then replaces what lies at the target; where that fails, none is left."""
    temporary = target.with_name(f".{os.getpid():x}-{os.urandom(4).hex()}.tmp")
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def appending(path: str | os.PathLike[str]) -> int:
    """A handle that writes at the end of a file, which is its owner's alone where it is made."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, _OWNER_ONLY)


def remove(path: Path) -> None:
    """Remove a file, if there is one and it can be."""
    with suppress(OSError):
        path.unlink()


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make a folder and those above it; each is durable once the one that it lies in is synced."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(mode, parents=True, exist_ok=True)
    for place in missing:
        sync_folder(place.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names of the files of a folder are durable."""
    if sys.platform == "win32":  # folders cannot be synced there; a rename is durable by itself
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Appender:
    """A new file that grows at its end.

    Parameters
    ----------
    path
        Where no file lies yet. Its name is durable once the folder is synced.

    Attributes
    ----------
    failed
        Whether something could not be written or synced; from then on every call raises OSError.
    """

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, _NEW_FILE, _OWNER_ONLY)
        self.failed = False

    def append(self, *parts: bytes) -> None:
        """Write parts at the end; durable after `sync`."""
        self._try(_write_all, *parts)

    def sync(self) -> None:
        """Wait until all that was appended is durable; where somebody removed the file, it is not."""
        self._try(_sync_data)
        self._try(_check_linked)

    def close(self) -> None:
        """End it; what was not synced may be lost."""
        self.failed = True
        handle, self._handle = self._handle, -1
        if handle >= 0:
            with suppress(OSError):
                os.close(handle)

    def _try(self, work: Callable[..., None], *arguments: bytes) -> None:
        if self.failed:
            msg = "the journal failed before and is not written any more"
            raise OSError(msg)
        try:
            work(self._handle, *arguments)
        except BaseException:
            self.failed = True
            raise


class Lock:
    """A lock that a process holds by an open file: it ends with the process, however that ends."""

    def __init__(self, path: Path, handle: int) -> None:
        self._path = path
        self._handle = handle

    @classmethod
    def try_acquire(cls, path: Path) -> Self | None:
        """The lock of a file, which is made where it is missing; None where somebody else holds it.

        Raises
        ------
        OSError
            Where the file cannot be made or opened.
        """
        return cls._try(path, _LOCK_FILE)

    @classmethod
    def try_existing(cls, path: Path) -> Self | None:
        """The lock of a file that is there; None where it is not, or somebody else holds it.

        Raises
        ------
        OSError
            Where the file cannot be opened.
        """
        try:
            return cls._try(path, _LOCK_FILE & ~os.O_CREAT)
        except FileNotFoundError:
            return None

    @classmethod
    def _try(cls, path: Path, flags: int) -> Self | None:
        handle = os.open(path, flags, _OWNER_ONLY)
        try:
            held = _lock(handle) and _is_file_of(handle, path)  # who held it before may have removed it meanwhile
        except BaseException:
            os.close(handle)
            raise
        if held:
            return cls(path, handle)
        os.close(handle)
        return None

    @classmethod
    def acquire_retrying(cls, path: Path) -> Self | None:
        """The same where others look into the lock for a moment, to see who lives; None where one keeps it.

        Raises
        ------
        OSError
            As `try_acquire`.
        """
        for _ in range(_LOOKS):
            if (lock := cls.try_acquire(path)) is not None:
                return lock
            time.sleep(_LOOK_S)
        return None

    @classmethod
    def temporary(cls, path: Path) -> Self:
        """The lock of a new file that is to be filled, by which others see that it is in use.

        Where locks are not to be had, the file is as good without one, as long as nobody takes what has none for left.

        Raises
        ------
        OSError
            Where the file cannot be made.
        """
        with suppress(OSError):
            if (lock := cls.acquire_retrying(path)) is not None:
                return lock
        return cls(path, os.open(path, _LOCK_FILE, _OWNER_ONLY))

    @classmethod
    def acquire(cls, path: Path) -> Self:
        """The lock of a file that nobody removes, which is made where it is missing, once nobody else holds it.

        Raises
        ------
        OSError
            Where the file cannot be made or opened.
        """
        handle = os.open(path, _LOCK_FILE, _OWNER_ONLY)
        try:
            _wait_for_lock(handle)
        except BaseException:
            os.close(handle)
            raise
        return cls(path, handle)

    def fill(self, data: bytes) -> None:
        """Write the file and wait until its bytes are durable; its name is once the folder is synced.

        Raises
        ------
        OSError
            Where it cannot be written.
        """
        _write_all(self._handle, data)
        _sync(self._handle)

    def remove(self) -> None:
        """Remove the file, then end the lock."""
        if sys.platform == "win32":  # open files cannot be removed there
            self.release()
            remove(self._path)
        else:
            remove(self._path)
            self.release()

    def release(self) -> None:
        """End the lock; its file stays. In a forked child this leaves that of the parent alone."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            with suppress(OSError):  # it is closed all the same
                os.close(handle)


def _write_all(handle: int, *parts: bytes) -> None:
    for part in parts:  # one by one: to join them costs as much as to write them
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(handle, rest) :]


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


def _sync(handle: int) -> None:
    if sys.platform == "darwin":  # where fsync leaves the bytes in the cache of the disk
        fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
    else:
        os.fsync(handle)


def _check_linked(handle: int) -> None:
    if os.fstat(handle).st_nlink == 0:
        msg = "the file was removed"
        raise FileNotFoundError(msg)


def _sync_data(handle: int) -> None:
    if hasattr(os, "fdatasync"):
        os.fdatasync(handle)
    else:
        _sync(handle)
