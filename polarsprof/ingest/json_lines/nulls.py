"""Where lines of JSON say null: the column and the row of each, found by looking at all of a block at once."""

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

_FEWEST_BYTES: Final = 64  # a null; with more nulls, to look at each costs more than to read the lines another way
_NULL: Final = b"null"
_QUOTE, _COLON, _SPACE, _LINE_END, _BACKSLASH = map(ord, '": \n\\')
_SHORTEST_KEY: Final = 3  # two quotes and a colon
_WORD: Final = 8
_MASKS: Final = np.array([(1 << 8 * count) - 1 for count in range(_WORD + 1)], np.uint64)
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)


def columns_with_nulls(frame: pl.DataFrame, blocks: Blocks, rows: Iterable[int], expected: int) -> set[str] | None:
    """The columns of which lines say null; None where they do elsewhere than in nulls of the frame, or too often.

    Parameters
    ----------
    frame
        What the lines were read as.
    blocks
        The lines, without nesting, and without blanks in front of a colon.
    rows
        How many lines each block has.
    expected
        How often they should say it.
    """
    names = [series.name for series in frame if series.null_count()]
    if not names or expected * _FEWEST_BYTES > len(blocks.lines):
        return None
    found = blocks.each(partial(_nulls_in, _KnownKeys(names)))
    if None in found:
        return None
    starts = zip(filter(None, found), accumulate(rows, initial=0), strict=False)
    places = np.concatenate([nulls.columns * frame.height + nulls.rows + start for nulls, start in starts])
    places.sort()
    if places.size != expected or (places[1:] == places[:-1]).any():
        return None
    ends = np.searchsorted(places, np.arange(1, len(names)) * frame.height)
    said = {name: of for name, of in zip(names, np.split(places % frame.height, ends), strict=True) if of.size}
    return set(said) if all(frame[name].is_null().to_numpy()[of].all() for name, of in said.items()) else None


class _Nulls(NamedTuple):
    """The position of the column among those known, and the row in the block, of each null."""

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
        mixed = _mixed(words)
        self._order = np.argsort(mixed)
        self._mixed, self._known, self._lengths = mixed[self._order], words[self._order], lengths[self._order]

    def positions(
        self, text: NDArray[np.uint8], starts: NDArray[np.intp], lengths: NDArray[np.intp]
    ) -> NDArray[np.intp] | None:
        """Which of the names each key in a text is; None where one is none of them."""
        words = self._words(text, starts, lengths)
        at = np.minimum(np.searchsorted(self._mixed, _mixed(words)), self._mixed.size - 1)
        if (self._known[at] != words).any() or (self._lengths[at] != lengths).any():
            return None
        positions: NDArray[np.intp] = self._order[at]
        return positions

    def _words(
        self, text: NDArray[np.uint8], starts: NDArray[np.intp], lengths: NDArray[np.intp]
    ) -> NDArray[np.uint64]:
        """The first bytes of keys, eight to a word, as many as the longest name has, and zeros after the end."""
        windows = np.ndarray((text.size - _WORD + 1,), "<u8", text, 0, (1,))
        words = [
            windows[np.minimum(starts + begin, windows.size - 1)] & _MASKS[np.clip(lengths - begin, 0, _WORD)]
            for begin in range(0, self.lengths[-1] or 1, _WORD)
        ]
        return np.stack(words, axis=1)


def _nulls_in(known: _KnownKeys, lines: bytes, start: int, end: int) -> _Nulls | None:
    """The nulls of a block; None where one is of no known column."""
    text = np.frombuffer(lines, np.uint8, end - start, start)
    places = _places(text)
    quotes = places - np.where(text[places - 1] == _SPACE, 3, 2)
    of_keys = (text[quotes] == _QUOTE) & (text[quotes + 1] == _COLON)  # not so within text
    places, quotes = places[of_keys], quotes[of_keys]
    if not places.size:
        return _Nulls(places, places)
    lengths = _lengths(text, quotes, known.lengths)
    columns = None if lengths is None else known.positions(text, quotes - lengths, lengths)
    return None if columns is None else _Nulls(columns, _rows(text, places))


def _places(text: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Where the letters of null begin, behind what might be a key."""
    found = [np.flatnonzero((part[:-1] == _NULL[0]) & (part[1:] == _NULL[1])) + begin for begin, part in parts(text)]
    places = np.concatenate(found)
    places = places[(places > _SHORTEST_KEY) & (places <= text.size - len(_NULL))]
    of_null: NDArray[np.bool_] = (text[places + 2] == _NULL[2]) & (text[places + 3] == _NULL[3])
    return places[of_null]


def _rows(text: NDArray[np.uint8], places: NDArray[np.intp]) -> NDArray[np.intp]:
    """The lines of places, which ascend; the first character of the text ends none."""
    ends = np.concatenate([np.flatnonzero(part[1:] == _LINE_END) + begin + 1 for begin, part in parts(text)])
    before = np.searchsorted(places, ends)
    return np.repeat(np.arange(ends.size + 1), np.diff(before, prepend=0, append=places.size))


def _lengths(text: NDArray[np.uint8], quotes: NDArray[np.intp], known: Sequence[int]) -> NDArray[np.intp] | None:
    """The lengths of the keys that end before these quotes; None where one is not known, or after an escaped quote."""
    lengths = np.full(quotes.size, -1)
    for length in reversed(known):
        np.copyto(lengths, length, where=text[np.maximum(quotes - length - 1, 0)] == _QUOTE)
    known_all = lengths.min() >= 0 and not (text[quotes - lengths - 2] == _BACKSLASH).any()
    return lengths if known_all else None


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    mixed = np.zeros(len(words), np.uint64)
    for column in words.T:
        mixed = (mixed ^ column) * _MIX
    return mixed
