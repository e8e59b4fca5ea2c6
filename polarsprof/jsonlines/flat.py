"""A block of JSON lines without nesting, whose columns are known → a frame, or None where it is not sure to be right.

Polars reads such a block in two thirds of the time that pyarrow needs. Given a schema it refuses a number, a boolean or
a text where another of them is due. But it passes over keys that it does not know, takes the first of repeated keys,
makes text of anything in a column of text, and NUL of lone surrogates. Of these the last one is looked for; the others
show in numbers: how many keys and how many texts the lines have, and how many values the frame has.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl
from polars.exceptions import PanicException

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

_KINDS: Final = (pl.Boolean, pl.Int64, pl.Float64, pl.String)
_LONGEST_WAIT: Final = 64  # blocks
_WORD: Final = 8
_PART_BYTES: Final = 1 << 18
# Escapes after which quotes cannot be told by the byte in front of them, and halves of surrogate pairs.
_UNSURE: Final = re.compile(rb"\\\\|\\u[dD][89a-fA-F]")
_APART: Final = re.compile(rb'"[ \t\r\n]+:')
_LIST: Final = re.compile(rb'":[ \t\r\n]*\[')
_QUOTE, _COLON, _SPACE, _LINE_END = map(ord, '": \n')


class FlatReader:
    """Reads blocks whose columns it has learned; thread-safe.

    What was learned, and lost between threads, changes the time that it takes, and no frame.
    """

    def __init__(self) -> None:
        self._schema: Mapping[str, pl.DataType] = {}  # replaced, never changed
        self._wait = self._waited = 0

    def frame(self, lines: bytes) -> pl.DataFrame | None:
        """The frame of lines in UTF-8, the first of which begins with a brace; None where one is blank, too."""
        schema = self._schema
        if not schema:
            return None
        if self._waited < self._wait:  # the last blocks were read twice
            self._waited += 1
            return None
        found = _frame(lines, schema)
        self._wait = min(2 * self._wait + 1, _LONGEST_WAIT) if found is None else 0
        self._waited = 0
        return found

    def learn(self, frame: pl.DataFrame) -> None:
        """Expect lines like those of a frame from now on."""
        known = {name: pl.String() if dtype == pl.Null else dtype for name, dtype in frame.schema.items()}
        self._schema = known if all(dtype in _KINDS for dtype in known.values()) else {}


def _frame(lines: bytes, schema: Mapping[str, pl.DataType]) -> pl.DataFrame | None:
    found = _counted(lines)
    if found is None:
        return None
    try:
        frame = pl.read_ndjson(lines, schema=schema)
    except (Exception, PanicException):  # noqa: BLE001 - whatever it does not take, another reader may
        return None
    rows = found.rows
    values = {series.name: rows - series.null_count() for series in frame}
    texts = sum(values[name] for name, dtype in schema.items() if dtype == pl.String)
    # Without lists there are no more quotes than these, and fewer where a column of text holds something else.
    if frame.height != rows or found.quotes != 2 * (found.keys + texts):
        return None
    empty = [name for name, count in values.items() if not count]
    everywhere = found.keys == rows * len(schema)
    # Each value has a key. Where all are values, and none is null, there are no more keys than these.
    if found.keys == sum(values.values()) > 0 and (everywhere or b"null" not in lines):
        return frame.drop(empty) if empty else frame
    if everywhere and not found.escaped and _are_keys(lines, schema, rows):
        return frame.with_columns(pl.lit(None).alias(name) for name in empty) if empty else frame
    return None


class _Counts(NamedTuple):
    """How many lines, keys and quotes there are, and whether text has quotes in it, which are left out."""

    rows: int
    keys: int
    quotes: int
    escaped: bool


def _counted(lines: bytes) -> _Counts | None:
    """None where it cannot be told, and where there are lists, in which any number of texts may stand."""
    if b"[" in lines and _LIST.search(lines):
        return None
    escaped = escaped_keys = 0
    if b"\\" in lines:
        if _UNSURE.search(lines):
            return None
        escaped, escaped_keys = lines.count(b'\\"'), lines.count(b'\\":')
    rows, keys, quotes, blanks = 1, 0, 0, 0
    for part in _parts(lines):
        is_quote, is_colon = part == _QUOTE, part[1:] == _COLON
        rows += int(np.count_nonzero(part[1:] == _LINE_END))  # the first character is a brace
        quotes += int(np.count_nonzero(is_quote[1:]))
        keys += int(np.count_nonzero(is_colon & is_quote[:-1]))
        blanks += int(np.count_nonzero(is_colon & (part[:-1] <= _SPACE)))
    if blanks and _APART.search(lines):
        return None
    return _Counts(rows, keys - escaped_keys, quotes - escaped, bool(escaped))


def _parts(lines: bytes) -> Iterator[NDArray[np.uint8]]:
    """The characters in parts that stay in the caches of a processor, each with the last one of the part before."""
    characters = np.frombuffer(lines, np.uint8)
    return (characters[max(0, start - 1) : start + _PART_BYTES] for start in range(0, len(lines), _PART_BYTES))


def _are_keys(lines: bytes, names: Iterable[str], rows: int) -> bool:
    """Whether each row has just these keys, in one order; there are as many keys in all as that takes."""
    order = list(json.loads(lines.partition(b"\n")[0]))
    if sorted(order) != sorted(names):
        return False
    keys = [f'"{name}"'.encode() for name in order]
    longest = max(map(len, keys))
    margin = longest + _WORD  # so that a look back from the first key stays inside
    characters = np.frombuffer(bytes(margin) + lines, np.uint8)
    is_end = (characters[1:] == _COLON) & (characters[:-1] == _QUOTE)
    ends = np.flatnonzero(is_end).reshape(rows, len(keys)) + 1
    line_ends = np.flatnonzero(characters == _LINE_END)
    if (ends[1:, 0] < line_ends).any() or (ends[:-1, -1] > line_ends).any():
        return False
    words = np.ndarray((characters.size - _WORD + 1,), "<u8", characters, 0, (1,))
    for end in range(0, longest, _WORD):
        wanted, masks = np.array([_word(key, end) for key in keys], np.uint64).T
        if ((words[ends - end - _WORD] & masks) != wanted).any():
            return False
    return True


def _word(key: bytes, end: int) -> tuple[int, int]:
    """The eight bytes of a key that end so far before its end, and which of them count."""
    part = key[max(0, len(key) - end - _WORD) : max(0, len(key) - end)]
    shift = 8 * (_WORD - len(part))
    return int.from_bytes(part, "little") << shift, (1 << 8 * len(part)) - 1 << shift
