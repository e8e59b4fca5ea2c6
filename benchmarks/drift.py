"""False alarms and power of drift detection, and coverage of its intervals.

All at the default thresholds. Without drift, both profiles are draws from one distribution. The truth is computed from
the raw values with numpy, over the same bins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

import polarsprof as pp
from polarsprof.analysis.drift.probabilities import edges_of_bins
from polarsprof.testing import DISTRIBUTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from rich.progress import Progress

    Draw = Callable[[int, np.random.Generator], Any]

_WORDS: Final = np.array([f"word {i}" for i in range(1_000)])


def _words(positions: NDArray[np.int64]) -> NDArray[np.str_]:
    words: NDArray[np.str_] = _WORDS[positions % _WORDS.size]
    return words


def _with_nulls(share: float) -> Draw:
    return lambda n, rng: np.where(rng.random(n) < share, np.nan, rng.normal(size=n))


def _shifted(by: float) -> Draw:
    return lambda n, rng: rng.normal(by, size=n)


def _scaled(by: float) -> Draw:
    return lambda n, rng: rng.normal(scale=by, size=n)


SAME: Final[Mapping[str, Draw]] = {
    **{
        name: DISTRIBUTIONS[name]
        for name in ("normal", "uniform", "heavy tail", "zipf", "few values", "mixed sign zeros")
    },
    "integers below 200": lambda n, rng: rng.integers(0, 200, n),
    "zeros but for 10 %": lambda n, rng: rng.normal(size=n) * (rng.random(n) < 0.1),
    "5 % nulls": _with_nulls(0.05),
    "booleans, 30 %": lambda n, rng: rng.random(n) < 0.3,
    "booleans, 1 %": lambda n, rng: rng.random(n) < 0.01,
    "5 words": lambda n, rng: _words(rng.integers(0, 5, n)),
    "100 words": lambda n, rng: _words(rng.integers(0, 100, n)),
    "1,000 words": lambda n, rng: _words(rng.integers(0, 1_000, n)),
    "words, zipf": lambda n, rng: _words(rng.zipf(1.5, n)),
}
# Change → draws of the reference and of the current profile.
CHANGED: Final[Mapping[str, tuple[Draw, Draw]]] = {
    **{f"mean by {by} σ": (_shifted(0), _shifted(by)) for by in (0.1, 0.25, 0.5, 1.0)},
    **{f"σ by a factor of {by}": (_scaled(1), _scaled(by)) for by in (1.25, 1.5, 2.0)},
    "one of 5 words becomes another": (SAME["5 words"], lambda n, rng: _words(rng.integers(0, 5, n).clip(1))),
    "20 % a new word": (
        SAME["100 words"],
        lambda n, rng: np.where(rng.random(n) < 0.2, "new", _words(rng.integers(0, 100, n))),
    ),
    "nulls from 0 to 10 %": (_with_nulls(0.0), _with_nulls(0.1)),
}
SIZES: Final = ((20, 20), (100, 100), (1_000, 1_000), (10_000, 10_000), (10_000, 100), (100_000, 100_000))
_POWER_SIZES: Final = (100, 1_000, 10_000, 100_000)


def tables(progress: Progress, *, draws: int) -> str:
    """The three tables in Markdown; the table with drift uses a tenth of the draws."""
    task = progress.add_task("", total=len(SIZES) + len(_POWER_SIZES) + 1)
    same, changed, few = [], [], max(draws // 10, 1)
    for n, m in SIZES:
        progress.update(task, description=f"no drift, {n:,} and {m:,} rows")
        same.append(_alarms({name: (draw, draw) for name, draw in SAME.items()}, n, m, draws))
        progress.advance(task)
    for n in _POWER_SIZES:
        progress.update(task, description=f"drift, {n:,} rows")
        changed.append(_alarms(CHANGED, n, n, few))
        progress.advance(task)
    progress.update(task, description="intervals")
    parts = [
        f"False alarms without drift, in % of {draws:,} draws each:",
        _table("distribution", [f"{n:,} and {m:,} rows" for n, m in SIZES], same),
        f"Drift found, in % of {few:,} draws each:",
        _table("change", [f"{n:,} rows each" for n in _POWER_SIZES], changed),
        f"Intervals that contain the figure of the raw values, in % of {draws:,} draws each of 20,000 and 10,000 rows:",
        _table("distribution", list(_METRICS), _coverage(20_000, 10_000, draws), by_column=True),
    ]
    return "\n\n".join(parts)


def _alarms(pairs: Mapping[str, tuple[Draw, Draw]], n: int, m: int, draws: int) -> dict[str, float]:
    """Distribution or change → share of draws in which drift is found."""
    alarms = dict.fromkeys(pairs, 0)
    for draw in range(draws):
        rng = np.random.default_rng([n, m, draw])
        sides = _profile(pairs, 0, n, rng), _profile(pairs, 1, m, rng)
        for name, drifted in pp.drift(*sides).select("column", "drifted").iter_rows():
            alarms[name] += drifted
    return {name: count / draws for name, count in alarms.items()}


def _profile(pairs: Mapping[str, tuple[Draw, Draw]], which: int, n: int, rng: np.random.Generator) -> pp.Profile:
    columns = {name: pl.Series(pair[which](n, rng), nan_to_null=True) for name, pair in pairs.items()}
    return pp.profile(pl.DataFrame(columns))


_METRICS: Final = ("ks", "wasserstein", "psi", "total_variation", "jensen_shannon", "hellinger", "chi_square", "linf")


def _coverage(n: int, m: int, draws: int) -> dict[str, dict[str, float]]:
    """Distribution → metric → share of draws whose interval contains the truth.

    Half of the draws are shifted.
    """
    names = ("normal", "heavy tail", "zipf", "zeros but for 10 %")
    coverage = {name: dict.fromkeys(_METRICS, 0.0) for name in names}
    for draw in range(draws):
        rng = np.random.default_rng([n, m, draw])
        raw = {name: (SAME[name](n, rng), SAME[name](m, rng) + (draw % 2) / 4) for name in names}
        sides = [pp.profile(pl.DataFrame({name: pair[side] for name, pair in raw.items()})) for side in (0, 1)]
        for row in pp.drift(*sides).iter_rows(named=True):
            name = row["column"]
            distributions = [side[name].group("number").distribution() for side in sides]
            for metric, figure in truth(*raw[name], edges_of_bins(*distributions)).items():  # type: ignore[arg-type]
                coverage[name][metric] += _is_within(figure, row, metric) / draws
    return coverage


def _is_within(figure: float, row: dict[str, Any], metric: str) -> bool:
    rounding = 1e-9 * max(1.0, abs(figure))
    return bool(row[f"{metric}_lower"] - rounding <= figure <= row[f"{metric}_upper"] + rounding)


def truth(reference: NDArray[Any], current: NDArray[Any], edges: NDArray[np.float64]) -> dict[str, float]:
    """The metrics of raw values."""
    points = np.union1d(reference, current)
    below = [np.searchsorted(np.sort(part), points, "right") / part.size for part in (reference, current)]
    apart = np.abs(below[0] - below[1])
    p, q = (
        np.bincount(np.searchsorted(edges, part, "left"), minlength=edges.size + 1) / part.size
        for part in (reference, current)
    )
    raised = [np.maximum(part, 1e-4) for part in (p, q)]
    middle = (p + q) / 2
    used = middle > 0
    parts = [part[used] for part in (p, q, middle)]
    entropies = [np.sum(part[part > 0] * np.log2(part[part > 0] / parts[2][part > 0])) for part in parts[:2]]
    return {
        "ks": float(apart.max()),
        "wasserstein": float((apart[:-1] * np.diff(points)).sum()),
        "psi": float(np.sum((raised[0] - raised[1]) * np.log(raised[0] / raised[1]))),
        "total_variation": float(np.abs(p - q).sum() / 2),
        "jensen_shannon": float(np.sqrt(max(sum(entropies) / 2, 0.0))),
        "hellinger": float(np.sqrt(np.sum((np.sqrt(p) - np.sqrt(q)) ** 2) / 2)),
        "chi_square": float(np.sum((parts[0] - parts[1]) ** 2 / parts[2]) / 4),
        "linf": float(np.abs(p - q).max()),
    }


def _table(first: str, heads: Sequence[str], found: Any, *, by_column: bool = False) -> str:
    columns = found if by_column else {name: {i: part[name] for i, part in enumerate(found)} for name in found[0]}
    lines = [f"| {first} | {' | '.join(heads)} |", f"|---|{'--:|' * len(heads)}"]
    lines += [
        f"| {name} | {' | '.join(f'{100 * share:.1f}' for share in row.values())} |" for name, row in columns.items()
    ]
    return "\n".join(lines)
