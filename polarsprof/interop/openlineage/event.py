"""Profile → an OpenLineage event, with its figures as the facet of data quality; plain data, valid JSON whatever came.

One profile, such as a pane, is one run of a job that read a data set. Its id follows from what the profile holds, so an
event that is made or sent twice is the same run. The facet has no place for what is no finite number.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid5

from polarsprof.errors import argument_error, plain_text
from polarsprof.profiles.text import double, primary
from polarsprof.windowing.instants import utc_datetime, utc_us

if TYPE_CHECKING:
    from polarsprof.profiles.column import ColumnProfile
    from polarsprof.profiles.profile import Profile

_SPEC: Final = "https://openlineage.io/spec"
_EVENT_SCHEMA: Final = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
_PRODUCER: Final = "pkg:pypi/polarsprof"
_EVENT_TYPES: Final = ("START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER")
_QUANTILES: Final = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_EXACT: Final = 2**53  # integers up to which every reader of JSON holds each
_RUNS: Final = UUID("6f1c1a3e-54b5-4b5e-9a0e-8d2f0b7f1c55")  # a name space of our own
_NAMELESS: Final = "dataset"


def run_event(
    profile: Profile,
    *,
    namespace: str = "polarsprof",
    name: str | None = None,
    job: str | None = None,
    event_type: str = "COMPLETE",
    event_time: datetime | None = None,
) -> dict[str, Any]:
    """An event of OpenLineage about the run that profiled some rows, ready for `json.dumps`; see `to_openlineage`."""
    dataset = _filled("name", profile.dataset or _NAMELESS if name is None else name)
    if event_type not in _EVENT_TYPES:
        raise argument_error("event_type", event_type, f"one of {', '.join(_EVENT_TYPES)}")
    named_job = {"namespace": _filled("namespace", namespace), "name": _filled("job", job or f"profile_{dataset}")}
    facets = {"dataQualityMetrics": data_quality_metrics(profile)}
    return {
        "eventType": event_type,
        "eventTime": _text(_event_us(profile, event_time)),
        "run": {"runId": str(_run_id(profile, *named_job.values())), "facets": _run_facets(profile)},
        "job": named_job,
        "inputs": [{"namespace": namespace, "name": dataset, "inputFacets": facets}],
        "outputs": [],
        "producer": _PRODUCER,
        "schemaURL": _EVENT_SCHEMA,
    }


def data_quality_metrics(profile: Profile) -> dict[str, Any]:
    """The facet `dataQualityMetrics` of an input data set, in version 1-0-3.

    Returns
    -------
    dict
        `rowCount`; `lastUpdated`, the latest event time; and `columnMetrics`, path → `nullCount`, `count`,
        `distinctCount` (estimated), and of numbers `sum` (of the finite ones), `min`, `max` and `quantiles`. What is
        not known or no finite number is left out, and so are `bytes` and `fileCount`, which no profile knows. Integers
        beyond 2^53 are rounded to doubles.
    """
    updated = {} if profile.last_event_us is None else {"lastUpdated": _text(profile.last_event_us)}
    columns = {path: _column_metrics(column) for path, column in profile.columns.items()}
    return {
        **_facet("1-0-3/DataQualityMetricsInputDatasetFacet"),
        "rowCount": profile.rows,
        **updated,
        "columnMetrics": columns,
    }


def _column_metrics(column: ColumnProfile) -> dict[str, Any]:
    distinct = column.distinct
    metrics: dict[str, Any] = {"nullCount": column.null_count, "count": column.count}
    if distinct is not None:
        metrics["distinctCount"] = round(distinct.estimate)
    if primary(column).name != "number":
        return metrics
    numbers = {"sum": column.sum, "min": column.min, "max": column.max}
    quantiles = dict(zip(map(str, _QUANTILES), column.quantiles(_QUANTILES) or (), strict=False))
    return metrics | _finite(numbers) | {"quantiles": _finite(quantiles)}


def _finite(numbers: dict[str, Any]) -> dict[str, float]:
    found = {name: _number(value) for name, value in numbers.items()}
    return {name: value for name, value in found.items() if value is not None}


def _number(value: Any) -> float | None:
    """A number that every reader of JSON takes; None where there is none."""
    if isinstance(value, int) and abs(value) <= _EXACT:
        return value
    number = double(value)
    return number if number is not None and math.isfinite(number) else None


def _run_facets(profile: Profile) -> dict[str, Any]:
    facets: dict[str, Any] = {
        "processing_engine": {
            **_facet("1-1-1/ProcessingEngineRunFacet"),
            "name": "polarsprof",
            "version": profile.versions.get("polarsprof", "unknown"),
        }
    }
    if profile.window is not None:
        start, end = _text(profile.window.start_us), _text(profile.window.end_us)
        facets["nominalTime"] = {
            **_facet("1-0-1/NominalTimeRunFacet"),
            "nominalStartTime": start,
            "nominalEndTime": end,
        }
    return facets


def _facet(schema: str) -> dict[str, str]:
    """What every facet says of itself."""
    _, _, name = schema.partition("/")
    return {"_producer": _PRODUCER, "_schemaURL": f"{_SPEC}/facets/{schema}.json#/$defs/{name}"}


def _run_id(profile: Profile, namespace: str, job: str) -> UUID:
    """Of panes from their ids, else from all that the profile holds."""
    panes = sorted(profile.panes)
    held = repr(panes) if panes else sha256(profile.to_bytes()).hexdigest()
    return uuid5(_RUNS, repr((namespace, job, profile.dataset, held)))


def _event_us(profile: Profile, given: datetime | None) -> int:
    """When the window was over; now, where it is not or there is none."""
    if given is not None:
        return utc_us(given, "event_time")
    now_us = utc_us(datetime.now(UTC))
    return now_us if profile.window is None else min(profile.window.end_us, now_us)


def _text(moment_us: int) -> str:
    return utc_datetime(moment_us).isoformat().replace("+00:00", "Z")


def _filled(name: str, text: str) -> str:
    if not plain_text(name, text):
        raise argument_error(name, text, "text of one character or more")
    return text
