"""Ordered results of slow calls, with several under way at a time."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def prefetch(function: Callable[[_Item], _Result], items: Iterable[_Item], workers: int) -> Iterator[_Result]:
    """The results of a function, in the order of the items, computed ahead by threads.

    Parameters
    ----------
    function
        Called once per item; an error is raised in place of its result.
    items
        Read as needed.
    workers
        Number of threads; up to twice as many results wait. One works without threads, one item at a time.
    """
    if workers == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(workers, "polarsprof-read") as pool:
        waiting: deque[Callable[[], _Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item).result)
                if len(waiting) > 2 * workers:
                    yield waiting.popleft()()
            while waiting:
                yield waiting.popleft()()
        finally:
            pool.shutdown(cancel_futures=True)
