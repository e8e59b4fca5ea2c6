"""`Lifecycle`: whether a logger is open, ending, closed, or owned by a parent process."""

from __future__ import annotations

from polarsprof.errors import ClosedError


class Lifecycle:
    """The state of one logger; every change is final.

    Attributes
    ----------
    ending
        Whether closing has begun; no more rows are taken.
    closed
        Whether closing has succeeded.
    disowned
        Whether this is a forked child of the process that owns the logger.
    """

    def __init__(self, dataset: str) -> None:
        self.ending = self.closed = self.disowned = False
        self._dataset = dataset

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to do in this process."""
        return self.closed or self.disowned

    @property
    def reason(self) -> str:
        """Explains why the logger takes no rows."""
        if self.disowned:
            return f"logger {self._dataset!r} belongs to the parent process; make a session in the child"
        if self.closed:
            return f"logger {self._dataset!r} is closed"
        return f"logger {self._dataset!r} takes no more rows; if close() failed, call it again"

    def check_open(self) -> None:
        """Raise `ClosedError` if no more rows are taken."""
        if self.disowned or self.ending:
            raise ClosedError(self.reason)
