"""Errors of the estimates on every named distribution, against published bounds.

numpy counts the truth exactly.

- Ranks: the largest error over all ranks as a share of the rows, of `cdf(x)` at values of the data and of `quantile(q)`
  at a grid of ranks.
- Distinct values: the relative error of the estimate, and the share of intervals that contain the truth.
- Frequent items: every count must be within its interval, no interval may be wider than the documented share of the
  rows, and no more frequent value may be missing. Violations are counted; there must be none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import datasketches
import numpy as np
import polars as pl

import polarsprof as pp
from polarsprof.testing import DISTRIBUTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from rich.progress import Progress

    from polarsprof.profiles.group import GroupProfile

STRINGS: Final = "sorted strings, shared prefixes"
NAMES: Final = (*DISTRIBUTIONS, STRINGS)
WAYS: Final = ("one pass", "1,000 merges", "round trips")
_PARTS: Final = 1_000
_PROBES: Final = 2_000
_SPEC: Final = pp.ProfileSpec()


@dataclass(slots=True)
class Errors:
    """Errors of some trials of one distribution and one way to build the profile."""

    rank_errors: list[float] = field(default_factory=list)
    distinct_errors: list[float] = field(default_factory=list)
    covered: list[bool] = field(default_factory=list)
    violations: int = 0


def rank_bound(k: int = _SPEC.k) -> float:
    """The bound of DataSketches for all ranks at once, at 99 % confidence."""
    return float(datasketches.kll_doubles_sketch.get_normalized_rank_error(k, True))


def distinct_bound(lg_k: int = _SPEC.lg_k) -> float:
    """The relative standard error of HyperLogLog with registers alone, 1.04 / √m."""
    return float(1.04 / np.sqrt(2**lg_k))


def tables(names: Sequence[str], progress: Progress, *, quick: bool = False) -> tuple[str, bool]:
    """Both tables in Markdown, and whether a certain bound is broken."""
    rows, trials = (50_000, 1) if quick else (1_000_000, 5)
    task = progress.add_task("", total=len(names) * trials)
    found = {name: {way: Errors() for way in WAYS} for name in names}
    for name in names:
        for trial in range(trials):
            progress.update(task, description=f"{name}, trial {trial + 1} of {trials}")
            _trial(name, rows, trial, found[name])
            progress.advance(task)
    progress.update(task, description="intervals of distinct counts")
    is_broken = any(one.violations for ways in found.values() for one in ways.values())
    heading = f"{trials} trials of {rows:,} rows each. In brackets: the share of the trials within the bound.\n\n"
    return f"{heading}{_table(found)}\n\n{_coverage(trials=20 if quick else 300)}", is_broken


def _trial(name: str, rows: int, seed: int, found: dict[str, Errors]) -> None:
    values = _values(name, rows, seed)
    whole = pp.profile(values.to_frame())
    parts = [pp.profile(part.to_frame()) for part in _parts(values)]
    again = pp.merge(pp.read(part.to_bytes()) for part in parts)
    for way, profile in zip(WAYS, (whole, pp.merge(parts), pp.read(again.to_bytes())), strict=True):
        _measure(profile["value"], values, found[way])


def _values(name: str, rows: int, seed: int) -> pl.Series:
    rng = np.random.default_rng(seed)
    if name != STRINGS:
        return pl.Series("value", DISTRIBUTIONS[name](rows, rng))
    numbers = np.sort(rng.integers(0, rows, rows))
    text = pl.format("https://shop.example/customers/europe/orders/{}", pl.col("n"))
    return pl.DataFrame({"n": numbers}).select(text.alias("value")).to_series().sort()


def _parts(values: pl.Series) -> Iterable[pl.Series]:
    size = max(1, len(values) // _PARTS)
    return (values[start : start + size] for start in range(0, len(values), size))


def _measure(column: pp.ColumnProfile, values: pl.Series, found: Errors) -> None:
    counts = _exact_counts(values)
    if values.dtype == pl.String:
        if column.length is not None:
            found.rank_errors.append(rank_error(column.length, values.str.len_chars().to_numpy().astype(np.float64)))
    else:
        found.rank_errors.append(rank_error(column.group("number"), values.to_numpy()))
    distinct = column.distinct
    if distinct is not None:
        found.distinct_errors.append(abs(distinct.estimate / len(counts) - 1))
        found.covered.append(_covers(distinct, len(counts)))
    found.violations += broken_bounds(column, counts)


def _exact_counts(values: pl.Series) -> dict[Any, int]:
    """Value → count; 0.0 and -0.0 are one value."""
    if values.dtype == pl.String:
        return dict(values.value_counts().iter_rows())
    unique, counts = np.unique(values.to_numpy(), return_counts=True)
    return dict(zip(unique.tolist(), counts.tolist(), strict=True))


def rank_error(group: GroupProfile, values: NDArray[np.float64]) -> float:
    """The largest error of `cdf` and `quantile` over a grid of ranks, as a share."""
    ordered = np.sort(values)
    ranks = np.linspace(0, 1, min(_PROBES, ordered.size) + 2)[1:-1]
    probes = np.unique(ordered[(ranks * (ordered.size - 1)).astype(np.int64)])
    true = np.searchsorted(ordered, probes, side="right") / ordered.size
    by_cdf = np.abs(true - [group.cdf(probe) for probe in probes.tolist()])
    quantiles = np.array(group.quantiles(ranks.tolist()), dtype=np.float64)
    # A frequent value has all ranks from its first to its last occurrence.
    below = np.searchsorted(ordered, quantiles, side="left") / ordered.size
    upto = np.searchsorted(ordered, quantiles, side="right") / ordered.size
    by_quantile = np.maximum(below - ranks, ranks - upto)
    return float(max(by_cdf.max(), by_quantile.max(), 0.0))


def broken_bounds(column: pp.ColumnProfile, counts: dict[Any, int]) -> int:
    """Number of violations of the bounds of frequent items.

    These are intervals without the true count, intervals that are too wide, and missing frequent values.
    """
    items = column.frequent_items(_SPEC.max_items)
    widest = column.count / _SPEC.max_items
    outside = sum(not item.lower <= counts.get(item.value, 0) <= item.upper for item in items)
    wide = sum(item.upper - item.lower > widest for item in items)
    listed = {item.value for item in items}
    missing = sum(count > widest and value not in listed for value, count in counts.items())
    return outside + wide + missing


def _covers(distinct: pp.Estimate, truth: int) -> bool:
    # While the sketch has every hash, its bounds differ from the whole number by parts in a million.
    slack = truth * 1e-5
    return distinct.lower - slack <= truth <= distinct.upper + slack


def _table(found: dict[str, dict[str, Errors]]) -> str:
    bound, relative = rank_bound(), distinct_bound()
    head = [f"largest rank error, {way} (≤ {bound:.2%})" for way in WAYS]
    head += [f"distinct, relative error, root mean square (σ = {relative:.2%})", "in its interval", "broken bounds"]
    lines = [f"| distribution | {' | '.join(head)} |", f"|---|{'--:|' * len(head)}"]
    for name, ways in found.items():
        errors = [error for way in ways.values() for error in way.distinct_errors]
        covered = [held for way in ways.values() for held in way.covered]
        cells = [_ranks(way, bound) for way in ways.values()]
        cells += [f"{np.sqrt(np.mean(np.square(errors))):.2%}", f"{np.mean(covered):.0%}"]
        lines.append(f"| {name} | {' | '.join(cells)} | {sum(way.violations for way in ways.values())} |")
    return "\n".join(lines)


def _ranks(found: Errors, bound: float) -> str:
    within = np.mean([error <= bound for error in found.rank_errors])
    return f"{max(found.rank_errors):.2%} ({within:.0%})"


def _coverage(trials: int) -> str:
    """Errors and intervals of the distinct count, in one pass and over ten merges."""
    lines = [
        "| distinct values | trials | relative error, root mean square | in its interval (≥ 95 %) |",
        "|--:|--:|--:|--:|",
    ]
    for truth in (100, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000):
        estimates = [_distinct_of(truth, trial, parts=10 if trial % 2 else 1) for trial in range(trials)]
        error = np.sqrt(np.mean([(found.estimate / truth - 1) ** 2 for found in estimates]))
        held = np.mean([_covers(found, truth) for found in estimates])
        lines.append(f"| {truth:,} | {trials} | {error:.2%} | {held:.1%} |")
    return "\n".join(lines)


def _distinct_of(truth: int, trial: int, parts: int) -> pp.Estimate:
    """Estimate for `truth` consecutive integers, in a new range per trial."""
    values = pl.Series("value", np.arange(truth, dtype=np.int64) + trial * 10_000_000)
    cuts = np.linspace(0, truth, parts + 1).astype(int).tolist()
    merged = pp.merge(pp.profile(values[low:high].to_frame()) for low, high in pairwise(cuts))
    estimate = merged["value"].distinct
    assert estimate is not None
    return estimate
