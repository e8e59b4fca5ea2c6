"""Properties of a profile of whylogs: time, segments, metadata of our writer.

The metadata restore data set, window and panes of a file that this library wrote. So it counts once if it is merged
with the native file.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Final

from polarsprof.windowing.instants import MAX_US, MIN_US
from polarsprof.windowing.tumbling import Window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polarsprof.files import profile_pb2 as pb
    from polarsprof.interop.whylogs.parsed import ParsedProfile

TAG: Final = "whylogs.tag."
OWN: Final = "polarsprof"
CREATED: Final = "whylogs.creationTimestamp"
US_PER_MS: Final = 1_000
_MAX_NUMBER: Final = 2**63


def dataset_window(timestamp_ms: int) -> Window | None:
    """The millisecond of the dataset timestamp as a window; None without a timestamp.

    Timestamps of whylogs have no length.
    """
    start_us = timestamp_ms * US_PER_MS
    return _window(start_us, start_us + US_PER_MS) if timestamp_ms else None


def _window(start_us: object, end_us: object) -> Window | None:
    if not (type(start_us) is int and type(end_us) is int):
        return None
    return Window(start_us, end_us) if MIN_US <= start_us < end_us <= MAX_US else None


def segment_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags; a tag of a segment has the name of its column."""
    return {key.removeprefix(TAG): value for key, value in tags.items()}


def header_json(header: pb.Header, columns: bytes) -> str:
    """Fields of a native header as JSON, which whylogs keeps in its metadata."""
    fields: dict[str, object] = {"dataset": header.dataset, "rows": header.rows, "crc32": zlib.crc32(columns)}
    if header.HasField("window_start_us"):
        fields["window_us"] = [header.window_start_us, header.window_end_us]
    fields["panes"] = [[pane.writer_id, pane.number] for pane in header.panes]
    return json.dumps(fields, sort_keys=True, separators=(",", ":"))


def restore_header(profile: ParsedProfile, text: str, columns: bytes) -> None:
    """Restore the fields of `header_json`.

    Only the data set is restored if whylogs has merged the columns with others.
    """
    try:
        fields = json.loads(text)
        dataset, rows, panes = fields["dataset"], fields["rows"], fields["panes"]
        window = _window(*fields["window_us"]) if "window_us" in fields else None
        ids = frozenset((writer_id, number) for writer_id, number in panes)
        json.dumps(fields, ensure_ascii=False).encode()  # JSON can contain lone surrogates, UTF-8 cannot
    except (ValueError, TypeError, KeyError, RecursionError):
        return
    are_ids = all(isinstance(w, str) and type(n) is int and 0 <= n < _MAX_NUMBER for w, n in ids)
    if isinstance(dataset, str) and type(rows) is int and are_ids:
        profile.dataset = dataset
        if fields.get("crc32") == zlib.crc32(columns):
            profile.rows, profile.panes = rows, ids
            profile.window = window or profile.window
