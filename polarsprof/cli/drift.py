"""`polarsprof drift`: two profiles, compared column by column."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

import polarsprof as pp
from polarsprof.cli.console import console
from polarsprof.cli.inputs import Range, profile_at
from polarsprof.cli.json import drift_json, print_json
from polarsprof.cli.options import json_option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

_DRIFT_CODE = 3


def _parse_thresholds(ctx: click.Context, option: click.Parameter, texts: Sequence[str]) -> dict[str, float | None]:
    """Metric → threshold, from texts such as ks=0.2 or psi=none."""
    return dict(_parse_threshold(text, ctx, option) for text in texts)


def _parse_threshold(text: str, ctx: click.Context, option: click.Parameter) -> tuple[str, float | None]:
    name, equals, value = text.partition("=")
    try:
        return name, None if value == "none" else float(value if equals else "")
    except ValueError:
        raise click.BadParameter(f"{text!r} is not METRIC=NUMBER or METRIC=none", ctx, option) from None


@click.command("drift")
@click.argument("reference", metavar="REFERENCE")
@click.argument("current", metavar="CURRENT")
@click.option("--dataset", help="Data set of the stores; default: the only one of each.")
@click.option("--from", "start", metavar="TIME", help="Start of the range of CURRENT, ISO 8601; UTC by default.")
@click.option("--to", "end", metavar="TIME", help="End of the range of CURRENT, exclusive.")
@click.option("--reference-dataset", help="Data set of REFERENCE; default: the one of --dataset.")
@click.option("--reference-from", "reference_start", metavar="TIME", help="Start of the range of REFERENCE.")
@click.option("--reference-to", "reference_end", metavar="TIME", help="End of the range of REFERENCE, exclusive.")
@click.option("--column", "columns", multiple=True, metavar="NAME", help="Compare only this column; repeatable.")
@click.option(
    "--threshold",
    "thresholds",
    multiple=True,
    metavar="METRIC=NUMBER",
    callback=_parse_thresholds,
    help="Such as ks=0.2, or psi=none to ignore a metric; repeatable.",
)
@click.option("--alpha", type=float, default=0.01, show_default=True, help="Significance level.")
@click.option("--check", is_flag=True, help="Exit with code 3 if a column has drifted.")
@json_option
def drift_command(
    *,
    reference: str,
    current: str,
    dataset: str | None,
    start: str | None,
    end: str | None,
    reference_dataset: str | None,
    reference_start: str | None,
    reference_end: str | None,
    columns: Sequence[str],
    thresholds: Mapping[str, float | None],
    alpha: float,
    check: bool,
    as_json: bool,
) -> None:
    """Compare two profiles column by column.

    REFERENCE and CURRENT are profile files, or stores with --dataset. A column has drifted if a metric is above its
    threshold, even within the error bounds of the sketches, and chance is ruled out.
    """
    before = Range(reference_dataset or dataset, reference_start, reference_end, "--reference-from and --reference-to")
    after = Range(dataset, start, end, "--from and --to")
    old, new = profile_at(reference, before, columns), profile_at(current, after, columns)
    comparison = pp.drift(old, new, columns=columns or None, thresholds=thresholds, alpha=alpha)
    if as_json:
        print_json(drift_json(comparison, old, new))
    else:
        _print_drift(comparison, old, new)
    if check and comparison["drifted"].any():
        sys.exit(_DRIFT_CODE)


def _print_drift(comparison: pl.DataFrame, reference: pp.Profile, current: pp.Profile) -> None:
    """Print a line per profile, the number of drifted columns, and the table."""
    from rich.text import Text

    from polarsprof.cli.drift_table import drift_facts, drift_table
    from polarsprof.cli.tables import header_line

    out = console()
    for name, profile in (("reference", reference), ("current", current)):
        out.print(Text.assemble((f"{name:<11}", "dim"), header_line(profile)), soft_wrap=True)
    out.print(Text.assemble(" " * 11, drift_facts(comparison)), soft_wrap=True)
    if len(comparison):
        out.print(drift_table(comparison, out.width))
