"""Metrics for Prometheus: a collector for sessions, and a server that ends with its block; extra `prometheus`.

A scrape waits for no work and does none: it shows what was true at the end of the last batch. Counters never go back
while their session lasts. Figures of columns are taken only where asked for, every five seconds at the most, and their
number is bounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from polarsprof.errors import argument_error, plain_text, positive_integer
from polarsprof.interop.prometheus.columns import SERIES_OF_COLUMN, ColumnFigures
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

    One collector speaks for all sessions of a registry: data sets of one name in several sessions are added up.

    Parameters
    ----------
    *sessions
        What to watch. Loggers that were closed before are not counted.
    columns
        Names of columns, or patterns such as `price_*`, of which to show figures of the open windows; default: none. A
        name that a stream brings becomes a label, so a pattern that fits many columns makes many series.
    max_series
        Bound on the series of columns, nine for each: 1,000 are 111 columns. Those first in order of data set and path
        are shown; `polarsprof_columns_left_out` says how many are not.

    Raises
    ------
    ArgumentError
        For anything else.
    PolarsprofError
        Where prometheus_client is not installed.

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
        most = positive_integer("max_series", max_series) // SERIES_OF_COLUMN
        self._figures = ColumnFigures(sessions, patterns, most)
        for session in sessions:
            session.watch()

    def describe(self) -> Iterator[Metric]:
        """Every metric without samples: a registry then refuses a second collector, whose names would be the same."""
        return families({})

    def collect(self) -> Iterator[Metric]:
        """Every metric as it is now."""
        samples: Samples = {}
        labels = Labels()
        found = self._status()
        for name, status in sorted(found.items()):
            dataset = labels.of(name)
            if dataset is not None:
                add_status(samples, dataset, status)
        self._figures.add(samples, {name for name, status in found.items() if status.open_windows})
        return families(samples)

    def _status(self) -> dict[str, StreamStatus]:
        found = [session.status() for session in self._sessions]
        return {name: combined(each[name] for each in found if name in each) for name in set().union(*found)}
