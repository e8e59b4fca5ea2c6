"""Records as the rows of a stream: their event times and their typed columns."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from polarsprof.ingest.records.columns import typed_rows
from polarsprof.ingest.records.dtypes import FATAL
from polarsprof.windowing.event_time import event_times_of_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from polarsprof.ingest.records.flat_rows import FlatColumns
    from polarsprof.kernels.batch import TypedColumns


class RecordBatch:
    """Records of one micro-batch: flat ones by their layouts, then all others, in order of arrival within each.

    What is no mapping is a row without time that typing rejects.

    Attributes
    ----------
    rows
        Number of rows.
    begun_us
        When the first of them arrived.
    flat, others
        The flat records; all others.
    """

    def __init__(
        self,
        others: Sequence[object],
        flat: Sequence[FlatColumns] = (),
        begun_us: int = 0,
        saved_others: int = 0,
    ) -> None:
        self.flat = flat
        self.others = others
        self._saved_others = saved_others
        self._is_saved = False
        self.begun_us = begun_us
        self.rows = sum(map(len, flat)) + len(others)

    def to_journal(self) -> RecordBatch:
        """The records that were not given to a journal; from now on they count as given to one."""
        if self._is_saved:
            return RecordBatch(())
        self._is_saved = True
        flat = [part.unsaved() for part in self.flat if part.saved_rows < len(part)]
        return RecordBatch(self.others[self._saved_others :], flat, self.begun_us)

    def times_us(self, path: str, unit: str | None) -> pl.Series:
        """Event times of the records in microseconds, null where a record says none."""
        values: list[object] = []
        for part in self.flat:
            values += part.column(path)
        values += [_time_of(record, path) for record in self.others]
        return event_times_of_values(values, unit)

    def columns(self, positions: NDArray[np.intp] | None = None) -> TypedColumns:
        """The typed columns of the records at the given positions, which ascend; of all by default."""
        if positions is None:
            return typed_rows(chain(*(part.columns() for part in self.flat)), self.others, self.rows)
        *chosen, others = self._split(positions)
        parts = (part.columns(rows) for part, rows in zip(self.flat, chosen, strict=True))
        return typed_rows(chain(*parts), [self.others[at] for at in others.tolist()], positions.size)

    def _split(self, positions: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
        """The positions within each layout, and at last those within the other records."""
        starts = np.cumsum([0, *map(len, self.flat)])
        for start, part in zip(starts, np.split(positions, np.searchsorted(positions, starts[1:])), strict=True):
            yield part - start


def _time_of(record: object, path: str) -> object:
    try:
        return _value_at(record, path)
    except FATAL:
        raise
    except BaseException:  # noqa: BLE001 - the keys of a mapping may do anything; typing will reject it
        return None


def _value_at(record: Any, path: str) -> object:
    """The value of a dotted path, through nested mappings; a key of that very name comes first.

    The buffer made dicts of all mappings that can be read; what is none has no fields.
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


def record_batches(records: Iterable[object], most: int) -> Iterator[RecordBatch]:
    """Records that nobody changes any more as batches of so many at the most."""
    remaining = iter(records)
    while batch := list(islice(remaining, most)):
        yield RecordBatch(batch)
