"""Files of panes: read the header and some columns, without the other bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from polarsprof.profiles.merging import naming, read_sections, sections_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from polarsprof.files.codec import Sections
    from polarsprof.profiles.profile import Profile
    from polarsprof.store.backend import StoreBackend

_HEAD_BYTES: Final = 16 << 10  # holds the header of most files, so that one read is enough


def read_file(backend: StoreBackend, name: str, columns: Iterable[str] | None) -> Profile:
    """The profile in a file, with the given columns; None is all of them.

    Raises
    ------
    CorruptProfile, UnsupportedVersion, OSError
        If the file cannot be read. The message names it.
    """
    return read_sections(open_file(backend, name, columns), columns)


def open_file(backend: StoreBackend, name: str, columns: Iterable[str] | None) -> Sections:
    """A file with a verified header and the bytes of the given columns; None is all.

    Raises
    ------
    CorruptProfile, UnsupportedVersion, OSError
        If the file cannot be read. The message names it.
    """
    first_bytes = None if columns is None else _HEAD_BYTES
    display_name = backend.display_name(name)
    with backend.open(name, first_bytes) as (read_at, file_bytes), naming(display_name):
        sections = sections_of(read_at, file_bytes, display_name)
        sections.load(columns)
    return sections
