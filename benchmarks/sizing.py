"""Measures the rates for `formulas`: processor time, bytes, memory.

Processor time includes all threads of the process. A rate for a record is the processor time of the second half of the
records, after the first half. So work that occurs once per window and checkpoint does not count with the records.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

import polarsprof as pp
from benchmarks import data
from benchmarks.formulas import Cost, Rates
from benchmarks.measure import Line
from benchmarks.processes import run_step
from polarsprof.files.codec import Sections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_WIDTHS: Final = (10, 30, 100, 300, 1_000)
_QUICK_WIDTHS: Final = (4, 8, 16)
_PANES: Final = 64
_BATCH_BYTES: Final = 24 << 20
_START_US: Final = int(data.START.timestamp()) * 1_000_000


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a measurement.

    Attributes
    ----------
    widths
        Columns of records, ascending.
    values
        Number of JSON values.
    frame_rows, rows
        Rows of a frame; rows of the largest pane.
    repeats
        Repetitions; the median counts.
    """

    widths: Sequence[int]
    values: int
    frame_rows: int
    rows: int
    repeats: int


FULL: Final = Size(_WIDTHS, 4_000_000, 20_000, 1_000_000, 3)
QUICK: Final = Size(_QUICK_WIDTHS, 40_000, 500, 3_000, 1)


def fitted(columns: Sequence[float], costs: Sequence[float]) -> tuple[float, float]:
    """The fit (a, b) of cost ≈ a + b · columns, with both at least 0.

    It minimizes relative errors, so that narrow records have the same weight.
    """
    weights = 1 / np.asarray(costs)
    design = np.column_stack([np.ones(len(columns)), columns])
    fit, *_ = np.linalg.lstsq(design * weights[:, None], np.ones(len(columns)))
    if fit[0] < 0:
        return 0.0, float(np.mean(np.divide(costs, columns)))
    return float(fit[0]), max(0.0, float(fit[1]))


def measured_rates(size: Size) -> tuple[list[Line], Rates]:
    """The measurements line by line, and the rates that follow from them."""
    costs = [_cost(width, size) for width in size.widths]
    shapes = list(_shapes(size))
    seal_us, checkpoint_us = _keeping(max(size.widths), size)
    merges = [(width, _merge_us(width, size)) for width in size.widths[:-1]]
    open_column, process = _memory(size)
    merge_us, merge_column_us = fitted(*zip(*merges, strict=True))
    rates = Rates(
        costs=tuple(costs),
        seal_column_us=seal_us,
        checkpoint_column_us=checkpoint_us,
        merge_us=merge_us,
        merge_column_us=merge_column_us,
        column_bytes=_pane_bytes(data.wide(size.rows, 4)) / 4,
        open_column_bytes=open_column,
        process_bytes=process,
    )
    return [*_lines_of(costs), *shapes, *_lines_of_merges(merges)], rates


def _line(what: str, unit: str, value: float) -> Line:
    return Line(suite="sizing", what=what, unit=unit, ours=value)


def _lines_of(costs: Iterable[Cost]) -> Iterator[Line]:
    for cost in costs:
        width = f"{cost.columns:,} columns"
        yield _line(f"log_json, {width}: records per second of processor time", "1/s", 1e6 / cost.json_us)
        yield _line(f"log_json, {width}: JSON per second of processor time", "MB/s", cost.json_bytes / cost.json_us)
        yield _line(f"log_frame, {width}: records per second of processor time", "1/s", 1e6 / cost.frame_us)


def _lines_of_merges(merges: Iterable[tuple[int, float]]) -> Iterator[Line]:
    for width, us in merges:
        yield _line(f"panes of {width:,} columns merged, per second of processor time", "1/s", 1e6 / us)


def _cost(columns: int, size: Size) -> Cost:
    rows = max(size.frame_rows // 5, size.values // columns)
    text = _with_times(data.wide(rows, columns - 1)).write_ndjson().encode()
    cut = text.index(b"\n", len(text) // 2) + 1
    later_rows = text.count(b"\n", cut)
    json_us = _later_us(lambda logger, half: logger.log_json(half), text[:cut], text[cut:], size)
    frame = _with_times(data.wide(size.frame_rows, columns - 1))
    frame_us = _later_us(lambda logger, part: logger.log_frame(part), frame, frame, size)
    return Cost(
        columns=columns,
        json_us=json_us / later_rows,
        frame_us=frame_us / size.frame_rows,
        json_bytes=len(text) / rows,
    )


def _with_times(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with a column of times, as integers since JSON has no times."""
    return frame.with_columns(at=_START_US + pl.int_range(frame.height))


def _later_us(log: Callable[[pp.Logger, Any], object], first: Any, later: Any, size: Size) -> float:
    """Processor time of the later data in µs, after the first is logged."""
    times_s = []
    for _ in range(size.repeats):
        with _logger() as logger:
            log(logger, first)
            times_s.append(_cpu_s(partial(log, logger, later)))
    return median(times_s) * 1e6


@contextmanager
def _logger(folder: str | None = None, **options: Any) -> Iterator[pp.Logger]:
    with TemporaryDirectory() as temporary, pp.Session(folder or temporary) as session:
        yield session.logger(
            "sizing", **{"with_rotation_time": "1m", "timestamp": "at", "checkpoint_every": "1h"} | options
        )


def _keeping(columns: int, size: Size) -> tuple[float, float]:
    """Microseconds to seal a column of a window, and to save a changed one."""
    frame = data.wide(max(64, min(size.rows, 20_000_000 // columns)), columns).with_columns(at=pl.lit(data.START))
    sealing, saving = [], []
    for _ in range(size.repeats):
        with _logger() as logger:
            logger.log_frame(frame)
            logger.flush()
            logger.log_frame(frame.head(1))
            saving.append(_cpu_s(logger.flush))
            sealing.append(_cpu_s(logger.close))
    return median(sealing) * 1e6 / columns, median(saving) * 1e6 / columns


def _cpu_s(run: Callable[[], object]) -> float:
    start_s = process_time()
    run()
    return process_time() - start_s


def _merge_us(columns: int, size: Size) -> float:
    """Microseconds per pane to read and merge different panes."""
    panes = min(_PANES, max(4, size.values // columns // 64))
    files = [pp.profile(data.wide(1_000, columns, seed)).to_bytes() for seed in range(panes)]
    pp.merge(files[:4])
    return median(_cpu_s(lambda: pp.merge(files)) for _ in range(size.repeats)) * 1e6 / panes


def _pane_bytes(frame: pl.DataFrame) -> float:
    sections = Sections.of_bytes(pp.profile(frame).to_bytes())
    return sum(entry.length for entry in sections.entries(None))


def _shapes(size: Size) -> Iterator[Line]:
    """Bytes of a column of each kind after few, more and many values."""
    for rows in (60, 1_000, size.rows):
        kinds = data.wide(rows, 4).hstack(data.more_kinds(rows).select("long string", "boolean", "datetime"))
        for column in kinds:
            name = column.name.rstrip(" 0123")
            yield _line(f"bytes of a column: {name}, {rows:,} rows", "B", _pane_bytes(column.to_frame()))


def _memory(size: Size) -> tuple[float, float]:
    """Bytes of a column of an open window, and of a process without windows.

    The process logs JSON of the largest width.
    """
    columns = max(size.widths) // 2
    one, many = (run_step("open_windows", str(columns), str(windows), str(size.values)) for windows in (1, 9))
    each = max(0.0, many.peak_mib - one.peak_mib) * (1 << 20) / (8 * columns)
    wide = run_step("wide_json", str(max(size.widths)), str(size.values))
    return each, wide.peak_mib * (1 << 20) - each * max(size.widths)


def open_windows(columns: int, windows: int, values: int) -> int:
    """Log frames into windows that stay open; returns the number of windows."""
    rows = max(64, values // columns // 4)
    frame = data.wide(rows, columns)
    with _logger(max_out_of_orderness="1d", idle_timeout=None) as logger:
        for number in range(windows):
            logger.log_frame(frame.with_columns(at=pl.lit(data.START + timedelta(minutes=number))))
        logger.profile  # noqa: B018 - profiles all rows
    return windows


def wide_json(columns: int, values: int) -> int:
    """Log JSON of many columns in parts; returns the number of rows.

    Each part is about as large as a batch of the logger.
    """
    rows = max(16, min(_BATCH_BYTES // (24 * columns), values // columns))
    text = _with_times(data.wide(rows, columns - 1)).write_ndjson().encode()
    parts = max(2, values // columns // rows)
    with _logger() as logger:
        for _ in range(parts):
            logger.log_json(text)
        logger.flush()
    return rows * parts
