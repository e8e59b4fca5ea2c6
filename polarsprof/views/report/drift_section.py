"""A frame of drift → its table; columns that have drifted first, then those that could not be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import polars as pl

from polarsprof.errors import argument_error
from polarsprof.profiles import text
from polarsprof.views.column_html import name_of, table
from polarsprof.views.style import escaped

if TYPE_CHECKING:
    from collections.abc import Mapping

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
_NEEDED: Final = ("column", "dtype_group", "drifted", "reasons")
_MOST_REASONS: Final = 20


def checked_drift(drift: object) -> pl.DataFrame:
    """The frame, where it has the columns of one of drift; else wrong use."""
    if not isinstance(drift, pl.DataFrame) or not {*_NEEDED, *_METRICS} <= set(drift.columns):
        raise argument_error("drift", drift, "the frame of pp.drift")
    return drift


def drift_facts(drift: pl.DataFrame) -> dict[str, int]:
    """How many columns have drifted, have not, could not be compared."""
    return {
        "drifted": int(drift["drifted"].sum()),
        "not drifted": int((~drift["drifted"]).sum()),
        "not compared": drift["drifted"].null_count(),
    }


def drift_html(drift: pl.DataFrame, anchors: Mapping[str, str]) -> str:
    """The table; names of columns lead to their anchors, as far as there are any."""
    if not drift.height:
        return "<p>Neither of the two profiles has a column.</p>"
    facts = " · ".join(f"{count:,} {what}" for what, count in drift_facts(drift).items())
    rank = pl.col("drifted").replace_strict({True: 0, False: 2}, default=1, return_dtype=pl.Int8)
    rows = [_row(row, anchors) for row in drift.sort(rank, maintain_order=True).iter_rows(named=True)]
    headings = [
        *[(name, "") for name in ("column", "type", "drifted", "why")],
        *[(name, "n") for name in _METRICS.values()],
    ]
    note = "Drift of each column; below each figure the bounds that the error of the sketches leaves open."
    return f'<p>{facts}</p><div class="wide">{table(rows, headings, note)}</div>'


def _row(row: Mapping[str, Any], anchors: Mapping[str, str]) -> str:
    name, anchor = name_of(row["column"]), anchors.get(row["column"])
    linked = f'<a href="#{anchor}">{name}</a>' if anchor else name
    verdict = {True: '<b class="warn">yes</b>', False: "no"}.get(row["drifted"], "not compared")
    cells = "".join(f'<td class="n">{_figure(row, metric)}</td>' for metric in _METRICS)
    return (
        f'<tr><td class="name">{linked}</td><td>{escaped(row["dtype_group"] or "")}</td><td>{verdict}</td>'
        f'<td class="wrap">{_reasons(row)}</td>{cells}</tr>'
    )


def _figure(row: Mapping[str, Any], metric: str) -> str:
    if row[metric] is None:
        return ""
    low, high = row.get(f"{metric}_lower"), row.get(f"{metric}_upper")
    bounds = "" if low is None or high is None else f"<br><small>{text.number(low)} – {text.number(high)}</small>"
    return f"{text.number(row[metric])}{bounds}"


def _reasons(row: Mapping[str, Any]) -> str:
    reasons = [escaped(reason) for reason in (row["reasons"] or [])[:_MOST_REASONS]]
    changed = {"new values": row.get("new_values"), "lost values": row.get("lost_values")}
    reasons += [
        f"{what}: {', '.join(escaped(value, 40) for value in values[:_MOST_REASONS])}"
        for what, values in changed.items()
        if values
    ]
    return "; ".join(reasons)
