"""The sections of the page, from the model of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from polarsprof.analysis.drift import drift_counts
from polarsprof.analysis.figures import all_null_columns
from polarsprof.analysis.timeline import frame, window_marks
from polarsprof.profiles import text
from polarsprof.views import column_html, strip
from polarsprof.views.html import tags
from polarsprof.views.report.drift_section import drift_html
from polarsprof.views.report.model import METRICS, QUANTILES
from polarsprof.views.report.page import Body, Section
from polarsprof.views.style import escaped
from polarsprof.views.timeline_columns import is_drawable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    import polars as pl

    from polarsprof.profiles.column import ColumnProfile
    from polarsprof.profiles.profile import Profile
    from polarsprof.views.report.model import ReportModel

_MARKS: Final = '<use href="#marks"/>'
_LABELS: Final = {"length_mean": "mean length", "true_share": "true", "distinct": "distinct", "null_share": "nulls"}
_MAX_EXAMPLES: Final = 3


def sections(model: ReportModel, drift: pl.DataFrame | None, title: str | None) -> Body:
    """The content of the page."""
    whole = model.whole
    if whole is None:
        return Body(escaped(title or "") or "Profile", "", [Section("overview", "Overview", "<p>No profiles.</p>")])
    anchors = {path: f"c{i}" for i, path in enumerate(whole.columns)}
    heading = title if title is not None else whole.dataset
    windows = frame(model.windows, ())
    parts = [
        Section("overview", "Overview", _overview(model, whole, drift, anchors)),
        *([Section("windows", "Windows", _windows(windows))] if windows.height else []),
        *([Section("drift", "Drift", drift_html(drift, anchors))] if drift is not None else []),
        Section("columns", "Columns", _columns(model, whole, anchors)),
        Section("wrong", "Rejected and late", _rejected_and_late(whole, windows)),
        Section("about", "About this profile", _about(whole)),
    ]
    lead = f"<p>{' · '.join(escaped(fact) for fact in text.header_phrases(whole))}</p>{tags(whole)}"
    return Body(escaped(heading) or "Profile", lead, parts)


# ------------------------------------------------------------------------------------------------------------ overview


def _overview(model: ReportModel, whole: Profile, drift: pl.DataFrame | None, anchors: Mapping[str, str]) -> str:
    counts: dict[str, int] = {"rows": whole.rows, "columns": len(whole.columns)}
    if model.windows:
        counts |= {"windows": len(model.windows)}
    counts |= {"rejected rows": whole.rejected_rows, "late rows": whole.late_rows}
    if drift is not None:
        counts |= {"drifted columns": drift_counts(drift)["drifted"]}
    tiles = "".join(f"<li><b>{count:,}</b>{label}</li>" for label, count in counts.items())
    drifted = set() if drift is None else set(drift.filter(drift["drifted"].fill_null(value=False))["column"])
    rows = [_overview_row(path, column, anchors[path], drifted) for path, column in whole.columns.items()]
    headings = [
        ("column", ""),
        ("type", ""),
        ("nulls", "n"),
        ("distinct", "n"),
        ("min", "n"),
        ("median", "n"),
        ("max", "n"),
    ]
    index = (
        f'<div class="wide">{column_html.table(rows, headings, "Columns")}</div>'
        if rows
        else "<p>There are no columns.</p>"
    )
    return f'<ul class="tiles">{tiles}</ul>{_apart(model)}{_emptiness(whole)}{index}'


def _overview_row(path: str, column: ColumnProfile, anchor: str, drifted: set[str]) -> str:
    note = ' <b class="warn">drifted</b>' if path in drifted else ""
    kind = ' class="n some"' if column.null_count else ' class="n"'
    ends = (column.min, column.quantile(0.5), column.max)
    cells = "".join(f'<td class="n">{escaped(text.shown(value, 40))}</td>' for value in ends)
    return (
        f'<tr><td class="name"><a href="#{anchor}">{column_html.name_of(path)}</a>{note}</td>'
        f"<td>{column_html.types_of(column)}</td><td{kind}>{text.share(column.null_count, column.rows)}</td>"
        f'<td class="n">{text.distinct_text(column)}</td>{cells}</tr>'
    )


def _apart(model: ReportModel) -> str:
    if not model.apart:
        return ""
    examples = "".join(f"<li>{escaped(reason, 400)}</li>" for reason in dict.fromkeys(model.apart[:_MAX_EXAMPLES]))
    return (
        f'<p class="warn">{len(model.apart):,} of the profiles track other statistics than the first one. They appear '
        f"in the figures over time, not in the figures of the whole.</p><ul>{examples}</ul>"
    )


def _emptiness(whole: Profile) -> str:
    if not whole.rows:
        return "<p>No row was profiled.</p>"
    columns = all_null_columns(whole)
    return f"<p>{columns:,} of the columns contain only nulls.</p>" if columns else ""


# ------------------------------------------------------------------------------------------------------------- windows


def _windows(windows: pl.DataFrame) -> str:
    missing = set(window_marks(windows).missing)
    fields = windows.select("window_start", "window_end", "rows", "late_rows", "rejected_rows", "panes").iter_rows()
    rows = [_window_row(*row, is_missing=position in missing) for position, row in enumerate(fields)]
    headings = [("start", ""), ("end", ""), *[(name, "n") for name in ("rows", "late", "rejected", "panes")]]
    return (
        f'<div class="strip">{strip.rows_strip(windows, shared="marks")}{strip.legend(windows)}</div>'
        f"<details><summary>all windows</summary>"
        f'<div class="wide windows">{column_html.table(rows, headings, "Windows")}</div></details>'
    )


def _window_row(start: datetime, end: datetime, *counts: int, is_missing: bool) -> str:
    cells = "".join(f'<td class="n">{count:,}</td>' if count else "<td></td>" for count in counts)
    if is_missing:
        cells = '<td class="n">missing</td><td></td><td></td><td></td>'
    return f"<tr><td>{text.shown(start)}</td><td>{text.shown(end)}</td>{cells}</tr>"


# ------------------------------------------------------------------------------------------------------------- columns


def _columns(model: ReportModel, whole: Profile, anchors: Mapping[str, str]) -> str:
    cards = [_card(model, path, column, anchors[path]) for path, column in whole.columns.items()]
    return "".join(cards) or "<p>There are no columns.</p>"


def _card(model: ReportModel, path: str, column: ColumnProfile, anchor: str) -> str:
    counts = f"<dl><dt>nulls</dt><dd>{column_html.nulls(column)}</dd>"
    distinct = column_html.distinct(column)
    counts += f"<dt>distinct</dt><dd>{distinct}</dd></dl>" if distinct else "</dl>"
    parts = (counts, column_html.values(column), column_html.distribution(column), column_html.top(column))
    content = "".join(f"<div>{part}</div>" for part in parts)
    shown = f'<div class="parts">{content}</div>' if column.count else "<p>Only nulls.</p>"
    return (
        f'<section class="card" id="{anchor}" aria-labelledby="h-{anchor}"><h3 id="h-{anchor}">'
        f"{column_html.name_of(path)}</h3><small>{column_html.types_of(column)}</small>{shown}"
        f"{_over_time(model, path)}{column_html.more(column)}</section>"
    )


def _over_time(model: ReportModel, path: str) -> str:
    """The strips of a column: quantiles, lengths, shares and distinct values it has."""
    if len(model.windows) < 2:
        return ""
    timeline = model.timeline(path)
    known = {name for name in METRICS if timeline[name].count()}
    names: list[str] = [name for name in ("length_mean", "true_share", "distinct") if name in known]
    has_nulls = timeline.filter(timeline["null_share"] > 0).height
    strips = [strip.quantile_strip(timeline, _MARKS)] if known >= {*QUANTILES} and _has_quantiles(timeline) else []
    names += ["null_share"] * bool(has_nulls)
    strips += [strip.metric_strip(timeline, name, _MARKS, _LABELS[name]) for name in names]
    return f'<div class="strip">{"".join(strips)}</div>' if strips else ""


def _has_quantiles(timeline: pl.DataFrame) -> bool:
    return all(is_drawable(timeline[name].dtype) for name in QUANTILES)


# ---------------------------------------------------------------------------------------------- rejected and late


def _rejected_and_late(whole: Profile, windows: pl.DataFrame) -> str:
    marks = window_marks(windows)
    counts = {
        "rows that arrived after their window was sealed": whole.late_rows,
        "rows without a usable time, assigned by their arrival": whole.untimed_rows,
        "rows too far in the future to move the watermark": whole.future_rows,
        "rows of panes that no store accepted": whole.dropped_rows,
        "windows with late rows": len(marks.late),
        "windows missing between others": len(marks.missing),
    }
    tables = (
        _count_table("Rejected rows by reason", whole.rejected.items()),
        _count_table("Values changed or excluded from figures, by reason", whole.degraded.items()),
        _count_table("Time", [(label, count) for label, count in counts.items() if count]),
    )
    return "".join(tables) or "<p>Nothing was rejected, changed, late or missing.</p>"


def _count_table(caption: str, counts: Iterable[tuple[str, int]]) -> str:
    ordered = sorted(counts, key=lambda entry: (-entry[1], entry[0]))
    rows = [f'<tr><td class="wrap">{escaped(label)}</td><td class="n">{count:,}</td></tr>' for label, count in ordered]
    headings = [("reason", ""), ("count", "n")]
    return f'<div class="wide">{column_html.table(rows, headings, caption)}</div>' if rows else ""


def _about(whole: Profile) -> str:
    facts = {
        **{f"made with {name}": version for name, version in sorted(whole.versions.items())},
        "spec": whole.spec.to_json(),
        "panes": f"{len(whole.panes):,}",
        "first event": text.shown(whole.first_event),
        "last event": text.shown(whole.last_event),
        **{f"position of {source}": f"{position:,}" for source, position in sorted(whole.positions.items())},
        **{f"metadata {key}": value for key, value in sorted(whole.metadata.items())},
    }
    rows = "".join(
        f'<tr><td>{escaped(name)}</td><td class="wrap">{escaped(value, 1_000)}</td></tr>'
        for name, value in facts.items()
        if value
    )
    return f'<details><summary>versions, spec, sources</summary><div class="wide"><table>{rows}</table></div></details>'
