"""The drift frame: one row per column of either profile, in order of their paths.

Reasons, types and values become text here, since the frame has them as text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import polars as pl

from polarsprof.analysis.drift.comparison import compare, side
from polarsprof.analysis.drift.decision import Exceeded, reasons, type_changed
from polarsprof.analysis.drift.rules import METRICS
from polarsprof.errors import argument_error
from polarsprof.profiles import text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from polarsprof.analysis.drift.comparison import Comparison, Side
    from polarsprof.analysis.drift.decision import Reason
    from polarsprof.analysis.drift.rules import Rules
    from polarsprof.profiles.profile import Profile

_SIDES: Final = ("reference", "current")
_MAX_VALUES: Final = 20
_MAX_VALUE_CHARACTERS: Final = 60
_BOUNDS: Final = ("", "_lower", "_upper")


def _per_side(name: str, dtype: pl.DataType) -> dict[str, pl.DataType]:
    return {f"{name}_{suffix}": dtype for suffix in _SIDES}


SCHEMA: Final = pl.Schema(
    {
        "column": pl.String(),
        "dtype_group": pl.String(),
        "drifted": pl.Boolean(),
        "reasons": pl.List(pl.String()),
        "method": pl.String(),
        **{f"{name}{bound}": pl.Float64() for name in METRICS for bound in _BOUNDS},
        "p_value": pl.Float64(),
        **_per_side("rows", pl.Int64()),
        **_per_side("count", pl.Int64()),
        **_per_side("null_share", pl.Float64()),
        **_per_side("nan_share", pl.Float64()),
        **_per_side("types", pl.String()),
        "type_changed": pl.Boolean(),
        **{f"distinct_{suffix}{bound}": pl.Float64() for suffix in _SIDES for bound in _BOUNDS},
        "new_values": pl.List(pl.String()),
        "lost_values": pl.List(pl.String()),
    }
)


def rows(reference: Profile, current: Profile, columns: Iterable[str] | None, rules: Rules) -> list[dict[str, object]]:
    """The rows of all columns, or of the named ones in their order.

    Raises
    ------
    ArgumentError
        If neither profile has a named column.
    """
    before, after = reference.columns, current.columns
    pairs = (
        (path, side("reference", reference, before, path), side("current profile", current, after, path))
        for path in select_columns(sorted({*before, *after}), columns)
    )
    return [_row(*pair, rules) for pair in pairs]


def _row(path: str, reference: Side, current: Side, rules: Rules) -> dict[str, object]:
    sides = reference, current
    comparison = compare(*sides)
    why = [_reason_text(reason) for reason in reasons(comparison, *sides, rules)]
    return {
        "column": path,
        "dtype_group": reference.dtype_group if reference.count else current.dtype_group,
        "drifted": bool(why) if reference.rows and current.rows else None,
        "reasons": [*why, *([comparison.skip_reason] if comparison.skip_reason else [])],
        "method": comparison.method,
        **_metric_fields(comparison),
        "p_value": comparison.p_value,
        **_side_fields(reference, "reference"),
        **_side_fields(current, "current"),
        "type_changed": type_changed(*sides, rules),
        "new_values": _value_texts(comparison.new_values),
        "lost_values": _value_texts(comparison.lost_values),
    }


def _metric_fields(comparison: Comparison) -> dict[str, float | None]:
    fields: dict[str, float | None] = {}
    for name in METRICS:
        values = comparison.metrics.get(name, (None, None, None))
        fields |= dict(zip((f"{name}{bound}" for bound in _BOUNDS), values, strict=True))
    return fields


def _side_fields(one: Side, suffix: str) -> dict[str, object]:
    distinct = one.distinct
    return {
        f"rows_{suffix}": one.rows,
        f"count_{suffix}": one.count,
        f"null_share_{suffix}": one.null_count / one.rows if one.rows else None,
        f"nan_share_{suffix}": one.nan_count / one.count if one.count else None,
        f"types_{suffix}": text.types_text(one.types),
        f"distinct_{suffix}": distinct and distinct.estimate,
        f"distinct_{suffix}_lower": distinct and distinct.lower,
        f"distinct_{suffix}_upper": distinct and distinct.upper,
    }


def _reason_text(reason: Reason) -> str:
    """A reason as a short phrase, such as "ks 0.31 above 0.1"."""
    if isinstance(reason, Exceeded):
        threshold, figure = f"{reason.threshold:g}", f"{reason.value:.3g}"
        # A figure that rounds to its threshold is shown with all digits.
        digits = figure if figure != threshold else f"{reason.value:g}"
        return " ".join(filter(None, [reason.name, digits, reason.unit, "above", threshold]))
    return f"{reason.name} {_figure_text(reason.name, reason.reference)} → {_figure_text(reason.name, reason.current)}"


def _figure_text(name: str, figure: float | Mapping[str, int]) -> str:
    if not isinstance(figure, int | float):
        return text.types_text(figure)
    return text.number(round(figure)) if name == "distinct" else f"{figure:.3g}"


def _value_texts(values: Sequence[object]) -> list[str]:
    return [text.item_text(value, _MAX_VALUE_CHARACTERS) for value in values[:_MAX_VALUES]]


def select_columns(known: list[str], columns: Iterable[str] | None) -> list[str]:
    """The named columns; all known columns for None.

    Raises
    ------
    ArgumentError
        If a name is not among the known columns.
    """
    if columns is None:
        return known
    names, known_names = column_names(columns), set(known)
    for name in names:
        if name not in known_names:
            raise argument_error("columns", name, "a column of one of the profiles")
    return names


def column_names(columns: Iterable[str]) -> list[str]:
    """The names in an argument `columns`."""
    if isinstance(columns, str) or not isinstance(columns, Iterable):
        raise argument_error("columns", columns, "an iterable of the names of columns")
    return list(columns)


def profile_argument(name: str, profile: Profile) -> Profile:
    """Return the argument; raise ArgumentError if it is no profile."""
    if not isinstance(getattr(profile, "columns", None), dict) or not hasattr(profile, "rejected"):
        raise argument_error(name, profile, "a Profile", "data goes through profile(data), a file through read(path)")
    return profile


def drift_counts(drift: pl.DataFrame) -> dict[str, int]:
    """Number of columns in a drift frame that drifted, did not, and were not compared."""
    return {
        "drifted": int(drift["drifted"].sum()),
        "not drifted": int((~drift["drifted"]).sum()),
        "not compared": drift["drifted"].null_count(),
    }
