"""Calls into objects of users, which can raise any exception.

Mappings, metaclasses, time zones and buffers of users run their own code. An exception of that code, including pyo3's
`PanicException`, which is no `Exception`, is a property of the data and never an error of the caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import TracebackType

# Exceptions that must end the process; they pass through.
FATAL: Final = (KeyboardInterrupt, SystemExit, GeneratorExit)


class _ForeignCode:
    """Suppresses every exception but the fatal ones."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        return kind is not None and not issubclass(kind, FATAL)


_FOREIGN_CODE: Final = _ForeignCode()


def foreign_code() -> AbstractContextManager[None, bool]:
    """Suppress every exception in a `with` block around foreign code, except `FATAL`.

    A block costs about 0.1 µs and one frame of the stack. Code that runs per value or per record, or that must survive
    a full stack, spells out the same two `except` clauses instead.
    """
    return _FOREIGN_CODE
