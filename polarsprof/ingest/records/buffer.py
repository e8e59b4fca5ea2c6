"""`RecordBuffer`: records on their way to a batch, copied as they come.

A record of ten flat fields costs about 1 µs, less than a third of `json.loads` of the same; with containers in it, some
5 µs and more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polarsprof._threads import Rank, ranked_lock
from polarsprof.errors import ClosedError, positive_integer
from polarsprof.ingest.records.batch import RecordBatch
from polarsprof.ingest.records.dtypes import FATAL, FLAT_IDS
from polarsprof.ingest.records.flat_rows import FIELD_BYTES, RECORD_BYTES, FlatRows, are_plain_names
from polarsprof.ingest.records.flatten import DEEPEST, MAX_NESTED_VALUES, elements_of, form_of
from polarsprof.windowing.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np

    from polarsprof.windowing.clock import Clock

_MOST_LAYOUTS = 64  # sets of keys in the life of a buffer; records of further ones are kept as dicts
_SYSTEM_CLOCK = SystemClock()
_NO_ROWS = FlatRows(("",))
_NO_ROWS.width = -1  # which no record has


class RecordBuffer:
    """Records on their way to a batch, bounded by rows and by an estimate of bytes; every method is thread-safe.

    Parameters
    ----------
    max_rows
        Rows at which the buffer calls itself full. 1,024 / 8,192 / 32,768 rows keep about 0.4 / 3 / 13 MiB of records
        of ten fields; fewer rows cost more per record, because a batch has a price of its own.
    max_bytes
        Estimated bytes at which it does so too: text and bytes by length, any other field at 48. Of flat records up to
        128 are looked at together, so that so many large ones after small ones come unseen.
    clock
        What says when the oldest record came.

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
        # Guards everything but the values of the rows; a signal handler or a foreign key may log in the midst of it.
        self._lock = ranked_lock(Rank.BUFFER)
        self._closed: str | None = None
        self._layouts: dict[tuple[str, ...], FlatRows] = {}
        self._latest = _NO_ROWS  # of the layouts, because streams repeat themselves
        self._others: list[object] = []
        self._saved_others = 0  # how many of them were given to a journal
        self._rows = self._bytes = 0  # seen so far
        self._begun_us: int | None = None

    def __len__(self) -> int:
        """Number of records held."""
        return sum(map(len, self._layouts.values())) + len(self._others)

    @property
    def begun_us(self) -> int | None:
        """When the oldest record held came; None where there is none."""
        return self._begun_us

    @property
    def is_held(self) -> bool:
        """Whether the calling thread is in the midst of something here, which only a signal handler finds to be so."""
        return self._lock._is_owned()  # noqa: SLF001 - as `Condition` asks

    @property
    def full(self) -> bool:
        """Whether one of the bounds is reached."""
        return self._rows >= self._max_rows or self._bytes >= self._max_bytes

    def append(self, record: object) -> bool:
        """Take one record; whether the buffer was begun by it, is full, or was closed meanwhile.

        The record is copied, with the containers, arrays and byte arrays in it, so the caller may reuse it. What is
        not a mapping, or cannot be read, is kept as it is, to be rejected and counted when the batch is typed. The
        buffer takes records beyond its bounds too; to swap in time is the caller's part.

        Raises
        ------
        ClosedError
            After `close`. A record that comes at the same moment may be taken yet, which the caller has to swap out.
        """
        rows = self._latest
        nested = False
        if type(record) is dict and len(record) == rows.width:
            try:
                values = rows.values_of(record)
                kinds = tuple(map(type, values))
                flat = kinds in rows.kinds
                nested = not flat and kinds in rows.nested
            except FATAL:
                raise
            except BaseException:  # noqa: BLE001  other keys; a foreign one may refuse comparison, a type its hash
                flat = False
            if flat:
                # No lock, which would cost as much as half of this: a list is extended at once, `swap` sets `look_at`
                # to 0 before it looks for rows, and from then on every thread that adds one has to come by `_look`.
                held = rows.values
                held += values
                if len(held) < rows.look_at:
                    return False
                with self._lock:
                    return self._look(rows)
        return self._append_unlike(record, nested=nested)

    def batches(self, rows: Iterable[object]) -> Iterator[RecordBatch]:
        """Rows as batches, each of what this buffer holds at the most; for one thread."""
        for row in rows:
            if self.append(row) and self.full:
                yield self.swap()
        if len(self):
            yield self.swap()

    def swap(self) -> RecordBatch:
        """Take everything out; what other threads append meanwhile stays for the next swap."""
        with self._lock:
            begun_us = self._now_us() if self._begun_us is None else self._begun_us
            self._begun_us = None
            for rows in self._layouts.values():
                rows.look_at = 0
            flat = [rows.take_out() for rows in self._layouts.values() if len(rows)]
            others, self._others = self._others, []
            saved_others, self._saved_others = self._saved_others, 0
            self._rows = self._bytes = 0
        return RecordBatch(others, flat, begun_us, saved_others)

    def to_journal(self) -> RecordBatch:
        """The records that came since the last call, which stay here; from now on they count as given to a journal."""
        with self._lock:
            begun_us = self._now_us() if self._begun_us is None else self._begun_us
            flat = [part for part in (rows.to_journal() for rows in self._layouts.values()) if len(part)]
            since, self._saved_others = self._saved_others, len(self._others)
            return RecordBatch(self._others[since:], flat, begun_us)

    def close(self, reason: str) -> None:
        """Take no more records; what is held can still be swapped out."""
        with self._lock:
            self._closed = reason
            self._latest = _NO_ROWS
            for rows in self._layouts.values():
                rows.look_at = 0

    def _append_unlike(self, record: object, *, nested: bool) -> bool:
        """Take a record that is not like the latest flat one: of other keys or types, nested, no mapping."""
        # Foreign code runs here, and may take its time: no lock is held meanwhile.
        fields = record if type(record) is dict else _read(record)
        if fields is not None and not nested:
            taken = self._taken_flat(fields)
            if taken is not None:
                return taken
        kept, size_bytes = (record, RECORD_BYTES) if fields is None else _copied(record, fields)
        with self._lock:
            self._check_open()
            self._others.append(kept)
            return self._attend(1, size_bytes)

    def _taken_flat(self, fields: dict[Any, Any]) -> bool | None:
        """Take a record into its layout, and answer as `append` does; None where it is not flat."""
        with self._lock:
            self._check_open()
            rows = self._layout_of(fields)
            if rows is None:
                return None
            self._latest = rows
            if not rows.take(fields):
                return None
            return len(rows.values) >= rows.look_at and self._look(rows)

    def _check_open(self) -> None:
        if self._closed is not None:
            raise ClosedError(self._closed)

    def _look(self, rows: FlatRows) -> bool:
        return self._attend(*rows.look(self._max_rows - self._rows, self._max_bytes - self._bytes))

    def _attend(self, rows: int, size_bytes: int) -> bool:
        """Count what was taken; whether the caller has to do something."""
        self._rows += rows
        self._bytes += size_bytes
        first = self._begun_us is None and rows > 0  # else they were swapped out meanwhile
        if first:
            self._begun_us = self._now_us()
        return first or self.full or self._closed is not None

    def _layout_of(self, record: dict[Any, Any]) -> FlatRows | None:
        keys = tuple(record)
        try:
            rows = self._layouts.get(keys)
        except FATAL:
            raise
        except BaseException:  # noqa: BLE001  a foreign key may raise anything
            return None
        if rows is None and len(self._layouts) < _MOST_LAYOUTS and are_plain_names(keys):
            rows = self._layouts[keys] = FlatRows(keys)
        return rows


def copied(record: object) -> object:
    """A record that changes no more, whoever changes what it is a copy of; what is no mapping as it is."""
    if type(record) is dict and FLAT_IDS.issuperset(map(id, map(type, record.values()))):
        return record.copy()
    fields = record if type(record) is dict else _read(record)
    return record if fields is None else _copied(record, fields)[0]


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


def _copied(record: object, fields: dict[Any, Any]) -> tuple[dict[Any, Any], int]:
    """A copy of the fields of a record that nobody else holds, and its estimated bytes; flat where that fails."""
    copied: dict[Any, Any] = {}
    copier = _Copier(record, copied)
    size_bytes = RECORD_BYTES + FIELD_BYTES * len(fields)
    try:
        for key, value in fields.items():
            kind = type(value)
            copied[key] = value if id(kind) in FLAT_IDS else copier.value(value, 1)
            if kind is str or kind is bytes:
                size_bytes += len(value)
    except FATAL:
        raise
    except BaseException:  # noqa: BLE001  a foreign array may raise anything, a deep caller has no stack left
        copied = fields.copy()
    return copied, size_bytes + copier.size_bytes


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
        self.size_bytes += FIELD_BYTES
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
        form = form_of(kind)
        if form == "mapping":
            fields = value if kind is dict else _read(value)
            return value if fields is None else self._mapping(value, fields, depth)
        if form == "sequence":
            return self._sequence(value, kind, depth)
        if form == "array":
            return self._array(value)
        return self._buffer(value) if issubclass(kind, (bytearray, memoryview)) else value

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
            copied = memoryview(value).tobytes()
        except (ValueError, BufferError):  # a released memoryview; it will be counted as an object
            return value
        self.size_bytes += len(copied)
        return copied

    def _array(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if array.size > MAX_NESTED_VALUES:
            return array  # it will be rejected; a broadcast one need not fit into memory
        self.size_bytes += array.nbytes
        return array.copy()
