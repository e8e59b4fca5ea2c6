"""CSV files → frames, in two passes of bounded memory.

The first pass finds the type of each column, the second one reads the values. A column gets the narrowest of boolean,
integer, float and text that represents every cell of the file, so no cell changes. A line with a wrong number of fields
or invalid UTF-8 is rejected, and so is one with a quote that is never closed; other lines are kept.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections import Counter
from typing import TYPE_CHECKING, Final

import polars as pl
import pyarrow as pa
from polars.exceptions import PolarsError
from pyarrow import csv

from polarsprof.errors import file_error
from polarsprof.ingest.quotes import WithoutLines, unclosed_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    Parser = Callable[[pl.Series], pl.Series]
    """Text → values; null if the text represents no value of the type."""

# dtype of the only column of a frame of rejected rows; its text is the reason.
REJECTED: Final = pl.Extension("polarsprof.rejected", pl.String)
WRONG_FIELDS: Final = "too few or too many fields"
NO_UTF8: Final = "no UTF-8"
UNCLOSED: Final = "quote that is never closed"

# Some thirty blocks are in memory at a time, and a row must fit into one; large blocks are for files with long rows.
_BLOCK_BYTES: Final = 4 << 20
_LARGE_BLOCK_BYTES: Final = 64 << 20
_CHUNK_BYTES: Final = 1 << 20


def csv_frames(path: Path) -> Iterator[pl.DataFrame]:
    """The rows of a CSV file with a header.

    Rejected rows are in frames with one column of dtype `REJECTED`.

    Raises
    ------
    ArgumentError
        If the file is no CSV file, or has a row of more than 64 MiB.
    """
    try:
        file, parsers = _first_pass(path)
        for cells, rejected in file.blocks():
            yield pl.DataFrame([_parse(candidates, series) for candidates, series in zip(parsers, cells, strict=True)])
            yield pl.DataFrame([pl.Series("", list(rejected.elements()), pl.String).ext.to(REJECTED)])
    except (pa.ArrowException, UnicodeError) as error:
        raise file_error(path, "a CSV file in UTF-8 with a header", str(error)) from error


def _first_pass(path: Path) -> tuple[_File, list[Sequence[Parser]]]:
    """The file in the way in which it can be read, and the parsers of its columns."""
    block_bytes, unclosed = _BLOCK_BYTES, None
    encoding = "utf8" if _is_utf8_file(path) else "latin-1"  # pyarrow cannot skip a wrong line that is not UTF-8
    while True:
        try:
            file = _File(path, block_bytes, unclosed or (), encoding)
            parsers = _parsers(file)
            if unclosed is not None or not file.ends_in_lines:
                return file, parsers
            if not (unclosed := unclosed_lines(path)):
                return file, parsers
        except pa.ArrowInvalid as error:
            if "straddling" in str(error) and block_bytes < _LARGE_BLOCK_BYTES:  # a row longer than a block
                block_bytes = _LARGE_BLOCK_BYTES
            elif "straddling" in str(error) and unclosed is None and (unclosed := unclosed_lines(path)):
                block_bytes = _BLOCK_BYTES
            else:
                raise


def _is_utf8_file(path: Path) -> bool:
    decoder = getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


class _File:
    """A CSV file that is read several times.

    Attributes
    ----------
    columns
        Names of the columns.
    ends_in_lines
        Whether the last row spans lines, so that a quote in it can be unclosed.
    """

    def __init__(self, path: Path, block_bytes: int, unclosed: Sequence[tuple[int, int]], encoding: str) -> None:
        self._path = path
        self._block_bytes = block_bytes
        self._unclosed = unclosed
        self._encoding = encoding
        self.ends_in_lines = False
        self._empty_lines = False
        self._names: list[str] = []
        self._names = self._header()
        if len(self._names) == 1:  # then an empty line is a null
            self._empty_lines = True
            self._names = self._header()
        names = self._names
        if encoding == "latin-1":  # each byte is a character there
            names = [name.encode("latin-1").decode().removeprefix("\ufeff") for name in names]
        self.columns = _unique(names)

    def blocks(self) -> Iterator[tuple[pl.DataFrame, Counter[str]]]:
        """The cells of the readable rows as text, and the rejected rows by reason.

        An empty cell is null.
        """
        rejected: Counter[str] = Counter({UNCLOSED: len(self._unclosed)})

        def skip(row: csv.InvalidRow) -> str:
            rejected[WRONG_FIELDS] += 1
            self.ends_in_lines |= "\n" in row.text or "\r" in row.text
            return "skip"

        for batch in self._reader(skip) if self._names else ():
            cells = pl.DataFrame(pa.RecordBatch.from_arrays(batch.columns, names=self.columns))
            if self._encoding == "latin-1":
                cells = cells.select(pl.all().map_batches(_original_bytes, pl.Binary))
            self.ends_in_lines |= any(b"\n" in (cell or b"") or b"\r" in (cell or b"") for cell in cells[-1:].row(0))
            readable = _decode(cells)
            rejected[NO_UTF8] += cells.height - readable.height
            yield readable, rejected.copy()
            rejected.clear()
        yield pl.DataFrame(schema=dict.fromkeys(self.columns, pl.String)), rejected

    def _header(self) -> list[str]:
        """The names in the file; empty if it has no row."""
        try:
            return list(self._reader(lambda _: "skip").schema.names)
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):
                return []
            raise

    def _reader(self, on_wrong_fields: Callable[[csv.InvalidRow], str]) -> pa.RecordBatchReader:
        return csv.open_csv(
            WithoutLines(self._path, self._unclosed) if self._unclosed else self._path,
            read_options=csv.ReadOptions(block_size=self._block_bytes, encoding=self._encoding),
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
    """The names; a repeated one gets a number, as in Polars."""
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        unique.append(f"{name}_duplicated_{seen[name] - 1}" if seen[name] else name)
        seen[name] += 1
    return unique


def _decode(cells: pl.DataFrame) -> pl.DataFrame:
    """The rows whose cells are all UTF-8, as text."""
    try:
        return cells.cast(pl.String)
    except PolarsError:
        clean = [all(map(_is_utf8, row)) for row in cells.iter_rows()]
        return cells.filter(pl.Series(clean, dtype=pl.Boolean)).cast(pl.String)


def _original_bytes(cells: pl.Series) -> pl.Series:
    """The bytes of cells that were read as Latin-1."""
    return pl.Series([cell and cell.decode().encode("latin-1") for cell in cells], dtype=pl.Binary)


def _is_utf8(cell: bytes | None) -> bool:
    try:
        (cell or b"").decode()
    except UnicodeDecodeError:
        return False
    return True


def _as_boolean(cells: pl.Series) -> pl.Series:
    lower = cells.str.to_lowercase()
    return pl.select(pl.when(lower.is_in(["true", "false"])).then(lower == "true")).to_series()


# Booleans, then numbers; each type of numbers includes the one before it.
_PARSERS: Final[Sequence[Parser]] = (
    _as_boolean,
    lambda cells: cells.cast(pl.Int64, strict=False),
    lambda cells: cells.cast(pl.Int128, strict=False),
    lambda cells: cells.cast(pl.Float64, strict=False),
)


def _parsers(file: _File) -> list[Sequence[Parser]]:
    """The parsers that suit all cells of each column; empty for text.

    The narrowest parser is the first.
    """
    parsers: list[Sequence[Parser]] = [_PARSERS] * len(file.columns)
    for cells, _ in file.blocks():
        parsers = [_suitable(candidates, series) for candidates, series in zip(parsers, cells, strict=True)]
    return parsers


def _suitable(parsers: Sequence[Parser], cells: pl.Series) -> Sequence[Parser]:
    """The parsers, narrowest first, that also represent all of these cells."""
    if cells.null_count() == len(cells):
        return parsers
    first = next((i for i, parse in enumerate(parsers) if _suits(parse, cells)), len(parsers))
    return parsers[:1] if parsers[first : first + 1] == (_as_boolean,) else parsers[first:]


def _suits(parse: Parser, cells: pl.Series) -> bool:
    return parse(cells).null_count() == cells.null_count()


def _parse(parsers: Sequence[Parser], cells: pl.Series) -> pl.Series:
    """The values by the narrowest parser.

    Returns the text if a cell has changed since the first pass.
    """
    values = parsers[0](cells) if parsers else cells
    return (values if values.null_count() == cells.null_count() else cells).alias(cells.name)
