"""What all commands share: errors and warnings in one line each, progress on a terminal, facts as JSON."""

from __future__ import annotations

import io
import math
import signal
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from polarsprof.errors import ArgumentError, PolarsprofError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console
    from rich.progress import Progress

    from polarsprof.profiles.profile import Profile
    from polarsprof.store import ProfileStore

_PIPED_COLUMNS = 120
# Argument of the library → the option that it came from.
_OPTIONS = {
    "with_rotation_time": "--rotate",
    "timestamp": "--timestamp",
    "max_out_of_orderness": "--max-out-of-orderness",
    "allowed_lateness": "--allowed-lateness",
    "dataset_name": "--dataset",
    "until_idle": "--until-idle",
    "dead_letters": "--dead-letter",
    "start": "--from",
    "end": "--to",
    "into": "--into",
    "keep": "--keep",
    "grace": "--grace",
    "zone": "--zone",
    "metrics": "--metric",
    "address": "--metrics",
    "place": "--openlineage",
    "namespace": "--openlineage-namespace",
    "thresholds": "--threshold",
    "alpha": "--alpha",
    "columns": "--column",
}


class CommandGroup(click.Group):
    """A group that answers every expected failure in one line on standard error, and Ctrl-C with exit code 130."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises
        ------
        SystemExit
            With code 1 or 130, where the command fails or is interrupted.
        click.UsageError
            Where an option does not fit.
        """
        _print_what_the_encoding_lacks_as_marks()
        with warnings.catch_warnings():
            warnings.simplefilter("always", category=UserWarning)
            warnings.showwarning = _tell_warning
            try:
                return super().invoke(ctx)
            except BrokenPipeError:  # the reader has seen enough; click ends quietly
                raise
            except KeyboardInterrupt:
                raise SystemExit(128 + signal.SIGINT) from None
            except Exception as error:
                if isinstance(error, ArgumentError) and error.argument in _OPTIONS:
                    raise click.UsageError(f"{_OPTIONS[error.argument]}: {error}", ctx) from None
                if not isinstance(error, (PolarsprofError, OSError, *_polars_errors())):
                    raise
                _tell(f"error: {error}")
                raise SystemExit(1) from None


def _print_what_the_encoding_lacks_as_marks() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _polars_errors() -> tuple[type[Exception], ...]:
    """The errors of Polars, for files that are not what their suffix says; none where it was never imported."""
    polars = sys.modules.get("polars")
    return () if polars is None else (polars.exceptions.PolarsError,)


def _tell(message: str) -> None:
    from polarsprof.profiles.text import clean

    click.echo(clean(message, 1_000), err=True)


def _tell_warning(  # noqa: PLR0917 - the signature of warnings.showwarning
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    del category, filename, lineno, file, line  # where in the library it came from helps nobody here
    _tell(f"warning: {message}")


def console() -> Console:
    """Standard output, as wide as the terminal; 120 columns where it is none."""
    from rich.console import Console

    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=_PIPED_COLUMNS)


def progress(unit: str) -> Progress:
    """A display of what was done and how fast, on standard error; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    shown = Console(stderr=True)
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn(f"{{task.completed:,.0f}} {unit}"),
        TimeElapsedColumn(),
        console=shown,
        transient=True,
        disable=not shown.is_terminal,
    )


def counted(parts: Iterable[Any], description: str, what: str = "rows") -> Iterator[Any]:
    """The parts as they come, with their number, of rows for batches of them, shown as progress."""
    with progress(what) as display:
        task = display.add_task(description, total=None)
        for part in parts:
            yield part
            display.advance(task, part.rows if what == "rows" else 1)


def store_at(place: str) -> ProfileStore:
    """The store at a place; a folder has to be there."""
    from polarsprof.store import ProfileStore

    if "://" not in place and not Path(place).is_dir():
        raise FileNotFoundError(f"{place}: no such file or folder")
    return ProfileStore(place)


def only_dataset(store: ProfileStore) -> str:
    """The one data set of a store; wrong use where it has none or several."""
    names = store.datasets()
    if len(names) != 1:
        raise click.UsageError(f"--dataset is needed: {store.url} has {', '.join(map(repr, names)) or 'none'}")
    return names[0]


def profile_facts(profile: Profile) -> dict[str, Any]:
    """A profile as plain data for JSON: facts, and the rows of its summary, where what is not finite is null."""
    window = profile.window
    return {
        "dataset": profile.dataset,
        "window": None if window is None else {"start": window.start.isoformat(), "end": window.end.isoformat()},
        "first_event": profile.first_event and profile.first_event.isoformat(),
        "last_event": profile.last_event and profile.last_event.isoformat(),
        "rows": profile.rows,
        "rejected": dict(profile.rejected),
        "degraded": dict(profile.degraded),
        "late_rows": profile.late_rows,
        "untimed_rows": profile.untimed_rows,
        "future_rows": profile.future_rows,
        "dropped_rows": profile.dropped_rows,
        "tags": profile.tags,
        "metadata": profile.metadata,
        "versions": profile.versions,
        "incomplete": profile.incomplete,
        "foreign": {path: {k: _finite(v) for k, v in figures.items()} for path, figures in profile.foreign.items()},
        "columns": [{name: _finite(value) for name, value in row.items()} for row in profile.summary().to_dicts()],
    }


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def store_facts(store: ProfileStore) -> list[dict[str, Any]]:
    """Data set → windows with their rows, read from the headers of the files alone."""
    return [{"dataset": name, "windows": _window_facts(store, name)} for name in store.datasets()]


def _window_facts(store: ProfileStore, name: str) -> list[dict[str, Any]]:
    return [
        {"start": window.start.isoformat(), "end": window.end.isoformat(), "rows": rows}
        for window, rows in store.rows(name).items()
    ]
