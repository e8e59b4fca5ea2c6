"""The column and the row of each null in a block of JSON lines.

All are found with vector operations on the whole block.
"""

from __future__ import annotations

from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from polarsprof.ingest.json_lines.spans import parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from polarsprof.ingest.json_lines.spans import Blocks

# Bytes per null; with more nulls, to locate each costs more than to read the lines another way.
_MIN_BYTES_PER_NULL: Final = 64
_NULL: Final = b"null"
_QUOTE, _COLON, _SPACE, _LINE_END, _BACKSLASH = map(ord, '": \n\\')
_MIN_KEY_BYTES: Final = 3  # two quotes and a colon
_WORD: Final = 8
_MASKS: Final = np.array([(1 << 8 * count) - 1 for count in range(_WORD + 1)], np.uint64)
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)


def columns_with_nulls(frame: pl.DataFrame, blocks: Blocks, rows: Iterable[int], expected: int) -> set[str] | None:
    """The columns with an explicit null, or None.

    None if a null of the lines is none of the frame, or if there are too many nulls.

    Parameters
    ----------
    frame
        The frame of the lines.
    blocks
        The lines, without nesting, and without blanks before a colon.
    rows
        Number of lines of each block.
    expected
        Expected number of nulls.
    """
    names = [series.name for series in frame if series.null_count()]
    if not names or expected * _MIN_BYTES_PER_NULL > len(blocks.lines):
        return None
    block_nulls = blocks.each(partial(_nulls_in, _KnownKeys(names)))
    if None in block_nulls:
        return None
    starts = zip(filter(None, block_nulls), accumulate(rows, initial=0), strict=False)
    cells = np.concatenate([nulls.columns * frame.height + nulls.rows + start for nulls, start in starts])
    cells.sort()
    if cells.size != expected or (cells[1:] == cells[:-1]).any():
        return None
    ends = np.searchsorted(cells, np.arange(1, len(names)) * frame.height)
    by_column = zip(names, np.split(cells % frame.height, ends), strict=True)
    rows_of = {name: null_rows for name, null_rows in by_column if null_rows.size}
    are_null = (frame[name].is_null().to_numpy()[null_rows].all() for name, null_rows in rows_of.items())
    return set(rows_of) if all(are_null) else None


class _Nulls(NamedTuple):
    """The position of the known column, and the row in the block, of each null."""

    columns: NDArray[np.intp]
    rows: NDArray[np.intp]


class _KnownKeys:
    """The names of columns that may be null; at least one."""

    def __init__(self, names: Sequence[str]) -> None:
        keys = [name.encode() for name in names]
        lengths = np.fromiter(map(len, keys), np.intp, len(keys))
        text = np.frombuffer(b"".join(keys) + bytes(_WORD), np.uint8)
        self.lengths: Sequence[int] = np.unique(lengths).tolist()
        words = self._words(text, np.cumsum(lengths) - lengths, lengths)
        hashes = _hash(words)
        self._order = np.argsort(hashes)
        self._hashes, self._known, self._lengths = hashes[self._order], words[self._order], lengths[self._order]

    def positions(
        self, text: NDArray[np.uint8], starts: NDArray[np.intp], lengths: NDArray[np.intp]
    ) -> NDArray[np.intp] | None:
        """The position of each key of a text among the names; None if one is unknown."""
        words = self._words(text, starts, lengths)
        at = np.minimum(np.searchsorted(self._hashes, _hash(words)), self._hashes.size - 1)
        if (self._known[at] != words).any() or (self._lengths[at] != lengths).any():
            return None
        positions: NDArray[np.intp] = self._order[at]
        return positions

    def _words(
        self, text: NDArray[np.uint8], starts: NDArray[np.intp], lengths: NDArray[np.intp]
    ) -> NDArray[np.uint64]:
        """The first bytes of keys as words of eight bytes.

        The rows are as long as the longest name; zeros follow the end of a key.
        """
        windows = np.ndarray((text.size - _WORD + 1,), "<u8", text, 0, (1,))
        words = [
            windows[np.minimum(starts + begin, windows.size - 1)] & _MASKS[np.clip(lengths - begin, 0, _WORD)]
            for begin in range(0, self.lengths[-1] or 1, _WORD)
        ]
        return np.stack(words, axis=1)


def _nulls_in(known: _KnownKeys, lines: bytes, start: int, end: int) -> _Nulls | None:
    """The nulls of a block; None if one belongs to an unknown column."""
    text = np.frombuffer(lines, np.uint8, end - start, start)
    places = _places(text)
    quotes = places - np.where(text[places - 1] == _SPACE, 3, 2)
    after_keys = (text[quotes] == _QUOTE) & (text[quotes + 1] == _COLON)  # never inside of text
    places, quotes = places[after_keys], quotes[after_keys]
    if not places.size:
        return _Nulls(places, places)
    lengths = _lengths(text, quotes, known.lengths)
    columns = None if lengths is None else known.positions(text, quotes - lengths, lengths)
    return None if columns is None else _Nulls(columns, _rows(text, places))


def _places(text: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Positions of the word null that can follow a key."""
    places = np.concatenate(
        [np.flatnonzero((part[:-1] == _NULL[0]) & (part[1:] == _NULL[1])) + start for start, part in parts(text)]
    )
    places = places[(places > _MIN_KEY_BYTES) & (places <= text.size - len(_NULL))]
    is_null: NDArray[np.bool_] = (text[places + 2] == _NULL[2]) & (text[places + 3] == _NULL[3])
    return places[is_null]


def _rows(text: NDArray[np.uint8], places: NDArray[np.intp]) -> NDArray[np.intp]:
    """The line number of each ascending position.

    The first character of the text must be no line end.
    """
    ends = np.concatenate([np.flatnonzero(part[1:] == _LINE_END) + start + 1 for start, part in parts(text)])
    before = np.searchsorted(places, ends)
    return np.repeat(np.arange(ends.size + 1), np.diff(before, prepend=0, append=places.size))


def _lengths(text: NDArray[np.uint8], quotes: NDArray[np.intp], known: Sequence[int]) -> NDArray[np.intp] | None:
    """The lengths of the keys that end before these quotes, or None.

    None if a key is unknown, or begins after an escaped quote.
    """
    lengths = np.full(quotes.size, -1)
    for length in reversed(known):
        np.copyto(lengths, length, where=text[np.maximum(quotes - length - 1, 0)] == _QUOTE)
    all_known = lengths.min() >= 0 and not (text[quotes - lengths - 2] == _BACKSLASH).any()
    return lengths if all_known else None


def _hash(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    hashes = np.zeros(len(words), np.uint64)
    for column in words.T:
        hashes = (hashes ^ column) * _MIX
    return hashes
