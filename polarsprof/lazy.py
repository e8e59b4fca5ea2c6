"""Public names of a package, imported from their modules when they are first used."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


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
