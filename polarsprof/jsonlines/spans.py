"""Where the lines of a text may be cut into pieces of a bounded size, none of which needs a copy yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# What is looked at in one go, with the interpreter lock held for some milliseconds.
BLOCK_BYTES: Final = 4 << 20


def line_spans(data: bytes, most_bytes: int) -> Iterator[tuple[int, int]]:
    """Start and end of pieces of whole lines, without the line ends between them: as many as fit, at least one."""
    start = 0
    while start < len(data):
        bound = start + most_bytes
        end = len(data) if bound >= len(data) else data.rfind(b"\n", start, bound)
        end = data.find(b"\n", bound) if end < 0 else end
        end = len(data) if end < 0 else end
        yield start, end
        start = end + 1
