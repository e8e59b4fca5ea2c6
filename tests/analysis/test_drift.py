"""Drift from sketches: bounds hold against SciPy, drift is found, alarms are rare."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import jensenshannon
from support.shown import is_harmless, rendered
from support.strategies import frames, through_bytes

import polarsprof as pp
from benchmarks.drift import CHANGED, SAME
from polarsprof.analysis.drift import SCHEMA, significance
from polarsprof.analysis.drift.distances import Cells, Probabilities, divergences
from polarsprof.analysis.drift.probabilities import edges_of_bins, ordered_cells
from polarsprof.analysis.drift.rules import METRICS, THRESHOLDS
from polarsprof.cli import main
from polarsprof.cli.drift_table import drift_facts, drift_table
from polarsprof.errors import ArgumentError
from polarsprof.sketches import Distribution
from polarsprof.testing import DISTRIBUTIONS

SYMMETRIC = tuple(METRICS)
OVER_CELLS = tuple(name for name in METRICS if name not in ("ks", "wasserstein"))
HOSTILE = [
    "<script>alert(1)</script>",
    "\x1b[2J\x1b]8;;http://evil\x1b\\",
    "[bold]x[/] [/]",
    "\u202egpj.exe",
    "a\nb",
    "",
]


def profile(**columns: Any) -> pp.Profile:
    return pp.profile(pl.DataFrame(columns, strict=False))


def only(found: pl.DataFrame) -> dict[str, Any]:
    assert found.schema == SCHEMA
    return found.row(0, named=True)


def row_of(reference: Any, current: Any) -> dict[str, Any]:
    return only(pp.drift(profile(x=reference), profile(x=current)))


def assert_within(figure: float, row: dict[str, Any], metric: str) -> None:
    rounding = 1e-9 * max(1.0, abs(figure))
    lower, value, upper = row[f"{metric}_lower"], row[metric], row[f"{metric}_upper"]
    assert lower <= value <= upper, (metric, row)
    assert lower - rounding <= figure <= upper + rounding, (metric, figure, lower, upper)


def cell_metrics(p: NDArray[np.float64], q: NDArray[np.float64]) -> dict[str, float]:
    """The metrics over the same cells, by SciPy and textbook formulas."""
    high = [np.maximum(part, 1e-4) for part in (p, q)]
    used = p + q > 0
    samples = np.array([p[used], q[used]]) * 1e6
    same = np.allclose(p, q, atol=1e-15)
    return {
        "psi": float(((high[0] - high[1]) * np.log(high[0] / high[1])).sum()),
        "jensen_shannon": 0.0 if same else float(jensenshannon(p, q, base=2)),
        "hellinger": float(np.linalg.norm(np.sqrt(p) - np.sqrt(q)) / np.sqrt(2)),
        "total_variation": float(np.abs(p - q).sum() / 2),
        # Pearson's statistic of two samples of one size, per row.
        "chi_square": stats.chi2_contingency(samples, correction=False).statistic / 2e6 if used.sum() > 1 else 0.0,
        "linf": float(np.abs(p - q).max()),
    }


def raw_numbers(reference: NDArray[Any], current: NDArray[Any], edges: NDArray[Any]) -> dict[str, float]:
    cells = [np.searchsorted(edges, values, "left") for values in (reference, current)]
    p, q = (np.bincount(cell, minlength=edges.size + 1) / cell.size for cell in cells)
    return cell_metrics(p, q) | {
        "ks": float(stats.ks_2samp(reference, current).statistic),
        "wasserstein": float(stats.wasserstein_distance(reference, current)),
    }


def bins_of(*profiles: pp.Profile) -> NDArray[Any]:
    found = [one["x"].group(one["x"].groups[0]).distribution() for one in profiles]
    assert found[0] is not None
    assert found[1] is not None
    return edges_of_bins(found[0], found[1])


def raw_values(reference: list[Any], current: list[Any], listed: list[Any]) -> dict[str, float]:
    shares = []
    for values in (reference, current):
        counts = [values.count(value) for value in listed]
        shares.append(np.array([*counts, len(values) - sum(counts)]) / len(values))
    return cell_metrics(*shares)


# --------------------------------------------------------------------------------------------------- against raw values


def _drawn(name: str, n: int, seed: int, change: Callable[[Any], Any] = lambda values: values) -> NDArray[Any]:
    found: NDArray[Any] = change(DISTRIBUTIONS[name](n, np.random.default_rng(seed)))
    return found


NUMBERS: dict[str, Callable[[], tuple[NDArray[Any], NDArray[Any]]]] = {
    "same normal": lambda: (_drawn("normal", 20_000, 1), _drawn("normal", 30_000, 2)),
    "normal, shifted": lambda: (_drawn("normal", 20_000, 1), _drawn("normal", 5_000, 2, lambda x: x + 1.5)),
    "normal, wider": lambda: (_drawn("normal", 5_000, 1), _drawn("normal", 20_000, 2, lambda x: 2 * x)),
    "small normal": lambda: (_drawn("normal", 150, 1), _drawn("normal", 80, 2, lambda x: x + 1)),
    "heavy tail": lambda: (_drawn("heavy tail", 20_000, 1), _drawn("heavy tail", 20_000, 2, lambda x: 2 * x)),
    "zipf": lambda: (_drawn("zipf", 20_000, 1), _drawn("zipf", 4_000, 2, lambda x: x + 1)),
    "few values": lambda: (_drawn("few values", 20_000, 1), _drawn("few values", 400, 2, lambda x: x % 4)),
    "constant": lambda: (np.full(3_000, 42.0), np.full(500, 42.0)),
    "constant, shifted": lambda: (np.full(3_000, 42.0), np.full(500, 41.0)),
    "mostly zero": lambda: (
        _drawn("normal", 9_000, 1, lambda x: np.where(x > 12, x, 0)),
        _drawn("normal", 9_000, 2, lambda x: np.where(x > 11, x, 0)),
    ),
    "far apart": lambda: (_drawn("uniform", 9_000, 1), _drawn("uniform", 9_000, 2, lambda x: x + 50)),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_the_metrics_of_raw_numbers_lie_in_the_intervals(name: str) -> None:
    reference, current = NUMBERS[name]()
    profiles = profile(x=reference), profile(x=current)
    row = only(pp.drift(*profiles))
    if row["method"] == "frequent_items":
        values = np.union1d(reference, current).tolist()
        truth = raw_numbers(reference, current, np.empty(0)) | raw_values(reference.tolist(), current.tolist(), values)
    else:
        truth = raw_numbers(reference, current, bins_of(*profiles))
    for metric, figure in truth.items():
        assert_within(figure, row, metric)


@pytest.fixture(scope="module")
def months(nycflights: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    flights = pl.read_csv(nycflights, null_values="NA", infer_schema_length=None)
    return flights.filter(pl.col("month") == 1), flights.filter(pl.col("month") == 7)


@pytest.mark.parametrize("column", ["dep_delay", "arr_time", "air_time", "distance", "flight", "sched_dep_time"])
def test_the_metrics_of_flights_in_january_and_july_lie_in_the_intervals(months: Any, column: str) -> None:
    raw = [month[column].drop_nulls().to_numpy() for month in months]
    profiles = [profile(x=values) for values in raw]
    row = only(pp.drift(profiles[0], profiles[1]))
    assert row["method"] == "quantiles"
    for metric, figure in raw_numbers(raw[0], raw[1], bins_of(*profiles)).items():
        assert_within(figure, row, metric)


@pytest.mark.parametrize("column", ["carrier", "origin", "dest", "hour"])
def test_the_metrics_of_categories_of_flights_are_exact(months: Any, column: str) -> None:
    raw = [month[column].drop_nulls().to_list() for month in months]
    row = row_of(*raw)
    assert row["method"] == "frequent_items"
    for metric, figure in raw_values(*raw, sorted({*raw[0], *raw[1]})).items():
        assert row[metric] == pytest.approx(figure, abs=1e-9)
        assert row[f"{metric}_lower"] == pytest.approx(row[f"{metric}_upper"], abs=1e-9)
    assert set(row["new_values"]) == set(map(str, {*raw[1]} - {*raw[0]}))
    assert set(row["lost_values"]) == set(map(str, {*raw[0]} - {*raw[1]}))


def test_the_metrics_of_vega_flights_lie_in_the_intervals(vega_flights: Path) -> None:
    flights = pl.read_parquet(vega_flights)
    halves = flights[: len(flights) // 2], flights[len(flights) // 2 :]
    for column in ("delay", "distance"):
        raw = [half[column].drop_nulls().to_numpy() for half in halves]
        profiles = [profile(x=values) for values in raw]
        row = only(pp.drift(profiles[0], profiles[1]))
        for metric, figure in raw_numbers(raw[0], raw[1], bins_of(*profiles)).items():
            assert_within(figure, row, metric)


def test_bounds_hold_for_more_values_than_the_sketch_retains() -> None:
    rng = np.random.default_rng(3)
    raw = [[f"w{n % 5_000}" for n in rng.zipf(1.3, 20_000) + shift] for shift in (0, 1)]
    profiles = [profile(x=values) for values in raw]
    items = [one["x"].frequent_items(1_000) for one in profiles]
    counts = {i.value: 0 for part in items for i in part}
    for part in items:
        for item in part:
            counts[item.value] += item.estimate
    row = only(pp.drift(profiles[0], profiles[1]))
    assert row["method"] == "frequent_items"
    for metric, figure in raw_values(*raw, [value for value, count in counts.items() if count >= 400]).items():
        assert_within(figure, row, metric)
    assert row["total_variation_upper"] > row["total_variation_lower"] > 0.1
    assert row["new_values"] == row["lost_values"] == []  # no value is certain if some are not listed


def test_temporals_are_compared_in_seconds() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    times = [start + timedelta(seconds=37 * i) for i in range(1_000)]
    row = row_of(times, [moment + timedelta(hours=1) for moment in times])
    assert_within(3_600.0, row, "wasserstein")
    assert row["dtype_group"] == "temporal"
    days = [moment.date() for moment in times]
    assert row_of(days, [day + timedelta(days=3) for day in days])["wasserstein"] == pytest.approx(3 * 86_400)


def test_times_that_differ_by_nanoseconds_alone_are_compared() -> None:
    ticks = pl.Series([0, 1, 2, 3] * 100).cast(pl.Datetime("ns"))
    row = row_of(ticks, ticks)
    assert (row["drifted"], row["ks"], row["wasserstein"]) == (False, 0, 0)


def test_long_values_that_never_come_twice_are_compared_by_length() -> None:
    def urls(n: int, length: int) -> list[str]:
        return [f"{i:0{length}}" for i in range(n)]

    same, longer = row_of(urls(3_000, 20), urls(3_000, 20)), row_of(urls(3_000, 20), urls(3_000, 30))
    assert same["method"] == longer["method"] == "lengths"
    assert (same["drifted"], longer["drifted"]) == (False, True)
    assert longer["wasserstein"] == pytest.approx(10)


# --------------------------------------------------------------------------------------------------------------- bounds

shares = st.lists(st.floats(0, 1, allow_subnormal=False), min_size=1, max_size=12).filter(
    lambda found: sum(found) > 0.1
)


@given(shares, st.randoms(use_true_random=False), st.floats(0, 0.2))
def test_bounds_of_cells_hold_for_every_distribution_that_the_bounds_of_probabilities_allow(
    found: list[float], random: Any, error: float
) -> None:
    n = len(found)
    truth = [_normal(found), _normal([random.random() ** 3 for _ in range(n)])]
    probabilities = []
    for share in truth:
        seen = np.clip(share + np.array([random.uniform(-error, error) for _ in range(n)]), 0, 1)
        lower, upper = np.minimum(seen, share) - random.random() * error, np.maximum(seen, share)
        probabilities.append(Probabilities(seen, np.clip(lower, 0, 1), upper))
    intervals = divergences(Cells(*probabilities))
    for metric, figure in cell_metrics(*truth).items():
        assert intervals[metric].lower <= figure + 1e-9
        assert figure <= intervals[metric].upper + 1e-9


@given(shares, st.randoms(use_true_random=False), st.floats(0, 0.1))
def test_bounds_of_runs_hold_for_every_distribution_within_the_rank_error(
    found: list[float], random: Any, error: float
) -> None:
    """Holds for all distribution functions whose intervals are within the error."""
    points = np.arange(len(found), dtype=np.float64)
    truth = [_normal(found), _normal([random.random() ** 3 for _ in found])]
    sketches = []
    for share in truth:
        # The error of the distribution function is in [0, error], so the error of an interval is at most as large.
        upto = np.cumsum(share)[:-1] + np.array([random.uniform(0, error) for _ in found[1:]])
        weights = np.diff(np.concatenate([[0], np.maximum.accumulate(np.clip(upto, 0, 1)), [1]])) * 10**9
        sketches.append(Distribution(points, weights.astype(np.int64), -1.0, len(found) + 1.0, error + 1e-6))
    intervals = divergences(ordered_cells(sketches[0], sketches[1], points[:-1]))
    for metric, figure in cell_metrics(*truth).items():
        assert intervals[metric].lower <= figure + 1e-6, metric
        assert figure <= intervals[metric].upper + 1e-6, metric


def _normal(found: list[float]) -> NDArray[np.float64]:
    return np.array(found) / sum(found) if sum(found) else np.full(len(found), 1 / len(found))


@given(shares, st.randoms(use_true_random=False))
def test_metrics_are_symmetric_and_zero_for_the_same(found: list[float], random: Any) -> None:
    p, q = _normal(found), _normal([random.random() for _ in found])
    one, other = (Probabilities(part, np.maximum(part - 0.01, 0), part + 0.01) for part in (p, q))
    there, back = divergences(Cells(one, other)), divergences(Cells(other, one))
    for metric in OVER_CELLS:
        assert there[metric] == pytest.approx(back[metric], abs=1e-12)
        assert divergences(Cells(one, one))[metric][:2] == (0, 0)


@settings(max_examples=40)
@given(frames())
def test_a_profile_has_not_drifted_from_itself(frame: pl.DataFrame) -> None:
    found = pp.drift(pp.profile(frame), through_bytes(pp.profile(frame)))
    assert not found["drifted"].any()
    for metric in METRICS:
        assert set(found[metric].drop_nulls()) <= {0.0}
        assert set(found[f"{metric}_lower"].drop_nulls()) <= {0.0}


@settings(max_examples=60)
@given(frames(), frames())
def test_any_two_profiles_give_a_frame_of_ordered_bounds(one: pl.DataFrame, other: pl.DataFrame) -> None:
    reference, current = pp.profile(one), pp.profile(other)
    found = pp.drift(reference, current)
    assert found.schema == SCHEMA
    assert found["column"].to_list() == sorted({*reference.columns, *current.columns})
    for metric in METRICS:
        kept = found.drop_nulls(metric)
        assert (kept[f"{metric}_lower"] <= kept[metric]).all()
        assert (kept[metric] <= kept[f"{metric}_upper"]).all()
        assert kept[metric].is_finite().all()
        assert kept[f"{metric}_lower"].min() is None or kept[f"{metric}_lower"].min() >= 0
    assert ((found["p_value"] >= 0) & (found["p_value"] <= 1)).all()
    assert found.equals(pp.drift(through_bytes(reference), through_bytes(current)))
    json.dumps(found.to_dicts(), allow_nan=False)
    rendered(drift_table(found))


@settings(max_examples=40)
@given(frames(), frames())
def test_both_directions_agree(one: pl.DataFrame, other: pl.DataFrame) -> None:
    there, back = pp.drift(pp.profile(one), pp.profile(other)), pp.drift(pp.profile(other), pp.profile(one))
    for mine, theirs in zip(there.iter_rows(named=True), back.iter_rows(named=True), strict=True):
        over_bins = mine["method"] in ("quantiles", "lengths")
        for metric in ("ks", "wasserstein") if over_bins else SYMMETRIC:
            assert (mine[metric] is None) == (theirs[metric] is None)
            assert mine[metric] is None or mine[metric] == pytest.approx(theirs[metric], rel=1e-9, abs=1e-9)
        assert (mine["new_values"], mine["lost_values"]) == (theirs["lost_values"], theirs["new_values"])


@pytest.mark.parametrize("name", ["normal", "heavy tail", "zipf", "few values", "mixed sign zeros"])
@settings(max_examples=10)
@given(st.lists(st.integers(0, 6_000), max_size=6))
def test_cutting_into_windows_leaves_the_truth_in_the_intervals(name: str, ends: list[int]) -> None:
    raw = _drawn(name, 6_000, 1), _drawn(name, 6_000, 2, lambda values: values * 1.5)
    merged = []
    for values in raw:
        cuts = pairwise([0, *sorted(ends), 6_000])
        merged.append(pp.merge(through_bytes(profile(x=values[low:high])) for low, high in cuts))
    row = only(pp.drift(merged[0], merged[1]))
    for metric in ("ks", "wasserstein"):
        assert_within(raw_numbers(*raw, np.empty(0))[metric], row, metric)


def test_bins_hold_even_shares_of_the_reference_and_ties_a_bin_of_their_own() -> None:
    even = profile(x=np.random.default_rng(1).permutation(10_000))
    edges = bins_of(even, even)
    assert np.abs(edges - np.arange(1, 10) * 1_000).max() < 170
    tied = profile(x=[0.0] * 900 + list(range(1, 101)))
    assert bins_of(tied, tied).tolist() == [np.nextafter(0, -1), 0.0]
    few = profile(x=list(range(20)))
    assert bins_of(few, few).tolist() == [4.0, 9.0, 14.0]


# --------------------------------------------------------------------------------------------------------- significance


@pytest.mark.parametrize("degrees", [1, 2, 3, 9, 10, 99, 400, 767])
@pytest.mark.parametrize("ratio", [0.0, 0.01, 0.5, 1.0, 1.3, 3.0, 100.0])
def test_the_chi_square_distribution_is_that_of_scipy(degrees: int, ratio: float) -> None:
    expected = stats.chi2.sf(ratio * degrees, degrees)
    assert significance.chi_square(ratio * degrees, degrees) == pytest.approx(expected, rel=1e-8, abs=1e-300)


@given(st.integers(1, 60), st.integers(1, 400), st.randoms(use_true_random=False))
def test_two_shares_are_tested_as_by_scipy(n: int, m: int, random: Any) -> None:
    x, y = random.randint(0, n), random.randint(0, m)
    one_sided = [stats.fisher_exact([[x, n - x], [y, m - y]], side).pvalue for side in ("less", "greater")]
    assert significance.two_shares(x, n, y, m) == pytest.approx(min(1.0, 2 * min(one_sided)), rel=1e-6)
    assert significance.two_shares(y, m, x, n) == pytest.approx(min(1.0, 2 * min(one_sided)), rel=1e-6)


def test_many_shares_are_tested_as_by_scipy_with_yates() -> None:
    x, n, y, m = 100_000, 1_000_000, 30_500, 300_000
    expected = stats.chi2_contingency([[x, n - x], [y, m - y]], correction=True).pvalue
    assert significance.two_shares(x, n, y, m) == pytest.approx(expected, rel=1e-3)
    assert significance.two_shares(50_000, 50_000, 50_000, 50_000) == 1


@pytest.mark.parametrize(("n", "m"), [(20, 20), (20, 35), (200, 50), (1_000, 1_000)])
def test_the_distance_of_two_samples_is_no_more_significant_than_scipy_says(n: int, m: int) -> None:
    rng = np.random.default_rng(n)
    for shift in np.linspace(0, 2, 9):
        found = stats.ks_2samp(rng.normal(size=n), rng.normal(shift, size=m), method="exact")
        ours = significance.kolmogorov_smirnov(found.statistic, n, m)
        assert ours >= min(found.pvalue, 1.0) * 0.95


# ------------------------------------------------------------------------------------------------------------- decision


def alarms(pairs: dict[str, Any], n: int, m: int, draws: int) -> dict[str, int]:
    found = dict.fromkeys(pairs, 0)
    for seed in range(draws):
        rng = np.random.default_rng([n, m, seed])
        drawn = [{name: pair[i](size, rng) for name, pair in pairs.items()} for i, size in enumerate((n, m))]
        sides = [profile(**{name: pl.Series(v, nan_to_null=True) for name, v in columns.items()}) for columns in drawn]
        for name, drifted in pp.drift(*sides).select("column", "drifted").iter_rows():
            found[name] += drifted
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("n", "m", "draws"), [(20, 20, 120), (150, 150, 80), (2_000, 100, 60), (50_000, 50_000, 4)])
def test_samples_of_one_distribution_rarely_raise_an_alarm(n: int, m: int, draws: int) -> None:
    found = alarms({name: (draw, draw) for name, draw in SAME.items()}, n, m, draws)
    assert max(found.values()) <= 0.05 * draws, found


def test_real_shifts_are_found() -> None:
    found = alarms(dict(CHANGED), 1_000, 1_000, 20)
    must = [name for name in CHANGED if name not in ("mean by 0.1 σ", "mean by 0.25 σ", "σ by a factor of 1.25")]
    must.remove("σ by a factor of 1.5")  # just above the threshold
    assert {name: found[name] for name in must} == dict.fromkeys(must, 20)


def test_noise_of_small_samples_is_no_drift() -> None:
    row = row_of([1, 2, 3], [4, 5, 6])
    assert (row["ks"], row["drifted"], row["reasons"]) == (1.0, False, [])
    assert row["p_value"] > 0.01


def test_each_figure_has_its_own_threshold() -> None:
    reference, current = np.random.default_rng(1).normal(size=(2, 5_000))
    profiles = profile(x=reference), profile(x=current + 0.5)
    none = dict.fromkeys(THRESHOLDS)
    assert only(pp.drift(*profiles, thresholds=none))["reasons"] == []
    for metric in METRICS:
        row = only(pp.drift(*profiles, thresholds={**none, metric: 0.001}))
        assert row["drifted"] is True
        assert [reason.split()[0] for reason in row["reasons"]] == [metric]
        assert only(pp.drift(*profiles, thresholds={**none, metric: 10.0}))["drifted"] is False


def test_a_figure_just_above_its_threshold_has_all_digits() -> None:
    row = row_of([0] * 100_000, [0] * 89_999 + [1] * 10_001)
    assert row["reasons"][0] == "ks 0.10001 above 0.1"


def test_a_change_of_nulls_is_drift() -> None:
    row = row_of([1.0] * 500, [1.0] * 400 + [None] * 100)
    assert (row["null_share_reference"], row["null_share_current"]) == (0, 0.2)
    assert (row["drifted"], row["reasons"]) == (True, ["null_share 0 → 0.2"])
    assert row_of([1.0] * 500, [1.0] * 490 + [None] * 10)["drifted"] is False


def test_a_change_of_nan_is_drift() -> None:
    row = row_of([1.0] * 500, [1.0] * 400 + [float("nan")] * 100)
    assert row["reasons"] == ["nan_share 0 → 0.2"]
    everything = row_of([float("nan")] * 500, [float("nan")] * 500)
    assert (everything["drifted"], everything["reasons"]) == (False, ["nothing tracked to compare"])


def test_a_change_of_type_is_drift() -> None:
    row = row_of([1, 2, 3], ["a", "b", "c"])
    assert (row["type_changed"], row["drifted"]) == (True, True)
    assert row["reasons"] == ["types integral → string", "no type in common"]
    assert row_of([1, 2, 3] * 100, [1.5, 2.5, 3.0] * 100)["type_changed"] is False
    mixed = pp.profile([{"x": i if i % 4 else str(i)} for i in range(400)])
    found = only(pp.drift(profile(x=list(range(400))), mixed))
    assert (found["type_changed"], found["method"]) == (True, "quantiles")


def test_a_change_of_cardinality_is_drift_unless_the_number_of_rows_explains_it() -> None:
    rng = np.random.default_rng(1)
    coarse = np.round(rng.normal(size=5_000), 1)
    row = row_of(coarse, rng.normal(size=5_000))
    assert any(reason.startswith("distinct ") for reason in row["reasons"])
    fewer = row_of(rng.integers(0, 1_000, 50_000), rng.integers(0, 1_000, 500))
    assert fewer["distinct_reference"] > 2 * fewer["distinct_current"]
    assert fewer["drifted"] is False


def test_booleans_are_compared_exactly() -> None:
    row = row_of([True] * 300 + [False] * 700, [True] * 700 + [False] * 300)
    assert (row["method"], row["total_variation"], row["ks"]) == ("frequent_items", pytest.approx(0.4), None)
    assert row["drifted"] is True


def test_infinities_leave_the_other_metrics() -> None:
    row = row_of([float("inf"), *range(999)], [float("-inf"), *range(999)])
    assert row["wasserstein"] is None
    assert row["ks"] == pytest.approx(0.001, abs=0.04)
    assert row["drifted"] is False


# ------------------------------------------------------------------------------------------------------ what is missing


def test_profiles_without_a_column_in_common_say_so() -> None:
    found = pp.drift(profile(a=[1] * 50), profile(b=[2] * 50))
    assert found["reasons"].to_list() == [
        ["null_share 0 → 1", "not in the current profile"],
        ["null_share 1 → 0", "not in the reference"],
    ]
    assert found["drifted"].to_list() == [True, True]
    assert found.select(METRICS).null_count().row(0) == (2,) * len(METRICS)


def test_empty_profiles_give_a_frame_of_the_same_schema() -> None:
    assert pp.drift(pp.Profile(), pp.Profile()).schema == SCHEMA
    row = only(pp.drift(profile(a=[1]), pp.Profile()))
    assert (row["drifted"], row["reasons"]) == (None, ["no rows in the current profile"])
    none = only(pp.drift(profile(a=pl.Series([], dtype=pl.Int64)), profile(a=[1])))
    assert (none["drifted"], none["reasons"]) == (None, ["no rows in the reference"])


def test_columns_of_nulls_say_so() -> None:
    nulls = pl.Series([None] * 50, dtype=pl.Null)
    both = row_of(nulls, nulls)
    assert (both["drifted"], both["dtype_group"]) == (False, "null")
    assert both["reasons"] == ["no values in the reference"]
    assert row_of(nulls, [1] * 50)["reasons"] == ["null_share 1 → 0", "no values in the reference"]


@pytest.mark.parametrize(
    "spec",
    [
        pp.ProfileSpec(k=8, lg_k=4, lg_items=3),
        pp.ProfileSpec(k=2_000, lg_k=14, lg_items=12),
        pp.ProfileSpec(quantiles=False),
        pp.ProfileSpec(frequent_items=False),
        pp.ProfileSpec(quantiles=False, distinct=False, frequent_items=False),
    ],
)
def test_profiles_of_different_specs_are_compared(spec: pp.ProfileSpec) -> None:
    rng = np.random.default_rng(1)
    frames_of = [
        pl.DataFrame({"n": rng.normal(shift, size=4_000), "s": [f"w{i}" for i in rng.integers(shift, 20, 4_000)]})
        for shift in (0, 3)
    ]
    found = pp.drift(pp.profile(frames_of[0]), pp.profile(frames_of[1], spec=spec))
    assert found.schema == SCHEMA
    tracked = {"n": spec.quantiles, "s": spec.quantiles or spec.frequent_items}
    for row in found.iter_rows(named=True):
        assert (row["method"] is not None) == tracked[row["column"]], row
    assert found["drifted"].to_list()[0] == spec.quantiles


def test_elements_of_lists_and_fields_of_structs_are_columns() -> None:
    one = pp.profile([{"l": [1, 2, 3], "s": {"a": 1}}] * 100)
    other = pp.profile([{"l": [7, 8], "s": {"a": 1}}] * 100)
    found = {row["column"]: row for row in pp.drift(one, other).iter_rows(named=True)}
    assert set(found) == {"l", "l[]", "s", "s.a"}
    assert (found["l"]["method"], found["l"]["drifted"]) == ("lengths", True)
    assert found["l[]"]["drifted"] is True
    assert (found["s"]["drifted"], found["s"]["reasons"]) == (False, ["nothing tracked to compare"])
    without = {row["column"]: row for row in pp.drift(one, pp.profile([{"x": 1}] * 100)).iter_rows(named=True)}
    assert (without["l[]"]["drifted"], without["l[]"]["reasons"]) == (None, ["no rows in the current profile"])


# ------------------------------------------------------------------------------------------------------------ arguments


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"thresholds": 0.1}, "a mapping"),
        ({"thresholds": {"kss": 0.1}}, "'kss'"),
        ({"thresholds": {"ks": -1}}, "from 0 on"),
        ({"thresholds": {"ks": float("nan")}}, "from 0 on"),
        ({"thresholds": {"ks": True}}, "from 0 on"),
        ({"thresholds": {"distinct": 0.5}}, "from 1 on"),
        ({"alpha": 0}, "between 0 and 1"),
        ({"alpha": "0.1"}, "between 0 and 1"),
        ({"columns": "x"}, "an iterable"),
        ({"columns": ["y"]}, "a column of one of the profiles"),
    ],
)
def test_wrong_options_are_refused_by_name(options: dict[str, Any], part: str) -> None:
    one = profile(x=[1])
    with pytest.raises(ArgumentError, match=part):
        pp.drift(one, one, **options)
    with pytest.raises(ArgumentError, match=part):
        pp.drift_timeline([one], one, **options)


@pytest.mark.parametrize("wrong", [None, "a.bin", pl.DataFrame({"x": [1]}), {"x": 1}])
def test_an_argument_that_is_no_profile_is_refused(wrong: Any) -> None:
    one = profile(x=[1])
    for pair in ((wrong, one), (one, wrong)):
        with pytest.raises(ArgumentError, match="expected a Profile"):
            pp.drift(*pair)
    with pytest.raises(ArgumentError, match="Profile"):
        pp.drift_timeline([one, wrong])


def test_only_the_columns_asked_for_are_compared_in_their_order() -> None:
    one = profile(a=[1], b=[2], c=[3])
    assert pp.drift(one, one, columns=["c", "a"])["column"].to_list() == ["c", "a"]
    assert pp.drift(one, one, columns=[]).schema == SCHEMA


# ------------------------------------------------------------------------------------------------------------- timeline


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> pp.ProfileStore:
    rng = np.random.default_rng(1)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "at": [start + timedelta(minutes=i) for i in range(6 * 1_440)],
            "x": np.concatenate([rng.normal(size=4 * 1_440), rng.normal(2, size=2 * 1_440)]),
        }
    )
    path = tmp_path_factory.mktemp("store")
    with pp.Session(path) as session, session.logger("s", with_rotation_time="d", timestamp="at") as logger:
        logger.log_frame(frame)
    return pp.ProfileStore(path)


def windows_of(store: pp.ProfileStore) -> list[pp.Profile]:
    return [store.read("s", window.start, window.end) for window in store.windows("s")]


def test_the_time_of_the_events_moves_with_the_windows_and_is_no_drift(tmp_path: Path) -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    rows = [{"at": noon + timedelta(minutes=i), "sent": noon + timedelta(minutes=i - 1)} for i in range(2_880)]
    with pp.Session(tmp_path) as session, session.logger(with_rotation_time="d", timestamp="at") as logger:
        logger.log_records(rows)
    before, *_, after = session.store.profiles("dataset")
    found = pp.drift(before, after)
    assert dict(found.select("column", "drifted").iter_rows()) == {"at": False, "sent": True}
    assert "time of the events" in found["reasons"][0][0]


def test_windows_are_compared_with_a_fixed_reference(store: pp.ProfileStore) -> None:
    windows = windows_of(store)
    found = pp.drift_timeline(iter(windows), windows[0], columns=["x"])
    assert found["window_start"].to_list() == [window.start for window in store.windows("s")]
    assert found["drifted"].to_list() == [False] * 4 + [True] * 2
    assert found.drop("window_start", "window_end")[5].equals(pp.drift(windows[0], windows[5], columns=["x"]))


def test_windows_are_compared_with_those_before_them(store: pp.ProfileStore) -> None:
    windows = windows_of(store)
    daily = pp.drift_timeline(windows, columns=["x"])
    assert daily["drifted"].to_list() == [False, False, False, True, False]
    assert daily["window_start"][0] == store.windows("s")[1].start
    rolling = pp.drift_timeline(windows, rolling=3, columns=["x"])
    assert rolling["rows_reference"].to_list() == [1_440, 2_880, 4_320, 4_320, 4_320]
    assert rolling["drifted"].to_list() == [False, False, False, True, True]
    assert [window.rows for window in windows] == [1_440] * 6


def test_a_column_that_comes_later_has_rows_from_then_on() -> None:
    windows = [profile(x=[1] * 9), profile(x=[1] * 9), profile(x=[1] * 9, y=[2] * 9)]
    found = pp.drift_timeline(windows, columns=["y"])
    assert found["reasons"].to_list() == [["null_share 1 → 0", "not in the reference"]]
    assert pp.drift_timeline(windows[:1], columns=["y"]).is_empty()


def test_an_empty_timeline_has_the_columns_of_any_other() -> None:
    empty = pp.drift_timeline([])
    assert list(empty.schema) == ["window_start", "window_end", *SCHEMA]
    one = profile(x=[1])
    assert pp.drift_timeline([one]).schema == empty.schema
    assert pp.drift_timeline([one, one]).schema == empty.schema
    with pytest.raises(ArgumentError, match="rolling"):
        pp.drift_timeline([one], rolling=0)


# -------------------------------------------------------------------------------------------- terminal and command line


@pytest.mark.parametrize("width", [80, 160])
def test_the_table_shows_drifted_columns_first(width: int) -> None:
    reference = profile(a=[1] * 500, z=[1.0] * 500)
    found = pp.drift(reference, profile(a=[1] * 500, z=[None] * 500))
    lines = rendered(drift_table(found, width), width).splitlines()
    assert max(map(len, lines)) <= width
    first = next(line for line in lines if "●" in line)
    assert "z" in first
    assert "100 %" in lines[lines.index(first) + 1]
    assert lines.index(first) < next(i for i, line in enumerate(lines) if line.strip().startswith("a"))
    assert rendered(drift_facts(found)).strip() == "1 of 2 columns drifted"


def test_hostile_names_and_values_are_harmless_in_the_table_and_in_the_frame() -> None:
    one = pp.profile(pl.DataFrame(dict.fromkeys(HOSTILE, HOSTILE * 50)))
    other = pp.profile(pl.DataFrame({name: ["x" * 10_000, *HOSTILE[1:]] * 50 for name in HOSTILE}))
    found = pp.drift(one, other)
    assert is_harmless(rendered(drift_table(found, 160), 160))
    for row in found.iter_rows(named=True):
        for shown in (*row["new_values"], *row["lost_values"], *row["reasons"]):
            assert is_harmless(shown)
            assert len(shown) <= 80


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["drift", *map(str, arguments)])


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "a.bin", tmp_path / "b.bin"
    profile(x=[1, 2] * 200, s=["a", "b"] * 200).write(paths[0])
    profile(x=[1, 3] * 200, s=["a", "b"] * 200).write(paths[1])
    return paths


def test_the_command_prints_the_figures_of_the_library(files: tuple[Path, Path]) -> None:
    printed = run(*files, "--json")
    assert printed.exit_code == 0
    found = json.loads(printed.stdout)
    assert found["columns"] == pp.drift(pp.read(files[0]), pp.read(files[1])).to_dicts()
    assert (found["drifted"], found["reference"]["rows"]) == (1, 400)
    table = run(*files)
    assert table.exit_code == 0
    assert "1 of 2 columns drifted" in table.stdout


def test_the_command_can_fail_for_drift(files: tuple[Path, Path]) -> None:
    assert run(*files, "--check").exit_code == 3
    assert run(*files, "--check", "--column", "s").exit_code == 0
    loose = [part for name in THRESHOLDS for part in ("--threshold", f"{name}=none")]
    assert run(*files, "--check", *loose).exit_code == 0


def test_the_command_compares_ranges_of_a_store(store: pp.ProfileStore) -> None:
    options = ("--dataset", "s", "--reference-to", "2026-01-03", "--from", "2026-01-05", "--column", "x", "--json")
    found = json.loads(run(store.folder, store.folder, *options).stdout)
    assert found["reference"]["window"]["end"].startswith("2026-01-03")
    assert found["current"]["window"]["start"].startswith("2026-01-05")
    assert found["columns"][0]["drifted"] is True


@pytest.mark.parametrize(
    ("arguments", "part", "code"),
    [
        (["A", "nowhere"], "nowhere", 1),
        (["A", "EMPTY"], "--dataset", 2),
        (["A", "STORE", "--dataset", "other"], "other", 1),
        (["A", "B", "--from", "2026-01-01"], "need a store", 2),
        (["A", "B", "--reference-to", "2026-01-01"], "need a store", 2),
        (["A", "B", "--threshold", "ks"], "--threshold", 2),
        (["A", "B", "--threshold", "kss=1"], "--threshold", 2),
        (["A", "B", "--alpha", "2"], "--alpha", 2),
        (["A", "B", "--column", "nope"], "--column", 2),
        (["A", "STORE", "--dataset", "s", "--from", "soon"], "--from", 2),
    ],
)
def test_wrong_usage_of_the_command_is_one_clear_error(
    files: tuple[Path, Path], store: pp.ProfileStore, arguments: list[str], part: str, code: int
) -> None:
    (files[0].parent / "empty").mkdir(exist_ok=True)
    places = {"A": files[0], "B": files[1], "STORE": store.folder, "EMPTY": files[0].parent / "empty"}
    result = run(*(places.get(argument, argument) for argument in arguments))
    assert result.exit_code == code, result.output
    assert part in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.output
