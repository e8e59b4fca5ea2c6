"""What was gathered → the sections of the page: overview, windows, columns, drift, what went wrong, how it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from polarsprof.analysis.timeline import frame, is_drawn
from polarsprof.profiles import text
from polarsprof.views import column_html, strip
from polarsprof.views.html import tags
from polarsprof.views.report.drift_section import drift_facts, drift_html
from polarsprof.views.report.model import METRICS, QUANTILES
from polarsprof.views.report.page import Body, Section
from polarsprof.views.style import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import polars as pl

    from polarsprof.profiles.column import ColumnProfile
    from polarsprof.profiles.profile import Profile
    from polarsprof.views.report.model import ReportModel

_MARKS: Final = '<use href="#marks"/>'
_LABELS: Final = {"length_mean": "mean length", "true_share": "true", "distinct": "distinct", "null_share": "nulls"}
_EXAMPLES_APART: Final = 3


def sections(found: ReportModel, drift: pl.DataFrame | None, title: str | None) -> Body:
    """The page without its frame."""
    whole = found.whole
    if whole is None:
        return Body(escaped(title or "") or "Profile", "", [Section("overview", "Overview", "<p>No profiles.</p>")])
    anchors = {path: f"c{i}" for i, path in enumerate(whole.columns)}
    named = title if title is not None else whole.dataset
    windows = frame(found.windows, ())
    parts = [
        Section("overview", "Overview", _overview(found, whole, drift, anchors)),
        *([Section("windows", "Windows", _windows(windows))] if windows.height else []),
        *([Section("drift", "Drift", drift_html(drift, anchors))] if drift is not None else []),
        Section("columns", "Columns", _columns(found, whole, anchors)),
        Section("wrong", "Rejected and late", _wrong(whole, windows)),
        Section("about", "About this profile", _about(whole)),
    ]
    lead = f"<p>{' · '.join(escaped(fact) for fact in text.header_phrases(whole))}</p>{tags(whole)}"
    return Body(escaped(named) or "Profile", lead, parts)


# ------------------------------------------------------------------------------------------------------------ overview


def _overview(found: ReportModel, whole: Profile, drift: pl.DataFrame | None, anchors: Mapping[str, str]) -> str:
    counts: dict[str, int] = {"rows": whole.rows, "columns": len(whole.columns)}
    if found.windows:
        counts |= {"windows": len(found.windows)}
    counts |= {"rejected rows": whole.rejected_rows, "late rows": whole.late_rows}
    if drift is not None:
        counts |= {"drifted columns": drift_facts(drift)["drifted"]}
    tiles = "".join(f"<li><b>{count:,}</b>{what}</li>" for what, count in counts.items())
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
    return f'<ul class="facts">{tiles}</ul>{_apart(found)}{_emptiness(whole)}{index}'


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


def _apart(found: ReportModel) -> str:
    if not found.apart:
        return ""
    examples = "".join(f"<li>{escaped(reason, 400)}</li>" for reason in dict.fromkeys(found.apart[:_EXAMPLES_APART]))
    return (
        f'<p class="warn">{len(found.apart):,} of the profiles track other things than the first one. They are not in '
        f"the figures of the whole, only in those over time.</p><ul>{examples}</ul>"
    )


def _emptiness(whole: Profile) -> str:
    columns = whole.columns
    nothing = sum(not column.count for column in columns.values())
    if not whole.rows:
        return "<p>No row was profiled.</p>"
    return f"<p>{nothing:,} of the columns hold nothing but nulls.</p>" if nothing else ""


# ------------------------------------------------------------------------------------------------------------- windows


def _windows(windows: pl.DataFrame) -> str:
    rows = [_window_row(row) for row in windows.iter_rows(named=True)]
    headings = [("start", ""), ("end", ""), *[(name, "n") for name in ("rows", "late", "rejected", "panes")]]
    return (
        f'<div class="strip">{strip.rows_strip(windows, shared="marks")}{strip.legend(windows)}</div>'
        f"<details><summary>all windows</summary>"
        f'<div class="wide windows">{column_html.table(rows, headings, "Windows")}</div></details>'
    )


def _window_row(row: Mapping[str, Any]) -> str:
    start, end = (text.shown(row[side]) for side in ("window_start", "window_end"))
    counts = (row["rows"], row["late_rows"], row["rejected_rows"], row["panes"])
    cells = "".join(f'<td class="n">{count:,}</td>' if count else "<td></td>" for count in counts)
    missing = '<td class="n">missing</td><td></td><td></td><td></td>'
    return f"<tr><td>{start}</td><td>{end}</td>{cells if row['panes'] or row['rows'] else missing}</tr>"


# ------------------------------------------------------------------------------------------------------------- columns


def _columns(found: ReportModel, whole: Profile, anchors: Mapping[str, str]) -> str:
    cards = [_card(found, path, column, anchors[path]) for path, column in whole.columns.items()]
    return "".join(cards) or "<p>There are no columns.</p>"


def _card(found: ReportModel, path: str, column: ColumnProfile, anchor: str) -> str:
    counts = f"<dl><dt>nulls</dt><dd>{column_html.nulls(column)}</dd>"
    distinct = column_html.distinct(column)
    counts += f"<dt>distinct</dt><dd>{distinct}</dd></dl>" if distinct else "</dl>"
    parts = (counts, column_html.values(column), column_html.distribution(column), column_html.top(column))
    content = "".join(f"<div>{part}</div>" for part in parts)
    shown = f'<div class="parts">{content}</div>' if column.count else "<p>Nothing but nulls.</p>"
    return (
        f'<section class="card" id="{anchor}" aria-labelledby="h-{anchor}"><h3 id="h-{anchor}">'
        f"{column_html.name_of(path)}</h3><small>{column_html.types_of(column)}</small>{shown}"
        f"{_over_time(found, path)}{column_html.more(column)}</section>"
    )


def _over_time(found: ReportModel, path: str) -> str:
    """The strips of a column: quantiles, or what its kind has instead, nulls and distinct values."""
    if len(found.windows) < 2:
        return ""
    timeline = found.timeline(path)
    known = {name for name in METRICS if timeline[name].count()}
    names: list[str] = [name for name in ("length_mean", "true_share", "distinct") if name in known]
    has_nulls = timeline.filter(timeline["null_share"] > 0).height
    drawn = [strip.quantile_strip(timeline, _MARKS)] if known >= {*QUANTILES} and _has_quantiles(timeline) else []
    names += ["null_share"] * bool(has_nulls)
    drawn += [strip.metric_strip(timeline, name, _MARKS, _LABELS[name]) for name in names]
    return f'<div class="strip">{"".join(drawn)}</div>' if drawn else ""


def _has_quantiles(timeline: pl.DataFrame) -> bool:
    return all(is_drawn(timeline[name].dtype) for name in QUANTILES)


# --------------------------------------------------------------------------------------------------- what went wrong


def _wrong(whole: Profile, windows: pl.DataFrame) -> str:
    counts = {
        "rows that came after their window had been sealed": whole.late_rows,
        "rows without usable time, filed under their arrival": whole.untimed_rows,
        "rows too far in the future to move the watermark": whole.future_rows,
        "rows of panes that no store would take": whole.dropped_rows,
        "windows with late rows": int((windows["late_rows"] > 0).sum()),
        "windows missing between others": int(((windows["panes"] == 0) & (windows["rows"] == 0)).sum()),
    }
    tables = (
        _counted("Rows kept out, by reason", whole.rejected.items()),
        _counted("Values changed, or kept out of figures they cannot join, by reason", whole.degraded.items()),
        _counted("Time", [(what, count) for what, count in counts.items() if count]),
    )
    return "".join(tables) or "<p>Nothing was rejected, changed, late or missing.</p>"


def _counted(caption: str, counts: Iterable[tuple[str, int]]) -> str:
    ordered = sorted(counts, key=lambda entry: (-entry[1], entry[0]))
    rows = [f'<tr><td class="wrap">{escaped(what)}</td><td class="n">{count:,}</td></tr>' for what, count in ordered]
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
