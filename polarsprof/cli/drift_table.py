"""Drift frame → a table for a terminal, drifted columns first.

Needs rich, so only the command line imports this module. Text from the data is never read as rich markup.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from rich import box
from rich.table import Table
from rich.text import Text

from polarsprof.profiles import text

if TYPE_CHECKING:
    import polars as pl

_Row: TypeAlias = "dict[str, Any]"  # a row of the drift frame, as Polars types it

_NAME_CELLS: Final = 24
_REASON_CELLS: Final = 60
_REASONS: Final = 2
# Metric → its heading; the frame has more metrics. The last one is left out on narrow terminals.
_HEADINGS: Final = {"ks": "ks", "psi": "psi", "total_variation": "total\nvariation"}
_NARROW_COLUMNS: Final = 100
_EXACT_INTERVAL: Final = 1e-9
# Small distinct counts are exact; their bounds are less than a hundredth apart.
_EXACT_DISTINCT: Final = 0.5
_MARKS: Final = {True: ("● ", "bold yellow"), False: ("  ", ""), None: ("? ", "dim")}


def drift_facts(comparison: pl.DataFrame) -> Text:
    """One line with the number of drifted columns, and of columns without a verdict."""
    drifted = comparison["drifted"]
    parts = [f"{drifted.sum():,} of {len(drifted):,} column{'' if len(drifted) == 1 else 's'} drifted"]
    if drifted.null_count():
        parts.append(f"{drifted.null_count():,} not judged")
    return Text(" · ").join([Text(parts[0], style="bold"), *map(Text, parts[1:])])


def drift_table(comparison: pl.DataFrame, width: int = 120, *, limit: int = 200) -> Table:
    """A table of the first `limit` columns, two lines each, `width` cells wide."""
    metrics = list(_HEADINGS)[: 2 if width < _NARROW_COLUMNS else None]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, border_style="dim", header_style="dim")
    # Only names and reasons shrink on a narrow terminal.
    table.add_column("  column", no_wrap=True, overflow="ellipsis")
    for name in metrics:
        table.add_column(_HEADINGS[name], justify="right", no_wrap=True, min_width=len("0.00–0.00"))
    for heading in ("nulls", "distinct"):
        table.add_column(heading, justify="right", no_wrap=True, min_width=len(heading))
    table.add_column("why", no_wrap=True, overflow="ellipsis")
    rows = sorted(comparison.iter_rows(named=True), key=lambda row: row["drifted"] is not True)
    for row in islice(rows, limit):
        table.add_row(_name(row), *(_metric(row, name) for name in metrics), *_facts(row), _why(row["reasons"]))
    if len(rows) > limit:
        table.caption = f"… and {len(rows) - limit:,} more columns"
    return table


def _name(row: _Row) -> Text:
    name = text.clean(row["column"], _NAME_CELLS - 2) or '""'
    return Text.assemble(_MARKS[row["drifted"]], (name, "bold"), "\n  ", (row["dtype_group"], "dim"))


def _metric(row: _Row, name: str) -> Text:
    """The value, and below it the interval of an estimate."""
    value, lower, upper = row[name], row[f"{name}_lower"], row[f"{name}_upper"]
    if value is None:
        return Text("")
    interval = "" if upper - lower < _EXACT_INTERVAL else f"{_figure(lower)}–{_figure(upper)}"
    return Text.assemble(_figure(value), "\n", (interval, "dim"))


def _figure(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def _facts(row: _Row) -> list[Text]:
    """Null share and distinct count, of the reference above the current profile."""
    return [Text("\n".join(fact(row, side) for side in ("reference", "current"))) for fact in (_nulls, _distinct)]


def _nulls(row: _Row, side: str) -> str:
    share = row[f"null_share_{side}"]
    return "" if share is None else text.share(share, 1)


def _distinct(row: _Row, side: str) -> str:
    """The count; an estimate starts with ≈."""
    estimate, lower, upper = (row[f"distinct_{side}{bound}"] for bound in ("", "_lower", "_upper"))
    if estimate is None:
        return ""
    return f"{'' if upper - lower < _EXACT_DISTINCT else '≈'}{text.number(round(estimate))}"


def _why(reasons: list[str]) -> Text:
    shown = [text.clean(reason, _REASON_CELLS) for reason in reasons[:_REASONS]]
    more = len(reasons) - len(shown)
    return Text("\n".join(shown) + (f", {more} more" if more else ""))
