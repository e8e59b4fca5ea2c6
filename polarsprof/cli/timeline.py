"""`polarsprof timeline`: figures of one column over the windows of a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

import polarsprof as pp
from polarsprof.cli.console import console
from polarsprof.cli.inputs import only_dataset, store_at
from polarsprof.cli.json import print_json, timeline_json
from polarsprof.cli.options import csv_option, from_option, json_option, refuse_both, to_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

_MIN_CELLS: Final = 20
_BESIDE_CELLS: Final = 48  # names and ranges of the figures, left and right of the bars


@click.command("timeline")
@click.argument("place", metavar="STORE")
@click.argument("column")
@click.option("--dataset", help="Data set of the store; default: the only one.")
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="Such as mean, null_share, q95; repeatable.")
@from_option
@to_option
@json_option
@csv_option
def timeline_command(
    *,
    place: str,
    column: str,
    dataset: str | None,
    metrics: Sequence[str],
    start: str | None,
    end: str | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Show figures of a column over time.

    Each figure of COLUMN is one line with a bar per window of STORE. Marks below the bars: · for a missing window, ▴
    for late rows, ▸ for the newest window.
    """
    refuse_both(as_json=as_json, as_csv=as_csv)
    store = store_at(place)
    name = dataset or only_dataset(store)
    timeline = store.timeline(name, column, metrics or None, start, end)
    if as_json:
        print_json({"dataset": name, "column": column, "windows": timeline_json(timeline)})
    elif as_csv:
        from polarsprof.cli.csv import csv_text

        click.echo(csv_text(timeline), nl=False)
    else:
        _print_lines(timeline)


def _print_lines(timeline: pl.DataFrame) -> None:
    """Print a line per figure, as wide as the terminal."""
    from polarsprof.views.strip import lines

    out = console()
    names = ("rows", *pp.strip(timeline).metrics)
    for line in lines(timeline, names, max(_MIN_CELLS, out.width - _BESIDE_CELLS)):
        out.print(line, markup=False, soft_wrap=True)
