"""Functions that other processes run; a module of its own because they would have to import a test module whole."""

from __future__ import annotations

from polars.exceptions import PanicException


class NeedsMoreError(Exception):
    """It cannot be made anew from its pickle."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def pair(*parts):
    return parts


def fail(split):
    raise {"panic": PanicException("a bug"), "unpicklable": NeedsMoreError(1, 2)}[split]
