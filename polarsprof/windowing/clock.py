"""Clocks, passed in: that of the machine here, a settable one in `testing`.

Imports nothing above. A clock tells the time and runs work that is due. The work returns when it must run next, so a
stream without new rows still seals its windows, and no test has to sleep.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    Work = Callable[[], int | None]
    """Does the work that is due; returns the time of the next run in microseconds, or None to wait for `wake`."""


_PAUSE_AFTER_ERROR_US: Final = 1_000_000  # an error that persists is shown once a second


class Alarm(Protocol):
    """Runs one piece of work."""

    def wake(self) -> None:
        """Run the work soon."""

    def stop(self) -> None:
        """Never run the work again; a run under way can outlast this call."""


class Clock(Protocol):
    """Tells the time, and runs work that is due."""

    def now_us(self) -> int:
        """Microseconds since the Unix epoch, UTC."""

    def alarm(self, work: Work) -> Alarm:
        """Run `work` whenever it is woken, and at the times that it returns."""


class SystemClock:
    """The wall clock of the machine; each piece of work runs on its own daemon thread."""

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
            # A wall clock that was set back only makes the thread wait once more.
            self._woken.wait(None if due_us is None else max(0.0, (due_us - self._clock.now_us()) / 1e6))
            if self._stopped:
                return
            self._woken.clear()
            try:
                due_us = self._work()
            except Exception:  # noqa: BLE001 - reported like an error of any thread; the work goes on
                threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))
                due_us = self._clock.now_us() + _PAUSE_AFTER_ERROR_US
