"""`RecordBuffer`: records on their way to a batch, copied as they come, about 1 µs each."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from polarsprof.errors import argument_error, positive_integer
from polarsprof.records.lanes import FATAL, FLAT_IDS
from polarsprof.records.nesting import DEEPEST, MAX_NESTED_VALUES, elements_of, form_of

if TYPE_CHECKING:
    import numpy as np

# What a record and a field cost beside the text and bytes they hold: a dict, a key, a small object.
_RECORD_BYTES = 128
_FIELD_BYTES = 48


class RecordBuffer:
    """Records on their way to a batch, bounded by rows and by an estimate of bytes; every method is thread-safe.

    Parameters
    ----------
    max_rows
        Rows at which the buffer calls itself full. 1,024 / 8,192 / 65,536 rows keep about 1 / 5 / 40 MiB of small
        records; fewer rows cost more per record, because a batch has a price of its own (about 20 µs a column).
    max_bytes
        Estimated bytes at which it does so too: text and bytes by length, any other field at 48.

    Raises
    ------
    ArgumentError
        If a bound is not a positive integer.
    """

    def __init__(self, max_rows: int = 8_192, max_bytes: int = 32 * 1024 * 1024) -> None:
        self._max_rows = positive_integer("max_rows", max_rows)
        self._max_bytes = positive_integer("max_bytes", max_bytes)
        self._lock = threading.Lock()
        self._records: list[object] = []
        self._bytes = 0

    def __len__(self) -> int:
        """Number of records held."""
        return len(self._records)

    @property
    def estimated_bytes(self) -> int:
        """The estimate of what the held records take."""
        return self._bytes

    def append(self, record: object) -> bool:
        """Take one record; whether the buffer is full now.

        The record is copied, with the containers, arrays and byte arrays in it, so the caller may reuse it. What is
        not a mapping, or cannot be read, is kept as it is: `typed_columns` rejects and counts it in its turn. The
        buffer takes records beyond its bounds too; to swap in time is the caller's part.
        """
        kept, size_bytes = _copied_record(record)
        with self._lock:
            self._records.append(kept)
            self._bytes += size_bytes
            return len(self._records) >= self._max_rows or self._bytes >= self._max_bytes

    def extend(self, records: Iterable[object]) -> bool:
        """Take records, each as `append` does; whether the buffer is full now.

        Raises
        ------
        ArgumentError
            If `records` is one mapping or a text, or nothing that can be iterated. An error that the iteration itself
            raises passes through; the records before it are kept.
        """
        _refuse_single(records)
        for record in records:
            self.append(record)
        with self._lock:
            return len(self._records) >= self._max_rows or self._bytes >= self._max_bytes

    def swap(self) -> list[object]:
        """Take everything out, in order of arrival; what other threads append meanwhile stays for the next swap."""
        with self._lock:
            taken, self._records = self._records, []
            self._bytes = 0
        return taken


def _refuse_single(records: object) -> None:
    if isinstance(records, (Mapping, str, bytes, bytearray)) or not isinstance(records, Iterable):
        raise argument_error("records", records, "an iterable of mappings", "a single record goes to append()")


def _copied_record(record: object) -> tuple[object, int]:
    """A copy nobody else holds, and its estimated bytes; the record itself where it cannot be copied."""
    kept: dict[Any, Any] | None = record.copy() if type(record) is dict else _read(record)
    if kept is None:
        return record, _RECORD_BYTES
    size_bytes = _RECORD_BYTES + _FIELD_BYTES * len(kept)
    nested = False
    for value in kept.values():
        kind = type(value)
        if kind is str or kind is bytes:
            size_bytes += len(value)
        elif kind is not int and kind is not float and kind is not bool and id(kind) not in FLAT_IDS:
            nested = True
    if not nested:
        return kept, size_bytes
    copied: dict[Any, Any] = {}
    copier = _Copier(record, copied)
    try:
        for key, value in kept.items():
            copied[key] = value if id(type(value)) in FLAT_IDS else copier.value(value, 1)
    except FATAL:
        raise
    except BaseException:  # noqa: BLE001  a foreign array may raise anything, a deep caller has no stack left
        return kept, size_bytes
    return copied, size_bytes + copier.size_bytes


def _read(record: object) -> dict[Any, Any] | None:
    """The fields of a foreign mapping; None where there are none to be had."""
    if form_of(type(record)) != "mapping":
        return None
    try:
        return dict(record.items())  # type: ignore[attr-defined]
    except FATAL:
        raise
    except BaseException:  # noqa: BLE001  a foreign mapping may raise anything
        return None


class _Copier:
    """Copies what is mutable in one record; what is shared or cyclic in it stays so.

    Attributes
    ----------
    size_bytes
        The estimate of what was copied.
    """

    def __init__(self, record: object, copied: dict[Any, Any]) -> None:
        self.size_bytes = 0
        # with the original, which a foreign mapping may have made on the spot: its id must stay its own
        self._copies: dict[int, tuple[Any, Any]] = {id(record): (record, copied)}

    def value(self, value: Any, depth: int) -> Any:
        self.size_bytes += _FIELD_BYTES
        kind = type(value)
        if kind is str or kind is bytes:
            self.size_bytes += len(value)
            return value
        if id(kind) in FLAT_IDS or depth > DEEPEST:  # what is deeper will be rejected whatever becomes of it
            return value
        if id(value) not in self._copies:  # known at once, because a cycle may come back to it
            self._copies[id(value)] = value, value
            self._copies[id(value)] = value, self._container(value, kind, depth)
        return self._copies[id(value)][1]

    def _container(self, value: Any, kind: type, depth: int) -> Any:
        if kind is bytearray or kind is memoryview:
            return self._buffer(value)
        form = form_of(kind)
        if form == "mapping":
            fields = value if kind is dict else _read(value)
            return value if fields is None else self._mapping(value, fields, depth)
        if form == "sequence":
            return self._sequence(value, kind, depth)
        return self._array(value) if form == "array" else value

    def _mapping(self, source: Any, fields: dict[Any, Any], depth: int) -> dict[Any, Any]:
        copied: dict[Any, Any] = {}
        self._copies[id(source)] = source, copied
        for key, field in fields.items():
            copied[key] = self.value(field, depth + 1)
        return copied

    def _sequence(self, value: Any, kind: type, depth: int) -> list[Any]:
        elements = elements_of(value, kind)
        copied: list[Any] = []
        self._copies[id(value)] = value, copied
        copied += [self.value(element, depth + 1) for element in elements]
        return copied

    def _buffer(self, value: bytearray | memoryview) -> object:
        try:
            copied = bytes(value)
        except (ValueError, BufferError):  # a released memoryview; it will be counted as an object
            return value
        self.size_bytes += len(copied)
        return copied

    def _array(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if array.size > MAX_NESTED_VALUES:
            return array  # it will be rejected; a broadcast one need not fit into memory
        self.size_bytes += array.nbytes
        return array.copy()
