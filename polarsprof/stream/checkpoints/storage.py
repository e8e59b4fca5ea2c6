"""What one writer must not lose, in a folder: checkpoints, a journal after each, and panes on their way.

The files of a writer share a stem, `<data set>.<writer>`:

| file | holds |
|---|---|
| `.lock` | nothing; the writer lives as long as it is locked |
| `.<n>.checkpoint` | the state of the writer, whole or absent |
| `.<n>.journal` | what came after checkpoint n, entry by entry; of a torn one what precedes the tear |
| `.<number>.pane` | a sealed pane that was not published, or not seen to be |

A checkpoint is durable before its predecessor is removed, and the last but one is kept: where a disk damages the latest
one, that one counts. Nothing in these files is trusted: every part has a length and a checksum.
"""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Final, Self

from polarsprof.errors import StoreError
from polarsprof.files.durable import Appender, Lock, make_folder, remove, sync_folder, write_synced, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAGIC: Final = b"polarsprof state 1\n"
_PART: Final = struct.Struct("<QI")  # length, checksum
_MOST_BYTES: Final = 1 << 32  # of one part
_ATTEMPTS: Final = 10
_OWNER_ONLY: Final = 0o700


@dataclass(frozen=True, slots=True)
class Saved:
    """What a writer left.

    Attributes
    ----------
    state
        The last good checkpoint; None where there is none.
    entries
        Those of the journals since, in order.
    damaged
        Names of files that could not be read; where the latest checkpoint is among them, an earlier one counts.
    """

    state: bytes | None
    entries: list[bytes]
    damaged: list[str]


class CheckpointStorage:
    """The files of one writer. Made by `of_writer` or `of_crashed_writers`, which take its lock.

    Attributes
    ----------
    writer_id
        Of the writer.
    journal_bytes
        How much was appended since the last checkpoint.
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
            lock.release()  # else nobody could take care of these files as long as this process lives
            raise

    @classmethod
    def of_writer(cls, folder: Path, dataset_slug: str, writer_id: str) -> Self:
        """The files of a new writer, which are none but its lock.

        Raises
        ------
        OSError
            Where the folder cannot be made or written.
        """
        make_folder(folder, _OWNER_ONLY)
        lock = Lock.acquire_retrying(folder / f"{dataset_slug}.{writer_id}.lock")
        if lock is None:
            msg = f"{folder}: the lock of writer {writer_id} cannot be taken"
            raise StoreError(msg)
        return cls(folder, dataset_slug, writer_id, lock)

    @classmethod
    def of_crashed_writers(cls, folder: Path, dataset_slug: str) -> Iterator[Self]:
        """The files of each writer of a data set that lives no more, as long as nobody else takes care of them.

        Raises
        ------
        OSError
            Where the folder cannot be read or written.
        """
        writers = {path.name.split(".")[1] for path in _files(folder, f"{dataset_slug}.")}
        for writer_id in sorted(writers):
            try:
                lock = Lock.try_acquire(folder / f"{dataset_slug}.{writer_id}.lock")
            except PermissionError:  # another user's, who takes care of it
                continue
            if lock is not None:
                yield cls(folder, dataset_slug, writer_id, lock)

    @staticmethod
    def states_of_all(folder: Path, dataset_slug: str) -> list[bytes]:
        """The last checkpoint of each writer of a data set, living ones included, whose files are left alone.

        Raises
        ------
        OSError
            Where the folder or a file cannot be read.
        """
        latest: dict[str, tuple[int, bytes]] = {}
        for _ in range(_ATTEMPTS):
            paths = [path for path in _files(folder, f"{dataset_slug}.") if _numbered(path, "checkpoint")]
            for path in paths:
                parts = _parts(path)
                if len(parts) == 1:
                    _, writer_id, number, _ = path.name.split(".")
                    latest[writer_id] = max(latest.get(writer_id, (0, b"")), (int(number), parts[0]))
            if all(path.exists() for path in paths):  # else whoever removed one has saved what it said elsewhere
                break
        return [state for _, state in latest.values()]

    @property
    def empty(self) -> bool:
        """Whether nothing was ever saved, not even by an attempt that failed at its last step."""
        return self._number == 0 and not self._attempted

    @property
    def gone(self) -> bool:
        """Whether somebody removed every file, so that none can count twice."""
        return not _files(self._folder, f"{self._stem}.")

    def save(self, state: bytes, opening: bytes = b"") -> None:
        """Make a state durable in place of the last one and of what was appended since.

        Parameters
        ----------
        state
            The state.
        opening
            The first entry of the new journal, which is for those who find the state damaged; empty for none.

        Raises
        ------
        OSError
            Where it cannot be written; then the last state and its journal hold.
        """
        number = self._number + 1
        self._close_journal()
        journal = self._path(number, "journal")
        remove(journal)  # of a checkpoint that failed
        opened = Appender(journal)  # made before the folder is synced, so that its name is durable too
        try:
            opened.append(_MAGIC)
            if opening:
                opened.append(_head(opening), opening)
                opened.sync()
                # The checkpoint closes windows whose panes were kept: its name must not be durable before theirs are.
                sync_folder(self._folder)
            self._attempted = True  # where an error comes after the file got its name, it counts all the same
            write_whole(self._path(number, "checkpoint"), _MAGIC, _head(state), state)
        except BaseException:
            opened.close()
            raise
        self._number, self._journal, self.journal_bytes = number, opened, 0
        for kind in ("checkpoint", "journal"):
            remove(self._path(number - 2, kind))

    def append(self, *parts: bytes) -> None:
        """Add an entry, which may be in parts, to the journal; durable after `sync`.

        Raises
        ------
        OSError
            Where it cannot be written, or something failed before: from then on only `save` helps.
        """
        if self._journal is None:
            msg = f"{self._folder}: there is no checkpoint to begin a journal after"
            raise StoreError(msg)
        head = _head(*parts)
        self._journal.append(head, *parts)
        self.journal_bytes += len(head) + sum(map(len, parts))

    def sync(self) -> None:
        """Wait until all that was appended is durable.

        Raises
        ------
        OSError
            Where it is not; from then on only `save` helps.
        """
        if self._journal is not None:
            self._journal.sync()
        elif not self.empty:
            msg = f"{self._folder}: the journal ended with a checkpoint that could not be saved"
            raise StoreError(msg)

    def load(self) -> Saved:
        """What the writer left.

        Raises
        ------
        OSError
            Where a file cannot be read; that may pass, so it is not taken for damaged.
        """
        state, since, damaged = None, 0, []
        checkpoints = self._numbers("checkpoint")
        for number in sorted(checkpoints, reverse=True):
            parts = _parts(self._path(number, "checkpoint"))
            if len(parts) == 1:
                state, since = parts[0], number
                break
            damaged.append(self._path(number, "checkpoint").name)
        # A journal is made before its checkpoint. Where there is none, not even a damaged one, that never came to be,
        # and what the journal says was sealed then is in no pane that anybody saw.
        journals = [number for number in sorted(self._numbers("journal") & checkpoints) if number >= since]
        entries = [entry for number in journals for entry in _parts(self._path(number, "journal"))]
        return Saved(state, entries, damaged)

    def keep(self, number: int, pane: bytes) -> None:
        """Make a pane durable; its name is before the next checkpoint that has an opening entry.

        Raises
        ------
        OSError
            Where it cannot be written.
        """
        path = self._path(number, "pane")
        remove(path)  # of a checkpoint that failed, or of one that a crash forgot
        write_synced(path, pane)

    def kept(self, number: int) -> bytes:
        """A pane that was kept.

        Raises
        ------
        OSError
            Where it cannot be read.
        """
        return self._path(number, "pane").read_bytes()

    def kept_numbers(self) -> list[int]:
        """The numbers of the panes that are kept, in order."""
        return sorted(self._numbers("pane"))

    def forget(self, number: int) -> None:
        """Remove a pane, if it is kept."""
        remove(self._path(number, "pane"))

    def remove(self) -> None:
        """Remove all files, the lock last."""
        self._close_journal()
        latest = [self._path(self._number, kind) for kind in ("journal", "checkpoint")]
        try:
            older = [path for path in _files(self._folder, f"{self._stem}.") if path.suffix != ".lock"]
        except OSError:  # the next logger finds that they say nothing, and removes them
            self._lock.release()
            return
        # The latest checkpoint says that all before is in panes: without it, the one before would count again. And a
        # crash must not bring a checkpoint back without its lock.
        for paths in ([path for path in older if path not in latest], latest):
            for path in paths:
                remove(path)
            with suppress(OSError):
                sync_folder(self._folder)
        self._lock.remove()

    def leave(self) -> None:
        """Leave the files to whoever comes next."""
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
    """What stands before a part that consists of these."""
    return _PART.pack(sum(map(len, pieces)), reduce(lambda checksum, piece: zlib.crc32(piece, checksum), pieces, 0))


def _parts(path: Path) -> list[bytes]:
    """The parts of a file up to the first one that is not whole."""
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
        # No part is empty; zeros, as a loss of power may leave them at the end of a file, would look like empty ones.
        if not 0 < length <= _MOST_BYTES or len(part) < length or zlib.crc32(part) != checksum:
            break
        parts.append(bytes(part))
        at += length
    return parts
