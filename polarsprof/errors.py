"""Every error and warning of the library; imports nothing of it.

Two kinds of errors: wrong use raises `ArgumentError`, a `ValueError` whose text names what was got, what was expected
and often a hint; wrong data raises one of the others. Wrong data inside a stream never raises: it is counted in the
profile and named once per kind in a `DataWarning`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_SHOWN_CHARACTERS = 80


class PolarsprofError(Exception):
    """The root of every error this library raises on purpose."""


class ArgumentError(PolarsprofError, ValueError):
    """An argument, an option or a configuration value is not what the call expects.

    Attributes
    ----------
    argument
        The name of the argument; empty where it is no single one.
    """

    argument = ""


class ClosedError(PolarsprofError):
    """A closed logger or session, or one that belongs to the parent of a forked process, was asked to work."""


class CorruptProfile(PolarsprofError):
    """Bytes that claim to be a profile are truncated, altered, foreign or break a limit."""


class UnsupportedVersion(PolarsprofError):
    """A profile was written by a newer major version of the file format."""


class SpecMismatch(PolarsprofError, ValueError):
    """Two profiles track different things, so that no merge of them would be right."""


class StoreError(PolarsprofError, OSError):
    """A store could not make panes durable; they are kept for another try within a bound."""


class SourceError(PolarsprofError, OSError):
    """A source cannot be reached, is not there, or has not got any more what is to be read next."""


class DataWarning(UserWarning):
    """Some data could not be profiled as it came; it is counted in the profile."""


def argument_error(name: str, got: object, expected: str, hint: str = "") -> ArgumentError:
    """The one wording for wrong use: the argument's name, what was got, what was expected, a hint."""
    shown = " ".join(repr(got).split())
    if len(shown) > _SHOWN_CHARACTERS:
        shown = f"{shown[:_SHOWN_CHARACTERS]}…"
    text = f"{name}: got {shown} ({type(got).__name__}), expected {expected}"
    error = ArgumentError(f"{text}; {hint}" if hint else text)
    error.argument = name
    return error


def plain_text(name: str, value: object, expected: str = "text") -> str:
    """The value, where it is text that UTF-8 can say; else wrong use."""
    if not isinstance(value, str):
        raise argument_error(name, value, expected)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise argument_error(name, value, f"{expected} that UTF-8 can say", "it holds a lone surrogate") from None
    return value


def raise_one(errors: list[Exception], most_wanted: type[Exception]) -> None:
    """Raise one of the errors, if there are any: the first of the kind callers wait for, the others as its notes."""
    if not errors:
        return
    chosen = next((error for error in errors if isinstance(error, most_wanted)), errors[0])
    for other in errors:
        if other is not chosen:
            chosen.add_note(f"also: {type(other).__name__}: {other}")
    raise chosen


def run_all(calls: Iterable[Callable[[], object]], most_wanted: type[Exception]) -> None:
    """Make every call, then raise one of their errors, as `raise_one` does."""
    errors: list[Exception] = []
    for call in calls:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - raised below
            errors.append(error)
    raise_one(errors, most_wanted)


def positive_integer(name: str, value: object) -> int:
    """The value, where it is an integer from 1 on; else wrong use."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise argument_error(name, value, "a positive integer")
    return value
