"""Figures of columns and groups: mixed types, empty columns, wrong use."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import polars as pl
import pytest

import polarsprof as pp
from polarsprof.errors import ArgumentError
from polarsprof.profiles.value_groups import GROUPS

UTC = dt.UTC
MOMENT = dt.datetime(2026, 1, 31, 23, 59, 59, 999_999)
FIGURES = ["min", "max", "min_ns", "max_ns", "sum", "mean", "variance", "stddev", "skewness", "kurtosis", "distinct"]


def records(*values: Any) -> pp.ColumnProfile:
    return pp.profile([{"c": value} for value in values])["c"]


@pytest.mark.parametrize("name", GROUPS)
def test_figures_of_an_empty_group_are_none_and_counts_zero(name: str) -> None:
    group = pp.GroupProfile(name, pp.ProfileSpec())
    assert [getattr(group, figure) for figure in FIGURES] == [None] * len(FIGURES)
    assert (group.quantile(0.5), group.quantiles([0, 1]), group.frequent_items(), group.count) == (None, None, [], 0)
    assert set(group.counters.counts.values()) == {0}
    assert not group.rank_error
    if group.length is not None:
        assert (group.length.count, group.length.mean, group.length.max) == (0, None, None)


def test_a_column_of_nulls_has_no_figures() -> None:
    column = pp.profile(pl.DataFrame({"c": [None, None]}, schema={"c": pl.Float64}))["c"]
    assert (column.rows, column.count, column.null_count, column.nan_count, column.true_count) == (2, 0, 2, 0, 0)
    assert (column.types, column.groups, column.frequent_items()) == ({}, (), [])
    for figure in ("min", "max", "sum", "mean", "variance", "stddev", "distinct", "length"):
        assert getattr(column, figure) is None
    assert (column.quantile(0.5), column.quantiles([0.1]), column.cdf(1.0)) == (None, None, None)


def test_figures_come_from_numbers_then_temporals_then_strings() -> None:
    column = records("z", MOMENT, 3, True, 1.5, b"b", [1], {"k": 1}, "a")
    assert column.groups == ("number", "datetime", "string", "boolean", "binary", "list", "struct")
    assert (column.min, column.max, column.sum, column.mean) == (1.5, 3, 4.5, 2.25)
    assert column.types == {
        "integral": 1, "fractional": 1, "temporal": 1, "string": 2, "boolean": 1, "binary": 1, "list": 1, "struct": 1,
    }  # fmt: skip
    assert column.count == 9
    assert column.group("string").min == "a"
    assert column.group("temporal").max == MOMENT
    assert column.group("integral").max == column.group("fractional").max == 3
    assert records("z", MOMENT).min == MOMENT
    assert records("z", True).min == "z"


def test_values_of_different_types_are_distinct() -> None:
    column = records(2, 2.0, "2", b"2", MOMENT)
    assert column.distinct is not None
    assert round(column.distinct.estimate) == 3  # the number and the datetime; text and its UTF-8 bytes have one hash
    assert {type(item.value) for item in column.frequent_items()} == {int, str, bytes, dt.datetime}


def test_true_is_the_number_one_among_numbers() -> None:
    column = records(1, True, False, 0, 7)
    assert column.distinct is not None
    assert round(column.distinct.estimate) == 3
    assert (column.sum, column.true_count, column.group("boolean").count) == (8, 1, 2)


def test_an_absent_group_is_empty() -> None:
    column = records(1)
    for name in (*GROUPS, "integral", "fractional", "temporal"):
        assert column.group(name).count == (1 if name in ("number", "integral", "fractional") else 0)


@pytest.mark.parametrize("name", ["strings", "", "Number", "int"])
def test_an_unknown_group_is_refused_by_name(name: str) -> None:
    with pytest.raises(ArgumentError, match=f"name: got '{name}'.*expected one of number"):
        records(1).group(name)


@pytest.mark.parametrize("q", [-0.1, 1.1, math.nan, math.inf, "0.5", None])
def test_ranks_outside_zero_to_one_are_refused(q: Any) -> None:
    for column in (records(1), records("a")):
        with pytest.raises(ArgumentError, match=r"q: got .*a rank from 0 to 1"):
            column.quantile(q)


def test_a_negative_number_of_items_is_refused() -> None:
    for value in (1, "a", True):
        with pytest.raises(ArgumentError, match="n: got -1"):
            records(value).group(records(value).groups[0]).frequent_items(-1)


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        (1, ["1", None, MOMENT, math.nan]),
        (MOMENT, [MOMENT.replace(tzinfo=UTC), MOMENT.date(), 5]),
        (MOMENT.replace(tzinfo=UTC), [MOMENT, 5]),
        (MOMENT.date(), [MOMENT, 5]),
        (dt.time(1), [dt.time(1, tzinfo=UTC), 5]),
        (dt.timedelta(1), [5, dt.time(1)]),
    ],
)
def test_a_cdf_at_a_value_of_another_kind_is_refused(value: Any, wrong: list[Any]) -> None:
    column = records(value)
    assert column.cdf(value) == 1.0
    for x in wrong:
        with pytest.raises(ArgumentError, match=r"x: got .*comparable with group"):
            column.cdf(x)


@pytest.mark.parametrize(
    ("values", "below"),
    [
        ([MOMENT, MOMENT + dt.timedelta(microseconds=1)], MOMENT - dt.timedelta(microseconds=1)),
        ([dt.date(1, 1, 1), dt.date(9999, 12, 31)], None),
        ([dt.time(0, 0, 1), dt.time(23, 59, 59, 999_999)], dt.time(0)),
        ([dt.timedelta(days=-1), dt.timedelta(microseconds=1)], dt.timedelta(days=-2)),
        ([MOMENT.replace(tzinfo=UTC), MOMENT.replace(year=9999, tzinfo=UTC)], MOMENT.replace(year=1, tzinfo=UTC)),
        ([dt.datetime.min, dt.datetime.max], None),
        ([-math.inf, math.inf], None),
        ([1, 2**80], 0),
    ],
)
def test_quantiles_and_cdf_use_the_values_of_the_column(values: list[Any], below: Any) -> None:
    column = records(*values)
    assert column.quantiles([0.0, 0.5, 1.0]) == [values[0], values[0], values[1]]
    assert (column.cdf(values[0]), column.cdf(values[1])) == (0.5, 1.0)
    if below is not None:
        assert column.cdf(below) == 0.0


def test_years_beyond_python_stay_ticks() -> None:
    far = 2**62
    column = pp.profile(pl.DataFrame({"c": pl.Series([far]).cast(pl.Datetime("ms"))}))["c"]
    assert column.min == column.group("datetime").min_ns == far * 1_000_000
    days = pp.profile(pl.DataFrame({"c": pl.Series([2**31 - 1], dtype=pl.Int32).cast(pl.Date)}))["c"]
    assert (days.min, days.quantile(0.5)) == (2**31 - 1, 2**31 - 1)
    assert days.group("date").min_ns is None


def test_minus_zero_is_zero() -> None:
    column = records(-0.0, 0.0, 0)
    assert math.copysign(1, column.min) == 1
    assert column.distinct is not None
    assert round(column.distinct.estimate) == 1
    assert [(item.value, item.estimate) for item in column.frequent_items()] == [(0, 3)]


def test_nan_is_a_value_that_is_not_ordered() -> None:
    column = records(math.nan, math.nan, 1.0)
    assert (column.count, column.nan_count, column.null_count, column.min, column.sum) == (3, 2, 0, 1.0, 1.0)
    assert column.cdf(1.0) == 1.0
    assert column.distinct is not None
    assert round(column.distinct.estimate) == 2
    assert column.frequent_items(1)[0].estimate == 2
    assert (records(math.nan).min, records(math.nan).sum, records(math.nan).quantile(0.5)) == (None, None, None)


def test_a_missing_column_is_named_with_the_existing_ones() -> None:
    profile = pp.profile([{"price": 1}])
    with pytest.raises(KeyError, match="no column 'cost'; there are 'price'"):
        profile["cost"]
    assert "price" in profile
    assert "cost" not in profile
    assert repr(profile["price"]) == "ColumnProfile('price', count=1, null_count=0, types={'integral': 1})"


def test_a_distribution_is_exact_while_every_value_is_listed() -> None:
    found = pp.profile(pl.DataFrame({"c": [i % 300 for i in range(30_000)]}))["c"].group("number")
    assert found.rank_error is not None
    assert found.rank_error > 0
    distribution = found.distribution()
    assert distribution is not None
    assert (distribution.values.tolist(), set(distribution.weights.tolist())) == (list(range(300)), {100})
    assert (distribution.error, distribution.n, found.unlisted_count) == (0, 30_000, 0)


def test_a_distribution_leaves_nan_out_and_counts_days_and_microseconds() -> None:
    numbers = pp.profile(pl.DataFrame({"c": [1.5, math.nan, -math.inf, 1.5]}))["c"].group("number").distribution()
    assert numbers is not None
    assert (numbers.values.tolist(), numbers.weights.tolist()) == ([-math.inf, 1.5], [1, 2])
    moments = records(dt.datetime(1970, 1, 1, 0, 0, 1)).group("datetime").distribution()
    assert moments is not None
    assert moments.values.tolist() == [1e6]
    days = records(dt.date(1970, 1, 3)).group("date").distribution()
    assert days is not None
    assert days.values.tolist() == [2]


def test_groups_without_order_have_no_distribution() -> None:
    assert records("a").group("string").distribution() is None
    assert records(math.nan).group("number").distribution() is None
    assert pp.GroupProfile("number", pp.ProfileSpec()).distribution() is None
    assert (records(True).group("boolean").unlisted_count, records([1]).group("list").unlisted_count) == (0, None)
    spec = pp.ProfileSpec(lg_items=3)
    text = pp.profile(pl.DataFrame({"c": [str(i) for i in range(50)]}), spec=spec)["c"].group("string")
    assert text.unlisted_count is not None
    assert text.unlisted_count >= 1
