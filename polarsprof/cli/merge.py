"""`polarsprof merge`: profile files → one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

import polarsprof as pp
from polarsprof.cli.console import with_progress
from polarsprof.cli.options import OUTPUT_FILE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@click.command("merge")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("-o", "--output", required=True, type=OUTPUT_FILE, help="File to write.")
def merge_command(*, files: Sequence[str], output: Path) -> None:
    """Merge profile files into one."""
    merged = pp.merge(with_progress(map(pp.read, files), "merging", "files"))
    merged.write(output)
    click.echo(f"{len(files):,} files, {merged.rows:,} rows → {output}")
