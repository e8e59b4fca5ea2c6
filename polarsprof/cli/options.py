"""Options and checks of the command line that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
csv_option = click.option("--csv", "as_csv", is_flag=True, help="Print CSV that is safe to open in a spreadsheet.")
from_option = click.option("--from", "start", metavar="TIME", help="Start of the range, ISO 8601; UTC by default.")
to_option = click.option("--to", "end", metavar="TIME", help="End of the range, exclusive.")
OUTPUT_FILE: Final = click.Path(dir_okay=False, path_type=Path)


def refuse_overwriting(output: Path | None, inputs: Iterable[str]) -> None:
    """Refuse an output file that is one of the input files.

    Raises
    ------
    click.BadParameter
        If it is.
    """
    if output is not None and any(
        Path(path).is_file() and output.exists() and output.samefile(path) for path in inputs
    ):
        raise click.BadParameter(f"{output} is one of the input files", param_hint="--output")


def refuse_both(*, as_json: bool, as_csv: bool) -> None:
    """Refuse two output formats at once.

    Raises
    ------
    click.UsageError
        If JSON and CSV are both asked for.
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
