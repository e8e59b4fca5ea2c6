"""What becomes of a process: forks that cannot work, SIGTERM, what signals may run. Imports errors alone.

Polars computes on threads that a fork does not copy, so in a child of a process that had started them every group-by
waits forever. And SIGTERM ends Python without its exit functions, so what is to be closed at the exit would not be.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what `signal` wraps
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
_parent_computes = _cannot_compute = False


def computes() -> bool:
    """Whether Polars can compute here: not in a process that was forked after it had started its threads."""
    return not _cannot_compute


def refuse_forked() -> None:
    """Raise in a process that was forked after Polars had started its threads.

    Raises
    ------
    ClosedError
        There. Linux alone says which threads a process has; elsewhere it is not known.
    """
    if not computes():
        raise ClosedError(
            "this process was forked after Polars had started its threads, which do not exist here: it would wait for "
            'them forever; start it with multiprocessing\'s "spawn" or "forkserver", or before the first profile'
        )


def exit_on_sigterm() -> None:
    """Let SIGTERM end the process as `sys.exit` does, where it has no handler yet; from the main thread alone."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _exit)


def handlers_only_raise() -> bool:
    """Whether no handler of a signal does more than to raise, so that none can log in the midst of something."""
    handlers = map(_signal.getsignal, _SIGNALS)  # `signal.getsignal` makes enumerations of them: 25 times as slow
    return not any(callable(handler) and handler not in _RAISE for handler in handlers)


def _exit(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


_SIGNALS: Final = tuple(signal.valid_signals())
_RAISE: Final = (signal.default_int_handler, _exit)


def _before_fork() -> None:
    global _parent_computes  # noqa: PLW0603 - there is one process
    _parent_computes = _POLARS_THREAD in _thread_names()


def _after_fork_in_child() -> None:
    global _cannot_compute  # noqa: PLW0603 - there is one process
    _cannot_compute = _cannot_compute or _parent_computes
    if signal.getsignal(signal.SIGTERM) is _exit:  # whoever made the child expects it to end at once
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _thread_names() -> set[str]:
    try:
        return {(task / "comm").read_text().strip() for task in _TASKS.iterdir()}
    except (OSError, UnicodeDecodeError):  # no Linux, or a thread that ended meanwhile
        return set()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)
