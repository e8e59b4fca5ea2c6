"""Batches of records ⇄ bytes, for a journal.

Event times and typed columns are the same after a round trip. The format is MessagePack by msgspec, some 5 ns a value
of a plain type. A value that MessagePack does not know is written as the physical value of its target dtype: a numpy
integer is read as an int, a Decimal as a float, a datetime in UTC. A batch with a value that cannot be restored
faithfully, such as a pandas Timestamp with nanoseconds and a zone, is not serialized at all.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from polarsprof.errors import CorruptProfile
from polarsprof.ingest.records.batch import RecordBatch
from polarsprof.ingest.records.converters import EPOCH, EPOCH_UTC, INT64
from polarsprof.ingest.records.dtypes import UNKNOWN, ValueClassifier, kinds_of
from polarsprof.ingest.records.flat_rows import FlatColumns
from polarsprof.ingest.records.flatten import MAX_NESTED_VALUES, form_of
from polarsprof.ingest.records.json_lines import RejectedRow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_PLAIN_IDS: Final = frozenset(map(id, (bool, int, float, str, bytes, type(None))))
_US: Final = dt.timedelta(microseconds=1)
_TIMES: Final = (np.datetime64, float, dt.date)  # types that can be an event time though no dtype holds the value
_LISTED_ARRAYS: Final = "?biufU"  # kinds of arrays that their `tolist` represents exactly
_REJECTED: Final = "rejected"

# Target → function that restores a value; the position in this table is the code of an extension of MessagePack.
_RESTORE: Final[dict[str, Callable[[Any], object]]] = {
    "integer": int,
    "string": str,
    "date": lambda days: EPOCH.date() + dt.timedelta(days=days),
    "time": lambda ns: (EPOCH + ns // 1_000 * _US).time(),
    "naive_us": lambda us: EPOCH + us * _US,
    "utc_us": lambda us: EPOCH_UTC + us * _US,
    "duration_us": lambda us: us * _US,
    "naive_ns": lambda ns: np.datetime64(ns, "ns"),
    "duration_ns": lambda ns: np.timedelta64(ns, "ns"),
    UNKNOWN: lambda _: object(),
    _REJECTED: RejectedRow,
}
_CODES: Final = {target: code for code, target in enumerate(_RESTORE)}
_BY_CODE: Final = list(_RESTORE.values())


class _NotSerializableError(Exception):
    """A value cannot be restored faithfully."""


def _restore(code: int, data: memoryview) -> object:
    if code == _CODES["string"]:
        return bytes(data).decode("utf-8", "surrogatepass")
    return _BY_CODE[code](msgspec.msgpack.decode(data))


_decoder = msgspec.msgpack.Decoder(
    tuple[int, list[tuple[list[str], list[list[Any]]]], list[Any]],
    ext_hook=_restore,
)


def serialize(batch: RecordBatch) -> bytes | None:
    """The batch as bytes; None if a value of it cannot be restored faithfully."""
    serializer = _Serializer()
    for columns in (serializer.plain_columns, serializer.every_column):
        try:
            flat = [(part.names, columns(part)) for part in batch.flat]
            return serializer.encode((batch.begun_us, flat, list(map(serializer.value, batch.others))))
        except (OverflowError, UnicodeEncodeError):  # an integer beyond 64 bits, a lone surrogate: try value by value
            continue
        except (_NotSerializableError, RecursionError, ValueError):  # ValueError: integers of 4,301 digits
            break
    return None


def deserialize(data: bytes) -> RecordBatch:
    """The batch that `serialize` wrote.

    Raises
    ------
    CorruptProfile
        If the bytes are not the result of `serialize`.
    """
    try:
        begun_us, flat, others = _decoder.decode(data)
        parts = [FlatColumns(names, values, list(map(kinds_of, values))) for names, values in flat]
        return RecordBatch(others, parts, begun_us)
    except (msgspec.MsgspecError, LookupError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        msg = f"an entry of a journal is no batch of records: {error}"
        raise CorruptProfile(msg) from error


class _Serializer:
    """Converts values to the types of MessagePack."""

    def __init__(self) -> None:
        self.encode = msgspec.msgpack.Encoder().encode
        self._classifier = ValueClassifier()
        self._remaining = MAX_NESTED_VALUES  # shared lists can stand for more values than memory holds

    def plain_columns(self, part: FlatColumns) -> list[list[object]]:
        """The columns; those of plain types only are not converted."""
        columns = zip(part.values, part.kinds, strict=True)
        return [values if _PLAIN_IDS.issuperset(kinds) else self._values(values) for values, kinds in columns]

    def every_column(self, part: FlatColumns) -> list[list[object]]:
        """The columns, converted value by value."""
        return list(map(self._values, part.values))

    def value(self, value: object) -> object:
        """The converted form of any value or record."""
        kind = type(value)
        if type(value) is dict:
            return {_key(key): self.value(field) for key, field in value.items()}
        if type(value) is list:
            return self._values(value)
        if type(value) is RejectedRow:
            return self._extension(_REJECTED, value.reason)
        if isinstance(value, np.ndarray) and value.ndim and value.dtype.kind in _LISTED_ARRAYS:
            self._spend(value.size)
            return self._values(value.tolist())
        if form_of(kind) != "leaf":
            raise _NotSerializableError
        return self._leaf(value)

    def _values(self, values: Sequence[object]) -> list[object]:
        self._spend(len(values))
        return [self.value(value) for value in values]

    def _spend(self, values: int) -> None:
        self._remaining -= values
        if self._remaining < 0:
            raise _NotSerializableError

    def _leaf(self, value: object) -> object:
        target, physical = self._classifier.classify(value)
        if target in ("", "boolean", "float", "binary"):
            return physical
        if isinstance(physical, int) and target == "integer":
            return physical if physical in INT64 else self._extension(target, str(physical))
        if isinstance(physical, str) and target == "string":
            return physical if physical.isascii() else self._text(physical)
        no_time = target == UNKNOWN and isinstance(value, _TIMES)
        if target not in _CODES or isinstance(value, np.timedelta64) or no_time:
            raise _NotSerializableError
        return self._extension(target, physical)

    def _text(self, text: str) -> object:
        try:
            text.encode()
        except UnicodeEncodeError:
            return msgspec.msgpack.Ext(_CODES["string"], text.encode("utf-8", "surrogatepass"))
        return text

    def _extension(self, target: str, physical: object) -> msgspec.msgpack.Ext:
        return msgspec.msgpack.Ext(_CODES[target], self.encode(physical))


def _key(key: object) -> str:
    if type(key) is not str:
        raise _NotSerializableError
    return key
