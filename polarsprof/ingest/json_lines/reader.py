"""Bytes, text and files → blocks of whole lines → batches of rows.

`polarsprof.ingest.json_lines` lists the decisions. Blocks are read in columns, several at a time and ahead of the batch
that is profiled. If a block is refused, its bad line is put aside and the rest is tried again, a bounded number of
times. The remaining lines are decoded one by one.
"""

from __future__ import annotations

import codecs
import os
from collections import defaultdict, deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, TypeVar

import polars as pl

from polarsprof.ingest.frames import JSON_LINES, FrameBatch, frames, is_tabular, paths
from polarsprof.ingest.json_lines.batch import ColumnarLines, LineBatch
from polarsprof.ingest.json_lines.columnar import ColumnarReader, RefusedError
from polarsprof.ingest.json_lines.limits import BLOCK_BYTES, MAX_ATTEMPTS, MIN_COLUMNAR_BYTES, PIECE_BYTES
from polarsprof.ingest.json_lines.spans import line_spans
from polarsprof.ingest.records import RejectedRow, decode_json, record_batches, rejection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from polarsprof.kernels.batch import RowBatch

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_BLANK: Final = b" \t\r\n"
_MAX_FILE_LINE_BYTES: Final = 64 << 20  # a longer line is cut, and its parts are rejected
_BLOCKS_PER_BATCH: Final = 6  # because a batch has a fixed cost, some tenths of a millisecond per column
_BLOCKS_AHEAD: Final = 8
_BATCH_RECORDS: Final = 8_192


@dataclass(slots=True)
class _Block:
    """A block of lines after reading.

    Some parts are in columns; the other lines are left to be decoded one by one.
    """

    columns: list[ColumnarLines] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)


class JsonLines:
    """A reader of newline-delimited JSON; thread-safe.

    Use one per stream, because it learns the columns.

    Parameters
    ----------
    on_rejected
        Called with each rejected line, without surrounding blanks, and the reason.
    """

    def __init__(self, on_rejected: Callable[[bytes, str], object] | None = None) -> None:
        self._columnar = ColumnarReader()
        self._attempts = MAX_ATTEMPTS
        self._on_rejected = on_rejected

    def batches(self, data: bytes | bytearray | memoryview | str) -> Iterator[RowBatch]:
        """The rows of many lines, including rejected ones.

        Parameters
        ----------
        data
            UTF-8 bytes or text of any number of lines, as for `records.decode_json`.

        Yields
        ------
        RowBatch
            Rows of at most about 48 MiB of lines. The order of lines within a batch is not kept.
        """
        try:
            raw = data.encode() if isinstance(data, str) else bytes(data)
        except UnicodeEncodeError:  # lone surrogates of text are replaced; those of bytes are rejected
            yield from record_batches(_records(data), _BATCH_RECORDS)
        else:
            for piece in _pieces(raw.removeprefix(codecs.BOM_UTF8), PIECE_BYTES):
                frame = self._columnar.flat_frame(piece, _parallel_map) if len(piece) >= MIN_COLUMNAR_BYTES else None
                if frame is None:
                    yield from self._batches(_pieces(piece, BLOCK_BYTES))
                else:
                    yield LineBatch([ColumnarLines(frame, piece)])

    def file_batches(self, path: Path) -> Iterator[RowBatch]:
        """The rows of a file as `batches` yields them, in bounded memory."""
        with path.open("rb") as file:
            if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
                file.seek(0)
            blocks = iter(lambda: file.read(BLOCK_BYTES) + file.readline(_MAX_FILE_LINE_BYTES), b"")
            yield from self._batches(blocks)

    def _batches(self, blocks: Iterator[bytes]) -> Iterator[RowBatch]:
        read_blocks = self._read_ahead(blocks)
        while group := list(islice(read_blocks, _BLOCKS_PER_BATCH)):
            by_schema: defaultdict[object, list[ColumnarLines]] = defaultdict(list)
            for part in chain.from_iterable(block.columns for block in group):
                by_schema[tuple(part.frame.schema.items())].append(part)
            yield from map(LineBatch, by_schema.values())
            # With a line end in front, the first bytes are no byte order mark at the start of the data.
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
            except RuntimeError:  # an exiting interpreter accepts no more work
                reading.append(Future())
                reading[-1].set_result(self._read(block))
            if len(reading) >= _BLOCKS_AHEAD:
                yield reading.popleft().result()
        while reading:
            yield reading.popleft().result()

    def _read(self, block: bytes) -> _Block:
        lines = block.strip(_BLANK)
        if b"\n" not in lines:  # a single line may be very long and hold more values than a record may
            return _Block(lines=[lines])
        read = _Block()
        attempts = self._attempts
        pending = [lines]
        while pending and attempts:
            part = pending.pop().strip(_BLANK)
            if len(part) < MIN_COLUMNAR_BYTES:
                read.lines.append(part)
                continue
            try:
                read.columns.append(ColumnarLines(self._columnar.frame(part), part))
            except RefusedError as refusal:
                attempts -= 1
                pending += _remaining_parts(part, refusal.at, read.lines)
        read.lines += pending
        self._attempts = MAX_ATTEMPTS if attempts else max(1, self._attempts // 2)
        return read


def row_batches(data: object) -> Iterator[RowBatch]:
    """The rows of tables and files, NDJSON included, in bounded batches.

    Accepts everything that `frames.frames` accepts.

    Raises
    ------
    ArgumentError
        Under the conditions of `frames.frames`.
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
    """Whether a file contains newline-delimited JSON, according to its suffix."""
    return path.suffix.lower() in JSON_LINES


def _pieces(data: bytes, max_bytes: int) -> Iterator[bytes]:
    """Data in pieces of whole lines; the data itself if it is one piece."""
    return (data[start:end] for start, end in line_spans(data, max_bytes))


def _remaining_parts(lines: bytes, at: int | None, bad: list[bytes]) -> list[bytes]:
    """Parts of refused lines to try again; other lines are added to `bad`.

    The first of the parts is the last in the list. Lines that do not even look like an object are removed all at once:
    often another program wrote its log in between.
    """
    objects, others = _split_by_shape(lines)
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


def _split_by_shape(lines: bytes) -> tuple[bytes, bytes]:
    """Lines that begin and end like an object, and all others except blank ones."""
    objects: list[bytes] = []
    others: list[bytes] = []
    for line in lines.split(b"\n"):
        stripped = line.strip(_BLANK)
        is_object = stripped.startswith(b"{") and stripped.endswith(b"}")
        (objects if is_object else others).append(stripped)
    return b"\n".join(objects), b"\n".join(filter(None, others))


def _records(data: bytes | bytearray | memoryview | str) -> Iterator[object]:
    values, rejected = decode_json(data)
    yield from values
    yield from map(RejectedRow, rejected.elements())


def _parallel_map(work: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """`map` on several threads; work that runs on these threads must not call it."""
    try:
        return _threads().map(work, items)
    except RuntimeError:  # an exiting interpreter accepts no more work
        return map(work, items)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=pl.thread_pool_size(), thread_name_prefix="polarsprof-json")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)  # threads do not survive a fork
