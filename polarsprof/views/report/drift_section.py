"""The section on drift: the drift frame as a table.

Columns that drifted come first, then columns that were not compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import polars as pl

from polarsprof.analysis.drift import drift_counts
from polarsprof.errors import argument_error
from polarsprof.profiles import text
from polarsprof.views.column_html import name_of, table
from polarsprof.views.style import escaped

if TYPE_CHECKING:
    from collections.abc import Mapping

    Row = Mapping[str, Any]
    """A row of the drift frame, whose columns have different types."""

_METRICS: Final[Mapping[str, str]] = {
    "ks": "Kolmogorov–Smirnov",
    "psi": "PSI",
    "jensen_shannon": "Jensen–Shannon",
    "hellinger": "Hellinger",
    "wasserstein": "Wasserstein",
    "total_variation": "total variation",
    "chi_square": "chi-square",
    "linf": "L∞",
}
_REQUIRED_COLUMNS: Final = ("column", "dtype_group", "drifted", "reasons")
_MAX_REASONS: Final = 20


def drift_argument(drift: object) -> pl.DataFrame:
    """Return the frame; raise ArgumentError if it is no drift frame."""
    if not isinstance(drift, pl.DataFrame) or not {*_REQUIRED_COLUMNS, *_METRICS} <= set(drift.columns):
        raise argument_error("drift", drift, "the frame of pp.drift")
    return drift


def drift_html(drift: pl.DataFrame, anchors: Mapping[str, str]) -> str:
    """The table of drift; names of columns link to their anchors, if they have one."""
    if not drift.height:
        return "<p>Neither of the two profiles has a column.</p>"
    counts = " · ".join(f"{count:,} {name}" for name, count in drift_counts(drift).items())
    rank = pl.col("drifted").replace_strict({True: 0, False: 2}, default=1, return_dtype=pl.Int8)
    rows = [_row(row, anchors) for row in drift.sort(rank, maintain_order=True).iter_rows(named=True)]
    headings = [
        *[(name, "") for name in ("column", "type", "drifted", "why")],
        *[(name, "n") for name in _METRICS.values()],
    ]
    caption = "Drift of each column; the bounds below each figure allow for the error of the sketches."
    return f'<p>{counts}</p><div class="wide">{table(rows, headings, caption)}</div>'


def _row(row: Row, anchors: Mapping[str, str]) -> str:
    name, anchor = name_of(row["column"]), anchors.get(row["column"])
    link = f'<a href="#{anchor}">{name}</a>' if anchor else name
    decision = {True: '<b class="warn">yes</b>', False: "no"}.get(row["drifted"], "not compared")
    cells = "".join(f'<td class="n">{_figure(row, metric)}</td>' for metric in _METRICS)
    return (
        f'<tr><td class="name">{link}</td><td>{escaped(row["dtype_group"] or "")}</td><td>{decision}</td>'
        f'<td class="wrap">{_reasons(row)}</td>{cells}</tr>'
    )


def _figure(row: Row, metric: str) -> str:
    if row[metric] is None:
        return ""
    low, high = row.get(f"{metric}_lower"), row.get(f"{metric}_upper")
    bounds = "" if low is None or high is None else f"<br><small>{text.number(low)} – {text.number(high)}</small>"
    return f"{text.number(row[metric])}{bounds}"


def _reasons(row: Row) -> str:
    reasons = [escaped(reason) for reason in (row["reasons"] or [])[:_MAX_REASONS]]
    changed = {"new values": row.get("new_values"), "lost values": row.get("lost_values")}
    reasons += [
        f"{label}: {', '.join(escaped(value, 40) for value in values[:_MAX_REASONS])}"
        for label, values in changed.items()
        if values
    ]
    return "; ".join(reasons)
