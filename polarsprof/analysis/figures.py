"""Figures of a column by name, as timelines and reports request them.

A figure is None if the column does not have it.
"""

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
    from polarsprof.profiles.profile import Profile

COUNTS: Final[Mapping[str, Callable[[ColumnProfile], int | None]]] = {
    "count": lambda column: column.count,
    "null_count": lambda column: column.null_count,
    "nan_count": lambda column: column.nan_count,
    "infinite_count": lambda column: infinities(column, "positive") + infinities(column, "negative"),
    "true_count": lambda column: column.true_count,
    "zeros": lambda column: _counter(column, "number", "zero"),
    "negatives": lambda column: _counter(column, "number", "negative"),
    "empties": lambda column: _counter(column, "string", "empty"),
}
NUMBERS: Final[Mapping[str, Callable[[ColumnProfile], float | None]]] = {
    "null_share": lambda column: _share(column.null_count, column.rows),
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
# Values of the type of the column.
VALUES: Final[Mapping[str, Callable[[ColumnProfile], object]]] = {
    "min": lambda column: column.min,
    "median": lambda column: column.quantile(0.5),
    "max": lambda column: column.max,
}
DEFAULT: Final = ("count", "null_share", "distinct", "mean", "stddev", "min", "q05", "q25", "q50", "q75", "q95", "max")
_QUANTILE: Final = re.compile(r"q(100|\d{1,2}(?:\.\d{1,6})?)", re.ASCII)
_DTYPES: Final[Mapping[str, pl.DataType]] = {
    "datetime": pl.Datetime("us"),
    "datetime_utc": pl.Datetime("us", "UTC"),
    "date": pl.Date(),
    "time": pl.Time(),
    "duration": pl.Duration("us"),
    "number": pl.Float64(),
    "text": pl.String(),
}
_CONVERSIONS: Final[Mapping[str, Callable[[Any], object]]] = {"number": text.double, "text": text.exact}


def metric_names(metrics: Iterable[str] | None) -> tuple[str, ...]:
    """Validate names of figures and drop duplicates; `DEFAULT` for None.

    Raises
    ------
    ArgumentError
        If `metrics` is no iterable of names, or a name is unknown.
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


def figure(column: ColumnProfile, name: str) -> object:
    """One figure by name.

    Returns
    -------
    object
        An integer for counts, a float for other numbers, and a value of the type of the column for `min`, `max`,
        `median` and quantiles. None if the column does not have the figure.
    """
    for table in (COUNTS, NUMBERS, VALUES):
        if name in table:
            return table[name](column)
    return column.quantile(float(name[1:]) / 100)


def figures_of(column: ColumnProfile, names: Sequence[str]) -> dict[str, object]:
    """Several figures by name."""
    return {name: figure(column, name) for name in names}


def figures_without_column(rows: int) -> dict[str, object]:
    """Figures of a window of `rows` rows in which the column does not occur."""
    return {"null_share": _share(rows, rows)}


def all_null_columns(profile: Profile) -> int:
    """Number of columns without any value that is not null."""
    return sum(not column.count for column in profile.columns.values())


def series(name: str, values: Sequence[object]) -> pl.Series:
    """One figure of many profiles as a Series.

    Counts are Int64, other numbers Float64, temporals have their own dtype. Mixed kinds of values become exact text,
    and so do moments beyond the years of Python's datetime. A Series without any value is Float64.
    """
    if name in COUNTS:
        return pl.Series(name, values, pl.Int64)
    kinds = {_kind(value) for value in values if value is not None}
    kind = kinds.pop() if len(kinds) == 1 else "text" if kinds else "number"
    if kind in _CONVERSIONS:
        values = [_CONVERSIONS[kind](value) for value in values]
    return pl.Series(name, values, _DTYPES[kind])


def _kind(value: object) -> str:
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


def infinities(column: ColumnProfile, sign: str) -> int:
    """Number of infinities of one sign, "positive" or "negative"."""
    return column.group("number").counters[f"{sign}_infinity"]


def _counter(column: ColumnProfile, group: str, counter: str) -> int | None:
    """A count; None if some values come from a foreign profile without it."""
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
