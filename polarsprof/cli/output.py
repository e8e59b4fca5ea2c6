"""Results on standard output, as a table, JSON or CSV.

The tables need rich and the CSV needs Polars; both are imported when they are printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from polarsprof.cli.console import console
from polarsprof.cli.json import print_json, profile_json, store_json
from polarsprof.cli.options import refuse_both

if TYPE_CHECKING:
    from polarsprof.profiles.profile import Profile
    from polarsprof.store.profile_store import ProfileStore


def print_profile(profile: Profile, *, as_json: bool, as_csv: bool) -> None:
    """Print a table of the columns, JSON, or the summary as CSV."""
    refuse_both(as_json=as_json, as_csv=as_csv)
    if as_json:
        print_json(profile_json(profile))
    elif as_csv:
        from polarsprof.cli.csv import csv_text

        click.echo(csv_text(profile.summary()), nl=False)
    else:
        from polarsprof.cli.tables import header_line, profile_table

        out = console()
        out.print(header_line(profile), soft_wrap=True)
        if profile.columns:
            out.print(profile_table(profile))


def print_store(store: ProfileStore, *, as_json: bool) -> None:
    """Print the windows of each data set with their rows, as a table or as JSON."""
    datasets = store_json(store)
    if as_json:
        print_json({"datasets": datasets})
    elif not datasets:
        click.echo(f"{store.url}: no profiles")
    else:
        from polarsprof.cli.tables import store_table

        console().print(store_table(datasets))
