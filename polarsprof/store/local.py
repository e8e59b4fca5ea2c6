"""`LocalBackend`: a folder of files, durable once written and never overwritten.

Hard links make names exclusive, and a lock keeps compactors apart. The bytes of a file go to a temporary file, which is
synced and then linked to its name if that is free; then the folder is synced. After `fsync` failed, the state of the
temporary file is unknown, so it is removed. A pane is put again from its bytes.
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
from polarsprof.store.backend import MAX_AHEAD_BYTES, MAX_SIDECAR_BYTES
from polarsprof.store.names import WRITERS_FOLDER, is_pane, is_temporary, sidecar_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from polarsprof.store.backend import ReadAt, Stamp

_NO_LINKS: Final = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
_BINARY: Final = getattr(os, "O_BINARY", 0)
_READ_ONLY: Final = os.O_RDONLY | _BINARY | getattr(os, "O_NONBLOCK", 0)
_ENTRIES_HAVE_INODES: Final = os.name != "nt"
_MAX_INT64: Final = (1 << 63) - 1
_OWNER_ONLY: Final = 0o600  # profiles hold values of the data


class LocalBackend:
    """Files in a folder, which is created with the first file; see `StoreBackend`."""

    plain_names = True
    concurrent_reads = 1  # to parse a file takes longer than to read it from a local disk
    min_index_files = 64  # opening fewer takes less than 10 ms

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self.url = str(folder)
        self.state_folder = folder / WRITERS_FOLDER
        self._inside = os.path.join(folder, "")  # noqa: PTH118 - a tenth of the cost of `folder / name`

    def display_name(self, name: str) -> str:
        return self._inside + name

    def names(self, prefix: str) -> list[str]:
        with self._scan() as entries:  # a folder, a pipe or a broken link is no pane
            candidates = [entry for entry in entries if entry.name.startswith(prefix) and is_pane(entry.name)]
            return sorted(entry.name for entry in candidates if entry.is_file())

    def stamps(self, prefix: str) -> dict[str, Stamp]:
        stamps: dict[str, Stamp] = {}
        with self._scan() as entries:
            for entry in entries:  # there can be hundreds of thousands, so each call here counts
                name = entry.name
                if name.startswith(prefix) and is_pane(name):
                    try:
                        status = entry.stat() if _ENTRIES_HAVE_INODES else os.stat(entry.path)  # noqa: PTH116
                    except FileNotFoundError:  # deleted after the scan, or a broken link
                        continue
                    if stat.S_ISREG(status.st_mode):
                        stamps[name] = status.st_size, status.st_mtime_ns, status.st_ino & _MAX_INT64
        return stamps

    @contextmanager
    def _scan(self) -> Iterator[Iterable[os.DirEntry[str]]]:
        try:
            entries = os.scandir(self.path)
        except (FileNotFoundError, NotADirectoryError):
            yield ()
            return
        with entries:
            yield entries

    @contextmanager
    def open(self, name: str, first_bytes: int | None) -> Iterator[tuple[ReadAt, int]]:
        # The flags include O_NONBLOCK: to open a pipe in place of the file must not wait for a writer.
        handle = os.open(self._inside + name, _READ_ONLY)
        try:
            file_bytes = os.fstat(handle).st_size
            first = _read_at(handle, 0, min(file_bytes, MAX_AHEAD_BYTES if first_bytes is None else first_bytes))

            def read_at(offset: int, length: int) -> bytes:
                if offset + length <= len(first):
                    return first[offset : offset + length]
                return _read_at(handle, offset, length)

            yield read_at, file_bytes
        finally:
            os.close(handle)

    def put(self, names: Sequence[str], data: bytes, temporary: str, is_same: Callable[[str], bool]) -> str:
        source = self.path / temporary
        make_folder(source.parent)
        lock = Lock.temporary(source)
        try:
            lock.fill(data)
            name = self._link_first_free(source, names, is_same)
        finally:
            lock.remove()
        sync_folder(self.path)
        return name

    def _link_first_free(self, source: Path, names: Sequence[str], is_same: Callable[[str], bool]) -> str:
        for name in names:
            try:
                os.link(source, self.path / name)
            except FileExistsError:
                if is_same(name):
                    return name
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                source.replace(self.path / names[-1])  # the own name of this pane, so nothing is replaced
                return names[-1]
            else:
                return name
        msg = f"{self.display_name(names[-1])}: a file of this name holds another pane"
        raise FileExistsError(errno.EEXIST, msg)

    def delete(self, files: Mapping[str, Stamp]) -> None:
        sync_folder(self.path)
        for name, stamp in files.items():
            path = self.path / name
            with suppress(FileNotFoundError):
                if _stamp(path.stat()) == stamp:
                    path.unlink()
        sync_folder(self.path)

    def read_sidecar(self, name: str) -> bytes:
        try:
            with self.open(name, 0) as (read_at, file_bytes):
                return read_at(0, file_bytes) if file_bytes <= MAX_SIDECAR_BYTES else b""
        except OSError:
            return b""

    def write_sidecar(self, name: str, data: bytes) -> None:
        target = self.path / name
        target.parent.mkdir(exist_ok=True)
        temporary = target.with_suffix(f".{secrets.token_hex(4)}.tmp")
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, _OWNER_ONLY)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)

    @contextmanager
    def compaction_lock(self, dataset: str) -> Iterator[_FolderLock]:
        path = self.path / sidecar_name(dataset, "lock")
        make_folder(path.parent)
        lock = Lock.acquire(path)
        try:
            for orphan in path.parent.glob(f"{path.stem}.*.tmp"):  # a slug has no wildcards
                orphan.unlink(missing_ok=True)
            yield _FolderLock()
        finally:
            lock.release()

    def remove_orphan_files(self) -> int:
        removed = 0
        with suppress(FileNotFoundError, NotADirectoryError):
            for name in os.listdir(self.path):  # noqa: PTH208 - names, not paths
                if is_temporary(name):
                    removed += self._try_remove(name)
        return removed

    def _try_remove(self, name: str) -> bool:
        with suppress(OSError):  # another user's file, or no locks here: a writer might still use it
            if lock := Lock.try_existing(self.path / name):
                lock.remove()
                return True
        return False


class _FolderLock:
    """A plan needs no agreement: the holder of the lock compacts alone."""

    def plan(self) -> bytes:
        return b""

    def commit(self, plan: bytes) -> bool:
        del plan
        return True

    def finish(self) -> None:
        pass


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_size, status.st_mtime_ns, status.st_ino & _MAX_INT64


def _read_at(handle: int, offset: int, length: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(handle, length, offset)
    os.lseek(handle, offset, os.SEEK_SET)
    return os.read(handle, length)
