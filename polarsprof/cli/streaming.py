"""A source into a logger, with what it says at the end; a signal ends it cleanly."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from polarsprof.cli.console import progress
from polarsprof.sources.addresses import source_at
from polarsprof.stream.consumer import Limits, consume
from polarsprof.stream.interrupt import Interrupt
from polarsprof.stream.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from polarsprof.sources.protocol import Source
    from polarsprof.store import ProfileStore


def stream(
    address: str,
    store: str,
    dataset: str,
    *,
    from_beginning: bool,
    limits: Mapping[str, Any],
    openlineage: str | None = None,
    openlineage_namespace: str | None = None,
    metrics: str | None = None,
    metrics_columns: Sequence[str] = (),
    **options: Any,
) -> dict[str, Any]:
    """Log the source at an address to its end or until a signal; meanwhile serve metrics and send events, as asked for.

    Returns
    -------
    dict
        The counters of `consume`; `events_sent` and `events_failed`, where events were asked for.
    """
    source = source_at(address, from_beginning=from_beginning, stdin=sys.stdin.buffer)
    served = None if metrics is None else (metrics, metrics_columns)
    run = partial(_consumed, source, store, dataset, limits=limits, metrics=served, **options)
    if openlineage is None:
        return run()
    from polarsprof.interop.openlineage.emitter import Lineage

    with Lineage(openlineage, namespace=openlineage_namespace or "polarsprof") as lineage:
        counters = run(on_pane=lineage)
    return counters | {"events_sent": lineage.sent, "events_failed": lineage.failed}


def _consumed(
    source: Source,
    store: str,
    dataset: str,
    *,
    limits: Mapping[str, Any],
    metrics: tuple[str, Sequence[str]] | None,
    **options: Any,
) -> dict[str, Any]:
    with Interrupt() as interrupt, session_of(store) as session, ExitStack() as stack:
        if metrics is not None:
            stack.enter_context(_metrics(session, *metrics))
        display = stack.enter_context(progress("rows"))
        task = display.add_task(f"streaming into {dataset}", total=None)

        def on_progress(counters: Mapping[str, int]) -> None:
            behind = f", {counters['lag']:,} behind" if counters["lag"] > 0 else ""
            display.update(task, completed=counters["rows_logged"], description=f"streaming into {dataset}{behind}")

        told = on_progress if not display.disable else None
        return consume(
            source, lambda: session.logger(dataset, **options), Limits(**limits, on_progress=told), interrupt
        )


@contextmanager
def _metrics(session: Session, address: str, columns: Sequence[str]) -> Iterator[None]:
    from polarsprof.interop.prometheus import SessionCollector, serving

    with serving(address, SessionCollector(session, columns=columns)) as url:
        click.echo(f"metrics: {url}", err=True)
        yield


@contextmanager
def session_of(store: str | ProfileStore) -> Iterator[Session]:
    """A session for one command; that it cannot be closed is told once, by the command and not again at exit."""
    session = Session(store)
    try:
        with session:
            yield session
    finally:
        session.abandon()


def closing_line(counters: Mapping[str, int], store: str) -> str:
    """Rows, files, what went wrong, where: one line."""
    wrong = {what: counters[f"rows_{what}"] for what in ("rejected", "late", "dropped")}
    notes = "".join(f", {rows:,} {what}" for what, rows in wrong.items() if rows or what == "rejected")
    if counters["rows_recovered"]:
        notes += f", {counters['rows_recovered']:,} recovered from a stream that died"
    files = counters["panes_written"]
    nothing = "" if counters["records_read"] else "; nothing came that the data set does not have"
    written = f"{files:,} window file{'' if files == 1 else 's'} in {store}"
    return f"{counters['rows_logged']:,} rows{notes} → {written}{nothing}"
