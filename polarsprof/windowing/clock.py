"""Time, passed in: the clock of the machine here, a settable one in `polarsprof.testing`. Imports nothing above.

A clock tells the time and runs work that is due. The work says itself when it wants to run next, so that a stream which
falls silent still seals its windows, and no test has to sleep.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

if TYPE_CHECKING:
    Work = Callable[[], int | None]
    """Does what is due and returns when it wants to run next, in microseconds; None: when woken."""


_Result = TypeVar("_Result")
_PAUSE_AFTER_ERROR_US: Final = 1_000_000


class Alarm(Protocol):
    """The running of one piece of work."""

    def wake(self) -> None:
        """Have the work run soon."""

    def stop(self) -> None:
        """Never run the work again; it may still be running when this returns."""


class Clock(Protocol):
    """Where the time comes from."""

    def now_us(self) -> int:
        """Microseconds since the Unix epoch, UTC."""

    def alarm(self, work: Work) -> Alarm:
        """Have `work` run when woken and when it asked for."""


class SystemClock:
    """The wall clock of the machine; work runs on a daemon thread of its own."""

    def now_us(self) -> int:
        """Microseconds since the Unix epoch, UTC."""
        return time.time_ns() // 1_000

    def alarm(self, work: Work) -> Alarm:
        """Start a thread that runs `work`."""
        return _ThreadAlarm(self, work)


class _ThreadAlarm:
    def __init__(self, clock: SystemClock, work: Work) -> None:
        self._clock = clock
        self._work = work
        self._woken = threading.Event()
        self._stopped = False
        threading.Thread(target=self._run, name="polarsprof", daemon=True).start()

    def wake(self) -> None:
        self._woken.set()

    def stop(self) -> None:
        self._stopped = True
        self._woken.set()

    def _run(self) -> None:
        due_us: int | None = None
        while True:
            # A wall clock that was set back only makes the thread look once more.
            self._woken.wait(None if due_us is None else max(0.0, (due_us - self._clock.now_us()) / 1e6))
            if self._stopped:
                return
            self._woken.clear()
            try:
                due_us = self._work()
            except Exception:  # noqa: BLE001 - shown like that of any thread; the work goes on all the same
                threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))
                due_us = self._clock.now_us() + _PAUSE_AFTER_ERROR_US


def uninterrupted(work: Callable[[], _Result]) -> _Result:
    """Do work to its end though a signal comes meanwhile, Ctrl-C above all; what its handler raised follows then.

    Handlers run in the main thread between any two steps, and would leave half of the work undone. So there another
    thread does it. A second signal is obeyed at once: the work goes on, but nobody waits for it.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    done: Future[_Result] = Future()
    try:
        jobs = _idle_worker()
    except RuntimeError:  # an exiting interpreter starts no thread any more
        return work()
    jobs.put(partial(_complete, done, work))
    _wait_for(done)
    return done.result()


_Jobs = SimpleQueue[Callable[[], None]]
_idle: list[_Jobs] = []  # of threads that wait for work: to start one costs a millisecond, for it has memory of its own


def _idle_worker() -> _Jobs:
    with suppress(IndexError):
        return _idle.pop()
    jobs: _Jobs = SimpleQueue()
    threading.Thread(target=_work_off, args=(jobs,), name="polarsprof-work", daemon=True).start()
    return jobs


def _work_off(jobs: _Jobs) -> None:
    while True:
        jobs.get()()
        _idle.append(jobs)


def _complete(done: Future[_Result], work: Callable[[], _Result]) -> None:
    try:
        done.set_result(work())
    except BaseException as error:  # noqa: BLE001 - who waits for the result gets it
        done.set_exception(error)


def _wait_for(done: Future[_Result]) -> None:
    try:
        done.exception()
    except BaseException:
        done.exception()
        raise


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)
