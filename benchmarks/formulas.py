"""Sizing: what a stream needs, as pure arithmetic on rates that were measured; `docs/deployment.md` shows the same.

`Rates` are of one machine and come from `python -m benchmarks sizing`; everything else here is arithmetic and holds
as far as the rates do: it knows nothing of networks, brokers, or cores that share a memory bus.
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
_KEYS_OF_A_PAGE: Final = 1_000  # of a listing, and of a request that deletes
# Requests of a run of `compact` besides those for panes: the plan and its end, the epoch, the index; and reading them.
_PUTS_OF_A_RUN: Final = 4
_GETS_OF_A_RUN: Final = 6
_LISTINGS_OF_A_RUN: Final = 3
_CHECKPOINTS_KEPT: Final = 2
_READ_BYTES: Final = 8 << 20
_JOURNAL_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a record of so many columns costs.

    Attributes
    ----------
    columns
        Its columns.
    json_us, frame_us
        Microseconds of processor time in `log_json` of many lines, and in `log_frame` of 20,000 rows at a time.
    json_bytes
        Its bytes as JSON, keys included.
    """

    columns: int
    json_us: float
    frame_us: float
    json_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What a core does, in processor time; of a column the mean over integers, floats, words and names in equal parts.

    Attributes
    ----------
    costs
        Of records of several widths, at least two, rising.
    seal_column_us
        Microseconds to seal and publish a column of a window.
    checkpoint_column_us
        Microseconds to save a column of an open window that changed.
    merge_us, merge_column_us
        Microseconds for a pane that is compacted, and for each of its columns.
    column_bytes
        Bytes of a column in a pane that has seen many values.
    open_column_bytes
        Memory of a column of an open window.
    process_bytes
        Memory of a process that logs wide JSON, before windows are counted.
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
    """A stream, and how it is to be profiled.

    Attributes
    ----------
    records_per_s, columns
        How fast records come, and how many values each has.
    form
        "json" for text that has to be decoded, "frame" for tables.
    window_s
        Length of a window in seconds.
    checkpoint_s
        Seconds between checkpoints.
    open_windows
        Windows that are open at a time: one, and those that `max_out_of_orderness` keeps open.
    writer_cores
        Cores of a process that logs.
    busy
        Share of the cores that is to be in use; the rest is for peaks, and for catching up after a restart.
    compact_s
        Seconds between two runs of `compact`.
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
    """A figure at a width: between those measured, and beyond them, along lines on logarithmic axes."""
    pairs = list(pairwise(known))
    (narrow, less), (wide, more) = next((pair for pair in pairs if columns <= pair[1][0]), pairs[-1])
    exponent = log(more / less) / log(wide / narrow)
    return less * float((columns / narrow) ** exponent)


def record_us(columns: int, form: Form, rates: Rates) -> float:
    """Microseconds of processor time for a record.

    They grow faster than the width: a batch of JSON is bounded in bytes, so of wide records it holds few, and each
    batch costs some 1 ms a column, however few values it has.
    """
    costs = [(cost.columns, cost.json_us if form == "json" else cost.frame_us) for cost in rates.costs]
    return _at_width(columns, costs)


def record_bytes(columns: int, rates: Rates) -> float:
    """Bytes of a record as JSON."""
    return _at_width(columns, [(cost.columns, cost.json_bytes) for cost in rates.costs])


def logging_cores(load: Load, rates: Rates) -> float:
    """Cores that are busy with records."""
    return load.records_per_s * record_us(load.columns, load.form, rates) / 1e6


def keeping_cores(load: Load, rates: Rates) -> float:
    """Cores that one writer has busy with sealing its windows and saving checkpoints, however few records come."""
    sealing = rates.seal_column_us / load.window_s
    saving = rates.checkpoint_column_us / load.checkpoint_s
    return load.columns * (sealing + saving) / 1e6


def writers(load: Load, rates: Rates) -> int:
    """Processes that log; each has its own windows to keep, which is why there may be too many of them.

    Raises
    ------
    ValueError
        Where keeping the windows alone takes all that a writer has.
    """
    left = load.writer_cores * load.busy - keeping_cores(load, rates)
    if left <= 0:
        msg = f"{load.columns:,} columns: sealing and saving take all of {load.writer_cores} cores"
        raise ValueError(msg)
    return max(1, ceil(logging_cores(load, rates) / left))


def cores(load: Load, rates: Rates) -> int:
    """Cores of all processes that log."""
    return writers(load, rates) * load.writer_cores


def json_bytes_per_s(load: Load, rates: Rates) -> float:
    """Bytes of JSON that come each second; 0 for frames, whose width depends on what brings them."""
    return load.records_per_s * record_bytes(load.columns, rates) if load.form == "json" else 0.0


def pane_bytes(columns: int, rates: Rates) -> float:
    """Bytes of a pane."""
    return columns * rates.column_bytes


def panes_per_hour(writers: int, window_s: float) -> float:
    """Panes of all writers, where each has rows in each window."""
    return writers * _HOUR_S / window_s


def pane_bytes_per_day(writers: int, load: Load, rates: Rates) -> float:
    """Bytes of panes that are written in a day, before they are compacted."""
    return panes_per_hour(writers, load.window_s) * 24 * pane_bytes(load.columns, rates)


def kept_bytes_per_day(load: Load, rates: Rates, kept_window_s: float) -> float:
    """Bytes of a day that stay once it was compacted into windows of a length, lists of panes and writers aside."""
    return _DAY_S / kept_window_s * pane_bytes(load.columns, rates)


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests to an object store."""

    put: float
    get: float
    list: float
    delete: float


def requests_of_compaction(writers: int, windows: int, merged_before: int = 0, size_bytes: float = 0) -> Requests:
    """Requests of one run of `compact` over new panes of some windows, all of which are settled.

    Each pane is opened once for its header and once to be merged, by requests of 8 MiB each.

    Parameters
    ----------
    writers, windows
        Writers with a pane in each window, at least two, and windows that came since the last run.
    merged_before
        Files that the run before made and no index has yet.
    size_bytes
        Of a pane.
    """
    panes = writers * windows
    pages = max(1, ceil((panes + merged_before) / _KEYS_OF_A_PAGE))
    return Requests(
        put=windows + _PUTS_OF_A_RUN,
        get=panes * (1 + max(1, ceil(size_bytes / _READ_BYTES))) + merged_before + _GETS_OF_A_RUN,
        list=_LISTINGS_OF_A_RUN * pages,
        delete=ceil(panes / _KEYS_OF_A_PAGE),
    )


def requests_per_hour(writers: int, window_s: float, compact_s: float, size_bytes: float = 0) -> Requests:
    """Requests of writers and of the compactor, which keeps up with them."""
    windows = max(1, round(compact_s / window_s))
    run, runs = requests_of_compaction(writers, windows, windows, size_bytes), _HOUR_S / compact_s
    put = panes_per_hour(writers, window_s) + runs * run.put
    return Requests(put, runs * run.get, runs * run.list, runs * run.delete)


def compaction_cores(writers: int, load: Load, rates: Rates) -> float:
    """Cores that are busy with compaction; one process of it uses one."""
    per_pane_us = rates.merge_us + load.columns * rates.merge_column_us
    return panes_per_hour(writers, load.window_s) / _HOUR_S * per_pane_us / 1e6


def memory_of_writer(load: Load, rates: Rates) -> float:
    """Bytes of memory of one process that logs."""
    return rates.process_bytes + load.open_windows * load.columns * rates.open_column_bytes


def disk_of_writer(load: Load, rates: Rates) -> float:
    """Bytes on the local disk of one writer at most: two checkpoints of the open windows, and a journal."""
    return _CHECKPOINTS_KEPT * load.open_windows * pane_bytes(load.columns, rates) + _JOURNAL_BYTES


def checkpoint_bytes_per_s(load: Load, rates: Rates) -> float:
    """Bytes that one writer writes to its disk each second, where all open windows change all the time."""
    return load.open_windows * pane_bytes(load.columns, rates) / load.checkpoint_s
