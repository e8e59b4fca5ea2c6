"""Figures of columns in open windows: which columns, how many, and how often.

The thread of a scrape computes them, at most every five seconds. The stream pauses while the selected columns are
serialized. If the stream is busy for more than a second, the scrape shows the previous figures again.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from polarsprof.errors import PolarsprofError
from polarsprof.interop.prometheus.families import Labels
from polarsprof.profiles.text import double, primary

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from polarsprof.interop.prometheus.families import Samples
    from polarsprof.profiles.column import ColumnProfile
    from polarsprof.profiles.profile import Profile
    from polarsprof.stream.session import Session

    Figure = tuple[str, tuple[str, ...], float]

_UPDATE_INTERVAL_S: Final = 5.0
_TIMEOUT_S: Final = 1.0  # for all data sets together
_QUANTILES: Final = (0.5, 0.95, 0.99)
SERIES_PER_COLUMN: Final = 6 + len(_QUANTILES)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The figures of a data set at one time.

    Attributes
    ----------
    at_s
        Time in seconds since 1970.
    figures
        Metric, labels after the data set, value.
    columns, left_out
        Number of columns shown, and of matching columns beyond the bound.
    """

    at_s: float
    figures: tuple[Figure, ...]
    columns: int
    left_out: int


class ColumnFigures:
    """The figures of the columns that match some patterns; thread-safe.

    Parameters
    ----------
    sessions
        The sessions with the data sets. If several have a data set of one name, the first one counts.
    patterns
        Names of columns, or patterns with `*`, `?` and `[…]`.
    max_columns
        Largest number of columns shown.
    """

    def __init__(self, sessions: Sequence[Session], patterns: Sequence[str], max_columns: int) -> None:
        self._sessions = sessions
        self._patterns = patterns
        self._max_columns = max_columns
        self._snapshots: dict[str, _Snapshot] = {}
        self._next_s = 0.0
        self._lock = threading.Lock()  # one scrape at a time updates the figures

    def add(self, samples: Samples, datasets: set[str]) -> None:
        """Add the samples of some data sets."""
        # While another scrape updates the figures, this one shows the previous figures.
        if self._patterns and self._lock.acquire(blocking=False):
            try:
                self._update_if_due(sorted(datasets))
            finally:
                self._lock.release()
        labels = Labels()
        for name, snapshot in self._snapshots.items():
            dataset = labels.of(name)
            if dataset is not None and name in datasets:
                _add(samples, dataset, snapshot)

    def _update_if_due(self, datasets: list[str]) -> None:
        if time.monotonic() < self._next_s:
            return
        room = self._max_columns
        snapshots: dict[str, _Snapshot] = {}
        deadline_s = time.monotonic() + _TIMEOUT_S
        for name in datasets:
            timeout_s = max(0.0, deadline_s - time.monotonic())
            snapshot = self._snapshot(name, room, timeout_s) or self._snapshots.get(name)
            if snapshot is not None:
                snapshots[name] = snapshot
                room = max(0, room - snapshot.columns)
        self._snapshots, self._next_s = snapshots, time.monotonic() + _UPDATE_INTERVAL_S

    def _snapshot(self, name: str, room: int, timeout_s: float) -> _Snapshot | None:
        selected: list[str] = []
        left_out = 0

        def select(paths: set[str]) -> list[str]:
            nonlocal left_out
            matching = sorted(filter(self._matches, paths))
            selected[:], left_out = matching[:room], len(matching[room:])
            return selected

        for session in self._sessions:
            try:
                profile = session.select(name, select, timeout_s)
            except PolarsprofError:  # a window cannot be serialized; the logger warns of it
                profile = None
            if profile is not None:
                return _Snapshot(time.time(), tuple(_figures(profile, selected)), len(selected), left_out)
        return None

    def _matches(self, path: str) -> bool:
        return any(path == pattern or fnmatchcase(path, pattern) for pattern in self._patterns)


def _add(samples: Samples, dataset: str, snapshot: _Snapshot) -> None:
    for metric, labels, value in snapshot.figures:
        samples.setdefault(metric, []).append(((dataset, *labels), value))
    samples.setdefault("columns_left_out", []).append(((dataset,), snapshot.left_out))
    samples.setdefault("columns_timestamp_seconds", []).append(((dataset,), snapshot.at_s))


def _figures(profile: Profile, paths: Sequence[str]) -> Iterator[Figure]:
    labels = Labels()
    for path in paths:
        label = labels.of(path)
        if label is not None and path in profile:  # the window of the column can be sealed by now
            for metric, more, value in _figures_of(profile[path]):
                yield metric, (label, *more), value


def _figures_of(column: ColumnProfile) -> Iterator[Figure]:
    """The figures of a column, without those it does not have."""
    yield "column_values", (), column.count
    if column.rows:
        yield "column_null_ratio", (), column.null_count / column.rows
    if column.distinct is not None:
        yield "column_distinct_values", (), column.distinct.estimate
    group = primary(column).name
    for metric, value in (("mean", column.mean), ("min", column.min), ("max", column.max)):
        number = _number(value, group)
        if number is not None:
            yield f"column_{metric}", (), number
    for q, value in zip(_QUANTILES, column.quantiles(_QUANTILES) or (), strict=False):
        number = _number(value, group)
        if number is not None:
            yield "column_quantile", (str(q),), number


def _number(value: object, group: str) -> float | None:
    """A number, or a moment or duration in seconds.

    None for other values, and for moments beyond the years of Python's datetime.
    """
    match value:
        case int() | float():
            return double(value) if group == "number" else None
        case datetime():
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
        case date():
            return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
        case time_of_day():
            return value.hour * 3_600 + value.minute * 60 + value.second + value.microsecond / 1e6
        case timedelta():
            return value.total_seconds()
    return None
