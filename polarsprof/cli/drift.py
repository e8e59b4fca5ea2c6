"""`polarsprof drift`: two profiles from files or stores, how far their columns are apart, as a table or JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from polarsprof.profiles.profile import Profile


@dataclass(frozen=True, slots=True)
class Range:
    """What to read of a store; of a file all of it is None.

    Attributes
    ----------
    dataset, start, end
        The data set, its first instant and the one before which to end.
    options
        The options they came from, for what is told of wrong ones.
    """

    dataset: str | None
    start: str | None
    end: str | None
    options: str


def profile_at(place: str, wanted: Range, columns: Sequence[str] = ()) -> Profile:
    """The profile of a file, or the merged windows of a data set of a store, with all columns or those named."""
    from polarsprof.cli.console import only_dataset, store_at
    from polarsprof.profiles.merging import read

    named = list(columns) or None
    if Path(place).is_file():
        if wanted.start or wanted.end:
            raise click.UsageError(f"{wanted.options} need a store; {place} is a file")
        return read(place, columns=named)
    store = store_at(place)
    dataset = only_dataset(store) if wanted.dataset is None else wanted.dataset
    return store.read(dataset, wanted.start, wanted.end, columns=named)


def thresholds_of(given: Sequence[str]) -> dict[str, float | None]:
    """Thresholds from texts such as ks=0.2 or psi=none."""
    return dict(_threshold(one) for one in given)


def _threshold(given: str) -> tuple[str, float | None]:
    name, equals, value = given.partition("=")
    try:
        return name, None if value == "none" else float(value if equals else "")
    except ValueError:
        raise click.BadParameter(f"{given!r} is not FIGURE=NUMBER or FIGURE=none", param_hint="--threshold") from None


def drift_json(found: pl.DataFrame, reference: Profile, current: Profile) -> dict[str, Any]:
    """The frame as plain data, and what was compared."""
    return {
        "reference": _facts(reference),
        "current": _facts(current),
        "drifted": int(found["drifted"].sum()),
        "columns": found.to_dicts(),
    }


def _facts(profile: Profile) -> dict[str, Any]:
    window = profile.window
    times = None if window is None else {"start": window.start.isoformat(), "end": window.end.isoformat()}
    return {"dataset": profile.dataset, "window": times, "rows": profile.rows}


def print_drift(found: pl.DataFrame, reference: Profile, current: Profile) -> None:
    """A line for each profile, one for what was found, and the table."""
    from rich.text import Text

    from polarsprof.cli.console import console
    from polarsprof.cli.drift_table import drift_facts, drift_table
    from polarsprof.cli.tables import facts_line

    out = console()
    for name, profile in (("reference", reference), ("current", current)):
        out.print(Text.assemble((f"{name:<11}", "dim"), facts_line(profile)), soft_wrap=True)
    out.print(Text.assemble(" " * 11, drift_facts(found)), soft_wrap=True)
    if len(found):
        out.print(drift_table(found, out.width))
