"""The command `polarsprof`; each subcommand is a module, imported when used.

Results go to standard output. Progress (only on a terminal), warnings and errors go to standard error.

Exit codes: 0 for success, 1 for data or a store that cannot be read or written, 2 for wrong usage, 3 for drift found by
`drift --check`, 128 plus the number of the signal after a signal (130 after Ctrl-C).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

import click

from polarsprof.cli.console import CommandGroup

if TYPE_CHECKING:
    from collections.abc import Mapping

# Command → "module:function" in this package, and its line in `polarsprof --help`, which imports no command.
COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "compact": ("compact:compact_command", "Merge the files of each window of a data set."),
    "convert": ("convert:convert_command", "Write profiles in the format of another tool."),
    "demo": ("demo:demo_command", "Stream a month of flights and check the figures."),
    "drift": ("drift:drift_command", "Compare two profiles column by column."),
    "merge": ("merge:merge_command", "Merge profile files into one."),
    "profile": ("profile:profile_command", "Profile data files as one data set."),
    "report": ("report:report_command", "Write an HTML page about profiles."),
    "show": ("show:show_command", "Show a profile file or a store."),
    "stream": ("stream:stream_command", "Profile a stream into one file per time window."),
    "timeline": ("timeline:timeline_command", "Show figures of a column over time."),
}


class LazyGroup(CommandGroup):
    """A group that imports a command when it is called, and none to list them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, sorted."""
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name; None if there is none."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, function = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(f"{__name__}.{module}"), function)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="polarsprof", message="%(prog)s %(version)s")
def main() -> None:
    """Profile data and streams into one small file per time window.

    Files merge exactly with each other. Try `polarsprof demo` first.
    """
