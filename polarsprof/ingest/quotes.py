"""Quotes of a CSV file that are never closed, and the file without their lines.

A reader of CSV takes the rest of the file after such a quote for one cell.
"""

from __future__ import annotations

import io
import mmap
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_FIELD: Final = rb'(?:"(?:[^"]++|"")*+"[^,\r\n]*+|[^",\r\n][^,\r\n]*+)?+'
_ROW: Final = re.compile(rb"%b(?:,%b)*+(?:\r\n?|\n|\Z)" % (_FIELD, _FIELD))
_LINE: Final = re.compile(rb"[^\r\n]*+(?:\r\n?|\n|\Z)")


def unclosed_lines(path: Path) -> list[tuple[int, int]]:
    """First byte and end of each line with a quote that is never closed.

    Takes about a second for two million rows.
    """
    lines: list[tuple[int, int]] = []
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = 0
        while at < len(data):
            row = _ROW.match(data, at)
            line = row or _LINE.match(data, at)
            if line is None or line.end() == at:
                break
            if row is None:
                lines.append((at, line.end()))
            at = line.end()
    return lines


class WithoutLines(io.RawIOBase):
    """A file without some of its bytes."""

    def __init__(self, path: Path, lines: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self._file = path.open("rb")
        self._lines = list(lines)

    def readable(self) -> bool:
        """Returns True."""
        return True

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def read(self, size: int = -1) -> bytes:
        """The next bytes, up to `size`; empty at the end."""
        at = self._file.tell()
        if self._lines and at == self._lines[0][0]:
            at = self._file.seek(self._lines.pop(0)[1])
        if self._lines and (size < 0 or size > self._lines[0][0] - at):
            size = self._lines[0][0] - at
            return self._file.read(size) or self.read(size)
        return self._file.read(size)
