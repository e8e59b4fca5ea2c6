"""Shared parts of sources with a client: import, outages, shares, URLs."""

from __future__ import annotations

import re
import time
from typing import Any

from polarsprof._lazy import required
from polarsprof.errors import SourceError, argument_error, positive_integer


def client(module: str, extra: str) -> Any:
    """Import a module that an extra installs.

    Raises
    ------
    SourceError
        If it is not installed; the text names the extra.
    """
    return required(module, extra, SourceError)


class Patience:
    """A limit on the length of an outage.

    Parameters
    ----------
    seconds
        Longest outage to wait out, from its first failure.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._failing_since: float | None = None

    def record_failure(self) -> bool:
        """Returns whether to try again after a failure."""
        now = time.monotonic()
        self._failing_since = now if self._failing_since is None else self._failing_since
        return now - self._failing_since <= self._seconds

    def record_success(self) -> None:
        """End the outage, if there is one."""
        self._failing_since = None


def checked_share(share: object) -> tuple[int, int]:
    """Check a share (number, of): partitions whose number modulo `of` is `number`.

    Raises
    ------
    ArgumentError
        If it is not a pair of integers with 0 <= number < of.
    """
    if isinstance(share, tuple) and len(share) == 2 and all(type(part) is int for part in share):
        number, of = share
        if 0 <= number < positive_integer("share", of):
            return number, of
    raise argument_error("share", share, "(number, of) with 0 <= number < of")


def parse_share(text: str) -> tuple[int, int]:
    """A share from text such as "0/3"; the numbers are checked by `checked_share`.

    Raises
    ------
    ArgumentError
        If the text is not NUMBER/OF.
    """
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal()):
        raise argument_error("share", text, "NUMBER/OF, such as 0/3, 1/3 and 2/3 for three consumers")
    return int(number), int(of)


def checked_start(start: object) -> str:
    """Check the first record to read without a position: "latest" or "earliest".

    Raises
    ------
    ArgumentError
        If it is neither.
    """
    if start not in ("latest", "earliest"):
        raise argument_error("start", start, '"latest" or "earliest"')
    return str(start)


def without_credentials(url: str) -> str:
    """The URL without user, password and query, for error messages.

    Examples
    --------
    >>> without_credentials("nats://app:secret@localhost:4222/orders?subject=eu")
    'nats://localhost:4222/orders'
    """
    return re.sub(r"//.*@", "//", url, flags=re.DOTALL).partition("?")[0]
