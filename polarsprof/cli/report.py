"""`polarsprof report`: profile files, or the windows of a store → one HTML page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

import polarsprof as pp
from polarsprof.cli.console import with_progress
from polarsprof.cli.inputs import Range, profile_at, profiles_at
from polarsprof.cli.options import OUTPUT_FILE, from_option, refuse_overwriting, to_option

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@click.command("report")
@click.argument("places", metavar="FILES|STORE", nargs=-1, required=True)
@click.option("--dataset", help="Data set of the store; default: the only one.")
@from_option
@to_option
@click.option("--reference", metavar="FILE|STORE", help="Profile to compare with; the page shows drifted columns.")
@click.option("--reference-from", "reference_start", metavar="TIME", help="Start of the range of REFERENCE.")
@click.option("--reference-to", "reference_end", metavar="TIME", help="End of the range of REFERENCE, exclusive.")
@click.option("--title", help="Title of the page; default: the name of the data set.")
@click.option("-o", "--output", required=True, type=OUTPUT_FILE, help="HTML file to write.")
def report_command(
    *,
    places: Sequence[str],
    dataset: str | None,
    start: str | None,
    end: str | None,
    reference: str | None,
    reference_start: str | None,
    reference_end: str | None,
    title: str | None,
    output: Path,
) -> None:
    """Write an HTML page about profiles.

    The profiles are profile FILES, or the windows of a data set in STORE; files of one window are merged. Any browser
    shows the page without a network.
    """
    refuse_overwriting(output, [*places, *([reference] if reference else [])])
    compared = None
    if reference is not None:
        part = Range(dataset, reference_start, reference_end, "--reference-from and --reference-to")
        compared = profile_at(reference, part)
    profiles = with_progress(profiles_at(places, dataset, start, end), "reading", "windows")
    page = pp.report(profiles, reference=compared, title=title)
    output.write_text(page, "ascii")
    click.echo(f"{len(page) / 1024:,.0f} KiB → {output}")
