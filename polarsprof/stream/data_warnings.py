"""`DataWarnings`: one warning for each kind of bad data in a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polarsprof.profiles.profile import Profile


class DataWarnings:
    """Warnings about one data set: the first of each kind; others are only counted."""

    def __init__(self, dataset: str) -> None:
        self._dataset = dataset
        self._kinds: set[str] = set()
        self._pending: list[str] = []

    def add(self, profile: Profile) -> None:
        """Warn of the rejected rows and degraded values of a profile."""
        for reason, rows in profile.rejected.items():
            self._warn_once(f"rejected {rows} rows: {reason}", f"rejected {reason}")
        for reason, values in profile.degraded.items():
            self._warn_once(f"{values} values: {reason}", f"degraded {reason}")

    def warn(self, text: str) -> None:
        """Warn of anything else."""
        self._pending.append(f"{self._dataset}: {text}")

    def drain(self) -> list[str]:
        """Return the warnings since the last call."""
        drained, self._pending = self._pending, []
        return drained

    def _warn_once(self, text: str, kind: str) -> None:
        if kind not in self._kinds:
            self._kinds.add(kind)
            self.warn(f"{text}; further ones are only counted")
