"""For tests of code that logs: a clock that is set, equality of profiles, named distributions."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from polarsprof.windowing.instants import utc_us

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from polarsprof.profiles.group import GroupProfile
    from polarsprof.profiles.profile import Profile
    from polarsprof.sketches import FrequentItem
    from polarsprof.windowing.clock import Work

_EXACT: Final = ("count", "min", "max", "min_ns", "max_ns")
_ROUNDED: Final = ("mean", "variance", "skewness", "kurtosis")


class SettableClock:
    """A clock that stands still until it is told to move; work that is due runs then, in the caller's thread.

    Parameters
    ----------
    now
        Where it starts; without a zone: UTC.

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
        """The time it shows."""
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self._now_us)

    def now_us(self) -> int:
        """The time it shows in microseconds since the Unix epoch."""
        return self._now_us

    def alarm(self, work: Work) -> _SettableAlarm:
        """Work that runs when it is woken and when the clock passes the instant it asked for."""
        alarm = _SettableAlarm(work, self._forget)
        self._alarms.append(alarm)
        return alarm

    def advance(self, by: timedelta) -> None:
        """Move on, stopping at each instant at which work is due; a negative step sets the clock back."""
        target_us = self._now_us + by // timedelta(microseconds=1)
        while by > timedelta(0) and (due := self._due(target_us)):
            due_us, alarm = min(due, key=lambda entry: entry[0])
            self._now_us = max(self._now_us, due_us)
            alarm.wake()
        self._now_us = target_us

    def set(self, now: datetime) -> None:
        """Move to an instant, see `advance`."""
        self.advance(timedelta(microseconds=utc_us(now, "now") - self._now_us))

    def _forget(self, alarm: _SettableAlarm) -> None:
        self._alarms = [kept for kept in self._alarms if kept is not alarm]

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
    """Raise unless two profiles agree in every exact figure, and in floating-point ones within rounding.

    Of the sketches it compares what any cut of the data must leave equal: distinct estimates, the number of values in
    the quantile sketch, and that the bounds of frequent items overlap.

    Parameters
    ----------
    relative_error
        Allowed for float sums and moments, relative to the size of the values.

    Raises
    ------
    AssertionError
        Naming the first figure that differs.
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
    for name in _EXACT:
        _equal(f"{where}: {name}", getattr(left, name), getattr(right, name))
    _equal(f"{where}: counters", left.counters.counts, right.counters.counts)
    _close(f"{where}: sum", left.sum, right.sum, relative_error * _scale(left))
    for name in _ROUNDED:
        mine, theirs = getattr(left, name), getattr(right, name)
        _close(
            f"{where}: {name}", mine, theirs, relative_error * max(1.0, abs(mine or 0.0), _scale(left) * _scale(left))
        )
    _equal(f"{where}: size of the quantile sketch", _size(left), _size(right))
    bounds = {item.value: item for item in _items(right)}
    for item in _items(left):
        other = bounds.get(item.value)
        if other is not None and not (item.lower <= other.upper and other.lower <= item.upper):
            raise AssertionError(f"{where}: frequent item {item} against {other}")
    if left.length is not None and right.length is not None:
        _group_equal(f"{where}.length", left.length, right.length, relative_error)


def _size(group: GroupProfile) -> int:
    return 0 if group.quantile_sketch is None else group.quantile_sketch.n


def _items(group: GroupProfile) -> list[FrequentItem]:
    """The kept values as they are stored, so that none is rounded to the microsecond."""
    return [] if group.item_summary is None else group.item_summary.items()


def _scale(group: GroupProfile) -> float:
    extremes = [abs(value) for value in (group.min, group.max) if isinstance(value, int | float)]
    return float(max(extremes, default=0.0)) * max(group.count, 1)


def _equal(what: str, left: Any, right: Any) -> None:
    if left != right:
        raise AssertionError(f"{what}: {left!r} against {right!r}")


def _close(what: str, left: float | None, right: float | None, error: float) -> None:
    if left is None or right is None or not (math.isfinite(left) and math.isfinite(right)):
        _equal(what, left is None, right is None)
    elif abs(left - right) > error:
        raise AssertionError(f"{what}: {left!r} against {right!r}")


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
