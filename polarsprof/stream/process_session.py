"""`get_or_create_session`: the one session that all code of a process shares."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from polarsprof._threads import Rank, ranked_lock
from polarsprof.errors import argument_error
from polarsprof.kernels.spec import ProfileSpec
from polarsprof.stream.config import SessionConfig, known_keys
from polarsprof.stream.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping


def get_or_create_session(config: str | os.PathLike[str] | Mapping[str, Any] | None = None) -> Session:
    """Return the session of this process; the first call creates it.

    A closed session is replaced by a new one.

    Parameters
    ----------
    config
        A TOML file or a mapping with the keys of `SessionConfig`; default: the file in $POLARSPROF_CONFIG, then
        ./polarsprof.toml, then `Session()`.

    Raises
    ------
    ArgumentError
        For an invalid configuration, and for one that differs from that of the open session.
    """
    return _process.get_or_create(config)


class _Process:
    """The shared session and its configuration."""

    def __init__(self) -> None:
        self._lock = ranked_lock(Rank.PROCESS)
        self._session: Session | None = None
        self._config = SessionConfig()

    def get_or_create(self, config: str | os.PathLike[str] | Mapping[str, Any] | None) -> Session:
        with self._lock:
            if self._session is not None and not self._session.closed:
                if config is not None and SessionConfig.load(config) != self._config:
                    raise argument_error("config", config, "None while a session of another configuration is open")
                return self._session
            self._config = SessionConfig.load(config)
            spec = ProfileSpec(**known_keys("knob of the spec", self._config.spec, ProfileSpec))
            self._session = Session(self._config.store, spec=spec, logger_defaults=self._config.logger)
            return self._session

    def forget(self) -> None:
        """Forget session and lock in a forked child, where they belong to the parent."""
        self._lock, self._session = ranked_lock(Rank.PROCESS), None


_process = _Process()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_process.forget)
