"""The command `polarsprof`: arguments in, calls of the library out.

Results go to standard output, progress (on a terminal alone), warnings and errors to standard error. Exit codes: 0, 1
for data or a place that cannot be read or written, 2 for wrong usage, 3 for drift that was checked for, 130 after
Ctrl-C. What is slow to import is imported by the command that needs it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from polarsprof.cli.console import CommandGroup, only_dataset, store_at
from polarsprof.cli.convert import convert_command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from polarsprof.profiles.profile import Profile
    from polarsprof.store import ProfileStore

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
_CSV = click.option("--csv", "as_csv", is_flag=True, help="Print CSV, for spreadsheets.")
_FROM = click.option("--from", "start", metavar="TIME", help="First instant, ISO 8601, UTC unless it says otherwise.")
_TO = click.option("--to", "end", metavar="TIME", help="Instant before which to end.")
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
@_CSV
def profile_command(paths: Sequence[str], output: Path | None, *, as_json: bool, as_csv: bool) -> None:
    """Profile PATHS as one data set: Parquet, CSV, NDJSON (.ndjson, .jsonl) and Arrow IPC files, folders, patterns."""
    from polarsprof.cli.console import counted
    from polarsprof.engines.one_shot import profile_of
    from polarsprof.ingest.json_lines import row_batches

    _refuse_overwriting(output, paths)
    found = profile_of(counted(row_batches(paths), "profiling"))
    if output is not None:
        found.write(output)
    _print_profile(found, as_json=as_json, as_csv=as_csv)


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
@click.option("--metrics", metavar="[HOST:]PORT", help="Serve metrics for Prometheus; without HOST to this machine.")
@click.option("--metrics-columns", metavar="PATTERN", multiple=True, help="Show figures of columns there; repeatable.")
@click.option("--openlineage", metavar="FILE|URL", help="Append or post an event of OpenLineage for each window file.")
@click.option("--openlineage-namespace", metavar="NAME", help="Namespace of job and data set in events.")
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
    if options["metrics_columns"] and options["metrics"] is None:
        raise click.UsageError("--metrics-columns needs --metrics")
    if options["openlineage_namespace"] and options["openlineage"] is None:
        raise click.UsageError("--openlineage-namespace needs --openlineage")
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
@_FROM
@_TO
@click.option("--column", "columns", multiple=True, metavar="NAME", help="Read only this column; repeatable.")
@_JSON
@_CSV
def show_command(
    place: str,
    dataset: str | None,
    start: str | None,
    end: str | None,
    columns: Sequence[str],
    *,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Show a profile file, or the merged windows of a data set in a store."""
    from polarsprof.profiles.merging import read

    wanted = list(columns) or None
    if Path(place).is_file():
        if dataset or start or end:
            raise click.UsageError("--dataset, --from and --to need a store; this is a file")
        found = read(place, columns=wanted)
    else:
        store = store_at(place)
        if dataset is None:
            if start or end or wanted:
                raise click.UsageError("--from, --to and --column need --dataset")
            if as_csv:
                raise click.UsageError("--csv needs --dataset")
            _print_store(store, as_json=as_json)
            return
        found = store.read(dataset, start, end, columns=wanted)
    _check_columns(found, columns)
    _print_profile(found, as_json=as_json, as_csv=as_csv)


@main.command("timeline")
@click.argument("place", metavar="STORE")
@click.argument("column")
@click.option("--dataset", help="Data set of the store; default: its only one.")
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="Such as mean, null_share, q95; repeatable.")
@_FROM
@_TO
@_JSON
@_CSV
def timeline_command(
    place: str, column: str, metrics: Sequence[str], *, as_json: bool, as_csv: bool, **range_: Any
) -> None:
    """Show figures of COLUMN over the windows of a data set in STORE, a line each: · missing, ▴ late rows, ▸ newest."""
    from polarsprof.cli.csv import csv_text
    from polarsprof.cli.inputs import print_timeline, timeline_json

    _refuse_both(as_json=as_json, as_csv=as_csv)
    store = store_at(place)
    dataset = range_["dataset"] or only_dataset(store)
    found = store.timeline(dataset, column, metrics or None, range_["start"], range_["end"])
    if as_json:
        _print_json({"dataset": dataset, "column": column, "windows": timeline_json(found)})
    elif as_csv:
        click.echo(csv_text(found), nl=False)
    else:
        print_timeline(found)


@main.command("report")
@click.argument("places", metavar="FILES|STORE", nargs=-1, required=True)
@click.option("--dataset", help="Data set of the store; default: its only one.")
@_FROM
@_TO
@click.option("--reference", metavar="FILE|STORE", help="What to compare with: the page shows which columns drifted.")
@click.option("--reference-from", "reference_start", metavar="TIME", help="First instant of REFERENCE in its store.")
@click.option("--reference-to", "reference_end", metavar="TIME", help="Instant before which REFERENCE ends.")
@click.option("--title", help="Heading of the page; default: the name of the data set.")
@click.option("-o", "--output", required=True, type=_OUT, help="HTML file to write.")
def report_command(
    places: Sequence[str],
    *,
    reference: str | None,
    reference_start: str | None,
    reference_end: str | None,
    title: str | None,
    output: Path,
    **range_: Any,
) -> None:
    """Write a page about profile FILES, or about the windows of a data set in STORE.

    One HTML file, to be read in any browser without a network. Panes of one window are merged.
    """
    from polarsprof.cli.drift import Range, profile_at
    from polarsprof.cli.inputs import profiles_at, write_report

    _refuse_overwriting(output, [*places, *([reference] if reference else [])])
    before = Range(range_["dataset"], reference_start, reference_end, "--reference-from and --reference-to")
    compared = None if reference is None else profile_at(reference, before)
    size_bytes = write_report(profiles_at(places, **range_), output, title, compared)
    click.echo(f"{size_bytes / 1024:,.0f} KiB → {output}")


@main.command("merge")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("-o", "--output", required=True, type=_OUT, help="File to write.")
def merge_command(files: Sequence[str], output: Path) -> None:
    """Merge profile FILES into one."""
    from polarsprof.cli.console import counted
    from polarsprof.profiles.merging import merge, read

    merged = merge(counted((read(file) for file in files), "merging", what="files"))
    merged.write(output)
    click.echo(f"{len(files):,} files, {merged.rows:,} rows → {output}")


@main.command("compact")
@click.argument("place", metavar="STORE")
@click.option("--dataset", required=True, help="Name of the data set.")
@click.option("--into", metavar="INTERVAL", help="Merge finer windows into windows so long, such as d; default: none.")
@click.option("--keep", metavar="INTERVAL", help="Delete windows that ended longer ago, such as 90d; default: none.")
@click.option("--grace", default="1h", show_default=True, metavar="INTERVAL", help="Leave windows alone for so long.")
@click.option("--zone", metavar="NAME", help="Time zone of windows of whole days; default: UTC.")
@_JSON
def compact_command(place: str, dataset: str, *, as_json: bool, **options: Any) -> None:
    """Merge the files of each window of a data set of STORE into one, finer windows into coarser ones.

    Safe beside writers, readers and other compactors, and to be interrupted at any moment.
    """
    from dataclasses import asdict

    from polarsprof.cli.console import progress

    store = store_at(place)
    with progress("windows") as display:
        task = display.add_task("compacting", total=None)
        done = store.compact(
            dataset, on_progress=lambda done, total: display.update(task, completed=done, total=total), **options
        )
    if as_json:
        _print_json({"dataset": dataset, "store": place, **asdict(done)})
        return
    lines = [f"{done.files_merged:,} files → {done.windows:,} windows in {place}"]
    lines += [f"{done.windows_left:,} windows left: their panes track different things"] * bool(done.windows_left)
    lines += [f"{done.files_expired:,} files of {done.rows_expired:,} rows deleted"] * bool(done.files_expired)
    click.echo("; ".join(lines))


@main.command("drift")
@click.argument("reference", metavar="REFERENCE")
@click.argument("current", metavar="CURRENT")
@click.option("--dataset", help="Data set of the stores; default: the only one of each.")
@click.option("--from", "start", metavar="TIME", help="First instant of CURRENT in its store, ISO 8601.")
@click.option("--to", "end", metavar="TIME", help="Instant before which CURRENT ends.")
@click.option("--reference-dataset", help="Data set of REFERENCE; default: that of --dataset.")
@click.option("--reference-from", "reference_start", metavar="TIME", help="First instant of REFERENCE in its store.")
@click.option("--reference-to", "reference_end", metavar="TIME", help="Instant before which REFERENCE ends.")
@click.option("--column", "columns", multiple=True, metavar="NAME", help="Compare only this column; repeatable.")
@click.option("--threshold", "thresholds", multiple=True, metavar="FIGURE=NUMBER", help="Such as ks=0.2; repeatable.")
@click.option("--alpha", type=float, default=0.01, show_default=True, help="Level of significance.")
@click.option("--check", is_flag=True, help="Exit with code 3 where a column has drifted.")
@_JSON
def drift_command(
    reference: str, current: str, columns: Sequence[str], *, as_json: bool, check: bool, **options: Any
) -> None:
    """Compare CURRENT with REFERENCE, column by column: profile files, or stores with --dataset.

    A column has drifted where a figure is above its threshold whatever the sketches leave open, and chance is ruled
    out.
    """
    from polarsprof.analysis.drift import drift
    from polarsprof.cli.drift import Range, drift_json, print_drift, profile_at, thresholds_of

    thresholds = thresholds_of(options["thresholds"])
    dataset = options["dataset"]
    before = Range(
        options["reference_dataset"] or dataset,
        options["reference_start"],
        options["reference_end"],
        "--reference-from and --reference-to",
    )
    after = Range(dataset, options["start"], options["end"], "--from and --to")
    sides = [profile_at(place, part, columns) for place, part in ((reference, before), (current, after))]
    found = drift(*sides, columns=columns or None, thresholds=thresholds, alpha=options["alpha"])
    if as_json:
        _print_json(drift_json(found, *sides))
    else:
        print_drift(found, *sides)
    if check and found["drifted"].any():
        sys.exit(3)


@main.command("demo")
@click.option("--store", type=click.Path(file_okay=False), help="Keep the window files in this folder.")
def demo_command(store: str | None) -> None:
    """Stream a month of flights into daily windows, look at them, merge them, check the sum. Takes seconds."""
    from polarsprof.cli.demo import demo

    demo(store)


main.add_command(convert_command)


def _pairs(tags: Sequence[str]) -> dict[str, str]:
    pairs = [tag.partition("=") for tag in tags]
    for tag, (key, equals, _) in zip(tags, pairs, strict=True):
        if not key or not equals:
            raise click.BadParameter(f"{tag!r} is not KEY=VALUE", param_hint="--tag")
    return {key: value for key, _, value in pairs}


def _refuse_overwriting(output: Path | None, paths: Sequence[str]) -> None:
    if output is not None and any(Path(path).is_file() and output.exists() and output.samefile(path) for path in paths):
        raise click.BadParameter(f"{output} is among the files to read", param_hint="--output")


def _refuse_both(*, as_json: bool, as_csv: bool) -> None:
    if as_json and as_csv:
        raise click.UsageError("--json and --csv are two answers; ask for one")


def _check_columns(found: Profile, columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in found]
    if missing:
        from polarsprof.errors import argument_error

        raise argument_error("--column", missing[0], "a column of the profile")


def _print_json(value: Mapping[str, Any]) -> None:
    import json

    click.echo(json.dumps(value, ensure_ascii=True, allow_nan=False))


def _print_profile(found: Profile, *, as_json: bool, as_csv: bool) -> None:
    from polarsprof.cli.console import console, profile_facts

    _refuse_both(as_json=as_json, as_csv=as_csv)
    if as_json:
        _print_json(profile_facts(found))
        return
    if as_csv:
        from polarsprof.cli.csv import csv_text

        click.echo(csv_text(found.summary()), nl=False)
        return
    from polarsprof.cli.tables import facts_line, profile_table

    out = console()
    out.print(facts_line(found), soft_wrap=True)
    if found.columns:
        out.print(profile_table(found))


def _print_store(store: ProfileStore, *, as_json: bool) -> None:
    from polarsprof.cli.console import console, store_facts

    listed = store_facts(store)
    if as_json:
        _print_json({"datasets": listed})
        return
    from polarsprof.cli.tables import store_table

    if not listed:
        click.echo(f"{store.url}: no profiles")
        return
    console().print(store_table(listed))
