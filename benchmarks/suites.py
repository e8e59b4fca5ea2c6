"""The suites: generators of lines.

Budgets bound the ratio ours ÷ theirs, or the figure of a line without a peer.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from functools import partial
from tempfile import TemporaryDirectory
from time import perf_counter_ns, sleep
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

import polarsprof as pp
from benchmarks import data, durability, peers, scaling, sources, stores
from benchmarks.measure import Line, Setup, Skip, median_ms, paired
from benchmarks.real import DATA_SETS
from polarsprof.files import profile_pb2 as pb
from polarsprof.profiles.reading import write_groups

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from polarsprof.profiles.column import ColumnProfile

# Peer → (budget, goal) for the whole profile of the mixed frame.
_FRAME_BUDGETS: Final[Mapping[str, tuple[float, float]]] = {
    "DuckDB SUMMARIZE": (1 / 3, 1 / 5),
    "ClickHouse (chdb)": (1 / 1.3, 1 / 2.5),
    "Polars describe()": (1.5, 1.0),
}
_PERCENTILES: Final = (50.0, 99.0, 99.9)
_HOURS_PER_YEAR: Final = 8_760


def frame(setup: Setup) -> Iterator[Line]:
    """The profile of the mixed frame against every peer."""
    mixed = data.mixed(setup.rows)
    for against, peer in peers.FRAME_PEERS.items():
        budget, goal = _FRAME_BUDGETS.get(against, (None, None))
        what = f"mixed frame, {setup.rows:,} rows"
        opened = partial(peer, mixed, setup)
        yield _against(mixed, opened, setup, suite="frame", what=what, against=against, budget=budget, goal=goal)


def column(setup: Setup) -> Iterator[Line]:
    """Each kind of column alone."""
    kinds = data.more_kinds(setup.rows)
    for name in kinds.columns:
        one = kinds.select(name)
        what = f"{name} column"
        opened = partial(peers.describe, one, setup)
        yield _against(one, opened, setup, suite="column", what=what, against="Polars describe()")
        if one[name].dtype.is_numeric():
            # The sketch needs a writable array; the cast is not timed.
            opened = partial(peers.kll_update, one[name].cast(pl.Float64).to_numpy(writable=True))
            against = "DataSketches KLL update"
            yield _against(one, opened, setup, suite="column", what=what, against=against, budget=1.5, goal=1.0)


def _against(
    ours: pl.DataFrame,
    opened: Callable[[], AbstractContextManager[Callable[[], object]]],
    setup: Setup,
    *,
    suite: str,
    what: str,
    against: str,
    budget: float | None = None,
    goal: float | None = None,
) -> Line:
    try:
        with opened() as theirs:
            pairs = paired(lambda: pp.profile(ours), theirs, setup)
    except Skip as reason:
        return Line(suite=suite, what=what, against=against, skipped=str(reason))
    return pairs.line(suite, what, against, budget=budget, goal=goal)


@contextmanager
def _logger(**options: Any) -> Iterator[pp.Logger]:
    with TemporaryDirectory() as store, pp.Session(store) as session, session.logger("benchmark", **options) as logger:
        yield logger


def record(setup: Setup) -> Iterator[Line]:
    """`log(record)` and a flush against `json.loads`, and latencies of single calls."""
    records = data.records(max(1, setup.rows // 20))
    lines = [json.dumps(entry) for entry in records]

    def parse() -> None:
        for line in lines:
            json.loads(line)

    with _logger() as logger:

        def log() -> None:
            for entry in records:
                logger.log(entry)
            logger.flush()

        what = f"log(record) of 10 fields, {len(records):,} times, and flush"
        yield paired(log, parse, setup).line("record", what, "json.loads", budget=0.5, goal=0.25)
    yield from _latencies("as fast as it goes", records, pause_every=len(records))
    yield from _latencies("with pauses, 20,000 a second at most", records, pause_every=100)


def _latencies(pace: str, records: list[dict[str, Any]], pause_every: int) -> Iterator[Line]:
    """Percentiles of single calls while the background thread profiles and publishes."""
    latencies_ns = np.empty(len(records))
    with _logger(with_rotation_time="1s") as logger:
        for number, entry in enumerate(records):
            if number % pause_every == 0:
                sleep(0.005)
            start_ns = perf_counter_ns()
            logger.log(entry)
            latencies_ns[number] = perf_counter_ns() - start_ns
    for percentile, value in zip(_PERCENTILES, np.percentile(latencies_ns, _PERCENTILES).tolist(), strict=True):
        yield Line(suite="record", what=f"one log(record), p{percentile:g}, {pace}", unit="µs", ours=value / 1e3)


def lines_of_json(setup: Setup) -> Iterator[Line]:
    """`log_json` and a flush against `pl.read_ndjson` of the same bytes."""
    records = data.records(max(1, setup.rows // 10))
    text = "\n".join(map(json.dumps, records)).encode()
    with _logger() as logger:

        def log() -> None:
            logger.log_json(text)
            logger.flush()

        what = f"log_json of {len(records):,} lines, and flush"
        theirs = paired(log, lambda: pl.read_ndjson(text), setup)
        yield theirs.line("json", what, "pl.read_ndjson", budget=2.0, goal=1.3)


def merge(setup: Setup) -> Iterator[Line]:
    """A year of hourly windows with 20 columns, from file bytes to one profile."""
    windows = 240 if setup.quick else _HOURS_PER_YEAR
    distinct = data.hourly_profiles(min(windows, 24 if setup.quick else 365), 2_000)
    year = [distinct[hour % len(distinct)] for hour in range(windows)]
    seconds = median_ms(lambda: pp.merge(year), 1 if setup.quick else 3) / 1e3
    what = f"read and merge {windows:,} windows of 20 columns"
    yield Line(suite="merge", what=what, unit="s", ours=seconds, budget=10.0, goal=2.0)


def state(setup: Setup) -> Iterator[Line]:
    """The bytes of one column of each kind in a profile file."""
    profile = pp.profile(data.more_kinds(setup.rows))
    for name, one in profile.columns.items():
        what = f"state of one column: {name}"
        yield Line(suite="state", what=what, unit="KiB", ours=_state_bytes(one) / 1024, budget=64.0, goal=32.0)


def _state_bytes(column: ColumnProfile) -> int:
    message = pb.Column()
    write_groups(column.add_messages(message))
    return message.ByteSize()


def real(setup: Setup) -> Iterator[Line]:
    """Real data sets against SUMMARIZE."""
    for name, load in DATA_SETS.items():
        against = "DuckDB SUMMARIZE"
        try:
            rows = load(setup)
        except Skip as reason:
            yield Line(suite="real", what=name, against=against, skipped=str(reason))
            continue
        what = f"{name}, {rows.height:,} × {rows.width}"
        opened = partial(peers.duckdb_summarize, rows, setup)
        yield _against(rows, opened, setup, suite="real", what=what, against=against)


SUITES: Final[Mapping[str, Callable[[Setup], Iterator[Line]]]] = {
    "frame": frame,
    "column": column,
    "record": record,
    "json": lines_of_json,
    "merge": merge,
    "store": stores.ranges,
    "durability": durability.losses,
    "sources": sources.throughput,
    "state": state,
    "real": real,
    "scaling": scaling.slopes,
    "memory": scaling.memory,
}
