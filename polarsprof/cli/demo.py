"""`polarsprof demo`: a month of flights → daily files → one profile, checked.

All figures are computed during the run, from the bundled file `polarsprof/data/flights.parquet`.
"""

from __future__ import annotations

import shlex
import tempfile
import time
from datetime import date
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import polars as pl
from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

import polarsprof as pp
from polarsprof.cli.stream import open_session
from polarsprof.cli.tables import ACCENT, bars, header_line, profile_table
from polarsprof.errors import argument_error

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH: Final = 100
DATASET: Final = "flights"
_ROTATION: Final = "d"
_TIMESTAMP: Final = "time_hour"
_MAX_OUT_OF_ORDERNESS: Final = "6h"
_DELAYED: Final = (pl.col("origin") == "JFK") & (pl.col("time_hour").dt.date() == date(2013, 1, 9))
_STEP_ROWS: Final = 500
_RANKS: Final = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


@click.command("demo")
@click.option("--store", type=click.Path(file_okay=False), help="Folder to keep the window files in.")
def demo_command(store: str | None) -> None:
    """Stream a month of flights and check the figures.

    The flights go into daily windows; the windows are merged and compared with one pass over all rows. Takes seconds.
    """
    demo(store)


def demo(folder: str | None = None, console: Console | None = None) -> None:
    """Run the demonstration.

    Parameters
    ----------
    folder
        Folder for the window files; None for a temporary folder, which is removed afterwards.
    console
        Console to print to; None for standard output, up to 100 columns wide.

    Raises
    ------
    ArgumentError
        If the folder has windows of the data set already.
    """
    out = Console(highlight=False) if console is None else console
    out.width = min(out.width, WIDTH) if out.is_terminal else WIDTH
    flights = _flights()
    with tempfile.TemporaryDirectory() as temporary:
        store = pp.ProfileStore(folder or temporary)
        if store.files(DATASET):
            raise argument_error("--store", folder, f"a folder without windows of data set {DATASET!r}")
        _intro(out, flights)
        counters, seconds = _stream(store, flights)
        _files(out, store, counters, seconds, show_place=folder is not None)
        _days(out, store)
        merged = store.read(DATASET)
        _heading(out, "All windows merged: the month")
        out.print(header_line(merged))
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
    delayed = flights.filter(_DELAYED).height
    out.print(
        f"{flights.height:,} flights, scheduled to leave New York in January 2013, are logged one by one; each day "
        f"becomes one small file. {delayed} of them, from JFK on 9 January, arrive last, as from a feed that was down: "
        "they still get into their day, as a second file of its window.\n"
    )
    settings = {
        "with_rotation_time": _ROTATION,
        "timestamp": _TIMESTAMP,
        "max_out_of_orderness": _MAX_OUT_OF_ORDERNESS,
    }
    options = ",\n               ".join(f'{name}="{value}"' for name, value in settings.items())
    out.print(Padding(Text(f'session.logger("{DATASET}", {options})', style=ACCENT), (0, 0, 0, 2)))


def _stream(store: pp.ProfileStore, flights: pl.DataFrame) -> tuple[dict[str, int], float]:
    """Log all flights; return the counters and the seconds until all is durable."""
    started = time.perf_counter()
    with _progress() as display, open_session(store) as session, _open_logger(session) as logger:
        task = display.add_task("streaming", total=flights.height)
        for part in (flights.filter(~_DELAYED), flights.filter(_DELAYED)):
            for step in part.iter_slices(_STEP_ROWS):
                _log_each(logger, step)
                display.advance(task, step.height)
            logger.flush()  # so that the delayed flights share no micro-batch with the others
        logger.close()
        return logger.counters, time.perf_counter() - started


def _open_logger(session: pp.Session) -> pp.Logger:
    return session.logger(
        DATASET, with_rotation_time=_ROTATION, timestamp=_TIMESTAMP, max_out_of_orderness=_MAX_OUT_OF_ORDERNESS
    )


def _log_each(logger: pp.Logger, flights: pl.DataFrame) -> None:
    for record in flights.iter_rows(named=True):
        logger.log(record)


def _progress() -> Progress:
    display = Console(stderr=True)
    columns = (TextColumn("  {task.description}"), BarColumn(bar_width=50), TaskProgressColumn())
    return Progress(*columns, console=display, transient=True, disable=not display.is_terminal)


def _files(out: Console, store: pp.ProfileStore, counters: dict[str, int], seconds: float, *, show_place: bool) -> None:
    files = [Path(file) for file in store.files(DATASET)]
    _heading(out, f"{len(store.windows(DATASET))} windows in {len(files)} files")
    rate = counters["rows_logged"] / seconds
    out.print(
        f"{counters['rows_logged']:,} records in {seconds:.1f} s ({rate:,.0f} a second), {counters['rows_rejected']} "
        f"rejected, {counters['rows_late']} late. {_size(counters['bytes_written'])} in all"
        f"{f', in {store.url}' if show_place else ''}.\n",
        markup=False,
    )
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(justify="right")
    last = -1
    for i in _listed_positions(files):
        if i > last + 1:
            table.add_row(Text(f"… {i - last - 1} more", style="dim"), "", "")
        table.add_row(*_file_cells(files[i]))
        last = i
    out.print(Padding(table, (0, 0, 0, 2)))


def _listed_positions(files: Sequence[Path]) -> list[int]:
    """Positions of the first three files, two files with late rows, and the last."""
    further = [i for i, file in enumerate(files) if not _is_first(file)]
    return sorted({*range(min(3, len(files))), *further[:2], len(files) - 1})


def _is_first(file: Path) -> bool:
    """Returns whether a file is the first pane; later panes have an id in the name."""
    return file.name.count(".") == 2


def _file_cells(file: Path) -> tuple[Text, str, str]:
    pane = pp.read(file, columns=())
    note = "" if _is_first(file) else "  late rows"
    return Text.assemble(file.name, (note, "yellow")), f"{pane.rows:,} rows", _size(file.stat().st_size)


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1024:,.0f} KiB"


def _days(out: Console, store: pp.ProfileStore) -> None:
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
    """Print a bar per day, two cells wide and two lines high, and the range."""
    upper, lower = ("".join(2 * cell for cell in line) for line in bars(values, 2))
    out.print(Text.assemble(f"{'':13}", (upper, style)))
    out.print(Text.assemble(f"  {label:11}", (lower, style), (f"  {span}", "dim")))


def _check(out: Console, windows: int, merged: pp.Profile, flights: pl.DataFrame) -> None:
    """Compare merged windows, one pass over all rows, and exact figures by Polars."""
    whole = pp.profile(flights)
    _heading(out, f"{windows} windows merged = one pass over all rows?")
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


def _figures(merged: pp.Profile, whole: pp.Profile, flights: pl.DataFrame) -> list[tuple[str, str, str, str]]:
    delay = flights["dep_delay"]
    return [
        ("rows", f"{merged.rows:,}", f"{whole.rows:,}", f"{flights.height:,}"),
        ("cancelled: nulls of dep_delay", *_both(merged, whole, "dep_delay", "null_count"), f"{delay.null_count():,}"),
        ("longest delay, minutes", *_both(merged, whole, "dep_delay", "max"), _text(delay.max())),
        ("all delays together, minutes", *_both(merged, whole, "dep_delay", "sum"), _text(delay.sum())),
    ]


def _both(merged: pp.Profile, whole: pp.Profile, column: str, figure: str) -> tuple[str, str]:
    return f"{getattr(merged[column], figure):,}", f"{getattr(whole[column], figure):,}"


def _text(figure: object) -> str:
    return format(figure, ",")


def _aircraft(merged: pp.Profile, whole: pp.Profile, flights: pl.DataFrame) -> tuple[str, str, str, str, Text]:
    """The row of the only estimate; the exact count must be within its bounds."""
    exact = flights["tailnum"].drop_nulls().n_unique()
    one, other = (side["tailnum"].distinct or pp.Estimate(0.0, 0.0, 0.0) for side in (merged, whole))
    within = one == other and one.lower <= exact <= one.upper
    verdict = Text("✓ within bounds", "green") if within else Text("✗ beyond bounds", "bold red")
    return ("distinct aircraft, estimated", f"{one.estimate:,.1f}", f"{other.estimate:,.1f}", f"{exact:,}", verdict)


def _agreement(merged: pp.Profile, whole: pp.Profile) -> tuple[int, int]:
    """The number of figures that are equal in both profiles, and the number compared."""
    figures = ("count", "null_count", "types", "min", "max", "sum", "distinct")
    pairs = [
        (getattr(merged[path], figure), getattr(column, figure))
        for path, column in whole.columns.items()
        for figure in figures
        if getattr(column, figure) is not None
    ]
    return sum(one == other for one, other in pairs), len(pairs)


def _rank_errors(merged: pp.Profile, flights: pl.DataFrame) -> tuple[float, float]:
    """The largest rank error of the merged quantiles, and the bound of the profile."""
    worst = bound = 0.0
    for series in flights.select(pl.col(pl.Int64), "time_hour").get_columns():
        group = merged[series.name].group("temporal" if series.dtype.is_temporal() else "number")
        bound = max(bound, group.rank_error or 0.0)
        for rank, value in zip(_RANKS, group.quantiles(_RANKS) or [], strict=True):
            worst = max(worst, _rank_error(series.drop_nulls(), rank, value))
    return worst, bound


def _rank_error(series: pl.Series, rank: float, value: object) -> float:
    """The distance of `rank` from the ranks of the value; 0 if it is one of them."""
    below, at_or_below = (series < value).sum() / len(series), (series <= value).sum() / len(series)
    return max(0.0, float(below) - rank, rank - float(at_or_below))


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
