"""Every error and warning of the library.

There are two kinds of errors. Wrong use raises `ArgumentError`, a `ValueError` whose text gives the value, the expected
one and often a hint. Wrong data raises one of the others. Wrong data inside a stream never raises: it is counted in the
profile, and a `DataWarning` names each kind once.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_SHOWN_CHARACTERS = 80
_PATH_CHARACTERS = 4_096  # an error names its file in full


class PolarsprofError(Exception):
    """Base class of all errors that this library raises."""


class ArgumentError(PolarsprofError, ValueError):
    """An argument, an option or a configuration value is invalid.

    Attributes
    ----------
    argument
        Name of the argument; empty if there is no single one.
    """

    argument = ""


class ClosedError(PolarsprofError):
    """A logger or session is used after it was closed, or in a fork of its process."""


class CorruptProfile(PolarsprofError):
    """The bytes of a profile are truncated, altered, foreign or beyond a limit."""


class UnsupportedVersion(PolarsprofError):
    """A profile was written by a newer major version of the file format."""


class SpecMismatch(PolarsprofError, ValueError):
    """Two profiles track different statistics, so that they cannot merge."""


class StoreError(PolarsprofError, OSError):
    """A store could not make panes durable; they are kept for a retry, within a bound."""


class SourceError(PolarsprofError, OSError):
    """A source is unreachable or missing, or no longer has the next position to read."""


class DataWarning(UserWarning):
    """Some data could not be profiled unchanged; the profile counts it."""


def argument_error(name: str, got: object, expected: str, hint: str = "") -> ArgumentError:
    """Build the error for wrong use: argument name, value, expected value, hint."""
    shown = " ".join(repr(got).split())
    limit = _PATH_CHARACTERS if isinstance(got, str | os.PathLike) and os.sep in shown else _SHOWN_CHARACTERS
    if len(shown) > limit:
        shown = f"{shown[:limit]}…"
    text = f"{name}: got {shown} ({type(got).__name__}), expected {expected}"
    error = ArgumentError(f"{text}; {hint}" if hint else text)
    error.argument = name
    return error


def file_error(path: str | os.PathLike[str], expected: str, hint: str = "") -> ArgumentError:
    """Build the error for a file whose content is wrong; its path is never cut."""
    text = f"path: got {os.fspath(path)!r}, expected {expected}"
    error = ArgumentError(f"{text}; {' '.join(hint.split())}" if hint else text)
    error.argument = "path"
    return error


def plain_text(name: str, value: object, expected: str = "text") -> str:
    """Return the value; raise `ArgumentError` unless it is text that UTF-8 can encode."""
    if not isinstance(value, str):
        raise argument_error(name, value, expected)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise argument_error(name, value, f"{expected} that UTF-8 can encode", "it holds a lone surrogate") from None
    return value


def raise_one(errors: list[Exception], kind: type[Exception]) -> None:
    """Raise one of the errors, if there are any, with the others as its notes.

    Parameters
    ----------
    errors
        Errors in the order in which they occurred.
    kind
        Type that callers expect: its first error is raised, or the first of all if there is none.
    """
    if not errors:
        return
    chosen = next((error for error in errors if isinstance(error, kind)), errors[0])
    for other in errors:
        if other is not chosen:
            chosen.add_note(f"also: {type(other).__name__}: {other}")
    raise chosen


def run_all(callables: Iterable[Callable[[], object]], kind: type[Exception]) -> None:
    """Call each, even after errors; then raise one of the errors, see `raise_one`.

    Parameters
    ----------
    callables
        Functions without arguments, called in order; their results are ignored.
    kind
        Type of error that callers expect.
    """
    errors: list[Exception] = []
    for call in callables:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - raised below
            errors.append(error)
    raise_one(errors, kind)


def positive_integer(name: str, value: object) -> int:
    """Return the value; raise `ArgumentError` unless it is an integer from 1 on."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise argument_error(name, value, "a positive integer")
    return value
