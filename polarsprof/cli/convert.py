"""`polarsprof convert`: profile files and stores → formats of other tools."""

from __future__ import annotations

from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

import polarsprof as pp
from polarsprof.cli.console import with_progress
from polarsprof.cli.inputs import store_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping


def _write_parquet(profiles: Iterable[pp.Profile], output: Path) -> str:
    from polarsprof.interop.parquet import write_parquet

    return f"{write_parquet(profiles, output):,} rows"


def _write_native(profiles: Iterable[pp.Profile], output: Path) -> str:
    return _write_files(profiles, output, lambda profile: profile.to_bytes())


def _write_whylogs(profiles: Iterable[pp.Profile], output: Path) -> str:
    return _write_files(profiles, output, lambda profile: profile.to_whylogs())


def _write_openlineage(profiles: Iterable[pp.Profile], output: Path, **options: str) -> str:
    from polarsprof.files.durable import replacing
    from polarsprof.interop.openlineage.emitter import event_line

    if not output.parent.is_dir():
        raise FileNotFoundError(f"{output.parent}: no such folder")
    number = 0
    with replacing(output) as temporary, temporary.open("xb") as file:
        for profile in profiles:
            file.write(event_line(profile, **options))
            number += 1
    return f"{number:,} events"


def _write_files(profiles: Iterable[pp.Profile], output: Path, encode: Callable[[pp.Profile], bytes]) -> str:
    """Write one profile to a file, several to new files in a folder."""
    from polarsprof.files.durable import replace_file

    remaining = iter(profiles)
    first = list(islice(remaining, 2))
    if len(first) == 1 and not output.is_dir():
        replace_file(output, encode(first[0]))
        return "1 file"
    output.mkdir(parents=True, exist_ok=True)
    number = 0
    for profile in chain(first, remaining):
        with (output / _file_name(profile)).open("xb") as file:
            file.write(encode(profile))
        number += 1
    return f"{number:,} files"


def _file_name(profile: pp.Profile) -> str:
    from polarsprof.store.names import label_of, prefix_of

    label = "all" if profile.window is None else label_of(profile.window, "")
    return f"{prefix_of(profile.dataset)}{label}.bin"


# Format → a function that writes profiles to a path and returns a phrase such as "3 files".
WRITERS: Final[Mapping[str, Callable[..., str]]] = {
    "openlineage": _write_openlineage,
    "parquet": _write_parquet,
    "polarsprof": _write_native,
    "whylogs": _write_whylogs,
}


@click.command("convert")
@click.argument("place", metavar="FILE|STORE")
@click.argument("output", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--to", "target", required=True, type=click.Choice(list(WRITERS)), help="Format to write.")
@click.option("--dataset", help="Data set of the store; default: all.")
@click.option("--openlineage-namespace", "namespace", help="Namespace of job and data set in the events.")
def convert_command(*, place: str, output: Path, target: str, dataset: str | None, namespace: str | None) -> None:
    """Write profiles in the format of another tool.

    The profiles are a profile FILE, or each window of a STORE.

    parquet: figures and Apache DataSketches images as rows, for a data warehouse.

    whylogs: a file that whylogs 1.6 opens, or a folder with one file per window.

    polarsprof: the native format; converts whylogs files.

    openlineage: one event per window with the data quality facet, as lines of JSON.
    """
    if output.exists() and Path(place).exists() and output.samefile(place):
        raise click.BadParameter(f"{output} is the file to convert", param_hint="OUT")
    if namespace is not None and target != "openlineage":
        raise click.UsageError("--openlineage-namespace needs --to openlineage")
    options = {} if namespace is None else {"namespace": namespace}
    profiles = with_progress(_profiles(place, dataset), "converting", "windows")
    click.echo(f"{place}: {WRITERS[target](profiles, output, **options)} → {output}")


def _profiles(place: str, dataset: str | None) -> Iterator[pp.Profile]:
    """The profile of a file, or one profile per window of a store."""
    if Path(place).is_file():
        if dataset is not None:
            raise click.UsageError("--dataset needs a store; this is a file")
        yield pp.read(place)
        return
    store = store_at(place)
    for name in store.datasets() if dataset is None else [dataset]:
        yield from store.profiles(name)
