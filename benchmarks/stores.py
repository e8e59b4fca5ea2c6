"""Stores of many files: time to list windows and to read a range with the index."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import polars as pl

import polarsprof as pp
from benchmarks import data
from benchmarks.measure import Line, Setup, median_ms
from polarsprof.windowing.durations import Interval
from polarsprof.windowing.tumbling import Tumbling

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_START = datetime(2025, 1, 1, tzinfo=UTC)
_HOURS_PER_YEAR = 8_760
_SECONDS = 200_000


def ranges(setup: Setup) -> Iterator[Line]:
    """A year of hourly panes, then many panes of a second, in folders."""
    repeats = 1 if setup.quick else 5
    hours = 240 if setup.quick else _HOURS_PER_YEAR
    days = [pp.Profile.from_bytes(day) for day in data.hourly_profiles(24, 2_000)]
    with TemporaryDirectory() as folder:
        _fill(Path(folder), days, "1h", hours)
        yield from _lines(folder, f"{hours:,} hourly panes of 20 columns", repeats, column=next(iter(days[0].columns)))
    seconds = 2_000 if setup.quick else _SECONDS
    small = [pp.profile(pl.DataFrame({"x": [number]})) for number in range(24)]
    with TemporaryDirectory() as folder:
        _fill(Path(folder), small, "1s", seconds)
        yield from _lines(folder, f"{seconds:,} panes of a second", repeats, column="x")


def _fill(folder: Path, profiles: Sequence[pp.Profile], interval: str, panes: int) -> None:
    """Write the files of loggers, without syncs."""
    tumbling = Tumbling(Interval.parse(interval))
    for number in range(panes):
        profile = profiles[number % len(profiles)]
        start = _START + number * timedelta(microseconds=tumbling.interval.length_us)
        profile.dataset, profile.panes = "clicks", frozenset([("writer", number)])
        profile.window = tumbling.window_of(int(start.timestamp()) * 1_000_000)
        (folder / f"clicks_profile.{tumbling.label(profile.window)}.bin").write_bytes(profile.to_bytes())


def _lines(folder: str, what: str, repeats: int, *, column: str) -> Iterator[Line]:
    pp.ProfileStore(folder).windows("clicks")  # writes the index
    hour = _START + timedelta(hours=30), _START + timedelta(hours=31)

    def line(operation: str, milliseconds: float, budget: float | None = None, goal: float | None = None) -> Line:
        seconds = milliseconds / 1e3
        return Line(suite="store", what=f"{what}: {operation}", unit="s", ours=seconds, budget=budget, goal=goal)

    yield line("windows(), new process", median_ms(lambda: pp.ProfileStore(folder).windows("clicks"), repeats))
    store = pp.ProfileStore(folder)
    yield line("windows(), again", median_ms(lambda: store.windows("clicks"), repeats))
    yield line("read of an hour, one column", median_ms(lambda: store.read("clicks", *hour, columns=[column]), repeats))
    if len(store.windows("clicks")) <= _HOURS_PER_YEAR:
        whole = median_ms(lambda: store.read("clicks", columns=[column]), repeats)
        yield line("read of all, one column", whole, budget=1.0, goal=0.5)
