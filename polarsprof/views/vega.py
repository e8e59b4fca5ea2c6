"""Plots as Vega-Lite dictionaries, for Altair, Jupyter and marimo.

No dependency is needed. A specification contains its data, in fields with fixed names, so that readers can restyle it.
Text from the data is cleaned and cut. Vega-Lite version 6; source: https://vega.github.io/vega-lite/docs/.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from polarsprof.analysis.histogram import histogram, instant
from polarsprof.analysis.timeline import WINDOW_SCHEMA
from polarsprof.errors import argument_error
from polarsprof.profiles import text
from polarsprof.views.timeline_columns import drawable_columns, metrics_argument, timeline_argument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from polarsprof.profiles.column import ColumnProfile
    from polarsprof.profiles.group import GroupProfile

    Json = Mapping[str, object]
    """A part of a specification."""
    Spec = dict[str, Any]
    """A specification; readers index into it freely."""

SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v6.json"
_WIDTH, _HEIGHT = 420, 160
_STEPS: Final = 100
_MAX_ITEMS: Final = 20
_DAY_US: Final = 86_400_000_000
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_SHARE: Final = {"format": ".0%"}


def column_plot(column: ColumnProfile, kind: str) -> Spec:
    """The plot of a column; see `ColumnProfile.to_vega`."""
    plots: Mapping[str, Callable[[ColumnProfile], Spec]] = {
        "histogram": _histogram,
        "cdf": _cdf,
        "top_values": _top_values,
    }
    if not isinstance(kind, str) or kind not in plots:
        raise argument_error("kind", kind, f"one of {', '.join(plots)}")
    return plots[kind](column)


def _distribution_group(column: ColumnProfile) -> tuple[GroupProfile, str]:
    """The statistics group to plot, and its name; lengths for text and lists."""
    group, name = text.primary(column), text.clean(column.path) or "(empty name)"
    if group.length is not None:
        return group.length, f"length of {name}"
    unit = {"time": ", seconds of the day", "duration": ", seconds"}.get(group.name, "")
    return group, f"{name}{unit}"


def _histogram(column: ColumnProfile) -> Spec:
    group, name = _distribution_group(column)
    bins = histogram(group)
    ends = [] if bins is None else [_edge(group, edge) for edge in bins.edges]
    shares = [] if bins is None else bins.shares
    bars = zip(pairwise(ends), shares, strict=True)
    values: list[Json] = [{"start": start, "end": end, "share": share} for (start, end), share in bars]
    y = {"field": "share", "type": "quantitative", "title": "share of the values", "axis": _SHARE}
    encoding = {"x": _x(group, "start", name) | {"bin": "binned"}, "x2": {"field": "end"}, "y": y}
    return _spec(f"histogram: {name}", values, {"type": "bar", "tooltip": True}, encoding)


def _edge(group: GroupProfile, edge: float) -> float | str:
    """An edge of a bin in the unit of the axis; see `Histogram.edges`."""
    match group.name:
        case "datetime" | "datetime_utc":
            return _iso(instant(edge))
        case "date":
            return _iso(instant((edge - _EPOCH_DAY) * _DAY_US))
        case "time" | "duration":
            return edge / 1e6
    return edge


def _cdf(column: ColumnProfile) -> Spec:
    group, name = _distribution_group(column)
    ranks = [i / _STEPS for i in range(_STEPS + 1)]
    points = [(_json_value(value), rank) for value, rank in zip(group.quantiles(ranks) or [], ranks, strict=False)]
    values: list[Json] = [{"value": value, "rank": rank} for value, rank in points if value is not None]
    encoding = {
        "x": _x(group, "value", name),
        "y": {"field": "rank", "type": "quantitative", "title": "share at or below", "axis": _SHARE},
        "order": {"field": "rank", "type": "quantitative"},
    }
    mark = {"type": "line", "interpolate": "step-after", "tooltip": True}
    return _spec(f"cumulative distribution: {name}", values, mark, encoding)


def _top_values(column: ColumnProfile) -> Spec:
    name = text.clean(column.path) or "(empty name)"
    values: list[Json] = [
        {"value": text.item_text(item.value), "count": item.estimate, "lower": item.lower, "upper": item.upper}
        for item in text.top_items(column, _MAX_ITEMS)
    ]
    y = {
        "field": "value",
        "type": "nominal",
        "sort": {"field": "count", "order": "descending"},
        "title": name,
    }
    count = {"type": "quantitative", "title": "rows"}
    bars = {"mark": {"type": "bar", "tooltip": True}, "encoding": {"x": {"field": "count", **count}}}
    bounds = {
        "mark": {"type": "rule", "strokeWidth": 2, "opacity": 0.6},
        "encoding": {"x": {"field": "lower", **count}, "x2": {"field": "upper"}},
    }
    spec = _spec(f"most frequent values: {name}", values, None, {"y": y})
    del spec["height"]
    return spec | {"layer": [bars, bounds]}


def quantile_bands(timeline: pl.DataFrame, metrics: Iterable[str] | None = None) -> Spec:
    """Quantiles over windows as a Vega-Lite plot of nested bands around the median.

    Parameters
    ----------
    timeline
        The frame of `ProfileStore.timeline`.
    metrics
        Names of its quantiles, or of other figures with one unit, from low to high. Default: all columns such as `q05`,
        and `median`. The first and the last name bound the outermost band, the second and the last but one the next
        band, and so on. If their number is odd, the middle one is a line.

    Returns
    -------
    dict
        A specification of Vega-Lite 6. Windows without values break the bands.

    Raises
    ------
    ArgumentError
        If the frame is no timeline, there are no quantiles, or a column is neither number nor time.
    """
    names = _quantile_names(timeline_argument(timeline), metrics)
    rows = timeline.select("window_start", "rows", *names).iter_rows(named=True)
    values = [_json_row(row) for row in rows]
    is_time = timeline[names[0]].dtype in (pl.Date, pl.Datetime)
    y = {"type": "temporal", "scale": {"type": "utc"}} if is_time else {"type": "quantitative"}
    x = {"field": "window_start", "type": "temporal", "scale": {"type": "utc"}, "title": "window"}
    count = len(names)
    bands = [_band(names[i], names[-1 - i], y, 0.2 + 0.15 * i) for i in range(count // 2)]
    middle = names[count // 2]
    lines = [_line(middle, y)] if count % 2 else []
    spec = _spec(", ".join(map(text.clean, names)), values, None, {"x": x})
    return spec | {"layer": [*bands, *lines]}


def _quantile_names(timeline: pl.DataFrame, metrics: Iterable[str] | None) -> list[str]:
    requested = metrics_argument(metrics)
    drawable = [name for name in drawable_columns(timeline) if name not in WINDOW_SCHEMA]
    names = sorted(filter(_is_quantile, drawable), key=_rank) if requested is None else requested
    if not names or not all(name in drawable for name in names):
        raise argument_error("metrics", names, f"some of {', '.join(drawable)}")
    return names


def _is_quantile(name: str) -> bool:
    return name == "median" or (name[:1] == "q" and name[1:].replace(".", "", 1).isdecimal())


def _rank(name: str) -> float:
    return 50.0 if name == "median" else float(name[1:])


def _band(low: str, high: str, y: Json, opacity: float) -> Json:
    encoding = {"y": {"field": _field(low), **y, "title": f"{low} to {high}"}, "y2": {"field": _field(high)}}
    return {"mark": {"type": "area", "opacity": opacity, "invalid": "break-paths-show-domains"}, "encoding": encoding}


def _line(name: str, y: Json) -> Json:
    encoding = {"y": {"field": _field(name), **y, "title": name}}
    return {"mark": {"type": "line", "tooltip": True, "invalid": "break-paths-show-domains"}, "encoding": encoding}


def _field(name: str) -> str:
    """The name of a figure as a field; Vega-Lite reads a dot as a path into an object."""
    return name.replace(".", "_")


def _json_row(row: Mapping[str, object]) -> Json:
    return {_field(name): _json_value(value) for name, value in row.items()}


def _json_value(value: object) -> float | str | None:
    """A value in JSON.

    Moments are ISO 8601 in UTC, times and durations are in seconds. None for ±inf.
    """
    match value:
        case datetime():
            return _iso(value.replace(tzinfo=UTC) if value.tzinfo is None else value)
        case date():
            return value.isoformat()
        case time():
            return value.hour * 3_600 + value.minute * 60 + value.second + value.microsecond / 1e6
        case timedelta():
            return value.total_seconds()
        case int() | float():
            number = text.double(value)
            return number if number is not None and isfinite(number) else None
    return None


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _x(group: GroupProfile, field: str, title: str) -> dict[str, object]:
    if group.name in ("datetime", "datetime_utc", "date"):
        return {"field": field, "type": "temporal", "scale": {"type": "utc"}, "title": title}
    return {"field": field, "type": "quantitative", "scale": {"zero": False}, "title": title}


def _spec(description: str, values: Sequence[Json], mark: Json | None, encoding: Json) -> Spec:
    return {
        "$schema": SCHEMA,
        "description": description,
        "data": {"values": values},
        **({} if mark is None else {"mark": mark}),
        "encoding": encoding,
        "width": _WIDTH,
        "height": _HEIGHT,
    }
