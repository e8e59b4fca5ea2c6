"""`polarsprof profile`: data files → one profile, shown and written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from polarsprof.cli.console import with_row_progress
from polarsprof.cli.options import OUTPUT_FILE, csv_option, json_option, refuse_overwriting
from polarsprof.cli.output import print_profile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@click.command("profile")
@click.argument("paths", nargs=-1, required=True)
@click.option("-o", "--output", type=OUTPUT_FILE, help="File to write the profile to.")
@json_option
@csv_option
def profile_command(*, paths: Sequence[str], output: Path | None, as_json: bool, as_csv: bool) -> None:
    """Profile data files as one data set.

    PATHS are Parquet, CSV, NDJSON (.ndjson, .jsonl) and Arrow IPC files, folders of them, or shell patterns.
    """
    from polarsprof.engines.one_shot import profile_of
    from polarsprof.ingest.json_lines import row_batches

    refuse_overwriting(output, paths)
    profile = profile_of(with_row_progress(row_batches(paths), "profiling"))
    if output is not None:
        profile.write(output)
    print_profile(profile, as_json=as_json, as_csv=as_csv)
