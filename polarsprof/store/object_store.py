"""An object store: S3, Google Cloud Storage, Azure, or the memory of this process; conditional writes, no locks.

Everything is one request that succeeds or fails as a whole; obstore repeats requests that fail on the way, with growing
pauses. A pane is put with the store's own "only if absent", always under the name that is its own for ever: a compactor
that slept for hours may still delete names, and must never hit one that was given to another pane meanwhile.
"""

from __future__ import annotations

import errno
import hashlib
import secrets
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from polarsprof.errors import PolarsprofError, StoreError, argument_error
from polarsprof.store.backend import MOST_AHEAD_BYTES, MOST_KEPT_BYTES
from polarsprof.store.names import is_pane, kept_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from polarsprof.store.backend import Part, Stamp

SCHEMES: Final = ("s3", "gs", "az", "memory")
_RETRY: Final = {"max_retries": 5, "retry_timeout": timedelta(seconds=30)}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# What lies in the memory of this process, by URL, so that all stores of one URL see the same.
_memory: dict[str, Any] = {}


class ObjectStoreBackend:
    """Objects under a prefix of a bucket; see `StoreBackend`."""

    plain_names = False
    readers = 32
    index_from = 16

    def __init__(self, url: str, spool: Path | None, options: Mapping[str, Any]) -> None:
        self.url = url
        self._obstore = _obstore(url)
        self._store = self._opened_store(options)
        self.state_folder = _spool_of(url) if spool is None else spool

    def _opened_store(self, options: Mapping[str, Any]) -> Any:
        from obstore.exceptions import BaseError
        from obstore.store import MemoryStore, from_url

        if self.url.startswith("memory:"):
            if options:
                raise argument_error("options", dict(options), "none for memory://")
            return _memory.setdefault(self.url, MemoryStore())
        try:
            return from_url(self.url, **{"retry_config": _RETRY, **options})
        except (BaseError, ValueError, TypeError) as error:
            text = str(error).partition("\n")[0]  # what follows may show secrets
            raise argument_error("url", self.url, "the URL of an object store, and its options", text) from None

    def where(self, name: str) -> str:
        return f"{self.url.rstrip('/')}/{name}"

    def names(self, prefix: str) -> list[str]:
        return list(self.stamps(prefix))

    def stamps(self, prefix: str) -> dict[str, Stamp]:
        found: dict[str, Stamp] = {}
        with self._told("list", prefix):
            for chunk in self._obstore.list(self._store, offset=prefix or None, chunk_size=1_000):
                for meta in chunk:  # in the order of their names
                    if is_pane(meta["path"]) and meta["path"].startswith(prefix) and "/" not in meta["path"]:
                        found[meta["path"]] = _stamp(meta)
                if prefix and chunk and not chunk[-1]["path"].startswith(prefix):
                    break
        return dict(sorted(found.items()))

    @contextmanager
    def opened(self, name: str, first_bytes: int | None) -> Iterator[tuple[Part, int]]:
        ahead = MOST_AHEAD_BYTES if first_bytes is None else 4 * first_bytes  # a request costs more than its bytes
        with self._told("read", name):
            got = self._obstore.get(self._store, name, options={"range": (0, ahead)})
            first, file_bytes = bytes(got.bytes()), got.meta["size"]

        begun = 0

        def part(offset: int, length: int) -> bytes:
            nonlocal begun, first
            end = min(offset + length, file_bytes)
            if not begun <= offset <= end <= begun + len(first):
                with self._told("read", name):
                    # Of a file that is read whole what follows is asked for next.
                    until = max(end, min(offset + ahead, file_bytes)) if first_bytes is None else end
                    begun, first = offset, bytes(self._obstore.get_range(self._store, name, start=offset, end=until))
            return first[offset - begun : end - begun]

        yield part, file_bytes

    def put(self, names: Sequence[str], data: bytes, temporary: str, is_same: Callable[[str], bool]) -> str:
        from obstore.exceptions import AlreadyExistsError

        del temporary
        for name in names:
            try:
                with self._told("write", name):
                    self._obstore.put(self._store, name, data, mode="create")
            except AlreadyExistsError:  # also where a write got through and its answer was lost
                if is_same(name):
                    return name
            else:
                return name
        msg = f"{self.where(names[-1])}: an object of this name holds another pane"
        raise FileExistsError(errno.EEXIST, msg)

    def delete(self, files: Mapping[str, Stamp]) -> None:
        try:
            with self._told("delete", min(files)):
                self._obstore.delete(self._store, sorted(files))
        except FileNotFoundError:  # some stores mind that, others do not
            for name in files:
                with suppress(FileNotFoundError), self._told("delete", name):
                    self._obstore.delete(self._store, name)

    def kept(self, name: str) -> bytes:
        return self.kept_version(name)[0]

    def kept_version(self, name: str) -> tuple[bytes, dict[str, str]]:
        """What is kept under a name, and its version; nothing of nothing."""
        try:
            with self._told("read", name):
                got = self._obstore.get(self._store, name)
                data = bytes(got.bytes()) if got.meta["size"] <= MOST_KEPT_BYTES else b""
                return data, _version(got.meta)
        except FileNotFoundError:
            return b"", {}

    def keep(self, name: str, data: bytes) -> None:
        with self._told("write", name):
            self._obstore.put(self._store, name, data)

    def replaced(self, name: str, data: bytes, was: Mapping[str, str]) -> dict[str, str] | None:
        """The version of what is kept now, where it was still the given one (none: nothing was); else None."""
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        try:
            with self._told("write", name):
                result = self._obstore.put(self._store, name, data, mode=dict(was) or "create")
        except (AlreadyExistsError, PreconditionError):
            return None
        return _version(result)

    @contextmanager
    def claim(self, name: str) -> Iterator[_Planned]:
        yield _Planned(self, kept_name(name, "plan"))

    def remove_orphan_files(self) -> int:
        return 0  # an object is whole or absent: there are no temporary ones

    @contextmanager
    def _told(self, what: str, name: str) -> Iterator[None]:
        """Errors of the store as those of files are: of the kinds that callers know, in one line."""
        from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, PreconditionError

        try:
            yield
        except (AlreadyExistsError, PreconditionError):
            raise
        except PermissionDeniedError as error:
            raise PermissionError(errno.EACCES, _line(error), self.where(name)) from error
        except FileNotFoundError as error:
            raise FileNotFoundError(errno.ENOENT, "no such object", self.where(name)) from error
        except BaseError as error:
            msg = f"{self.where(name)}: cannot {what}: {_line(error)}"
            raise StoreError(msg) from error


class _Planned:
    """The right to compact by an object that is replaced only by who saw it last; `compaction` says why."""

    def __init__(self, objects: ObjectStoreBackend, name: str) -> None:
        self._objects = objects
        self._name = name
        self._seen: dict[str, str] = {}

    def plan(self) -> bytes:
        data, self._seen = self._objects.kept_version(self._name)
        return data.partition(b"\n")[2]

    def commit(self, plan: bytes) -> bool:
        # Some stores make the version from the bytes, so no two plans may be the same, not even those of nothing.
        now = self._objects.replaced(self._name, secrets.token_hex(16).encode() + b"\n" + plan, self._seen)
        if now is not None:
            self._seen = now
        return now is not None

    def finish(self) -> None:
        self.commit(b"")  # where another one did that, or planned on, so much the better


def _version(meta: Mapping[str, Any]) -> dict[str, str]:
    return {key: meta[key] for key in ("e_tag", "version") if meta[key] is not None}


def _stamp(meta: Mapping[str, Any]) -> Stamp:
    tag = hashlib.sha256(str(meta["e_tag"]).encode()).digest()
    modified_us = (meta["last_modified"] - _EPOCH) // timedelta(microseconds=1)
    return meta["size"], modified_us, int.from_bytes(tag[:7])


def _line(error: Exception) -> str:
    return " ".join(str(error).partition("\n\nDebug source")[0].split())[:500]


def _obstore(url: str) -> Any:
    try:
        import obstore
    except ImportError as error:
        msg = f"{url} needs obstore: pip install 'polarsprof[cloud]'"
        raise PolarsprofError(msg) from error
    return obstore


def _spool_of(url: str) -> Path:
    from platformdirs import user_state_path

    return user_state_path("polarsprof") / hashlib.sha256(url.encode()).hexdigest()[:16]
