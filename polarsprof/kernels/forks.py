"""Forks in which Polars cannot compute, exit on SIGTERM, signal handlers.

Polars computes on threads that a fork does not copy. If the parent process has started them, every group-by in the
child waits forever. SIGTERM ends Python without its exit functions, so loggers are not closed unless a handler raises.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # the C module behind `signal`
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from polarsprof.errors import ClosedError

if TYPE_CHECKING:
    from types import FrameType

_TASKS: Final = Path("/proc/self/task")
_POLARS_THREAD: Final = "polars-0"
_SIGNALS: Final = tuple(signal.valid_signals())
_parent_computes = _cannot_compute = False


def _exit(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


_RAISING_HANDLERS: Final = (signal.default_int_handler, _exit)


def computes() -> bool:
    """Whether Polars can compute in this process.

    False if the process was forked after Polars had started its threads.
    """
    return not _cannot_compute


def refuse_forked() -> None:
    """Refuse a process that was forked after Polars had started its threads.

    Raises
    ------
    ClosedError
        If `computes()` is False. Only Linux lists the threads of a process; on other systems this never raises.
    """
    if not computes():
        raise ClosedError(
            "Polars cannot compute in this process, because it was forked after Polars had started its threads; start "
            'it with multiprocessing\'s "spawn" or "forkserver", or before the first profile'
        )


def exit_on_sigterm() -> None:
    """Make SIGTERM end the process like `sys.exit`, if it has no handler.

    Does nothing outside the main thread.
    """
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _exit)


def handlers_only_raise() -> bool:
    """Whether every handler of a signal only raises.

    Then no handler can log in the middle of a step.
    """
    handlers = map(_signal.getsignal, _SIGNALS)  # `signal.getsignal` converts to enumerations, 25 times as slow
    return not any(callable(handler) and handler not in _RAISING_HANDLERS for handler in handlers)


def _before_fork() -> None:
    global _parent_computes  # noqa: PLW0603 - there is one process
    _parent_computes = _POLARS_THREAD in _thread_names()


def _after_fork_in_child() -> None:
    global _cannot_compute  # noqa: PLW0603 - there is one process
    _cannot_compute = _cannot_compute or _parent_computes
    if signal.getsignal(signal.SIGTERM) is _exit:  # the parent expects its child to end at once
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _thread_names() -> set[str]:
    try:
        return {(task / "comm").read_text().strip() for task in _TASKS.iterdir()}
    except (OSError, UnicodeDecodeError):  # not Linux, or a thread has just ended
        return set()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)
