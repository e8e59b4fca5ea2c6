"""The command: `python -m benchmarks [speed | accuracy | drift | fleet | sizing]`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress

from benchmarks import report
from benchmarks.measure import Line, Setup, limit_threads

if TYPE_CHECKING:
    from collections.abc import Callable

_ROWS = 2_000_000
_QUICK_ROWS = 100_000
_DRAWS, _QUICK_DRAWS = 1_000, 3
_FLEET = {"writers": 1_000, "windows": 1_440, "columns": 4, "backlog": 1_440}
_QUICK_FLEET = {"writers": 5, "windows": 65, "columns": 2, "backlog": 20}


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description="Measure polarsprof beside its peers.")
    parser.add_argument("kind", nargs="?", choices=("speed", "accuracy", "drift", "fleet", "sizing"), default="speed")
    parser.add_argument("--only", metavar="NAME,…", help="run only these suites or distributions")
    parser.add_argument("--rows", type=int, help=f"rows of the frames; default {_ROWS:,}, {_QUICK_ROWS:,} when quick")
    parser.add_argument("--quick", action="store_true", help="small data and few repeats, to check that it runs")
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count() or 1, help="threads of each side; default: all cores"
    )
    parser.add_argument("--whylogs", metavar="PYTHON", help="an interpreter with whylogs 1.6.4 and numpy < 2")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the ratios as SVG")
    tables = parser.add_argument_group("fleet and sizing")
    tables.add_argument("--page", type=Path, metavar="FILE", help="update the tables of a page")
    tables.add_argument("--measured", type=Path, metavar="FILE", help="use the figures of --json instead of measuring")
    fleet = parser.add_argument_group("fleet")
    for name, default in _FLEET.items():
        fleet.add_argument(f"--{name}", type=int, default=default, help=f"default {default:,}")
    fleet.add_argument("--folder", type=Path, help="parent of the store; in memory, syncs are free")
    fleet.add_argument("--backlog-folder", type=Path, help="parent of the store without compaction")
    arguments = parser.parse_args(given)
    if arguments.rows is not None and arguments.rows < 1:
        parser.error(f"--rows: got {arguments.rows}, expected 1 or more")
    for name in _FLEET:
        if getattr(arguments, name) < 1:
            parser.error(f"--{name}: got {getattr(arguments, name)}, expected 1 or more")
    if arguments.threads < 1:
        parser.error(f"--threads: got {arguments.threads}, expected 1 or more")
    return arguments


def _selected(only: str | None, known: list[str]) -> list[str]:
    names = known if only is None else [name.strip() for name in only.split(",")]
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"--only: got {', '.join(unknown)}; expected some of {', '.join(known)}")
    return names


def _progress() -> Progress:
    """A progress bar; disabled if the output is no terminal."""
    return Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True)


def speed(names: list[str], setup: Setup) -> list[Line]:
    """All lines of the suites."""
    from benchmarks.suites import SUITES

    lines = []
    with _progress() as progress:
        task = progress.add_task("", total=len(names))
        for name in names:
            progress.update(task, description=name)
            for line in SUITES[name](setup):
                lines.append(line)
                progress.update(task, description=f"{name}: {line.what}")
            progress.advance(task)
    return lines


def _accuracy(arguments: argparse.Namespace) -> int:
    from benchmarks import accuracy

    names = _selected(arguments.only, list(accuracy.NAMES))
    with _progress() as progress:
        tables, is_broken = accuracy.tables(names, progress, quick=arguments.quick)
    print(tables)
    return 1 if is_broken else 0


def _drift(arguments: argparse.Namespace) -> int:
    from benchmarks import drift

    with _progress() as progress:
        print(drift.tables(progress, draws=_QUICK_DRAWS if arguments.quick else _DRAWS))
    return 0


def _fleet(arguments: argparse.Namespace) -> str:
    from benchmarks.fleet import Fleet, simulation

    options = _QUICK_FLEET if arguments.quick else {name: getattr(arguments, name) for name in _FLEET}
    fleet = Fleet(**options, folder=arguments.folder, backlog_folder=arguments.backlog_folder)
    lines = []
    with _progress() as progress:
        task = progress.add_task("fleet", total=None)
        for line in simulation(fleet):
            lines.append(line)
            progress.update(task, description=f"fleet: {line.what}")
            if arguments.json:  # keeps the results if a later step fails
                arguments.json.write_text(report.as_json(lines, options), "utf-8")
    return report.as_json(lines, options)


def _sizing(arguments: argparse.Namespace) -> str:
    from benchmarks import sizing

    lines, rates = sizing.measured_rates(sizing.QUICK if arguments.quick else sizing.FULL)
    return report.as_json(lines, {"threads": arguments.threads}, asdict(rates))


def _tables(arguments: argparse.Namespace, measure: Callable[[argparse.Namespace], str]) -> int:
    """Measure or read the figures, print the tables, and update those of a page."""
    from benchmarks import plans

    text = measure(arguments) if arguments.measured is None else arguments.measured.read_text("utf-8")
    blocks = plans.blocks_of(json.loads(text))
    print("\n\n".join(blocks.values()))
    if arguments.json:
        arguments.json.write_text(text.rstrip() + "\n", "utf-8")
    if arguments.page:
        page = arguments.page.read_text("utf-8")
        arguments.page.write_text(plans.update_blocks(page, blocks), "utf-8")
    return 0


def main(given: list[str] | None = None) -> int:
    """Measure, print the table and write the files."""
    arguments = _arguments(given)
    limit_threads(arguments.threads)  # before anything imports Polars
    if arguments.kind == "accuracy":
        return _accuracy(arguments)
    if arguments.kind == "drift":
        return _drift(arguments)
    if arguments.kind in ("fleet", "sizing"):
        return _tables(arguments, _fleet if arguments.kind == "fleet" else _sizing)
    from benchmarks.suites import SUITES

    setup = Setup(
        rows=arguments.rows or (_QUICK_ROWS if arguments.quick else _ROWS),
        threads=arguments.threads,
        quick=arguments.quick,
        whylogs=arguments.whylogs,
    )
    lines = speed(_selected(arguments.only, list(SUITES)), setup)
    print(report.markdown(lines))
    if arguments.json:
        options = {"rows": setup.rows, "threads": setup.threads, "quick": setup.quick}
        arguments.json.write_text(report.as_json(lines, options) + "\n", "utf-8")
    if arguments.plot:
        arguments.plot.write_text(report.svg(lines), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
