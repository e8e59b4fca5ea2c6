"""Plots as plain Vega-Lite dictionaries, for Altair, Jupyter, marimo and whoever restyles them; no dependency.

Data stand inside, in fields of fixed names; text from the data is cleaned and cut as everywhere. Vega-Lite version 6.
Source: https://vega.github.io/vega-lite/docs/.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from polarsprof.analysis.histogram import histogram, instant
from polarsprof.analysis.timeline import WINDOW_SCHEMA, is_drawn
from polarsprof.errors import argument_error
from polarsprof.profiles import text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from polarsprof.profiles.column import ColumnProfile
    from polarsprof.profiles.group import GroupProfile

SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v6.json"
_WIDTH, _HEIGHT = 420, 160
_STEPS: Final = 100
_TOP: Final = 20
_DAY_US: Final = 86_400_000_000
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_SHARE: Final = {"format": ".0%"}


def column_plot(column: ColumnProfile, kind: str) -> dict[str, Any]:
    """The plot of a column; see `ColumnProfile.to_vega`."""
    plots: Mapping[str, Callable[[ColumnProfile], dict[str, Any]]] = {
        "histogram": _histogram,
        "cdf": _cdf,
        "top_values": _top_values,
    }
    if not isinstance(kind, str) or kind not in plots:
        raise argument_error("kind", kind, f"one of {', '.join(plots)}")
    return plots[kind](column)


def _measured(column: ColumnProfile) -> tuple[GroupProfile, str]:
    """What has a distribution, and its name: the values, of text and lists their lengths."""
    group, name = text.primary(column), text.clean(column.path) or "(empty name)"
    if group.length is not None:
        return group.length, f"length of {name}"
    unit = {"time": ", seconds of the day", "duration": ", seconds"}.get(group.name, "")
    return group, f"{name}{unit}"


def _histogram(column: ColumnProfile) -> dict[str, Any]:
    group, name = _measured(column)
    bins = histogram(group)
    ends = [] if bins is None else [_edge(group, edge) for edge in bins.edges]
    shares = [] if bins is None else bins.shares
    values = [{"start": a, "end": b, "share": share} for (a, b), share in zip(pairwise(ends), shares, strict=True)]
    y = {"field": "share", "type": "quantitative", "title": "share of the values", "axis": _SHARE}
    encoding = {"x": _x(group, "start", name) | {"bin": "binned"}, "x2": {"field": "end"}, "y": y}
    return _spec(f"histogram: {name}", values, {"type": "bar", "tooltip": True}, encoding)


def _edge(group: GroupProfile, edge: float) -> float | str:
    """The end of a bin, see `Histogram.edges`, in the unit of the axis."""
    match group.name:
        case "datetime" | "datetime_utc":
            return _iso(instant(edge))
        case "date":
            return _iso(instant((edge - _EPOCH_DAY) * _DAY_US))
        case "time" | "duration":
            return edge / 1e6
    return edge


def _cdf(column: ColumnProfile) -> dict[str, Any]:
    group, name = _measured(column)
    ranks = [i / _STEPS for i in range(_STEPS + 1)]
    found = [(_plain(value), rank) for value, rank in zip(group.quantiles(ranks) or [], ranks, strict=False)]
    values = [{"value": value, "rank": rank} for value, rank in found if value is not None]
    encoding = {
        "x": _x(group, "value", name),
        "y": {"field": "rank", "type": "quantitative", "title": "share at or below", "axis": _SHARE},
        "order": {"field": "rank", "type": "quantitative"},
    }
    mark = {"type": "line", "interpolate": "step-after", "tooltip": True}
    return _spec(f"cumulative distribution: {name}", values, mark, encoding)


def _top_values(column: ColumnProfile) -> dict[str, Any]:
    name = text.clean(column.path) or "(empty name)"
    values = [
        {"value": text.item_text(item.value), "count": item.estimate, "lower": item.lower, "upper": item.upper}
        for item in text.top_items(column, _TOP)
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
    whole = _spec(f"most frequent values: {name}", values, None, {"y": y})
    del whole["height"]
    return whole | {"layer": [bars, bounds]}


def quantile_bands(timeline: pl.DataFrame, metrics: Iterable[str] | None = None) -> dict[str, Any]:
    """Quantiles over windows as a Vega-Lite plot: bands from the outermost pair inwards, the median as a line.

    Parameters
    ----------
    timeline
        What `ProfileStore.timeline` gave.
    metrics
        Names of its quantiles, or other figures of one unit, from low to high; default: all columns such as `q05`, and
        `median`. The first and the last are the ends of a band, then the second and the last but one; the one in the
        middle, where their number is odd, is the line.

    Returns
    -------
    dict
        A specification of Vega-Lite 6. Windows without values break the bands.

    Raises
    ------
    ArgumentError
        For a frame that is no timeline, for no quantiles, and for columns that are no numbers or times.
    """
    if not isinstance(timeline, pl.DataFrame) or not set(WINDOW_SCHEMA) <= set(timeline.columns):
        raise argument_error("timeline", timeline, "the frame of ProfileStore.timeline")
    names = _quantiles_of(timeline, metrics)
    rows = timeline.select("window_start", "rows", *names).iter_rows(named=True)
    values = [_plain_row(row) for row in rows]
    is_time = timeline[names[0]].dtype in (pl.Date, pl.Datetime)
    y = {"type": "temporal", "scale": {"type": "utc"}} if is_time else {"type": "quantitative"}
    x = {"field": "window_start", "type": "temporal", "scale": {"type": "utc"}, "title": "window"}
    count = len(names)
    bands = [_band(names[i], names[-1 - i], y, 0.2 + 0.15 * i) for i in range(count // 2)]
    middle = names[count // 2]
    lines = [_line(middle, y)] if count % 2 else []
    whole = _spec(", ".join(map(text.clean, names)), values, None, {"x": x})
    return whole | {"layer": [*bands, *lines]}


def _quantiles_of(timeline: pl.DataFrame, metrics: Iterable[str] | None) -> list[str]:
    if isinstance(metrics, str) or not (metrics is None or isinstance(metrics, Iterable)):
        raise argument_error("metrics", metrics, "an iterable of columns of the timeline")
    drawn = [name for name in timeline.columns if name not in WINDOW_SCHEMA and is_drawn(timeline[name].dtype)]
    names = sorted(filter(_is_quantile, drawn), key=_rank) if metrics is None else list(metrics)
    if not names or not all(name in drawn for name in names):
        raise argument_error("metrics", names, f"some of {', '.join(drawn)}")
    return names


def _is_quantile(name: str) -> bool:
    return name == "median" or (name[:1] == "q" and name[1:].replace(".", "", 1).isdecimal())


def _rank(name: str) -> float:
    return 50.0 if name == "median" else float(name[1:])


def _band(low: str, high: str, y: Mapping[str, Any], opacity: float) -> dict[str, Any]:
    encoding = {"y": {"field": _field(low), **y, "title": f"{low} to {high}"}, "y2": {"field": _field(high)}}
    return {"mark": {"type": "area", "opacity": opacity, "invalid": "break-paths-show-domains"}, "encoding": encoding}


def _line(name: str, y: Mapping[str, Any]) -> dict[str, Any]:
    encoding = {"y": {"field": _field(name), **y, "title": name}}
    return {"mark": {"type": "line", "tooltip": True, "invalid": "break-paths-show-domains"}, "encoding": encoding}


def _field(name: str) -> str:
    """The name of a figure as a field: a dot would be read as a path into an object."""
    return name.replace(".", "_")


def _plain_row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {_field(name): _plain(value) for name, value in row.items()}


def _plain(value: Any) -> float | str | None:
    """A value as JSON can say it: ISO 8601 in UTC for moments, seconds for times and durations; None for ±inf."""
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


def _x(group: GroupProfile, field: str, title: str) -> dict[str, Any]:
    if group.name in ("datetime", "datetime_utc", "date"):
        return {"field": field, "type": "temporal", "scale": {"type": "utc"}, "title": title}
    return {"field": field, "type": "quantitative", "scale": {"zero": False}, "title": title}


def _spec(
    description: str, values: Sequence[Mapping[str, Any]], mark: Mapping[str, Any] | None, encoding: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "$schema": SCHEMA,
        "description": description,
        "data": {"values": values},
        **({} if mark is None else {"mark": mark}),
        "encoding": encoding,
        "width": _WIDTH,
        "height": _HEIGHT,
    }
