"""Anything tabular → Polars frames in bounded batches → typed columns.

Files and lazy frames stream through Polars' engine, foreign tables through the Arrow C stream, batch by batch; memory
does not grow with the rows. Frames in, `TypedColumns` out; imports nothing above the narrow waist.
"""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import pyarrow as pa

from polarsprof.batch import TypedColumns
from polarsprof.errors import argument_error
from polarsprof.eventtime import event_times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

BATCH_ROWS: Final = 262_144
MAX_DEPTH: Final = 32

# Files that are no tables: Polars' reader would make strings of mixed kinds. See `jsonlines`.
JSON_LINES: Final = (".ndjson", ".jsonl")

# Suffix of a file → how Polars scans it.
_SCANS: Final[Mapping[str, Callable[[Path], pl.LazyFrame]]] = {
    ".parquet": pl.scan_parquet,
    ".csv": lambda path: pl.scan_csv(path, infer_schema_length=None),
    ".arrow": pl.scan_ipc,
    ".feather": pl.scan_ipc,
    ".ipc": pl.scan_ipc,
}


class FrameBatch:
    """A frame of at most `BATCH_ROWS` rows, as the rows of a stream."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame
        self.rows = frame.height

    def times_us(self, path: str, unit: str | None) -> pl.Series:
        """Event times of the rows in microseconds, null where the column is missing or says none."""
        series = _series_at(self._frame, path)
        return pl.Series([None] * self.rows, dtype=pl.Int64) if series is None else event_times(series, unit)

    def columns(self, positions: NDArray[np.intp] | None = None) -> TypedColumns:
        """The typed columns of the rows at the given positions; of all rows by default."""
        return typed_columns(self._frame if positions is None else self._frame[positions])


def is_tabular(data: object) -> bool:
    """Whether `frames` takes the data, as against records."""
    return isinstance(data, pl.DataFrame | pl.LazyFrame | pl.Series | str | os.PathLike) or (
        hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__")
    )


def frames(data: Any) -> Iterator[pl.DataFrame]:
    """Cut tabular data into frames of at most `BATCH_ROWS` rows.

    Parameters
    ----------
    data
        A Polars frame, lazy frame or series; anything with an Arrow C stream (pyarrow, pandas, DuckDB, …); a path or
        shell pattern of Parquet, CSV and Arrow IPC files; or an iterable of any of these.

    Yields
    ------
    polars.DataFrame
        Frames in the order of the data; none for data without rows.

    Raises
    ------
    ArgumentError
        For anything else, for a path that matches nothing or whose suffix is unknown.
    """
    for frame in _frames(data):
        yield from frame.iter_slices(BATCH_ROWS) if frame.height > BATCH_ROWS else [frame] * bool(frame.height)


def typed_columns(frame: pl.DataFrame) -> TypedColumns:
    """The typed columns of a frame: structs flattened to dotted paths, lists to lengths and elements `name[]`."""
    columns = TypedColumns(frame.height)
    flat = {series.name: series for series in frame.get_columns()}
    for path, series in flat.items():
        _add(columns, path, series, flat, 0)
    return columns


def paths(pattern: str | os.PathLike[str]) -> list[Path]:
    """The files that a path or shell pattern names, sorted.

    Raises
    ------
    ArgumentError
        Where there is none.
    """
    text = os.fspath(pattern)
    found = [text] if Path(text).exists() else sorted(glob.glob(text, recursive=True))  # noqa: PTH207 - a pattern may be absolute
    files = [file for name in found for file in (sorted(Path(name).iterdir()) if Path(name).is_dir() else [Path(name)])]
    if not files:
        raise argument_error("path", text, "an existing file or a pattern that matches one")
    return files


def scan(path: Path) -> pl.LazyFrame:
    """The lazy frame over one file, chosen by its suffix."""
    suffix = path.suffix.lower()
    if suffix not in _SCANS:
        raise argument_error("path", os.fspath(path), f"a file that ends in one of {', '.join([*_SCANS, *JSON_LINES])}")
    return _SCANS[suffix](path)


def _frames(data: Any) -> Iterator[pl.DataFrame]:
    match data:
        case pl.DataFrame():
            yield data
        case pl.LazyFrame():
            yield from data.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True)
        case pl.Series():
            yield data.to_frame()
        case str() | os.PathLike():
            for path in paths(data):
                yield from _frames(scan(path))
        case _ if hasattr(data, "__arrow_c_stream__"):
            yield from _foreign_frames(data)
        case _ if hasattr(data, "__arrow_c_array__"):
            yield pl.DataFrame(data)
        case _ if hasattr(data, "__iter__") and not isinstance(data, dict | bytes):
            for part in data:
                yield from frames(part)
        case _:
            raise argument_error("data", data, "a frame, an Arrow stream, a path, or an iterable of these")


def _foreign_frames(data: Any) -> Iterator[pl.DataFrame]:
    try:
        reader = pa.RecordBatchReader.from_stream(data)
    except (pa.ArrowException, TypeError) as error:
        hint = f"Arrow says: {error}; records of mixed types go through log_records"
        raise argument_error("data", data, "a table whose columns have one type each", hint) from error
    for batch in reader:
        yield pl.DataFrame(batch)


def _series_at(frame: pl.DataFrame, path: str) -> pl.Series | None:
    """The column of a dotted path, through structs; a column of that very name comes first."""
    if path in frame.columns:
        return frame[path]
    head, dot, rest = path.partition(".")
    while dot:
        if head in frame.columns and isinstance(frame.schema[head], pl.Struct):
            return _series_at(frame[head].struct.unnest(), rest)
        more, dot, rest = rest.partition(".")
        head = f"{head}.{more}"
    return None


def _add(columns: TypedColumns, path: str, series: pl.Series, flat: Mapping[str, pl.Series], depth: int) -> None:
    dtype = series.dtype
    nested = dtype.is_nested()
    if dtype in (pl.Object, pl.Unknown) or (nested and depth >= MAX_DEPTH):
        count = len(series) - series.null_count()
        columns.objects.update({path: count} if count else {})
    elif isinstance(dtype, pl.Struct):
        _add_struct(columns, path, series, flat, depth)
    elif isinstance(dtype, pl.List | pl.Array):
        lists = series.drop_nulls() if isinstance(dtype, pl.List) else series.drop_nulls().arr.to_list()
        columns.lists.append((path, lists.list.len().cast(pl.Int64)))
        _add(columns, f"{path}[]", lists.explode(empty_as_null=False), {}, depth + 1)
    elif isinstance(dtype, pl.Extension):
        _add(columns, path, series.ext.storage(), flat, depth)
    elif nested:
        _add(columns, path, series.to_physical(), flat, depth + 1)
    else:
        columns.leaves.append((path, _without_duplicates(columns, path, series, flat)))


def _add_struct(columns: TypedColumns, path: str, series: pl.Series, flat: Mapping[str, pl.Series], depth: int) -> None:
    columns.structs[path] += len(series) - series.null_count()
    for field in series.struct.fields:
        _add(columns, f"{path}.{field}", series.struct.field(field), flat, depth + 1)


def _without_duplicates(
    columns: TypedColumns, path: str, series: pl.Series, flat: Mapping[str, pl.Series]
) -> pl.Series:
    """A nested field whose dotted path is also the name of a column gives way to it, row by row."""
    namesake: Iterable[Any] | None = flat.get(path)
    if namesake is None or namesake is series:
        return series
    taken = flat[path].is_not_null()
    twice = int((taken & series.is_not_null()).sum())
    if twice:
        columns.degraded["duplicate path"] += twice
    return series.filter(~taken)
