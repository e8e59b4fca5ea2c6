"""All metrics: names, help texts, and their values from `StreamStatus`.

Names follow the rules of Prometheus: base units, `_total` for counters, `_timestamp_seconds` for moments. Labels
contain text from the data: at most 128 characters without hidden ones, and different texts have different labels.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from polarsprof._lazy import required
from polarsprof.errors import PolarsprofError
from polarsprof.profiles.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

    from prometheus_client import Metric

    from polarsprof.stream.status import StreamStatus

Samples = dict[str, list[tuple[tuple[str, ...], float]]]
"""Name of a metric, without prefix and suffix → labels and value of each sample."""

_MAX_LABEL_CHARACTERS: Final = 128
_DIGEST_CHARACTERS: Final = 12
_LABELS: Final[Mapping[str, tuple[str, ...]]] = {
    "rows_rejected": ("dataset", "reason"),
    "column_quantile": ("dataset", "column", "q"),
}
_REJECTED: Final = "Rejected rows by reason."
# Metric → counter of the stream, help text. The only table that maps counters to metrics.
_COUNTERS: Final[Mapping[str, tuple[str, str]]] = {
    "rows_logged": ("rows_logged", "Rows logged, including those still buffered."),
    "rows_profiled": ("rows_profiled", "Rows included in a profile."),
    "rows_late": ("rows_late", "Rows that arrived after their window was sealed; a profile includes them."),
    "rows_untimed": ("rows_untimed", "Rows without a usable time, assigned to a window by their arrival."),
    "rows_dropped": ("rows_dropped", "Rows of window files that were dropped because no store accepted them."),
    "rows_recovered": ("rows_recovered", "Rows recovered from crashed processes."),
    "panes_written": ("panes_written", "Window files written to the store."),
    "written_bytes": ("bytes_written", "Size of the window files written to the store."),
    "store_retries": ("retries", "Failed publish attempts."),
    "records_read": ("records_read", "Records read from a source."),
    "dead_letters": ("dead_letters", "Messages of a source that are not valid records."),
}
_GAUGES: Final = {
    "panes_waiting": "Window files waiting to be published.",
    "open_windows": "Open windows.",
    "oldest_window_age_seconds": "Time since the start of the oldest open window.",
    "watermark_timestamp_seconds": "Event time up to which windows are sealed.",
    "event_lag_seconds": "Difference between the clock and the latest event time.",
    "checkpoint_age_seconds": "Age of the oldest change that no checkpoint contains.",
    "source_lag_records": "Records of a source that are not read yet.",
    "source_lag_bytes": "Bytes of a source that are not read yet.",
    "columns_left_out": "Matching columns beyond the bound on series.",
    "columns_timestamp_seconds": "Time of the figures of columns.",
}
_COLUMN_GAUGES: Final[Mapping[str, str]] = {
    "column_values": "Values in the open windows that are not null.",
    "column_null_ratio": "Share of nulls in the open windows.",
    "column_mean": "Mean of the finite numbers in the open windows.",
    "column_min": "Smallest value in the open windows; moments and durations in seconds.",
    "column_max": "Largest value in the open windows; moments and durations in seconds.",
    "column_distinct_values": "Estimated number of distinct values in the open windows.",
    "column_quantile": "Estimated quantiles in the open windows; moments and durations in seconds.",
}


def client() -> ModuleType:
    """The module prometheus_client.

    Raises
    ------
    PolarsprofError
        If it is not installed; the message names the extra to install.
    """
    module: ModuleType = required("prometheus_client", "prometheus", PolarsprofError)
    return module


def families(samples: Samples) -> Iterator[Metric]:
    """Every metric with its samples, including metrics without samples."""
    from prometheus_client import metrics_core as core

    yield core.InfoMetricFamily("polarsprof_build", "The running version.", {"version": _version()})
    texts = {name: text for name, (_, text) in _COUNTERS.items()} | {"rows_rejected": _REJECTED}
    kinds = type[core.CounterMetricFamily] | type[core.GaugeMetricFamily]
    tables: list[tuple[kinds, Mapping[str, str], tuple[str, ...]]] = [
        (core.CounterMetricFamily, texts, ("dataset",)),
        (core.GaugeMetricFamily, _GAUGES, ("dataset",)),
        (core.GaugeMetricFamily, _COLUMN_GAUGES, ("dataset", "column")),
    ]
    for kind, metrics, labels in tables:
        for name, text in metrics.items():
            family = kind(f"polarsprof_{name}", text, labels=_LABELS.get(name, labels))
            for values, value in samples.get(name, ()):
                family.add_metric(values, value)
            yield family


def add_status(samples: Samples, dataset: str, status: StreamStatus) -> None:
    """Add the samples of one data set."""
    for name, (counter, _) in _COUNTERS.items():
        if counter in status.counters:
            samples.setdefault(name, []).append(((dataset,), status.counters[counter]))
    labels = Labels()
    for reason, rows in status.rejected.items():
        label = labels.of(reason)
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
        lags = [source.lag for source in status.sources if source.lag is not None and source.lag_unit == unit]
        if lags:
            yield f"source_lag_{unit}", sum(lags)


def _seconds(moment_us: int | None, now_us: int) -> float | None:
    """Seconds since a moment; 0 if it is in the future, None without a moment."""
    return None if moment_us is None else max(0, now_us - moment_us) / 1e6


@cache
def _version() -> str:
    return version("polarsprof")


class Labels:
    """Unique values of one label for texts."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def of(self, text: str) -> str | None:
        """The label of a text; None if another text has the same label.

        Such a collision of digests does not occur by chance.
        """
        label = _label(text)
        return label if self._texts.setdefault(label, text) == text else None


def _label(text: str) -> str:
    """The text if it is short and visible, otherwise its start and a digest."""
    if clean(text, _MAX_LABEL_CHARACTERS) == text:
        return text
    digest = sha256(text.encode("utf-8", "replace")).hexdigest()[:_DIGEST_CHARACTERS]
    return f"{clean(text, _MAX_LABEL_CHARACTERS - _DIGEST_CHARACTERS - 1)}#{digest}"
