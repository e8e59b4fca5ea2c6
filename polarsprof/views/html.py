"""Profile → one HTML fragment for notebooks and reports: no script, nothing loaded, about 2 KB per column.

All text from the data is cleaned, cut to 200 characters and escaped. Light and dark follow the reader's system.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any, Final

from polarsprof.views import text
from polarsprof.views.histogram import Histogram, histogram

if TYPE_CHECKING:
    from collections.abc import Iterable

    from polarsprof.column import ColumnProfile
    from polarsprof.profiles import Profile

_OPEN_COLUMNS: Final = 50
_TOP: Final = 5
_WIDTH, _HEIGHT = 144, 36

# Every rule is scoped by the class; colours are those of the page but for accents, which suit both backgrounds.
_STYLE: Final = """
.polarsprof{--accent:#2f6f9f;--bar:#2f6f9f22;--line:#00000022;--warn:#a33b1e;font:13px/1.4 system-ui,sans-serif;
max-width:100%;overflow-x:auto;color:inherit}
@media (prefers-color-scheme:dark){.polarsprof{--accent:#6fb1dd;--bar:#6fb1dd33;--line:#ffffff2b;--warn:#f0937a}}
.polarsprof table{border-collapse:collapse;margin:6px 0}
.polarsprof th,.polarsprof td{padding:6px 12px;border:0;border-bottom:1px solid var(--line);text-align:left;
vertical-align:top;background:none;white-space:nowrap;color:inherit}
.polarsprof th{font-weight:600;opacity:.75}
.polarsprof .n{text-align:right;font-variant-numeric:tabular-nums}
.polarsprof .name{font-weight:600;max-width:22em;overflow:hidden;text-overflow:ellipsis}
.polarsprof small{opacity:.7;font-size:11px}
.polarsprof .some{color:var(--warn)}
.polarsprof svg{display:block;width:100%;min-width:144px;fill:var(--accent)}
.polarsprof .ends{display:flex;justify-content:space-between;gap:8px}
.polarsprof dl{display:grid;grid-template-columns:auto auto;gap:0 8px;margin:0}
.polarsprof dt{opacity:.7;font-weight:400}
.polarsprof dd{margin:0;text-align:right;font-variant-numeric:tabular-nums;max-width:16em;overflow:hidden;
text-overflow:ellipsis}
.polarsprof .top{width:210px;display:flex;justify-content:space-between;gap:8px;margin-bottom:1px;padding:0 4px;
background:linear-gradient(var(--bar),var(--bar)) no-repeat}
.polarsprof .top span:first-child{overflow:hidden;text-overflow:ellipsis}
.polarsprof summary{cursor:pointer;padding:4px 0}
""".replace("\n", "")

_HEAD: Final = "".join(
    f"<th{kind}>{name}</th>"
    for name, kind in (
        ("column", ""),
        ("nulls", ' class="n"'),
        ("distinct", ' class="n"'),
        ("values", ""),
        ("distribution", ""),
        ("most frequent", ""),
    )
)


def profile_html(profile: Profile) -> str:
    """The profile as an HTML fragment: facts, then a row per column; from the 51st on folded away in `<details>`."""
    rows = [_row(path, column) for path, column in profile.columns.items()]
    shown, folded = rows[:_OPEN_COLUMNS], rows[_OPEN_COLUMNS:]
    more = f"<details><summary>{len(folded):,} more columns</summary>{_table(folded)}</details>" if folded else ""
    head = " · ".join(_escaped(fact) for fact in text.facts(profile))
    fragment = (
        f'<div class="polarsprof"><style>{_STYLE}</style><div><b>Profile</b> {head}</div>'
        f"{_tags(profile)}{_table(shown) if shown else ''}{more}</div>"
    )
    # Character references read the same in a page of any encoding.
    return fragment.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _escaped(value: str) -> str:
    return html.escape(text.clean(value), quote=True)


def _tags(profile: Profile) -> str:
    pairs = [f"{_escaped(key)}={_escaped(value)}" for key, value in sorted(profile.tags.items())]
    return f"<div><small>{' · '.join(pairs)}</small></div>" if pairs else ""


def _table(rows: Iterable[str]) -> str:
    return f"<table><thead><tr>{_HEAD}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _row(path: str, column: ColumnProfile) -> str:
    name = _escaped(path) or "(empty name)"
    types = _escaped(text.types_text(column.types))
    cells = (
        f'<td><div class="name" title="{name}">{name}</div><small>{types}</small></td>',
        f'<td class="n">{_nulls(column)}</td>',
        f'<td class="n">{_distinct(column)}</td>',
        f"<td>{_values(column)}</td>",
        f"<td>{_distribution(column)}</td>",
        f"<td>{_top(column)}</td>",
    )
    return f"<tr>{''.join(cells)}</tr>"


def _nulls(column: ColumnProfile) -> str:
    kind = ' class="some"' if column.null_count else ""
    nan = f"<br><small>{column.nan_count:,} NaN</small>" if column.nan_count else ""
    return (
        f"<span{kind}>{text.share(column.null_count, column.rows)}</span><br><small>{column.null_count:,}</small>{nan}"
    )


def _distinct(column: ColumnProfile) -> str:
    distinct = column.distinct
    if distinct is None:
        return ""
    interval = f"{text.number(round(distinct.lower))} – {text.number(round(distinct.upper))}"
    estimated = text.distinct_text(column)
    return f"{estimated}<br><small>{interval}</small>" if estimated.startswith("≈") else estimated


def _values(column: ColumnProfile) -> str:
    figures: dict[str, Any] = {
        "min": column.min,
        "mean": column.mean,
        "median": column.quantile(0.5),
        "max": column.max,
    }
    if column.length is not None and column.length.count:
        figures |= {"length": f"{text.number(column.length.min)} – {text.number(column.length.max)}"}
    if column.types.get("boolean") and column.true_count is not None:
        figures |= {"true": text.share(column.true_count, column.types["boolean"])}
    texts = {name: _escaped(text.shown(value)) for name, value in figures.items() if value is not None}
    pairs = [f'<dt>{name}</dt><dd title="{value}">{value}</dd>' for name, value in texts.items()]
    return f"<dl>{''.join(pairs)}</dl>"


def _distribution(column: ColumnProfile) -> str:
    bins = histogram(text.primary(column))
    if bins is None or len(bins.shares) < 2:  # one bar says nothing
        return ""
    start, end = _escaped(text.shown(bins.start)), _escaped(text.shown(bins.end))
    label = f"histogram from {start} to {end}"
    before, after = ("… ", " …") if bins.cut else ("", "")
    return (
        f'<svg height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{label}"><path d="{_bars(bins)}"/></svg>'
        f'<div class="ends"><small>{before}{start}</small><small>{end}{after}</small></div>'
    )


def _bars(bins: Histogram) -> str:
    """One path of all bars; a bin that is not empty is seen."""
    step = _WIDTH / len(bins.shares)
    highest = max(bins.shares) or 1.0
    bars = []
    for i, share in enumerate(bins.shares):
        height = max(1.0, share / highest * (_HEIGHT - 1)) if share else 0.0
        bars.append(f"M{i * step:.4g} {_HEIGHT}v{-height:.3g}h{step * 0.9:.3g}v{height:.3g}z" if share else "")
    return "".join(bars)


def _top(column: ColumnProfile) -> str:
    bars = []
    for item in text.top_items(column, _TOP):
        value = _escaped(text.item_text(item.value))
        percent = 100 * item.estimate / column.count
        certain = f"{item.lower:,}" if item.lower == item.upper else f"{item.lower:,} – {item.upper:,}"
        bars.append(
            f'<div class="top" style="background-size:{percent:.3g}% 100%" title="{value}: {certain}">'
            f"<span>{value}</span><span>{text.share(item.estimate, column.count)}</span></div>"
        )
    return "".join(bars)
