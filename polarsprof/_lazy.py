"""What is imported when it is first used: public names of a package, and what an extra brings."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType


def attribute(package: str, homes: Mapping[str, str], name: str) -> Any:
    """The name from its module, kept in the package for the next time; for its `__getattr__`.

    Raises
    ------
    AttributeError
        For a name that has no home.
    """
    if name not in homes:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
    setattr(sys.modules[package], name, value)
    return value


def required(module: str, extra: str, error: type[Exception]) -> ModuleType:
    """A module that an extra brings; where it is missing, the error says what to install."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        raise error(f"{module} is not installed: pip install 'polarsprof[{extra}]'") from missing
