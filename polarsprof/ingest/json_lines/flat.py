"""A block of flat JSON lines with known columns → a frame, or None.

The result is None if a check fails. Polars reads such a block in two thirds of the time that pyarrow needs. With a
schema it refuses a number, a boolean or text in a column of another kind. But it ignores unknown keys, takes the first
of repeated keys, turns any value in a column of text into text, and lone surrogates into NUL. Lone surrogates are
searched for. The other cases show in numbers: the keys and quotes of the lines, the values of the frame, and the places
of nulls in the lines.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl
from polars.exceptions import PanicException

from polarsprof.ingest.json_lines.limits import BLOCK_BYTES, MAX_PAUSE
from polarsprof.ingest.json_lines.nulls import columns_with_nulls
from polarsprof.ingest.json_lines.spans import Blocks, parts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polarsprof.ingest.json_lines.spans import MapFunction

_KINDS: Final = (pl.Boolean, pl.Int64, pl.Float64, pl.String)
# Escapes that hide whether a quote ends a text, and halves of surrogate pairs.
_UNSURE: Final = re.compile(rb"\\\\|\\u[dD][89a-fA-F]")
_BLANKS_BEFORE_COLON: Final = re.compile(rb'"[ \t\r\n]+:')
_LIST: Final = re.compile(rb'":[ \t\r\n]*\[')
_BRACE, _QUOTE, _COLON, _SPACE, _LINE_END = map(ord, '{": \n')


class _Pause:
    """How many turns to skip: none after a success, twice as many after each failure."""

    def __init__(self) -> None:
        self._length = self._skipped = 0

    def is_over(self) -> bool:
        self._skipped += 1
        return self._skipped > self._length

    def begin(self, succeeded: bool) -> None:  # noqa: FBT001
        self._length = 0 if succeeded else min(2 * self._length + 1, MAX_PAUSE)
        self._skipped = 0


class FlatReader:
    """Reads blocks whose columns it has learned; thread-safe.

    The learned columns change the time that reading takes, and no frame; threads may lose updates of each other.
    """

    def __init__(self) -> None:
        self._schema: Mapping[str, pl.DataType] = {}  # replaced, never changed
        self._blocks, self._pieces = _Pause(), _Pause()  # a line in a million spoils every piece, and few blocks

    def frame(self, lines: bytes, map_function: MapFunction = map) -> pl.DataFrame | None:
        """The frame of lines in UTF-8, or None.

        None if a check fails, or if a line before the last is blank.

        Parameters
        ----------
        lines
            The lines.
        map_function
            Calls the functions that take time beside Polars, for parts of the lines.
        """
        schema = self._schema
        pause = self._blocks if len(lines) <= BLOCK_BYTES else self._pieces
        if not schema or not pause.is_over():
            return None
        frame = _frame(Blocks(lines, map_function), schema)
        pause.begin(frame is not None)
        return frame

    def learn(self, frame: pl.DataFrame) -> None:
        """Expect lines with the columns of a frame from now on."""
        schema = {name: pl.String() if dtype == pl.Null else dtype for name, dtype in frame.schema.items()}
        self._schema = schema if all(dtype in _KINDS for dtype in schema.values()) else {}


def _frame(blocks: Blocks, schema: Mapping[str, pl.DataType]) -> pl.DataFrame | None:
    counts = blocks.each(_count)
    if None in counts:
        return None
    rows, keys, quotes = zip(*filter(None, counts), strict=True)
    try:
        frame = pl.read_ndjson(blocks.lines, schema=schema)
    except (Exception, PanicException):  # noqa: BLE001 - another reader may accept the block
        return None
    values = {series.name: frame.height - series.null_count() for series in frame}
    texts = sum(values[name] for name, dtype in schema.items() if dtype == pl.String)
    # Without lists there are no other quotes, and fewer if a column of text holds another kind of value.
    if frame.height != sum(rows) or sum(quotes) != 2 * (sum(keys) + texts):
        return None
    # Each key has a value or a null. If the nulls of known columns are as many as the keys without a value in the
    # frame, no key is unknown and none repeats.
    without_value = sum(keys) - sum(values.values())
    nulls = columns_with_nulls(frame, blocks, rows, without_value) if without_value else set()
    if nulls is None or not any(keys):
        return None
    empty = {name for name, count in values.items() if not count}
    return frame.drop(empty - nulls).with_columns(pl.lit(None).alias(name) for name in empty & nulls)


class _Counts(NamedTuple):
    """Numbers of lines, keys and quotes, without those inside of text."""

    rows: int
    keys: int
    quotes: int


def _count(lines: bytes, start: int, end: int) -> _Counts | None:
    """The counts of a block; None if they are uncertain.

    They are uncertain with lists, which can contain any number of texts.
    """
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
    if blanks and _BLANKS_BEFORE_COLON.search(lines, start, end):
        return None
    return _Counts(rows, keys - escaped_keys, quotes - escaped)
