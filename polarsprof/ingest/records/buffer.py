"""`RecordBuffer`: records on their way to a batch, copied when they arrive.

A record of ten flat fields costs about 1 µs, less than a third of `json.loads` of the same record; with containers in
it, 5 µs and more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from polarsprof._threads import Rank, ranked_lock
from polarsprof.errors import ClosedError, positive_integer
from polarsprof.ingest.records.batch import RecordBatch
from polarsprof.ingest.records.dtypes import FLAT_IDS
from polarsprof.ingest.records.flat_rows import FIELD_BYTES, RECORD_BYTES, FlatRows, are_plain_names
from polarsprof.ingest.records.flatten import MAX_LEVELS, MAX_NESTED_VALUES, elements_of, form_of
from polarsprof.ingest.records.foreign import FATAL, foreign_code
from polarsprof.windowing.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np

    from polarsprof.windowing.clock import Clock

    Fields = dict[Any, object]
    """Fields of a record, by keys of any type."""

_MAX_LAYOUTS: Final = 64  # sets of keys in the life of a buffer; records with other keys are stored as dicts
_SYSTEM_CLOCK: Final = SystemClock()
_NO_ROWS: Final = FlatRows(("",))
_NO_ROWS.width = -1  # the width of no record


class RecordBuffer:
    """Records on their way to a batch, bounded by rows and bytes; thread-safe.

    The number of bytes is an estimate.

    Parameters
    ----------
    max_rows
        Rows at which the buffer is full. 1,024 / 8,192 / 32,768 rows take about 0.4 / 3 / 13 MiB for records of ten
        fields; fewer rows cost more per record, because each batch has a fixed cost.
    max_bytes
        Estimated bytes at which the buffer is full: text and bytes by length, any other field at 48. Up to 128 flat
        records are measured together, so as many large records after small ones can go unnoticed.
    clock
        Source of the arrival time of the oldest record.

    Raises
    ------
    ArgumentError
        If a bound is not a positive integer.
    """

    def __init__(
        self,
        max_rows: int = 32_768,
        max_bytes: int = 32 * 1024 * 1024,
        clock: Clock = _SYSTEM_CLOCK,
    ) -> None:
        self._max_rows = positive_integer("max_rows", max_rows)
        self._max_bytes = positive_integer("max_bytes", max_bytes)
        self._now_us = clock.now_us
        # Guards everything except the values of the rows. Reentrant, because a signal handler or the code of a foreign
        # key may log while this thread holds it.
        self._lock = ranked_lock(Rank.BUFFER)
        self._close_reason: str | None = None
        self._layouts: dict[tuple[str, ...], FlatRows] = {}
        self._latest = _NO_ROWS  # the layout of the last record, because streams repeat themselves
        self._others: list[object] = []
        self._journal_others = 0  # leading records of `_others` that are in a journal
        self._rows = self._bytes = 0  # measured since the last swap
        self._begun_us: int | None = None

    def __len__(self) -> int:
        """Number of records in the buffer."""
        return sum(map(len, self._layouts.values())) + len(self._others)

    @property
    def begun_us(self) -> int | None:
        """Arrival of the oldest record in the buffer, in microseconds; None if empty."""
        return self._begun_us

    @property
    def is_held(self) -> bool:
        """Whether the calling thread is inside a method of this buffer.

        Only a signal handler, or code that a foreign key runs, can see True.
        """
        return self._lock._is_owned()  # noqa: SLF001 - as `Condition` asks

    @property
    def full(self) -> bool:
        """Whether a bound is reached."""
        return self._rows >= self._max_rows or self._bytes >= self._max_bytes

    def append(self, record: object) -> bool:
        """Add one record.

        The record is copied, including containers, arrays and byte arrays, so the caller may reuse it. An object that
        is no mapping, or that cannot be read, is stored as it is; it is rejected and counted when the batch is typed.
        The buffer also accepts records beyond its bounds; the caller has to swap in time.

        Returns
        -------
        bool
            Whether the caller has to act: the record is the first one, the buffer is full, or it was closed by another
            thread.

        Raises
        ------
        ClosedError
            After `close`. A record that arrives at the same moment can still be added; then the caller has to swap it
            out.
        """
        rows = self._latest
        nested = False
        if type(record) is dict and len(record) == rows.width:
            try:
                values = rows.values_of(record)
                kinds = tuple(map(type, values))
                flat = kinds in rows.kinds
                nested = not flat and kinds in rows.nested_kinds
            except FATAL:
                raise
            except BaseException:  # noqa: BLE001 - foreign code, per record; a KeyError if the keys differ
                flat = False
            if flat:
                # No lock, which costs half as much as all of this. A list is extended in one step, and `swap` sets
                # `measure_at` to 0 before it counts rows; from then on every thread that adds a row calls `_measure`.
                stored = rows.values
                stored += values
                if len(stored) < rows.measure_at:
                    return False
                with self._lock:
                    return self._measure(rows)
        return self._append_other(record, nested=nested)

    def batches(self, rows: Iterable[object]) -> Iterator[RecordBatch]:
        """Batches of the rows, each as large as this buffer allows; for one thread."""
        for row in rows:
            if self.append(row) and self.full:
                yield self.swap()
        if len(self):
            yield self.swap()

    def swap(self) -> RecordBatch:
        """Remove and return all records.

        Records that other threads append at the same time stay for the next call.
        """
        with self._lock:
            begun_us = self._now_us() if self._begun_us is None else self._begun_us
            self._begun_us = None
            for rows in self._layouts.values():
                rows.measure_at = 0
            flat = [rows.drain() for rows in self._layouts.values() if len(rows)]
            others, self._others = self._others, []
            journal_others, self._journal_others = self._journal_others, 0
            self._rows = self._bytes = 0
        return RecordBatch(others, flat, begun_us, journal_others)

    def to_journal(self) -> RecordBatch:
        """Copy the records since the last call; they stay in the buffer.

        Later calls treat them as written to a journal.
        """
        with self._lock:
            begun_us = self._now_us() if self._begun_us is None else self._begun_us
            flat = [part for part in (rows.to_journal() for rows in self._layouts.values()) if len(part)]
            start, self._journal_others = self._journal_others, len(self._others)
            return RecordBatch(self._others[start:], flat, begun_us)

    def close(self, reason: str) -> None:
        """Refuse further records; the records in the buffer can still be swapped out."""
        with self._lock:
            self._close_reason = reason
            self._latest = _NO_ROWS
            for rows in self._layouts.values():
                rows.measure_at = 0

    def _append_other(self, record: object, *, nested: bool) -> bool:
        """Add a record that differs from the latest flat one.

        It has other keys or types, is nested, or is no mapping.
        """
        # No lock is held while foreign code runs here, because it can take its time.
        fields = record if type(record) is dict else _fields_of(record)
        if fields is not None and not nested:
            due = self._add_flat(fields)
            if due is not None:
                return due
        copy, size_bytes = (record, RECORD_BYTES) if fields is None else _copy_fields(record, fields)
        with self._lock:
            self._check_open()
            self._others.append(copy)
            return self._count(1, size_bytes)

    def _add_flat(self, fields: Fields) -> bool | None:
        """Add a record to its layout; returns None if the record is not flat.

        Otherwise returns the result of `append`.
        """
        with self._lock:
            self._check_open()
            try:
                rows = self._layout_of(fields)
                if rows is None:
                    return None
                self._latest = rows
                if not rows.add(fields):
                    return None
            except FATAL:
                raise
            except BaseException:  # noqa: BLE001 - foreign code, per record
                return None
            return len(rows.values) >= rows.measure_at and self._measure(rows)

    def _check_open(self) -> None:
        if self._close_reason is not None:
            raise ClosedError(self._close_reason)

    def _measure(self, rows: FlatRows) -> bool:
        return self._count(*rows.measure(self._max_rows - self._rows, self._max_bytes - self._bytes))

    def _count(self, rows: int, size_bytes: int) -> bool:
        """Count new records; returns whether the caller of `append` has to act."""
        self._rows += rows
        self._bytes += size_bytes
        first = self._begun_us is None and rows > 0  # with no rows, another thread has swapped them out
        if first:
            self._begun_us = self._now_us()
        return first or self.full or self._close_reason is not None

    def _layout_of(self, record: Fields) -> FlatRows | None:
        keys = tuple(record)
        rows = self._layouts.get(keys)
        if rows is None and len(self._layouts) < _MAX_LAYOUTS and are_plain_names(keys):
            rows = self._layouts[keys] = FlatRows(keys)
        return rows


def copy_record(record: object) -> object:
    """A copy that is independent of the original.

    An object that is no mapping is returned as it is.
    """
    if type(record) is dict and FLAT_IDS.issuperset(map(id, map(type, record.values()))):
        return record.copy()
    fields = record if type(record) is dict else _fields_of(record)
    return record if fields is None else _copy_fields(record, fields)[0]


def _fields_of(record: object) -> Fields | None:
    """The fields of a foreign mapping; None if it is no mapping or cannot be read."""
    if form_of(type(record)) != "mapping":
        return None
    with foreign_code():
        return dict(record.items())  # type: ignore[attr-defined]
    return None


def _copy_fields(record: object, fields: Fields) -> tuple[Fields, int]:
    """A deep copy of the fields of a record, and its estimated bytes.

    The copy is shallow if a deep one fails.
    """
    copy: Fields = {}
    copier = _Copier(record, copy)
    size_bytes = RECORD_BYTES + FIELD_BYTES * len(fields)
    try:
        for key, value in fields.items():
            kind = type(value)
            copy[key] = value if id(kind) in FLAT_IDS else copier.value(value, 1)
            if kind is str or kind is bytes:
                size_bytes += len(value)  # type: ignore[arg-type]
    except FATAL:
        raise
    except BaseException:  # noqa: BLE001 - foreign code, per record; a RecursionError if the stack is full
        copy = fields.copy()
    return copy, size_bytes + copier.size_bytes


class _Copier:
    """Copies the mutable values of one record.

    Shared and cyclic references are preserved.

    Attributes
    ----------
    size_bytes
        Estimated bytes of the copies.
    """

    def __init__(self, record: object, copy: Fields) -> None:
        self.size_bytes = 0
        # Holds the originals too: a foreign mapping may create them on access, and their ids must not be reused.
        self._copies: dict[int, tuple[object, object]] = {id(record): (record, copy)}

    def value(self, value: Any, depth: int) -> object:
        self.size_bytes += FIELD_BYTES
        kind = type(value)
        if kind is str or kind is bytes:
            self.size_bytes += len(value)
            return value
        if id(kind) in FLAT_IDS or depth > MAX_LEVELS:  # deeper values will be rejected
            return value
        if id(value) not in self._copies:  # registered first, because a cycle may return to it
            self._copies[id(value)] = value, value
            self._copies[id(value)] = value, self._container(value, kind, depth)
        return self._copies[id(value)][1]

    def _container(self, value: Any, kind: type, depth: int) -> object:
        form = form_of(kind)
        if form == "mapping":
            fields = value if kind is dict else _fields_of(value)
            return value if fields is None else self._mapping(value, fields, depth)
        if form == "sequence":
            return self._sequence(value, kind, depth)
        if form == "array":
            return self._array(value)
        return self._buffer(value) if issubclass(kind, (bytearray, memoryview)) else value

    def _mapping(self, source: object, fields: Fields, depth: int) -> Fields:
        copy: Fields = {}
        self._copies[id(source)] = source, copy
        for key, field in fields.items():
            copy[key] = self.value(field, depth + 1)
        return copy

    def _sequence(self, value: list[object] | tuple[object, ...], kind: type, depth: int) -> list[object]:
        elements = elements_of(value, kind)
        copy: list[object] = []
        self._copies[id(value)] = value, copy
        copy += [self.value(element, depth + 1) for element in elements]
        return copy

    def _buffer(self, value: bytearray | memoryview) -> object:
        try:
            copy = memoryview(value).tobytes()
        except (ValueError, BufferError):  # a released memoryview; it will be counted as an object
            return value
        self.size_bytes += len(copy)
        return copy

    def _array(self, array: np.ndarray) -> np.ndarray:
        if array.size > MAX_NESTED_VALUES:
            return array  # it will be rejected; a broadcast array need not fit into memory
        self.size_bytes += array.nbytes
        return array.copy()
