"""`Interrupt`: signals that end the reading of a source cleanly."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from polarsprof.sources.protocol import Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


class Interrupt:
    """A context in which SIGINT and SIGTERM set `signal` and end a wait.

    A second signal has its usual effect. Outside the main thread, so does the first.

    Attributes
    ----------
    signal
        Number of the first signal; 0 if none came.
    """

    def __init__(self) -> None:
        self.signal = 0
        self._waiting = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Wrap a wait that may last forever; a signal raises `Interrupted` in it."""
        self._waiting = True
        try:
            if self.signal:
                raise Interrupted
            yield
        finally:
            self._waiting = False

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self.signal:
            self.__exit__()
            signal.raise_signal(number)
        self.signal = number
        if self._waiting:
            self._waiting = False
            raise Interrupted
