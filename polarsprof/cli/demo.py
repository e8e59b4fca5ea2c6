"""`polarsprof demo`: a month of flights becomes a stream, the stream daily files, the files one profile again.

Everything it shows is computed while it runs, from `polarsprof/data/flights.parquet` and nothing else.
"""

from __future__ import annotations

import shlex
import tempfile
import time
from datetime import date
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl
from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from polarsprof.cli.streaming import session_of
from polarsprof.cli.tables import ACCENT, bars, facts_line, profile_table
from polarsprof.engines.one_shot import profile
from polarsprof.errors import argument_error
from polarsprof.profiles.merging import read
from polarsprof.sketches import Estimate
from polarsprof.store import ProfileStore

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from polarsprof.profiles.profile import Profile

WIDTH: Final = 100
DATASET: Final = "flights"
_OPTIONS: Final[Mapping[str, Any]] = {
    "with_rotation_time": "d",
    "timestamp": "time_hour",
    "max_out_of_orderness": "6h",
}
_HELD_BACK: Final = (pl.col("origin") == "JFK") & (pl.col("time_hour").dt.date() == date(2013, 1, 9))
_STEP_ROWS: Final = 500
_RANKS: Final = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def demo(folder: str | None = None, console: Console | None = None) -> None:
    """Run the demonstration.

    Parameters
    ----------
    folder
        Where the window files stay; default: a temporary folder that is gone afterwards.
    console
        Where to print; default: standard output, 100 columns wide at the most.
    """
    out = Console(highlight=False) if console is None else console
    out.width = min(out.width, WIDTH) if out.is_terminal else WIDTH
    flights = _flights()
    with tempfile.TemporaryDirectory() as temporary:
        store = ProfileStore(folder or temporary)
        if store.files(DATASET):
            raise argument_error("--store", folder, f"a folder without windows of a data set {DATASET!r}")
        _intro(out, flights)
        counters, seconds = _streamed(store, flights)
        _files(out, store, counters, seconds, kept=folder is not None)
        _days(out, store)
        merged = store.read(DATASET)
        _heading(out, "All windows merged: the month")
        out.print(facts_line(merged))
        out.print(profile_table(merged))
        _check(out, len(store.windows(DATASET)), merged, flights)
        _next(out, folder)


def _flights() -> pl.DataFrame:
    with resources.as_file(resources.files("polarsprof") / "data" / "flights.parquet") as path:
        return pl.read_parquet(path)


def _heading(out: Console, text: str) -> None:
    out.print()
    out.print(Rule(Text(text, style="bold"), align="left", style="dim"))


def _intro(out: Console, flights: pl.DataFrame) -> None:
    out.print(Rule(Text("polarsprof", style=f"bold {ACCENT}"), align="left", style=ACCENT))
    held_back = flights.filter(_HELD_BACK).height
    out.print(
        f"{flights.height:,} flights, scheduled to leave New York in January 2013, are logged one by one; each day "
        f"leaves one small file. {held_back} of them, JFK's on 9 January, are held back to the end, as from a feed "
        "that was down: they find their day all the same, in a further file of its window.\n"
    )
    options = ",\n               ".join(f'{name}="{value}"' for name, value in _OPTIONS.items())
    out.print(Padding(Text(f'session.logger("{DATASET}", {options})', style=ACCENT), (0, 0, 0, 2)))


def _streamed(store: ProfileStore, flights: pl.DataFrame) -> tuple[dict[str, int], float]:
    """The counters of the logger once all is durable, and the seconds it took."""
    started = time.perf_counter()
    with _progress() as display, session_of(store) as session, session.logger(DATASET, **_OPTIONS) as logger:
        task = display.add_task("streaming", total=flights.height)
        for part in (flights.filter(~_HELD_BACK), flights.filter(_HELD_BACK)):
            for step in part.iter_slices(_STEP_ROWS):
                for record in step.iter_rows(named=True):
                    logger.log(record)
                display.advance(task, step.height)
            logger.flush()  # what was held back comes when the rest is in files, and not in one micro-batch with it
        logger.close()
        return logger.counters, time.perf_counter() - started


def _progress() -> Progress:
    shown = Console(stderr=True)
    columns = (TextColumn("  {task.description}"), BarColumn(bar_width=50), TaskProgressColumn())
    return Progress(*columns, console=shown, transient=True, disable=not shown.is_terminal)


def _files(out: Console, store: ProfileStore, counters: dict[str, int], seconds: float, *, kept: bool) -> None:
    files = [Path(file) for file in store.files(DATASET)]
    _heading(out, f"{len(store.windows(DATASET))} windows in {len(files)} files")
    rate = counters["rows_logged"] / seconds
    out.print(
        f"{counters['rows_logged']:,} records in {seconds:.1f} s ({rate:,.0f} a second), {counters['rows_rejected']} "
        f"rejected, {counters['rows_late']} late. {_size(counters['bytes_written'])} in all"
        f"{f', in {store.url}' if kept else ''}.\n",
        markup=False,
    )
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(justify="right")
    last = -1
    for i in _worth_listing(files):
        if i > last + 1:
            table.add_row(Text(f"… {i - last - 1} more", style="dim"), "", "")
        table.add_row(*_file_cells(files[i]))
        last = i
    out.print(Padding(table, (0, 0, 0, 2)))


def _worth_listing(files: Sequence[Path]) -> list[int]:
    """Positions of the first three files, of the first two with late rows, and of the last."""
    further = [i for i, file in enumerate(files) if not _is_first(file)]
    return sorted({*range(min(3, len(files))), *further[:2], len(files) - 1})


def _is_first(file: Path) -> bool:
    """Whether the file is the first pane of its window; only later ones carry a writer id."""
    return file.name.count(".") == 2


def _file_cells(file: Path) -> tuple[Text, str, str]:
    pane = read(file, columns=())
    note = "" if _is_first(file) else "  late rows"
    return Text.assemble(file.name, (note, "yellow")), f"{pane.rows:,} rows", _size(file.stat().st_size)


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1024:,.0f} KiB"


def _days(out: Console, store: ProfileStore) -> None:
    windows = store.windows(DATASET)
    days = [store.read(DATASET, window.start, window.end) for window in windows]
    _heading(out, "Day by day, read back from the files")
    rows = [float(day.rows) for day in days]
    delays = [day["dep_delay"].mean or 0.0 for day in days]
    _strip(out, "flights", rows, f"{min(rows):,.0f} – {max(rows):,.0f}", ACCENT)
    out.print()
    _strip(out, "mean delay", delays, f"{min(delays):.0f} – {max(delays):.0f} min", "dark_orange")
    starts = [window.start for window in windows]
    ticks = "".join(f"{start:%b} {start.day}".ljust(14) for start in starts[::7])
    out.print(Text(f"{'':13}{ticks}", style="dim"))


def _strip(out: Console, label: str, values: Sequence[float], span: str, style: str) -> None:
    """One bar of two cells per day, two lines high, its range at the end."""
    upper, lower = ("".join(2 * cell for cell in line) for line in bars(values, 2))
    out.print(Text.assemble(f"{'':13}", (upper, style)))
    out.print(Text.assemble(f"  {label:11}", (lower, style), (f"  {span}", "dim")))


def _check(out: Console, windows: int, merged: Profile, flights: pl.DataFrame) -> None:
    """Hold the merged windows against one pass over everything, and both against Polars on the raw rows."""
    whole = profile(flights)
    _heading(out, f"{windows} windows merged = one pass over everything?")
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 3, 0, 0), pad_edge=False, border_style="dim", header_style="dim")
    for heading, right in (("", False), ("merged", True), ("one pass", True), ("Polars, exact", True), ("", False)):
        table.add_column(heading, justify="right" if right else "left", no_wrap=True)
    for name, ours, theirs, raw in _figures(merged, whole, flights):
        verdict = ("✓ equal", "green") if ours == theirs == raw else ("✗ differs", "bold red")
        table.add_row(name, ours, theirs, raw, Text(*verdict))
    table.add_row(*_aircraft(merged, whole, flights))
    out.print(table)
    equal, compared = _agreement(merged, whole)
    worst, bound = _rank_errors(merged, flights)
    mark, style = ("✓", "green") if equal == compared else ("✗", "bold red")
    out.print(
        Text.assemble((mark, style), f" {equal} of {compared} counts, extremes, sums and distinct estimates equal")
    )
    mark, style = ("✓", "green") if worst <= bound else ("✗", "bold red")
    out.print(
        Text.assemble(
            (mark, style), f" every quantile within {100 * worst:.2f} % of its true rank (bound {100 * bound:.2f} %)"
        )
    )


def _figures(merged: Profile, whole: Profile, flights: pl.DataFrame) -> list[tuple[str, str, str, str]]:
    delay = flights["dep_delay"]
    return [
        ("rows", f"{merged.rows:,}", f"{whole.rows:,}", f"{flights.height:,}"),
        ("cancelled: nulls of dep_delay", *_both(merged, whole, "dep_delay", "null_count"), f"{delay.null_count():,}"),
        ("longest delay, minutes", *_both(merged, whole, "dep_delay", "max"), _text(delay.max())),
        ("all delays together, minutes", *_both(merged, whole, "dep_delay", "sum"), _text(delay.sum())),
    ]


def _both(merged: Profile, whole: Profile, column: str, figure: str) -> tuple[str, str]:
    return f"{getattr(merged[column], figure):,}", f"{getattr(whole[column], figure):,}"


def _text(figure: Any) -> str:
    return f"{figure:,}"


def _aircraft(merged: Profile, whole: Profile, flights: pl.DataFrame) -> tuple[str, str, str, str, Text]:
    """The one estimate of the table: the two must be equal, and the exact figure within its bounds."""
    exact = flights["tailnum"].drop_nulls().n_unique()
    one, other = (found["tailnum"].distinct or Estimate(0.0, 0.0, 0.0) for found in (merged, whole))
    within = one == other and one.lower <= exact <= one.upper
    verdict = Text("✓ within bounds", "green") if within else Text("✗ beyond bounds", "bold red")
    return ("distinct aircraft, estimated", f"{one.estimate:,.1f}", f"{other.estimate:,.1f}", f"{exact:,}", verdict)


def _agreement(merged: Profile, whole: Profile) -> tuple[int, int]:
    """How many exact figures of all columns agree, of how many."""
    figures = ("count", "null_count", "types", "min", "max", "sum", "distinct")
    pairs = [
        (getattr(merged[path], figure), getattr(column, figure))
        for path, column in whole.columns.items()
        for figure in figures
        if getattr(column, figure) is not None
    ]
    return sum(one == other for one, other in pairs), len(pairs)


def _rank_errors(merged: Profile, flights: pl.DataFrame) -> tuple[float, float]:
    """The largest distance of a quantile of the merged profile from its rank in the rows, and the stated bound."""
    worst = bound = 0.0
    for series in flights.select(pl.col(pl.Int64), "time_hour").get_columns():
        group = merged[series.name].group("temporal" if series.dtype.is_temporal() else "number")
        bound = max(bound, group.rank_error or 0.0)
        for rank, value in zip(_RANKS, group.quantiles(_RANKS) or [], strict=True):
            worst = max(worst, _rank_error(series.drop_nulls(), rank, value))
    return worst, bound


def _rank_error(series: pl.Series, rank: float, value: Any) -> float:
    """How far `rank` lies outside the ranks that the value takes in the series."""
    below, at_or_below = (series < value).sum() / len(series), (series <= value).sum() / len(series)
    return float(max(0.0, below - rank, rank - at_or_below))


def _next(out: Console, folder: str | None) -> None:
    _heading(out, "Next")
    place = shlex.quote(folder or "january")
    lines = (
        *([] if folder else [f"polarsprof demo --store {place}"]),
        f"polarsprof show {place} --dataset flights --from 2013-01-07 --to 2013-01-14",
        f"polarsprof timeline {place} dep_delay --dataset flights",
        f"polarsprof report {place} -o january.html",
        "cat events.ndjson | polarsprof stream - --dataset events --rotate 1h",
        *(["python -c 'import polarsprof as pp; help(pp.Session)'"] if folder else []),
    )
    for line in lines:
        out.print(Padding(Text(f"$ {line}", style=ACCENT), (0, 0, 0, 2)))
