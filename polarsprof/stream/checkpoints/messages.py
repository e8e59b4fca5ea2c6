"""What a checkpoint and the entries of a journal say ⇄ bytes: MessagePack, checked against these types when read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec

from polarsprof.errors import CorruptProfile
from polarsprof.ingest.records import RecordBatch, deserialize, serialize
from polarsprof.stream.rotation import RotationState, Windowing  # noqa: TC001 - msgspec reads the annotations

_Kind = TypeVar("_Kind")
_ROWS: Final = b"R"
_SEALED: Final = b"S"


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterState:
    """All that a writer knows.

    Attributes
    ----------
    dataset, late_dataset, windowing, spec_json, tags, metadata
        What it was made with, so that anyone can go on from here.
    panes
        How many panes it made.
    dropped_told
        How many rows of dropped panes stand in panes already.
    counts
        Those of the windows that are sealed.
    positions
        Source → the next position to read.
    rotation, late
        The open windows, those of the rows that are too late apart.
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
    """What was sealed up to a checkpoint, in the journal after it, for those who find the checkpoint damaged.

    Attributes
    ----------
    panes
        How many panes the writer had made.
    windows
        (start in microseconds, whether of rows that are too late) of the windows sealed since the checkpoint before.
    """

    panes: int
    windows: tuple[tuple[int, bool], ...]


def state_bytes(state: WriterState) -> bytes:
    """What a checkpoint holds."""
    return msgspec.msgpack.encode(state)


def state_of(data: bytes) -> WriterState:
    """What a checkpoint says.

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
    """The positions that a checkpoint says; all else in it is passed over.

    Raises
    ------
    CorruptProfile
        For other bytes.
    """
    return _decoded(data, _Positions).positions


def rows_entry(batch: RecordBatch) -> tuple[bytes, bytes] | None:
    """An entry of rows, in parts; None where it could not give them back as they are."""
    data = serialize(batch)
    return None if data is None else (_ROWS, data)


def sealed_entry(sealed: Sealed) -> bytes:
    """An entry of what was sealed."""
    return _SEALED + msgspec.msgpack.encode(sealed)


def entry_of(data: bytes) -> RecordBatch | Sealed:
    """What an entry says.

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
