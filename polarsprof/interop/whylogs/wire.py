"""Framed protobuf messages out of bytes that nobody vouches for: sizes and fields are checked before a parse.

An empty message takes two bytes in a file and a hundred in memory, so a message is parsed whole only where it is small
or where its fields were counted; what is large in these formats is bytes, which cost what they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from google.protobuf.message import Message

from polarsprof.errors import CorruptProfile
from polarsprof.files.codec import check_fields, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from polarsprof.interop.whylogs import whylogs_pb2 as wl

AnyMessage = TypeVar("AnyMessage", bound=Message)

MAX_FILE_BYTES: Final = 1 << 28
MAX_SMALL_BYTES: Final = 1 << 20  # of a message of whatever structure: some 50 MB in memory at the worst
MAX_HEADER_BYTES: Final = 1 << 23
MAX_PART_BYTES: Final = 1 << 24  # of one column
MAX_HEADER_FIELDS: Final = 250_000
MAX_PART_FIELDS: Final = 10_000
_LONGEST_VARINT: Final = 10


def varint(data: bytes, offset: int) -> tuple[int, int]:
    """The number at the offset, and where it ends."""
    number = 0
    for position, byte in enumerate(data[offset : offset + _LONGEST_VARINT]):
        number |= (byte & 127) << (7 * position)
        if byte < 128:
            return number, offset + position + 1
    raise corrupt("a length without an end")


def delimited(data: bytes, offset: int, most_bytes: int) -> tuple[bytes, int]:
    """The part that follows its length, and where it ends."""
    length, start = varint(data, offset)
    return taken(data, start, length, most_bytes), start + length


def taken(data: bytes, start: int, length: int, most_bytes: int) -> bytes:
    """A part of the data that is said to lie there."""
    if length > most_bytes or start + length > len(data):
        raise corrupt(f"a part of {length:,} bytes at offset {start:,}")
    return data[start : start + length]


def message(
    kind: type[AnyMessage], data: bytes, what: str, *, most_bytes: int = MAX_SMALL_BYTES, most_fields: int | None = None
) -> AnyMessage:
    """The message, where it is no larger and has no more fields than that."""
    if len(data) > most_bytes:
        raise corrupt(f"{what} of {len(data):,} bytes, more than {most_bytes:,}")
    if most_fields is not None:
        check_fields(data, most_fields, what)
    return parse(kind, data)


def pairs(entries: Iterable[wl.TextEntry]) -> dict[str, str]:
    """The entries of a map of texts; of one key the last counts, as protobuf has it."""
    return {entry.key: entry.value for entry in entries}


def first_of_each(keys: Iterable[str]) -> Iterator[str]:
    """The keys; a second one of the same name is refused."""
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            raise corrupt(f"column {key!r:.80} stands twice")
        seen.add(key)
        yield key


def corrupt(what: str) -> CorruptProfile:
    """The error for bytes that are no whylogs profile."""
    return CorruptProfile(f"not a readable profile of whylogs: {what}")
