"""What files of whylogs say of a whole profile: its time, its segments, and what our own writer left in its metadata.

So a file that was written here comes back with its data set, window and panes, and counts once beside its native twin.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any, Final

from polarsprof.windowing.instants import MAX_US, MIN_US
from polarsprof.windowing.tumbling import Window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polarsprof.files import profile_pb2 as pb
    from polarsprof.interop.whylogs.parsed import ObservedProfile

TAG: Final = "whylogs.tag."
OWN: Final = "polarsprof"
CREATED: Final = "whylogs.creationTimestamp"
US_PER_MS: Final = 1_000
_MOST_NUMBER: Final = 2**63


def dataset_window(timestamp_ms: int) -> Window | None:
    """The millisecond of the dataset timestamp, which whylogs gives no length; None where there is none."""
    start_us = timestamp_ms * US_PER_MS
    return _window(start_us, start_us + US_PER_MS) if timestamp_ms else None


def _window(start_us: Any, end_us: Any) -> Window | None:
    are_times = type(start_us) is int and type(end_us) is int and MIN_US <= start_us < end_us <= MAX_US
    return Window(start_us, end_us) if are_times else None


def segment_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags, those of segments under the name of their column."""
    return {key.removeprefix(TAG): value for key, value in tags.items()}


def written_facts(header: pb.Header, columns: bytes) -> str:
    """What our header says and theirs has no place for, as text that whylogs keeps in its metadata."""
    facts: dict[str, Any] = {"dataset": header.dataset, "rows": header.rows, "crc32": zlib.crc32(columns)}
    if header.HasField("window_start_us"):
        facts["window_us"] = [header.window_start_us, header.window_end_us]
    facts["panes"] = [[pane.writer_id, pane.number] for pane in header.panes]
    return json.dumps(facts, sort_keys=True, separators=(",", ":"))


def take_facts(profile: ObservedProfile, text: str, columns: bytes) -> None:
    """Take back what `written_facts` wrote; of columns that whylogs has merged into others, the data set alone."""
    try:
        facts = json.loads(text)
        dataset, rows, panes = facts["dataset"], facts["rows"], facts["panes"]
        window = _window(*facts["window_us"]) if "window_us" in facts else None
        ids = frozenset((writer_id, number) for writer_id, number in panes)
        json.dumps(facts, ensure_ascii=False).encode()  # JSON can say lone surrogates, which UTF-8 cannot
    except (ValueError, TypeError, KeyError, RecursionError):
        return
    are_ids = all(isinstance(w, str) and type(n) is int and 0 <= n < _MOST_NUMBER for w, n in ids)
    if isinstance(dataset, str) and type(rows) is int and are_ids:
        profile.dataset = dataset
        if facts.get("crc32") == zlib.crc32(columns):
            profile.rows, profile.panes = rows, ids
            profile.window = window or profile.window
