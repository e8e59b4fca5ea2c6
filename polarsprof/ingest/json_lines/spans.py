"""Lines in memory, cut into blocks of a bounded size without copies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from polarsprof.ingest.json_lines.limits import BLOCK_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_PART_BYTES: Final = 1 << 18  # fits into the caches of a processor
_BLANK: Final = b" \t\r\n"


class MapFunction(Protocol):
    """A function like `map`, possibly on several threads."""

    def __call__(self, work: Callable[[_Item], _Result], items: Iterable[_Item], /) -> Iterator[_Result]: ...  # noqa: D102


class Blocks:
    """Blocks of whole lines.

    A line that is longer than a block is a block by itself. Blanks at the end belong to no block.

    Parameters
    ----------
    lines
        All lines; at least one character.
    map_function
        Calls a function for each block.

    Attributes
    ----------
    lines
        All lines.
    """

    def __init__(self, lines: bytes, map_function: MapFunction) -> None:
        self.lines = lines
        self._map = map_function
        *whole, (start, end) = line_spans(lines, BLOCK_BYTES)
        self._spans = [*whole, (start, start + len(lines[start:end].rstrip(_BLANK)))]

    def each(self, work: Callable[[bytes, int, int], _Result]) -> list[_Result]:
        """The result of `work` for each block.

        Its arguments are all lines, and the start and end of the block.
        """
        return list(self._map(lambda span: work(self.lines, *span), self._spans))


def parts(text: NDArray[np.uint8]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Parts that fit into the caches of a processor, each with its start.

    A part includes the character before it.
    """
    starts = (max(0, at - 1) for at in range(0, text.size, _PART_BYTES))
    return ((start, text[start : start + _PART_BYTES + (start > 0)]) for start in starts)


def line_spans(data: bytes, max_bytes: int) -> Iterator[tuple[int, int]]:
    """Start and end of pieces of whole lines.

    A piece has as many lines as fit, at least one, without the last line end.
    """
    start = 0
    while start < len(data):
        bound = start + max_bytes
        end = len(data) if bound >= len(data) else data.rfind(b"\n", start, bound)
        end = data.find(b"\n", bound) if end < 0 else end
        end = len(data) if end < 0 else end
        yield start, end
        start = end + 1
