"""Records of the same keys without a nested value, kept as one list, row after row; imports `nesting`.

Of such a list a column is a slice with a stride, about 5 ns a value. A tuple or a dict for each row costs ten times as
much to take apart, because the objects lie all over the memory, and keeps the garbage collector busy.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from polarsprof.ingest.records.dtypes import FATAL, FLAT_IDS, clean_text, kinds_of
from polarsprof.ingest.records.flatten import form_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

# What a record and a field cost beside the text and bytes they hold: a list, a key, a small object.
RECORD_BYTES = 128
FIELD_BYTES = 48
_LOOK_ROWS = 128  # at most; so many large ones may come unseen
_MOST_KINDS = 1_024  # of rows that are remembered; where any of ten fields may be null there are as many

Column = tuple[str, list[Any], dict[int, type]]
"""Name, values, their exact types by id. There may be types that none of the values has."""


class FlatRows:
    """Rows of flat records that have the same keys.

    `take`, `look`, `to_journal` and `take_out` are for one thread at a time. While they work, any other thread may
    extend `values` by whole rows whose types are among `kinds`; nothing is lost, because a list changes as a whole in
    each step.

    Parameters
    ----------
    names
        The keys, at least one, exact text that UTF-8 can encode.

    Attributes
    ----------
    width
        The number of fields of a row.
    values_of
        The fields of a dict as a row. It raises KeyError where one is missing.
    kinds, nested
        The types of rows that are known to be flat, and of those that are known not to be.
    values
        The fields of the first row, of the second one, and so on.
    look_at
        Whoever makes `values` as long as this sees to it that `look` is called.
    """

    __slots__ = (
        "_looked_at",
        "_met",
        "_names",
        "_saved",
        "_text_at",
        "kinds",
        "look_at",
        "nested",
        "values",
        "values_of",
        "width",
    )

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self.width = len(names)
        self.values_of = _getter(names)
        self.kinds: set[tuple[type, ...]] = set()
        self.values: list[Any] = []
        self.look_at = self._looked_at = self._saved = 0
        self._met: list[dict[int, type]] = [{} for _ in names]  # the types of each field; it only grows
        self._text_at: list[int] = []  # the fields that may be text or bytes
        self.nested: set[tuple[type, ...]] = set()

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.values) // self.width

    def take(self, record: dict[Any, Any]) -> bool:
        """Take the fields of a record with these keys, in any order; whether it was flat, and so taken."""
        try:
            values = self.values_of(record)
            flat = self._admits(tuple(map(type, values)))
        except FATAL:
            raise
        except BaseException:  # noqa: BLE001  a foreign key may refuse to be compared, a type to be hashed
            return False
        if flat:
            self.values += values
        return flat

    def look(self, room_rows: int, room_bytes: int) -> tuple[int, int]:
        """The number of rows taken since the last look, and their estimated bytes; there is room for so many more.

        The next look is due after twice as many rows, or at half the room that is left: the first rows and the last
        ones are looked at one by one, those between by the dozen, which takes a third of the time.
        """
        since, self._looked_at = self._looked_at, len(self.values)
        rows = (self._looked_at - since) // self.width
        size_bytes = rows * (RECORD_BYTES + FIELD_BYTES * self.width) + sum(
            _total_length(self.values[since + at : self._looked_at : self.width], self._met[at]) for at in self._text_at
        )
        half_of_room = (room_bytes - size_bytes) * rows // (2 * size_bytes or 1)
        self.look_at = self._looked_at + max(1, min(2 * rows, _LOOK_ROWS, room_rows - rows, half_of_room)) * self.width
        return rows, size_bytes

    def to_journal(self) -> FlatColumns:
        """The rows that came since the last call, which stay here, as columns."""
        since, self._saved = self._saved, len(self) * self.width
        columns = [self.values[since + at : self._saved : self.width] for at in range(self.width)]
        return FlatColumns(self._names, columns, [dict(met) for met in self._met])

    def take_out(self) -> FlatColumns:
        """Take the rows out, as columns."""
        saved_rows, self._saved = self._saved // self.width, 0
        self.look_at = self._looked_at = 0
        end = len(self) * self.width
        columns = [self.values[at : end : self.width] for at in range(self.width)]
        del self.values[:end]
        if len(self.kinds) > _MOST_KINDS:
            self.kinds.clear()
        # A field may have lost a type that it once had, but it has none that it never had.
        kinds = [
            dict(met) if len(met) == 1 else kinds_of(values) for met, values in zip(self._met, columns, strict=True)
        ]
        return FlatColumns(self._names, columns, kinds, saved_rows)

    def _admits(self, kinds: tuple[type, ...]) -> bool:
        if kinds in self.kinds:
            return True
        if kinds in self.nested or not all(map(_is_flat, kinds)):
            if len(self.nested) < _MOST_KINDS:
                self.nested.add(kinds)
            return False
        for met, kind in zip(self._met, kinds, strict=True):
            met[id(kind)] = kind
        self._text_at = [at for at, met in enumerate(self._met) if not _TEXT_IDS.isdisjoint(met)]
        self.kinds.add(kinds)  # now that the rest knows them; another thread may add such rows at once
        return True


@dataclass(frozen=True, slots=True)
class FlatColumns:
    """Flat rows of the same keys as columns; the first `saved_rows` of them were given to a journal."""

    names: Sequence[str]
    values: Sequence[list[Any]]
    kinds: Sequence[dict[int, type]]
    saved_rows: int = 0

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.values[0])

    def unsaved(self) -> FlatColumns:
        """The rows that were not given to a journal."""
        return FlatColumns(self.names, [column[self.saved_rows :] for column in self.values], self.kinds)

    def column(self, name: str) -> list[Any]:
        """The values of one column; nulls where there is none of that name."""
        return self.values[self.names.index(name)] if name in self.names else [None] * len(self)

    def columns(self, positions: NDArray[np.intp] | None = None) -> Iterator[Column]:
        """The columns of the rows at some positions, by default of all."""
        if positions is None:
            yield from zip(self.names, self.values, self.kinds, strict=True)
        elif positions.size:
            chosen = _getter(tuple(positions.tolist()))
            for name, values, kinds in zip(self.names, self.values, self.kinds, strict=True):
                yield name, list(chosen(values)), kinds


def are_plain_names(keys: tuple[Any, ...]) -> bool:
    """Whether keys can be the names of `FlatRows`."""
    return bool(keys) and all(type(key) is str and clean_text(key) is key for key in keys)


def _getter(keys: tuple[Any, ...]) -> Callable[[Any], tuple[Any, ...]]:
    if len(keys) > 1:
        return itemgetter(*keys)
    (key,) = keys  # of one key alone itemgetter makes no tuple
    return lambda of: (of[key],)


def _is_flat(kind: type) -> bool:
    """Whether values of an exact type hold no others and are none of the buffers that may change."""
    return id(kind) in FLAT_IDS or (form_of(kind) == "leaf" and not issubclass(kind, (bytearray, memoryview)))


_TEXT_IDS = frozenset(map(id, (str, bytes)))
_SIZED_IDS = _TEXT_IDS | {id(type(None))}


def _total_length(values: list[Any], kinds: dict[int, type]) -> int:
    """The length of all text and bytes among values of some kinds."""
    if not _SIZED_IDS.issuperset(kinds):
        values = [value for value in values if id(type(value)) in _TEXT_IDS]
    return sum(map(len, filter(None, values)))
