"""States of a file system after a power cut: everything that was synced, and any part of the rest.

`Recorder` is a hook for `Disk` that makes every call and records it. `materialize` draws a state that POSIX allows:

* Each write that was not synced is whole, missing, cut or zeros, independently of the others.
* Each change of a name (new file, rename, link, removal) in a folder that was not synced is made or not, independently.
  So a new file can be lost although its bytes were synced.
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
    """The machine is off; no call after it has an effect."""


@dataclass(slots=True, eq=False)
class _File:
    durable: bytes = b""
    writes: list[bytes] = field(default_factory=list)  # appended and not synced

    @property
    def size(self) -> int:
        return len(self.durable) + sum(map(len, self.writes))


@dataclass(slots=True, eq=False)
class _Folder:
    """A folder; only its name matters here."""


@dataclass(frozen=True, slots=True)
class _Change:
    """Names that a folder gains and loses in one step."""

    folder: str
    gone: str = ""
    name: str = ""
    node: _File | _Folder | None = None


class Recorder:
    """A hook that records durable content and cuts the power before the n-th call; later calls raise."""

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
        record = getattr(self, f"_{call.name}", None)
        if record is not None:
            record(call)
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

    def materialize(self, target: Path, chance: random.Random) -> None:
        """Write one state that the cut can leave into a new folder."""
        target.mkdir()
        names = dict(self._durable)
        share = chance.choice((0.0, 0.5, 0.5, 1.0))  # all lost and all kept are the most frequent states
        for change in self._changes:
            if chance.random() < share:
                _apply(change, names)
        contents: dict[_File, bytes] = {}
        for path, node in sorted(names.items()):
            place = target / os.path.relpath(path, self._root)
            if not place.parent.is_dir():  # lost with its folder
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
    """Content of writes that were not synced: each is whole, zeros or cut; the file can end before any of them."""
    left = b""
    for data in writes:
        fate = chance.choice(("whole", "whole", "zeros", "torn", "torn with zeros", "end"))
        torn = data[: chance.randrange(len(data) + 1)]
        if fate == "end":
            break
        if fate == "torn":
            return left + torn
        rest = {"whole": data, "zeros": b"", "torn with zeros": torn}[fate]
        left += rest.ljust(len(data), b"\0")
    return left
