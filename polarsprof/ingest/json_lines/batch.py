"""`LineBatch`: lines that were read in columns, as the rows of a stream."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from polarsprof.ingest.frames import FrameBatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from polarsprof.kernels.batch import TypedColumns

_INT64_END: Final = 2.0**63


@dataclass(frozen=True, slots=True)
class ColumnarLines:
    """Lines, and their frame with a row per line that is not blank."""

    frame: pl.DataFrame
    lines: bytes


class LineBatch:
    """The rows of lines that were read in columns of the same names and dtypes."""

    def __init__(self, parts: list[ColumnarLines]) -> None:
        self._batch = FrameBatch(pl.concat([part.frame for part in parts]))
        self._lines = [part.lines for part in parts]
        self.rows = self._batch.rows

    def times_us(self, path: str, unit: str | None) -> pl.Series:
        """Event times of the rows in microseconds.

        Null if the column is missing or holds no time.
        """
        return self._batch.times_us(path, unit)

    def columns(self, positions: NDArray[np.intp] | None = None) -> TypedColumns:
        """The typed columns of the rows at the given positions; of all rows by default."""
        columns = self._batch.columns(positions)
        if positions is not None:
            self._drop_absent(columns, positions)
        columns.leaves = [leaf for path, series in columns.leaves for leaf in _by_value(path, series)]
        return columns

    def _drop_absent(self, columns: TypedColumns, positions: NDArray[np.intp]) -> None:
        """Drop columns whose key is only in other rows.

        A key whose values are all null is a column all the same.
        """
        series = [*columns.leaves, *columns.lists]
        filled = {path for path, values in series if values.null_count() < len(values)}
        filled.update(path for path, count in columns.structs.items() if count)
        empty = {path for path, _ in series} | columns.structs.keys()
        absent = empty - filled - self._paths_with_nulls(empty - filled, positions)
        columns.leaves = [(path, values) for path, values in columns.leaves if path not in absent]
        columns.lists = [(path, lengths) for path, lengths in columns.lists if path not in absent]
        columns.structs = Counter({path: count for path, count in columns.structs.items() if path not in absent})

    def _paths_with_nulls(self, candidates: set[str], positions: NDArray[np.intp]) -> set[str]:
        """The candidates with an explicit null in one of the rows."""
        paths: set[str] = set()
        if candidates and any(b"null" in lines for lines in self._lines):
            rows = [line for lines in self._lines for line in lines.split(b"\n") if line.strip(b" \t\r")]
            for line in map(rows.__getitem__, positions.tolist()):
                if b"null" in line and not candidates <= paths:
                    paths.update(_nulls(json.loads(line), ""))
        return candidates & paths


def _nulls(value: object, path: str) -> Iterator[str]:
    """The paths of the nulls in a decoded line."""
    if value is None:
        yield path
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _nulls(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for element in value:
            yield from _nulls(element, f"{path}[]")


def _by_value(path: str, values: pl.Series) -> Iterator[tuple[str, pl.Series]]:
    """Doubles as `records.json_lines` decodes them: integers, and the rest.

    A double becomes an integer if it is integral and within int64.
    """
    if values.dtype == pl.Float64:
        integral = ((values == values.floor()) & (values >= -_INT64_END) & (values < _INT64_END)).fill_null(value=False)
        if integral.any():
            yield path, values.filter(integral).cast(pl.Int64)
            values = values.filter(~integral).drop_nulls()
            if not len(values):
                return
    yield path, values
