"""`DeadLetters`: where messages go that are no records; on the disk before what came with them counts as read.

After a crash, those that came after the last checkpoint are read and told of again, with the same positions.
"""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING, BinaryIO

from polarsprof.errors import argument_error
from polarsprof.files.durable import open_append

if TYPE_CHECKING:
    from collections.abc import Callable

    from polarsprof.sources.protocol import DeadLetter


class DeadLetters:
    """Takes dead letters to a file or a function.

    Parameters
    ----------
    place
        The path of a file, to which one JSON object per letter is appended; a function of a `DeadLetter`; None: they
        are only counted.

    Raises
    ------
    ArgumentError
        For anything else.
    OSError
        Where the file cannot be opened.

    Attributes
    ----------
    count
        How many came.
    """

    def __init__(self, place: str | os.PathLike[str] | Callable[[DeadLetter], object] | None) -> None:
        if not (place is None or isinstance(place, str | os.PathLike) or callable(place)):
            raise argument_error("dead_letters", place, "a path, a function of a DeadLetter, or None")
        self.count = 0
        self._tell = place if callable(place) else None
        self._file: BinaryIO | None = None
        self._unsynced = False
        if isinstance(place, str | os.PathLike):
            self._file = os.fdopen(open_append(place), "ab")

    def add(self, letter: DeadLetter) -> None:
        """Take one."""
        self.count += 1
        if self._tell is not None:
            self._tell(letter)
        if self._file is not None:
            self._file.write(_line(letter))
            self._unsynced = True

    def sync(self) -> None:
        """Wait until all that came is on the disk.

        Raises
        ------
        OSError
            Where it cannot be written.
        """
        if self._file is not None and self._unsynced:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._unsynced = False

    def close(self) -> None:
        """End the file."""
        if self._file is not None:
            self._file.close()


def _line(letter: DeadLetter) -> bytes:
    said = {"source": letter.source, "position": letter.position, "reason": letter.reason}
    return json.dumps(said | _value(letter.value)).encode() + b"\n"


def _value(value: bytes | None) -> dict[str, str | None]:
    """The value as text; in base64 where it is none."""
    try:
        return {"value": None if value is None else value.decode()}
    except UnicodeDecodeError:
        return {"value_base64": base64.b64encode(value or b"").decode()}
