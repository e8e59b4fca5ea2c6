"""Sizing: the resources of a stream, as arithmetic on measured rates.

`docs/deployment.md` shows the results. `Rates` describe one machine and come from `python -m benchmarks sizing`. The
formulas ignore networks, brokers, and cores that share a memory bus.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import ceil, log
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

Form = Literal["json", "frame"]
_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400
_PAGE_KEYS: Final = 1_000  # per page of a listing, and per delete request
# Requests of a run of `compact` in addition to panes: writing and reading the plan and its end, the epoch, the index.
_PUTS_PER_RUN: Final = 4
_GETS_PER_RUN: Final = 6
_LISTINGS_PER_RUN: Final = 3
_CHECKPOINTS: Final = 2
_READ_BYTES: Final = 8 << 20
_JOURNAL_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of a record with a number of columns.

    Attributes
    ----------
    columns
        Number of columns.
    json_us, frame_us
        Microseconds of processor time in `log_json` of many lines, and in `log_frame` of 20,000 rows at a time.
    json_bytes
        Bytes as JSON, including keys.
    """

    columns: int
    json_us: float
    frame_us: float
    json_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Rates of one core in processor time.

    Figures of a column are the mean over equal parts of integers, floats, words and names.

    Attributes
    ----------
    costs
        Costs of records with at least two widths, ascending.
    seal_column_us
        Microseconds to seal and publish a column of a window.
    checkpoint_column_us
        Microseconds to save a changed column of an open window.
    merge_us, merge_column_us
        Microseconds to compact a pane, and for each of its columns.
    column_bytes
        Bytes of a column in a pane with many values.
    open_column_bytes
        Memory of a column of an open window.
    process_bytes
        Memory of a process that logs wide JSON, without windows.
    """

    costs: tuple[Cost, ...]
    seal_column_us: float
    checkpoint_column_us: float
    merge_us: float
    merge_column_us: float
    column_bytes: float
    open_column_bytes: float
    process_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A stream, and its options for profiling.

    Attributes
    ----------
    records_per_s, columns
        Records per second, and values per record.
    form
        "json" for text, "frame" for tables.
    window_s
        Length of a window in seconds.
    checkpoint_s
        Seconds between checkpoints.
    open_windows
        Number of open windows: one, and those that `max_out_of_orderness` keeps open.
    writer_cores
        Cores of a process that logs.
    busy
        Target utilization of the cores; the rest is for peaks, and for catching up after a restart.
    compact_s
        Seconds between runs of `compact`.
    """

    records_per_s: float
    columns: int
    form: Form = "json"
    window_s: float = 60
    checkpoint_s: float = 5
    open_windows: int = 2
    writer_cores: int = 2
    busy: float = 0.7
    compact_s: float = _HOUR_S


def _at_width(columns: int, known: Sequence[tuple[int, float]]) -> float:
    """A figure at a width, by linear interpolation and extrapolation on log axes."""
    pairs = list(pairwise(known))
    (narrow, less), (wide, more) = next((pair for pair in pairs if columns <= pair[1][0]), pairs[-1])
    exponent = log(more / less) / log(wide / narrow)
    return less * float((columns / narrow) ** exponent)


def record_us(columns: int, form: Form, rates: Rates) -> float:
    """Microseconds of processor time per record.

    They grow faster than the width. A batch of JSON is bounded in bytes, so it has few wide records, and each batch
    costs about 1 ms per column, regardless of the number of values.
    """
    costs = [(cost.columns, cost.json_us if form == "json" else cost.frame_us) for cost in rates.costs]
    return _at_width(columns, costs)


def record_bytes(columns: int, rates: Rates) -> float:
    """Bytes of a record as JSON."""
    return _at_width(columns, [(cost.columns, cost.json_bytes) for cost in rates.costs])


def logging_cores(load: Load, rates: Rates) -> float:
    """Cores busy with records."""
    return load.records_per_s * record_us(load.columns, load.form, rates) / 1e6


def keeping_cores(load: Load, rates: Rates) -> float:
    """Cores of one writer busy with sealing windows and saving checkpoints.

    They do not depend on the number of records.
    """
    sealing = rates.seal_column_us / load.window_s
    saving = rates.checkpoint_column_us / load.checkpoint_s
    return load.columns * (sealing + saving) / 1e6


def writers(load: Load, rates: Rates) -> int:
    """Number of processes that log.

    Each process maintains windows of its own, so more processes need more cores in total.

    Raises
    ------
    ValueError
        If the maintenance of windows alone needs all cores of a writer.
    """
    available = load.writer_cores * load.busy - keeping_cores(load, rates)
    if available <= 0:
        msg = f"{load.columns:,} columns: sealing and saving take all of {load.writer_cores} cores"
        raise ValueError(msg)
    return max(1, ceil(logging_cores(load, rates) / available))


def cores(load: Load, rates: Rates) -> int:
    """Cores of all processes that log."""
    return writers(load, rates) * load.writer_cores


def json_bytes_per_s(load: Load, rates: Rates) -> float:
    """Bytes of JSON per second; 0 for frames, whose width depends on their source."""
    return load.records_per_s * record_bytes(load.columns, rates) if load.form == "json" else 0.0


def pane_bytes(columns: int, rates: Rates) -> float:
    """Bytes of a pane."""
    return columns * rates.column_bytes


def panes_per_hour(writers: int, window_s: float) -> float:
    """Panes of all writers, if each has rows in each window."""
    return writers * _HOUR_S / window_s


def pane_bytes_per_day(writers: int, load: Load, rates: Rates) -> float:
    """Bytes of panes written per day, before compaction."""
    return panes_per_hour(writers, load.window_s) * 24 * pane_bytes(load.columns, rates)


def kept_bytes_per_day(load: Load, rates: Rates, kept_window_s: float) -> float:
    """Bytes of a day after compaction into windows of a length.

    Excludes the lists of panes and writers.
    """
    return _DAY_S / kept_window_s * pane_bytes(load.columns, rates)


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests to an object store."""

    put: float
    get: float
    list: float
    delete: float


def requests_of_compaction(writers: int, windows: int, merged_before: int = 0, size_bytes: float = 0) -> Requests:
    """Requests of one run of `compact` over new panes, all past the grace period.

    Each pane is opened twice, for its header and for the merge, by requests of 8 MiB each.

    Parameters
    ----------
    writers, windows
        Writers with a pane in each window, at least two, and windows since the last run.
    merged_before
        Files of the previous run that are not in the index.
    size_bytes
        Size of a pane.
    """
    panes = writers * windows
    pages = max(1, ceil((panes + merged_before) / _PAGE_KEYS))
    return Requests(
        put=windows + _PUTS_PER_RUN,
        get=panes * (1 + max(1, ceil(size_bytes / _READ_BYTES))) + merged_before + _GETS_PER_RUN,
        list=_LISTINGS_PER_RUN * pages,
        delete=ceil(panes / _PAGE_KEYS),
    )


def requests_per_hour(writers: int, window_s: float, compact_s: float, size_bytes: float = 0) -> Requests:
    """Requests of the writers and the compactor."""
    windows = max(1, round(compact_s / window_s))
    run, runs = requests_of_compaction(writers, windows, windows, size_bytes), _HOUR_S / compact_s
    put = panes_per_hour(writers, window_s) + runs * run.put
    return Requests(put, runs * run.get, runs * run.list, runs * run.delete)


def compaction_cores(writers: int, load: Load, rates: Rates) -> float:
    """Cores busy with compaction; a compactor process uses one."""
    per_pane_us = rates.merge_us + load.columns * rates.merge_column_us
    return panes_per_hour(writers, load.window_s) / _HOUR_S * per_pane_us / 1e6


def memory_of_writer(load: Load, rates: Rates) -> float:
    """Bytes of memory of one process that logs."""
    return rates.process_bytes + load.open_windows * load.columns * rates.open_column_bytes


def disk_of_writer(load: Load, rates: Rates) -> float:
    """Largest local disk space of one writer: two checkpoints and a journal."""
    return _CHECKPOINTS * load.open_windows * pane_bytes(load.columns, rates) + _JOURNAL_BYTES


def checkpoint_bytes_per_s(load: Load, rates: Rates) -> float:
    """Bytes per second that one writer writes to its disk.

    Assumes that all open windows change between checkpoints.
    """
    return load.open_windows * pane_bytes(load.columns, rates) / load.checkpoint_s
