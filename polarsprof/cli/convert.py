"""`convert`: profile files and stores → formats of others, one entry of a table each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from polarsprof.profiles import Profile
    from polarsprof.window import Window


def _to_parquet(profiles: Iterable[Profile], output: Path) -> str:
    from polarsprof.interop.parquet import write_parquet

    return f"{write_parquet(profiles, output):,} rows"


# Name of a format → what writes profiles in it to a path, and says what it wrote.
TARGETS: Final[Mapping[str, Callable[[Iterable[Profile], Path], str]]] = {"parquet": _to_parquet}


@click.command("convert")
@click.argument("place", metavar="FILE|STORE")
@click.argument("output", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--to", "target", required=True, type=click.Choice(list(TARGETS)), help="Format to write.")
@click.option("--dataset", help="Data set of the store; default: all.")
def convert_command(place: str, output: Path, target: str, dataset: str | None) -> None:
    """Write a profile file, or each window of a store, in the format of others.

    parquet: figures and Apache DataSketches images, in rows for a warehouse.
    """
    from polarsprof.cli.outcome import counted

    if output.exists() and Path(place).exists() and output.samefile(place):
        raise click.BadParameter(f"{output} is what is to be converted", param_hint="OUT")
    profiles = counted(_profiles(place, dataset), "converting", what="windows")
    click.echo(f"{place}: {TARGETS[target](profiles, output)} → {output}")


def _profiles(place: str, dataset: str | None) -> Iterator[Profile]:
    """The profile of a file, or those of the windows of a store."""
    from polarsprof.cli.outcome import store_at
    from polarsprof.merging import read

    if Path(place).is_file():
        if dataset is not None:
            raise click.UsageError("--dataset needs a store; this is a file")
        yield read(place)
        return
    store = store_at(place)
    for name in store.datasets() if dataset is None else [dataset]:
        for start, end in _spans(store.windows(name)):
            yield store.read(name, start, end)


def _spans(windows: Iterable[Window]) -> list[tuple[datetime, datetime]]:
    """The windows; those that overlap become one, because a range is read with all that overlap it."""
    spans: list[tuple[datetime, datetime]] = []
    for window in windows:
        if spans and window.start < spans[-1][1]:
            spans[-1] = spans[-1][0], max(spans[-1][1], window.end)
        else:
            spans.append((window.start, window.end))
    return spans
