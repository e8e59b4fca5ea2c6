"""Plots are valid Vega-Lite with the figures of the profile and cleaned text."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from polars.testing.parametric import dataframes
from support.shown import HOSTILE, is_harmless, profile_of
from test_strip import timeline

from polarsprof.errors import ArgumentError
from polarsprof.profiles.profile import Profile
from polarsprof.views.vega import SCHEMA, quantile_bands

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
KINDS = ("histogram", "cdf", "top_values")


def checked(spec: dict[str, Any]) -> dict[str, Any]:
    """The specification after a round trip through JSON and a check by Altair."""
    altair = pytest.importorskip("altair")
    altair.Chart.from_dict(spec)
    found: dict[str, Any] = json.loads(json.dumps(spec, allow_nan=False))
    assert found["$schema"] == SCHEMA
    return found


def values_of(frame: pl.DataFrame, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = checked(profile_of(frame)["v"].to_vega(kind))["data"]["values"]
    return found


def test_a_histogram_counts_the_values_between_its_ends() -> None:
    values = np.random.default_rng(5).integers(0, 60, 150)  # few enough for the sketch to retain all
    bins = values_of(pl.DataFrame({"v": values}), "histogram")
    for one in bins:
        assert one["share"] == pytest.approx(((one["start"] < values) & (values < one["end"])).mean())
    assert sum(one["share"] for one in bins) == pytest.approx(1)


def test_a_cdf_gives_the_share_at_or_below() -> None:
    values = np.random.default_rng(6).normal(size=150)
    for point in values_of(pl.DataFrame({"v": values}), "cdf"):
        assert point["value"] == pytest.approx(np.quantile(values, point["rank"], method="inverted_cdf"))


def test_top_values_have_their_counts_and_bounds() -> None:
    found = values_of(pl.DataFrame({"v": ["a"] * 5 + ["b"] * 3 + ["c"]}), "top_values")
    assert [(one["value"], one["count"], one["lower"], one["upper"]) for one in found] == [
        ("a", 5, 5, 5),
        ("b", 3, 3, 3),
        ("c", 1, 1, 1),
    ]


@pytest.mark.parametrize(
    ("values", "first", "last", "axis"),
    [
        ([NOON, NOON + timedelta(days=1)], "2026-01-01T12:00:00Z", "2026-01-02T12:00:00Z", "temporal"),
        ([NOON.replace(tzinfo=None)] * 2, "2026-01-01T12:00:00Z", "2026-01-01T12:00:00Z", "temporal"),
        ([date(2026, 1, 1), date(2026, 1, 3)], "2026-01-01", "2026-01-03", "temporal"),
        ([time(1), time(2, 0, 0, 500_000)], 3_600, 7_200.5, "quantitative"),
        ([timedelta(hours=-1), timedelta(days=1)], -3_600, 86_400, "quantitative"),
        ([float("-inf"), 1.0, 2.0, float("inf")], 1, 2, "quantitative"),
        (["a", "abc"], 1, 3, "quantitative"),
    ],
    ids=repr,
)
def test_values_are_in_units_that_json_says(values: list[Any], first: Any, last: Any, axis: str) -> None:
    spec = checked(profile_of(pl.DataFrame({"v": values}))["v"].to_vega("cdf"))
    points = [point["value"] for point in spec["data"]["values"]]
    assert (points[0], points[-1]) == (first, last)
    assert spec["encoding"]["x"]["type"] == axis


@pytest.mark.parametrize("values", [[date(1, 1, 1), date(9999, 12, 31)], [datetime(1, 1, 1), datetime.max]], ids=repr)
def test_the_ends_of_time_have_a_histogram(values: list[Any]) -> None:
    assert sum(one["share"] for one in values_of(pl.DataFrame({"v": values}), "histogram")) == pytest.approx(1)


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_text_is_cleaned_and_cut(kind: str) -> None:
    profile = profile_of(pl.DataFrame(dict.fromkeys(HOSTILE, HOSTILE * 2)))
    for column in profile.columns.values():
        spec = checked(column.to_vega(kind))
        texts = [value for row in spec["data"]["values"] for value in row.values() if isinstance(value, str)]
        texts += [spec["description"], str(spec["encoding"].get("x", spec["encoding"]["y"])["title"])]
        assert all(is_harmless(shown) and len(shown) < 300 for shown in texts)


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_column_has_an_empty_plot(kind: str) -> None:
    assert checked(Profile().column("v").to_vega(kind))["data"]["values"] == []


@settings(max_examples=5)
@given(dataframes(max_cols=2, max_size=12, allow_null=True))
def test_any_column_has_valid_plots(frame: pl.DataFrame) -> None:
    for column in profile_of(frame).columns.values():
        for kind in KINDS:
            checked(column.to_vega(kind))


def test_bands_pair_the_quantiles_from_outside_in() -> None:
    names = ["q95", "q05", "median", "q25", "q99.9", "q75", "q0.1"]
    found = timeline([3, 0, 2], **{name: [1.0, None, 2.0] for name in names})
    spec = checked(quantile_bands(found))
    bands = [(layer["encoding"]["y"]["field"], layer["encoding"]["y2"]["field"]) for layer in spec["layer"][:-1]]
    assert bands == [("q0_1", "q99_9"), ("q05", "q95"), ("q25", "q75")]
    assert spec["layer"][-1]["encoding"]["y"]["field"] == "median"
    assert [row["median"] for row in spec["data"]["values"]] == [1.0, None, 2.0]
    assert spec["data"]["values"][0]["window_start"] == "2026-01-05T00:00:00Z"


def test_bands_of_times_are_on_an_axis_of_time() -> None:
    spec = checked(quantile_bands(timeline([1], q05=[date(2026, 1, 1)], q95=[date(2026, 2, 1)])))
    assert spec["layer"][0]["encoding"]["y"]["type"] == "temporal"
    assert len(spec["layer"]) == 1


@pytest.mark.parametrize(
    ("frame", "metrics", "named"),
    [
        (5, None, "timeline"),
        (timeline([1], mean=[1.0]), None, "metrics"),
        (timeline([1], mean=[1.0]), "mean", "metrics"),
        (timeline([1], mean=[1.0]), 5, "metrics"),
        (timeline([1], mean=[1.0]), ["q05"], "metrics"),
        (timeline([1], mean=[1.0]), [["mean"]], "metrics"),
        (timeline([1], q05=["text"]), None, "metrics"),
    ],
)
def test_wrong_use_names_the_argument(frame: Any, metrics: Any, named: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        quantile_bands(frame, metrics)
    assert caught.value.argument == named
    with pytest.raises(ArgumentError, match="kind"):
        Profile().column("v").to_vega("pie")
