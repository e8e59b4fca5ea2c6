"""Bytes ⇄ header and column messages: magic, version, limits, checksums.

One CRC-32 covers the prefix of 28 bytes and the header; every column has its own. The columns follow one another to the
end of the file. So every byte is checked, and one column of many is read and verified alone. Profile bytes are hostile
until they are parsed: nothing is allocated before its size was checked. docs/file-format.md describes the layout.
"""

from __future__ import annotations

import re
import struct
import zlib
from bisect import bisect_left
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Final, TypeVar

from google.protobuf.message import DecodeError, Message

from polarsprof.errors import CorruptProfile, PolarsprofError, UnsupportedVersion
from polarsprof.files import profile_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

MAGIC: Final = b"POLPROF\n"
MAJOR_VERSION: Final = 1
MINOR_VERSION: Final = 1
MAX_HEADER_BYTES: Final = 1 << 26  # two million panes, or 100,000 columns with long paths
MAX_COLUMN_BYTES: Final = 1 << 27  # a column with every group at the largest knobs takes some 95 MB
MAX_COLUMNS: Final = 100_000
MAX_FILE_BYTES: Final = 1 << 32
# Limits of a writer for parts of a header, so that all parts together stay within MAX_HEADER_BYTES.
MAX_PATHS_BYTES: Final = 48 << 20
MAX_TEXT_BYTES: Final = 1 << 20
MAX_DATASET_CHARACTERS: Final = 65_536
_MAX_GROUPS: Final = 64  # this version knows 12
# Frequent fields of a header take at least this: a column 14 bytes, a pane some 26, or 6 with the shortest writer id.
_MIN_FIELD_BYTES: Final = 6
_SMALL_HEADER_BYTES: Final = 1 << 12  # parsed without a count of its fields: at most 2,048 empty ones, some 550 KB
_WRITERS: Final = 20  # the number of the field whose messages have repeated fields themselves

# Most panes: a writer id of 12 characters, and a number of up to three bytes.
_PANES: Final = re.compile(
    rb"(?:\x6a(?:\x0e\x0a\x0c.{12}|"
    rb"\x10\x0a\x0c.{12}\x10[\x00-\x7f]|"
    rb"\x11\x0a\x0c.{12}\x10[\x80-\xff][\x00-\x7f]|"
    rb"\x12\x0a\x0c.{12}\x10[\x80-\xff]{2}[\x00-\x7f]))++",
    re.DOTALL,
)
_MIN_PANE_BYTES: Final = 16

_PATH_OF: Final = attrgetter("path")
_ELEMENTS: Final = re.compile(re.escape("[]"))

# Magic, major, minor, header bytes, file bytes; then the CRC-32 of these and the header.
_PREFIX: Final = struct.Struct("<8sHHIQ")
_CRC: Final = struct.Struct("<I")
PREFIX_BYTES: Final = _PREFIX.size + _CRC.size

_AnyMessage = TypeVar("_AnyMessage", bound=Message)


def encode(header: pb.Header, columns: Iterable[tuple[str, pb.Column]]) -> bytes:
    """The bytes of a profile file; fills in `header.columns`, sorted by path.

    Raises
    ------
    PolarsprofError
        If a part is larger than readers accept: after a merge of very many profiles whose tags, sources or panes all
        differ.
    """
    bodies = []
    offset = 0
    minor = MINOR_VERSION if header.foreign or header.incomplete else 0
    del header.columns[:]
    for path, column in sorted(columns):
        minor = minor or _minor_version(column)
        body = column.SerializeToString(deterministic=True)
        _check_size(f"column {path!r:.80}", len(body), MAX_COLUMN_BYTES)
        header.columns.add(path=path, offset=offset, length=len(body), crc32=zlib.crc32(body))
        bodies.append(body)
        offset += len(body)
    head = header.SerializeToString(deterministic=True)
    _check_size("the header", len(head), MAX_HEADER_BYTES)
    file_bytes = PREFIX_BYTES + len(head) + offset
    _check_size("the whole", file_bytes, MAX_FILE_BYTES)
    prefix = _PREFIX.pack(MAGIC, MAJOR_VERSION, minor, len(head), file_bytes)
    return b"".join([prefix, _CRC.pack(zlib.crc32(head, zlib.crc32(prefix))), head, *bodies])


def _minor_version(column: pb.Column) -> int:
    """The lowest minor version with every field in use; keeps bytes of old columns."""
    newer = any(group.counters.unexamined or group.moments.rounded for group in column.groups)
    return MINOR_VERSION if newer else 0


def _check_size(part: str, size_bytes: int, max_bytes: int) -> None:
    if size_bytes > max_bytes:
        msg = f"the profile fits no file: {part} has {size_bytes:,} bytes, more than {max_bytes:,}"
        raise PolarsprofError(msg)


class Sections:
    """A profile file with a verified header; columns are read and verified on request.

    Parameters
    ----------
    read
        (offset, length) → that part of the file; shorter at the end of the file.
    file_bytes
        Size of the file.
    name
        Name of the file in errors; empty if it has none.

    Attributes
    ----------
    header
        The header message.

    Raises
    ------
    CorruptProfile
        If the bytes are truncated, altered, foreign or beyond a limit.
    UnsupportedVersion
        If the major version is newer.
    """

    def __init__(self, read: Callable[[int, int], bytes], file_bytes: int, name: str = "") -> None:
        self.name = name
        self._read = read
        self._bodies: dict[str, bytes] | None = None
        prefix = read(0, PREFIX_BYTES)
        head_bytes = _check_prefix(prefix, file_bytes)
        head = read(PREFIX_BYTES, head_bytes)
        if zlib.crc32(head, zlib.crc32(prefix[: _PREFIX.size])) != _CRC.unpack_from(prefix, _PREFIX.size)[0]:
            raise CorruptProfile(_text("the checksum of the header does not match"))
        _check_header(head)
        self.header = parse(pb.Header, head)
        self._body = PREFIX_BYTES + head_bytes
        self._body_bytes = file_bytes - self._body
        self._entries: Sequence[pb.ColumnEntry] = self.header.columns
        self._all_checked = False
        self._loaded_columns: object = None
        if len(self._entries) > MAX_COLUMNS:
            raise CorruptProfile(_text(f"it has {len(self._entries)} columns, more than {MAX_COLUMNS}"))

    @classmethod
    def of_bytes(cls, data: bytes) -> Sections:
        """The sections of a file in memory."""
        return cls(lambda offset, length: bytes(data[offset : offset + length]), len(data))

    def entries(self, columns: Iterable[str] | None) -> list[pb.ColumnEntry]:
        """The header entries of some columns, and of the lists around them; None is all.

        The lists around a column count its rows; see `lists_around`. Only the returned entries are verified.

        Raises
        ------
        CorruptProfile
            If an entry is out of order, or its bytes lie outside the file.
        """
        if columns is None:
            return self._all()
        if columns is self._loaded_columns:  # only these were loaded
            return list(self._entries)
        paths = set(columns)
        paths |= {lists for path in paths if "[]" in path for lists in lists_around(path)}
        return [entry for path in sorted(paths) for entry in self._find(path)]

    def _all(self) -> list[pb.ColumnEntry]:
        if not self._all_checked:
            _check_entries(self._entries, self._body_bytes)
            self._all_checked = True
        return list(self._entries)

    def _find(self, path: str) -> Iterator[pb.ColumnEntry]:
        """The entry of this path, if any, by binary search."""
        at = bisect_left(self._entries, path, key=_PATH_OF)
        if at < len(self._entries) and (entry := self._entries[at]).path == path:
            if entry.length > min(MAX_COLUMN_BYTES, self._body_bytes - entry.offset):
                raise CorruptProfile(_text(f"column {path!r:.80} lies at the wrong place"))
            yield entry

    def load(self, columns: Iterable[str] | None) -> None:
        """Read the bytes of some columns, as `entries`, so that the file can be closed.

        Afterwards no other column can be read.
        """
        entries = self.entries(columns)
        self._loaded_columns = columns
        self._bodies = {entry.path: self._bytes_of(entry) for entry in entries}
        self._entries, self._all_checked = entries, True
        del self._read

    def _bytes_of(self, entry: pb.ColumnEntry) -> bytes:
        return self._read(self._body + entry.offset, entry.length)

    def column(self, entry: pb.ColumnEntry) -> pb.Column:
        """The message of one column.

        Raises
        ------
        CorruptProfile
            If its checksum does not match, or the bytes do not parse.
        """
        body = self._bytes_of(entry) if self._bodies is None else self._bodies[entry.path]
        if zlib.crc32(body) != entry.crc32:
            raise CorruptProfile(_text(f"the checksum of column {entry.path!r:.80} does not match"))
        check_fields(body, _MAX_GROUPS, "a column")
        return parse(pb.Column, body)


def lists_around(path: str) -> list[str]:
    """The columns whose elements are rows of this one: `a`, `a[].b` for `a[].b[]`."""
    return [path[: match.start()] for match in _ELEMENTS.finditer(path)]


def _check_prefix(prefix: bytes, file_bytes: int) -> int:
    if prefix[: len(MAGIC)] != MAGIC:
        raise CorruptProfile(_text(f"it starts with {bytes(prefix[:8])!r} instead of {MAGIC!r}"))
    if len(prefix) < PREFIX_BYTES:
        raise CorruptProfile(_text(f"it has {len(prefix)} bytes, fewer than its prefix"))
    _, major, _, head_bytes, announced = _PREFIX.unpack_from(prefix)
    if major > MAJOR_VERSION:
        msg = f"the profile has file format version {major}; this release reads up to version {MAJOR_VERSION}"
        raise UnsupportedVersion(msg)
    if major < 1 or announced != file_bytes:
        raise CorruptProfile(_text(f"it has {file_bytes} bytes where its prefix announces {announced}"))
    if file_bytes > MAX_FILE_BYTES:
        raise CorruptProfile(_text(f"it has {file_bytes:,} bytes, more than {MAX_FILE_BYTES:,}"))
    if head_bytes > min(MAX_HEADER_BYTES, file_bytes - PREFIX_BYTES):
        raise CorruptProfile(_text(f"its header claims {head_bytes} bytes"))
    return int(head_bytes)


def _check_entries(entries: Iterable[pb.ColumnEntry], body_bytes: int) -> None:
    offset = 0
    previous = None
    for entry in entries:  # each access to a field costs time, in thousands of files
        path, length = entry.path, entry.length
        if entry.offset != offset or length > MAX_COLUMN_BYTES:
            raise CorruptProfile(_text(f"column {path!r:.80} lies at the wrong place"))
        if previous is not None and path <= previous:
            raise CorruptProfile(_text(f"column {path!r:.80} is out of order"))
        offset += length
        previous = path
    if offset != body_bytes:
        raise CorruptProfile(_text(f"its columns take {offset} bytes of {body_bytes}"))


def _check_header(head: bytes) -> None:
    """Refuse very many small fields before the header is parsed.

    An empty pane takes 2 bytes in a file, and 270 in memory.
    """
    if len(head) <= _SMALL_HEADER_BYTES:
        return
    total = 0
    for fields, end in _ends(head):
        total += fields
        if total > (_SMALL_HEADER_BYTES + end) // _MIN_FIELD_BYTES:
            raise CorruptProfile(_text(f"a header with {total:,} fields in {end:,} bytes"))


def _ends(head: bytes) -> Iterator[tuple[int, int]]:
    """Upper bounds of the number of next fields, with fields of writers; their ends."""
    end = 0
    while end < len(head):
        if panes := _PANES.match(head, end):  # up to a million in the files of many writers
            start, end = panes.span()
            yield -(-(end - start) // _MIN_PANE_BYTES), end
            continue
        number, start, end = next(_fields(head, end, len(head)))
        if number == _WRITERS:
            yield from ((1, inner) for _, _, inner in _fields(head, start, end))
        yield 1, end


def check_fields(body: bytes, max_fields: int, part: str) -> None:
    """Refuse a message with too many fields before it is parsed.

    An empty message takes 2 bytes in a file, and 100 in memory.

    Parameters
    ----------
    body
        The bytes of the message.
    max_fields
        The most fields to accept.
    part
        Name of the message in errors.

    Raises
    ------
    CorruptProfile
        If the message has more fields.
    """
    if sum(1 for _ in islice(_fields(body, 0, len(body)), max_fields + 1)) > max_fields:
        raise CorruptProfile(_text(f"{part} of more than {max_fields:,} fields"))


def _fields(body: bytes, offset: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The number of each field between two offsets, and the bounds of its content."""
    while offset < end:
        tag, offset = _varint(body, offset)
        start = offset
        if tag & 7 == 2:
            length, start = _varint(body, offset)
            offset = start + length
        elif tag & 7 == 0:
            _, offset = _varint(body, offset)
        else:
            offset += {1: 8, 5: 4}.get(tag & 7, len(body))
        yield tag >> 3, start, min(offset, end)


def _varint(body: bytes, offset: int) -> tuple[int, int]:
    """The number at an offset, and its end; the parser refuses bad numbers later."""
    if offset < len(body) and body[offset] < 128:
        return body[offset], offset + 1
    number = shift = 0
    for position in range(offset, min(offset + 10, len(body))):
        number |= (body[position] & 127) << shift
        shift += 7
        if body[position] < 128:
            return number, position + 1
    return 0, len(body)


def parse(kind: type[_AnyMessage], data: bytes) -> _AnyMessage:
    """The message of some bytes.

    Raises
    ------
    CorruptProfile
        If the bytes do not parse.
    """
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise CorruptProfile(_text("a message does not parse")) from error
    # Unknown fields of a newer minor version stay in this message; only known fields are read from it.
    return message


def _text(problem: str) -> str:
    return f"not a readable profile: {problem}"
