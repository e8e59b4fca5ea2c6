"""Metrics for Prometheus: a collector for sessions, and an HTTP server for them.

Needs the extra `prometheus`. A scrape never waits for the stream: it shows the status at the end of the last batch.
Counters never decrease during a session. Figures of columns are opt-in, updated at most every five seconds, and bounded
in number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from polarsprof.errors import argument_error, plain_text, positive_integer
from polarsprof.interop.prometheus.columns import SERIES_PER_COLUMN, ColumnFigures
from polarsprof.interop.prometheus.families import Labels, add_status, client, families
from polarsprof.interop.prometheus.server import serving
from polarsprof.stream.status import StreamStatus, combined

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client import Metric

    from polarsprof.interop.prometheus.families import Samples
    from polarsprof.stream.session import Session

__all__ = ["SessionCollector", "serving"]


class SessionCollector:
    """The metrics of sessions, for a registry of prometheus_client.

    A registry accepts one collector for all its sessions. If several sessions have a data set of one name, the
    collector adds up their counters.

    Parameters
    ----------
    *sessions
        The sessions to observe. Loggers that are already closed do not count.
    columns
        Names of columns, or patterns such as `price_*`. Figures of their values in open windows become metrics.
        Default: none. Each name becomes a label, so a pattern that matches many columns creates many series.
    max_series
        Upper bound of the series for columns, nine per column: 1,000 series show 111 columns. The first columns in
        order of data set and path are shown; `polarsprof_columns_left_out` counts the others.

    Raises
    ------
    ArgumentError
        If a session, a name or the bound has a wrong type or value.
    PolarsprofError
        If prometheus_client is not installed.

    Examples
    --------
    >>> import tempfile
    >>> import polarsprof as pp
    >>> from prometheus_client import CollectorRegistry
    >>> registry = CollectorRegistry()
    >>> with tempfile.TemporaryDirectory() as folder, pp.Session(folder) as session:
    ...     registry.register(SessionCollector(session))
    ...     session.logger("clicks").log({"price": 9.5})
    ...     registry.get_sample_value("polarsprof_rows_logged_total", {"dataset": "clicks"})
    1
    """

    def __init__(self, *sessions: Session, columns: Iterable[str] = (), max_series: int = 1_000) -> None:
        client()
        for session in sessions:
            if not callable(getattr(session, "status", None)):
                raise argument_error("sessions", session, "a Session")
        if isinstance(columns, str):
            raise argument_error("columns", columns, "an iterable of names or patterns of columns")
        patterns = [plain_text("columns", pattern) for pattern in columns]
        self._sessions = sessions
        max_columns = positive_integer("max_series", max_series) // SERIES_PER_COLUMN
        self._figures = ColumnFigures(sessions, patterns, max_columns)
        for session in sessions:
            session.watch()

    def describe(self) -> Iterator[Metric]:
        """Every metric without samples.

        A registry uses them to refuse a second collector with the same names.
        """
        return families({})

    def collect(self) -> Iterator[Metric]:
        """Every metric with its current samples."""
        samples: Samples = {}
        labels = Labels()
        statuses = self._status()
        for name, status in sorted(statuses.items()):
            dataset = labels.of(name)
            if dataset is not None:
                add_status(samples, dataset, status)
        self._figures.add(samples, {name for name, status in statuses.items() if status.open_windows})
        return families(samples)

    def _status(self) -> dict[str, StreamStatus]:
        statuses = [session.status() for session in self._sessions]
        names = set().union(*statuses)
        return {name: combined(status[name] for status in statuses if name in status) for name in names}
