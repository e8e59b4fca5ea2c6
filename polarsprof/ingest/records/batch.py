"""Records as the rows of a stream: their event times and their typed columns."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

import numpy as np

from polarsprof.ingest.records.columns import typed_rows
from polarsprof.ingest.records.foreign import FATAL
from polarsprof.windowing.event_time import event_times_of_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from polarsprof.ingest.records.flat_rows import FlatColumns
    from polarsprof.kernels.batch import TypedColumns


class RecordBatch:
    """Records of one micro-batch: flat ones by layout, then all others.

    They are in order of arrival within each. An object that is no mapping is a row without an event time, which typing
    rejects.

    Parameters
    ----------
    others
        The records that are not flat.
    flat
        The flat records, one entry per layout.
    begun_us
        Arrival of the first record, in microseconds.
    journal_others
        Number of leading `others` that are in a journal.

    Attributes
    ----------
    rows
        Number of rows.
    begun_us
        Arrival of the first record, in microseconds.
    flat, others
        The flat records; all others.
    """

    def __init__(
        self,
        others: Sequence[object],
        flat: Sequence[FlatColumns] = (),
        begun_us: int = 0,
        journal_others: int = 0,
    ) -> None:
        self.flat = flat
        self.others = others
        self._journal_others = journal_others
        self._is_in_journal = False
        self.begun_us = begun_us
        self.rows = sum(map(len, flat)) + len(others)

    def to_journal(self) -> RecordBatch:
        """The records that are in no journal; later calls treat them as written to one."""
        if self._is_in_journal:
            return RecordBatch(())
        self._is_in_journal = True
        flat = [part.outside_journal() for part in self.flat if part.journal_rows < len(part)]
        return RecordBatch(self.others[self._journal_others :], flat, self.begun_us)

    def times_us(self, path: str, unit: str | None) -> pl.Series:
        """Event times of the records in microseconds; null for a record without one."""
        values: list[object] = []
        for part in self.flat:
            values += part.column(path)
        values += [_time_of(record, path) for record in self.others]
        return event_times_of_values(values, unit)

    def columns(self, positions: NDArray[np.intp] | None = None) -> TypedColumns:
        """The typed columns of the records at ascending positions, or of all."""
        if positions is None:
            return typed_rows(chain(*(part.columns() for part in self.flat)), self.others, self.rows)
        *of_flat, of_others = self._split(positions)
        parts = (part.columns(rows) for part, rows in zip(self.flat, of_flat, strict=True))
        return typed_rows(chain(*parts), [self.others[at] for at in of_others.tolist()], positions.size)

    def _split(self, positions: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
        """The positions within each layout, then the positions within the other records."""
        starts = np.cumsum([0, *map(len, self.flat)])
        for start, part in zip(starts, np.split(positions, np.searchsorted(positions, starts[1:])), strict=True):
            yield part - start


def _time_of(record: object, path: str) -> object:
    try:
        return _value_at(record, path)
    except FATAL:
        raise
    except BaseException:  # noqa: BLE001 - foreign code, per record; typing will reject the record
        return None


def _value_at(record: object, path: str) -> object:
    """The value of a dotted path through nested mappings.

    A key with that exact name has precedence. The buffer turned every readable mapping into a dict; any other object
    has no fields.
    """
    if type(record) is not dict:
        return None
    if path in record:
        return record[path]
    head, dot, rest = path.partition(".")
    while dot:
        if head in record:
            return _value_at(record[head], rest)
        more, dot, rest = rest.partition(".")
        head = f"{head}.{more}"
    return None


def record_batches(records: Iterable[object], max_records: int) -> Iterator[RecordBatch]:
    """Batches of at most `max_records` records, which must not change any more."""
    remaining = iter(records)
    while batch := list(islice(remaining, max_records)):
        yield RecordBatch(batch)
