"""The largest count that a file may hold."""

from __future__ import annotations

from typing import Final

from polarsprof.errors import PolarsprofError

# No stream has 281 trillion rows; files that claim more would overflow 64 bits after a few merges.
MAX_COUNT: Final = 2**48


def writable(count: int) -> int:
    """Return the count if a file can hold it.

    Raises
    ------
    PolarsprofError
        If the count exceeds `MAX_COUNT`; only forged files add up to more.
    """
    if count > MAX_COUNT:
        msg = f"the profile fits no file: a count of {count:,} is more than {MAX_COUNT:,}"
        raise PolarsprofError(msg)
    return count
