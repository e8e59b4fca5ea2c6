"""Work spread over an executor of any kind, and its results merged as a tree; imports errors alone.

Results merge in groups of 16 neighbours, these groups again, and so on: in one order, whatever is done first and
whichever executor does it, so that equal results give equal ones to the last digit. At most 256 results are under way
or wait at a time, or 4,096 where they stay with the executor.
"""

from __future__ import annotations

import copy
from collections import deque
from functools import partial
from itertools import islice
from multiprocessing.reduction import ForkingPickler
from typing import TYPE_CHECKING, Any, Final, Protocol

from polarsprof.errors import PolarsprofError, argument_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_MERGED_TOGETHER: Final = 16
_UNDER_WAY: Final = 256
_UNDER_WAY_ELSEWHERE: Final = 4_096


class Submits(Protocol):
    """An executor as those of `concurrent.futures`: `submit` gives a future at once.

    Of a future `result`, `exception` and `cancel` are called. Where an attribute `takes_futures` of the executor is
    true, futures become arguments of further work, and results never come to the caller; so it is with a `Client` of
    Dask, which needs no attribute.
    """

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Any:
        """A future of what the function returns."""


class Maps(Protocol):
    """An executor as `multiprocessing.Pool`: `map` gives all results in order."""

    def map(self, function: Callable[[Any], Any], arguments: Any, /) -> Iterable[Any]:
        """What the function returns for each argument."""


Executor = Submits | Maps


def spread(
    executor: Executor, work: Callable[[Any], Any], splits: Iterable[Any], merge: Callable[..., Any]
) -> Any | None:
    """What `merge` makes of the results of all portions; None where there are none.

    Parameters
    ----------
    executor
        One with `submit` or, failing that, with `map`.
    work, merge
        Functions that can be pickled: of a portion, and of some results in the order of their portions. Of a single
        portion the result stays as it is.
    portions
        Taken one by one as others are done.

    Raises
    ------
    ArgumentError
        For an object that is no such executor.
    BrokenExecutor
        Where one of `concurrent.futures` lost a process.
    PolarsprofError
        In place of an error of `work` that cannot come from another process; all others come as they are. What was not
        begun then is cancelled.
    """
    if isinstance(executor, type):
        raise argument_error("executor", executor, _EXPECTED, "this is a class and no object of it")
    if getattr(executor, "asynchronous", False):
        raise argument_error("executor", executor, _EXPECTED, "an asynchronous one cannot be waited for here")
    if callable(getattr(executor, "submit", None)):
        return _submitted(executor, partial(_carried, work), splits, partial(_carried, merge))
    if callable(getattr(executor, "map", None)):
        return _mapped(executor, partial(_carried, work), splits, partial(_carried, merge))
    raise argument_error("executor", executor, _EXPECTED)


_EXPECTED: Final = "an executor with submit or map, such as a ProcessPoolExecutor, a Client of Dask or a Pool"


class _Tree:
    """Nodes in order → one; only those that do not fill a group wait."""

    def __init__(self, merged: Callable[[list[Any]], Any]) -> None:
        self._merged = merged
        self._levels: list[list[Any]] = []

    def add(self, node: Any, level: int = 0) -> None:
        """Take the next node of a level."""
        if level == len(self._levels):
            self._levels.append([])
        self._levels[level].append(node)
        if len(self._levels[level]) == _MERGED_TOGETHER:
            group, self._levels[level] = self._levels[level], []
            self.add(self._merged(group), level + 1)

    def root(self) -> Any | None:
        """What all are merged into; None where there was no node."""
        rest: list[Any] = []
        for level in self._levels:
            nodes = level + rest
            rest = [self._merged(nodes)] if len(nodes) > 1 else nodes
        return rest[0] if rest else None


def _submitted(executor: Any, work: Any, splits: Iterable[Any], merge: Any) -> Any | None:
    submit, elsewhere = _submit_of(executor)

    def merged(futures: list[Any]) -> Any:
        return submit(merge, *(futures if elsewhere else [future.result() for future in futures]))

    tree = _Tree(merged)
    under_way: deque[Any] = deque()
    try:
        for split in splits:
            if len(under_way) == (_UNDER_WAY_ELSEWHERE if elsewhere else _UNDER_WAY):
                _wait(under_way[0])
                tree.add(under_way.popleft())
            under_way.append(submit(work, split))
        while under_way:
            _wait(under_way[0])
            tree.add(under_way.popleft())
        root = tree.root()
        return None if root is None else root.result()
    finally:
        for future in under_way:
            future.cancel()


def _submit_of(executor: Any) -> tuple[Callable[..., Any], bool]:
    """How work is submitted, and whether futures may be its arguments."""
    if type(executor).__module__.partition(".")[0] == "distributed":
        # Else Dask answers with what it knows of the same call, such as the error of a file that was mended since.
        return partial(executor.submit, pure=False), True
    return executor.submit, bool(getattr(executor, "takes_futures", False))


def _wait(future: Any) -> None:
    """Wait without fetching the result; what went wrong is raised."""
    error = future.exception()
    if error is not None:
        raise error


def _mapped(executor: Any, work: Any, splits: Iterable[Any], merge: Any) -> Any | None:
    def merged(groups: list[list[Any]]) -> list[Any]:
        return list(executor.map(partial(_starred, merge), groups))

    tree = _Tree(lambda nodes: merged([nodes])[0])
    waiting = iter(splits)
    while some := list(islice(waiting, _UNDER_WAY)):
        nodes = list(executor.map(work, some))
        while len(nodes) > 1:
            nodes = merged(list(_groups(nodes)))
        tree.add(nodes[0])
    return tree.root()


def _groups(nodes: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(nodes), _MERGED_TOGETHER):
        yield nodes[start : start + _MERGED_TOGETHER]


def _starred(merge: Callable[..., Any], nodes: list[Any]) -> Any:
    return merge(*nodes) if len(nodes) > 1 else nodes[0]


def _carried(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function returns; an error that would not come through is told in one that does.

    A `multiprocessing.Pool` waits forever for a panic of Polars, which is no `Exception`, and for an error that cannot
    be made anew from its pickle.
    """
    try:
        return function(*arguments)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        if isinstance(error, Exception) and _comes_through(error):
            raise
        msg = f"{type(error).__name__}: {error}"
        raise PolarsprofError(msg) from None


def _comes_through(error: Exception) -> bool:
    try:
        ForkingPickler.dumps(error)
        return type(copy.copy(error)) is type(error)  # made anew as from its pickle
    except Exception:  # noqa: BLE001 - whatever the error of somebody else does when it is made anew
        return False
