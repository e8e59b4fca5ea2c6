"""A profile as an OpenLineage event, whose facet of data quality has the figures.

One profile, such as a pane, is one run of a job that reads a data set. The id of the run derives from the content of
the profile, so a repeated event is the same run. Events are plain data and valid JSON for all data: the facet omits
figures that are not finite numbers.
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

    Json = dict[str, Any]
    """An object of JSON, whose fields readers look up by name."""

_SPEC: Final = "https://openlineage.io/spec"
_EVENT_SCHEMA: Final = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
_PRODUCER: Final = "pkg:pypi/polarsprof"
_EVENT_TYPES: Final = ("START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER")
_QUANTILES: Final = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_MAX_EXACT: Final = 2**53  # every reader of JSON represents integers up to this one exactly
_RUNS: Final = UUID("6f1c1a3e-54b5-4b5e-9a0e-8d2f0b7f1c55")  # the UUID name space of run ids
_DEFAULT_NAME: Final = "dataset"


def run_event(
    profile: Profile,
    *,
    namespace: str = "polarsprof",
    name: str | None = None,
    job: str | None = None,
    event_type: str = "COMPLETE",
    event_time: datetime | None = None,
) -> Json:
    """The run event of a profile; see `Profile.to_openlineage` for its parameters."""
    dataset = _nonempty("name", profile.dataset or _DEFAULT_NAME if name is None else name)
    if event_type not in _EVENT_TYPES:
        raise argument_error("event_type", event_type, f"one of {', '.join(_EVENT_TYPES)}")
    named_job = {"namespace": _nonempty("namespace", namespace), "name": _nonempty("job", job or f"profile_{dataset}")}
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


def data_quality_metrics(profile: Profile) -> Json:
    """The facet `dataQualityMetrics` of an input data set, in version 1-0-3.

    Returns
    -------
    dict
        `rowCount`; `lastUpdated`, the latest event time; and `columnMetrics`, path → `nullCount`, `count` and estimated
        `distinctCount`. Numbers also have `sum` (of the finite ones), `min`, `max` and `quantiles`. Unknown figures and
        figures that are not finite are omitted, and so are `bytes` and `fileCount`, which no profile knows. Integers
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


def _column_metrics(column: ColumnProfile) -> Json:
    distinct = column.distinct
    metrics: Json = {"nullCount": column.null_count, "count": column.count}
    if distinct is not None:
        metrics["distinctCount"] = round(distinct.estimate)
    if primary(column).name != "number":
        return metrics
    numbers = {"sum": column.sum, "min": column.min, "max": column.max}
    quantiles = dict(zip(map(str, _QUANTILES), column.quantiles(_QUANTILES) or (), strict=False))
    return metrics | _finite(numbers) | {"quantiles": _finite(quantiles)}


def _finite(figures: Json) -> dict[str, float]:
    numbers = {name: _number(value) for name, value in figures.items()}
    return {name: number for name, number in numbers.items() if number is not None}


def _number(value: int | float | None) -> float | None:  # noqa: PYI041 - mypy tells the two apart
    """A number that every reader of JSON accepts; None if it is not finite."""
    if isinstance(value, int) and abs(value) <= _MAX_EXACT:
        return value
    number = double(value)
    return number if number is not None and math.isfinite(number) else None


def _run_facets(profile: Profile) -> Json:
    facets: Json = {
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
    """The fields that every facet has."""
    _, _, name = schema.partition("/")
    return {"_producer": _PRODUCER, "_schemaURL": f"{_SPEC}/facets/{schema}.json#/$defs/{name}"}


def _run_id(profile: Profile, namespace: str, job: str) -> UUID:
    """The id of the run, from the ids of the panes or the content of the profile."""
    panes = sorted(profile.panes)
    content = repr(panes) if panes else sha256(profile.to_bytes()).hexdigest()
    return uuid5(_RUNS, repr((namespace, job, profile.dataset, content)))


def _event_us(profile: Profile, event_time: datetime | None) -> int:
    """The end of the window; now if it is in the future or there is no window."""
    if event_time is not None:
        return utc_us(event_time, "event_time")
    now_us = utc_us(datetime.now(UTC))
    return now_us if profile.window is None else min(profile.window.end_us, now_us)


def _text(moment_us: int) -> str:
    return utc_datetime(moment_us).isoformat().replace("+00:00", "Z")


def _nonempty(name: str, text: str) -> str:
    if not plain_text(name, text):
        raise argument_error(name, text, "text of one character or more")
    return text
