"""When a change counts as drift: above its threshold, beyond chance, with bounds as narrow as the sketches allow.

Tests of bounds elsewhere ask whether the truth lies inside, which any wide interval passes. Here exact input has to
give bounds without width, and p-values have to be those of SciPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

import polarsprof as pp
from polarsprof.analysis.drift.rules import METRICS, THRESHOLDS

NO_THRESHOLDS = dict.fromkeys(THRESHOLDS)


def drift_of(reference: list[Any], current: list[Any], **options: Any) -> dict[str, Any]:
    profiles = [pp.profile([{"x": value} for value in values]) for values in (reference, current)]
    return pp.drift(*profiles, **options).row(0, named=True)


def judged(name: str, reference: list[Any], current: list[Any], threshold: float, **options: Any) -> bool:
    """Whether a figure alone makes it drift."""
    row = drift_of(reference, current, thresholds={**NO_THRESHOLDS, name: threshold}, **options)
    assert row["drifted"] == bool(row["reasons"])
    assert all(reason.startswith(name) for reason in row["reasons"])
    return row["drifted"]


def of_types(strings: int, integers: int) -> list[Any]:
    return ["x"] * strings + [1] * integers


# ---------------------------------------------------------------------------------------------------------- the types


def test_a_significant_change_of_types_below_the_threshold_is_no_drift():
    reference, current = of_types(200, 9_800), of_types(600, 9_400)  # 4 % of the values changed
    row = drift_of(reference, current)
    assert row["type_changed"] is False
    assert not any(reason.startswith("types") for reason in row["reasons"])
    assert not judged("types", reference, current, 0.0401)
    assert judged("types", reference, current, 0.0399)


def test_a_change_of_types_within_chance_is_no_drift_whatever_the_threshold():
    reference, current = of_types(2, 18), of_types(8, 12)
    assert drift_of(reference, current)["type_changed"] is False
    assert not judged("types", reference, current, 0.0)
    assert judged("types", reference, current, 0.0, alpha=0.9)


def test_a_significant_change_of_types_is_drift():
    reference, current = of_types(200, 9_800), of_types(1_000, 9_000)
    assert drift_of(reference, current)["type_changed"] is True
    assert judged("types", reference, current, 0.05)


def test_values_without_a_type_in_common_have_changed_whatever_chance_says():
    row = drift_of([1], ["x"])
    assert row["type_changed"] is True
    assert any(reason.startswith("types") for reason in row["reasons"])
    assert drift_of([1], ["x"], thresholds={"types": None})["type_changed"] is False


def test_the_change_of_types_of_no_values_is_unknown():
    assert drift_of([1, 2], [None, None])["type_changed"] is None
    assert drift_of([None, None], [1, 2])["type_changed"] is None


# ------------------------------------------------------------------------------------------------------------ shares


@pytest.mark.parametrize(("figure", "missing"), [("null_share", None), ("nan_share", float("nan"))])
def test_a_share_is_judged_by_its_threshold_and_by_chance(figure, missing):
    def values(without: int, rows: int) -> list[Any]:
        return [missing] * without + [1.5] * (rows - without)

    for one, other in ((100, 500), (500, 100)):
        reference, current = values(one, 10_000), values(other, 10_000)
        assert judged(figure, reference, current, 0.0399)
        assert not judged(figure, reference, current, 0.0401)
    assert not judged(figure, values(1, 20), values(4, 20), 0.0)
    assert judged(figure, values(1, 20), values(4, 20), 0.0, alpha=0.9)
    assert not judged(figure, values(0, 20), values(0, 20), 0.0, alpha=0.9)


# ------------------------------------------------------------------------------------------------------ distinct values


def distinct(count: int, rows: int) -> list[Any]:
    return [1_000 + number % count for number in range(rows)]


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        (20, 8, False),  # within chance: 12 apart, 2.58 standard deviations are 13.6
        (8, 20, False),
        (100, 20, True),
        (20, 100, True),
        (300, 151, False),  # beyond chance, and not by the factor of 2
        (151, 300, False),
        (300, 140, True),
        (140, 300, True),
    ],
)
def test_a_change_of_distinct_values_needs_the_factor_and_more_than_chance(before, after, changed):
    assert judged("distinct", distinct(before, 400), distinct(after, 400), 2.0) is changed


def test_fewer_values_may_have_fewer_distinct_ones_in_proportion():
    assert not judged("distinct", distinct(1_000, 1_000), distinct(100, 100), 1.5)
    assert not judged("distinct", distinct(100, 100), distinct(1_000, 1_000), 1.5)
    assert judged("distinct", distinct(1_000, 1_000), distinct(100, 1_000), 1.5)
    assert judged("distinct", distinct(100, 1_000), distinct(400, 400), 1.5)  # fewer values with more distinct ones
    assert judged("distinct", distinct(400, 400), distinct(100, 1_000), 1.5)


def test_errors_of_the_sketch_are_no_change_of_distinct_values():
    """Estimates of 30,000 values differ by some percent, which a factor of 1 does not take for a change."""
    profiles = [pp.profile(pl.DataFrame({"x": range(at, at + 30_000)})) for at in range(0, 600_000, 30_000)]
    thresholds = {**NO_THRESHOLDS, "distinct": 1.0}
    estimates = [profile["x"].distinct.estimate for profile in profiles]
    assert max(estimates) - min(estimates) > 600  # chance alone explains less
    for reference in profiles[:5]:
        for current in profiles:
            assert pp.drift(reference, current, thresholds=thresholds)["reasons"].to_list() == [[]]


@pytest.mark.parametrize("alpha", [0, 1, 1.5, -0.01, True, float("nan"), "0.1"])
def test_a_level_of_significance_lies_between_0_and_1(alpha):
    with pytest.raises(pp.errors.ArgumentError, match="alpha"):
        drift_of([1], [1], alpha=alpha)


# ------------------------------------------------------------------------------------------------------ width of bounds

EXACT: dict[str, tuple[list[Any], list[Any]]] = {
    "few numbers": ([1, 2, 3] * 50, [1, 1, 2, 3] * 40),
    "numbers in quantiles": ([n / 7 for n in range(180)], [n * n / 200 for n in range(150)]),
    "strings": (["a", "b", "c"] * 50, ["a", "a", "b", "d"] * 40),
    "booleans": ([True, False] * 30, [True, True, False] * 30),
    "lengths": ([f"order {10**n}-{m}" for n in range(9) for m in range(30)], ["x" * n + str(n) for n in range(300)]),
}


@pytest.mark.parametrize("name", EXACT)
def test_bounds_of_exact_figures_have_no_width(name):
    row = drift_of(*EXACT[name])
    metrics = [metric for metric in METRICS if row[metric] is not None]
    assert len(metrics) >= len(METRICS) - 2
    for metric in metrics:
        bounds = row[f"{metric}_lower"], row[f"{metric}_upper"]
        assert bounds == pytest.approx((row[metric], row[metric]), rel=1e-9, abs=1e-12), metric


def test_bounds_of_estimated_ranks_are_as_wide_as_the_errors_of_both_sketches():
    rng = np.random.default_rng(7)
    samples = rng.normal(size=60_000), rng.normal(0.4, 1, size=60_000)
    profiles = [pp.profile(pl.DataFrame({"x": values})) for values in samples]
    row = pp.drift(*profiles).row(0, named=True)
    errors = [profile["x"].group("fractional").distribution().error for profile in profiles]
    assert 0 < sum(errors) < 0.05
    for metric in ("ks", "linf"):
        assert row[f"{metric}_upper"] - row[metric] == pytest.approx(sum(errors), abs=0.25 * sum(errors)), metric
    assert row["ks"] - row["ks_lower"] == pytest.approx(sum(errors), abs=0.25 * sum(errors))
    assert 0 <= row["linf_lower"] < row["linf"]


# -------------------------------------------------------------------------------------------------- chance, as by SciPy


def counts_as_values(counts: list[int]) -> list[str]:
    return [f"class {at}" for at, count in enumerate(counts) for _ in range(count)]


def p_value_of(one: list[int], other: list[int], joined: list[list[int]]) -> float:
    """Twice the smaller of Pearson's test, rare classes joined, and Fisher's of a single class, times their number.

    One more class stands for values that are not listed.
    """
    x, y = np.array(one), np.array(other)
    n, m = x.sum(), y.sum()
    table = np.array([[part[at].sum() for at in joined] for part in (x, y)])
    pearson = stats.chi2_contingency(table, correction=False).pvalue if len(joined) > 1 else 1.0
    tails = [
        2 * min(stats.fisher_exact([[a, n - a], [b, m - b]], alternative=tail).pvalue for tail in ("less", "greater"))
        for a, b in zip(one, other, strict=True)
    ]
    return min(1.0, 2 * min(pearson, (len(one) + 1) * min(tails)))


@pytest.mark.parametrize(
    ("one", "other", "joined"),
    [
        ([40, 30, 30], [20, 30, 50], [[0], [1], [2]]),
        ([400, 300, 300], [350, 300, 350], [[0], [1], [2]]),
        ([40, 30, 30], [38, 33, 29], [[0], [1], [2]]),
        ([50, 40, 3, 3, 4], [30, 50, 7, 6, 7], [[0], [1], [2, 3], [4]]),  # 4.5 expected are rare, 5 are not
        ([50, 44, 2, 2, 2], [30, 55, 5, 5, 5], [[0], [1], [2, 3, 4]]),
        ([60, 40, 1, 1], [30, 60, 6, 4], [[0], [1], [2, 3]]),
        ([70, 30, 1], [40, 60, 1], [[0], [1, 2]]),  # too rare even together: joined with the smallest other class
        ([100, 20, 20, 20], [10, 50, 50, 50], [[0], [1], [2], [3]]),
        ([30, 30, 30, 30, 2], [30, 30, 30, 30, 30], [[0], [1], [2], [3], [4]]),
        ([90, 10], [45, 55], [[0], [1]]),
        ([300, 20], [30, 20], [[0], [1]]),
    ],
)
def test_the_p_value_of_classes_is_that_of_scipy(one, other, joined):
    for first, second in ((one, other), (other, one)):
        row = drift_of(counts_as_values(first), counts_as_values(second))
        assert row["method"] == "frequent_items"
        assert row["p_value"] == pytest.approx(p_value_of(first, second, joined), rel=1e-6)


@pytest.mark.parametrize(
    ("counts", "joined"),
    [
        ([10, 0, 0, 0, 0, 0, 10, 10, 10, 10], [[0], [1, 2], [3, 4], [5, 6], [7], [8], [9]]),
        ([10, 10, 10, 10, 10, 0, 0, 0, 0, 0], [[0], [1], [2], [3], [4], [5, 6], [7, 8, 9]]),  # too few are left after 8
        ([5, 5, 5, 5, 5, 5, 5, 5, 5, 5], [[at] for at in range(10)]),
        ([50, 0, 0, 0, 0, 0, 0, 0, 0, 0], [[0], [1, 2], [3, 4], [5, 6], [7, 8, 9]]),
        ([10, 0, 0, 10, 0, 0, 10, 0, 0, 20], [[0], [1, 2], [3], [4, 5], [6], [7, 8], [9]]),  # Pearson's is smallest
        ([6, 4, 6, 4, 6, 4, 6, 4, 5, 5], [[0], [1, 2], [3, 4], [5, 6], [7, 8, 9]]),
    ],
)
def test_the_p_value_of_ordered_values_is_the_smallest_of_three_tests(counts, joined):
    """Ten bins of 20 values; fewer than 5 expected of the 50 values on the other side join the next bins."""
    reference = [at + 0.5 for at in range(200)]
    current = [20 * at + (number + 1) * 20 / (count + 1) for at, count in enumerate(counts) for number in range(count)]
    x, y = np.full(10, 20), np.array(counts)
    row = drift_of(reference, current)
    assert (row["method"], row["ks_lower"]) == ("quantiles", row["ks_upper"])
    distance = stats.ks_2samp(reference, current).statistic
    assert row["ks"] == pytest.approx(distance)
    massart = 2 * np.exp(-2 * 200 * 50 / 250 * distance**2)
    pearson = stats.chi2_contingency([[part[at].sum() for at in joined] for part in (x, y)], correction=False).pvalue
    tails = [
        2
        * stats.fisher_exact([[a, 200 - a], [b, 50 - b]], alternative="less" if a / 200 < b / 50 else "greater").pvalue
        for a, b in zip(x, y, strict=True)
    ]
    assert row["p_value"] == pytest.approx(min(1.0, 3 * min(massart, pearson, 10 * min(tails))), rel=1e-6)
