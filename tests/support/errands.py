"""Functions that other processes run, in a module that is cheap to import."""

from __future__ import annotations

from polars.exceptions import PanicException


class NeedsMoreError(Exception):
    """An error that cannot be unpickled."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def pair(*parts):
    return parts


def fail(split):
    raise {"panic": PanicException("a bug"), "unpicklable": NeedsMoreError(1, 2)}[split]
