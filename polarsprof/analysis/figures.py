"""The figures of a column by name, as `timeline` and reports ask for them; None where a column has no such figure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from polarsprof.errors import argument_error
from polarsprof.profiles import text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from polarsprof.profiles.column import ColumnProfile

COUNTS: Final[Mapping[str, Callable[[ColumnProfile], int | None]]] = {
    "count": lambda column: column.count,
    "null_count": lambda column: column.null_count,
    "nan_count": lambda column: column.nan_count,
    "infinite_count": lambda column: infinities(column, "positive") + infinities(column, "negative"),
    "true_count": lambda column: column.true_count,
    "zeros": lambda column: _examined(column, "number", "zero"),
    "negatives": lambda column: _examined(column, "number", "negative"),
    "empties": lambda column: _examined(column, "string", "empty"),
}
NUMBERS: Final[Mapping[str, Callable[[ColumnProfile], float | None]]] = {
    "null_share": lambda column: column.null_count / column.rows if column.rows else None,
    "true_share": lambda column: _share(column.true_count, column.group("boolean").count),
    "sum": lambda column: text.double(column.sum),
    "mean": lambda column: column.mean,
    "variance": lambda column: column.variance,
    "stddev": lambda column: column.stddev,
    "skewness": lambda column: text.primary(column).skewness,
    "kurtosis": lambda column: text.primary(column).kurtosis,
    "distinct": lambda column: _distinct(column, "estimate"),
    "distinct_lower": lambda column: _distinct(column, "lower"),
    "distinct_upper": lambda column: _distinct(column, "upper"),
    "length_min": lambda column: _length(column, "min"),
    "length_mean": lambda column: _length(column, "mean"),
    "length_max": lambda column: _length(column, "max"),
}
# Of the column's own type.
VALUES: Final[Mapping[str, Callable[[ColumnProfile], Any]]] = {
    "min": lambda column: column.min,
    "median": lambda column: column.quantile(0.5),
    "max": lambda column: column.max,
}
DEFAULT: Final = ("count", "null_share", "distinct", "mean", "stddev", "min", "q05", "q25", "q50", "q75", "q95", "max")
_QUANTILE: Final = re.compile(r"q(100|\d{1,2}(?:\.\d{1,6})?)", re.ASCII)


def metric_names(metrics: Iterable[str] | None) -> tuple[str, ...]:
    """The names of figures, each once; `DEFAULT` for None.

    Raises
    ------
    ArgumentError
        For what is no iterable of names, and for a name that is none.
    """
    if metrics is None:
        return DEFAULT
    if isinstance(metrics, str) or not isinstance(metrics, Iterable):
        raise argument_error("metrics", metrics, "an iterable of names of figures")
    names = list(metrics)
    known = (*COUNTS, *NUMBERS, *VALUES)
    for name in names:
        if not isinstance(name, str) or not (name in known or _QUANTILE.fullmatch(name)):
            raise argument_error("metrics", name, f"one of {', '.join(known)}, or a quantile such as q05 or q99.9")
    return tuple(dict.fromkeys(names))


def figure(column: ColumnProfile, name: str) -> Any:
    """One figure by its name: a count, a double, or for min, max and quantiles a value of the column's own type."""
    for table in (COUNTS, NUMBERS, VALUES):
        if name in table:
            return table[name](column)
    return column.quantile(float(name[1:]) / 100)


def figures_of(column: ColumnProfile, names: Sequence[str]) -> dict[str, Any]:
    """Several figures by name."""
    return {name: figure(column, name) for name in names}


def series(name: str, values: Sequence[Any]) -> pl.Series:
    """A figure of many profiles as a Series: counts as Int64, numbers as Float64, temporals in their own dtype.

    Values of several kinds, and moments beyond the years that Python knows, come as exact text; no value as Float64.
    """
    if name in COUNTS:
        return pl.Series(name, values, pl.Int64)
    kinds = {_kind(value) for value in values if value is not None}
    kind = kinds.pop() if len(kinds) == 1 else "text" if kinds else "number"
    if kind in _AS:
        values = [_AS[kind](value) for value in values]
    return pl.Series(name, values, _DTYPES[kind])


def _kind(value: Any) -> str:
    match value:
        case datetime():
            return "datetime" if value.tzinfo is None else "datetime_utc"
        case date():
            return "date"
        case time():
            return "time"
        case timedelta():
            return "duration"
        case int() | float():
            return "number"
    return "text"


_DTYPES: Final[Mapping[str, pl.DataType]] = {
    "datetime": pl.Datetime("us"),
    "datetime_utc": pl.Datetime("us", "UTC"),
    "date": pl.Date(),
    "time": pl.Time(),
    "duration": pl.Duration("us"),
    "number": pl.Float64(),
    "text": pl.String(),
}


_AS: Final[Mapping[str, Callable[[Any], Any]]] = {"number": text.double, "text": text.exact}


def infinities(column: ColumnProfile, sign: str) -> int:
    """Number of positive or negative infinities."""
    return column.group("number").counters[f"{sign}_infinity"]


def _examined(column: ColumnProfile, group: str, counter: str) -> int | None:
    """A count; None where some values came from a profile of another tool that does not know it."""
    counters = column.group(group).counters
    return None if counters["unexamined"] else counters[counter]


def _distinct(column: ColumnProfile, bound: str) -> float | None:
    distinct = column.distinct
    return None if distinct is None else float(getattr(distinct, bound))


def _length(column: ColumnProfile, name: str) -> float | None:
    length = column.length
    return None if length is None else getattr(length, name)


def _share(part: int | None, whole: int) -> float | None:
    return part / whole if whole and part is not None else None
