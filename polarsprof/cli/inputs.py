"""Arguments that name files or stores → the profiles in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

import polarsprof as pp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def store_at(place: str) -> pp.ProfileStore:
    """The store at a path or URL.

    Raises
    ------
    FileNotFoundError
        If a path is not an existing folder.
    """
    if "://" not in place and not Path(place).is_dir():
        raise FileNotFoundError(f"{place}: no such file or folder")
    return pp.ProfileStore(place)


def only_dataset(store: pp.ProfileStore) -> str:
    """The name of the single data set of a store.

    Raises
    ------
    click.UsageError
        If the store has none or several.
    """
    names = store.datasets()
    if len(names) != 1:
        raise click.UsageError(f"--dataset is needed: {store.url} has {', '.join(map(repr, names)) or 'none'}")
    return names[0]


@dataclass(frozen=True, slots=True)
class Range:
    """The part of a store to read; files are read whole.

    Attributes
    ----------
    dataset
        Name of the data set; None for the only one.
    start, end
        ISO 8601; None for no limit. The end is exclusive.
    options
        The options that set start and end, for error messages.
    """

    dataset: str | None
    start: str | None
    end: str | None
    options: str


def profile_at(place: str, part: Range, columns: Sequence[str] = ()) -> pp.Profile:
    """The profile of a file, or the merged windows of a store.

    Parameters
    ----------
    place
        Path of a profile file, or path or URL of a store.
    part
        The part of the store to read.
    columns
        Columns to read; empty for all.

    Raises
    ------
    click.UsageError
        If a range is given for a file.
    """
    selected = list(columns) or None
    if Path(place).is_file():
        if part.start or part.end:
            raise click.UsageError(f"{part.options} need a store; {place} is a file")
        return pp.read(place, columns=selected)
    store = store_at(place)
    dataset = only_dataset(store) if part.dataset is None else part.dataset
    return store.read(dataset, part.start, part.end, columns=selected)


def profiles_at(places: Sequence[str], dataset: str | None, start: str | None, end: str | None) -> Iterator[pp.Profile]:
    """One profile per window, in order, from profile files or from one store.

    Raises
    ------
    click.UsageError
        If a data set or range is given for files, or if there are several places that are not all files.
    """
    if all(Path(place).is_file() for place in places):
        if dataset or start or end:
            raise click.UsageError("--dataset, --from and --to need a store; these are files")
        from polarsprof.profiles.merging import merge_windows

        return merge_windows(places)
    if len(places) > 1:
        raise click.UsageError(f"expected only files, or one store; got {places[0]} and {len(places) - 1} more")
    store = store_at(places[0])
    return store.profiles(only_dataset(store) if dataset is None else dataset, start, end)
