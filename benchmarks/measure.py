"""Pairs of timed runs, and the lines they end as. A ratio is ours ÷ theirs, so below 1 is faster than the peer.

Absolute times of a shared machine drift by half and more within minutes. Two runs right after each other drift alike,
so every ratio is taken within a pair, and the median and the quartiles over the pairs are what is told.
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

_FEWEST_PAIRS: Final = 3


class Skip(Exception):
    """A peer or a data set is not here; the text is the reason that the table shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What the command line asked for."""

    rows: int
    threads: int
    quick: bool = False
    whylogs: str | None = None

    @property
    def pairs(self) -> int:
        """Most pairs of one line."""
        return 3 if self.quick else 15

    @property
    def seconds(self) -> float:
        """No further pair of one line begins after these."""
        return 2.0 if self.quick else 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the table: a ratio of two runs, a figure that stands alone, or the reason why there is none.

    `budget` and `goal` bound the ratio where there is one, else the figure `ours`.
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
        """What budget and goal bound."""
        return self.ours if self.ratio is None else self.ratio

    @property
    def verdict(self) -> str:
        """The best bound that holds."""
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
    """Time of one run, with no garbage of earlier ones left to collect."""
    gc.collect()
    begun = perf_counter()
    run()
    return (perf_counter() - begun) * 1e3


def paired(ours: Callable[[], object], theirs: Callable[[], object], setup: Setup) -> Pairs:
    """Times of runs in turn, the first of a pair changing sides, after one run of each that is not counted."""
    ours()
    theirs()
    begun = perf_counter()
    mine: list[float] = []
    others: list[float] = []
    sides = ((ours, mine), (theirs, others))
    for number in count():
        late = perf_counter() - begun > setup.seconds
        if number >= setup.pairs or (late and number >= _FEWEST_PAIRS):
            return Pairs(mine, others)
        for run, times in sides if number % 2 else reversed(sides):
            times.append(milliseconds(run))
    raise AssertionError


def median_ms(run: Callable[[], object], repeats: int) -> float:
    """Median time of some runs, after one that is not counted."""
    run()
    return float(np.median([milliseconds(run) for _ in range(repeats)]))


def slope(sizes: Sequence[float], times: Sequence[float]) -> float:
    """Exponent b of time ≈ a · size^b, by least squares on the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def limit_threads(threads: int) -> None:
    """Give Polars and the native peers so many threads; they read it when they are first imported."""
    for name in ("POLARS_MAX_THREADS", "RAYON_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = str(threads)
