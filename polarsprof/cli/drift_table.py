"""Drift frame → a table for a terminal: two lines per column, what has drifted first.

Needs rich, so only the command line imports it. Text from the data never passes through rich's markup.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.table import Table
from rich.text import Text

from polarsprof.profiles import text

if TYPE_CHECKING:
    import polars as pl

_NAME_CELLS: Final = 24
_REASON_CELLS: Final = 60
_REASONS: Final = 2
# Metric → its heading; the others stand in the frame. The last one is left out of narrow terminals.
_SHOWN: Final = {"ks": "ks", "psi": "psi", "total_variation": "total\nvariation"}
_NARROW: Final = 100
_NOTHING: Final = 1e-9
# Bounds of small counts of distinct values, which are exact, lie within a hundredth of one value.
_CERTAIN: Final = 0.5
_MARKS: Final = {True: ("● ", "bold yellow"), False: ("  ", ""), None: ("? ", "dim")}


def drift_facts(found: pl.DataFrame) -> Text:
    """How many columns have drifted, and how many could not be judged, in one line."""
    drifted = found["drifted"]
    parts = [f"{drifted.sum():,} of {len(drifted):,} column{'' if len(drifted) == 1 else 's'} drifted"]
    if drifted.null_count():
        parts.append(f"{drifted.null_count():,} not judged")
    return Text(" · ").join([Text(parts[0], style="bold"), *map(Text, parts[1:])])


def drift_table(found: pl.DataFrame, width: int = 120, *, limit: int = 200) -> Table:
    """The table of the first `limit` columns for so many cells; a caption counts those left out."""
    metrics = list(_SHOWN)[: 2 if width < _NARROW else None]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, border_style="dim", header_style="dim")
    # On a narrow terminal names and reasons give way.
    table.add_column("  column", no_wrap=True, overflow="ellipsis")
    for name in metrics:
        table.add_column(_SHOWN[name], justify="right", no_wrap=True, min_width=len("0.00–0.00"))
    for heading in ("nulls", "distinct"):
        table.add_column(heading, justify="right", no_wrap=True, min_width=len(heading))
    table.add_column("why", no_wrap=True, overflow="ellipsis")
    rows = sorted(found.iter_rows(named=True), key=lambda row: row["drifted"] is not True)
    for row in islice(rows, limit):
        table.add_row(_name(row), *(_metric(row, name) for name in metrics), *_facts(row), _why(row["reasons"]))
    if len(rows) > limit:
        table.caption = f"… and {len(rows) - limit:,} more columns"
    return table


def _name(row: dict[str, Any]) -> Text:
    name = text.clean(row["column"], _NAME_CELLS - 2) or '""'
    return Text.assemble(_MARKS[row["drifted"]], (name, "bold"), "\n  ", (row["dtype_group"], "dim"))


def _metric(row: dict[str, Any], name: str) -> Text:
    """The figure, and below it what the sketches leave open, if they do."""
    value, lower, upper = row[name], row[f"{name}_lower"], row[f"{name}_upper"]
    if value is None:
        return Text("")
    interval = "" if upper - lower < _NOTHING else f"{_figure(lower)}–{_figure(upper)}"
    return Text.assemble(_figure(value), "\n", (interval, "dim"))


def _figure(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def _facts(row: dict[str, Any]) -> list[Text]:
    """Shares of nulls and distinct values: of the reference, and below of the current profile."""
    return [Text("\n".join(fact(row, which) for which in ("reference", "current"))) for fact in (_nulls, _distinct)]


def _nulls(row: dict[str, Any], which: str) -> str:
    share = row[f"null_share_{which}"]
    return "" if share is None else text.share(share, 1)


def _distinct(row: dict[str, Any], which: str) -> str:
    """The number, after ≈ where it is an estimate."""
    estimate, lower, upper = (row[f"distinct_{which}{bound}"] for bound in ("", "_lower", "_upper"))
    if estimate is None:
        return ""
    return f"{'' if upper - lower < _CERTAIN else '≈'}{text.number(round(estimate))}"


def _why(reasons: list[str]) -> Text:
    shown = [text.clean(reason, _REASON_CELLS) for reason in reasons[:_REASONS]]
    more = len(reasons) - len(shown)
    return Text("\n".join(shown) + (f", {more} more" if more else ""))
