"""A crash, here a session that nobody closes, and what it leaves."""

from __future__ import annotations

import polarsprof as pp


def crash(session: pp.Session) -> None:
    """What is left of a process that was killed: its files, unlocked."""
    session.disown()


def left(session: pp.Session) -> list[str]:
    """The names of the files of writers."""
    folder = session.store.state_folder
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []
