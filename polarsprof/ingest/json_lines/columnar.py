"""A block of JSON lines → a frame, or a refusal.

A frame has exactly the values of decoding line by line. Polars reads lines without nesting whose columns are known from
earlier blocks (`flat`). pyarrow reads all others, about 2 µs for a line of ten fields on one core. pyarrow is strict:
mixed kinds in a column, repeated keys, lone surrogates and broken lines are errors. Polars' reader turns mixed kinds
into strings, takes the first of repeated keys, and turns surrogates into NUL. The checks of this module cover the cases
in which pyarrow is not strict; in doubt they refuse a block. A check can refuse a good block, such as one with text
that only looks like trouble; that costs only time.

A block is one block to pyarrow too, because pyarrow converts between its own blocks silently: 1 and "2" become 1 and 2.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.json
from polars.exceptions import PanicException

from polarsprof.ingest.frames import typed_columns
from polarsprof.ingest.json_lines.flat import FlatReader
from polarsprof.ingest.json_lines.limits import BLOCK_BYTES
from polarsprof.ingest.json_lines.spans import line_spans

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from polarsprof.ingest.json_lines.spans import MapFunction

# Bounds of a line: far below the 10 million nested values, with 32 per container, at which a record is rejected.
_MAX_LINE_BYTES: Final = 8 << 20
_MAX_CONTAINERS: Final = 100_000
_MAX_OPEN: Final = 200  # levels of brackets; pyarrow kills the process somewhere above 10,000
_MAX_LEVELS: Final = 31  # a record with more than 32 levels is rejected
_MAX_PATHS: Final = 1_000
_MAX_READINGS: Final = 5

_EXACT_INTEGERS: Final = 2.0**53
_SIXTEEN_DIGITS: Final = 10**15
_BLANK: Final = b" \t\r"
_ROW: Final = re.compile(r" in row (\d+)")
_TEXT: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NULL_ELEMENT: Final = re.compile(rb"[\[,]\s*null")
_LONG_INTEGER: Final = re.compile(rb"(?<=[:\[,\s])-?[0-9]{16,}(?=[\s,}\]])")
_FOREIGN_NUMBER: Final = re.compile(rb"[:\[,\s](?:-?Inf(?!inity)|-NaN)")  # pyarrow knows them, the json module does not


class RefusedError(Exception):
    """The block must not be read in columns.

    Attributes
    ----------
    at
        A position in the line that caused it; None if unknown.
    """

    def __init__(self, at: int | None = None) -> None:
        super().__init__(at)
        self.at = at


class ColumnarReader:
    """Reads blocks in columns; thread-safe.

    The reader learns which columns hold text that looks like timestamps. The learned columns change the number of
    readings that a block takes, and no frame; threads may lose updates of each other.
    """

    def __init__(self) -> None:
        self._texts: Mapping[str, pa.DataType] = {}  # replaced, never changed
        self._flat = FlatReader()

    def flat_frame(self, lines: bytes, map_function: MapFunction) -> pl.DataFrame | None:
        """The frame of many lines at once, or None.

        None if the lines are nested, their columns are unknown, or a check fails.

        Parameters
        ----------
        lines
            Lines of any number of bytes.
        map_function
            A function like `map`, possibly on several threads.
        """
        try:
            _check_start(lines)
            _check_encoding(lines)
            frame = self._flat.frame(lines, map_function)
            return None if frame is None or _large_numbers(frame) else frame
        except (Exception, PanicException):  # noqa: BLE001 - blocks and lines are tried next
            return None

    def frame(self, lines: bytes) -> pl.DataFrame:
        """The lines as a frame, one row per line that is not blank.

        Parameters
        ----------
        lines
            Lines without blanks at the start and the end.

        Raises
        ------
        RefusedError
            If the frame could differ from the result of `records.decode_json`.
        """
        try:
            return self._frame(lines)
        except RefusedError:
            raise
        except (Exception, PanicException) as error:
            raise RefusedError from error

    def _frame(self, lines: bytes) -> pl.DataFrame:
        _check_start(lines)
        _check_encoding(lines)
        frame = self._flat.frame(lines)
        if frame is None:
            frame = self._frame_by_pyarrow(lines)
            self._flat.learn(frame)
        _check_numbers(frame, lines)
        return frame

    def _frame_by_pyarrow(self, lines: bytes) -> pl.DataFrame:
        ends = _line_ends(lines)
        _check_containers(lines, ends)
        table = self._table(lines)
        _check_one_per_line(lines, ends, table.num_rows)
        _check_names(table.schema, depth=0)
        return _frame_of(table)

    def _table(self, lines: bytes) -> pa.Table:
        """The table that pyarrow reads, with all text as text.

        pyarrow turns text that looks like a timestamp into one, unless its column is declared as text. It returns a
        declared column even if no line has it. So this can take several readings, most often one.
        """
        texts = learned = before = self._texts
        for _ in range(_MAX_READINGS):
            try:
                table = _table(lines, texts)
            except pa.ArrowException as error:
                if not texts:
                    raise RefusedError(_start_of_row(lines, str(error))) from error
                texts = learned = {}  # a declared column may have another kind now
                continue
            _check_lists(table.schema, lines)  # before any access: shifted values may be beyond the end
            stamps = {column.name: text for column in table.schema if (text := _timestamps_as_text(column.type))}
            empty = [name for name, text in texts.items() if _has_empty_text(table[name].combine_chunks(), text)]
            if stamps:
                texts, learned = {**texts, **stamps}, {**learned, **stamps}
            elif any(_may_be_key(name, lines) for name in empty):
                texts = {name: text for name, text in texts.items() if name not in empty}
            else:
                self._texts = self._texts if learned is before else learned
                return table.drop_columns(empty)
        raise RefusedError


def _table(lines: bytes, texts: Mapping[str, pa.DataType]) -> pa.Table:
    return pyarrow.json.read_json(
        pa.BufferReader(lines),
        read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(lines) + 1),
        parse_options=pyarrow.json.ParseOptions(explicit_schema=pa.schema(texts.items()) if texts else None),
    )


def _start_of_row(lines: bytes, message: str) -> int | None:
    """The start of the row that an error of pyarrow names.

    It is a hint, which is correct if there are no blank lines.
    """
    row = _ROW.search(message)
    return row and len(lines) - len(lines.split(b"\n", int(row[1]))[-1])


# ------------------------------------------------------------------------------------------- text that looks like times


def _timestamps_as_text(dtype: pa.DataType) -> pa.DataType | None:
    """The type with only its timestamps, as text; None if it has none."""
    if pa.types.is_timestamp(dtype):
        return pa.string()
    if pa.types.is_list(dtype):
        element = _timestamps_as_text(dtype.value_type)
        return element and pa.list_(element)
    if pa.types.is_struct(dtype):
        fields = {inner.name: text for inner in dtype if (text := _timestamps_as_text(inner.type))}
        return pa.struct(fields.items()) if fields else None
    return None


def _has_empty_text(values: pa.Array, text: pa.DataType) -> bool:
    """Whether declared text has no value anywhere, as if the column is absent."""
    if pa.types.is_list(text):
        return _has_empty_text(values.flatten(), text.value_type)
    if pa.types.is_struct(text):
        return any(_has_empty_text(values.field(inner.name), inner.type) for inner in text)
    return bool(values.null_count == len(values))


def _may_be_key(name: str, lines: bytes) -> bool:
    return b"\\" in lines or f'"{name}"'.encode() in lines


# ----------------------------------------------------------------------------------------------------------- the checks


def _check_start(lines: bytes) -> None:
    """Refuse a null before all objects, and a byte order mark.

    Such a null kills the process, up to pyarrow 26 at least.
    """
    if not lines.startswith(b"{"):
        raise RefusedError(0)


def _check_encoding(lines: bytes) -> None:
    """Refuse bytes that are no UTF-8, which pyarrow accepts."""
    if lines.isascii():
        return
    for start, end in line_spans(lines, BLOCK_BYTES):
        try:
            lines[start:end].decode()
        except UnicodeDecodeError as error:
            raise RefusedError(start + error.start) from error


def _line_ends(lines: bytes) -> NDArray[np.intp]:
    return np.flatnonzero(np.frombuffer(lines, dtype=np.uint8) == ord("\n"))


def _check_containers(lines: bytes, ends: NDArray[np.intp]) -> None:
    """Refuse records that are nested too deeply or have too many values.

    Deep nesting overflows the stack of pyarrow and kills the process.
    """
    starts, ends = np.append(0, ends + 1), np.append(ends, len(lines))
    for position in np.flatnonzero(ends - starts > 2 * _MAX_OPEN):  # the minimum for so many levels
        start, end = int(starts[position]), int(ends[position])
        containers = lines.count(b"{", start, end) + lines.count(b"[", start, end)
        too_deep = containers > _MAX_OPEN and _depth(lines[start:end]) > _MAX_OPEN
        if too_deep or containers > _MAX_CONTAINERS or end - start > _MAX_LINE_BYTES:
            raise RefusedError(start)


def _depth(line: bytes) -> int:
    structure = np.frombuffer(_TEXT.sub(b"", line), dtype=np.uint8)
    steps = np.isin(structure, list(b"{[")).astype(np.int64) - np.isin(structure, list(b"}]"))
    return int(steps.cumsum().max(initial=0))


def _check_one_per_line(lines: bytes, ends: NDArray[np.intp], rows: int) -> None:
    """Refuse several values on a line, and a value on several lines.

    pyarrow accepts both. A closing brace is followed by an opening one, with only blanks between, only at the end of a
    value: inside of an array or an object there is a comma. Text has no raw line ends.
    """
    characters = np.frombuffer(lines, dtype=np.uint8)
    apart = (characters[ends - 1] == ord("}")).all() and (characters[ends + 1] == ord("{")).all()
    if apart and lines.endswith(b"}") and ends.size == rows - 1:
        return
    start = count = 0
    for line in lines.split(b"\n"):
        if stripped := line.strip(_BLANK):
            count += 1
            if not (stripped.startswith(b"{") and stripped.endswith(b"}")):
                raise RefusedError(start)
        start += len(line) + 1
    if count != rows:
        raise RefusedError


def _check_names(fields: Iterable[pa.Field], depth: int) -> int:
    """Number of fields at all depths.

    Refuses paths that could be ambiguous or cut, and too many of them.
    """
    fields = list(fields)
    names = {inner.name for inner in fields}
    ambiguous = any("\0" in name or "[]" in name or not names.isdisjoint(_dotted_heads(name)) for name in names)
    total = len(fields) + sum(_check_names(_inside(inner.type), depth + 1) for inner in fields)
    if ambiguous or depth > _MAX_LEVELS or total > _MAX_PATHS or (depth == 0 and not fields):
        raise RefusedError
    return total


def _inside(dtype: pa.DataType) -> list[pa.Field]:
    return [dtype.field(position) for position in range(dtype.num_fields)]


def _dotted_heads(name: str) -> Iterator[str]:
    """`a` and `a.b` for `a.b.c`: keys whose fields could have the same path."""
    return (name[:position] for position, character in enumerate(name) if character == ".")


def _check_lists(fields: Iterable[pa.Field], lines: bytes) -> None:
    """Refuse a null element of a list.

    pyarrow shifts or invents other elements then, as fuzzing showed.
    """
    if any(_has_lists(inner.type) for inner in fields) and b"null" in lines:
        after_keys = lines.count(b": null") + lines.count(b":null")
        if lines.count(b"null") != after_keys and (null := _NULL_ELEMENT.search(lines)):
            raise RefusedError(null.start())


def _has_lists(dtype: pa.DataType) -> bool:
    return isinstance(dtype, pa.ListType) or any(_has_lists(inner.type) for inner in _inside(dtype))


def _frame_of(table: pa.Table) -> pl.DataFrame:
    frame = pl.DataFrame(table)
    if frame.columns != table.column_names or frame.height != table.num_rows:
        raise RefusedError
    return frame


def _check_numbers(frame: pl.DataFrame, lines: bytes) -> None:
    """Refuse integers that doubles round, and tokens that json does not know.

    An integer token of 16 or more digits that no column of integers accounts for stands among doubles, or in text.
    """
    numbers = _large_numbers(frame)
    if not numbers:
        return
    if foreign := _FOREIGN_NUMBER.search(lines):
        raise RefusedError(foreign.start() + 1)
    long = [token.start() for token in _LONG_INTEGER.finditer(lines)]
    accounted = sum(_long_integers(series) for series in numbers if series.dtype == pl.Int64)
    if len(long) > accounted:
        raise RefusedError(None if accounted else long[0])


def _large_numbers(frame: pl.DataFrame) -> list[pl.Series]:
    """The columns of numbers if a double is large, infinite or NaN; else empty."""
    numbers = [series for _, series in typed_columns(frame).leaves if series.dtype in (pl.Int64, pl.Float64)]
    doubles = [series for series in numbers if series.dtype == pl.Float64]
    are_small = all((series.abs() < _EXACT_INTEGERS).all() for series in doubles)  # NaN compares above all numbers
    return [] if are_small else numbers


def _long_integers(integers: pl.Series) -> int:
    return int(((integers >= _SIXTEEN_DIGITS) | (integers <= -_SIXTEEN_DIGITS)).sum())
