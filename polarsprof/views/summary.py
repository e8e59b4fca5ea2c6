"""A profile as a frame with one row per column, and as plain text for `repr`."""

from __future__ import annotations

import unicodedata
from itertools import islice
from typing import TYPE_CHECKING, Final

import polars as pl

from polarsprof.analysis.figures import COUNTS, figures_of
from polarsprof.profiles import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polarsprof.profiles.column import ColumnProfile
    from polarsprof.profiles.profile import Profile
    from polarsprof.sketches.frequent import FrequentItem

QUANTILES: Final = {"q01": 0.01, "q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95, "q99": 0.99}
TOP_VALUES: Final = 10
_MAX_TEXT_COLUMNS: Final = 40

_FIGURES: Final = (
    *COUNTS,
    *("null_share", "sum", "mean", "stddev", "skewness", "kurtosis"),
    *("length_min", "length_mean", "length_max"),
)
_NUMBERS: Final = ("sum", "mean", "stddev", "skewness", "kurtosis", *QUANTILES)
_ITEM: Final = pl.Struct({"value": pl.String, "estimate": pl.Int64, "lower": pl.Int64, "upper": pl.Int64})
SCHEMA: Final = pl.Schema(
    {
        "column": pl.String(),
        "types": pl.String(),
        **dict.fromkeys(("rows", *COUNTS), pl.Int64()),
        "null_share": pl.Float64(),
        **dict.fromkeys(("distinct", "distinct_lower", "distinct_upper"), pl.Float64()),
        "min": pl.String(),
        "max": pl.String(),
        **dict.fromkeys(_NUMBERS, pl.Float64()),
        "length_min": pl.Int64(),
        "length_mean": pl.Float64(),
        "length_max": pl.Int64(),
        "top": pl.List(_ITEM),
    }
)


def summary(profile: Profile) -> pl.DataFrame:
    """The figures of a profile as a frame, one row per column in order of the paths.

    The schema does not depend on the data. A figure that a column does not have is null; counts are 0. In a column of
    mixed types, the figures from `min` to `length_max` describe the numbers, or else the temporals, or else the
    strings.

    Returns
    -------
    polars.DataFrame
        `column`, `types`
            Path; dtype group, or several with their shares: "integral 90 %, string 10 %". "null" without values.
        `rows`, `count`, `null_count`, `null_share`
            Rows (elements for `name[]`); values that are not null, NaN included; nulls, also as a share in [0, 1]. The
            share is null without rows.
        `nan_count`, `infinite_count`, `true_count`, `zeros`, `negatives`, `empties`
            NaN; ±inf; booleans that are true; numbers that are 0, below 0; strings of length 0. All but the first two
            are null if some values come from a profile of another tool that does not count them.
        `distinct`, `distinct_lower`, `distinct_upper`
            Estimated number of distinct values, with bounds two standard errors away.
        `min`, `max`
            Exact values as text: ISO 8601 for temporals and durations, `repr` for numbers, strings unchanged.
        `sum`, `mean`, `stddev`, `skewness`, `kurtosis`
            Of the finite numbers, as doubles. `profile["x"].sum` is the exact sum of integers.
        `q01`, `q05`, `q25`, `median`, `q75`, `q95`, `q99`
            Quantiles of the numbers without NaN; null for temporals, see `profile["t"].quantile(0.5)`.
        `length_min`, `length_mean`, `length_max`
            Characters of strings, bytes of binary values, elements of lists.
        `top`
            Up to ten most frequent values as text, each with an estimate and certain bounds of its count.
    """
    rows = [_row(path, column) for path, column in profile.columns.items()]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _row(path: str, column: ColumnProfile) -> dict[str, object]:
    group = text.primary(column)
    distinct = column.distinct
    quantiles = group.quantiles(list(QUANTILES.values())) if group.name == "number" else None
    return {
        "column": path,
        "types": text.types_text(column.types),
        "rows": column.rows,
        **figures_of(column, _FIGURES),
        "distinct": distinct and distinct.estimate,
        "distinct_lower": distinct and distinct.lower,
        "distinct_upper": distinct and distinct.upper,
        "min": text.extreme(group, "min"),
        "max": text.extreme(group, "max"),
        **dict(zip(QUANTILES, quantiles or [None] * len(QUANTILES), strict=True)),
        "top": [_item(item) for item in column.frequent_items(TOP_VALUES)],
    }


def _item(item: FrequentItem) -> dict[str, object]:
    return {"value": text.exact(item.value), "estimate": item.estimate, "lower": item.lower, "upper": item.upper}


_TEXT_HEAD: Final = ("column", "types", "nulls", "distinct", "min", "mean", "median", "max", "top")
_TEXT_WIDTHS: Final = (28, 22, 6, 9, 20, 11, 20, 20, 24)
_LEFT: Final = frozenset({0, 1, 8})


def profile_text(profile: Profile) -> str:
    """A line of facts and an aligned table of the first 40 columns.

    Lines are at most 180 characters wide, and contain no control characters.
    """
    columns = profile.columns
    lines = [f"Profile: {' · '.join(text.header_phrases(profile))}"]
    if columns:
        body = [_text_row(path, column) for path, column in islice(columns.items(), _MAX_TEXT_COLUMNS)]
        lines += _aligned([_TEXT_HEAD, *body])
    if len(columns) > _MAX_TEXT_COLUMNS:
        lines.append(f"… and {len(columns) - _MAX_TEXT_COLUMNS:,} more columns")
    return "\n".join(lines)


def _text_row(path: str, column: ColumnProfile) -> Sequence[str]:
    cells = (
        text.clean(path),
        text.types_text(column.types),
        text.share(column.null_count, column.rows),
        text.distinct_text(column),
        text.shown(column.min),
        text.number(column.mean),
        text.shown(column.quantile(0.5)),
        text.shown(column.max),
        " · ".join(text.item_text(item.value, 20) for item in text.top_items(column, 3)),
    )
    return [_cut(cell, width) for cell, width in zip(cells, _TEXT_WIDTHS, strict=True)]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(_cells, cells)) for cells in zip(*rows, strict=True)]
    return ["  ".join(_padded(cell, widths[i], i) for i, cell in enumerate(row)).rstrip() for row in rows]


def _padded(cell: str, width: int, position: int) -> str:
    blank = " " * (width - _cells(cell))
    return cell + blank if position in _LEFT else blank + cell


def _cells(cell: str) -> int:
    """Width of a text in terminal cells.

    A wide East Asian character takes two cells, a combining character none.
    """
    if cell.isascii():
        return len(cell)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in cell)


def _cut(cell: str, width: int) -> str:
    if _cells(cell) <= width:
        return cell
    while _cells(cell) > width - 1:
        cell = cell[:-1]
    return f"{cell}…"
