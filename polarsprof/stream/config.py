"""`SessionConfig`: the configuration of a session, from a file or a mapping."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from polarsprof.errors import argument_error

_CONFIG_VARIABLE: Final = "POLARSPROF_CONFIG"
_CONFIG_FILE: Final = "polarsprof.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """The keys of a configuration file.

    Attributes
    ----------
    store
        The folder or URL of the store.
    spec
        Options of `ProfileSpec`.
    logger
        Defaults of `Session.logger`, such as `with_rotation_time`.
    """

    store: str = "profiles"
    spec: Mapping[str, Any] = field(default_factory=dict)
    logger: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, config: str | os.PathLike[str] | Mapping[str, Any] | None) -> SessionConfig:
        """Load a mapping, a file, or the first configuration found.

        For None that is the file in $POLARSPROF_CONFIG, then ./polarsprof.toml, then the defaults.

        Raises
        ------
        ArgumentError
            For a file that is missing or not TOML, and for an unknown key.
        """
        if isinstance(config, Mapping):
            return cls._checked(config, "config")
        if config is None:
            variable = os.environ.get(_CONFIG_VARIABLE)
            config = variable or (_CONFIG_FILE if Path(_CONFIG_FILE).is_file() else None)
        elif not isinstance(config, str | os.PathLike):
            raise argument_error("config", config, "the path of a TOML file, or a mapping")
        return cls() if config is None else cls._checked(_read_toml(config), os.fspath(config))

    @classmethod
    def _checked(cls, entries: Mapping[str, Any], source: str) -> SessionConfig:
        config = cls(**known_keys(f"{source}: key", entries, cls))
        for name, kind in (("store", str), ("spec", Mapping), ("logger", Mapping)):
            if not isinstance(getattr(config, name), kind):
                raise argument_error(f"{source}: {name}", getattr(config, name), "text" if kind is str else "a table")
        return config


def known_keys(name: str, entries: Mapping[str, Any], kind: type[Any]) -> dict[str, Any]:
    """Return the entries if each key is a field of a dataclass.

    Raises
    ------
    ArgumentError
        For an unknown key; the message lists the fields.
    """
    known = [each.name for each in fields(kind)]
    for key in entries:
        if key not in known:
            raise argument_error(name, key, f"one of {', '.join(known)}")
    return dict(entries)


def _read_toml(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    try:
        with Path(path).open("rb") as file:
            return tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise argument_error("config", os.fspath(path), "a readable TOML file", str(error)) from error
