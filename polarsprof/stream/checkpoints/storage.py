"""`CheckpointStorage`: the durable state of one writer in a folder.

The files of a writer share a stem, `<data set>.<writer>`:

| file | content |
|---|---|
| `.lock` | none; the writer is alive while it is locked |
| `.<n>.checkpoint` | the state of the writer, whole or absent |
| `.<n>.journal` | the entries after checkpoint n; of a torn file, those before the tear |
| `.<number>.pane` | a sealed pane that is not known to be published |

A checkpoint is durable before its predecessor is removed. The last but one stays, and counts if the disk damages the
latest. Nothing in these files is trusted: every part has a length and a checksum.
"""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Final, Self

from polarsprof.errors import StoreError
from polarsprof.files.durable import Appender, make_folder, remove, sync_folder, write_synced, write_whole
from polarsprof.files.locks import Lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAGIC: Final = b"polarsprof state 1\n"
_PART: Final = struct.Struct("<QI")  # length, checksum
_MAX_PART_BYTES: Final = 1 << 32
_ATTEMPTS: Final = 10  # to list files while others remove some
_OWNER_ONLY: Final = 0o700


@dataclass(frozen=True, slots=True)
class Saved:
    """The state that a writer saved.

    Attributes
    ----------
    state
        The last good checkpoint; None if there is none.
    entries
        Entries of the journals since, in order.
    damaged
        Names of unreadable checkpoints; an earlier one counts instead.
    """

    state: bytes | None
    entries: list[bytes]
    damaged: list[str]


class CheckpointStorage:
    """Checkpoints, journals and unpublished panes of one writer.

    Made by `of_writer` or `of_crashed_writers`, which take the lock of the writer.

    Attributes
    ----------
    writer_id
        The id of the writer.
    journal_bytes
        Bytes appended since the last checkpoint.
    """

    def __init__(self, folder: Path, dataset_slug: str, writer_id: str, lock: Lock) -> None:
        self.writer_id = writer_id
        self.journal_bytes = 0
        self._folder = folder
        self._stem = f"{dataset_slug}.{writer_id}"
        self._lock = lock
        self._journal: Appender | None = None
        self._attempted = False
        try:
            self._number = max(self._numbers("checkpoint"), default=0)
        except BaseException:
            lock.release()  # or nothing could recover these files while this process lives
            raise

    @classmethod
    def of_writer(cls, folder: Path, dataset_slug: str, writer_id: str) -> Self:
        """Return the files of a new writer: only its lock.

        Raises
        ------
        OSError
            If the folder cannot be created or written.
        """
        make_folder(folder, _OWNER_ONLY)
        lock = Lock.acquire_retrying(folder / f"{dataset_slug}.{writer_id}.lock")
        if lock is None:
            msg = f"{folder}: the lock of writer {writer_id} is held by another process"
            raise StoreError(msg)
        return cls(folder, dataset_slug, writer_id, lock)

    @classmethod
    def of_crashed_writers(cls, folder: Path, dataset_slug: str) -> Iterator[Self]:
        """Yield the files of each crashed writer that no other process has taken over.

        Raises
        ------
        OSError
            If the folder cannot be read or written.
        """
        writers = {path.name.split(".")[1] for path in _files(folder, f"{dataset_slug}.")}
        for writer_id in sorted(writers):
            try:
                lock = Lock.try_acquire(folder / f"{dataset_slug}.{writer_id}.lock")
            except PermissionError:  # of another user, whose loggers recover it
                continue
            if lock is not None:
                yield cls(folder, dataset_slug, writer_id, lock)

    @staticmethod
    def states_of_all(folder: Path, dataset_slug: str) -> list[bytes]:
        """Return the last checkpoint of each writer of a data set, running or crashed.

        Raises
        ------
        OSError
            If the folder or a file cannot be read.
        """
        latest: dict[str, tuple[int, bytes]] = {}
        for _ in range(_ATTEMPTS):
            paths = [path for path in _files(folder, f"{dataset_slug}.") if _numbered(path, "checkpoint")]
            for path in paths:
                parts = _parts(path)
                if len(parts) == 1:
                    _, writer_id, number, _ = path.name.split(".")
                    latest[writer_id] = max(latest.get(writer_id, (0, b"")), (int(number), parts[0]))
            if all(path.exists() for path in paths):  # else its content was saved elsewhere before it was removed
                break
        return [state for _, state in latest.values()]

    @property
    def empty(self) -> bool:
        """Whether no checkpoint was ever saved, or failed at its last step."""
        return self._number == 0 and not self._attempted

    @property
    def gone(self) -> bool:
        """Whether every file was removed, so that no row can count twice."""
        return not _files(self._folder, f"{self._stem}.")

    def save(self, state: bytes, opening: bytes = b"") -> None:
        """Replace the last state and its journal by a new state, durably.

        Parameters
        ----------
        state
            The state.
        opening
            The first entry of the new journal, used if the state is found damaged; empty for none.

        Raises
        ------
        OSError
            If it cannot be written; then the last state and its journal remain valid.
        """
        number = self._number + 1
        self._close_journal()
        journal = self._path(number, "journal")
        remove(journal)  # of a checkpoint that failed
        appender = Appender(journal)  # created before the folder is synced, so that its name is durable too
        try:
            appender.append(_MAGIC)
            if opening:
                appender.append(_head(opening), opening)
                appender.sync()
                # The checkpoint closes windows whose panes lie here: their names must be durable before its name.
                sync_folder(self._folder)
            self._attempted = True  # if an error comes after the file got its name, the checkpoint counts
            write_whole(self._path(number, "checkpoint"), _MAGIC, _head(state), state)
        except BaseException:
            appender.close()
            raise
        self._number, self._journal, self.journal_bytes = number, appender, 0
        for kind in ("checkpoint", "journal"):
            remove(self._path(number - 2, kind))

    def append(self, *parts: bytes) -> None:
        """Append an entry, given in parts, to the journal; durable after `sync`.

        Raises
        ------
        OSError
            If it cannot be written, or after an earlier failure; only `save` recovers from it.
        """
        if self._journal is None:
            msg = f"{self._folder}: a journal needs a checkpoint before it"
            raise StoreError(msg)
        head = _head(*parts)
        self._journal.append(head, *parts)
        self.journal_bytes += len(head) + sum(map(len, parts))

    def sync(self) -> None:
        """Wait until all appended entries are durable.

        Raises
        ------
        OSError
            If they are not; only `save` recovers from it.
        """
        if self._journal is not None:
            self._journal.sync()
        elif not self.empty:
            msg = f"{self._folder}: the journal ended with a checkpoint that could not be saved"
            raise StoreError(msg)

    def load(self) -> Saved:
        """Return the state and journal entries that the writer saved.

        Raises
        ------
        OSError
            If a file cannot be read; such an error may pass, so the file does not count as damaged.
        """
        state, since, damaged = None, 0, []
        checkpoints = self._numbers("checkpoint")
        for number in sorted(checkpoints, reverse=True):
            parts = _parts(self._path(number, "checkpoint"))
            if len(parts) == 1:
                state, since = parts[0], number
                break
            damaged.append(self._path(number, "checkpoint").name)
        # A journal is created before its checkpoint. Without any checkpoint of its number, even a damaged one, that
        # checkpoint was never saved, and no pane that its journal calls sealed was published.
        journals = [number for number in sorted(self._numbers("journal") & checkpoints) if number >= since]
        entries = [entry for number in journals for entry in _parts(self._path(number, "journal"))]
        return Saved(state, entries, damaged)

    def write_pane(self, number: int, pane: bytes) -> None:
        """Make a pane durable, its name with the next checkpoint that has an opening.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        path = self._path(number, "pane")
        remove(path)  # of a checkpoint that failed, or of one that a crash forgot
        write_synced(path, pane)

    def read_pane(self, number: int) -> bytes:
        """Return a pane.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        return self._path(number, "pane").read_bytes()

    def pane_numbers(self) -> list[int]:
        """Return the numbers of the panes here, in order."""
        return sorted(self._numbers("pane"))

    def delete_pane(self, number: int) -> None:
        """Remove a pane, if it exists."""
        remove(self._path(number, "pane"))

    def remove(self) -> None:
        """Remove all files, the lock last."""
        self._close_journal()
        latest = [self._path(self._number, kind) for kind in ("journal", "checkpoint")]
        try:
            older = [path for path in _files(self._folder, f"{self._stem}.") if path.suffix != ".lock"]
        except OSError:  # the next logger finds nothing to recover in them, and removes them
            self._lock.release()
            return
        # The latest checkpoint says that all rows are in panes: without it, the one before would count again. And a
        # crash must not leave a checkpoint without its lock.
        for paths in ([path for path in older if path not in latest], latest):
            for path in paths:
                remove(path)
            with suppress(OSError):
                sync_folder(self._folder)
        self._lock.remove()

    def leave(self) -> None:
        """Leave the files to the next logger of the data set."""
        self._close_journal()
        self._lock.release()

    def _close_journal(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _path(self, number: int, kind: str) -> Path:
        return self._folder / f"{self._stem}.{number}.{kind}"

    def _numbers(self, kind: str) -> set[int]:
        files = _files(self._folder, f"{self._stem}.")
        return {int(path.name.split(".")[2]) for path in files if _numbered(path, kind)}


def _files(folder: Path, prefix: str) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.name.startswith(prefix) and path.name.count(".") > 1]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _numbered(path: Path, kind: str) -> bool:
    parts = path.name.split(".")
    return len(parts) == 4 and parts[3] == kind and parts[2].isdecimal()


def _head(*pieces: bytes) -> bytes:
    """Return the length and checksum that precede a part made of these pieces."""
    return _PART.pack(sum(map(len, pieces)), reduce(lambda checksum, piece: zlib.crc32(piece, checksum), pieces, 0))


def _parts(path: Path) -> list[bytes]:
    """Return the parts of a file up to the first that is not whole."""
    try:
        data = memoryview(path.read_bytes())
    except FileNotFoundError:
        return []
    parts: list[bytes] = []
    at = len(_MAGIC)
    if bytes(data[:at]) != _MAGIC:
        return parts
    while len(data) - at >= _PART.size:
        length, checksum = _PART.unpack_from(data, at)
        at += _PART.size
        part = data[at : at + length]
        # No part is empty. A loss of power may leave zeros at the end of a file, which look like empty parts.
        if not 0 < length <= _MAX_PART_BYTES or len(part) < length or zlib.crc32(part) != checksum:
            break
        parts.append(bytes(part))
        at += length
    return parts
