"""What sources with a client share: its import, with one error where it is missing, patience, shares of partitions."""

from __future__ import annotations

import time
from typing import Any

from polarsprof._lazy import required
from polarsprof.errors import SourceError, argument_error, positive_integer


def client(module: str, extra: str) -> Any:
    """A module that an extra brings.

    Raises
    ------
    SourceError
        Where it is missing; the text says what to install.
    """
    return required(module, extra, SourceError)


class Patience:
    """For how long a server may be away before that is an error.

    Parameters
    ----------
    seconds
        So long, from the first failure on.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._away_since: float | None = None

    def lasts(self) -> bool:
        """Take note of a failure; whether it is to be borne."""
        now = time.monotonic()
        self._away_since = now if self._away_since is None else self._away_since
        return now - self._away_since <= self._seconds

    def renew(self) -> None:
        """Take note that the server is there."""
        self._away_since = None


def checked_share(share: Any) -> tuple[int, int]:
    """A share of partitions, (number, of): those whose number leaves `number` when divided by `of`.

    Raises
    ------
    ArgumentError
        For anything else.
    """
    if isinstance(share, tuple) and len(share) == 2 and all(type(part) is int for part in share):
        number, of = share
        if 0 <= number < positive_integer("share", of):
            return number, of
    raise argument_error("share", share, "(number, of) with 0 <= number < of")


def checked_start(start: Any) -> str:
    """Where to begin in what was never read, "latest" or "earliest".

    Raises
    ------
    ArgumentError
        For anything else.
    """
    if start not in ("latest", "earliest"):
        raise argument_error("start", start, '"latest" or "earliest"')
    return str(start)
