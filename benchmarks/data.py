"""Generated data from fixed seeds: the same rows on every run and machine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import polars as pl

from polarsprof import profile

_SEED: Final = 20_260_131
_VALUES: Final = 1_000_000
_GOLDEN: Final = 0x9E37_79B9_7F4A_7C15  # odd, so multiplying by it permutes the 64-bit integers
START: Final = datetime(2025, 1, 1, tzinfo=UTC)


def zipf(rows: int, rng: np.random.Generator) -> pl.Series:
    """Integers 1 to 1,000,000, where n has a frequency proportional to n^-1.3."""
    weights = np.arange(1, _VALUES + 1, dtype=np.float64) ** -1.3
    shares = np.cumsum(weights) / weights.sum()
    return pl.Series(np.searchsorted(shares, rng.random(rows)).astype(np.int64) + 1)


def long_strings(rows: int, first: int = 0) -> pl.Series:
    """Distinct URLs of 50 to 60 characters, in no order."""
    numbers = np.arange(first, first + rows, dtype=np.uint64) * np.uint64(_GOLDEN)
    text = pl.format("https://shop.example/item/{}/reviews", pl.col("n"))
    return pl.DataFrame({"n": numbers}).select(text).to_series()


def mixed(rows: int, seed: int = _SEED) -> pl.DataFrame:
    """The frame of the budgets: integers, floats, four short strings, long strings.

    The long strings are distinct.
    """
    rng = np.random.default_rng(seed)
    short = pl.Series(["north", "south", "east", "west"])
    return pl.DataFrame(
        {
            "integer": zipf(rows, rng),
            "float": rng.normal(10.0, 3.0, rows),
            "short string": short.gather(rng.integers(0, 4, rows)),
            "long string": long_strings(rows),
        }
    )


def more_kinds(rows: int) -> pl.DataFrame:
    """The mixed frame with the other kinds of columns."""
    rng = np.random.default_rng(_SEED + 1)
    seconds = pl.lit(pl.Series(rng.integers(0, 31_536_000, rows)))
    return mixed(rows).with_columns(
        pl.Series("distinct integer", rng.permutation(rows)),
        pl.Series("boolean", rng.random(rows) < 0.5),
        (pl.lit(START) + pl.duration(seconds=seconds)).alias("datetime"),
        (pl.lit(START.date()) + pl.duration(days=seconds // 86_400)).alias("date"),
        long_strings(rows).cast(pl.Binary).alias("binary"),
    )


def records(rows: int) -> list[dict[str, Any]]:
    """Records of ten fields: three integers, three floats, three strings, one boolean."""
    rng = np.random.default_rng(_SEED + 2)
    columns = {
        "id": np.arange(rows).tolist(),
        "quantity": zipf(rows, rng).to_list(),
        "status": rng.choice([200, 204, 301, 404, 500], rows).tolist(),
        "price": rng.normal(50.0, 12.0, rows).round(2).tolist(),
        "weight": rng.exponential(2.0, rows).tolist(),
        "score": rng.random(rows).tolist(),
        "country": rng.choice(["de", "fr", "jp", "us"], rows).tolist(),
        "user": [f"user-{number}" for number in rng.integers(0, 5_000, rows).tolist()],
        "page": long_strings(rows).to_list(),
        "active": (rng.random(rows) < 0.9).tolist(),
    }
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def wide(rows: int, columns: int, seed: int = _SEED) -> pl.DataFrame:
    """A frame of `columns` columns: integers, floats, words and names in turn.

    Integers are below a million; there are four words and 5,000 names.
    """
    rng = np.random.default_rng(seed)
    makers = {
        "integer": lambda: pl.Series(rng.integers(0, _VALUES, rows)),
        "float": lambda: pl.Series(rng.normal(10.0, 3.0, rows)),
        "word": lambda: pl.Series(["north", "south", "east", "west"]).gather(rng.integers(0, 4, rows)),
        "name": lambda: pl.Series([f"user-{number}" for number in rng.integers(0, 5_000, rows).tolist()]),
    }
    kinds = list(makers)
    return pl.DataFrame([makers[kinds[at % 4]]().alias(f"{kinds[at % 4]} {at}") for at in range(columns)])


def hourly_profiles(windows: int, rows: int) -> list[bytes]:
    """Profiles of 20 columns as bytes, five of each kind, with new values per window."""
    return [_twenty_columns(rows, _SEED + number) for number in range(windows)]


def _twenty_columns(rows: int, seed: int) -> bytes:
    frames = [mixed(rows, seed + 10_000 * part) for part in range(5)]
    columns = [series.alias(f"{series.name} {part}") for part, frame in enumerate(frames) for series in frame]
    return profile(pl.DataFrame(columns)).to_bytes()


def in_windows(rows: int, windows: int) -> pl.DataFrame:
    """Integers and floats with event times spread over `windows` hours.

    Adjacent rows are in different windows if there are several.
    """
    hours = np.arange(rows) % windows
    times = pl.Series("at", [START + timedelta(hours=hour) for hour in range(windows)]).gather(hours)
    return mixed(rows).select("integer", "float").with_columns(times)
