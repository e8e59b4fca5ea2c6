"""Arguments of timeline plots: the frame, and the columns that can be drawn."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from polarsprof.analysis.timeline import WINDOW_SCHEMA
from polarsprof.errors import argument_error


def timeline_argument(timeline: object) -> pl.DataFrame:
    """Return the frame; raise ArgumentError if it is no timeline."""
    if not isinstance(timeline, pl.DataFrame) or not set(WINDOW_SCHEMA) <= set(timeline.columns):
        raise argument_error("timeline", timeline, "the frame of ProfileStore.timeline")
    return timeline


def metrics_argument(metrics: object) -> list[str] | None:
    """Return the names as a list; raise ArgumentError if they are no iterable."""
    if metrics is None:
        return None
    if isinstance(metrics, str) or not isinstance(metrics, Iterable):
        raise argument_error("metrics", metrics, "an iterable of columns of the timeline")
    return list(metrics)


def is_drawable(dtype: pl.DataType) -> bool:
    """Returns whether figures of this dtype can be drawn as a line."""
    return dtype.is_numeric() or dtype.is_temporal()


def drawable_columns(timeline: pl.DataFrame) -> list[str]:
    """Names of the columns that can be drawn, those of the windows included."""
    return [name for name in timeline.columns if is_drawable(timeline[name].dtype)]
