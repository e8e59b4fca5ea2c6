"""Tables of docs/deployment.md: measurements, and plans computed from them."""

from __future__ import annotations

import re
from dataclasses import replace
from math import log2
from typing import TYPE_CHECKING, Any, Final

from benchmarks import formulas
from benchmarks.formulas import Cost, Load, Rates
from benchmarks.measure import Line
from benchmarks.report import figures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_BLOCK: Final = re.compile(r"(<!-- figures: (?P<name>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_MACHINE_CORES: Final = 32
_WORKED: Final = Load(records_per_s=1_000_000, columns=1_000)
WORKED: Final[Mapping[str, Load]] = {
    "the plan": _WORKED,
    "windows of 10 min": replace(_WORKED, window_s=600),
    "100 columns": replace(_WORKED, columns=100),
    "tables, no JSON": replace(_WORKED, form="frame"),
    "10,000 records/s": replace(_WORKED, records_per_s=10_000),
}


def update_blocks(page: str, blocks: Mapping[str, str]) -> str:
    """The page with new text between `<!-- figures: NAME -->` and `<!-- end -->`."""

    def block(match: re.Match[str]) -> str:
        text = blocks.get(match["name"])
        return match[0] if text is None else f"{match[1]}{text}\n{match[3]}"

    return _BLOCK.sub(block, page)


def blocks_of(figures_json: Mapping[str, Any]) -> dict[str, str]:
    """The blocks of a page, from the figures of `--json`."""
    lines = [
        Line(**{name: value for name, value in line.items() if name != "verdict"}) for line in figures_json["lines"]
    ]
    if "rates" not in figures_json:
        return {"fleet": figures(lines)}
    rates = rates_of(figures_json["rates"])
    return {
        "speed": speed(rates.costs),
        "shapes": shapes(lines),
        "rates": constants(rates),
        "plan": plan(WORKED, rates),
    }


def rates_of(rates_json: Mapping[str, Any]) -> Rates:
    """Rates from JSON."""
    return Rates(**{**rates_json, "costs": tuple(Cost(**cost) for cost in rates_json["costs"])})


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def speed(costs: Iterable[Cost]) -> str:
    """Records per second of one core by width."""
    rows = [
        [
            f"{cost.columns:,}",
            f"{cost.json_bytes:,.0f} B",
            f"{1e6 / cost.json_us:,.0f}",
            f"{cost.json_bytes / cost.json_us:,.0f} MB",
            f"{1e6 / cost.frame_us:,.0f}",
        ]
        for cost in costs
    ]
    head = ("columns", "a record as JSON", "`log_json`, records/s", "of JSON/s", "`log_frame`, records/s")
    return _table(head, rows)


def shapes(lines: Iterable[Line]) -> str:
    """Bytes of a column by kind and number of rows."""
    sizes_by_kind: dict[str, dict[str, float]] = {}
    for line in lines:
        if match := re.fullmatch(r"bytes of a column: (?P<kind>.+), (?P<rows>[\d,]+) rows", line.what):
            sizes_by_kind.setdefault(match["kind"], {})[match["rows"]] = line.ours or 0.0
    numbers = list(next(iter(sizes_by_kind.values())))
    rows = [[kind, *[f"{sizes[number]:,.0f} B" for number in numbers]] for kind, sizes in sizes_by_kind.items()]
    return _table(["a column of", *[f"{number} rows" for number in numbers]], rows)


def constants(rates: Rates) -> str:
    """Rates that do not depend on the width."""
    rows = [
        ["`seal_column_us`", "a column of a window, sealed and published", f"{rates.seal_column_us:,.0f} µs"],
        ["`checkpoint_column_us`", "a column of an open window, saved", f"{rates.checkpoint_column_us:,.0f} µs"],
        ["`merge_us`", "a pane, compacted", f"{rates.merge_us:,.0f} µs"],
        ["`merge_column_us`", "a column of it, compacted", f"{rates.merge_column_us:,.0f} µs"],
        ["`column_bytes`", "a column of a pane of many rows", f"{rates.column_bytes / 1024:,.1f} KiB"],
        ["`open_column_bytes`", "memory of a column of an open window", f"{rates.open_column_bytes / 1024:,.1f} KiB"],
        ["`process_bytes`", "memory of a process with wide JSON", f"{rates.process_bytes / (1 << 20):,.0f} MiB"],
    ]
    return _table(("rate", "of", ""), rows)


def plan(loads: Mapping[str, Load], rates: Rates) -> str:
    """The resources of each load, one column per load."""
    planned = [(load, formulas.writers(load, rates)) for load in loads.values()]
    rows = [[name, *[figure(load, count, rates) for load, count in planned]] for name, figure in _FIGURES.items()]
    return _table(["", *loads], rows)


def _requests(load: Load, writers: int, rates: Rates) -> formulas.Requests:
    size_bytes = formulas.pane_bytes(load.columns, rates)
    return formulas.requests_per_hour(writers, load.window_s, load.compact_s, size_bytes)


def _size(size_bytes: float) -> str:
    power = max(1, min(4, int(log2(max(1.0, size_bytes))) // 10))
    return f"{_digits(size_bytes / (1 << 10 * power))} {('KiB', 'MiB', 'GiB', 'TiB')[power - 1]}"


def _digits(value: float) -> str:
    """Three significant digits, or all digits before the decimal point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _json(load: Load, writers: int, rates: Rates) -> str:
    del writers
    return f"{formulas.json_bytes_per_s(load, rates) / 1e9:,.3g} GB" if load.form == "json" else ""


_FIGURES: Final[Mapping[str, Callable[[Load, int, Rates], str]]] = {
    "JSON per second": _json,
    "cores busy with records": lambda load, _, rates: _digits(formulas.logging_cores(load, rates)),
    "of each writer, busy with sealing and checkpoints": lambda load, _, rates: (
        f"{formulas.keeping_cores(load, rates):.2f}"
    ),
    f"writers, of {_WORKED.writer_cores} cores": lambda _, writers, __: f"{writers:,}",
    "cores to have": lambda load, writers, _: f"{writers * load.writer_cores:,}",
    f"machines of {_MACHINE_CORES} cores": lambda load, writers, _: (
        f"{-(-writers * load.writer_cores // _MACHINE_CORES):,}"
    ),
    "memory of a writer": lambda load, _, rates: _size(formulas.memory_of_writer(load, rates)),
    "panes a minute": lambda load, writers, _: _digits(formulas.panes_per_hour(writers, load.window_s) / 60),
    "a pane": lambda load, _, rates: _size(formulas.pane_bytes(load.columns, rates)),
    "panes a day, before they are compacted": lambda load, writers, rates: _size(
        formulas.pane_bytes_per_day(writers, load, rates)
    ),
    "a day, a file for each window": lambda load, _, rates: _size(
        formulas.kept_bytes_per_day(load, rates, load.window_s)
    ),
    "a day, a file for each hour": lambda load, _, rates: _size(formulas.kept_bytes_per_day(load, rates, 3_600)),
    "requests an hour: PUT": lambda load, writers, rates: f"{_requests(load, writers, rates).put:,.0f}",
    "GET, by the compactor": lambda load, writers, rates: f"{_requests(load, writers, rates).get:,.0f}",
    "LIST": lambda load, writers, rates: f"{_requests(load, writers, rates).list:,.0f}",
    "DELETE, 1,000 names each": lambda load, writers, rates: f"{_requests(load, writers, rates).delete:,.0f}",
    "cores busy with compaction": lambda load, writers, rates: f"{formulas.compaction_cores(writers, load, rates):.2f}",
    "disk of a writer, at most": lambda load, _, rates: _size(formulas.disk_of_writer(load, rates)),
    "checkpoints, written per second by a writer": lambda load, _, rates: _size(
        formulas.checkpoint_bytes_per_s(load, rates)
    ),
}
