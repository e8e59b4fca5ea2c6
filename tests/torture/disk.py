"""`Disk` passes each file system call below one folder to a hook.

Three kinds of tests use it: one hook kills the process, one makes a call fail, and one records the states that a power
cut can leave. `Disk` replaces functions of `os` by name, because polarsprof and pathlib both look them up by name.
Files that Python buffers get a raw file on top of the same functions, so every write reaches the hook.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

# Calls that change the disk or wait for it. Calls that only look have the name "read" or "list".
CHANGING = ("open", "write", "fsync", "fdatasync", "close", "replace", "link", "unlink", "mkdir")


@dataclass(slots=True)
class Call:
    """One call; paths are absolute, `handle` and `data` are set if the call has them."""

    name: str
    path: str
    target: str = ""  # of replace and link: the new name
    handle: int = -1
    data: bytes = b""
    created: bool = False  # of open: the file did not exist

    @property
    def kind(self) -> str:
        """Suffix of the file: journal, checkpoint, pane, lock, tmp or bin; "folder" for a folder."""
        name = Path(self.target or self.path).name
        return name.rpartition(".")[2] if "." in name[1:] else "folder"


Hook = Callable[[Call, Callable[[], Any]], Any]


def passing(call: Call, make: Callable[[], Any]) -> Any:
    """A hook that only makes the call."""
    return make()


class Disk:
    """A context manager: inside it, calls on files below `root` go through `hook`."""

    def __init__(self, root: Path | str, hook: Hook = passing) -> None:
        self.root = os.path.abspath(root)
        self.hook = hook
        self._handles: dict[int, str] = {}
        self._lock = threading.Lock()
        self._real: dict[str, Any] = {}

    def __enter__(self) -> Self:
        patched = {
            "open": self._open,
            "write": self._write,
            "fsync": self._of_handle("fsync"),
            "fdatasync": self._of_handle("fdatasync"),
            "close": self._close,
            "replace": self._of_two("replace"),
            "rename": self._of_two("rename"),
            "link": self._of_two("link"),
            "unlink": self._of_path("unlink"),
            "remove": self._of_path("remove"),
            "mkdir": self._of_path("mkdir"),
            "listdir": self._of_path("listdir"),
            "scandir": self._of_path("scandir"),
            "fdopen": self._fdopen,
        }
        self._real = {name: getattr(os, name) for name in patched if hasattr(os, name)}
        self._io_open = io.open
        for name in self._real:
            setattr(os, name, patched[name])
        io.open = self._read  # Path.read_bytes and Path.open call it
        return self

    def __exit__(self, *exception: object) -> None:
        io.open = self._io_open
        for name, real in self._real.items():
            setattr(os, name, real)

    def inside(self, path: object) -> str:
        """The absolute path if it is below the root, else an empty string."""
        if not isinstance(path, str | os.PathLike):
            return ""
        text = os.path.abspath(os.fspath(path))
        return text if text == self.root or text.startswith(self.root + os.sep) else ""

    def _open(self, path, flags, mode=0o777, *, dir_fd=None):
        real, place = self._real["open"], self.inside(path)
        if not place:
            return real(path, flags, mode, dir_fd=dir_fd)
        call = Call("open", place, created=bool(flags & os.O_CREAT) and not os.path.exists(place))

        def make():
            # Before the hook goes on, which can ask for the file of this handle.
            call.handle = handle = real(path, flags, mode)
            with self._lock:
                self._handles[handle] = place
            return handle

        return self.hook(call, make)

    def _write(self, handle, data):
        real, place = self._real["write"], self._handles.get(handle)
        if place is None:
            return real(handle, data)
        return self.hook(Call("write", place, handle=handle, data=bytes(data)), lambda: real(handle, data))

    def _close(self, handle):
        real = self._real["close"]
        with self._lock:
            place = self._handles.pop(handle, None)
        if place is None:
            return real(handle)
        return self.hook(Call("close", place, handle=handle), lambda: real(handle))

    def _of_handle(self, name):
        def called(handle):
            real = self._real[name]
            place = self._handles.get(handle if isinstance(handle, int) else handle.fileno())
            return real(handle) if place is None else self.hook(Call(name, place, handle=handle), lambda: real(handle))

        return called

    def _of_path(self, name):
        shown = {"remove": "unlink", "listdir": "list", "scandir": "list"}.get(name, name)

        def called(path=".", *arguments, **options):
            real, place = self._real[name], self.inside(path)
            if not place:
                return real(path, *arguments, **options)
            return self.hook(Call(shown, place), lambda: real(path, *arguments, **options))

        return called

    def _of_two(self, name):
        shown = {"rename": "replace"}.get(name, name)

        def called(source, target, **options):
            real, place = self._real[name], self.inside(source)
            if not place:
                return real(source, target, **options)
            return self.hook(Call(shown, place, self.inside(target)), lambda: real(source, target, **options))

        return called

    def _read(self, file, mode="r", *arguments, **options):
        place = self.inside(file) if "r" in mode and "+" not in mode else ""
        if not place:
            return self._io_open(file, mode, *arguments, **options)
        return self.hook(Call("read", place), lambda: self._io_open(file, mode, *arguments, **options))

    def _fdopen(self, handle, mode="r", *arguments, **options):
        if self._handles.get(handle) is None or mode != "wb":
            return self._real["fdopen"](handle, mode, *arguments, **options)
        return io.BufferedWriter(_RawFile(handle))


class _RawFile(io.RawIOBase):
    """A file that writes to a handle through the current functions of `os`."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def fileno(self) -> int:
        return self._handle

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        return os.write(self._handle, data)

    def close(self) -> None:
        if not self.closed:
            try:
                super().close()
            finally:
                os.close(self._handle)
