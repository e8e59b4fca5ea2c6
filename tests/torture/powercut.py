"""What a file system may hold after the power failed: all that was synced, and of the rest any part.

`Recorder` is a hook for `Disk`: it makes every call and notes it. `materialise` draws a state that POSIX allows:

* bytes that were not synced are there, are missing, end early or are zeros, for each write of each file by itself;
* a name (of a new file, a rename, a link, a removal) whose folder was not synced is changed or is not, each by itself.
  So a new file whose name was not synced may be gone although its bytes were.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torture.disk import CHANGING, Call


class PowerCut(BaseException):
    """The machine is off: nothing that was under way goes on."""


@dataclass(slots=True, eq=False)
class _File:
    durable: bytes = b""
    writes: list[bytes] = field(default_factory=list)  # at its end, not synced

    @property
    def size(self) -> int:
        return len(self.durable) + sum(map(len, self.writes))


@dataclass(slots=True, eq=False)
class _Folder:
    """A folder has no content of its own here, only the name it goes by."""


@dataclass(frozen=True, slots=True)
class _Change:
    """Names that a folder gets and loses in one step."""

    folder: str
    gone: str = ""
    name: str = ""
    node: _File | _Folder | None = None


class Recorder:
    """A hook that notes what is durable, and cuts the power before the n-th call; from then on every call raises."""

    def __init__(self, root: Path, cut_at: int | None) -> None:
        self.calls = 0
        self.off = False
        self._cut_at = cut_at
        self._root = os.path.abspath(root)
        self._names: dict[str, _File | _Folder] = {}  # as the process sees them
        self._durable: dict[str, _File | _Folder] = {}
        self._changes: list[_Change] = []
        for path in sorted(root.rglob("*")):
            node = _Folder() if path.is_dir() else _File(path.read_bytes())
            self._names[str(path)] = self._durable[str(path)] = node

    def __call__(self, call: Call, make: Callable[[], Any]) -> Any:
        if self.off:
            raise PowerCut
        if call.name in CHANGING:
            self.calls += 1
            if self.calls == self._cut_at:
                self.off = True
                raise PowerCut
        result = make()
        note = getattr(self, f"_{call.name}", None)
        if note is not None:
            note(call)
        return result

    def _open(self, call: Call) -> None:
        if call.created:
            self._change(call.path, node=_File())

    def _mkdir(self, call: Call) -> None:
        self._change(call.path, node=_Folder())

    def _write(self, call: Call) -> None:
        file = self._names[call.path]
        assert isinstance(file, _File)
        assert os.fstat(call.handle).st_size == file.size + len(call.data), "only writes at the end are modelled"
        file.writes.append(call.data)

    def _fsync(self, call: Call) -> None:
        file = self._names.get(call.path)
        if isinstance(file, _File):
            file.durable += b"".join(file.writes)
            file.writes.clear()
            return
        for change in [each for each in self._changes if each.folder == call.path]:
            _apply(change, self._durable)
            self._changes.remove(change)

    _fdatasync = _fsync

    def _replace(self, call: Call) -> None:
        self._change(call.target, gone=call.path, node=self._names[call.path])

    def _link(self, call: Call) -> None:
        self._change(call.target, node=self._names[call.path])

    def _unlink(self, call: Call) -> None:
        self._change("", gone=call.path)

    def _change(self, name: str, *, gone: str = "", node: _File | _Folder | None = None) -> None:
        change = _Change(os.path.dirname(name or gone), gone, name, node)
        assert not (name and gone) or os.path.dirname(name) == os.path.dirname(gone), "no rename leaves its folder"
        _apply(change, self._names)
        self._changes.append(change)

    def materialise(self, target: Path, chance: random.Random) -> None:
        """Write one state that the cut may have left into a new folder."""
        target.mkdir()
        names = dict(self._durable)
        kept = chance.choice((0.0, 0.5, 0.5, 1.0))  # all lost and all kept are the states most often seen
        for change in self._changes:
            if chance.random() < kept:
                _apply(change, names)
        contents: dict[_File, bytes] = {}
        for path, node in sorted(names.items()):
            place = target / os.path.relpath(path, self._root)
            if not place.parent.is_dir():  # its folder is lost, and it with that
                continue
            if isinstance(node, _Folder):
                place.mkdir()
            else:
                if node not in contents:
                    contents[node] = node.durable + _left_of(node.writes, chance)
                place.write_bytes(contents[node])


def _apply(change: _Change, names: dict[str, _File | _Folder]) -> None:
    if change.gone:
        names.pop(change.gone, None)
    if change.node is not None:
        names[change.name] = change.node


def _left_of(writes: list[bytes], chance: random.Random) -> bytes:
    """Of the bytes that were not synced: each write whole, as zeros, or cut; or the end before it."""
    left = b""
    for data in writes:
        what = chance.choice(("whole", "whole", "zeros", "torn", "torn with zeros", "end"))
        torn = data[: chance.randrange(len(data) + 1)]
        if what == "end":
            break
        if what == "torn":
            return left + torn
        rest = {"whole": data, "zeros": b"", "torn with zeros": torn}[what]
        left += rest.ljust(len(data), b"\0")
    return left
