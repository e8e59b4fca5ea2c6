"""`BundleProfiler`: rows that come element by element, profiled in batches.

An element costs no more than in a batch. A profiler is serialized as the bytes of its profile, and profilers merge as
profiles do. Imports no engine.
"""

from __future__ import annotations

import codecs
import os
from itertools import chain
from typing import TYPE_CHECKING, Final

import polars as pl
from polars.exceptions import PanicException

from polarsprof.ingest.frames import FrameBatch, frames, is_tabular
from polarsprof.ingest.json_lines import JsonLines
from polarsprof.ingest.records import RecordBuffer, RejectedRow, decode_json
from polarsprof.profiles.merging import merge
from polarsprof.profiles.profile import Profile
from polarsprof.profiles.update import update_or_reject
from polarsprof.windowing.instants import MAX_US, MIN_US

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from polarsprof.kernels.batch import RowBatch
    from polarsprof.kernels.spec import ProfileSpec

# Limits of each kind of waiting rows, for each key and window of an engine. Records of ten fields take about 6 MiB;
# twice as many records save a tenth of the time.
_MAX_BYTES: Final = 8 << 20
_MAX_RECORDS: Final = 16_384
_MAX_FRAME_ROWS: Final = 65_536


class BundleProfiler:
    """Collects rows of one profile and profiles them in batches; not thread-safe.

    Parameters
    ----------
    profile
        The profile to update. The caller must not use it any more.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._records: RecordBuffer | None = None
        self._lines: list[bytes] = []
        self._frames: list[pl.DataFrame] = []
        self._lines_bytes = self._frames_bytes = self._frames_rows = 0
        self._first_us, self._last_us = MAX_US, MIN_US

    @classmethod
    def merge(cls, spec: ProfileSpec, others: Iterable[BundleProfiler]) -> BundleProfiler:
        """A new profiler with the rows of all others, which are unchanged; empty if none."""
        return cls(merge(chain([Profile(spec)], (other.profile() for other in others))))

    @classmethod
    def from_bytes(cls, data: bytes) -> BundleProfiler:
        """A profiler with the rows of the one that `to_bytes` serialized.

        Raises
        ------
        CorruptProfile, UnsupportedVersion
            As in `Profile.from_bytes`.
        """
        return cls(Profile.from_bytes(data))

    def __reduce__(self) -> tuple[Callable[[bytes], BundleProfiler], tuple[bytes]]:
        return BundleProfiler.from_bytes, (self.to_bytes(),)

    def to_bytes(self) -> bytes:
        """The profile of all rows, as the bytes of a profile file."""
        return self.profile().to_bytes()

    def add(self, element: object, time_us: int | None = None) -> None:
        """Add one element.

        Parameters
        ----------
        element
            A record (a mapping or a named tuple); bytes or text of JSON lines; a Polars frame or an object with an
            Arrow C stream, of any number of rows. Other objects, paths among them, count as one rejected row.
        time_us
            Event time of the rows in microseconds since the Unix epoch; unknown if None or outside the years 1 to 9999.
        """
        if time_us is not None and MIN_US <= time_us <= MAX_US:
            self._first_us = min(self._first_us, time_us)
            self._last_us = max(self._last_us, time_us)
        if type(element) is dict:
            self._add_record(element)
        elif isinstance(element, bytes | bytearray | memoryview | str):
            self._add_lines(element)
        elif is_tabular(element) and not isinstance(element, os.PathLike):
            self._add_table(element)
        elif isinstance(element, tuple) and hasattr(element, "_asdict"):
            self._add_record(element._asdict())
        else:
            self._add_record(element)

    def profile(self) -> Profile:
        """The profile of all rows; it is not a copy and changes with later rows."""
        self._fold_records()
        self._fold_lines()
        self._fold_frames()
        if self._first_us <= self._last_us:
            self._profile.observe_times(self._first_us, self._last_us)
        return self._profile

    def _add_record(self, record: object) -> None:
        if self._records is None:
            self._records = RecordBuffer(_MAX_RECORDS, _MAX_BYTES)
        if self._records.append(record) and self._records.full:
            self._fold_records()

    def _fold_records(self) -> None:
        if self._records is not None and len(self._records):
            self._fold(self._records.swap())

    def _add_lines(self, lines: bytes | bytearray | memoryview | str) -> None:
        try:
            raw = lines.encode() if isinstance(lines, str) else bytes(lines)
        except UnicodeEncodeError:  # lone surrogates; decoding replaces them in records
            records, rejected = decode_json(lines)
            for record in chain(records, map(RejectedRow, rejected.elements())):
                self._add_record(record)
            return
        self._lines.append(raw.removeprefix(codecs.BOM_UTF8))
        self._lines_bytes += len(raw)
        if len(self._lines) >= _MAX_RECORDS or self._lines_bytes >= _MAX_BYTES:
            self._fold_lines()

    def _fold_lines(self) -> None:
        lines, self._lines, self._lines_bytes = self._lines, [], 0
        if lines:
            for batch in JsonLines().batches(b"\n".join(lines)):
                self._fold(batch)

    def _add_table(self, table: object) -> None:
        rows = 0
        try:
            for frame in frames(table):
                self._add_frame(frame)
                rows += frame.height
        except (Exception, PanicException) as error:  # noqa: BLE001 - bad data must not end a stream
            missing = len(table) - rows if hasattr(table, "__len__") else 1
            self._profile.rejected[f"could not be read as a table: {type(error).__name__}"] += max(missing, 1)

    def _add_frame(self, frame: pl.DataFrame) -> None:
        if self._frames and self._frames[0].schema != frame.schema:
            self._fold_frames()
        self._frames.append(frame)
        self._frames_rows += frame.height
        self._frames_bytes += int(frame.estimated_size())
        if self._frames_rows >= _MAX_FRAME_ROWS or self._frames_bytes >= _MAX_BYTES:
            self._fold_frames()

    def _fold_frames(self) -> None:
        waiting, self._frames, self._frames_rows, self._frames_bytes = self._frames, [], 0, 0
        if waiting:
            self._fold(FrameBatch(waiting[0] if len(waiting) == 1 else pl.concat(waiting)))

    def _fold(self, batch: RowBatch) -> None:
        update_or_reject(self._profile, batch)
