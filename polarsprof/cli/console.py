"""The terminal: one-line errors and warnings, exit codes, progress."""

from __future__ import annotations

import io
import signal
import sys
import warnings
from typing import TYPE_CHECKING, Any, Final, Protocol, TextIO, TypeVar

import click

from polarsprof.errors import ArgumentError, PolarsprofError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rich.console import Console
    from rich.progress import Progress

_PIPED_COLUMNS: Final = 120
_MESSAGE_CHARACTERS: Final = 1_000
# Argument of the library → the option that sets it.
_OPTION_OF_ARGUMENT: Final[Mapping[str, str]] = {
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
    """A group that reports each expected failure in one line on standard error."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises
        ------
        SystemExit
            With code 1 if the command fails, with code 130 after Ctrl-C.
        click.UsageError
            If the library refuses the value of an option.
        """
        _replace_unencodable_characters()
        with warnings.catch_warnings():
            warnings.simplefilter("always", category=UserWarning)
            warnings.showwarning = _print_warning
            try:
                return super().invoke(ctx)
            except BrokenPipeError:  # the reader closed the pipe; click exits quietly
                raise
            except KeyboardInterrupt:
                raise SystemExit(128 + signal.SIGINT) from None
            except Exception as error:
                if isinstance(error, ArgumentError) and error.argument in _OPTION_OF_ARGUMENT:
                    raise click.UsageError(f"{_OPTION_OF_ARGUMENT[error.argument]}: {error}", ctx) from None
                if not isinstance(error, (PolarsprofError, OSError, *_polars_errors())):
                    raise
                _print_line(f"error: {error}")
                raise SystemExit(1) from None


def _replace_unencodable_characters() -> None:
    """Print a question mark for each character that the terminal cannot encode."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _polars_errors() -> tuple[type[Exception], ...]:
    """The errors of Polars, such as for a corrupt file; empty before its import."""
    polars = sys.modules.get("polars")
    return () if polars is None else (polars.exceptions.PolarsError,)


def _print_line(message: str) -> None:
    from polarsprof.profiles.text import clean

    click.echo(clean(message, _MESSAGE_CHARACTERS), err=True)


def _print_warning(  # noqa: PLR0917 - the signature of warnings.showwarning
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    del category, filename, lineno, file, line  # the position in the library does not help the user
    _print_line(f"warning: {message}")


def console() -> Console:
    """Standard output, as wide as the terminal; 120 columns without a terminal."""
    from rich.console import Console

    terminal = Console(highlight=False)
    return terminal if terminal.is_terminal else Console(highlight=False, width=_PIPED_COLUMNS)


def progress(unit: str) -> Progress:
    """A display of progress on standard error; disabled without a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    display = Console(stderr=True)
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn(f"{{task.completed:,.0f}} {unit}"),
        TimeElapsedColumn(),
        console=display,
        transient=True,
        disable=not display.is_terminal,
    )


class _HasRows(Protocol):
    @property
    def rows(self) -> int: ...


Item = TypeVar("Item")
Batch = TypeVar("Batch", bound=_HasRows)


def with_progress(items: Iterable[Item], description: str, unit: str) -> Iterator[Item]:
    """The items, with the number of items so far shown as progress."""
    with progress(unit) as display:
        task = display.add_task(description, total=None)
        for item in items:
            yield item
            display.advance(task)


def with_row_progress(batches: Iterable[Batch], description: str) -> Iterator[Batch]:
    """The batches, with the number of rows so far shown as progress."""
    with progress("rows") as display:
        task = display.add_task(description, total=None)
        for batch in batches:
            yield batch
            display.advance(task, batch.rows)
