"""Profiles of whylogs 0.x and 1.x: reading their files, and writing files of 1.x.

whylogs need not be installed, and whylogs 1.6 opens the written files. Files of whylogs are untrusted: sizes are
bounded, native code reads a sketch only after a check, and a wrong file raises `CorruptProfile`.
"""

from __future__ import annotations

from polarsprof.interop.whylogs import v0, v1, wire
from polarsprof.interop.whylogs.translation import native_file
from polarsprof.interop.whylogs.writing import whylogs_file

__all__ = ["HEAD_BYTES", "MAX_FILE_BYTES", "is_whylogs", "native_files", "whylogs_file"]

HEAD_BYTES = v0.HEAD_BYTES
MAX_FILE_BYTES = wire.MAX_FILE_BYTES


def is_whylogs(head: bytes) -> bool:
    """Returns whether a file is of whylogs, from its first `HEAD_BYTES` bytes."""
    return head.startswith(v1.MAGIC) or v0.is_v0(head)


def native_files(data: bytes) -> list[bytes]:
    """The profiles in a file of whylogs, each as the bytes of a native file.

    Files of 1.x contain one profile. A column whose sketch is not valid is read without it, and the column is
    incomplete.

    Raises
    ------
    CorruptProfile
        If the bytes are truncated, altered or beyond a limit.
    """
    if len(data) > MAX_FILE_BYTES:
        raise wire.corrupt(f"{len(data):,} bytes, more than {MAX_FILE_BYTES:,}")
    profiles = [v1.profile(data)] if data.startswith(v1.MAGIC) else v0.profiles(data)
    return [native_file(profile) for profile in profiles]
