"""Parquet files → frames, read by Polars if that is safe and by pyarrow otherwise.

Polars reads most files two times as fast. But it panics on some types, aborts the process on some damaged pages, and
can lose the rows after a damaged one. So pyarrow reads the footer first, the page headers are checked, and the number
of rows is compared with the rows of the row groups.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from polars.exceptions import PanicException, PolarsError

from polarsprof.errors import file_error
from polarsprof.ingest import arrow
from polarsprof.ingest.ipc import file_errors
from polarsprof.ingest.pages import Footer
from polarsprof.ingest.queries import BATCH_ROWS, query_batches

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_EXPECTED: Final = "a Parquet file"
_BUFFER_BYTES: Final = 1 << 20  # without a buffer, pyarrow holds whole columns of a row group
# Rows of a file that Polars can read ahead. Without a bound, 4 million rows took 100 MiB more and the same time.
_SPAN_ROWS: Final = 2 * BATCH_ROWS


def parquet_frames(path: Path, span: tuple[int, int] | None = None) -> Iterator[pl.DataFrame]:
    """The frames of a Parquet file.

    Parameters
    ----------
    path
        Path of the file.
    span
        First row and number of rows; default all rows.

    Raises
    ------
    ArgumentError
        If the file is damaged, or has other rows than its row groups state.
    """
    with file_errors(path, _EXPECTED), ExitStack() as stack:
        file: pq.ParquetFile | None = None
        with suppress(pa.ArrowNotImplementedError):  # integers of 128 bits, which only Polars reads
            file = stack.enter_context(pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER_BYTES))
        table = _Table(path, file)
        yield from table.frames(*(span or (0, table.rows)))


class _Table:
    """A Parquet file whose footer pyarrow has read.

    Attributes
    ----------
    rows
        Sum of the rows of the row groups; the number of rows in the footer can differ.
    """

    def __init__(self, path: Path, file: pq.ParquetFile | None) -> None:
        self._path = path
        self._file = file
        self._footer = Footer(path)
        self._ends = list(accumulate(self._footer.group_rows))
        self.rows = sum(self._footer.group_rows)

    def frames(self, first: int, rows: int) -> Iterator[pl.DataFrame]:
        """The frames of `rows` rows from row number `first` on."""
        end = first + rows
        if end > self.rows:
            raise self._error(f"rows {first:,} to {end:,} are wanted of {self.rows:,}")
        if self._is_safe_for_polars(first, end):
            while first < end:
                start = first
                for frame in self._polars_frames(first, min(_SPAN_ROWS, end - first)):
                    first += frame.height
                    yield frame
                if first == start:
                    break
        yield from self._arrow_frames(first, end)

    def _is_safe_for_polars(self, first: int, end: int) -> bool:
        footer = self._footer
        if footer.has_intervals or footer.rows != self.rows:
            return False
        if self._file is not None and not arrow.is_readable(self._file.schema_arrow):
            return False
        return footer.has_regular_pages(self._groups(first, end))

    def _groups(self, first: int, end: int) -> list[int]:
        """The row groups that have some of the rows."""
        spans = zip(self._ends, self._footer.group_rows, strict=True)
        return [group for group, (last, rows) in enumerate(spans) if last - rows < end and last > first]

    def _polars_frames(self, first: int, rows: int) -> Iterator[pl.DataFrame]:
        """The frames of a span, by Polars; none if Polars cannot read it."""
        came = 0
        try:
            for frame in query_batches(pl.scan_parquet(self._path, glob=False).slice(first, rows)):
                came += frame.height
                if frame.height:
                    yield frame
        except (PolarsError, PanicException) as error:
            if came:
                raise self._error(f"Polars says: {error}") from error
            return
        if came not in {0, rows}:
            raise self._error(f"{came:,} of {rows:,} rows came from row {first:,} on")

    def _arrow_frames(self, first: int, end: int) -> Iterator[pl.DataFrame]:
        """The frames of the rows by pyarrow; none if there are none."""
        came = 0
        for batch in self._arrow_batches(first, end):
            came += batch.num_rows
            yield arrow.frame_of(batch)
        if came != end - first:
            raise self._error(f"{came:,} of {end - first:,} rows came from row {first:,} on")

    def _arrow_batches(self, first: int, end: int) -> Iterator[pa.RecordBatch]:
        groups = self._groups(first, end)
        if self._file is None:
            if groups:
                raise self._error("neither Polars nor pyarrow reads it")
            return
        start = self._ends[groups[0]] - self._footer.group_rows[groups[0]] if groups else 0
        for batch in self._file.iter_batches(BATCH_ROWS, row_groups=groups):
            batch.validate(full=True)
            rows = batch.slice(max(0, first - start), max(0, end - max(start, first)))
            start += batch.num_rows
            if rows.num_rows:
                yield rows

    def _error(self, hint: str) -> Exception:
        return file_error(self._path, _EXPECTED, hint)
