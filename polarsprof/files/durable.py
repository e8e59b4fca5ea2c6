"""Files that are whole or absent, even after a crash.

Imports nothing of the library. Once `write_whole` or `Appender.sync` returned, the bytes survive the death of the
process and the loss of power, if the file system keeps the promises of `fsync`. After `fsync` failed, the state of
earlier writes is unknown, so no handle is used again after a failure: an `Appender` that failed once refuses every call
from then on.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if sys.platform == "darwin":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
OWNER_ONLY: Final = 0o600  # profiles hold values of the data


def write_synced(path: Path, *parts: bytes) -> None:
    """Write a new file and wait until its bytes are durable.

    Its name is durable after `sync_folder`.

    Raises
    ------
    OSError
        If the file exists, or cannot be written; then no incomplete file is left.
    """
    handle = os.open(path, _NEW_FILE, OWNER_ONLY)
    try:
        try:
            write_all(handle, *parts)
            sync_handle(handle)
        finally:
            os.close(handle)
    except BaseException:
        remove(path)
        raise


def write_whole(path: Path, *parts: bytes) -> None:
    """Write or replace a file atomically; it is durable on return.

    At any moment the path holds the old file or all of the new one.

    Raises
    ------
    OSError
        If the file cannot be written; then the old one stays. If only the sync of the folder failed, the new one is in
        place, but is perhaps not durable.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    remove(temporary)  # left by a process that died in this function
    write_synced(temporary, *parts)
    try:
        os.replace(temporary, path)  # noqa: PTH105 - like its neighbours
    except BaseException:
        remove(temporary)
        raise
    sync_folder(path.parent)


def replace_file(target: Path, data: bytes) -> None:
    """Write or replace a file atomically, without a wait until it is durable.

    Raises
    ------
    OSError
        If the file cannot be written; the old one stays. The error names the target.
    """
    try:
        with replacing(target) as temporary:
            temporary.write_bytes(data)
    except OSError as error:  # users do not know the temporary file
        raise OSError(error.errno, error.strerror, os.fspath(target)) from error


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """The path of a temporary file to write, which replaces the target on exit.

    After an error in the `with` block the target stays, and the temporary file is removed.
    """
    temporary = target.with_name(f".{os.getpid():x}-{os.urandom(4).hex()}.tmp")
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def open_append(path: str | os.PathLike[str]) -> int:
    """A handle that writes at the end of a file; only the owner reads a new file."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, OWNER_ONLY)


def remove(path: Path) -> None:
    """Remove a file if possible; errors are ignored."""
    with suppress(OSError):
        path.unlink()


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Create a folder and its missing parents, and wait until all of them are durable."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(mode, parents=True, exist_ok=True)
    for path in missing:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names of the files in a folder are durable."""
    if sys.platform == "win32":  # no sync of folders there; a rename is durable by itself
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
        Path of the new file. Its name is durable after `sync_folder`.

    Attributes
    ----------
    failed
        Whether a write or sync failed, or the file was closed; then every call raises OSError.

    Raises
    ------
    OSError
        If the file exists or cannot be created.
    """

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, _NEW_FILE, OWNER_ONLY)
        self.failed = False

    def append(self, *parts: bytes) -> None:
        """Write parts at the end; they are durable after `sync`.

        Raises
        ------
        OSError
            If the parts cannot be written, or an earlier call failed.
        """
        self._try(write_all, *parts)

    def sync(self) -> None:
        """Wait until all appended parts are durable.

        Raises
        ------
        OSError
            If the sync failed, an earlier call failed, or the file was removed.
        """
        self._try(_sync_data)
        self._try(_check_linked)

    def close(self) -> None:
        """Close the file; parts that were not synced can be lost."""
        self.failed = True
        handle, self._handle = self._handle, -1
        if handle >= 0:
            with suppress(OSError):
                os.close(handle)

    def _try(self, work: Callable[..., None], *arguments: bytes) -> None:
        if self.failed:
            msg = "the journal failed before and is no longer written"
            raise OSError(msg)
        try:
            work(self._handle, *arguments)
        except BaseException:
            self.failed = True
            raise


def write_all(handle: int, *parts: bytes) -> None:
    """Write all bytes of the parts to a handle."""
    for part in parts:  # one by one: to join them costs as much as to write them
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(handle, rest) :]


def sync_handle(handle: int) -> None:
    """Wait until all bytes written to a handle are durable."""
    if sys.platform == "darwin":  # there fsync leaves the bytes in the cache of the disk
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
        sync_handle(handle)
