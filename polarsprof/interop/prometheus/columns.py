"""Figures of columns of the open windows: which columns, how many, and how often they are taken.

They are taken in the thread of a scrape. The stream is held up while the columns that were asked for become bytes,
every five seconds at the most; where it is at work for longer than a second, the figures from before are shown again.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from polarsprof.errors import PolarsprofError
from polarsprof.interop.prometheus.families import Labels
from polarsprof.profiles.text import double, primary

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from polarsprof.interop.prometheus.families import Samples
    from polarsprof.profiles.column import ColumnProfile
    from polarsprof.profiles.profile import Profile
    from polarsprof.stream.session import Session

_EVERY_S: Final = 5.0
_PATIENCE_S: Final = 1.0  # with all data sets together
_QUANTILES: Final = (0.5, 0.95, 0.99)
SERIES_OF_COLUMN: Final = 6 + len(_QUANTILES)


@dataclass(frozen=True, slots=True)
class _Taken:
    """The figures of a data set: (metric, values of the labels after that of the data set, value)."""

    at_s: float
    figures: tuple[tuple[str, tuple[str, ...], float], ...]
    columns: int
    left_out: int


class ColumnFigures:
    """The figures of the columns that fit some patterns; thread-safe.

    Parameters
    ----------
    sessions
        Whose data sets. Of one name in several sessions, that of the first is shown.
    patterns
        Names of columns, or patterns with `*`, `?` and `[…]`.
    most_columns
        How many columns are shown at a time.
    """

    def __init__(self, sessions: Sequence[Session], patterns: Sequence[str], most_columns: int) -> None:
        self._sessions = sessions
        self._patterns = patterns
        self._most_columns = most_columns
        self._taken: dict[str, _Taken] = {}
        self._next_s = 0.0
        self._lock = threading.Lock()  # of who takes the figures

    def add(self, samples: Samples, datasets: set[str]) -> None:
        """The samples of those data sets."""
        # While another scrape takes the figures, those from before are shown.
        if self._patterns and self._lock.acquire(blocking=False):
            try:
                self._take_if_due(sorted(datasets))
            finally:
                self._lock.release()
        labels = Labels()
        for name, taken in self._taken.items():
            dataset = labels.of(name)
            if dataset is not None and name in datasets:
                _add(samples, dataset, taken)

    def _take_if_due(self, datasets: list[str]) -> None:
        if time.monotonic() < self._next_s:
            return
        room, taken = self._most_columns, {}
        until_s = time.monotonic() + _PATIENCE_S
        for name in datasets:
            found = self._of_dataset(name, room, max(0.0, until_s - time.monotonic())) or self._taken.get(name)
            if found is not None:
                taken[name] = found
                room = max(0, room - found.columns)
        self._taken, self._next_s = taken, time.monotonic() + _EVERY_S

    def _of_dataset(self, name: str, room: int, patience_s: float) -> _Taken | None:
        chosen: list[str] = []
        left_out = 0

        def choose(paths: set[str]) -> list[str]:
            nonlocal left_out
            fitting = sorted(filter(self._fits, paths))
            chosen[:], left_out = fitting[:room], len(fitting[room:])
            return chosen

        for session in self._sessions:
            try:
                part = session.select(name, choose, patience_s)
            except PolarsprofError:  # a window that cannot be written; the logger warns of it
                part = None
            if part is not None:
                return _Taken(time.time(), tuple(_figures(part, chosen)), len(chosen), left_out)
        return None

    def _fits(self, path: str) -> bool:
        return any(path == pattern or fnmatchcase(path, pattern) for pattern in self._patterns)


def _add(samples: Samples, dataset: str, taken: _Taken) -> None:
    for metric, labels, value in taken.figures:
        samples.setdefault(metric, []).append(((dataset, *labels), value))
    samples.setdefault("columns_left_out", []).append(((dataset,), taken.left_out))
    samples.setdefault("columns_timestamp_seconds", []).append(((dataset,), taken.at_s))


def _figures(profile: Profile, paths: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...], float]]:
    labels = Labels()
    for path in paths:
        label = labels.of(path)
        if label is not None and path in profile:  # its window may have been sealed meanwhile
            for metric, more, value in _figures_of(profile[path]):
                yield metric, (label, *more), value


def _figures_of(column: ColumnProfile) -> Iterator[tuple[str, tuple[str, ...], float]]:
    """The figures that the column has."""
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


def _number(value: Any, group: str) -> float | None:
    """A number, or a moment or duration in seconds; None for anything else, and beyond the years that Python knows."""
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
