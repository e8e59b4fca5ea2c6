"""Where files lie, as the rest of the store sees it: a folder or an object store behind one small interface.

Names are relative to the place. Files of panes are immutable; what is `kept` beside them is small, derived or a note of
a compaction, and is replaced whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from polarsprof.profiles.merging import naming, read_sections, sections_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from polarsprof.files.codec import Sections
    from polarsprof.profiles.profile import Profile

    Stamp = tuple[int, int, int]
    """What differs once a file of the same name is another one: its size, and two figures more."""
    Part = Callable[[int, int], bytes]
    """(offset, length) → that part of a file."""


class Claim(Protocol):
    """The right to compact a data set."""

    def plan(self) -> bytes:
        """The plan that was committed last and not finished; empty for none."""

    def commit(self, plan: bytes) -> bool:
        """Make a plan the one that holds; False: another compactor was faster."""

    def finish(self) -> None:
        """Say that the plan was carried out."""


class StoreBackend(Protocol):
    """A folder or an object store.

    Attributes
    ----------
    url
        As the user may write it.
    state_folder
        A local folder for what writers keep until the place has it.
    plain_names
        Whether a plain name may be given to a pane: only where nobody deletes one that was given anew meanwhile.
    readers
        How many files are read at a time.
    index_from
        As many files are opened rather than an index written.
    """

    url: str
    state_folder: Path
    plain_names: bool
    readers: int
    index_from: int

    def where(self, name: str) -> str:
        """A file's name for people."""

    def names(self, prefix: str) -> list[str]:
        """The names of panes that begin so, sorted."""

    def stamps(self, prefix: str) -> dict[str, Stamp]:
        """The same, each with its stamp."""

    def opened(self, name: str, first_bytes: int | None) -> AbstractContextManager[tuple[Part, int]]:
        """A file and its size; so many bytes of it, or all, are read ahead."""

    def put(self, names: Sequence[str], data: bytes, temporary: str, is_same: Callable[[str], bool]) -> str:
        """Make data durable under the first name that is free or holds the same already; the name."""

    def delete(self, files: Mapping[str, Stamp]) -> None:
        """Delete what is still there unchanged, for good, after all that was put before is durable for good."""

    def kept(self, name: str) -> bytes:
        """What is kept under a name; empty for nothing."""

    def keep(self, name: str, data: bytes) -> None:
        """Replace what is kept under a name."""

    def claim(self, name: str) -> AbstractContextManager[Claim]:
        """Wait for the right to compact the data set, and sweep what a dead compactor left."""

    def remove_orphan_files(self) -> int:
        """Remove the temporary files that nobody writes any more; their number."""


MOST_AHEAD_BYTES: Final = 8 << 20  # a larger file is read part by part, as its header announces them
MOST_KEPT_BYTES: Final = 1 << 28
_HEAD_BYTES: Final = 16 << 10


def read_file(backend: StoreBackend, name: str, columns: Iterable[str] | None) -> Profile:
    """The profile in a file, with all columns or those named; reads little more than it needs.

    Raises
    ------
    CorruptProfile, UnsupportedVersion, OSError
        Naming the file.
    """
    return read_sections(opened_file(backend, name, columns), columns)


def opened_file(backend: StoreBackend, name: str, columns: Iterable[str] | None) -> Sections:
    """A file of which the header was checked and all columns or those named were read, to be merged with others.

    Raises
    ------
    CorruptProfile, UnsupportedVersion, OSError
        Naming the file.
    """
    first_bytes = None if columns is None else _HEAD_BYTES
    where = backend.where(name)
    with backend.opened(name, first_bytes) as (part, file_bytes), naming(where):
        sections = sections_of(part, file_bytes, where)
        sections.keep(columns)
    return sections
