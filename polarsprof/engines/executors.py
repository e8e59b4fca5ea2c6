"""`spread`: work on an executor of any kind, results merged as a tree.

Results merge in groups of 16 neighbors, then groups of groups. This order is the same for all executors and timings,
so equal results merge to equal bits. At most 256 results are in flight, or 4,096 if they stay with the executor.
Imports only errors.
"""

from __future__ import annotations

import copy
from collections import deque
from functools import partial
from itertools import islice
from multiprocessing.reduction import ForkingPickler
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar, cast

from polarsprof.errors import PolarsprofError, argument_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Split = TypeVar("Split")
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)
Node = TypeVar("Node")

_FAN_IN: Final = 16
_MAX_IN_FLIGHT: Final = 256
_MAX_IN_FLIGHT_REMOTE: Final = 4_096  # results that stay with the executor take no memory here
_EXPECTED: Final = "an executor with submit or map, such as a ProcessPoolExecutor, a Client of Dask or a Pool"


class Future(Protocol[Result_co]):
    """A future of an executor."""

    def result(self) -> Result_co:
        """The result, or the error of the work."""

    def exception(self) -> BaseException | None:
        """Wait for the work; the error, None if there is none."""

    def cancel(self) -> object:
        """Cancel the work if it has not started."""


class Submits(Protocol):
    """An executor whose `submit` returns a future, as in `concurrent.futures`.

    If it has a true attribute `takes_futures`, futures can be arguments of further work, and only the final result
    comes to the caller. A `Client` of Dask does not need the attribute.
    """

    def submit(self, function: Callable[..., Result], /, *arguments: Any) -> Future[Result]:
        """A future of the result of the function."""


class Maps(Protocol):
    """An executor whose `map` returns all results in order, as `multiprocessing.Pool`."""

    def map(self, function: Callable[[Any], Result], arguments: Any, /) -> Iterable[Result]:
        """The result of the function for each argument."""


Executor = Submits | Maps


def spread(
    executor: Executor,
    work: Callable[[Split], Result],
    splits: Iterable[Split],
    merge: Callable[..., Result],
) -> Result | None:
    """The merged results of the work on all splits; None if there are no splits.

    Parameters
    ----------
    executor
        An executor with `submit`, or else with `map`.
    work
        A function of a split. It must be picklable.
    splits
        Consumed one by one as work completes.
    merge
        A function of several results, in the order of their splits. It must be picklable. A single result is not
        merged.

    Raises
    ------
    ArgumentError
        If the object is not such an executor.
    BrokenExecutor
        If an executor of `concurrent.futures` lost a process.
    PolarsprofError
        In place of an error of `work` that cannot be sent between processes. All other errors are raised unchanged.
        Work that has not started is then canceled.
    """
    if isinstance(executor, type):
        raise argument_error("executor", executor, _EXPECTED, "this is a class, not an instance")
    if getattr(executor, "asynchronous", False):
        raise argument_error("executor", executor, _EXPECTED, "an asynchronous executor cannot be waited for here")
    portable_work, portable_merge = partial(_call_portably, work), partial(_call_portably, merge)
    if callable(getattr(executor, "submit", None)):
        return _spread_with_submit(cast("Submits", executor), portable_work, splits, portable_merge)
    if callable(getattr(executor, "map", None)):
        return _spread_with_map(cast("Maps", executor), portable_work, splits, portable_merge)
    raise argument_error("executor", executor, _EXPECTED)


class _Tree(Generic[Node]):
    """Merges nodes as they come, in order; only incomplete groups are kept.

    Parameters
    ----------
    merge
        A function of the nodes of a group.
    """

    def __init__(self, merge: Callable[[list[Node]], Node]) -> None:
        self._merge = merge
        self._levels: list[list[Node]] = []

    def add(self, node: Node, level: int = 0) -> None:
        """Add the next node of a level."""
        if level == len(self._levels):
            self._levels.append([])
        self._levels[level].append(node)
        if len(self._levels[level]) == _FAN_IN:
            group, self._levels[level] = self._levels[level], []
            self.add(self._merge(group), level + 1)

    def root(self) -> Node | None:
        """All nodes merged; None if there are none."""
        rest: list[Node] = []
        for level in self._levels:
            nodes = level + rest
            rest = [self._merge(nodes)] if len(nodes) > 1 else nodes
        return rest[0] if rest else None


def _spread_with_submit(
    executor: Submits, work: Callable[[Split], Result], splits: Iterable[Split], merge: Callable[..., Result]
) -> Result | None:
    submit, takes_futures = _submit_of(executor)
    max_in_flight = _MAX_IN_FLIGHT_REMOTE if takes_futures else _MAX_IN_FLIGHT

    def merge_futures(futures: list[Future[Result]]) -> Future[Result]:
        return submit(merge, *(futures if takes_futures else [future.result() for future in futures]))

    tree = _Tree(merge_futures)
    in_flight: deque[Future[Result]] = deque()
    try:
        for split in splits:
            if len(in_flight) == max_in_flight:
                _wait(in_flight[0])
                tree.add(in_flight.popleft())
            in_flight.append(submit(work, split))
        while in_flight:
            _wait(in_flight[0])
            tree.add(in_flight.popleft())
        root = tree.root()
        return None if root is None else root.result()
    finally:
        for future in in_flight:
            future.cancel()


def _submit_of(executor: Submits) -> tuple[Callable[..., Future[Any]], bool]:
    """The function that submits work, and whether futures can be its arguments."""
    submit: Callable[..., Future[Any]] = executor.submit
    if type(executor).__module__.partition(".")[0] == "distributed":
        # A pure call can get the cached result of an equal call, such as the error for a file that is fixed since.
        return partial(submit, pure=False), True
    return submit, bool(getattr(executor, "takes_futures", False))


def _wait(future: Future[object]) -> None:
    """Wait without fetching the result; raise the error, if there is one."""
    error = future.exception()
    if error is not None:
        raise error


def _spread_with_map(
    executor: Maps, work: Callable[[Split], Result], splits: Iterable[Split], merge: Callable[..., Result]
) -> Result | None:
    def merge_groups(groups: list[list[Result]]) -> list[Result]:
        return list(executor.map(partial(_merge_group, merge), groups))

    tree: _Tree[Result] = _Tree(lambda nodes: merge_groups([nodes])[0])
    remaining = iter(splits)
    while chunk := list(islice(remaining, _MAX_IN_FLIGHT)):
        nodes = list(executor.map(work, chunk))
        while len(nodes) > 1:
            nodes = merge_groups(list(_groups(nodes)))
        tree.add(nodes[0])
    return tree.root()


def _groups(nodes: list[Result]) -> Iterator[list[Result]]:
    for start in range(0, len(nodes), _FAN_IN):
        yield nodes[start : start + _FAN_IN]


def _merge_group(merge: Callable[..., Result], nodes: list[Result]) -> Result:
    return merge(*nodes) if len(nodes) > 1 else nodes[0]


def _call_portably(function: Callable[..., Result], *arguments: object) -> Result:
    """Call a function; replace an error that cannot be sent between processes.

    A `multiprocessing.Pool` waits forever for a panic of Polars, which is not an `Exception`, and for an error that
    cannot be unpickled.
    """
    try:
        return function(*arguments)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        if isinstance(error, Exception) and _is_portable(error):
            raise
        msg = f"{type(error).__name__}: {error}"
        raise PolarsprofError(msg) from None


def _is_portable(error: Exception) -> bool:
    """Returns whether an error survives pickling."""
    try:
        ForkingPickler.dumps(error)
        return type(copy.copy(error)) is type(error)  # calls the class as unpickling does
    except Exception:  # noqa: BLE001 - foreign errors can raise anything while they are copied
        return False
