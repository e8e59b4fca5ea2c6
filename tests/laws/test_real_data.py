"""Real data: merged windows equal one pass, and a group-by in Polars."""

from __future__ import annotations

import itertools
import math
import random
import subprocess
import sys
from datetime import timedelta

import polars as pl
import pytest

import polarsprof as pp
from polarsprof.testing import assert_profile_equal


@pytest.fixture(scope="module")
def flights(nycflights) -> pl.DataFrame:
    """The first 60,000 flights from New York in 2013."""
    return pl.read_csv(nycflights, null_values="NA", n_rows=60_000, try_parse_dates=True)


def test_random_splits_of_the_flights_merge_to_one_pass(flights):
    whole = pp.profile(flights)
    for seed in range(3):
        generator = random.Random(seed)
        cuts = [0, *sorted(generator.sample(range(1, flights.height), 40)), flights.height]
        parts = [pp.profile(flights[start:end]) for start, end in itertools.pairwise(cuts)]
        assert len(parts) == 41
        generator.shuffle(parts)
        merged = pp.merge(pp.Profile.from_bytes(part.to_bytes()) for part in parts)
        assert_profile_equal(merged, whole)


def test_the_profile_of_the_flights_agrees_with_polars(flights):
    profile = pp.profile(flights)
    assert list(profile.columns) == sorted(flights.columns)
    for name in flights.columns:
        column, values = profile[name], flights[name]
        assert (column.count, column.null_count) == (values.count(), values.null_count())
        if values.dtype.is_temporal() and values.dtype.time_zone:
            values = values.dt.convert_time_zone("UTC")
        assert (column.min, column.max) == (values.min(), values.max())
        unique = values.drop_nulls().n_unique()
        assert column.distinct.lower <= unique * 1.0001
        assert column.distinct.upper >= unique * 0.9999
        counts = dict(values.drop_nulls().value_counts().iter_rows())
        for item in column.frequent_items(20):
            assert item.lower <= counts[item.value] <= item.upper
        if values.dtype.is_numeric():
            assert column.sum == values.sum()
            assert math.isclose(column.mean, values.mean())
            assert math.isclose(column.stddev, values.std(), rel_tol=1e-9)
            ranked = values.drop_nulls().sort()
            for q in (0.05, 0.25, 0.5, 0.75, 0.95):
                found = column.quantile(q)
                below, upto = (ranked < found).mean(), (ranked <= found).mean()
                assert below - 0.0166 <= q <= upto + 0.0166


def test_the_stream_command_equals_a_group_by_of_3_million_flights(vega_flights, tmp_path):
    command = [sys.executable, "-m", "polarsprof", "stream", str(vega_flights), "--dataset", "flights"]
    command += ["--rotate", "1d", "--timestamp", "date", "--store", str(tmp_path / "store")]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    store = pp.ProfileStore(tmp_path / "store")
    frame = pl.read_parquet(vega_flights)
    numbers = ("delay", "distance")
    figures = [
        figure.alias(f"{name} {what}")
        for name in frame.columns
        for what, figure in (
            ("nulls", pl.col(name).null_count()),
            ("min", pl.col(name).min()),
            ("max", pl.col(name).max()),
            *((("sum", pl.col(name).sum()),) if name in numbers else ()),
        )
    ]
    day = pl.col("date").dt.truncate("1d").alias("day")
    days = frame.group_by(day).agg(pl.len().alias("rows"), *figures).sort("day")
    windows = store.windows("flights")
    assert [window.start.replace(tzinfo=None) for window in windows] == days["day"].to_list()
    assert {window.end - window.start for window in windows} == {timedelta(days=1)}
    for window, expected in zip(windows, days.iter_rows(named=True), strict=True):
        profile = store.read("flights", window.start, window.end)
        assert profile.rows == expected["rows"]
        for name in frame.columns:
            column = profile[name]
            assert (column.null_count, column.min, column.max) == tuple(
                expected[f"{name} {what}"] for what in ("nulls", "min", "max")
            )
            if name in numbers:
                assert column.sum == expected[f"{name} sum"]
    assert store.read("flights").rows == frame.height
