"""The command `polarsprof`: arguments in, calls of the library out.

Results go to standard output, progress (on a terminal alone), warnings and errors to standard error. Exit codes: 0, 1
for data or a place that cannot be read or written, 2 for wrong usage, 130 after Ctrl-C. What is slow to import is
imported by the command that needs it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from polarsprof.cli.outcome import CommandGroup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from polarsprof.profiles import Profile
    from polarsprof.store import ProfileStore

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
_OUT = click.Path(dir_okay=False, path_type=Path)


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="polarsprof", message="%(prog)s %(version)s")
def main() -> None:
    """Profile data and streams: one small file per time window, exactly mergeable with any other.

    Try `polarsprof demo` first.
    """


@main.command("profile")
@click.argument("paths", nargs=-1, required=True)
@click.option("-o", "--output", type=_OUT, help="Also write the profile to this file.")
@_JSON
def profile_command(paths: Sequence[str], output: Path | None, *, as_json: bool) -> None:
    """Profile PATHS as one data set: Parquet, CSV, NDJSON (.ndjson, .jsonl) and Arrow IPC files, folders, patterns."""
    from polarsprof.cli.outcome import counted
    from polarsprof.jsonlines import row_batches
    from polarsprof.oneshot import profile_of

    _refuse_overwriting(output, paths)
    found = profile_of(counted(row_batches(paths), "profiling"))
    if output is not None:
        found.write(output)
    _print_profile(found, as_json=as_json)


@main.command("stream")
@click.argument("source")
@click.option("--dataset", required=True, help="Name of the data set.")
@click.option("--rotate", metavar="INTERVAL", help="Length of a window, such as 15m, 1h or 1d; default: one window.")
@click.option("--timestamp", metavar="COLUMN", help="Column of the event time; default: the time of arrival.")
@click.option("--timestamp-unit", type=click.Choice(["s", "ms", "us", "ns"]), help="Unit of epoch numbers.")
@click.option("--store", default="profiles", show_default=True, metavar="URL", help="Folder or object store of files.")
@click.option("--max-out-of-orderness", default="0s", show_default=True, metavar="INTERVAL", help="Lag to wait for.")
@click.option("--allowed-lateness", metavar="INTERVAL", help="Reject rows that come later; default: none.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="Text to keep in every file; repeatable.")
@click.option("--until-idle", metavar="INTERVAL", help="Stop when nothing came for so long; default: wait for more.")
@click.option("--max-records", type=click.IntRange(1), metavar="N", help="Stop after so many records.")
@click.option(
    "--from-beginning",
    is_flag=True,
    help="Read a topic that was never read from its oldest record on.",
)
@click.option("--dead-letter", type=_OUT, help="Append messages that are no records to this file, with the reason.")
@_JSON
def stream_command(
    source: str, dataset: str, store: str, tags: Sequence[str], *, from_beginning: bool, as_json: bool, **options: Any
) -> None:
    """Log the rows of SOURCE into window files.

    SOURCE is - for NDJSON on standard input; a file, folder or pattern; tail:PATH, an NDJSON file that grows; or
    kafka://HOST:PORT/TOPIC, redis://HOST:PORT/STREAM, nats://HOST:PORT/STREAM, kinesis://REGION/STREAM, sqs://HOST/QUEUE.

    A source that was read before into the data set is read on from there. Ctrl-C ends it cleanly: everything read so
    far is written.
    """
    from polarsprof.cli.streaming import closing_line, stream

    limits = {name: options.pop(name) for name in ("until_idle", "max_records")}
    limits["dead_letters"] = options.pop("dead_letter")
    options |= {"tags": _pairs(tags), "with_rotation_time": options.pop("rotate")}
    counters = stream(source, store, dataset, from_beginning=from_beginning, limits=limits, **options)
    if as_json:
        _print_json({"dataset": dataset, "store": store, **counters})
    else:
        click.echo(closing_line(counters, store))
    if counters["interrupted_by"]:
        sys.exit(128 + counters["interrupted_by"])


@main.command("show")
@click.argument("place", metavar="FILE|STORE")
@click.option("--dataset", help="Data set of the store; default: list data sets and windows.")
@click.option("--from", "start", metavar="TIME", help="First instant, ISO 8601, UTC unless it says otherwise.")
@click.option("--to", "end", metavar="TIME", help="Instant before which to end.")
@click.option("--column", "columns", multiple=True, metavar="NAME", help="Read only this column; repeatable.")
@_JSON
def show_command(
    place: str, dataset: str | None, start: str | None, end: str | None, columns: Sequence[str], *, as_json: bool
) -> None:
    """Show a profile file, or the merged windows of a data set in a store."""
    from polarsprof.merging import read

    wanted = list(columns) or None
    if Path(place).is_file():
        if dataset or start or end:
            raise click.UsageError("--dataset, --from and --to need a store; this is a file")
        found = read(place, columns=wanted)
    else:
        store = _store_at(place)
        if dataset is None:
            if start or end or wanted:
                raise click.UsageError("--from, --to and --column need --dataset")
            _print_store(store, as_json=as_json)
            return
        found = store.read(dataset, start, end, columns=wanted)
    _check_columns(found, columns)
    _print_profile(found, as_json=as_json)


@main.command("merge")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("-o", "--output", required=True, type=_OUT, help="File to write.")
def merge_command(files: Sequence[str], output: Path) -> None:
    """Merge profile FILES into one."""
    from polarsprof.cli.outcome import counted
    from polarsprof.merging import merge, read

    merged = merge(counted((read(file) for file in files), "merging", what="files"))
    merged.write(output)
    click.echo(f"{len(files):,} files, {merged.rows:,} rows → {output}")


@main.command("compact")
@click.argument("place", metavar="STORE")
@click.option("--dataset", required=True, help="Name of the data set.")
@click.option("--into", metavar="INTERVAL", help="Merge finer windows into windows so long, such as d; default: none.")
@click.option("--keep", metavar="INTERVAL", help="Delete windows that ended longer ago, such as 90d; default: none.")
@click.option("--settle", default="1h", show_default=True, metavar="INTERVAL", help="Leave windows alone for so long.")
@click.option("--zone", metavar="NAME", help="Time zone of windows of whole days; default: UTC.")
@_JSON
def compact_command(place: str, dataset: str, *, as_json: bool, **options: Any) -> None:
    """Merge the files of each window of a data set of STORE into one, finer windows into coarser ones.

    Safe beside writers, readers and other compactors, and to be interrupted at any moment.
    """
    from dataclasses import asdict

    from polarsprof.cli.outcome import progress

    store = _store_at(place)
    with progress("windows") as display:
        task = display.add_task("compacting", total=None)
        done = store.compact(
            dataset, tell=lambda done, total: display.update(task, completed=done, total=total), **options
        )
    if as_json:
        _print_json({"dataset": dataset, "store": place, **asdict(done)})
        return
    lines = [f"{done.files_merged:,} files → {done.windows:,} windows in {place}"]
    lines += [f"{done.windows_left:,} windows left: their panes track different things"] * bool(done.windows_left)
    lines += [f"{done.files_expired:,} files of {done.rows_expired:,} rows deleted"] * bool(done.files_expired)
    click.echo("; ".join(lines))


@main.command("demo")
@click.option("--store", type=click.Path(file_okay=False), help="Keep the window files in this folder.")
def demo_command(store: str | None) -> None:
    """Stream a month of flights into daily windows, look at them, merge them, check the sum. Takes seconds."""
    from polarsprof.cli.demo import demo

    demo(store)


def _store_at(place: str) -> ProfileStore:
    from polarsprof.store import ProfileStore

    if "://" not in place and not Path(place).is_dir():
        raise FileNotFoundError(f"{place}: no such file or folder")
    return ProfileStore(place)


def _pairs(tags: Sequence[str]) -> dict[str, str]:
    pairs = [tag.partition("=") for tag in tags]
    for tag, (key, equals, _) in zip(tags, pairs, strict=True):
        if not key or not equals:
            raise click.BadParameter(f"{tag!r} is not KEY=VALUE", param_hint="--tag")
    return {key: value for key, _, value in pairs}


def _refuse_overwriting(output: Path | None, paths: Sequence[str]) -> None:
    if output is not None and any(Path(path).is_file() and output.exists() and output.samefile(path) for path in paths):
        raise click.BadParameter(f"{output} is among the files to profile", param_hint="--output")


def _check_columns(found: Profile, columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in found]
    if missing:
        from polarsprof.errors import argument_error

        raise argument_error("--column", missing[0], "a column of the profile")


def _print_json(value: Mapping[str, Any]) -> None:
    import json

    click.echo(json.dumps(value, ensure_ascii=True, allow_nan=False))


def _print_profile(found: Profile, *, as_json: bool) -> None:
    from polarsprof.cli.outcome import console, profile_facts

    if as_json:
        _print_json(profile_facts(found))
        return
    from polarsprof.views.terminal import facts_line, profile_table

    out = console()
    out.print(facts_line(found), soft_wrap=True)
    if found.columns:
        out.print(profile_table(found))


def _print_store(store: ProfileStore, *, as_json: bool) -> None:
    from polarsprof.cli.outcome import console, store_facts

    listed = store_facts(store)
    if as_json:
        _print_json({"datasets": listed})
        return
    from polarsprof.views.terminal import store_table

    if not listed:
        click.echo(f"{store.url}: no profiles")
        return
    console().print(store_table(listed))
