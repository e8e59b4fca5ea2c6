"""Anything tabular → Polars frames in bounded batches → typed columns.

Files and lazy frames stream through Polars' engine, foreign tables through the Arrow C stream, batch by batch; memory
does not grow with the rows. Frames in, `TypedColumns` out.
"""

from __future__ import annotations

import glob
import os
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypeGuard

import polars as pl
from polars.exceptions import PanicException, PolarsError

from polarsprof.errors import DataWarning, argument_error, file_error
from polarsprof.ingest import arrow, ipc
from polarsprof.ingest.csv import REJECTED, csv_frames
from polarsprof.ingest.parquet import parquet_frames
from polarsprof.ingest.queries import BATCH_ROWS, query_batches
from polarsprof.kernels.batch import TypedColumns
from polarsprof.windowing.event_time import event_times

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

MAX_DEPTH: Final = 32

# Not read by Polars' reader, which turns values of mixed kinds into strings; see `json_lines`.
JSON_LINES: Final = (".ndjson", ".jsonl")

PARQUET: Final = ".parquet"
_SHOWN_NAMES: Final = 10
SUFFIXES: Final = (PARQUET, *ipc.SUFFIXES, ".csv", *JSON_LINES)


class FrameBatch:
    """A frame of at most `BATCH_ROWS` rows, as the rows of a stream."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame
        self.rows = frame.height

    def times_us(self, path: str, unit: str | None) -> pl.Series:
        """Event times of the rows in microseconds.

        Null if the column is missing or holds no time.
        """
        series = _series_at(self._frame, path)
        return pl.Series([None] * self.rows, dtype=pl.Int64) if series is None else event_times(series, unit)

    def columns(self, positions: NDArray[np.intp] | None = None) -> TypedColumns:
        """The typed columns of the rows at the given positions; of all rows by default."""
        return typed_columns(self._frame if positions is None else self._frame[positions])


def is_tabular(data: object) -> bool:
    """Whether the data is a table for `frames`, not an iterable of records."""
    known = isinstance(data, pl.DataFrame | pl.LazyFrame | pl.Series | str | os.PathLike)
    return known or arrow.has_batches(data) or _is_lazy_narwhals(data)


class _NarwhalsFrame(Protocol):
    def to_native(self) -> object: ...


def _is_lazy_narwhals(data: object) -> TypeGuard[_NarwhalsFrame]:
    """Whether the data is a frame of narwhals.

    Most frames of narwhals have an Arrow stream and are accepted by it.
    """
    return type(data).__module__.partition(".")[0] == "narwhals" and hasattr(data, "to_native")


def frames(data: object) -> Iterator[pl.DataFrame]:
    """Cut tabular data into frames of at most `BATCH_ROWS` rows.

    Parameters
    ----------
    data
        A Polars frame, lazy frame or series; anything with an Arrow C stream (pyarrow, pandas, DuckDB, narwhals, …); a
        cursor of ADBC; a file or data set of pyarrow; a path or shell pattern of Parquet, CSV and Arrow IPC files or
        streams; or an iterable of any of these.

    Yields
    ------
    polars.DataFrame
        Frames in the order of the data, including frames of rejected rows; none if the data has no rows.

    Raises
    ------
    ArgumentError
        If the data is none of these, or a path matches no file or has an unknown suffix.
    """
    for frame in _frames(data):
        yield from frame.iter_slices(BATCH_ROWS) if frame.height > BATCH_ROWS else [frame] * bool(frame.height)


def typed_columns(frame: pl.DataFrame) -> TypedColumns:
    """The typed columns of a frame.

    Structs become columns with dotted paths, lists become lengths and elements `name[]`.
    """
    if frame.dtypes == [REJECTED]:
        return TypedColumns(0, rejected=Counter(frame.to_series().ext.storage()))
    columns = TypedColumns(frame.height)
    _RowSpace(columns).add([(series.name, series) for series in frame.get_columns()], 0)
    return columns


def paths(pattern: str | os.PathLike[str]) -> list[Path]:
    """The files that match a path or shell pattern, sorted.

    A folder stands for its files with a known suffix.

    Raises
    ------
    ArgumentError
        If no file matches.
    """
    text = os.fspath(pattern)
    names = [text] if Path(text).exists() else sorted(glob.glob(text, recursive=True))  # noqa: PTH207 - a pattern may be absolute
    files = [file for name in names for file in (_files_of(Path(name)) if Path(name).is_dir() else [Path(name)])]
    if not files:
        raise argument_error("path", text, "an existing file or a pattern that matches one")
    return files


def _files_of(folder: Path) -> list[Path]:
    """The files of a folder with a known suffix.

    Other entries are listed in a warning, unless they are hidden.
    """
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith((".", "_")))
    known = [entry for entry in entries if entry.suffix.lower() in SUFFIXES and entry.is_file()]
    others = [entry.name for entry in entries if entry not in known]
    if known and others:
        text = f"{folder}: left out {len(others)} entries that are no {', '.join(SUFFIXES)} files"
        warnings.warn(f"{text}: {', '.join(others[:_SHOWN_NAMES])}", DataWarning, stacklevel=2)
    if not known:
        raise argument_error(
            "path", os.fspath(folder), f"a folder with a file that ends in one of {', '.join(SUFFIXES)}"
        )
    return known


def _frames(data: object) -> Iterator[pl.DataFrame]:
    match data:
        case pl.DataFrame():
            yield data
        case pl.LazyFrame():
            yield from _lazy_frames(data)
        case pl.Series():
            yield data.to_frame()
        case str() | os.PathLike():
            for path in paths(data):
                yield from _file_frames(path)
        case _ if arrow.has_batches(data):
            yield from _foreign_frames(arrow.batches(data))
        case _ if _is_lazy_narwhals(data):
            yield from _frames(data.to_native())
        case _ if hasattr(data, "__iter__") and not isinstance(data, dict | bytes):
            for part in data:
                yield from frames(part)
        case _:
            raise argument_error("data", data, "a frame, an Arrow stream, a path, or an iterable of these")


def _file_frames(path: Path) -> Iterator[pl.DataFrame]:
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return csv_frames(path)
    if suffix in ipc.SUFFIXES and ipc.is_of_polars(path):
        return _polars_ipc_frames(path)
    if suffix in ipc.SUFFIXES:
        return _foreign_frames(ipc.ipc_batches(path))
    if suffix == PARQUET:
        return parquet_frames(path)
    raise argument_error("path", os.fspath(path), f"a file that ends in one of {', '.join(SUFFIXES)}")


def _polars_ipc_frames(path: Path) -> Iterator[pl.DataFrame]:
    try:
        yield from query_batches(pl.scan_ipc(path, glob=False))
    except (PolarsError, PanicException) as error:
        raise file_error(path, "an Arrow IPC file", f"Polars says: {error}") from error


def _lazy_frames(query: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """The batches of a lazy frame; a panic of Polars is an `ArgumentError`."""
    try:
        yield from query_batches(query)
    except PanicException as error:
        raise argument_error("data", query, "a lazy frame that Polars can collect", f"Polars says: {error}") from error


def _foreign_frames(batches: Iterable[pa.RecordBatch]) -> Iterator[pl.DataFrame]:
    for batch in batches:
        for offset in range(0, batch.num_rows, BATCH_ROWS):
            yield arrow.frame_of(batch.slice(offset, BATCH_ROWS))


def _series_at(frame: pl.DataFrame, path: str) -> pl.Series | None:
    """The column of a dotted path through structs; None if missing.

    A column with that exact name has precedence.
    """
    if path in frame.columns:
        return frame[path]
    head, dot, rest = path.partition(".")
    while dot:
        if head in frame.columns and isinstance(frame.schema[head], pl.Struct):
            return _series_at(frame[head].struct.unnest(), rest)
        more, dot, rest = rest.partition(".")
        head = f"{head}.{more}"
    return None


class _RowSpace:
    """The columns of one row space: the rows of a frame, or the elements of a list.

    A path can repeat in a row, for example as a column `a.b` and as a field `b` of a column `a`. Then the value with
    fewer levels stays; with equal levels, the first one. A null yields, because in a frame it equals an absent key.
    """

    def __init__(self, columns: TypedColumns) -> None:
        self._columns = columns
        self._by_path: dict[str, list[pl.Series]] = {}

    def add(self, level: list[tuple[str, pl.Series]], depth: int) -> None:
        """Add the series and everything nested in them, level by level."""
        while level:
            unique = [(path, self._claim(path, series)) for path, series in level]
            level = [inner for path, series in unique for inner in self._add_series(path, series, depth)]
            depth += 1

    def _claim(self, path: str, series: pl.Series) -> pl.Series:
        """Register the series at its path; null in rows that have a value there."""
        series = self._without_duplicates(path, series)
        self._by_path.setdefault(path, []).append(series)
        return series

    def _without_duplicates(self, path: str, series: pl.Series) -> pl.Series:
        """The series, null in rows that have a value at its path."""
        for earlier in self._by_path.get(path, ()):
            free = earlier.is_null()
            twice = int((~free & series.is_not_null()).sum())
            if twice:
                self._columns.degraded["duplicate path"] += twice
                series = pl.select(pl.when(free).then(series)).to_series()
        return series

    def _add_series(self, path: str, series: pl.Series, depth: int) -> list[tuple[str, pl.Series]]:
        """Add a series; returns the fields of a struct, which belong a level below."""
        dtype = series.dtype
        if isinstance(dtype, pl.Extension):
            return self._add_series(path, series.ext.storage(), depth)
        nested = dtype.is_nested()
        if dtype in (pl.Object, pl.Unknown) or (nested and depth >= MAX_DEPTH):
            count = len(series) - series.null_count()
            self._columns.objects.update({path: count} if count else {})
        elif isinstance(dtype, pl.Struct):
            self._columns.structs[path] += len(series) - series.null_count()
            return [(f"{path}.{field}", series.struct.field(field)) for field in series.struct.fields]
        elif isinstance(dtype, pl.List | pl.Array):
            self._add_lists(path, self._without_duplicates(f"{path}[]", series), depth)
        elif nested:
            return self._add_series(path, series.to_physical(), depth + 1)
        else:
            self._columns.leaves.append((path, series))
        return []

    def _add_lists(self, path: str, series: pl.Series, depth: int) -> None:
        lists = series.drop_nulls() if isinstance(series.dtype, pl.List) else series.drop_nulls().arr.to_list()
        self._columns.lists.append((path, lists.list.len().cast(pl.Int64)))
        _RowSpace(self._columns).add([(f"{path}[]", lists.explode(empty_as_null=False))], depth + 1)
