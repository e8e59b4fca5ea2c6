"""Flat records with the same keys, stored as one list, row after row.

A column of such a list is a slice with a stride, about 5 ns a value. A tuple or a dict for each row costs ten times as
much to read, because the objects are scattered in memory, and keeps the garbage collector busy.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from polarsprof.ingest.records.dtypes import FLAT_IDS, clean_text, kinds_of
from polarsprof.ingest.records.flatten import form_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence, Sized

    import numpy as np
    from numpy.typing import NDArray

# Cost of a record and of a field in addition to its text and bytes: a list, a key, a small object.
RECORD_BYTES: Final = 128
FIELD_BYTES: Final = 48
_MAX_UNMEASURED_ROWS: Final = 128  # so many large rows can go unnoticed
_MAX_KINDS: Final = 1_024  # row types that are remembered; ten fields that may each be null have as many
_TEXT_IDS: Final = frozenset(map(id, (str, bytes)))
_SIZED_IDS: Final = _TEXT_IDS | {id(type(None))}

Column = tuple[str, list[object], dict[int, type]]
"""Name, values, and their exact types by id. The types may include some that no value has."""


class FlatRows:
    """Rows of flat records that have the same keys.

    `add`, `measure`, `to_journal` and `drain` are for one thread at a time. Any other thread may extend `values` by
    whole rows at the same time, if their types are in `kinds`. No row is lost, because each step changes the list as a
    whole.

    Parameters
    ----------
    names
        The keys, at least one, exact text that UTF-8 can encode.

    Attributes
    ----------
    width
        The number of fields of a row.
    values_of
        Returns the fields of a dict as a row; raises KeyError if one is missing.
    kinds, nested_kinds
        The types of rows that are known to be flat, and of rows that are known to be nested.
    values
        The fields of the first row, of the second one, and so on.
    measure_at
        Length of `values` from which `measure` is due. A thread that reaches it must have `measure` called.
    """

    __slots__ = (
        "_field_kinds",
        "_journal_end",
        "_measure_end",
        "_names",
        "_text_fields",
        "kinds",
        "measure_at",
        "nested_kinds",
        "values",
        "values_of",
        "width",
    )

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self.width = len(names)
        self.values_of = _getter(names)
        self.kinds: set[tuple[type, ...]] = set()
        self.nested_kinds: set[tuple[type, ...]] = set()
        self.values: list[object] = []
        self.measure_at = self._measure_end = self._journal_end = 0
        self._field_kinds: list[dict[int, type]] = [{} for _ in names]  # the types of each field; never shrinks
        self._text_fields: list[int] = []  # positions of fields that may be text or bytes

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.values) // self.width

    def add(self, record: dict[Any, object]) -> bool:
        """Add the fields of a record with these keys, in any order.

        Returns False, and adds nothing, if the record is nested. A foreign key may raise anything when it is compared,
        a foreign type when it is hashed.
        """
        values = self.values_of(record)
        flat = self._admits(tuple(map(type, values)))
        if flat:
            self.values += values
        return flat

    def measure(self, room_rows: int, room_bytes: int) -> tuple[int, int]:
        """Number of rows added since the last call, and their estimated bytes.

        Sets `measure_at` to twice as many rows, or to half of the remaining room. So the first and the last rows are
        measured one by one and the others in groups, which takes a third of the time.

        Parameters
        ----------
        room_rows, room_bytes
            Rows and bytes that the buffer still accepts.
        """
        start, self._measure_end = self._measure_end, len(self.values)
        rows = (self._measure_end - start) // self.width
        size_bytes = rows * (RECORD_BYTES + FIELD_BYTES * self.width) + sum(
            _total_length(self.values[start + at : self._measure_end : self.width], self._field_kinds[at])
            for at in self._text_fields
        )
        half_of_room = (room_bytes - size_bytes) * rows // (2 * size_bytes or 1)
        next_rows = max(1, min(2 * rows, _MAX_UNMEASURED_ROWS, room_rows - rows, half_of_room))
        self.measure_at = self._measure_end + next_rows * self.width
        return rows, size_bytes

    def to_journal(self) -> FlatColumns:
        """Copy the rows since the last call as columns; the rows stay here."""
        start, self._journal_end = self._journal_end, len(self) * self.width
        columns = [self.values[start + at : self._journal_end : self.width] for at in range(self.width)]
        return FlatColumns(self._names, columns, [dict(kinds) for kinds in self._field_kinds])

    def drain(self) -> FlatColumns:
        """Remove the rows and return them as columns."""
        journal_rows, self._journal_end = self._journal_end // self.width, 0
        self.measure_at = self._measure_end = 0
        end = len(self) * self.width
        columns = [self.values[at : end : self.width] for at in range(self.width)]
        del self.values[:end]
        if len(self.kinds) > _MAX_KINDS:
            self.kinds.clear()
        # A field may no longer have a type that it had before, but it never has a type that is not recorded.
        kinds = [
            dict(known) if len(known) == 1 else kinds_of(values)
            for known, values in zip(self._field_kinds, columns, strict=True)
        ]
        return FlatColumns(self._names, columns, kinds, journal_rows)

    def _admits(self, kinds: tuple[type, ...]) -> bool:
        if kinds in self.kinds:
            return True
        if kinds in self.nested_kinds or not all(map(_is_flat, kinds)):
            if len(self.nested_kinds) < _MAX_KINDS:
                self.nested_kinds.add(kinds)
            return False
        for known, kind in zip(self._field_kinds, kinds, strict=True):
            known[id(kind)] = kind
        self._text_fields = [at for at, known in enumerate(self._field_kinds) if not _TEXT_IDS.isdisjoint(known)]
        self.kinds.add(kinds)  # last, because another thread may add such rows at once
        return True


@dataclass(frozen=True, slots=True)
class FlatColumns:
    """Flat rows of the same keys as columns.

    The first `journal_rows` rows are in a journal.
    """

    names: Sequence[str]
    values: Sequence[list[object]]
    kinds: Sequence[dict[int, type]]
    journal_rows: int = 0

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.values[0])

    def outside_journal(self) -> FlatColumns:
        """The rows that are in no journal."""
        return FlatColumns(self.names, [column[self.journal_rows :] for column in self.values], self.kinds)

    def column(self, name: str) -> list[object]:
        """The values of one column; nulls if there is no column of that name."""
        return self.values[self.names.index(name)] if name in self.names else [None] * len(self)

    def columns(self, positions: NDArray[np.intp] | None = None) -> Iterator[Column]:
        """The columns of the rows at some positions; of all rows by default."""
        if positions is None:
            yield from zip(self.names, self.values, self.kinds, strict=True)
        elif positions.size:
            select = _getter(tuple(positions.tolist()))
            for name, values, kinds in zip(self.names, self.values, self.kinds, strict=True):
                yield name, list(select(values)), kinds


def are_plain_names(keys: tuple[object, ...]) -> bool:
    """Whether keys can be the names of `FlatRows`."""
    return bool(keys) and all(type(key) is str and clean_text(key) is key for key in keys)


def _getter(keys: tuple[object, ...]) -> Callable[[Any], tuple[object, ...]]:
    if len(keys) > 1:
        return itemgetter(*keys)
    (key,) = keys  # with one key, itemgetter returns no tuple
    return lambda container: (container[key],)


def _is_flat(kind: type) -> bool:
    """Whether values of an exact type contain no others and are no mutable buffer."""
    return id(kind) in FLAT_IDS or (form_of(kind) == "leaf" and not issubclass(kind, (bytearray, memoryview)))


def _total_length(values: list[Any], kinds: dict[int, type]) -> int:
    """The length of all text and bytes among values of some types."""
    if not _SIZED_IDS.issuperset(kinds):
        values = [value for value in values if id(type(value)) in _TEXT_IDS]
    sized: Iterator[Sized] = filter(None, values)
    return sum(map(len, sized))
