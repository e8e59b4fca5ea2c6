"""Panes of known content, and the reads that any store of them must give."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import polarsprof as pp
from polarsprof.store import Pane
from polarsprof.testing import SettableClock, assert_profile_equal

HOUR_US = 3_600_000_000
START = datetime(2026, 1, 5, tzinfo=UTC)
START_US = int(START.timestamp()) * 1_000_000
LATER = SettableClock(START + timedelta(days=30))


def window_of(start_hours: float, hours: float) -> pp.Window:
    start_us = START_US + int(start_hours * HOUR_US)
    return pp.Window(start_us, start_us + int(hours * HOUR_US))


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


@dataclass(frozen=True, repr=False)
class Written:
    """A pane, its window and its id."""

    pane: Pane
    window: pp.Window
    id: tuple[str, int]

    def __repr__(self) -> str:
        return f"{self.id} of {self.window}"

    @property
    def profile(self) -> pp.Profile:
        return pp.Profile.from_bytes(self.pane.data)


def written(writer: str, number: int, window: pp.Window, *, dataset: str = "clicks", rows: int = 1) -> Written:
    profile = pp.profile([{"x": number * 10 + row, "s": f"{writer}{number % 3}"} for row in range(rows)])
    profile.dataset, profile.window, profile.panes = dataset, window, frozenset([(writer, number)])
    label = f"{window.start:%Y-%m-%d_%H-%M}"
    return Written(Pane(profile.to_bytes(), dataset, label, writer, number, rows), window, (writer, number))


def hourly(hours: int, *, writers: str = "a") -> list[Written]:
    return [written(writer, hour, window_of(hour, 1)) for hour in range(hours) for writer in writers]


def filled(store: pp.ProfileStore, panes: list[Written]) -> pp.ProfileStore:
    for one in panes:
        store.put(one.pane)
    return store


def assert_answers(store: pp.ProfileStore, panes: list[Written], ranges=((None, None),)) -> None:
    """Every range is the merge of the panes in its windows, each once.

    If two windows overlap and neither contains the other, a pane can be in both; it is read with that of its file.
    """
    windows = store.windows("clicks")
    across = any(first.end_us > second.start_us for first, second in pairwise(windows))
    assert windows == sorted(windows)
    for one in panes:
        assert any(_inside(one.window, window) for window in windows), "a pane is in no window"
    for start, end in ranges:
        bounds = [None if moment is None else int(moment.timestamp()) * 1_000_000 for moment in (start, end)]
        touched = [window for window in windows if window.overlaps(*bounds)]
        expected = {one.id: one for one in panes if any(_inside(one.window, window) for window in touched)}
        found = store.read("clicks", start, end)
        asked = {one.id for one in panes if one.window.overlaps(*bounds)}
        assert asked <= found.panes <= expected.keys()
        if not across:
            assert found.panes == expected.keys()
        assert_profile_equal(found, pp.merge(expected[pane].profile for pane in found.panes))
        assert list(store.read("clicks", start, end, columns=["x"]).columns) == (["x"] if expected else [])
    counted = store.rows("clicks")
    assert list(counted) == windows
    assert sum(counted.values()) == sum({one.id: one.pane.rows for one in panes}.values())


def _inside(inner: pp.Window, outer: pp.Window) -> bool:
    return outer.start_us <= inner.start_us and inner.end_us <= outer.end_us
