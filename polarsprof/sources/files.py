"""`FilesSource` and `TailSource`: files, each row counted exactly once.

A position is a byte of NDJSON or a row of a table. It belongs to a file, not to its name: an NDJSON file is identified
by its inode and first line. So a rotated file is read to its end under the new name, and a new file under the old name
from its beginning. Tables do not grow; they are identified by inode, size and time of the last change.
"""

from __future__ import annotations

import glob
import os
import re
import sys
import time
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Self

from polarsprof.ingest.frames import frames, paths
from polarsprof.ingest.json_lines import is_json_lines
from polarsprof.sources.iterables import first_lines
from polarsprof.sources.protocol import Batch, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import polars as pl

_CHUNK_BYTES: Final = 12 << 20
_LONGEST_LINE_BYTES: Final = 64 << 20
_FIRST_LINE_BYTES: Final = 64 << 10  # the part of the first line that identifies a file
_PAUSE_S: Final = 0.25
_ROTATED: Final = re.compile(r"[.-]\d[\d._T-]*")


class FilesSource(Source):
    """The rows of files: Parquet, CSV, Arrow IPC and NDJSON (.ndjson, .jsonl).

    A second run with the same data set reads new files, and new lines of NDJSON files. The source ends after the last
    file.

    Parameters
    ----------
    pattern
        A path, a folder or a shell pattern.

    Raises
    ------
    ArgumentError
        If no file matches.

    Attributes
    ----------
    read_before
        Number of files without new rows.
    """

    def __init__(self, pattern: str | os.PathLike[str]) -> None:
        self._paths = paths(pattern)
        self._batches: Iterator[Batch] = iter(())
        self._max_records = 0
        self.read_before = 0

    def seek(self, positions: Mapping[str, int]) -> Mapping[str, int]:
        """Start after the rows that the data set has."""
        self._batches = self._all(positions)
        return {}

    def poll(self, max_records: int, timeout_s: float) -> Batch | None:
        """The next rows of a file."""
        del timeout_s
        self._max_records = max_records
        batch = next(self._batches, None)
        self.ended = batch is None
        return batch

    def _all(self, positions: Mapping[str, int]) -> Iterator[Batch]:
        for path in self._paths:
            batches = self._batches_of_lines if is_json_lines(path) else self._batches_of_table
            has_rows = False
            for batch in batches(path, positions):
                has_rows = True
                yield batch
            self.read_before += not has_rows

    def _batches_of_lines(self, path: Path, positions: Mapping[str, int]) -> Iterator[Batch]:
        with _LinesFile(path, "file") as file:
            file.position = positions.get(file.name, 0)
            file.restart_if_truncated()
            while batch := file.batch(self._max_records, to_end=True):
                yield batch

    def _batches_of_table(self, path: Path, positions: Mapping[str, int]) -> Iterator[Batch]:
        status = path.stat()
        name = f"{_prefix('file', path)}#{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}"
        read, row = positions.get(name, 0), 0
        for frame in frames(path):
            start, row = row, row + frame.height
            for part in self._slices(frame.slice(max(0, read - start))):
                read = max(read, start) + part.height
                yield Batch(part, part.height, {name: read})

    def _slices(self, frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
        while frame.height:
            rows = self._max_records  # may change with the next `poll`
            yield frame.head(rows)
            frame = frame.slice(rows)


class TailSource(Source):
    """The lines of an NDJSON file that grows, from its first line, through rotation.

    A renamed file (`app.log` to `app.log.1`, or with a date) is read to its end before the new file, even if the
    rotation happened between two runs. A truncated file is read from its beginning; lines that were not read before
    the truncation are lost. A line is read once its line end is written.

    Parameters
    ----------
    path
        Path of the file; the file can appear later.
    settle_s
        Seconds without a change after which a renamed file is complete: programs keep writing to the file that they
        opened until they reopen it.
    """

    lag_unit = "bytes"

    def __init__(self, path: str | os.PathLike[str], *, settle_s: float = 1.0) -> None:
        self._path = Path(path).absolute()
        self._settle_s = settle_s
        self._file: _LinesFile | None = None
        self._rotated: list[Path] = []
        self._positions: dict[str, int] = {}
        self._at_end = False

    def seek(self, positions: Mapping[str, int]) -> Mapping[str, int]:
        """Start after the lines that the data set has, even if the file was renamed."""
        prefix = f"{_prefix('tail', self._path)}#"
        self._positions = {name: at for name, at in positions.items() if name.startswith(prefix)}
        if self._positions:
            self._rotated = self._unread_siblings(since_ns=None)
        if self._open_next() and self._file is not None and self._file.has_name:
            return {self._file.name: self._file.position}
        return {}

    def poll(self, max_records: int, timeout_s: float) -> Batch | None:
        """The next new lines."""
        if self._at_end:
            time.sleep(min(timeout_s, _PAUSE_S))
        while self._file is not None or self._open_next():
            assert self._file is not None  # noqa: S101 - tells mypy
            self._file.restart_if_truncated()
            over = self._is_over(self._file)
            if batch := self._file.batch(max_records, to_end=over):
                self._positions.update(batch.positions)
                self._at_end = self._file.unread() == 0
                return batch
            if not over:
                break
            self._leave_file(self._file)
        self._at_end = True
        return None

    def lag(self) -> int:
        """Number of unread bytes of the current file."""
        return 0 if self._file is None else self._file.unread()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _open_next(self) -> bool:
        path = self._rotated.pop(0) if self._rotated else self._path
        try:
            self._file = _LinesFile(path, "tail", named=self._path)
        except FileNotFoundError:
            return False
        self._file.position = self._positions.get(self._file.name, 0)
        return True

    def _is_over(self, file: _LinesFile) -> bool:
        """Returns whether the file was renamed and has not changed for `settle_s`."""
        try:
            inode = self._path.stat().st_ino
        except FileNotFoundError:
            return False
        return inode != file.inode and time.time() - file.changed_ns() / 1e9 >= self._settle_s

    def _leave_file(self, file: _LinesFile) -> None:
        changed_ns = file.changed_ns()
        file.close()
        self._file = None
        if not self._rotated:
            self._rotated = self._unread_siblings(changed_ns)

    def _unread_siblings(self, since_ns: int | None) -> list[Path]:
        """Rotated files with unread lines, oldest first: known or newer than `since_ns`."""
        candidates: list[tuple[int, Path, bool, int]] = []
        for path in self._path.parent.glob(f"{glob.escape(self._path.name)}*"):
            if not _ROTATED.fullmatch(path.name.removeprefix(self._path.name)):
                continue
            with suppress(OSError), _LinesFile(path, "tail", named=self._path) as file:
                file.position = self._positions.get(file.name, 0)
                candidates.append((file.changed_ns(), path, file.name in self._positions, file.unread()))
        if since_ns is None:
            since_ns = max((changed_ns for changed_ns, _, known, _ in candidates if known), default=sys.maxsize)
        return [
            path
            for changed_ns, path, known, unread in sorted(candidates)
            if unread and (known or changed_ns > since_ns)
        ]


class _LinesFile:
    """An NDJSON file, read from a position in bytes.

    Attributes
    ----------
    name
        The partition that the position belongs to.
    has_name
        True once the first line is complete, so that the name is final.
    """

    def __init__(self, path: Path, kind: str, named: Path | None = None) -> None:
        self._prefix = _prefix(kind, named or path)
        self._handle: BinaryIO = path.open("rb", buffering=0)
        self.inode = os.fstat(self._handle.fileno()).st_ino
        self.position = 0
        self.has_name = False
        self.name = self._name()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def batch(self, max_lines: int, *, to_end: bool) -> Batch | None:
        """The next lines, None if none; a line without its end only with `to_end`."""
        data, lines = self._lines(max_lines, to_end=to_end)
        if not data:
            return None
        if not self.position:  # the name is final only with the first line
            self.name = self._name()
        name, start = self.name, self.position
        self.position = start + len(data)
        return Batch(data, lines, {name: self.position}, lambda at: (name, start + at))

    def unread(self) -> int:
        """Number of bytes after the position."""
        return max(0, os.fstat(self._handle.fileno()).st_size - self.position)

    def changed_ns(self) -> int:
        """Time of the last change, in nanoseconds since the Unix epoch."""
        return os.fstat(self._handle.fileno()).st_mtime_ns

    def restart_if_truncated(self) -> None:
        """Go back to the start if the file is shorter or has another first line."""
        size = os.fstat(self._handle.fileno()).st_size
        if self.position and (size < self.position or self._name() != self.name):
            self.position = 0

    def close(self) -> None:
        self._handle.close()

    def _lines(self, max_lines: int, *, to_end: bool) -> tuple[bytes, int]:
        self._handle.seek(self.position)
        data = bytearray()
        while chunk := self._handle.read(_CHUNK_BYTES):
            data += chunk
            if len(data) >= _CHUNK_BYTES and (b"\n" in chunk or len(data) > _LONGEST_LINE_BYTES):
                break
        return first_lines(data, max_lines, at_end=to_end and not chunk)

    def _name(self) -> str:
        self._handle.seek(0)
        line, end, _ = (self._handle.read(_FIRST_LINE_BYTES) or b"").partition(b"\n")
        self.has_name = bool(end) or len(line) == _FIRST_LINE_BYTES
        return f"{self._prefix}#{self.inode:x}-{zlib.crc32(line):08x}"


def _prefix(kind: str, path: Path) -> str:
    return f"{kind}:{path.absolute()}"
