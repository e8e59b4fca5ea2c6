"""`polarsprof stream`: a source into window files, until it ends or is stopped."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

import polarsprof as pp
from polarsprof.cli.console import progress
from polarsprof.cli.json import print_json
from polarsprof.cli.options import OUTPUT_FILE, json_option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from polarsprof.sources import Source
    from polarsprof.stream.interrupt import Interrupt


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """Arguments and options of `polarsprof stream`, named as click passes them.

    Intervals are text such as "30s", "15m", "1h" or "1d".

    Attributes
    ----------
    source
        Address of the source, see `source_at`.
    dataset, store
        Name of the data set; path or URL of the store.
    rotate
        Length of a window; None for one window.
    timestamp, timestamp_unit
        Column of the event time, None for the time of arrival; unit of epoch numbers.
    max_out_of_orderness, allowed_lateness
        As in `LoggerOptions`.
    tags
        Text to keep in each file.
    until_idle, max_records
        Stop after this long without a record, or after this many records; None for no limit.
    from_beginning
        Read a new topic from its oldest record.
    dead_letter
        File for messages that are not records; None to count them only.
    metrics, metrics_columns
        Address of the Prometheus endpoint, None for none; patterns of columns whose figures it shows.
    openlineage, openlineage_namespace
        File or URL for OpenLineage events, None for none; namespace of the events.

    Raises
    ------
    click.UsageError
        If an option needs another one that is missing.
    """

    source: str
    dataset: str
    store: str = "profiles"
    rotate: str | None = None
    timestamp: str | None = None
    timestamp_unit: str | None = None
    max_out_of_orderness: str = "0s"
    allowed_lateness: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    until_idle: str | None = None
    max_records: int | None = None
    from_beginning: bool = False
    dead_letter: Path | None = None
    metrics: str | None = None
    metrics_columns: Sequence[str] = ()
    openlineage: str | None = None
    openlineage_namespace: str | None = None

    def __post_init__(self) -> None:
        if self.metrics_columns and self.metrics is None:
            raise click.UsageError("--metrics-columns needs --metrics")
        if self.openlineage_namespace and self.openlineage is None:
            raise click.UsageError("--openlineage-namespace needs --openlineage")


def _parse_tags(ctx: click.Context, option: click.Parameter, texts: Sequence[str]) -> dict[str, str]:
    tags = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise click.BadParameter(f"{text!r} is not KEY=VALUE", ctx, option)
        tags[key] = value
    return tags


@click.command("stream")
@click.argument("source")
@click.option("--dataset", required=True, help="Name of the data set.")
@click.option("--rotate", metavar="INTERVAL", help="Length of a window, such as 15m, 1h or 1d; default: one window.")
@click.option("--timestamp", metavar="COLUMN", help="Column of the event time; default: the time of arrival.")
@click.option("--timestamp-unit", type=click.Choice(["s", "ms", "us", "ns"]), help="Unit of epoch numbers.")
@click.option(
    "--store", default="profiles", show_default=True, metavar="URL", help="Folder or object store to write to."
)
@click.option(
    "--max-out-of-orderness",
    default="0s",
    show_default=True,
    metavar="INTERVAL",
    help="Time to wait for out-of-order rows before a window closes.",
)
@click.option("--allowed-lateness", metavar="INTERVAL", help="Reject rows later than this; default: accept all.")
@click.option(
    "--tag", "tags", multiple=True, metavar="KEY=VALUE", callback=_parse_tags, help="Tag of each file; repeatable."
)
@click.option("--until-idle", metavar="INTERVAL", help="Stop after this long without a record; default: wait.")
@click.option("--max-records", type=click.IntRange(1), metavar="N", help="Stop after this many records.")
@click.option("--from-beginning", is_flag=True, help="Read a new topic from its oldest record.")
@click.option("--dead-letter", type=OUTPUT_FILE, help="File for messages that are not records, with the reason.")
@click.option("--metrics", metavar="[HOST:]PORT", help="Serve Prometheus metrics; without HOST, only locally.")
@click.option("--metrics-columns", metavar="PATTERN", multiple=True, help="Columns to show as metrics; repeatable.")
@click.option("--openlineage", metavar="FILE|URL", help="Append or post an OpenLineage event for each window file.")
@click.option("--openlineage-namespace", metavar="NAME", help="Namespace of job and data set in the events.")
@json_option
def stream_command(*, as_json: bool, **arguments: Any) -> None:
    """Profile a stream into one file per time window.

    SOURCE is - for NDJSON on standard input; a file, folder or pattern; tail:PATH, an NDJSON file that grows; or
    kafka://HOST:PORT/TOPIC, redis://HOST:PORT/STREAM, nats://HOST:PORT/STREAM, kinesis://REGION/STREAM, sqs://HOST/QUEUE.

    A second run with the same data set continues after the last record. Ctrl-C stops the command after it has written
    all records that it read.
    """
    options = StreamOptions(**arguments)
    counters = stream(options)
    if as_json:
        print_json({"dataset": options.dataset, "store": options.store, **counters})
    else:
        click.echo(_closing_line(counters, options.store))
    if counters["interrupted_by"]:
        sys.exit(128 + counters["interrupted_by"])


def stream(options: StreamOptions) -> dict[str, int]:
    """Log a source until it ends or a signal comes; serve metrics, send events.

    Returns
    -------
    dict
        The counters of `consume`; with OpenLineage also `events_sent` and `events_failed`.
    """
    from polarsprof.sources.addresses import source_at

    source = source_at(options.source, from_beginning=options.from_beginning, stdin=sys.stdin.buffer)
    if options.openlineage is None:
        return _consume(source, options)
    from polarsprof.interop.openlineage.emitter import Lineage

    with Lineage(options.openlineage, namespace=options.openlineage_namespace or "polarsprof") as lineage:
        counters = _consume(source, options, on_pane=lineage)
    return counters | {"events_sent": lineage.sent, "events_failed": lineage.failed}


def _consume(
    source: Source, options: StreamOptions, on_pane: Callable[[pp.Profile], object] | None = None
) -> dict[str, int]:
    from polarsprof.stream.interrupt import Interrupt

    with Interrupt() as interrupt, open_session(options.store) as session, ExitStack() as stack:
        if options.metrics is not None:
            stack.enter_context(_metrics(session, options.metrics, options.metrics_columns))
        return _consume_into(session, source, options, on_pane, interrupt)


def _consume_into(
    session: pp.Session,
    source: Source,
    options: StreamOptions,
    on_pane: Callable[[pp.Profile], object] | None,
    interrupt: Interrupt,
) -> dict[str, int]:
    from polarsprof.stream.consumer import Limits, consume

    def open_logger() -> pp.Logger:
        return session.logger(
            options.dataset,
            with_rotation_time=options.rotate,
            timestamp=options.timestamp,
            tags=options.tags,
            timestamp_unit=options.timestamp_unit,
            max_out_of_orderness=options.max_out_of_orderness,
            allowed_lateness=options.allowed_lateness,
            on_pane=on_pane,
        )

    with _progress_of(options.dataset) as on_progress:
        limits = Limits(
            until_idle=options.until_idle,
            max_records=options.max_records,
            dead_letters=options.dead_letter,
            on_progress=on_progress,
        )
        return consume(source, open_logger, limits, interrupt)


@contextmanager
def _progress_of(dataset: str) -> Iterator[Callable[[Mapping[str, int]], None] | None]:
    """A function that shows counters as progress; None without a terminal."""
    with progress("rows") as display:
        task = display.add_task(f"streaming into {dataset}", total=None)

        def on_progress(counters: Mapping[str, int]) -> None:
            behind = f", {counters['lag']:,} behind" if counters["lag"] > 0 else ""
            display.update(task, completed=counters["rows_logged"], description=f"streaming into {dataset}{behind}")

        yield None if display.disable else on_progress


@contextmanager
def _metrics(session: pp.Session, address: str, columns: Sequence[str]) -> Iterator[None]:
    from polarsprof.interop.prometheus import SessionCollector, serving

    with serving(address, SessionCollector(session, columns=columns)) as url:
        click.echo(f"metrics: {url}", err=True)
        yield


@contextmanager
def open_session(store: str | pp.ProfileStore) -> Iterator[pp.Session]:
    """A session for one command; a failed close is not reported again at exit."""
    session = pp.Session(store)
    try:
        with session:
            yield session
    finally:
        session.abandon()


def _closing_line(counters: Mapping[str, int], store: str) -> str:
    """One line with rows, losses and files."""
    losses = {kind: counters[f"rows_{kind}"] for kind in ("rejected", "late", "dropped")}
    notes = "".join(f", {rows:,} {kind}" for kind, rows in losses.items() if rows or kind == "rejected")
    if counters["rows_recovered"]:
        notes += f", {counters['rows_recovered']:,} recovered from a crashed stream"
    files = counters["panes_written"]
    unchanged = "" if counters["records_read"] else "; no new records"
    written = f"{files:,} window file{'' if files == 1 else 's'} in {store}"
    return f"{counters['rows_logged']:,} rows{notes} → {written}{unchanged}"
