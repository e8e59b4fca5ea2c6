"""Formats of stored files: the native one, and that of whylogs for a mirror."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from polarsprof.errors import argument_error
from polarsprof.profiles.profile import Profile

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class StoreFormat:
    """A format of stored files.

    Attributes
    ----------
    name
        The value of the argument `format` of `ProfileStore`.
    encode
        Bytes of a pane → bytes of its file.
    compactable
        Whether a file holds all of its pane, so that files can be compared and compacted.
    """

    name: str
    encode: Callable[[bytes], bytes]
    compactable: bool


def _whylogs_bytes(pane: bytes) -> bytes:
    return Profile.from_bytes(pane).to_whylogs()


FORMATS: Final = (
    StoreFormat("polarsprof", bytes, compactable=True),  # bytes() of bytes is the same object, without a copy
    StoreFormat("whylogs", _whylogs_bytes, compactable=False),
)


def store_format(name: str) -> StoreFormat:
    """The format of this name.

    Raises
    ------
    ArgumentError
        If no format has this name.
    """
    for known in FORMATS:
        if known.name == name:
            return known
    raise argument_error("format", name, f"one of {', '.join(known.name for known in FORMATS)}")
