"""Pairs of timed runs, and the lines of the result.

A ratio is ours ÷ theirs, so a ratio below 1 is faster than the peer. Absolute times of a shared machine drift by half
and more within minutes. Two consecutive runs drift alike, so each ratio is computed within a pair, and the result is
the median and the quartiles over the pairs.
"""

from __future__ import annotations

import gc
import os
from dataclasses import dataclass
from itertools import count
from time import perf_counter
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MIN_PAIRS: Final = 3


class Skip(Exception):
    """A peer or a data set is not available; the table shows the text as the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Options of the command line."""

    rows: int
    threads: int
    quick: bool = False
    whylogs: str | None = None

    @property
    def pairs(self) -> int:
        """Largest number of pairs of one line."""
        return 3 if self.quick else 15

    @property
    def seconds(self) -> float:
        """Seconds after which no further pair of a line starts."""
        return 2.0 if self.quick else 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the table: a ratio of two runs, a single figure, or a skip reason.

    `budget` and `goal` bound the ratio, or the figure `ours` of a line without a ratio.
    """

    suite: str
    what: str
    against: str = ""
    unit: str = "ms"
    ours: float | None = None
    theirs: float | None = None
    ratio: float | None = None
    lower_quartile: float | None = None
    upper_quartile: float | None = None
    pairs: int = 0
    budget: float | None = None
    goal: float | None = None
    skipped: str = ""

    @property
    def figure(self) -> float | None:
        """The figure that budget and goal bound."""
        return self.ours if self.ratio is None else self.ratio

    @property
    def verdict(self) -> str:
        """The best bound that the figure meets."""
        if self.figure is None or self.budget is None or self.goal is None:
            return ""
        return "goal" if self.figure <= self.goal else "budget" if self.figure <= self.budget else "missed"


@dataclass(frozen=True, slots=True)
class Pairs:
    """Paired measurements of ours and theirs, in one unit."""

    ours: Sequence[float]
    theirs: Sequence[float]

    def line(
        self,
        suite: str,
        what: str,
        against: str,
        *,
        unit: str = "ms",
        budget: float | None = None,
        goal: float | None = None,
    ) -> Line:
        """The medians of both sides, and the median and quartiles of the ratios."""
        lower, middle, upper = np.quantile(np.divide(self.ours, self.theirs), [0.25, 0.5, 0.75]).tolist()
        return Line(
            suite=suite,
            what=what,
            against=against,
            unit=unit,
            ours=float(np.median(self.ours)),
            theirs=float(np.median(self.theirs)),
            ratio=middle,
            lower_quartile=lower,
            upper_quartile=upper,
            pairs=len(self.ours),
            budget=budget,
            goal=goal,
        )


def milliseconds(run: Callable[[], object]) -> float:
    """Time of one run, after a collection of the garbage of earlier runs."""
    gc.collect()
    start_s = perf_counter()
    run()
    return (perf_counter() - start_s) * 1e3


def paired(ours: Callable[[], object], theirs: Callable[[], object], setup: Setup) -> Pairs:
    """Times of alternating runs, after one warm-up run of each side.

    The side that runs first alternates from pair to pair.
    """
    ours()
    theirs()
    start_s = perf_counter()
    our_times: list[float] = []
    their_times: list[float] = []
    sides = ((ours, our_times), (theirs, their_times))
    for number in count():
        is_late = perf_counter() - start_s > setup.seconds
        if number >= setup.pairs or (is_late and number >= _MIN_PAIRS):
            return Pairs(our_times, their_times)
        for run, times in sides if number % 2 else reversed(sides):
            times.append(milliseconds(run))
    raise AssertionError


def median_ms(run: Callable[[], object], repeats: int) -> float:
    """Median time of some runs, after a warm-up run."""
    run()
    return float(np.median([milliseconds(run) for _ in range(repeats)]))


def slope(sizes: Sequence[float], times: Sequence[float]) -> float:
    """Exponent b of time ≈ a · size^b, by least squares on the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def limit_threads(threads: int) -> None:
    """Limit the threads of Polars and native peers; must run before their import."""
    for name in ("POLARS_MAX_THREADS", "RAYON_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = str(threads)
