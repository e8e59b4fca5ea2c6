"""Imports on first use: public names of a package, and modules of an extra."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType


def attribute(package: str, homes: Mapping[str, str], name: str) -> Any:
    """Import a name from its module and store it in the package; for `__getattr__`.

    Parameters
    ----------
    package
        Name of the package.
    homes
        Public name → its module, relative to the package.
    name
        The public name.

    Raises
    ------
    AttributeError
        For an unknown name.
    """
    if name not in homes:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
    setattr(sys.modules[package], name, value)
    return value


def required(module: str, extra: str, error: type[Exception]) -> ModuleType:
    """Import a module of an extra; if missing, raise `error` with the install command."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        raise error(f"{module} is not installed: pip install 'polarsprof[{extra}]'") from missing
