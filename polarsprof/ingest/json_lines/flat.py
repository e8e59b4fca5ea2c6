"""A block of JSON lines without nesting, whose columns are known → a frame, or None where it is not sure to be right.

Polars reads such a block in two thirds of the time that pyarrow needs. Given a schema it refuses a number, a boolean or
a text where another of them is due. But it passes over keys that it does not know, takes the first of repeated keys,
makes text of anything in a column of text, and NUL of lone surrogates. Of these the last one is looked for; the others
show in numbers: how many keys and texts the lines have, how many values the frame has, and where the lines say null.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl
from polars.exceptions import PanicException

from polarsprof.ingest.json_lines.nulls import columns_with_nulls
from polarsprof.ingest.json_lines.spans import BLOCK_BYTES, Blocks, parts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polarsprof.ingest.json_lines.spans import Mapped

_KINDS: Final = (pl.Boolean, pl.Int64, pl.Float64, pl.String)
_LONGEST_WAIT: Final = 64  # blocks, or pieces of many blocks
# Escapes after which quotes cannot be told by the byte in front of them, and halves of surrogate pairs.
_UNSURE: Final = re.compile(rb"\\\\|\\u[dD][89a-fA-F]")
_APART: Final = re.compile(rb'"[ \t\r\n]+:')
_LIST: Final = re.compile(rb'":[ \t\r\n]*\[')
_BRACE, _QUOTE, _COLON, _SPACE, _LINE_END = map(ord, '{": \n')


class _Patience:
    """How long to try no more: for none after a success, twice as long after each failure."""

    def __init__(self) -> None:
        self._wait = self._waited = 0

    def is_over(self) -> bool:
        self._waited += 1
        return self._waited > self._wait

    def begin(self, succeeded: bool) -> None:  # noqa: FBT001
        self._wait = 0 if succeeded else min(2 * self._wait + 1, _LONGEST_WAIT)
        self._waited = 0


class FlatReader:
    """Reads blocks whose columns it has learned; thread-safe.

    What was learned, and lost between threads, changes the time that it takes, and no frame.
    """

    def __init__(self) -> None:
        self._schema: Mapping[str, pl.DataType] = {}  # replaced, never changed
        self._blocks, self._pieces = _Patience(), _Patience()  # a line in a million spoils every piece, and few blocks

    def frame(self, lines: bytes, mapped: Mapped = map) -> pl.DataFrame | None:
        """The frame of lines in UTF-8; None where it is not sure to be right, and where one before the last is blank.

        What takes time beside Polars is `mapped` over parts of the lines.
        """
        schema = self._schema
        patience = self._blocks if len(lines) <= BLOCK_BYTES else self._pieces
        if not schema or not patience.is_over():
            return None
        found = _frame(Blocks(lines, mapped), schema)
        patience.begin(found is not None)
        return found

    def learn(self, frame: pl.DataFrame) -> None:
        """Expect lines like those of a frame from now on."""
        known = {name: pl.String() if dtype == pl.Null else dtype for name, dtype in frame.schema.items()}
        self._schema = known if all(dtype in _KINDS for dtype in known.values()) else {}


def _frame(blocks: Blocks, schema: Mapping[str, pl.DataType]) -> pl.DataFrame | None:
    counts = blocks.each(_counted)
    if None in counts:
        return None
    rows, keys, quotes = zip(*filter(None, counts), strict=True)
    try:
        frame = pl.read_ndjson(blocks.lines, schema=schema)
    except (Exception, PanicException):  # noqa: BLE001 - whatever it does not take, another reader may
        return None
    values = {series.name: frame.height - series.null_count() for series in frame}
    texts = sum(values[name] for name, dtype in schema.items() if dtype == pl.String)
    # Without lists there are no more quotes than these, and fewer where a column of text holds something else.
    if frame.height != sum(rows) or sum(quotes) != 2 * (sum(keys) + texts):
        return None
    # What has a key is a value or null. Where there are just as many nulls of known columns as there are keys without a
    # value in the frame, no key is unknown, and none stands twice.
    without_value = sum(keys) - sum(values.values())
    nulls = columns_with_nulls(frame, blocks, rows, without_value) if without_value else set()
    if nulls is None or not any(keys):
        return None
    empty = {name for name, count in values.items() if not count}
    return frame.drop(empty - nulls).with_columns(pl.lit(None).alias(name) for name in empty & nulls)


class _Counts(NamedTuple):
    """How many lines, keys and quotes there are, those in text left out."""

    rows: int
    keys: int
    quotes: int


def _counted(lines: bytes, start: int, end: int) -> _Counts | None:
    """None where it cannot be told, and where there are lists, in which any number of texts may stand."""
    if lines[start] != _BRACE or end - start > BLOCK_BYTES:  # a line so long may hold too many values
        return None
    if lines.find(b"[", start, end) >= 0 and _LIST.search(lines, start, end):
        return None
    escaped = escaped_keys = 0
    if lines.find(b"\\", start, end) >= 0:
        if _UNSURE.search(lines, start, end):
            return None
        escaped, escaped_keys = lines.count(b'\\"', start, end), lines.count(b'\\":', start, end)
    rows, keys, quotes, blanks = 1, 0, 0, 0
    for _, part in parts(np.frombuffer(lines, np.uint8, end - start, start)):
        is_quote, is_colon = part == _QUOTE, part[1:] == _COLON
        rows += int(np.count_nonzero(part[1:] == _LINE_END))
        quotes += int(np.count_nonzero(is_quote[1:]))
        keys += int(np.count_nonzero(is_colon & is_quote[:-1]))
        blanks += int(np.count_nonzero(is_colon & (part[:-1] <= _SPACE)))
    if blanks and _APART.search(lines, start, end):
        return None
    return _Counts(rows, keys - escaped_keys, quotes - escaped)
