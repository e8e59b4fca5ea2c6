"""Checkpoints and journal entries as MessagePack, checked against types when read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec

from polarsprof.errors import CorruptProfile
from polarsprof.ingest.records import RecordBatch, deserialize, serialize
from polarsprof.windowing.windowing import Windowing  # noqa: TC001 - msgspec reads the annotations

_Kind = TypeVar("_Kind")
_ROWS: Final = b"R"
_SEALED: Final = b"S"


@dataclass(frozen=True, slots=True)
class OpenWindow:
    """An open window in a checkpoint, with its profile as a file.

    `start_us` is its start, `seal_at_us` the watermark that seals it, in microseconds.
    """

    start_us: int
    seal_at_us: int
    profile: bytes


@dataclass(frozen=True, slots=True)
class RotationState:
    """The state of a rotation in a checkpoint; instants in microseconds."""

    latest_us: int | None = None
    last_row_us: int = 0
    open: tuple[OpenWindow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterState:
    """The state of a writer.

    Attributes
    ----------
    dataset, late_dataset, windowing, spec_json, tags, metadata
        The settings of the writer, so that another process can go on.
    panes
        Number of panes sealed.
    dropped_told
        Rows of dropped panes that later panes report.
    counts
        Counters of the sealed windows, by name.
    positions
        Source → next position to read.
    rotation, late
        The open windows, and the open windows of rows that are too late.
    """

    dataset: str
    late_dataset: str | None
    windowing: Windowing
    spec_json: str
    tags: dict[str, str]
    metadata: dict[str, str]
    panes: int
    dropped_told: int
    counts: dict[str, int]
    positions: dict[str, int]
    rotation: RotationState
    late: RotationState


@dataclass(frozen=True, slots=True)
class Sealed:
    """Windows sealed before a checkpoint, repeated in its journal in case of damage.

    Attributes
    ----------
    panes
        Number of panes sealed.
    windows
        (start in microseconds, whether of rows that are too late) of each window sealed since the last checkpoint.
    """

    panes: int
    windows: tuple[tuple[int, bool], ...]


def state_bytes(state: WriterState) -> bytes:
    """Encode the state of a writer."""
    return msgspec.msgpack.encode(state)


def state_of(data: bytes) -> WriterState:
    """Decode the state of a writer.

    Raises
    ------
    CorruptProfile
        For other bytes.
    """
    return _decoded(data, WriterState)


@dataclass(frozen=True, slots=True)
class _Positions:
    positions: dict[str, int]


def positions_of(data: bytes) -> dict[str, int]:
    """Decode only the positions of the state of a writer.

    Raises
    ------
    CorruptProfile
        For other bytes.
    """
    return _decoded(data, _Positions).positions


def rows_entry(batch: RecordBatch) -> tuple[bytes, bytes] | None:
    """Encode an entry of rows, in parts; None if decoding would change a value."""
    data = serialize(batch)
    return None if data is None else (_ROWS, data)


def sealed_entry(sealed: Sealed) -> bytes:
    """Encode an entry of sealed windows."""
    return _SEALED + msgspec.msgpack.encode(sealed)


def entry_of(data: bytes) -> RecordBatch | Sealed:
    """Decode an entry.

    Raises
    ------
    CorruptProfile
        For other bytes.
    """
    kind, content = data[:1], data[1:]
    return deserialize(content) if kind == _ROWS else _decoded(content, Sealed)


def _decoded(data: bytes, kind: type[_Kind]) -> _Kind:
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
        msg = f"the state of a writer cannot be read: {error}"
        raise CorruptProfile(msg) from error
