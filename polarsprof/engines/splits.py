"""Files → splits of about 16 MiB: small files in groups, large ones in spans.

Only Parquet files are cut, into spans of rows. The splits depend only on the files, not on the executor.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

from polarsprof.errors import argument_error
from polarsprof.ingest.frames import PARQUET, FrameBatch, paths
from polarsprof.ingest.json_lines import row_batches
from polarsprof.ingest.pages import Footer
from polarsprof.ingest.parquet import parquet_frames

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from polarsprof.kernels.batch import RowBatch

_SPLIT_BYTES: Final = 16 << 20  # tenths of a second of work on one core, against milliseconds to send the result
_SPLIT_FILES: Final = 32  # opening a file costs some milliseconds
_EXPECTED: Final = "with an executor, a path or an iterable of paths"


@dataclass(frozen=True, slots=True)
class Split:
    """Whole files, or a span of rows of one file.

    Attributes
    ----------
    files
        Absolute paths, in order.
    span
        First row and number of rows; None for all rows.
    """

    files: tuple[str, ...]
    span: tuple[int, int] | None = None

    def batches(self) -> Iterator[RowBatch]:
        """The rows, in bounded batches."""
        if self.span is None:
            return row_batches(self.files)
        return map(FrameBatch, parquet_frames(Path(*self.files), self.span))


def splits_of(data: object) -> Iterator[Split]:
    """The splits of a path or shell pattern, or of an iterable of them, in order.

    Raises
    ------
    ArgumentError
        If the data is of another type, or a path matches no file.
    """
    group: list[str] = []
    group_bytes = 0
    for file in _files(data):
        file_bytes = _size_bytes(file)
        if group and (group_bytes + file_bytes > _SPLIT_BYTES or len(group) == _SPLIT_FILES):
            yield Split(tuple(group))
            group, group_bytes = [], 0
        if file_bytes > _SPLIT_BYTES and file.suffix.lower() == PARQUET:
            yield from _row_splits(file, file_bytes)
        else:
            group.append(str(file))
            group_bytes += file_bytes
    if group:
        yield Split(tuple(group))


def _files(data: object) -> Iterator[Path]:
    if isinstance(data, str | os.PathLike):
        return (path.absolute() for path in paths(data))
    if hasattr(data, "__iter__") and not isinstance(data, dict | bytes):
        return chain.from_iterable(map(_files_of_item, data))
    raise argument_error("data", data, _EXPECTED)


def _files_of_item(item: object) -> Iterator[Path]:
    if not isinstance(item, str | os.PathLike):
        raise argument_error("data", item, _EXPECTED)
    return _files(item)


def _size_bytes(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:  # reading the file raises the error
        return 0


def _row_splits(file: Path, file_bytes: int) -> Iterator[Split]:
    """Spans of whole row groups, because reading a part of one costs as much."""
    try:
        group_rows = Footer(file).group_rows
    except (ValueError, OSError):  # reading the file raises the error
        group_rows = []
    number = -(-file_bytes // _SPLIT_BYTES)
    min_rows = -(-sum(group_rows) // number)
    spans = list(_spans(group_rows, min_rows))
    yield from [Split((str(file),), span) for span in spans] or [Split((str(file),))]


def _spans(group_rows: Iterable[int], min_rows: int) -> Iterator[tuple[int, int]]:
    first = rows = 0
    for number in group_rows:
        rows += number
        if rows >= min_rows:
            yield first, rows
            first, rows = first + rows, 0
    if rows:
        yield first, rows
