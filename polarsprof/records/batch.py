"""Records as the rows of a stream: their event times and their typed columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polarsprof.eventtime import event_times_of_values
from polarsprof.records.columns import typed_columns
from polarsprof.records.lanes import FATAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from polarsprof.batch import TypedColumns


class RecordBatch:
    """Records of one micro-batch; what is no mapping is a row without time that typing rejects."""

    def __init__(self, records: Sequence[object]) -> None:
        self._records = records
        self.rows = len(records)

    def times_us(self, path: str, unit: str | None) -> pl.Series:
        """Event times of the records in microseconds, null where a record says none."""
        return event_times_of_values([_time_of(record, path) for record in self._records], unit)

    def columns(self, positions: NDArray[np.intp] | None = None) -> TypedColumns:
        """The typed columns of the records at the given positions; of all by default."""
        chosen = self._records if positions is None else [self._records[i] for i in positions.tolist()]
        return typed_columns(chosen)


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
