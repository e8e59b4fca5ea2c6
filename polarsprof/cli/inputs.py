"""`polarsprof timeline` and `polarsprof report`: windows of a store, or files, as lines or as a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from polarsprof.cli.console import console, counted, only_dataset, store_at
from polarsprof.cli.csv import plain
from polarsprof.profiles.merging import merge_windows
from polarsprof.views import strip
from polarsprof.views.report import report

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl
    from rich.console import Console

    from polarsprof.profiles.profile import Profile

_FEWEST_CELLS: Final = 20
_BESIDE_CELLS: Final = 48


def print_timeline(timeline: pl.DataFrame) -> None:
    """The figures over windows, a line each, as wide as the terminal allows."""
    out = console()
    metrics = strip.strip(timeline).metrics
    for line in strip.lines(timeline, ("rows", *metrics), _cells(out)):
        out.print(line, markup=False, soft_wrap=True)


def _cells(out: Console) -> int:
    return max(_FEWEST_CELLS, out.width - _BESIDE_CELLS)


def timeline_json(timeline: pl.DataFrame) -> list[dict[str, Any]]:
    """The rows as plain data; moments as ISO 8601, what is not finite as null."""
    return [plain(row) for row in timeline.iter_rows(named=True)]


def profiles_at(places: Sequence[str], dataset: str | None, start: str | None, end: str | None) -> Iterator[Profile]:
    """The profiles of the windows at the places: files, or one store."""
    if all(Path(place).is_file() for place in places):
        if dataset or start or end:
            raise click.UsageError("--dataset, --from and --to need a store; these are files")
        return merge_windows(places)
    if len(places) > 1:
        raise click.UsageError(f"expected files, or one store; {places[0]} and others are not files all")
    store = store_at(places[0])
    return store.profiles(only_dataset(store) if dataset is None else dataset, start, end)


def write_report(profiles: Iterator[Profile], output: Path, title: str | None, reference: Profile | None) -> int:
    """Write the page; its size in bytes."""
    page = report(counted(profiles, "reading", what="windows"), reference=reference, title=title)
    output.write_text(page, "ascii")
    return len(page)
