"""Batches of records ⇄ bytes, for a journal: what comes back has the same times and becomes the same typed columns.

MessagePack by msgspec, some 5 ns a value of a plain type. What MessagePack does not know travels as what its lane holds
of it: a numpy integer comes back as an int, a Decimal as a float, a datetime in UTC. A batch with a value that would
not come back faithfully, such as a pandas Timestamp with nanoseconds and a zone, is not packed at all.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from polarsprof.errors import CorruptProfile
from polarsprof.ingest.records.batch import RecordBatch
from polarsprof.ingest.records.dtypes import EPOCH, EPOCH_UTC, UNKNOWN, Placer, kinds_of
from polarsprof.ingest.records.flat_rows import FlatColumns
from polarsprof.ingest.records.flatten import MAX_NESTED_VALUES, form_of
from polarsprof.ingest.records.json_lines import RejectedRow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_PLAIN_IDS: Final = frozenset(map(id, (bool, int, float, str, bytes, type(None))))
_INT64: Final = range(-(2**63), 2**63)
_US: Final = dt.timedelta(microseconds=1)
_TIMES: Final = (np.datetime64, float, dt.date)  # what may say a time though no lane holds it
_LISTED_ARRAYS: Final = "?biufU"  # kinds of arrays whose `tolist` says the same
_REJECTED: Final = "rejected"

# Lane → how a value of it comes back; the position in this table is the code of an extension of MessagePack.
_RETURN: Final[dict[str, Callable[[Any], Any]]] = {
    "integer": int,
    "text": str,
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
_CODES: Final = {lane: code for code, lane in enumerate(_RETURN)}
_BY_CODE: Final = list(_RETURN.values())


class _NotPackableError(Exception):
    """There is a value that would not come back as it was."""


def packed(batch: RecordBatch) -> bytes | None:
    """The batch as bytes; None where it holds a value that would not come back as it was."""
    packer = _Packer()
    for columns in (packer.plain_columns, packer.every_column):
        try:
            flat = [(part.names, columns(part)) for part in batch.flat]
            return packer.encode((batch.begun_us, flat, list(map(packer.value, batch.others))))
        except (OverflowError, UnicodeEncodeError):  # an integer beyond 64 bits, a lone surrogate: each value by itself
            continue
        except (_NotPackableError, RecursionError, ValueError):  # the last one of integers of 4,301 digits
            break
    return None


def unpacked(data: bytes) -> RecordBatch:
    """The batch that `packed` packed.

    Raises
    ------
    CorruptProfile
        For other bytes.
    """
    try:
        begun_us, flat, others = _decoder.decode(data)
        parts = [FlatColumns(names, values, list(map(kinds_of, values))) for names, values in flat]
        return RecordBatch(others, parts, begun_us)
    except (msgspec.MsgspecError, LookupError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        msg = f"an entry of a journal is no batch of records: {error}"
        raise CorruptProfile(msg) from error


class _Packer:
    """Brings values into the forms of MessagePack."""

    def __init__(self) -> None:
        self.encode = msgspec.msgpack.Encoder().encode
        self._placer = Placer()
        self._remaining = MAX_NESTED_VALUES  # lists may be shared, and stand for more than memory holds

    def plain_columns(self, part: FlatColumns) -> list[list[Any]]:
        """The columns, each value by itself only where some are of no plain type."""
        columns = zip(part.values, part.kinds, strict=True)
        return [values if _PLAIN_IDS.issuperset(kinds) else self._values(values) for values, kinds in columns]

    def every_column(self, part: FlatColumns) -> list[list[Any]]:
        """The columns, each value by itself."""
        return list(map(self._values, part.values))

    def value(self, value: Any) -> Any:
        """A value or record, whatever it is."""
        kind = type(value)
        if kind is dict:
            return {_key(key): self.value(field) for key, field in value.items()}
        if kind is list:
            return self._values(value)
        if kind is RejectedRow:
            return self._extension(_REJECTED, value.reason)
        if isinstance(value, np.ndarray) and value.ndim and value.dtype.kind in _LISTED_ARRAYS:
            self._spend(value.size)
            return self._values(value.tolist())
        if form_of(kind) != "leaf":
            raise _NotPackableError
        return self._leaf(value)

    def _values(self, values: Sequence[Any]) -> list[Any]:
        self._spend(len(values))
        return [self.value(value) for value in values]

    def _spend(self, values: int) -> None:
        self._remaining -= values
        if self._remaining < 0:
            raise _NotPackableError

    def _leaf(self, value: Any) -> Any:
        lane, held = self._placer.place(value)
        if lane in ("", "boolean", "fraction", "binary"):
            return held
        if lane == "integer":
            return held if held in _INT64 else self._extension(lane, str(held))
        if lane == "text":
            return held if held.isascii() else self._text(held)
        if lane not in _CODES or isinstance(value, np.timedelta64) or (lane == UNKNOWN and isinstance(value, _TIMES)):
            raise _NotPackableError
        return self._extension(lane, held)

    def _text(self, text: str) -> Any:
        try:
            text.encode()
        except UnicodeEncodeError:
            return msgspec.msgpack.Ext(_CODES["text"], text.encode("utf-8", "surrogatepass"))
        return text

    def _extension(self, lane: str, held: object) -> msgspec.msgpack.Ext:
        return msgspec.msgpack.Ext(_CODES[lane], self.encode(held))


def _key(key: object) -> str:
    if type(key) is not str:
        raise _NotPackableError
    return key


def _returned(code: int, data: memoryview) -> Any:
    if code == _CODES["text"]:
        return bytes(data).decode("utf-8", "surrogatepass")
    return _BY_CODE[code](msgspec.msgpack.decode(data))


_decoder = msgspec.msgpack.Decoder(tuple[int, list[tuple[list[str], list[list[Any]]]], list[Any]], ext_hook=_returned)
