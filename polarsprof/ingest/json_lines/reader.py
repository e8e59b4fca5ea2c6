"""Bytes, text and files → blocks of whole lines → batches of rows.

Blocks are read in columns several at a time and ahead of the batch that is profiled. Where a block is refused, what is
to blame is put aside, and the rest tried again, a bounded number of times; what is left is decoded line by line.
"""

from __future__ import annotations

import codecs
import os
from collections import defaultdict, deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

import polars as pl

from polarsprof.ingest.frames import JSON_LINES, FrameBatch, frames, is_tabular, paths
from polarsprof.ingest.json_lines.batch import LineBatch, ReadLines
from polarsprof.ingest.json_lines.columnar import ColumnarReader, RefusedError
from polarsprof.ingest.json_lines.spans import BLOCK_BYTES, line_spans
from polarsprof.ingest.records import RejectedRow, decode_json, record_batches, rejection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from polarsprof.kernels.batch import RowBatch

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")

_BLANK: Final = b" \t\r\n"

_PIECE_BYTES: Final = 12 * BLOCK_BYTES  # of lines in memory; read at once where that can be
_LONGEST_LINE_BYTES: Final = 64 << 20  # in a file; a longer one is cut, and its parts are rejected
_BLOCKS_PER_BATCH: Final = 6  # because a batch has a price of its own, some tenths of a millisecond a column
_BLOCKS_AHEAD: Final = 8
_SHORT_BYTES: Final = 4_096  # not worth the price of one reading, about 0.2 ms
_ATTEMPTS: Final = 32  # at a block, so that up to one line in a thousand may be bad before it becomes slow
_BATCH_RECORDS: Final = 8_192


@dataclass(slots=True)
class _Block:
    """What became of a block of lines: some read in columns, the rest left to be decoded one by one."""

    columns: list[ReadLines] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)


class JsonLines:
    """A reader of newline-delimited JSON; one per stream, because it learns what to expect. Thread-safe.

    Parameters
    ----------
    on_rejected
        Hears of each line that is rejected, without blanks around it, and of the reason.
    """

    def __init__(self, on_rejected: Callable[[bytes, str], object] | None = None) -> None:
        self._columnar = ColumnarReader()
        self._attempts = _ATTEMPTS
        self._on_rejected = on_rejected

    def batches(self, data: bytes | bytearray | memoryview | str) -> Iterator[RowBatch]:
        """The rows of many lines, those among them that are rejected.

        Parameters
        ----------
        data
            UTF-8 bytes or text of any number of lines, as `records.decode_json` takes them.

        Yields
        ------
        RowBatch
            Of about 48 MiB of lines at the most, within which lines may change places.
        """
        try:
            raw = data.encode() if isinstance(data, str) else bytes(data)
        except UnicodeEncodeError:  # text may have lone surrogates, which are replaced; bytes may not
            yield from record_batches(_records(data), _BATCH_RECORDS)
        else:
            for piece in _pieces(raw.removeprefix(codecs.BOM_UTF8), _PIECE_BYTES):
                frame = self._columnar.flat_frame(piece, _mapped) if len(piece) >= _SHORT_BYTES else None
                if frame is None:
                    yield from self._batches(_pieces(piece, BLOCK_BYTES))
                else:
                    yield LineBatch([ReadLines(frame, piece)])

    def file_batches(self, path: Path) -> Iterator[RowBatch]:
        """The rows of a file, as `batches` gives them, in bounded memory."""
        with path.open("rb") as file:
            if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
                file.seek(0)
            blocks = iter(lambda: file.read(BLOCK_BYTES) + file.readline(_LONGEST_LINE_BYTES), b"")
            yield from self._batches(blocks)

    def _batches(self, blocks: Iterator[bytes]) -> Iterator[RowBatch]:
        read = self._read_ahead(blocks)
        while group := list(islice(read, _BLOCKS_PER_BATCH)):
            alike: defaultdict[object, list[ReadLines]] = defaultdict(list)
            for part in chain.from_iterable(block.columns for block in group):
                alike[tuple(part.frame.schema.items())].append(part)
            yield from map(LineBatch, alike.values())
            # What follows a line end is no byte order mark at the start of the data.
            lines = chain.from_iterable(self._records(b"\n" + b) for block in group for b in block.lines)
            yield from record_batches(lines, _BATCH_RECORDS)

    def _records(self, lines: bytes) -> Iterator[object]:
        if self._on_rejected is None:
            yield from _records(lines)
            return
        for line in lines.split(b"\n"):
            for record in _records(b"\n" + line):
                if (reason := rejection(record)) is not None:
                    self._on_rejected(line.strip(_BLANK), reason)
                yield record

    def _read_ahead(self, blocks: Iterator[bytes]) -> Iterator[_Block]:
        reading: deque[Future[_Block]] = deque()
        for block in blocks:
            try:
                reading.append(_threads().submit(self._read, block))
            except RuntimeError:  # an exiting interpreter takes no more work
                reading.append(Future())
                reading[-1].set_result(self._read(block))
            if len(reading) >= _BLOCKS_AHEAD:
                yield reading.popleft().result()
        while reading:
            yield reading.popleft().result()

    def _read(self, block: bytes) -> _Block:
        lines = block.strip(_BLANK)
        if b"\n" not in lines:  # it may be very long, and hold more values than a record may
            return _Block(lines=[lines])
        read = _Block()
        attempts = self._attempts
        pending = [lines]
        while pending and attempts:
            part = pending.pop().strip(_BLANK)
            if len(part) < _SHORT_BYTES:
                read.lines.append(part)
                continue
            try:
                read.columns.append(ReadLines(self._columnar.frame(part), part))
            except RefusedError as refused:
                attempts -= 1
                pending += _without_the_bad(part, refused.at, read.lines)
        read.lines += pending
        self._attempts = _ATTEMPTS if attempts else max(1, self._attempts // 2)
        return read


def row_batches(data: Any) -> Iterator[RowBatch]:
    """The rows of anything that `frames.frames` takes, and of NDJSON files, in bounded batches.

    Raises
    ------
    ArgumentError
        As `frames.frames` does.
    """
    if isinstance(data, str | os.PathLike):
        for path in paths(data):
            yield from JsonLines().file_batches(path) if is_json_lines(path) else map(FrameBatch, frames(path))
    elif hasattr(data, "__iter__") and not isinstance(data, dict | bytes) and not is_tabular(data):
        for part in data:
            yield from row_batches(part)
    else:
        yield from map(FrameBatch, frames(data))


def is_json_lines(path: Path) -> bool:
    """Whether the name of a file says that it holds newline-delimited JSON."""
    return path.suffix.lower() in JSON_LINES


def _pieces(data: bytes, most_bytes: int) -> Iterator[bytes]:
    """Data in pieces of whole lines; the data itself where it is one."""
    return (data[start:end] for start, end in line_spans(data, most_bytes))


def _without_the_bad(lines: bytes, at: int | None, bad: list[bytes]) -> list[bytes]:
    """What is to be tried again of lines that were refused, the first of it last; the rest goes to the bad ones.

    Lines that do not even look like an object go all at once: often they are the log of something else in between.
    """
    objects, others = _by_look(lines)
    if others:
        bad.append(others)
        return [objects]
    start = lines.rfind(b"\n", 0, len(lines) // 2 if at is None else at) + 1
    if at is None and start:
        return [lines[start:], lines[: start - 1]]
    end = lines.find(b"\n", start)
    end = len(lines) if end < 0 else end
    bad.append(lines[start:end])
    return [lines[end + 1 :], lines[: max(start - 1, 0)]]


def _by_look(lines: bytes) -> tuple[bytes, bytes]:
    """Lines that begin and end like an object, and all others but blank ones."""
    objects: list[bytes] = []
    others: list[bytes] = []
    for line in lines.split(b"\n"):
        stripped = line.strip(_BLANK)
        looks = stripped.startswith(b"{") and stripped.endswith(b"}")
        (objects if looks else others).append(stripped)
    return b"\n".join(objects), b"\n".join(filter(None, others))


def _records(data: bytes | bytearray | memoryview | str) -> Iterator[object]:
    values, rejected = decode_json(data)
    yield from values
    yield from map(RejectedRow, rejected.elements())


def _mapped(work: Callable[[_Given], _Made], items: Iterable[_Given]) -> Iterator[_Made]:
    """As `map`, on several threads; not for what they work on themselves."""
    try:
        return _threads().map(work, items)
    except RuntimeError:  # an exiting interpreter takes no more work
        return map(work, items)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=pl.thread_pool_size(), thread_name_prefix="polarsprof-json")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)  # threads do not survive a fork
