"""Two profiles → the rows of the drift frame, one per column of either, in the order of the paths."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from polarsprof.analysis.drift.comparison import compared, side
from polarsprof.analysis.drift.decision import reasons, type_changed
from polarsprof.analysis.drift.rules import METRICS
from polarsprof.errors import argument_error
from polarsprof.profiles import text

if TYPE_CHECKING:
    from polarsprof.analysis.drift.comparison import Found, Side
    from polarsprof.analysis.drift.rules import Rules
    from polarsprof.profiles.profile import Profile

_SIDES: Final = ("reference", "current")
_MOST_VALUES: Final = 20
_VALUE_CHARACTERS: Final = 60
_BOUNDED: Final = ("", "_lower", "_upper")


def _per_side(name: str, dtype: pl.DataType) -> dict[str, pl.DataType]:
    return {f"{name}_{which}": dtype for which in _SIDES}


SCHEMA: Final = pl.Schema(
    {
        "column": pl.String(),
        "dtype_group": pl.String(),
        "drifted": pl.Boolean(),
        "reasons": pl.List(pl.String()),
        "method": pl.String(),
        **{f"{name}{bound}": pl.Float64() for name in METRICS for bound in _BOUNDED},
        "p_value": pl.Float64(),
        **_per_side("rows", pl.Int64()),
        **_per_side("count", pl.Int64()),
        **_per_side("null_share", pl.Float64()),
        **_per_side("nan_share", pl.Float64()),
        **_per_side("types", pl.String()),
        "type_changed": pl.Boolean(),
        **{f"distinct_{which}{bound}": pl.Float64() for which in _SIDES for bound in _BOUNDED},
        "new_values": pl.List(pl.String()),
        "lost_values": pl.List(pl.String()),
    }
)


def rows(reference: Profile, current: Profile, columns: Iterable[str] | None, limits: Rules) -> list[dict[str, Any]]:
    """The rows of all columns, or of those named, in their order; wrong use for a name that neither profile has."""
    before, after = reference.columns, current.columns
    pairs = (
        (path, side("reference", reference, before, path), side("current profile", current, after, path))
        for path in wanted(sorted({*before, *after}), columns)
    )
    return [_row(*pair, limits) for pair in pairs]


def _row(path: str, reference: Side, current: Side, limits: Rules) -> dict[str, Any]:
    sides = reference, current
    found = compared(*sides)
    why = reasons(found, *sides, limits)
    return {
        "column": path,
        "dtype_group": reference.dtype_group if reference.count else current.dtype_group,
        "drifted": bool(why) if reference.rows and current.rows else None,
        "reasons": [*why, *([found.why_not] if found.why_not else [])],
        "method": found.method,
        **_metric_fields(found),
        "p_value": found.p_value,
        **_fields(reference, "reference"),
        **_fields(current, "current"),
        "type_changed": type_changed(*sides, limits),
        "new_values": _shown(found.new),
        "lost_values": _shown(found.lost),
    }


def _metric_fields(found: Found) -> dict[str, float | None]:
    fields: dict[str, float | None] = {}
    for name in METRICS:
        values = found.metrics.get(name, (None, None, None))
        fields |= dict(zip((f"{name}{bound}" for bound in _BOUNDED), values, strict=True))
    return fields


def _fields(one: Side, which: str) -> dict[str, Any]:
    distinct = one.distinct
    return {
        f"rows_{which}": one.rows,
        f"count_{which}": one.count,
        f"null_share_{which}": one.null_count / one.rows if one.rows else None,
        f"nan_share_{which}": one.nan_count / one.count if one.count else None,
        f"types_{which}": one.types,
        f"distinct_{which}": distinct and distinct.estimate,
        f"distinct_{which}_lower": distinct and distinct.lower,
        f"distinct_{which}_upper": distinct and distinct.upper,
    }


def _shown(values: list[Any]) -> list[str]:
    return [text.item_text(value, _VALUE_CHARACTERS) for value in values[:_MOST_VALUES]]


def wanted(known: list[str], columns: Iterable[str] | None) -> list[str]:
    """The names asked for, all that are known for None; wrong use for others."""
    if columns is None:
        return known
    asked, met = names(columns), set(known)
    for name in asked:
        if name not in met:
            raise argument_error("columns", name, "a column of one of the profiles")
    return asked


def names(columns: Iterable[str]) -> list[str]:
    """The names of an argument `columns`."""
    if isinstance(columns, str) or not isinstance(columns, Iterable):
        raise argument_error("columns", columns, "an iterable of the names of columns")
    return list(columns)


def checked(name: str, profile: Profile) -> Profile:
    """The profile; wrong use for anything else."""
    if not isinstance(getattr(profile, "columns", None), dict) or not hasattr(profile, "rejected"):
        raise argument_error(name, profile, "a Profile", "data goes through profile(data), a file through read(path)")
    return profile
