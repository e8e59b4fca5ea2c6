"""The protocols of storage backends: one interface of folders and object stores.

Names are relative to the folder or prefix. Files of panes are immutable. Sidecars are small files beside them (an
index, an epoch, a plan), replaced as a whole. Imports nothing of the library.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

Stamp: TypeAlias = tuple[int, int, int]
"""Size and two more numbers of a file; differs if another file takes the same name."""
ReadAt: TypeAlias = Callable[[int, int], bytes]
"""(offset, length) → that part of a file."""

MAX_AHEAD_BYTES: Final = 8 << 20  # read at once; profiles are mostly smaller, larger ones are read part by part
MAX_SIDECAR_BYTES: Final = 1 << 28  # an index of two million files takes less; a larger file is not one of ours


class CompactionLock(Protocol):
    """The right to compact a data set, and the plan under which that happens."""

    def plan(self) -> bytes:
        """The last plan that was committed and not finished; empty if none."""

    def commit(self, plan: bytes) -> bool:
        """Make a plan the current one; returns whether no other compactor came first."""

    def finish(self) -> None:
        """Mark the current plan as carried out."""


class StoreBackend(Protocol):
    """A folder or an object store.

    Attributes
    ----------
    url
        The address, as users write it.
    state_folder
        A local folder for the state of writers and for panes that are not stored.
    plain_names
        Whether panes can have plain names: only if no backend operation deletes a name that was reused in between.
    concurrent_reads
        Number of files to read at a time.
    min_index_files
        Number of files from which an index is written; fewer are opened instead.
    """

    url: str
    state_folder: Path
    plain_names: bool
    concurrent_reads: int
    min_index_files: int

    def display_name(self, name: str) -> str:
        """A file's full name, for error messages."""

    def names(self, prefix: str) -> list[str]:
        """The names of panes with this prefix, sorted."""

    def stamps(self, prefix: str) -> dict[str, Stamp]:
        """The names of panes with this prefix, each with its stamp."""

    def open(self, name: str, first_bytes: int | None) -> AbstractContextManager[tuple[ReadAt, int]]:
        """Open a file: a function that reads parts of it, and its size in bytes.

        Parameters
        ----------
        name
            Name of the file.
        first_bytes
            Number of bytes to read at once; None if the file is read whole.

        Raises
        ------
        OSError
            If the file cannot be read; a `FileNotFoundError` if it does not exist.
        """

    def put(self, names: Sequence[str], data: bytes, temporary: str, is_same: Callable[[str], bool]) -> str:
        """Make data durable under the first free name, and return the name.

        Parameters
        ----------
        names
            Names to try, in this order.
        data
            The bytes of the file.
        temporary
            A name for the file while it is written.
        is_same
            Returns whether an existing file holds the same data; then its name is returned.

        Raises
        ------
        OSError
            If the data cannot be made durable; a `FileExistsError` if all names hold other data.
        """

    def delete(self, files: Mapping[str, Stamp]) -> None:
        """Delete files whose stamps are unchanged; all data put before is durable by then."""

    def read_sidecar(self, name: str) -> bytes:
        """The bytes of a sidecar; empty if it does not exist."""

    def write_sidecar(self, name: str, data: bytes) -> None:
        """Replace a sidecar as a whole."""

    def compaction_lock(self, dataset: str) -> AbstractContextManager[CompactionLock]:
        """Wait for the right to compact a data set.

        Removes temporary files of dead compactors.
        """

    def remove_orphan_files(self) -> int:
        """Remove temporary files of dead writers; returns their number."""
