"""The peers: each is a context manager that prepares a frame and yields the run.

The preparation is not timed, and uses the preferred format of the peer. A peer that is not installed raises `Skip` with
the reason.
"""

from __future__ import annotations

import importlib
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from benchmarks.measure import Setup, Skip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

QUANTILES: Final = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_WHYLOGS: Final = """
import sys
import pandas, whylogs
frame = pandas.read_parquet(sys.argv[1])
print("ready", flush=True)
for _ in sys.stdin:
    whylogs.log(frame)
    print("done", flush=True)
"""


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Skip(f"cannot import {name}: {error}") from error


@contextmanager
def duckdb_summarize(frame: pl.DataFrame, setup: Setup) -> Iterator[Callable[[], object]]:
    """DuckDB's SUMMARIZE of an in-memory table."""
    duckdb = _module("duckdb")
    with duckdb.connect(":memory:", config={"threads": setup.threads}) as connection:
        connection.register("frame", frame.to_arrow())
        connection.execute("CREATE TABLE data AS SELECT * FROM frame")
        connection.unregister("frame")
        yield lambda: connection.execute("SUMMARIZE data").fetchall()


@contextmanager
def clickhouse(frame: pl.DataFrame, setup: Setup) -> Iterator[Callable[[], object]]:
    """ClickHouse in this process: aggregates closest to a profile, on engine Memory."""
    session = _module("chdb.session").Session()
    try:
        # ClickHouse finds the table by the name of this variable.
        data = frame.rename(_plain_name).to_arrow(compat_level=pl.CompatLevel.oldest())  # noqa: F841
        types = ", ".join(f"{_plain_name(name)} {_clickhouse_type(dtype)}" for name, dtype in frame.schema.items())
        session.query("CREATE DATABASE benchmarks")
        session.query(f"CREATE TABLE benchmarks.data ({types}) ENGINE = Memory")
        session.query("INSERT INTO benchmarks.data SELECT * FROM Python(data)")
        query = f"SELECT {_aggregates(frame)} FROM benchmarks.data SETTINGS max_threads = {setup.threads}"  # noqa: S608
        yield lambda: session.query(query).bytes()
    finally:
        session.close()


@contextmanager
def describe(frame: pl.DataFrame, _: Setup) -> Iterator[Callable[[], object]]:
    """Polars' describe(): exact quartiles, without sketches, cannot be merged."""
    yield frame.describe


@contextmanager
def dataprof(frame: pl.DataFrame, _: Setup) -> Iterator[Callable[[], object]]:
    """dataprof with statistics alone, without patterns and quality scores."""
    profile = _module("dataprof").profile
    yield lambda: profile(frame, metrics=["statistics"])


@contextmanager
def netra(frame: pl.DataFrame, _: Setup) -> Iterator[Callable[[], object]]:
    """netra-profiler with default options."""
    profiler = _module("netra_profiler").Profiler
    yield lambda: profiler(frame).run()


@contextmanager
def whylogs(frame: pl.DataFrame, setup: Setup) -> Iterator[Callable[[], object]]:
    """whylogs on a pandas frame, in another interpreter since it needs numpy below 2.

    Reading the frame is not timed.
    """
    if setup.whylogs is None:
        raise Skip("--whylogs does not name a Python that has whylogs and numpy below 2")
    with TemporaryDirectory() as directory:
        path = Path(directory, "frame.parquet")
        frame.write_parquet(path)
        environment = os.environ | {"WHYLOGS_NO_ANALYTICS": "True"}
        with subprocess.Popen(
            [setup.whylogs, "-W", "ignore", "-c", _WHYLOGS, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        ) as process:
            _wait_for("ready", process)
            yield lambda: _ask(process)


@contextmanager
def kll_update(values: NDArray[Any], k: int = 200) -> Iterator[Callable[[], object]]:
    """DataSketches' own KLL sketch of doubles over the same array."""
    sketch = _module("datasketches").kll_doubles_sketch
    yield lambda: sketch(k).update(values)


FRAME_PEERS: Final[dict[str, Callable[[pl.DataFrame, Setup], AbstractContextManager[Callable[[], object]]]]] = {
    "DuckDB SUMMARIZE": duckdb_summarize,
    "ClickHouse (chdb)": clickhouse,
    "Polars describe()": describe,
    "dataprof": dataprof,
    "netra-profiler": netra,
    "whylogs 1.6.4": whylogs,
}


def _plain_name(name: str) -> str:
    return name.replace(" ", "_")


def _clickhouse_type(dtype: pl.DataType) -> str:
    return "String" if dtype == pl.String else str(dtype)


def _aggregates(frame: pl.DataFrame) -> str:
    ranks = ", ".join(map(str, QUANTILES))
    plain = ("count", "min", "max", "uniqHLL12", "topK(10)")
    numeric = (*plain, "avg", "stddevSamp", f"quantilesTDigest({ranks})")
    calls = (
        f"{function}({_plain_name(name)})"
        for name, dtype in frame.schema.items()
        for function in (numeric if dtype.is_numeric() else plain)
    )
    return ", ".join(calls)


def _ask(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    _wait_for("done", process)


def _wait_for(word: str, process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == word:
            return
    raise Skip(f"the Python of --whylogs ended before it was {word}; has it whylogs, pandas and pyarrow?")
