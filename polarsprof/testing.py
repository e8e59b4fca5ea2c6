"""Test tools: a settable clock, equality of profiles, named distributions."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from polarsprof.windowing.instants import utc_us

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from polarsprof.profiles.group import GroupProfile
    from polarsprof.profiles.profile import Profile
    from polarsprof.sketches.frequent import FrequentItem
    from polarsprof.sketches.statistic import AnyStatistic
    from polarsprof.windowing.clock import Work

_ROUNDED: Final = ("mean", "variance", "skewness", "kurtosis")


class SettableClock:
    """Clock that stands still until a test moves it.

    Due work then runs in the thread of the test.

    Parameters
    ----------
    now
        Time that it starts at; UTC if it has no zone.

    Examples
    --------
    >>> clock = SettableClock(datetime(2026, 1, 31, 23, 59, 59))
    >>> clock.advance(timedelta(seconds=2))
    >>> clock.now
    datetime.datetime(2026, 2, 1, 0, 0, 1, tzinfo=datetime.timezone.utc)
    """

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now_us = utc_us(now, "now")
        self._alarms: list[_SettableAlarm] = []

    @property
    def now(self) -> datetime:
        """Current time, in UTC."""
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self._now_us)

    def now_us(self) -> int:
        """Current time in microseconds since the Unix epoch."""
        return self._now_us

    def alarm(self, work: Work) -> _SettableAlarm:
        """Register work that runs when woken, and when the clock passes its due time."""
        alarm = _SettableAlarm(work, self._forget)
        self._alarms.append(alarm)
        return alarm

    def advance(self, by: timedelta) -> None:
        """Move forward and run work at each due time; a negative step moves back."""
        target_us = self._now_us + by // timedelta(microseconds=1)
        while by > timedelta(0) and (due := self._due(target_us)):
            due_us, alarm = min(due, key=lambda entry: entry[0])
            self._now_us = max(self._now_us, due_us)
            alarm.wake()
        self._now_us = target_us

    def set(self, now: datetime) -> None:
        """Move to a time, see `advance`."""
        self.advance(timedelta(microseconds=utc_us(now, "now") - self._now_us))

    def _forget(self, alarm: _SettableAlarm) -> None:
        self._alarms = [other for other in self._alarms if other is not alarm]

    def _due(self, until_us: int) -> list[tuple[int, _SettableAlarm]]:
        return [(a.due_us, a) for a in self._alarms if a.due_us is not None and a.due_us <= until_us]


class _SettableAlarm:
    def __init__(self, work: Work, forget: Callable[[_SettableAlarm], None]) -> None:
        self._work = work
        self._forget = forget
        self.due_us: int | None = None

    def wake(self) -> None:
        self.due_us = None
        self.due_us = self._work()

    def stop(self) -> None:
        self._forget(self)


def assert_profile_equal(left: Profile, right: Profile, *, relative_error: float = 1e-9) -> None:
    """Raise unless two profiles agree, in floating-point figures within rounding.

    Of sketches it compares the figures that every split of the data leaves equal: distinct estimates and the number of
    values in the quantile sketch. Bounds of frequent items must overlap.

    Parameters
    ----------
    relative_error
        Allowed error of float sums and moments, relative to the size of the values.

    Raises
    ------
    AssertionError
        If a figure differs; the error names the first one.
    """
    for name in ("rows", "rejected", "degraded"):
        _equal(name, getattr(left, name), getattr(right, name))
    _equal("columns", list(left.columns), list(right.columns))
    for path, column in left.columns.items():
        other = right[path]
        for name in ("count", "null_count", "nan_count", "true_count", "types", "groups", "distinct"):
            _equal(f"{path}: {name}", getattr(column, name), getattr(other, name))
        for group in column.groups:
            _group_equal(f"{path}.{group}", column.group(group), other.group(group), relative_error)


def _group_equal(where: str, left: GroupProfile, right: GroupProfile, relative_error: float) -> None:
    for kind in {**left.statistics, **right.statistics}:
        _equal(f"{where}: {kind.field}", _exact(left.statistic(kind)), _exact(right.statistic(kind)))
    _close(f"{where}: sum", left.sum, right.sum, relative_error * _scale(left))
    for name in _ROUNDED:
        mine, theirs = getattr(left, name), getattr(right, name)
        _close(
            f"{where}: {name}", mine, theirs, relative_error * max(1.0, abs(mine or 0.0), _scale(left) * _scale(left))
        )
    bounds = {item.value: item for item in _items(right)}
    for item in _items(left):
        other = bounds.get(item.value)
        if other is not None and not (item.lower <= other.upper and other.lower <= item.upper):
            raise AssertionError(f"{where}: frequent item {item} against {other}")
    if left.length is not None and right.length is not None:
        _group_equal(f"{where}.length", left.length, right.length, relative_error)


def _exact(statistic: AnyStatistic | None) -> object:
    return None if statistic is None else statistic.exact


def _items(group: GroupProfile) -> list[FrequentItem]:
    """Listed values as they are stored, not rounded to the microsecond."""
    return [] if group.item_summary is None else group.item_summary.items()


def _scale(group: GroupProfile) -> float:
    extremes = [abs(value) for value in (group.min, group.max) if isinstance(value, int | float)]
    return float(max(extremes, default=0.0)) * max(group.count, 1)


def _equal(name: str, left: object, right: object) -> None:
    if left != right:
        raise AssertionError(f"{name}: {left!r} against {right!r}")


def _close(name: str, left: float | None, right: float | None, error: float) -> None:
    if left is None or right is None or not (math.isfinite(left) and math.isfinite(right)):
        _equal(name, left is None, right is None)
    elif abs(left - right) > error:
        raise AssertionError(f"{name}: {left!r} against {right!r}")


def _sawtooth(n: int, _: np.random.Generator) -> NDArray[np.float64]:
    return np.arange(n, dtype=np.float64) % 97.0


# Name → n values of the distribution, from a seeded generator.
DISTRIBUTIONS: Final[Mapping[str, Callable[[int, np.random.Generator], NDArray[np.float64]]]] = {
    "constant": lambda n, _: np.full(n, 42.0),
    "uniform": lambda n, random: random.uniform(-1.0, 1.0, n),
    "normal": lambda n, random: random.normal(10.0, 3.0, n),
    "zipf": lambda n, random: random.zipf(1.3, n).clip(max=2**53).astype(np.float64),
    "heavy tail": lambda n, random: random.pareto(0.8, n),
    "few values": lambda n, random: random.integers(0, 5, n).astype(np.float64),
    "sorted": lambda n, _: np.arange(n, dtype=np.float64),
    "reversed": lambda n, _: np.arange(n, dtype=np.float64)[::-1].copy(),
    "sawtooth": _sawtooth,
    "near duplicates": lambda n, random: 1.0 + random.integers(0, 3, n) * np.finfo(np.float64).eps,
    "huge and tiny": lambda n, random: random.choice([1e300, -1e300, 1e-300, 0.0], n),
    "mixed sign zeros": lambda n, random: random.choice([0.0, -0.0, 1.0], n),
}
