"""`polarsprof compact`: merge the files of each window, delete old windows."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from polarsprof.cli.console import progress
from polarsprof.cli.inputs import store_at
from polarsprof.cli.json import print_json
from polarsprof.cli.options import json_option

if TYPE_CHECKING:
    from polarsprof.store import Compaction


@click.command("compact")
@click.argument("place", metavar="STORE")
@click.option("--dataset", required=True, help="Name of the data set.")
@click.option("--into", metavar="INTERVAL", help="Merge windows into longer ones of this length, such as d.")
@click.option("--keep", metavar="INTERVAL", help="Delete windows that ended longer ago than this, such as 90d.")
@click.option(
    "--grace", default="1h", show_default=True, metavar="INTERVAL", help="Skip windows that ended more recently."
)
@click.option("--zone", metavar="NAME", help="Time zone of windows of whole days; default: UTC.")
@json_option
def compact_command(
    *, place: str, dataset: str, into: str | None, keep: str | None, grace: str, zone: str | None, as_json: bool
) -> None:
    """Merge the files of each window of a data set.

    Writers, readers and other compactors of STORE can run at the same time. An interrupted run loses nothing.
    """
    store = store_at(place)
    with progress("windows") as display:
        task = display.add_task("compacting", total=None)

        def on_progress(done: int, total: int) -> None:
            display.update(task, completed=done, total=total)

        result = store.compact(dataset, into=into, keep=keep, grace=grace, zone=zone, on_progress=on_progress)
    if as_json:
        print_json({"dataset": dataset, "store": place, **asdict(result)})
    else:
        click.echo(_closing_line(result, place))


def _closing_line(result: Compaction, place: str) -> str:
    parts = [f"{result.files_merged:,} files → {result.windows:,} windows in {place}"]
    if result.windows_left:
        parts.append(f"{result.windows_left:,} windows left: their panes track different things")
    if result.files_expired:
        parts.append(f"{result.files_expired:,} files of {result.rows_expired:,} rows deleted")
    return "; ".join(parts)
