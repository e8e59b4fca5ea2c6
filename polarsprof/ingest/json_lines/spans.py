"""Lines in memory, cut into blocks of a bounded size of which none is copied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")

# What is looked at in one go, with the interpreter lock held for some milliseconds.
BLOCK_BYTES: Final = 4 << 20
_PART_BYTES: Final = 1 << 18
_BLANK: Final = b" \t\r\n"


class Mapped(Protocol):
    """As `map`, perhaps on several threads."""

    def __call__(self, work: Callable[[_Given], _Made], items: Iterable[_Given], /) -> Iterator[_Made]: ...  # noqa: D102


class Blocks:
    """Lines in blocks of whole lines; a line that is longer is one by itself. What is blank at the end is in none.

    Attributes
    ----------
    lines
        All of them; at least one character.
    """

    def __init__(self, lines: bytes, mapped: Mapped) -> None:
        self.lines = lines
        self._mapped = mapped
        *whole, (start, end) = line_spans(lines, BLOCK_BYTES)
        self._spans = [*whole, (start, start + len(lines[start:end].rstrip(_BLANK)))]

    def each(self, work: Callable[[bytes, int, int], _Made]) -> list[_Made]:
        """What becomes of each block, given all lines, and where the block begins and ends."""
        return list(self._mapped(lambda span: work(self.lines, *span), self._spans))


def parts(text: NDArray[np.uint8]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Parts that stay in the caches of a processor, each with the last character before it, and where that stands."""
    begins = (max(0, at - 1) for at in range(0, text.size, _PART_BYTES))
    return ((begin, text[begin : begin + _PART_BYTES + (begin > 0)]) for begin in begins)


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
