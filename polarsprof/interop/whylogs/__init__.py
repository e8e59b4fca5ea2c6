"""Profiles of whylogs, 0.x and 1.x: their files as native ones, and native profiles as files that whylogs 1.6 opens.

Nothing of whylogs is needed for it. A file of whylogs is hostile until it is parsed: it is refused with
`CorruptProfile`, its sizes are bounded, and its sketches are read by no native code before they were checked.
"""

from __future__ import annotations

from polarsprof.interop.whylogs import v0, v1, wire
from polarsprof.interop.whylogs.translation import native_file
from polarsprof.interop.whylogs.writing import whylogs_file

__all__ = ["HEAD_BYTES", "MAX_FILE_BYTES", "is_whylogs", "native_files", "whylogs_file"]

HEAD_BYTES = v0.HEAD_BYTES
MAX_FILE_BYTES = wire.MAX_FILE_BYTES


def is_whylogs(head: bytes) -> bool:
    """Whether a file that begins so, with `HEAD_BYTES` bytes of it, is one of whylogs."""
    return head.startswith(v1.MAGIC) or v0.is_v0(head)


def native_files(data: bytes) -> list[bytes]:
    """Each profile in a file of whylogs as the bytes of a native file; files of 1.x hold one.

    Raises
    ------
    CorruptProfile
        For bytes that are truncated, altered or beyond a limit. A sketch that is refused is none of it: its column
        stays, and says so.
    """
    if len(data) > MAX_FILE_BYTES:
        raise wire.corrupt(f"{len(data):,} bytes, more than {MAX_FILE_BYTES:,}")
    found = [v1.profile(data)] if data.startswith(v1.MAGIC) else list(v0.profiles(data))
    return [native_file(profile) for profile in found]
