"""A source into a logger: whole lines from standard input as they come, files in frames; a signal ends it cleanly."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Self

from polarsprof.cli.outcome import progress
from polarsprof.frames import frames, paths
from polarsprof.jsonlines import is_json_lines
from polarsprof.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import FrameType, TracebackType

    from polarsprof.logger import Logger
    from polarsprof.store import ProfileStore

_CHUNK_BYTES: Final = 4 << 20
_PIPE_BYTES: Final = 1 << 20  # what a user may ask for on Linux
_LONGEST_LINE_BYTES: Final = 64 << 20


class _Ended(Exception):
    """A signal came while nothing but waiting was done."""


class _Interrupt:
    """While it is entered, SIGINT and SIGTERM end the reading at once but never what is done with what was read."""

    def __init__(self) -> None:
        self.signal = 0
        self._waiting = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def read(self, stream: BinaryIO) -> bytes:
        """Whatever the stream has, at least one byte; nothing at its end and after a signal."""
        # A read that waits is resumed after a handler that returns, so this one raises while reading.
        try:
            self._waiting = True
            data = b"" if self.signal else _read(stream)
            self._waiting = False
        except _Ended:
            return b""
        return data

    def _handle(self, number: int, _: FrameType | None) -> None:
        self.signal = number
        if self._waiting:
            self._waiting = False
            raise _Ended


def _read(stream: Any) -> bytes:
    return bytes(stream.read1(_CHUNK_BYTES))


def stream(source: str, store: str, dataset: str, **options: Any) -> dict[str, Any]:
    """Log a source to its end or until a signal.

    Returns
    -------
    dict
        The counters of the logger, and `interrupted_by`: the number of the signal, 0 for none.
    """
    with _Interrupt() as interrupt, session_of(store) as session, session.logger(dataset, **options) as logger:
        with progress("rows") as display:
            task = display.add_task(f"streaming into {dataset}", total=None)
            for rows in _logged(source, logger, interrupt):
                display.update(task, completed=rows)
        logger.close()
        counters = logger.counters
    return {**counters, "interrupted_by": int(interrupt.signal)}


@contextmanager
def session_of(store: str | ProfileStore) -> Iterator[Session]:
    """A session for one command; that it cannot be closed is told once, by the command and not again at exit."""
    session = Session(store)
    try:
        with session:
            yield session
    finally:
        session.abandon()


def _logged(source: str, logger: Logger, interrupt: _Interrupt) -> Iterator[int]:
    """Rows logged so far, after each chunk."""
    if source == "-":
        _widen(sys.stdin.buffer)
        yield from _lines_logged(sys.stdin.buffer, logger, interrupt)
        return
    for path in paths(source):
        if is_json_lines(path):
            with path.open("rb") as file:
                yield from _lines_logged(file, logger, interrupt)
        else:
            yield from _frames_logged(path, logger, interrupt)


def _lines_logged(stream: BinaryIO, logger: Logger, interrupt: _Interrupt) -> Iterator[int]:
    line_end = b""
    for lines in whole_lines(interrupt, stream):
        logger.log_json(line_end + lines)
        line_end = b"\n"  # so that only the first chunk may begin with a byte order mark
        yield logger.counters["rows_logged"]


def _frames_logged(path: Path, logger: Logger, interrupt: _Interrupt) -> Iterator[int]:
    for frame in frames(path):
        if interrupt.signal:
            return
        logger.log_frame(frame)
        yield logger.counters["rows_logged"]


def _widen(stream: BinaryIO) -> None:
    """Let a pipe hold more than its 64 KiB, because many lines at once are profiled at a lower price each."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(stream, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def whole_lines(interrupt: _Interrupt, stream: BinaryIO) -> Iterator[bytes]:
    """The stream in chunks that end with a line; the last one may lack its line end.

    A line that is longer than 64 MiB is cut there, so that its parts are rejected instead of filling the memory.
    """
    rest = bytearray()
    while chunk := interrupt.read(stream):
        end = chunk.rfind(b"\n") + 1
        if end:
            yield bytes(rest) + chunk[:end]
            rest = bytearray(chunk[end:])
        elif len(rest) + len(chunk) > _LONGEST_LINE_BYTES:
            yield bytes(rest) + chunk
            rest = bytearray()
        else:
            rest += chunk
    if rest and not interrupt.signal:  # a line that was cut off by a signal is no line
        yield bytes(rest)


def closing_line(counters: Mapping[str, int], store: str) -> str:
    """Rows, files, what went wrong, where: one line."""
    wrong = {what: counters[f"rows_{what}"] for what in ("rejected", "late", "dropped")}
    notes = "".join(f", {rows:,} {what}" for what, rows in wrong.items() if rows or what == "rejected")
    if counters["rows_recovered"]:
        notes += f", {counters['rows_recovered']:,} recovered from a stream that died"
    files = counters["panes_written"]
    return f"{counters['rows_logged']:,} rows{notes} → {files:,} window file{'' if files == 1 else 's'} in {store}"
