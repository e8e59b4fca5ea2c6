"""`DeadLetters`: a file or a function for messages that are not records.

Dead letters are on disk before the messages that came with them count as read. After a crash, those since the last
checkpoint are read and written again, with the same positions.
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
    """Writes dead letters to a file, or passes them to a function.

    Parameters
    ----------
    place
        Path of a file, to which one JSON object per letter is appended; a function of a `DeadLetter`; None to count
        only.

    Raises
    ------
    ArgumentError
        If the place is neither a path nor callable nor None.
    OSError
        If the file cannot be opened.

    Attributes
    ----------
    count
        Number of letters.
    """

    def __init__(self, place: str | os.PathLike[str] | Callable[[DeadLetter], object] | None) -> None:
        if not (place is None or isinstance(place, str | os.PathLike) or callable(place)):
            raise argument_error("dead_letters", place, "a path, a function of a DeadLetter, or None")
        self.count = 0
        self._callback = place if callable(place) else None
        self._file: BinaryIO | None = None
        self._has_unsynced = False
        if isinstance(place, str | os.PathLike):
            self._file = os.fdopen(open_append(place), "ab")

    def add(self, letter: DeadLetter) -> None:
        """Count and write a letter."""
        self.count += 1
        if self._callback is not None:
            self._callback(letter)
        if self._file is not None:
            self._file.write(_line(letter))
            self._has_unsynced = True

    def sync(self) -> None:
        """Wait until all letters are on disk.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        if self._file is not None and self._has_unsynced:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._has_unsynced = False

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def _line(letter: DeadLetter) -> bytes:
    entry = {"source": letter.source, "position": letter.position, "reason": letter.reason}
    return json.dumps(entry | _value(letter.value)).encode() + b"\n"


def _value(value: bytes | None) -> dict[str, str | None]:
    """The value as text if it is UTF-8, else in base64."""
    try:
        return {"value": None if value is None else value.decode()}
    except UnicodeDecodeError:
        return {"value_base64": base64.b64encode(value or b"").decode()}
