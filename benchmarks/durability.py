"""The cost of durability: frequent flushes, and checkpoints of wide windows.

The figures depend on the disk.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

import polarsprof as pp
from benchmarks import data
from benchmarks.measure import Line, Setup, paired

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_FLUSH_EVERY: Final = 1_000
_COLUMNS, _WINDOWS = 100, 3
_START: Final = datetime(2026, 1, 1, tzinfo=UTC)


def losses(setup: Setup) -> Iterator[Line]:
    """A flush every 1,000 records against none, and the time of a checkpoint."""
    records = data.records(max(5_000, setup.rows // 20))
    lines = [json.dumps(entry) for entry in records]
    sources: dict[str, Callable[[], Iterable[Any]]] = {
        "from memory": lambda: records,
        "from json.loads": lambda: map(json.loads, lines),
    }
    for name, source in sources.items():
        with _logger() as often, _logger() as never:
            pairs = paired(partial(_logged, often, source, _FLUSH_EVERY), partial(_logged, never, source, 0), setup)
        what = f"log(record), {len(records):,} times {name}, flush every {_FLUSH_EVERY:,}"
        yield pairs.line("durability", what, "no flush", budget=1.15, goal=1.05)
    yield from _checkpoints(3 if setup.quick else 9)


@contextmanager
def _logger(**options: Any) -> Iterator[pp.Logger]:
    with TemporaryDirectory() as folder, pp.Session(folder) as session, session.logger(**options) as logger:
        logger.log({"first": 1})
        logger.flush()  # creates the files
        yield logger


def _logged(logger: pp.Logger, source: Callable[[], Iterable[Any]], flush_every: int) -> None:
    for number, entry in enumerate(source(), 1):
        logger.log(entry)
        if flush_every and number % flush_every == 0:
            logger.flush()
    _ = logger.profile  # profiles all rows


def _checkpoints(repeats: int) -> Iterator[Line]:
    wide = _wide(rows=20_000)
    options = {"with_rotation_time": "1h", "timestamp": "at", "max_out_of_orderness": "1d", "idle_timeout": None}
    with _logger(**options) as logger:
        for hour in range(_WINDOWS):
            logger.log_frame(_at(wide, hour))
        logger.flush()
        for changed in (_WINDOWS, 1):
            checkpoint_ms = median(_checkpoint_ms(logger, wide.head(100), changed) for _ in range(repeats))
            what = f"checkpoint of {_COLUMNS} columns, {_WINDOWS} windows, {changed} of them changed"
            yield Line(suite="durability", what=what, ours=checkpoint_ms, budget=50.0, goal=25.0)


def _checkpoint_ms(logger: pp.Logger, frame: pl.DataFrame, changed: int) -> float:
    for hour in range(changed):
        logger.log_frame(_at(frame, hour))
    start_s = perf_counter()
    logger.flush()
    return (perf_counter() - start_s) * 1e3


def _wide(rows: int) -> pl.DataFrame:
    random = np.random.default_rng(0)
    makers: list[Callable[[], Any]] = [
        lambda: random.random(rows),
        lambda: random.integers(0, 10**6, rows),
        lambda: [f"user {number}" for number in random.integers(0, 5_000, rows).tolist()],
    ]
    return pl.DataFrame({f"c{number}": makers[number % 3]() for number in range(_COLUMNS - 1)})


def _at(frame: pl.DataFrame, hour: int) -> pl.DataFrame:
    return frame.with_columns(at=pl.lit(_START + timedelta(hours=hour)))
