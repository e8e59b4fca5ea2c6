"""`polarsprof show`: a profile file, a data set, or the data sets of a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

import polarsprof as pp
from polarsprof.cli.inputs import store_at
from polarsprof.cli.options import csv_option, from_option, json_option, to_option
from polarsprof.cli.output import print_profile, print_store
from polarsprof.errors import argument_error

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command("show")
@click.argument("place", metavar="FILE|STORE")
@click.option("--dataset", help="Data set to show; default: list the data sets and their windows.")
@from_option
@to_option
@click.option("--column", "columns", multiple=True, metavar="NAME", help="Read only this column; repeatable.")
@json_option
@csv_option
def show_command(
    *,
    place: str,
    dataset: str | None,
    start: str | None,
    end: str | None,
    columns: Sequence[str],
    as_json: bool,
    as_csv: bool,
) -> None:
    """Show a profile file or a store.

    With --dataset, the windows of the data set are merged and shown as one profile.
    """
    selected = list(columns) or None
    if Path(place).is_file():
        if dataset or start or end:
            raise click.UsageError("--dataset, --from and --to need a store; this is a file")
        profile = pp.read(place, columns=selected)
    else:
        store = store_at(place)
        if dataset is None:
            if start or end or selected:
                raise click.UsageError("--from, --to and --column need --dataset")
            if as_csv:
                raise click.UsageError("--csv needs --dataset")
            print_store(store, as_json=as_json)
            return
        profile = store.read(dataset, start, end, columns=selected)
    _check_columns(profile, columns)
    print_profile(profile, as_json=as_json, as_csv=as_csv)


def _check_columns(profile: pp.Profile, columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in profile]
    if missing:
        raise argument_error("--column", missing[0], "a column of the profile")
