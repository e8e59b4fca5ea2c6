"""A folder of files: durable once written, exclusive by hard links, compacted under a lock.

A file is written to a temporary one, synced, linked to its name if that is free, and the folder synced. After an
error of `fsync` nothing is known of the file, so the temporary is given up; a pane is put again from its bytes.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from polarsprof.files.durable import make_folder, sync_folder
from polarsprof.files.locks import Lock
from polarsprof.store.backend import MOST_AHEAD_BYTES, MOST_KEPT_BYTES
from polarsprof.store.names import WRITERS, is_pane, is_temporary, kept_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from polarsprof.store.backend import Part, Stamp

_NO_LINKS: Final = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
_BINARY: Final = getattr(os, "O_BINARY", 0)
_READ_ONLY: Final = os.O_RDONLY | _BINARY | getattr(os, "O_NONBLOCK", 0)
_ENTRIES_HAVE_INODES: Final = os.name != "nt"
_MOST: Final = (1 << 63) - 1
_OWNER_ONLY: Final = 0o600  # what a profile shows of the data is nobody else's business


class LocalBackend:
    """Files in a folder, which is made when the first one comes; see `StoreBackend`."""

    plain_names = True
    readers = 1
    index_from = 64

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self.url = str(folder)
        self.state_folder = folder / WRITERS
        self._inside = os.path.join(folder, "")  # noqa: PTH118 - a tenth of the price of `folder / name`, for each file

    def where(self, name: str) -> str:
        return self._inside + name

    def names(self, prefix: str) -> list[str]:
        with self._scanned() as entries:  # a folder, a pipe or a broken link is no pane
            found = [entry for entry in entries if entry.name.startswith(prefix) and is_pane(entry.name)]
            return sorted(entry.name for entry in found if entry.is_file())

    def stamps(self, prefix: str) -> dict[str, Stamp]:
        found: dict[str, Stamp] = {}
        with self._scanned() as entries:
            for entry in entries:  # hundreds of thousands, perhaps: nothing here is called that need not be
                name = entry.name
                if name.startswith(prefix) and is_pane(name):
                    try:
                        status = entry.stat() if _ENTRIES_HAVE_INODES else os.stat(entry.path)  # noqa: PTH116
                    except FileNotFoundError:  # deleted since it was listed, or a broken link
                        continue
                    if stat.S_ISREG(status.st_mode):
                        found[name] = status.st_size, status.st_mtime_ns, status.st_ino & _MOST
        return found

    @contextmanager
    def _scanned(self) -> Iterator[Iterable[os.DirEntry[str]]]:
        try:
            entries = os.scandir(self.path)
        except (FileNotFoundError, NotADirectoryError):
            yield ()
            return
        with entries:
            yield entries

    @contextmanager
    def opened(self, name: str, first_bytes: int | None) -> Iterator[tuple[Part, int]]:
        # Without blocking, should a pipe have taken the place of the file.
        handle = os.open(self._inside + name, _READ_ONLY)
        try:
            file_bytes = os.fstat(handle).st_size
            first = _read_at(handle, 0, min(file_bytes, MOST_AHEAD_BYTES if first_bytes is None else first_bytes))

            def part(offset: int, length: int) -> bytes:
                if offset + length <= len(first):
                    return first[offset : offset + length]
                return _read_at(handle, offset, length)

            yield part, file_bytes
        finally:
            os.close(handle)

    def put(self, names: Sequence[str], data: bytes, temporary: str, is_same: Callable[[str], bool]) -> str:
        beside = self.path / temporary
        make_folder(beside.parent)
        lock = Lock.temporary(beside)
        try:
            lock.fill(data)
            name = self._published(beside, names, is_same)
        finally:
            lock.remove()
        sync_folder(self.path)
        return name

    def _published(self, beside: Path, names: Sequence[str], is_same: Callable[[str], bool]) -> str:
        for name in names:
            try:
                os.link(beside, self.path / name)
            except FileExistsError:
                if is_same(name):
                    return name
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                beside.replace(self.path / names[-1])  # nothing else ever has this name
                return names[-1]
            else:
                return name
        msg = f"{self.where(names[-1])}: a file of this name holds another pane"
        raise FileExistsError(errno.EEXIST, msg)

    def delete(self, files: Mapping[str, Stamp]) -> None:
        sync_folder(self.path)
        for name, stamp in files.items():
            path = self.path / name
            with suppress(FileNotFoundError):
                if _stamp(path.stat()) == stamp:
                    path.unlink()
        sync_folder(self.path)

    def kept(self, name: str) -> bytes:
        try:
            with self.opened(name, 0) as (part, file_bytes):
                return part(0, file_bytes) if file_bytes <= MOST_KEPT_BYTES else b""
        except OSError:
            return b""

    def keep(self, name: str, data: bytes) -> None:
        target = self.path / name
        target.parent.mkdir(exist_ok=True)
        beside = target.with_suffix(f".{secrets.token_hex(4)}.tmp")
        try:
            handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, _OWNER_ONLY)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)

    @contextmanager
    def claim(self, name: str) -> Iterator[_Locked]:
        path = self.path / kept_name(name, "lock")
        make_folder(path.parent)
        lock = Lock.acquire(path)
        try:
            for left in path.parent.glob(f"{path.stem}.*.tmp"):  # a slug has no character that means something here
                left.unlink(missing_ok=True)
            yield _Locked()
        finally:
            lock.release()

    def remove_orphan_files(self) -> int:
        swept = 0
        with suppress(FileNotFoundError, NotADirectoryError):
            for name in os.listdir(self.path):  # noqa: PTH208 - names, not paths
                if is_temporary(name):
                    swept += self._is_swept(name)
        return swept

    def _is_swept(self, name: str) -> bool:
        with suppress(OSError):  # another user's, or without locks: whether it is in use cannot be told
            if lock := Lock.try_existing(self.path / name):
                lock.remove()
                return True
        return False


class _Locked:
    """Whoever holds the lock compacts alone: there is nothing to agree upon, and nothing to finish for others."""

    def plan(self) -> bytes:
        return b""

    def commit(self, plan: bytes) -> bool:
        del plan
        return True

    def finish(self) -> None:
        pass


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_size, status.st_mtime_ns, status.st_ino & _MOST


def _read_at(handle: int, offset: int, length: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(handle, length, offset)
    os.lseek(handle, offset, os.SEEK_SET)
    return os.read(handle, length)
