"""CSV files → frames in two passes of bounded memory: one finds the type that holds a whole column, one reads.

A column gets the narrowest of boolean, integer, float and text that holds every cell of the file, so that no cell
changes. A line that is no row of the table is rejected and keeps no other out. Imports errors alone.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import pyarrow as pa
from polars.exceptions import PolarsError
from pyarrow import csv

from polarsprof.errors import argument_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    Parser = Callable[[pl.Series], pl.Series]
    """Text → values, null where the text says none."""

# A frame of this one column holds rows that were rejected; its text is the reason.
REJECTED: Final = pl.Extension("polarsprof.rejected", pl.String)
WRONG_FIELDS: Final = "too few or too many fields"
NO_UTF8: Final = "no UTF-8"

# Some thirty blocks are in memory at a time, and no row may be longer than one; the large are for files of long rows.
_BLOCK_BYTES: Final = 4 << 20
_LARGE_BLOCK_BYTES: Final = 64 << 20


def csv_frames(path: Path) -> Iterator[pl.DataFrame]:
    """The rows of a CSV file with a header; rejected ones in frames of `REJECTED`.

    Raises
    ------
    ArgumentError
        For a file that is no CSV, or has a row of more than 64 MiB.
    """
    try:
        file = _File(path, _BLOCK_BYTES)
        try:
            parsers = _parsers(file)
        except pa.ArrowInvalid as error:
            if "straddling" not in str(error):  # a row longer than a block
                raise
            file = _File(path, _LARGE_BLOCK_BYTES)
            parsers = _parsers(file)
        for cells, rejected in file.blocks():
            yield pl.DataFrame([_parsed(held, series) for held, series in zip(parsers, cells, strict=True)])
            yield pl.DataFrame([pl.Series("", list(rejected.elements()), pl.String).ext.to(REJECTED)])
    except (pa.ArrowException, UnicodeError) as error:
        raise argument_error("path", str(path), "a CSV file in UTF-8 with a header", str(error)) from error


class _File:
    """A CSV file, to be read several times."""

    def __init__(self, path: Path, block_bytes: int) -> None:
        self._path = path
        self._block_bytes = block_bytes
        self._empty_lines = False
        self._names: list[str] = []
        self._names = self._header()
        if len(self._names) == 1:  # empty lines are nulls then
            self._empty_lines = True
            self._names = self._header()
        self.columns = _unique(self._names)

    def blocks(self) -> Iterator[tuple[pl.DataFrame, Counter[str]]]:
        """The cells of the readable rows as text, null where nothing stands, and reason → rows that were rejected."""
        wrong: Counter[str] = Counter()

        def skip(_: object) -> str:
            wrong[WRONG_FIELDS] += 1
            return "skip"

        for batch in self._reader(skip) if self._names else ():
            cells = pl.DataFrame(pa.RecordBatch.from_arrays(batch.columns, names=self.columns))
            readable = _decoded(cells)
            wrong[NO_UTF8] += cells.height - readable.height
            yield readable, wrong.copy()
            wrong.clear()
        yield pl.DataFrame(schema=dict.fromkeys(self.columns, pl.String)), wrong

    def _header(self) -> list[str]:
        """The names as they stand in the file; empty where it has no row."""
        try:
            return list(self._reader(lambda _: "skip").schema.names)
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):
                return []
            raise

    def _reader(self, on_wrong_fields: Callable[[Any], str]) -> Any:
        return csv.open_csv(
            self._path,
            read_options=csv.ReadOptions(block_size=self._block_bytes),
            parse_options=csv.ParseOptions(
                newlines_in_values=True,
                ignore_empty_lines=not self._empty_lines,
                invalid_row_handler=on_wrong_fields,
            ),
            convert_options=csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(self._names, pa.binary()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )


def _unique(names: Sequence[str]) -> list[str]:
    """The names, those that come again with a number, as Polars does it."""
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        unique.append(f"{name}_duplicated_{seen[name] - 1}" if seen[name] else name)
        seen[name] += 1
    return unique


def _decoded(cells: pl.DataFrame) -> pl.DataFrame:
    """The rows whose cells are all UTF-8, as text."""
    try:
        return cells.cast(pl.String)
    except PolarsError:
        clean = [all(map(_is_utf8, row)) for row in cells.iter_rows()]
        return cells.filter(pl.Series(clean, dtype=pl.Boolean)).cast(pl.String)


def _is_utf8(cell: bytes | None) -> bool:
    try:
        (cell or b"").decode()
    except UnicodeDecodeError:
        return False
    return True


def _as_boolean(cells: pl.Series) -> pl.Series:
    lower = cells.str.to_lowercase()
    return pl.select(pl.when(lower.is_in(["true", "false"])).then(lower == "true")).to_series()


# Booleans, then numbers, each holding what those before it hold.
_PARSERS: Final[Sequence[Parser]] = (
    _as_boolean,
    lambda cells: cells.cast(pl.Int64, strict=False),
    lambda cells: cells.cast(pl.Int128, strict=False),
    lambda cells: cells.cast(pl.Float64, strict=False),
)


def _parsers(file: _File) -> list[Sequence[Parser]]:
    """Column → the parsers that hold all of it, the narrowest first; none: it is text."""
    parsers: list[Sequence[Parser]] = [_PARSERS] * len(file.columns)
    for cells, _ in file.blocks():
        parsers = [_holding(held, series) for held, series in zip(parsers, cells, strict=True)]
    return parsers


def _holding(parsers: Sequence[Parser], cells: pl.Series) -> Sequence[Parser]:
    """Those of the parsers, narrowest first, that hold all the cells too."""
    if cells.null_count() == len(cells):
        return parsers
    first = next((i for i, parse in enumerate(parsers) if _holds(parse, cells)), len(parsers))
    return parsers[:1] if parsers[first : first + 1] == (_as_boolean,) else parsers[first:]


def _holds(parse: Parser, cells: pl.Series) -> bool:
    return parse(cells).null_count() == cells.null_count()


def _parsed(parsers: Sequence[Parser], cells: pl.Series) -> pl.Series:
    """The cells by the narrowest parser; as text where one of them changed since it was found to hold."""
    values = parsers[0](cells) if parsers else cells
    return (values if values.null_count() == cells.null_count() else cells).alias(cells.name)
