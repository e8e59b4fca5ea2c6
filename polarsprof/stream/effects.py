"""`Effects`: warnings and published panes, handed to the user without any lock."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final

from polarsprof.errors import DataWarning
from polarsprof.profiles.profile import Profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from polarsprof.stream.settings import WriterSettings
    from polarsprof.stream.writer import Writer

_PACKAGE: Final = str(Path(__file__).parents[1])  # warnings point at the first frame outside of it


class Effects:
    """Collects warnings and panes under a lock, and hands them on without it."""

    def __init__(self) -> None:
        self._warnings: list[str] = []
        self._panes: list[bytes] = []

    def collect(self, texts: Iterable[str], writers: Iterable[Writer]) -> None:
        """Take warnings, and the warnings and published panes of writers."""
        self._warnings += texts
        for writer in writers:
            self._warnings += writer.drain_warnings()
            self._panes += writer.drain_published()

    def emit(self, settings: WriterSettings) -> None:
        """Call `on_pane` for each pane, then give each warning at the call of the user."""
        if settings.on_pane is not None:
            for pane in self._panes:
                self._call(settings.on_pane, pane, settings.dataset)
        for text in self._warnings:
            warnings.warn(text, DataWarning, stacklevel=_level_of_user())

    def _call(self, on_pane: Callable[[Profile], object], pane: bytes, dataset: str) -> None:
        try:
            on_pane(Profile.from_bytes(pane))
        except Exception as error:  # noqa: BLE001 - an error of the user's function stops no stream
            self._warnings.append(f"{dataset}: on_pane failed: {type(error).__name__}: {error}")


def _level_of_user() -> int:
    """Return the stack level of the first frame outside this package, if there is one."""
    level, frame = 1, sys._getframe(1)  # noqa: SLF001 - warnings can skip files only since Python 3.12
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    return level
