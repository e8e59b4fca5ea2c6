"""Python iterators and standard input: read once, so that what was not flushed is lost with the process.

Neither has positions. A killed process loses what came since the last checkpoint; nothing counts twice.
"""

from __future__ import annotations

import select
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from polarsprof.errors import argument_error
from polarsprof.ingest.records import copy_record
from polarsprof.sources.protocol import Batch, Interrupted, Source

if TYPE_CHECKING:
    from collections.abc import Iterable

_CHUNK_BYTES: Final = 4 << 20
_ENOUGH_BYTES: Final = 12 << 20  # for a batch
_PIPE_BYTES: Final = 1 << 20  # what a user may ask for on Linux
_LONGEST_LINE_BYTES: Final = 64 << 20


class IterableSource(Source):
    """Any iterable of records: mappings, or JSON values in bytes or text.

    Records that were taken wait for half a second at the most, or until the next one comes.

    Parameters
    ----------
    items
        The records; a generator that waits for more is fine. They are copied, so it may use one again.

    Raises
    ------
    ArgumentError
        For what is no iterable of records.

    Examples
    --------
    >>> source = IterableSource([{"x": 1}, b'{"x": 2}'])
    >>> source.poll(10, 0.5).records
    2
    """

    blocks = True

    def __init__(self, items: Iterable[Any]) -> None:
        if not hasattr(items, "__iter__") or isinstance(items, str | bytes | bytearray | dict):
            raise argument_error("items", items, "an iterable of records")
        self._items = iter(items)
        self._taken: list[Any] = []
        self._count = 0

    def poll(self, most: int, timeout_s: float) -> Batch | None:
        """As many items as come within the time, at least one."""
        until = time.monotonic() + timeout_s
        with suppress(Interrupted):
            while len(self._taken) < most and time.monotonic() < until:
                try:
                    self._taken.append(_kept(next(self._items)))
                except StopIteration:
                    self.ended = True
                    break
        taken, self._taken = self._taken, []
        start, self._count = self._count, self._count + len(taken)
        return Batch(taken, len(taken), place=lambda number: ("items", start + number)) if taken else None


def _kept(item: Any) -> Any:
    """An item that whoever made it may change now."""
    if isinstance(item, str):
        return item.encode(errors="replace")
    return bytes(item) if isinstance(item, bytearray | memoryview) else copy_record(item)


class LinesSource(Source):
    """A stream of NDJSON that cannot be read again, such as standard input.

    A line that is longer than 64 MiB is cut there, so that its parts are rejected instead of filling the memory. A line
    that has no end when a signal comes is no line.

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

    blocks = sys.platform == "win32"  # pipes cannot be asked there whether anything has come

    def __init__(self, stream: BinaryIO) -> None:
        self._stream: Any = stream
        self._rest = bytearray()
        self._ends = 0  # of lines, in the rest
        self._read = 0
        _widen(stream)

    def poll(self, most: int, timeout_s: float) -> Batch | None:
        """The whole lines that come within the time."""
        until = time.monotonic() + timeout_s
        with suppress(Interrupted):
            while self._wants_more() and (left_s := until - time.monotonic()) > 0:
                if _is_ready(self._stream, left_s):
                    chunk = self._stream.read1(_CHUNK_BYTES)
                    self._rest += chunk
                    self._ends += chunk.count(b"\n")
                    self.ended = not chunk
        data, lines = first_lines(self._rest, most, at_end=self.ended)
        del self._rest[: len(data)]
        self._ends -= data.count(b"\n")
        self.ended = self.ended and not self._rest
        start, self._read = self._read, self._read + len(data)
        return Batch(data, lines, place=lambda at: ("stream", start + at)) if data else None

    def _wants_more(self) -> bool:
        return not self.ended and len(self._rest) <= (_ENOUGH_BYTES if self._ends else _LONGEST_LINE_BYTES)


def first_lines(data: bytes | bytearray, most: int, *, at_end: bool) -> tuple[bytes, int]:
    r"""The first whole lines of data, and their number.

    Parameters
    ----------
    most
        How many at the most.
    at_end
        Whether nothing follows, so that what comes after the last line end is a line too.

    Examples
    --------
    >>> first_lines(b"1\n2\n3", 9, at_end=False), first_lines(b"1\n2\n3", 9, at_end=True)
    ((b'1\n2\n', 2), (b'1\n2\n3', 3))
    >>> first_lines(b"1\n2\n3", 1, at_end=True)
    (b'1\n', 1)
    """
    lines = data.count(b"\n")
    rest = len(data) > data.rfind(b"\n") + 1
    if lines > most or (lines == most and rest):
        return bytes(data[: len(data) - len(data.split(b"\n", most)[-1])]), most
    if at_end or (not lines and len(data) > _LONGEST_LINE_BYTES):
        return bytes(data), lines + rest
    return bytes(data[: data.rfind(b"\n") + 1]), lines


def _is_ready(stream: Any, timeout_s: float) -> bool:
    """Whether reading would not wait; what cannot be asked is."""
    try:
        handle = stream.fileno()
    except OSError:
        return True
    return sys.platform == "win32" or bool(select.select([handle], [], [], timeout_s)[0])


def _widen(stream: BinaryIO) -> None:
    """Let a pipe hold more than its 64 KiB, because many lines at once are profiled at a lower price each."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(stream, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
