"""`convert`: profile files and stores → formats of others, one entry of a table each."""

from __future__ import annotations

from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from polarsprof.profiles.profile import Profile


def _to_parquet(profiles: Iterable[Profile], output: Path) -> str:
    from polarsprof.interop.parquet import write_parquet

    return f"{write_parquet(profiles, output):,} rows"


def _to_native(profiles: Iterable[Profile], output: Path) -> str:
    return _to_files(profiles, output, lambda profile: profile.to_bytes())


def _to_whylogs(profiles: Iterable[Profile], output: Path) -> str:
    return _to_files(profiles, output, lambda profile: profile.to_whylogs())


def _to_openlineage(profiles: Iterable[Profile], output: Path, **options: str) -> str:
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


def _to_files(profiles: Iterable[Profile], output: Path, encode: Callable[[Profile], bytes]) -> str:
    """One profile becomes the file; several become files of a folder, each named by its window and none replaced."""
    from polarsprof.files.durable import replace_file

    waiting = iter(profiles)
    some = list(islice(waiting, 2))
    if len(some) == 1 and not output.is_dir():
        replace_file(output, encode(some[0]))
        return "1 file"
    output.mkdir(parents=True, exist_ok=True)
    number = 0
    for profile in chain(some, waiting):
        with (output / _file_name(profile)).open("xb") as file:
            file.write(encode(profile))
        number += 1
    return f"{number:,} files"


def _file_name(profile: Profile) -> str:
    from polarsprof.store.names import label_of, prefix_of

    label = "all" if profile.window is None else label_of(profile.window, "")
    return f"{prefix_of(profile.dataset)}{label}.bin"


# Name of a format → what writes profiles in it to a path, and says what it wrote.
TARGETS: Final[Mapping[str, Callable[..., str]]] = {
    "openlineage": _to_openlineage,
    "parquet": _to_parquet,
    "polarsprof": _to_native,
    "whylogs": _to_whylogs,
}


@click.command("convert")
@click.argument("place", metavar="FILE|STORE")
@click.argument("output", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--to", "target", required=True, type=click.Choice(list(TARGETS)), help="Format to write.")
@click.option("--dataset", help="Data set of the store; default: all.")
@click.option("--openlineage-namespace", "namespace", help="Namespace of job and data set in events.")
def convert_command(place: str, output: Path, target: str, dataset: str | None, namespace: str | None) -> None:
    """Write a profile file, or each window of a store, in the format of others.

    parquet: figures and Apache DataSketches images, in rows for a warehouse. whylogs: a file that whylogs 1.6 opens,
    or a folder of one for each window of a store. polarsprof: the same in our own format, of a file of whylogs too.
    openlineage: an event with the facet of data quality, in JSON, a line for each window.
    """
    from polarsprof.cli.console import counted

    if output.exists() and Path(place).exists() and output.samefile(place):
        raise click.BadParameter(f"{output} is what is to be converted", param_hint="OUT")
    if namespace is not None and target != "openlineage":
        raise click.UsageError("--openlineage-namespace needs --to openlineage")
    options = {} if namespace is None else {"namespace": namespace}
    profiles = counted(_profiles(place, dataset), "converting", what="windows")
    click.echo(f"{place}: {TARGETS[target](profiles, output, **options)} → {output}")


def _profiles(place: str, dataset: str | None) -> Iterator[Profile]:
    """The profile of a file, or those of the windows of a store."""
    from polarsprof.cli.console import store_at
    from polarsprof.profiles.merging import read

    if Path(place).is_file():
        if dataset is not None:
            raise click.UsageError("--dataset needs a store; this is a file")
        yield read(place)
        return
    store = store_at(place)
    for name in store.datasets() if dataset is None else [dataset]:
        yield from store.profiles(name)
