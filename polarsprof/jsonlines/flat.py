"""A block of JSON lines without nesting, whose columns are known → a frame, or None where it is not sure to be right.

Polars reads such a block in two thirds of the time that pyarrow needs. Given a schema it refuses a number, a boolean or
a text where another of them is due. But it passes over keys that it does not know, takes the first of repeated keys,
makes text of anything in a column of text, and NUL of lone surrogates. Of these the last one is looked for; the others
show in numbers: how many keys and how many texts the lines have, and how many values the frame has.
"""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeVar

import numpy as np
import polars as pl
from polars.exceptions import PanicException

from polarsprof.jsonlines.spans import BLOCK_BYTES, line_spans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")

_BLANK: Final = b" \t\r\n"
_KINDS: Final = (pl.Boolean, pl.Int64, pl.Float64, pl.String)
_LONGEST_WAIT: Final = 64  # blocks, or pieces of many blocks
_WORD: Final = 8
_PART_BYTES: Final = 1 << 18
# Escapes after which quotes cannot be told by the byte in front of them, and halves of surrogate pairs.
_UNSURE: Final = re.compile(rb"\\\\|\\u[dD][89a-fA-F]")
_APART: Final = re.compile(rb'"[ \t\r\n]+:')
_LIST: Final = re.compile(rb'":[ \t\r\n]*\[')
_BRACE, _QUOTE, _COLON, _SPACE, _LINE_END = map(ord, '{": \n')


class Mapped(Protocol):
    """As `map`, perhaps on several threads."""

    def __call__(self, work: Callable[[_Given], _Made], items: Iterable[_Given], /) -> Iterator[_Made]: ...  # noqa: D102


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
        found = _frame(lines, schema, mapped)
        patience.begin(found is not None)
        return found

    def learn(self, frame: pl.DataFrame) -> None:
        """Expect lines like those of a frame from now on."""
        known = {name: pl.String() if dtype == pl.Null else dtype for name, dtype in frame.schema.items()}
        self._schema = known if all(dtype in _KINDS for dtype in known.values()) else {}


def _frame(lines: bytes, schema: Mapping[str, pl.DataType], mapped: Mapped) -> pl.DataFrame | None:
    spans = list(line_spans(lines, BLOCK_BYTES))
    start, end = spans[-1]
    spans[-1] = start, start + len(lines[start:end].rstrip(_BLANK))  # where lines end that are no rows
    counts = list(mapped(partial(_counted, lines), spans))
    if None in counts:
        return None
    found = _Counts(*map(sum, zip(*filter(None, counts), strict=True)))
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
    if found.keys == sum(values.values()) > 0 and (everywhere or not _has_null(lines, spans)):
        return frame.drop(empty) if empty else frame
    if everywhere and not found.escaped and all(mapped(partial(_are_keys, lines, set(schema)), spans)):
        return frame.with_columns(pl.lit(None).alias(name) for name in empty) if empty else frame
    return None


class _Counts(NamedTuple):
    """How many lines, keys and quotes there are, and how many quotes in text, which are left out."""

    rows: int
    keys: int
    quotes: int
    escaped: int


def _counted(lines: bytes, span: tuple[int, int]) -> _Counts | None:
    """None where it cannot be told, and where there are lists, in which any number of texts may stand."""
    if lines[span[0]] != _BRACE or span[1] - span[0] > BLOCK_BYTES:  # a line so long may hold too many values
        return None
    if lines.find(b"[", *span) >= 0 and _LIST.search(lines, *span):
        return None
    escaped = escaped_keys = 0
    if lines.find(b"\\", *span) >= 0:
        if _UNSURE.search(lines, *span):
            return None
        escaped, escaped_keys = lines.count(b'\\"', *span), lines.count(b'\\":', *span)
    rows, keys, quotes, blanks = 1, 0, 0, 0
    for part in _parts(lines, *span):
        is_quote, is_colon = part == _QUOTE, part[1:] == _COLON
        rows += int(np.count_nonzero(part[1:] == _LINE_END))
        quotes += int(np.count_nonzero(is_quote[1:]))
        keys += int(np.count_nonzero(is_colon & is_quote[:-1]))
        blanks += int(np.count_nonzero(is_colon & (part[:-1] <= _SPACE)))
    if blanks and _APART.search(lines, *span):
        return None
    return _Counts(rows, keys - escaped_keys, quotes - escaped, escaped)


def _parts(lines: bytes, start: int, end: int) -> Iterator[NDArray[np.uint8]]:
    """The characters in parts that stay in the caches of a processor, each with the last one of the part before."""
    characters = np.frombuffer(lines, np.uint8, end - start, start)
    return (characters[max(0, at - 1) : at + _PART_BYTES] for at in range(0, end - start, _PART_BYTES))


def _has_null(lines: bytes, spans: Iterable[tuple[int, int]]) -> bool:
    return any(lines.find(b"null", *span) >= 0 for span in spans)


def _are_keys(lines: bytes, names: set[str], span: tuple[int, int]) -> bool:
    """Whether each row has just these keys, in one order."""
    part = lines[slice(*span)]
    order = list(json.loads(part.partition(b"\n")[0]))
    if len(order) != len(names) or names != set(order):
        return False
    keys = [f'"{name}"'.encode() for name in order]
    longest = max(map(len, keys))
    margin = longest + _WORD  # so that a look back from the first key stays inside
    characters = np.frombuffer(bytes(margin) + part, np.uint8)
    is_end = (characters[1:] == _COLON) & (characters[:-1] == _QUOTE)
    found, line_ends = np.flatnonzero(is_end) + 1, np.flatnonzero(characters == _LINE_END)
    if found.size != (line_ends.size + 1) * len(keys):
        return False
    ends = found.reshape(-1, len(keys))
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
