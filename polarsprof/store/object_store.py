"""`ObjectStoreBackend`: S3, Google Cloud Storage, Azure, or memory.

Object stores have conditional writes, but no locks. Every operation is one request that succeeds or fails as a whole;
obstore repeats failed requests with growing pauses. A pane is put with the store's own "only if absent", always under
its own name: a compactor that slept for hours can still delete names, and must never delete one that was reused for
another pane.
"""

from __future__ import annotations

import errno
import hashlib
import secrets
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from polarsprof.errors import PolarsprofError, StoreError, argument_error
from polarsprof.store.backend import MAX_AHEAD_BYTES, MAX_SIDECAR_BYTES
from polarsprof.store.names import is_pane, sidecar_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import ModuleType

    from obstore import ObjectMeta, PutResult
    from obstore.store import ObjectStore

    from polarsprof.store.backend import ReadAt, Stamp

Version: TypeAlias = dict[str, str]
"""Entity tag and version of an object, as far as the store has them; empty if there is no object."""

SCHEMES: Final = ("s3", "gs", "az", "memory")
# Five repeats within 30 seconds outlast a short overload; a longer outage is left to the outbox of the writer.
_RETRY: Final = {"max_retries": 5, "retry_timeout": timedelta(seconds=30)}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Objects in memory, by URL, so that all stores of one URL share them.
_memory: dict[str, ObjectStore] = {}


class ObjectStoreBackend:
    """Objects under a prefix of a bucket; see `StoreBackend`."""

    plain_names = False
    concurrent_reads = 32  # a request mostly waits
    min_index_files = 16  # each file costs a request

    def __init__(self, url: str, spool: Path | None, options: Mapping[str, object]) -> None:
        self.url = url
        self._obstore = _obstore(url)
        self._store = self._open_store(options)
        self.state_folder = _spool_of(url) if spool is None else spool

    def _open_store(self, options: Mapping[str, Any]) -> ObjectStore:
        from obstore.exceptions import BaseError
        from obstore.store import MemoryStore, from_url

        if self.url.startswith("memory:"):
            if options:
                raise argument_error("options", dict(options), "none for memory://")
            return _memory.setdefault(self.url, MemoryStore())
        try:
            return from_url(self.url, **{"retry_config": _RETRY, **options})
        except (BaseError, ValueError, TypeError) as error:
            text = str(error).partition("\n")[0]  # further lines can show secrets
            raise argument_error("url", self.url, "the URL of an object store, and its options", text) from None

    def display_name(self, name: str) -> str:
        return f"{self.url.rstrip('/')}/{name}"

    def names(self, prefix: str) -> list[str]:
        return list(self.stamps(prefix))

    def stamps(self, prefix: str) -> dict[str, Stamp]:
        stamps: dict[str, Stamp] = {}
        with self._store_errors("list", prefix):
            for chunk in self._obstore.list(self._store, offset=prefix or None, chunk_size=1_000):
                for meta in chunk:  # sorted by name
                    if is_pane(meta["path"]) and meta["path"].startswith(prefix) and "/" not in meta["path"]:
                        stamps[meta["path"]] = _stamp(meta)
                if prefix and chunk and not chunk[-1]["path"].startswith(prefix):
                    break
        return dict(sorted(stamps.items()))

    @contextmanager
    def open(self, name: str, first_bytes: int | None) -> Iterator[tuple[ReadAt, int]]:
        # A request costs more than its bytes, so more than the header is read ahead.
        ahead = MAX_AHEAD_BYTES if first_bytes is None else 4 * first_bytes
        with self._store_errors("read", name):
            response = self._obstore.get(self._store, name, options={"range": (0, ahead)})
            chunk, file_bytes = bytes(response.bytes()), response.meta["size"]

        chunk_start = 0

        def read_at(offset: int, length: int) -> bytes:
            nonlocal chunk_start, chunk
            end = min(offset + length, file_bytes)
            if not chunk_start <= offset <= end <= chunk_start + len(chunk):
                with self._store_errors("read", name):
                    # If the file is read whole, the next part is asked for soon.
                    until = max(end, min(offset + ahead, file_bytes)) if first_bytes is None else end
                    chunk = bytes(self._obstore.get_range(self._store, name, start=offset, end=until))
                    chunk_start = offset
            return chunk[offset - chunk_start : end - chunk_start]

        yield read_at, file_bytes

    def put(self, names: Sequence[str], data: bytes, temporary: str, is_same: Callable[[str], bool]) -> str:
        from obstore.exceptions import AlreadyExistsError

        del temporary
        for name in names:
            try:
                with self._store_errors("write", name):
                    self._obstore.put(self._store, name, data, mode="create")
            except AlreadyExistsError:  # also after a write whose answer was lost
                if is_same(name):
                    return name
            else:
                return name
        msg = f"{self.display_name(names[-1])}: an object of this name holds another pane"
        raise FileExistsError(errno.EEXIST, msg)

    def delete(self, files: Mapping[str, Stamp]) -> None:
        try:
            with self._store_errors("delete", min(files)):
                self._obstore.delete(self._store, sorted(files))
        except FileNotFoundError:  # only some stores report missing objects
            for name in files:
                with suppress(FileNotFoundError), self._store_errors("delete", name):
                    self._obstore.delete(self._store, name)

    def read_sidecar(self, name: str) -> bytes:
        return self.read_sidecar_version(name)[0]

    def read_sidecar_version(self, name: str) -> tuple[bytes, Version]:
        """The bytes of a sidecar and its version; both empty if it does not exist."""
        try:
            with self._store_errors("read", name):
                response = self._obstore.get(self._store, name)
                data = bytes(response.bytes()) if response.meta["size"] <= MAX_SIDECAR_BYTES else b""
                return data, _version(response.meta)
        except FileNotFoundError:
            return b"", {}

    def write_sidecar(self, name: str, data: bytes) -> None:
        with self._store_errors("write", name):
            self._obstore.put(self._store, name, data)

    def replace_sidecar(self, name: str, data: bytes, expected: Version) -> Version | None:
        """Replace a sidecar of the expected version; returns its new version.

        Parameters
        ----------
        name
            Name of the sidecar.
        data
            Its new bytes.
        expected
            The version to replace; empty if no such sidecar exists.

        Returns
        -------
        dict or None
            None if the version differs; then nothing was written.
        """
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        try:
            with self._store_errors("write", name):
                result = self._obstore.put(self._store, name, data, mode=dict(expected) or "create")
        except (AlreadyExistsError, PreconditionError):
            return None
        return _version(result)

    @contextmanager
    def compaction_lock(self, dataset: str) -> Iterator[_PlanLock]:
        yield _PlanLock(self, sidecar_name(dataset, "plan"))

    def remove_orphan_files(self) -> int:
        return 0  # an object is whole or absent, so there are no temporary ones

    @contextmanager
    def _store_errors(self, operation: str, name: str) -> Iterator[None]:
        """Raise errors of obstore as the errors of files that callers know, in one line."""
        from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, PreconditionError

        try:
            yield
        except (AlreadyExistsError, PreconditionError):
            raise
        except PermissionDeniedError as error:
            raise PermissionError(errno.EACCES, _line(error), self.display_name(name)) from error
        except FileNotFoundError as error:
            raise FileNotFoundError(errno.ENOENT, "no such object", self.display_name(name)) from error
        except BaseError as error:
            msg = f"{self.display_name(name)}: cannot {operation}: {_line(error)}"
            raise StoreError(msg) from error


class _PlanLock:
    """A plan that only the process with its current version can replace."""

    def __init__(self, backend: ObjectStoreBackend, name: str) -> None:
        self._backend = backend
        self._name = name
        self._version: Version = {}

    def plan(self) -> bytes:
        data, self._version = self._backend.read_sidecar_version(self._name)
        return data.partition(b"\n")[2]

    def commit(self, plan: bytes) -> bool:
        # Some stores derive the version from the bytes, so no two plans are equal, not even empty ones.
        data = secrets.token_hex(16).encode() + b"\n" + plan
        version = self._backend.replace_sidecar(self._name, data, self._version)
        if version is not None:
            self._version = version
        return version is not None

    def finish(self) -> None:
        self.commit(b"")  # fails if another compactor finished the plan or committed the next one: both are fine


def _version(meta: ObjectMeta | PutResult) -> Version:
    tag, version = meta["e_tag"], meta["version"]
    return {key: value for key, value in (("e_tag", tag), ("version", version)) if value is not None}


def _stamp(meta: ObjectMeta) -> Stamp:
    tag = hashlib.sha256(str(meta["e_tag"]).encode()).digest()
    modified_us = (meta["last_modified"] - _EPOCH) // timedelta(microseconds=1)
    return meta["size"], modified_us, int.from_bytes(tag[:7])


def _line(error: Exception) -> str:
    return " ".join(str(error).partition("\n\nDebug source")[0].split())[:500]


def _obstore(url: str) -> ModuleType:
    try:
        import obstore
    except ImportError as error:
        msg = f"{url} needs obstore: pip install 'polarsprof[cloud]'"
        raise PolarsprofError(msg) from error
    return obstore


def _spool_of(url: str) -> Path:
    from platformdirs import user_state_path

    return user_state_path("polarsprof") / hashlib.sha256(url.encode()).hexdigest()[:16]
