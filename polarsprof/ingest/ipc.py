"""Arrow IPC files and streams in files → validated record batches.

Read by pyarrow, because Polars ends a file early or panics on some Arrow types. Arrow trusts the bytes that it reads: a
wrong offset in them makes any reader of the batch read memory beyond it. So each batch is validated, which took 5 % of
the time of a profile with two columns of text.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from polarsprof.errors import ArgumentError, file_error
from polarsprof.ingest import arrow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STREAM_SUFFIX: Final = ".arrows"
SUFFIXES: Final = (".arrow", ".feather", ".ipc", STREAM_SUFFIX)
_CONTINUATION: Final = b"\xff\xff\xff\xff"  # before each message of a stream
_PREFIX_BYTES: Final = 8  # the magic number of a file and its padding


def ipc_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The batches of an IPC file, or of an IPC stream in a file.

    A batch is in memory as a whole, because memory that is mapped can change after it was validated.

    Raises
    ------
    ArgumentError
        If the content is damaged, or a column name repeats.
    """
    is_stream = _is_stream(path)
    expected = "an Arrow IPC stream" if is_stream else "an Arrow IPC file"
    with file_errors(path, expected), pa.OSFile(str(path)) as file:
        for batch in _stream_batches(file) if is_stream else _file_batches(path, file):
            batch.validate(full=True)
            yield batch


def is_of_polars(path: Path) -> bool:
    """Whether a file has a type that only Polars reads: an integer of 128 bits."""
    try:
        if not _is_stream(path):
            with pa.OSFile(str(path)) as file:
                pa.ipc.open_file(file)
    except pa.ArrowNotImplementedError:
        return True
    except (pa.ArrowException, OSError, ValueError):  # `ipc_batches` raises it with the path
        pass
    return False


@contextmanager
def file_errors(path: Path, expected: str) -> Iterator[None]:
    """Raise errors about the content of a file as `ArgumentError` with its path."""
    try:
        yield
    except ArgumentError:
        raise
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:  # ValueError: names that are no UTF-8
        if isinstance(error, OSError) and error.errno is not None:  # of the operating system, not of the content
            raise
        raise file_error(path, expected, f"Arrow says: {error}") from error


def _is_stream(path: Path) -> bool:
    """Whether a file is an IPC stream, by its suffix or its first bytes."""
    if path.suffix.lower() == STREAM_SUFFIX:
        return True
    with path.open("rb") as file:
        return file.read(len(_CONTINUATION)) == _CONTINUATION


def _stream_batches(file: pa.NativeFile) -> Iterator[pa.RecordBatch]:
    reader = pa.ipc.open_stream(file)
    _refuse_repeated_names(reader.schema)
    yield from reader
    if rest := file.size() - file.tell():  # such as after a length that was damaged to 0, the end of a stream
        raise pa.ArrowInvalid(f"{rest:,} bytes follow the end of the stream")


def _file_batches(path: Path, file: pa.NativeFile) -> Iterator[pa.RecordBatch]:
    reader = pa.ipc.open_file(file)
    _refuse_repeated_names(reader.schema)
    listed, present = reader.num_record_batches, _number_of_batches(path)
    if present > listed:
        raise pa.ArrowInvalid(f"the footer lists {listed:,} of {present:,} record batches")
    yield from map(reader.get_batch, range(listed))


def _refuse_repeated_names(schema: pa.Schema) -> None:
    if (name := arrow.repeated_name(schema)) is not None:
        raise pa.ArrowInvalid(f"columns need names of their own, {name!r} comes twice")


def _number_of_batches(path: Path) -> int:
    """The number of record batches before the footer or the first damaged message."""
    number = 0
    with pa.memory_map(str(path)) as file:  # bodies are not read
        file.seek(_PREFIX_BYTES)
        messages = pa.ipc.MessageReader.open_stream(file)
        try:
            for message in messages:
                number += message.type == "record batch"
        except (pa.ArrowException, OSError):  # the batches are validated when they are read
            pass
    return number
