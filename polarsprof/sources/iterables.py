"""`IterableSource` and `LinesSource`: iterators and standard input, read once.

Neither has positions. A killed process loses the records since the last checkpoint; no record counts twice.
"""

from __future__ import annotations

import select
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from polarsprof.errors import argument_error
from polarsprof.ingest.records import copy_record
from polarsprof.sources.protocol import Batch, Interrupted, Source

if TYPE_CHECKING:
    from collections.abc import Iterable
    from io import BufferedReader

_CHUNK_BYTES: Final = 4 << 20
_BATCH_BYTES: Final = 12 << 20  # a batch with a whole line waits for no more than this
_PIPE_BYTES: Final = 1 << 20  # limit of unprivileged users on Linux
_LONGEST_LINE_BYTES: Final = 64 << 20


class IterableSource(Source):
    """An iterable of records: mappings, or JSON values in bytes or text.

    A record is returned after half a second, or later if the iterator blocks.

    Parameters
    ----------
    items
        The records. A generator can wait for more records; it can reuse a record, because each is copied.

    Raises
    ------
    ArgumentError
        If the argument is not an iterable of records.

    Examples
    --------
    >>> source = IterableSource([{"x": 1}, b'{"x": 2}'])
    >>> source.poll(10, 0.5).records
    2
    """

    blocks = True

    def __init__(self, items: Iterable[object]) -> None:
        if not hasattr(items, "__iter__") or isinstance(items, str | bytes | bytearray | dict):
            raise argument_error("items", items, "an iterable of records")
        self._items = iter(items)
        self._waiting: list[object] = []
        self._count = 0

    def poll(self, max_records: int, timeout_s: float) -> Batch | None:
        """The items that come within the time; waits for one if the iterator does."""
        until = time.monotonic() + timeout_s
        with suppress(Interrupted):
            while len(self._waiting) < max_records and time.monotonic() < until:
                try:
                    self._waiting.append(_copy_of(next(self._items)))
                except StopIteration:
                    self.ended = True
                    break
        items, self._waiting = self._waiting, []
        start, self._count = self._count, self._count + len(items)
        return Batch(items, len(items), place=lambda number: ("items", start + number)) if items else None


def _copy_of(item: object) -> object:
    """A copy of an item, so that its owner can change it; text as bytes."""
    if isinstance(item, str):
        return item.encode(errors="replace")
    return bytes(item) if isinstance(item, bytearray | memoryview) else copy_record(item)


class LinesSource(Source):
    """A stream of NDJSON that can be read only once, such as standard input.

    A line over 64 MiB is cut, so that its parts are rejected and memory stays bounded. A line without an end when a
    signal comes is dropped.

    Parameters
    ----------
    stream
        A buffered binary stream.

    Examples
    --------
    >>> import io
    >>> LinesSource(io.BytesIO(b'{"x": 1}')).poll(10, 0.5).data
    b'{"x": 1}'
    """

    blocks = sys.platform == "win32"  # its pipes do not tell whether data is waiting

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = cast("BufferedReader", stream)
        self._rest = bytearray()
        self._line_ends = 0  # in the rest
        self._bytes_read = 0
        _enlarge_pipe(stream)

    def poll(self, max_records: int, timeout_s: float) -> Batch | None:
        """The whole lines that come within the time."""
        until = time.monotonic() + timeout_s
        with suppress(Interrupted):
            while self._wants_more() and (left_s := until - time.monotonic()) > 0:
                if _is_ready(self._stream, left_s):
                    chunk = self._stream.read1(_CHUNK_BYTES)
                    self._rest += chunk
                    self._line_ends += chunk.count(b"\n")
                    self.ended = not chunk
        data, lines = first_lines(self._rest, max_records, at_end=self.ended)
        del self._rest[: len(data)]
        self._line_ends -= data.count(b"\n")
        self.ended = self.ended and not self._rest
        start, self._bytes_read = self._bytes_read, self._bytes_read + len(data)
        return Batch(data, lines, place=lambda at: ("stream", start + at)) if data else None

    def _wants_more(self) -> bool:
        return not self.ended and len(self._rest) <= (_BATCH_BYTES if self._line_ends else _LONGEST_LINE_BYTES)


def first_lines(data: bytes | bytearray, max_lines: int, *, at_end: bool) -> tuple[bytes, int]:
    r"""The first whole lines of data, and their number.

    Parameters
    ----------
    data
        Bytes from the start of a line.
    max_lines
        Largest number of lines to return.
    at_end
        True if no data follows, so that the rest after the last line end is a line.

    Examples
    --------
    >>> first_lines(b"1\n2\n3", 9, at_end=False), first_lines(b"1\n2\n3", 9, at_end=True)
    ((b'1\n2\n', 2), (b'1\n2\n3', 3))
    >>> first_lines(b"1\n2\n3", 1, at_end=True)
    (b'1\n', 1)
    """
    lines = data.count(b"\n")
    rest = len(data) > data.rfind(b"\n") + 1
    if lines > max_lines or (lines == max_lines and rest):
        return bytes(data[: len(data) - len(data.split(b"\n", max_lines)[-1])]), max_lines
    if at_end or (not lines and len(data) > _LONGEST_LINE_BYTES):
        return bytes(data), lines + rest
    return bytes(data[: data.rfind(b"\n") + 1]), lines


def _is_ready(stream: BufferedReader, timeout_s: float) -> bool:
    """Returns whether data is waiting; True for a stream without a file descriptor."""
    try:
        handle = stream.fileno()
    except OSError:
        return True
    return sys.platform == "win32" or bool(select.select([handle], [], [], timeout_s)[0])


def _enlarge_pipe(stream: BinaryIO) -> None:
    """Let a pipe hold more than 64 KiB, because larger batches cost less per line."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(stream, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
