"""Framed protobuf messages in untrusted bytes, with checks before parsing.

Sizes and fields are checked. An empty message takes two bytes in a file and a hundred in memory. So a message is parsed
only if it is small or its fields are counted. Large fields of these formats are bytes, which take as much memory as in
the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from google.protobuf.message import Message

from polarsprof.errors import CorruptProfile
from polarsprof.files.codec import check_fields, parse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from polarsprof.interop.whylogs import whylogs_pb2 as wl

AnyMessage = TypeVar("AnyMessage", bound=Message)

MAX_FILE_BYTES: Final = 1 << 28
MAX_SMALL_BYTES: Final = 1 << 20  # of a message without a limit of fields: at most about 50 MB in memory
MAX_HEADER_BYTES: Final = 1 << 23
MAX_PART_BYTES: Final = 1 << 24  # of one column
MAX_HEADER_FIELDS: Final = 250_000
MAX_PART_FIELDS: Final = 10_000
_MAX_VARINT_BYTES: Final = 10


def varint(data: bytes, offset: int) -> tuple[int, int]:
    """The number at the offset, and the offset behind it."""
    number = 0
    for position, byte in enumerate(data[offset : offset + _MAX_VARINT_BYTES]):
        number |= (byte & 127) << (7 * position)
        if byte < 128:
            return number, offset + position + 1
    raise corrupt("a length prefix does not end")


def delimited(data: bytes, offset: int, max_bytes: int) -> tuple[bytes, int]:
    """The part after its length prefix, and the offset behind it."""
    length, start = varint(data, offset)
    return part(data, start, length, max_bytes), start + length


def part(data: bytes, start: int, length: int, max_bytes: int) -> bytes:
    """A part of the data; raises CorruptProfile if it is too large or out of range."""
    if length > max_bytes or start + length > len(data):
        raise corrupt(f"a part of {length:,} bytes at offset {start:,} is out of range")
    return data[start : start + length]


def message(
    kind: type[AnyMessage], data: bytes, label: str, *, max_bytes: int = MAX_SMALL_BYTES, max_fields: int | None = None
) -> AnyMessage:
    """Parse a message; raises CorruptProfile if it exceeds a limit."""
    if len(data) > max_bytes:
        raise corrupt(f"{label} of {len(data):,} bytes, more than {max_bytes:,}")
    if max_fields is not None:
        check_fields(data, max_fields, label)
    return parse(kind, data)


def pairs(entries: Iterable[wl.TextEntry]) -> dict[str, str]:
    """The entries of a map of texts; the last entry of a key counts, as in protobuf."""
    return {entry.key: entry.value for entry in entries}


def check_unique(paths: Iterable[str]) -> None:
    """Raise CorruptProfile if a column occurs twice."""
    known: set[str] = set()
    for path in paths:
        if path in known:
            raise corrupt(f"column {path!r:.80} occurs twice")
        known.add(path)


def corrupt(label: str) -> CorruptProfile:
    """The error for bytes that are no profile of whylogs."""
    return CorruptProfile(f"not a readable profile of whylogs: {label}")
