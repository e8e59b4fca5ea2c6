"""Addresses → sources: what the command line calls them."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final

from polarsprof.errors import argument_error
from polarsprof.sources.files import FilesSource, TailSource
from polarsprof.sources.iterables import LinesSource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from polarsprof.source import Source

_SCHEMES: Final[Mapping[str, Callable[[str, bool], Source]]] = {}


def source_at(address: str, *, from_beginning: bool, stdin: BinaryIO) -> Source:
    """The source of an address.

    Parameters
    ----------
    address
        "-" for NDJSON on standard input, "tail:PATH", a URL, or a path or pattern of files.
    from_beginning
        Of a topic or stream that was never read into the data set, begin with the oldest record instead of those that
        come from now on. Files always do.
    stdin
        The standard input.

    Raises
    ------
    ArgumentError
        For an address that means nothing, or lacks something.
    """
    if address == "-":
        return LinesSource(stdin)
    if address.startswith("tail:"):
        return TailSource(address.removeprefix("tail:"))
    scheme, separator, _ = address.partition("://")
    if not separator:
        return FilesSource(address)
    if scheme not in _SCHEMES:
        known = ", ".join(f"{name}://…" for name in _SCHEMES)
        raise argument_error("source", address, f"-, tail:PATH, a path or pattern, {known}")
    return _SCHEMES[scheme](address, from_beginning)
