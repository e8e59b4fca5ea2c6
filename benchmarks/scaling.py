"""How time and memory grow with rows, columns, distinct values and open windows."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
import pyarrow.parquet as pq

import polarsprof as pp
from benchmarks import data
from benchmarks.measure import Line, Pairs, Setup, median_ms, milliseconds, slope
from benchmarks.processes import run_step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_GROUP_ROWS: Final = 100_000


def slopes(setup: Setup) -> Iterator[Line]:
    """Exponents of the growth of time: 1 is proportional, 0 is constant."""
    for dimension, sizes, times in (_rows(setup), _columns(setup), _distinct(setup), _open_windows(setup)):
        span = f"{sizes[0]:,} to {sizes[-1]:,}"
        yield Line(suite="scaling", what=f"time by {dimension}, {span}", unit="exponent", ours=slope(sizes, times))


def _rows(setup: Setup) -> tuple[str, Sequence[int], Sequence[float]]:
    mixed = data.mixed(setup.rows)
    sizes = [max(1, setup.rows // part) for part in (16, 8, 4, 2, 1)]
    return "rows", sizes, [_profile_ms(mixed.head(size), setup) for size in sizes]


def _columns(setup: Setup) -> tuple[str, Sequence[int], Sequence[float]]:
    one = data.mixed(max(1, setup.rows // 16))["float"]
    sizes = [1, 2, 4, 8, 16, 32]
    frames = (pl.DataFrame([one.alias(f"float {number}") for number in range(size)]) for size in sizes)
    return "columns", sizes, [_profile_ms(frame, setup) for frame in frames]


def _distinct(setup: Setup) -> tuple[str, Sequence[int], Sequence[float]]:
    rng = np.random.default_rng(1)
    sizes = [size for size in (4**power for power in range(1, 12)) if size <= setup.rows]
    columns = (pl.DataFrame({"value": rng.integers(0, size, setup.rows)}) for size in sizes)
    return "distinct values", sizes, [_profile_ms(frame, setup) for frame in columns]


def _open_windows(setup: Setup) -> tuple[str, Sequence[int], Sequence[float]]:
    sizes = [1, 2, 4, 8, 16, 32, 64]
    frames = (data.in_windows(max(64, setup.rows // 4), size) for size in sizes)
    return "open windows", sizes, [_median(partial(_log_frame_ms, frame), setup) for frame in frames]


def _profile_ms(frame: pl.DataFrame, setup: Setup) -> float:
    return median_ms(lambda: pp.profile(frame), _repeats(setup))


def _median(timed_ms: Callable[[], float], setup: Setup) -> float:
    timed_ms()
    return float(np.median([timed_ms() for _ in range(_repeats(setup))]))


def _repeats(setup: Setup) -> int:
    return 2 if setup.quick else 5


def _log_frame_ms(frame: pl.DataFrame) -> float:
    """Time until all rows are in open windows, without sealing and writing."""
    with (
        TemporaryDirectory() as store,
        pp.Session(store) as session,
        session.logger("scaling", with_rotation_time="1h", timestamp="at", max_out_of_orderness="30d") as logger,
    ):
        return milliseconds(lambda: logger.log_frame(frame))


def memory(setup: Setup) -> Iterator[Line]:
    """Peak memory of a process that profiles a Parquet file, at ten times the rows."""
    rows = max(1, setup.rows // 2)
    what = f"peak memory, Parquet of {10 * rows:,} rows"
    against = f"{rows:,} rows"
    if not Path("/proc/self/status").exists():
        yield Line(
            suite="memory", what=what, against=against, skipped="the system does not report peak memory in /proc"
        )
        return
    repeats = 1 if setup.quick else 3
    with TemporaryDirectory() as directory:
        small, large = Path(directory, "small.parquet"), Path(directory, "large.parquet")
        _write(small, rows)
        _write(large, 10 * rows)
        peaks = [[run_step("profile", str(path)).peak_mib for path in (large, small)] for _ in range(repeats)]
    larger, smaller = zip(*peaks, strict=True)
    yield Pairs(larger, smaller).line("memory", what, against, unit="MiB", budget=1.1, goal=1.1)


def _write(path: Path, rows: int) -> None:
    """Write the mixed frame in row groups, so that it is never whole in memory.

    All long strings differ, as in one frame.
    """
    schema = data.mixed(1).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
    with pq.ParquetWriter(path, schema) as writer:
        for first in range(0, rows, _GROUP_ROWS):
            count = min(_GROUP_ROWS, rows - first)
            part = data.mixed(count, seed=first).with_columns(data.long_strings(count, first).alias("long string"))
            writer.write_table(part.to_arrow(compat_level=pl.CompatLevel.oldest()))
