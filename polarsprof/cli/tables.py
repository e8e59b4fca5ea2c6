"""Profile → a table for a terminal of 100 columns, three lines per column.

Needs rich, so only the command line imports this module. Text from the data is never read as rich markup.
"""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Final

from rich import box
from rich.table import Table
from rich.text import Text

from polarsprof.analysis.histogram import histogram
from polarsprof.profiles import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polarsprof.cli.json import DatasetWindows
    from polarsprof.profiles.column import ColumnProfile
    from polarsprof.profiles.profile import Profile

ACCENT: Final = "steel_blue1"
_EIGHTHS: Final = " ▁▂▃▄▅▆▇█"
_HISTOGRAM_CELLS: Final = 14
_NAME_CELLS: Final = 22
_VALUE_CELLS: Final = 16
_ITEM_CELLS: Final = 10
# Rarer values are noise, such as the most frequent of a thousand different numbers.
_MIN_SHARE: Final = 0.01


def bars(values: Sequence[float], lines: int) -> list[str]:
    """A bar chart of block characters, one cell per value, as lines from the top.

    The largest value has the full height. Positive values have at least one eighth of a line; others have no bar.
    """
    highest = max(values, default=0.0)
    heights = [max(1, round(value / highest * 8 * lines)) if value > 0 else 0 for value in values]
    return ["".join(_EIGHTHS[min(max(h - 8 * line, 0), 8)] for h in heights) for line in reversed(range(lines))]


def header_line(profile: Profile) -> Text:
    """One line about a profile: data set, window, rows, columns, losses."""
    first, *rest = text.header_phrases(profile)
    return Text(" · ").join([Text(first, style="bold"), *(Text(fact) for fact in rest)])


def profile_table(profile: Profile, *, limit: int = 200) -> Table:
    """A table of the first `limit` columns; a caption counts the other columns."""
    columns = profile.columns
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, border_style="dim", header_style="dim")
    for heading in (
        "column",
        "nulls",
        "distinct",
        "min\nmedian\nmax",
        "mean\nstddev\nskewness",
        "distribution",
        "frequent",
    ):
        right = heading not in ("column", "distribution", "frequent")
        table.add_column(heading, justify="right" if right else "left", no_wrap=True, overflow="ellipsis")
    # The other columns shrink on a narrow terminal.
    table.columns[0].min_width = min(_NAME_CELLS, max(map(len, columns), default=0))
    table.columns[1].min_width = len(">99 %")
    for path, column in islice(columns.items(), limit):
        table.add_row(*_cells(path, column))
    if len(columns) > limit:
        table.caption = f"… and {len(columns) - limit:,} more columns"
    return table


def _cells(path: str, column: ColumnProfile) -> list[Text]:
    return [
        _two(text.clean(path, _NAME_CELLS) or '""', text.clean(text.types_text(column.types), _NAME_CELLS), "bold"),
        _nulls(column),
        _distinct(column),
        _lines(_value(column.min), _value(column.quantile(0.5)), _value(column.max)),
        _moments(column),
        _histogram(column),
        _top(column),
    ]


def _two(first: str, second: str, style: str = "") -> Text:
    return Text.assemble((first, style), "\n", (second, "dim"))


def _value(value: object) -> str:
    """A short value; datetimes are in UTC, to the minute and without a zone."""
    if isinstance(value, datetime):
        value = f"{value:%Y-%m-%d %H:%M}"
    return text.shown(value, _VALUE_CELLS)


def _lines(*values: str) -> Text:
    return Text("\n".join(values).rstrip())


def _moments(column: ColumnProfile) -> Text:
    """Mean, standard deviation and skewness of numbers; mean length of text and lists."""
    if column.length is not None:
        return Text(f"length {text.number(column.length.mean)}")
    return _lines(*(text.number(value) for value in (column.mean, column.stddev, text.primary(column).skewness)))


def _nulls(column: ColumnProfile) -> Text:
    count = column.null_count
    return _two(text.share(count, column.rows), text.number(count) if count else "", "yellow" if count else "dim")


def _distinct(column: ColumnProfile) -> Text:
    distinct = column.distinct
    estimated = text.distinct_text(column)
    if distinct is None or not estimated.startswith("≈"):
        return Text(estimated)
    off = max(distinct.upper - distinct.estimate, distinct.estimate - distinct.lower) / distinct.estimate
    return _two(estimated, f"±{100 * off:.1f} %")


def _histogram(column: ColumnProfile) -> Text:
    """Two lines of bars and the quantiles below; for text and lists, of their lengths."""
    group = text.primary(column)
    distribution = histogram(group if group.length is None else group.length, _HISTOGRAM_CELLS)
    if distribution is None or len(distribution.shares) < 2:  # one bar shows no distribution
        return Text("")
    cells = len(distribution.shares)
    return Text.assemble(
        ("\n".join(bars(distribution.shares, 2)), ACCENT), "\n", (_quantile_line(distribution.quantiles, cells), "dim")
    )


def _quantile_line(places: Sequence[float], cells: int) -> str:
    """A box plot of one line, from quantiles as places in [0, 1].

    Thin from the 1 % to the 99 % quantile, thick from 5 % to 95 %, a box for the middle half, a bar for the median.
    """
    q01, q05, q25, q50, q75, q95, q99 = (min(int(place * cells), cells - 1) for place in places)

    def sign(cell: int) -> str:
        if cell == q50:
            return "┃"
        layers = ((q25, q75, "▬"), (q05, q95, "━"), (q01, q99, "─"))
        return next((sign for low, high, sign in layers if low <= cell <= high), " ")

    return "".join(map(sign, range(cells)))


def _top(column: ColumnProfile) -> Text:
    parts = [
        Text.assemble(text.item_text(item.value, _ITEM_CELLS), (f" {text.share(item.estimate, column.count)}", "dim"))
        for item in text.top_items(column, 3)
        if item.estimate >= _MIN_SHARE * column.count
    ]
    return Text("\n").join(parts)


def store_table(datasets: Sequence[DatasetWindows]) -> Table:
    """A table of data sets, windows and rows, from entries of `store_json`."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 3, 0, 0), pad_edge=False, border_style="dim", header_style="dim")
    for heading in ("data set", "window start", "end", "rows"):
        table.add_column(heading, justify="right" if heading == "rows" else "left")
    for entry in datasets:
        name = Text(text.clean(entry["dataset"], 60), style="bold")
        for window in entry["windows"]:
            start, end = (text.shown(datetime.fromisoformat(time)) for time in (window["start"], window["end"]))
            table.add_row(name, Text(start), Text(end), Text(f"{window['rows']:,}"))
            name = Text("")
    return table
