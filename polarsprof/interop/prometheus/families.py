"""Which metrics there are: their names, what they say, and how they follow from `StreamStatus`.

Names keep the rules of Prometheus: base units, `_total` for what only grows, moments as `_timestamp_seconds`. Labels
hold text from outside: at most 128 characters, none of them hidden, and no two texts as the same label.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from polarsprof._lazy import required
from polarsprof.errors import PolarsprofError
from polarsprof.profiles.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client import Metric

    from polarsprof.stream.status import StreamStatus

Samples = dict[str, list[tuple[tuple[str, ...], float]]]
"""Name of a metric, without prefix and suffix → values of its labels, and the value of each sample."""

_LONGEST_LABEL: Final = 128
_DIGEST_CHARACTERS: Final = 12
_LABELS: Final[Mapping[str, tuple[str, ...]]] = {
    "rows_rejected": ("dataset", "reason"),
    "column_quantile": ("dataset", "column", "q"),
}
_REJECTED: Final = "Rows that are in no profile, by reason."
# Name of a metric → its name among the counters, and what it says.
_COUNTERS: Final[Mapping[str, tuple[str, str]]] = {
    "rows_logged": ("rows_logged", "Rows that came, those that wait for their batch among them."),
    "rows_profiled": ("rows_profiled", "Rows that are in a profile."),
    "rows_late": ("rows_late", "Rows that came after their window had been sealed; they are in a profile."),
    "rows_untimed": ("rows_untimed", "Rows without a usable time, filed under their arrival."),
    "rows_dropped": ("rows_dropped", "Rows of window files given up because no store took them."),
    "rows_recovered": ("rows_recovered", "Rows that a dead process had left unpublished."),
    "panes_written": ("panes_written", "Window files that the store took."),
    "written_bytes": ("bytes_written", "Size of the window files that the store took."),
    "store_retries": ("retries", "How often a store took nothing."),
    "records_read": ("records_read", "Records that a source handed out."),
    "dead_letters": ("dead_letters", "Messages of a source that are no records."),
}
_GAUGES: Final = {
    "panes_waiting": "Window files that not all stores have taken yet.",
    "open_windows": "Windows that are open.",
    "oldest_window_age_seconds": "Time since the start of the oldest open window.",
    "watermark_timestamp_seconds": "Event time up to which windows are sealed.",
    "event_lag_seconds": "How far the latest event time is behind the clock.",
    "checkpoint_age_seconds": "How long the first change after the last checkpoint has been waiting for the next one.",
    "source_lag_records": "Records of a source that were not read yet.",
    "source_lag_bytes": "Bytes of a source that were not read yet.",
    "columns_left_out": "Columns asked for that are beyond the bound on series.",
    "columns_timestamp_seconds": "When the figures of columns were taken.",
}
_OF_COLUMNS: Final[Mapping[str, str]] = {
    "column_values": "Values in the open windows that are not null.",
    "column_null_ratio": "Share of nulls in the open windows.",
    "column_mean": "Mean of the finite numbers in the open windows.",
    "column_min": "Smallest value in the open windows; moments and durations in seconds.",
    "column_max": "Largest value in the open windows; moments and durations in seconds.",
    "column_distinct_values": "Estimated number of distinct values in the open windows.",
    "column_quantile": "Estimated quantiles in the open windows; moments and durations in seconds.",
}


def client() -> Any:
    """The module prometheus_client.

    Raises
    ------
    PolarsprofError
        Where it is not installed; the text says what to install.
    """
    return required("prometheus_client", "prometheus", PolarsprofError)


def families(samples: Samples) -> Iterator[Metric]:
    """Every metric with its samples, those without any among them."""
    from prometheus_client import metrics_core as core

    yield core.InfoMetricFamily("polarsprof_build", "The running version.", {"version": _version()})
    texts = {name: text for name, (_, text) in _COUNTERS.items()} | {"rows_rejected": _REJECTED}
    tables: list[tuple[Any, Mapping[str, str], tuple[str, ...]]] = [
        (core.CounterMetricFamily, texts, ("dataset",)),
        (core.GaugeMetricFamily, _GAUGES, ("dataset",)),
        (core.GaugeMetricFamily, _OF_COLUMNS, ("dataset", "column")),
    ]
    for kind, metrics, labels in tables:
        for name, text in metrics.items():
            family = kind(f"polarsprof_{name}", text, labels=_LABELS.get(name, labels))
            for values, value in samples.get(name, ()):
                family.add_metric(values, value)
            yield family


def add_status(samples: Samples, dataset: str, status: StreamStatus) -> None:
    """The samples of one data set."""
    for name, (counter, _) in _COUNTERS.items():
        if counter in status.counters:
            samples.setdefault(name, []).append(((dataset,), status.counters[counter]))
    reasons = Labels()
    for reason, rows in status.rejected.items():
        label = reasons.of(reason)
        if label is not None:
            samples.setdefault("rows_rejected", []).append(((dataset, label), rows))
    for name, value in _gauges(status):
        samples.setdefault(name, []).append(((dataset,), value))


def _gauges(status: StreamStatus) -> Iterator[tuple[str, float]]:
    now_us = status.now_us
    yield "panes_waiting", status.panes_waiting
    yield "open_windows", status.open_windows
    if now_us is not None:  # a logger is open
        yield "checkpoint_age_seconds", _seconds(status.unsaved_us, now_us) or 0.0
        for name, moment_us in (("oldest_window_age", status.oldest_us), ("event_lag", status.latest_us)):
            seconds = _seconds(moment_us, now_us)
            if seconds is not None:
                yield f"{name}_seconds", seconds
    if status.watermark_us is not None:
        yield "watermark_timestamp_seconds", status.watermark_us / 1e6
    for unit in ("records", "bytes"):
        lags = [reading.lag for reading in status.sources if reading.lag is not None and reading.lag_unit == unit]
        if lags:
            yield f"source_lag_{unit}", sum(lags)


def _seconds(moment_us: int | None, now_us: int) -> float | None:
    """How long ago a moment was; 0 where it is yet to come."""
    return None if moment_us is None else max(0, now_us - moment_us) / 1e6


@cache
def _version() -> str:
    return version("polarsprof")


class Labels:
    """Texts as values of one label, each as one of its own."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def of(self, text: str) -> str | None:
        """The text as a label; None where another text has that already, which only who tries brings about."""
        label = _label(text)
        return label if self._texts.setdefault(label, text) == text else None


def _label(text: str) -> str:
    """The text where it is short and harmless, else what of it is, and a digest."""
    shown = clean(text, _LONGEST_LABEL)
    if shown == text:
        return text
    digest = sha256(text.encode("utf-8", "replace")).hexdigest()[:_DIGEST_CHARACTERS]
    return f"{clean(text, _LONGEST_LABEL - _DIGEST_CHARACTERS - 1)}#{digest}"
