"""Clients that come with an extra: imported where they are needed, with one error where they are missing."""

from __future__ import annotations

import importlib
from typing import Any

from polarsprof.errors import SourceError


def client(module: str, extra: str) -> Any:
    """A module that an extra brings.

    Raises
    ------
    SourceError
        Where it is missing; the text says what to install.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        msg = f"{module} is not installed: pip install 'polarsprof[{extra}]'"
        raise SourceError(msg) from error
