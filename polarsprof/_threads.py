"""Locks with a rank, and work that no signal cuts short."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from contextlib import suppress
from enum import IntEnum
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_Result = TypeVar("_Result")
_CHECKS_ORDER: Final = os.environ.get("POLARSPROF_CHECK_LOCKS") == "1"  # set by the tests


class Rank(IntEnum):
    """The order in which one thread takes locks: only upward.

    Two locks of one rank are never held together, except two buffers: a signal handler may log to one logger while its
    thread is inside the buffer of another, and a buffer waits for no other lock.
    """

    PROCESS = 0  # the session of the process
    SESSION = 1  # the loggers of a session: one is opened or closed at a time
    WORK = 2  # the writers of a logger
    CHECKPOINTS = 3  # the journal and the checkpoints of a writer
    NAMES = 4  # the names of open loggers and the counters of closed ones
    ACCUMULATOR = 5  # the batches of a logger that wait to be profiled
    BUFFER = 6  # the records of a logger that are in no batch


class ReentrantLock(Protocol):
    """The methods of `threading.RLock` in use here."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002 - as in threading
        """Take the lock, or wait for it up to `timeout` seconds."""

    def release(self) -> None:
        """Release the lock once."""

    def __enter__(self) -> bool: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def _is_owned(self) -> bool: ...


def ranked_lock(rank: Rank) -> ReentrantLock:
    """Return a reentrant lock with a place in the order of `Rank`.

    With `POLARSPROF_CHECK_LOCKS=1` in the environment at import, every acquisition asserts the order. Otherwise this is
    a plain `threading.RLock`, at no cost.
    """
    lock: ReentrantLock = threading.RLock()  # type: ignore[assignment]  # typeshed leaves `_is_owned` out
    return _CheckedLock(rank, lock) if _CHECKS_ORDER else lock


class _CheckedLock:
    """A reentrant lock that refuses to be taken out of order."""

    _held = threading.local()

    def __init__(self, rank: Rank, lock: ReentrantLock) -> None:
        self.rank = rank
        self._lock = lock

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002 - as in threading
        held = self._stack()
        if not self._lock._is_owned():  # noqa: SLF001 - the wrapped lock
            above = [lock.rank for lock in held if lock.rank >= self.rank]
            if [rank for rank in above if not rank == self.rank == Rank.BUFFER]:
                msg = f"lock of rank {self.rank.name} taken while holding {', '.join(rank.name for rank in above)}"
                raise AssertionError(msg)
        if not self._lock.acquire(blocking, timeout):
            return False
        held.append(self)
        return True

    def release(self) -> None:
        self._stack().remove(self)
        self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exception: object) -> None:
        self.release()

    def _is_owned(self) -> bool:
        return self._lock._is_owned()  # noqa: SLF001 - the wrapped lock

    @classmethod
    def _stack(cls) -> list[_CheckedLock]:
        stack: list[_CheckedLock] | None = getattr(cls._held, "stack", None)
        if stack is None:
            stack = cls._held.stack = []
        return stack


def uninterrupted(work: Callable[..., _Result], *arguments: object) -> _Result:
    """Do work to its end even if a signal comes, such as Ctrl-C.

    Python runs signal handlers in the main thread, between any two steps, and an exception of a handler leaves work
    there half done. So the main thread hands the work to another thread and waits; the exception follows when the work
    is done. A second signal is obeyed at once: the work goes on, but nothing waits for it.
    """
    if threading.current_thread() is not threading.main_thread():
        return work(*arguments)
    result: Future[_Result] = Future()
    try:
        _idle.submit(partial(_complete, result, work, arguments))
    except RuntimeError:  # an exiting interpreter starts no thread
        return work(*arguments)
    _wait_shielded(result)
    return result.result()


class _IdleThreads:
    """Daemon threads that wait for a job, because starting one costs a millisecond."""

    def __init__(self) -> None:
        self._queues: list[SimpleQueue[Callable[[], None]]] = []

    def submit(self, job: Callable[[], None]) -> None:
        """Run a job on an idle thread, or on a new one if none is idle.

        Raises
        ------
        RuntimeError
            If the interpreter exits and a thread would have to be started.
        """
        queue: SimpleQueue[Callable[[], None]] | None = None
        with suppress(IndexError):
            queue = self._queues.pop()
        if queue is None:
            queue = SimpleQueue()
            threading.Thread(target=self._run, args=(queue,), name="polarsprof-work", daemon=True).start()
        queue.put(job)

    def forget(self) -> None:
        """Forget the threads in a forked child, where they do not exist."""
        self._queues.clear()

    def _run(self, queue: SimpleQueue[Callable[[], None]]) -> None:
        while True:
            queue.get()()
            self._queues.append(queue)


_idle: Final = _IdleThreads()


def _complete(result: Future[_Result], work: Callable[..., _Result], arguments: tuple[object, ...]) -> None:
    try:
        result.set_result(work(*arguments))
    except BaseException as error:  # noqa: BLE001 - the waiting thread raises it
        result.set_exception(error)


def _wait_shielded(result: Future[_Result]) -> None:
    """Wait for a result; if a signal handler raises, wait on and raise then."""
    try:
        result.exception()
    except BaseException:
        result.exception()
        raise


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.forget)
