"""Files → portions that can be profiled apart, of up to some 16 MiB: small files together, large Parquet files cut.

What is a portion depends on the files alone, never on who works at it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq

from polarsprof.errors import argument_error
from polarsprof.ingest.frames import FrameBatch, paths, span_frames
from polarsprof.ingest.json_lines import row_batches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from polarsprof.kernels.batch import RowBatch

_BYTES: Final = 16 << 20  # some tenths of a second of work on one core, against milliseconds for what comes back
_FILES: Final = 32  # because a file has a price of its own, some milliseconds


@dataclass(frozen=True, slots=True)
class Split:
    """Whole files, or a span of the rows of one.

    Attributes
    ----------
    files
        Absolute paths, in order.
    span
        First row and number of rows; None for all.
    """

    files: tuple[str, ...]
    span: tuple[int, int] | None = None

    def batches(self) -> Iterator[RowBatch]:
        """The rows, in bounded batches."""
        if self.span is None:
            return row_batches(self.files)
        return map(FrameBatch, span_frames(Path(*self.files), *self.span))


def splits_of(data: object) -> Iterator[Split]:
    """The portions of a path or shell pattern, or of an iterable of such, in order.

    Raises
    ------
    ArgumentError
        For anything else, and for a path that matches nothing.
    """
    together: list[str] = []
    size_bytes = 0
    for file in _files(data):
        file_bytes = _size_bytes(file)
        if together and (size_bytes + file_bytes > _BYTES or len(together) == _FILES):
            yield Split(tuple(together))
            together, size_bytes = [], 0
        if file_bytes > _BYTES and file.suffix.lower() == ".parquet":
            yield from _cut(file, file_bytes)
        else:
            together.append(str(file))
            size_bytes += file_bytes
    if together:
        yield Split(tuple(together))


def _files(data: object) -> Iterator[Path]:
    if isinstance(data, str | os.PathLike):
        return (path.absolute() for path in paths(data))
    if hasattr(data, "__iter__") and not isinstance(data, dict | bytes):
        return chain.from_iterable(map(_files_of_part, data))
    raise argument_error("data", data, _EXPECTED)


def _files_of_part(part: object) -> Iterator[Path]:
    if not isinstance(part, str | os.PathLike):
        raise argument_error("data", part, _EXPECTED)
    return _files(part)


_EXPECTED: Final = "with an executor, a path or an iterable of paths"


def _size_bytes(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:  # whoever reads it says what is wrong
        return 0


def _cut(file: Path, file_bytes: int) -> Iterator[Split]:
    """Spans of whole row groups, since a part of one costs as much to read."""
    try:
        groups = _rows_of_groups(file)
    except (pa.ArrowException, OSError):  # whoever reads it says what is wrong
        groups = []
    wanted = -(-file_bytes // _BYTES)
    least_rows = -(-sum(groups) // wanted)
    spans = list(_spans(groups, least_rows))
    yield from [Split((str(file),), span) for span in spans] or [Split((str(file),))]


def _rows_of_groups(file: Path) -> list[int]:
    metadata = pq.read_metadata(file)
    return [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]


def _spans(groups: Iterable[int], least_rows: int) -> Iterator[tuple[int, int]]:
    first = rows = 0
    for more in groups:
        rows += more
        if rows >= least_rows:
            yield first, rows
            first, rows = first + rows, 0
    if rows:
        yield first, rows
