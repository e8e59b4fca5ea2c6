"""`BundleProfiler`: rows of one profile that come element by element, profiled in batches; imports no engine.

What an engine hands over one at a time costs what it costs in a batch. A gathering becomes the bytes of its profile and
comes back from them, and gatherings merge as profiles do.
"""

from __future__ import annotations

import codecs
import os
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

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
    from collections.abc import Iterable

    from polarsprof.kernels.batch import RowBatch
    from polarsprof.kernels.spec import ProfileSpec

# What waits of each kind, for each key and window of an engine: ten fields of so many records take some 6 MiB. Twice as
# many records would cost a tenth less.
_MOST_BYTES: Final = 8 << 20
_MOST_RECORDS: Final = 16_384
_MOST_FRAME_ROWS: Final = 65_536


class BundleProfiler:
    """Rows on their way into one profile; for one thread at a time.

    Parameters
    ----------
    profile
        Where they go. It belongs to the gathering from now on.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._records: RecordBuffer | None = None
        self._lines: list[bytes] = []
        self._frames: list[pl.DataFrame] = []
        self._lines_bytes = self._frames_bytes = self._frames_rows = 0
        self._first_us, self._last_us = MAX_US, MIN_US

    @classmethod
    def merged(cls, spec: ProfileSpec, others: Iterable[BundleProfiler]) -> BundleProfiler:
        """What all of them gathered, which stay as they are; of none, nothing."""
        return cls(merge(chain([Profile(spec)], (other.profile() for other in others))))

    @classmethod
    def from_bytes(cls, data: bytes) -> BundleProfiler:
        """The gathering of which `to_bytes` was asked.

        Raises
        ------
        CorruptProfile, UnsupportedVersion
            As `Profile.from_bytes`.
        """
        return cls(Profile.from_bytes(data))

    def __reduce__(self) -> tuple[Any, ...]:
        return BundleProfiler.from_bytes, (self.to_bytes(),)

    def to_bytes(self) -> bytes:
        """The profile of all that was added, as the bytes of a file."""
        return self.profile().to_bytes()

    def add(self, element: object, time_us: int | None = None) -> None:
        """Take one element.

        Parameters
        ----------
        element
            A record (a mapping or a named tuple); bytes or text of JSON lines; a Polars frame or anything with an Arrow
            C stream, of any number of rows. Anything else is a row that is rejected and counted, and so are paths.
        time_us
            Event time of its rows in microseconds since the Unix epoch; None, or outside the years 1 to 9999: unknown.
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
        """The profile of all that was added; it is the gathering's own, and grows with it."""
        self._fold_records()
        self._fold_lines()
        self._fold_frames()
        if self._first_us <= self._last_us:
            self._profile.observe_times(self._first_us, self._last_us)
        return self._profile

    def _add_record(self, record: object) -> None:
        if self._records is None:
            self._records = RecordBuffer(_MOST_RECORDS, _MOST_BYTES)
        if self._records.append(record) and self._records.full:
            self._fold_records()

    def _fold_records(self) -> None:
        if self._records is not None and len(self._records):
            self._fold(self._records.swap())

    def _add_lines(self, lines: bytes | bytearray | memoryview | str) -> None:
        try:
            raw = lines.encode() if isinstance(lines, str) else bytes(lines)
        except UnicodeEncodeError:  # lone surrogates, which are replaced in records
            records, rejected = decode_json(lines)
            for record in chain(records, map(RejectedRow, rejected.elements())):
                self._add_record(record)
            return
        self._lines.append(raw.removeprefix(codecs.BOM_UTF8))
        self._lines_bytes += len(raw)
        if len(self._lines) >= _MOST_RECORDS or self._lines_bytes >= _MOST_BYTES:
            self._fold_lines()

    def _fold_lines(self) -> None:
        lines, self._lines, self._lines_bytes = self._lines, [], 0
        if lines:
            for batch in JsonLines().batches(b"\n".join(lines)):
                self._fold(batch)

    def _add_table(self, table: Any) -> None:
        rows = 0
        try:
            for frame in frames(table):
                self._add_frame(frame)
                rows += frame.height
        except (Exception, PanicException) as error:  # noqa: BLE001 - data must not end a stream, whatever is in it
            missing = len(table) - rows if hasattr(table, "__len__") else 1
            self._profile.rejected[f"could not be read as a table: {type(error).__name__}"] += max(missing, 1)

    def _add_frame(self, frame: pl.DataFrame) -> None:
        if self._frames and self._frames[0].schema != frame.schema:
            self._fold_frames()
        self._frames.append(frame)
        self._frames_rows += frame.height
        self._frames_bytes += int(frame.estimated_size())
        if self._frames_rows >= _MOST_FRAME_ROWS or self._frames_bytes >= _MOST_BYTES:
            self._fold_frames()

    def _fold_frames(self) -> None:
        several, self._frames, self._frames_rows, self._frames_bytes = self._frames, [], 0, 0
        if several:
            self._fold(FrameBatch(several[0] if len(several) == 1 else pl.concat(several)))

    def _fold(self, batch: RowBatch) -> None:
        update_or_reject(self._profile, batch)
