"""HTML of one column, for the table in a notebook and the page of a report.

A column with all figures takes about 3 KB. Counts of zero and figures that the column does not have are omitted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from polarsprof.analysis.figures import figure, infinities
from polarsprof.analysis.histogram import Histogram, histogram
from polarsprof.profiles import text
from polarsprof.views import svg
from polarsprof.views.style import attribute, escaped
from polarsprof.views.summary import QUANTILES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from polarsprof.profiles.column import ColumnProfile
    from polarsprof.profiles.group import GroupProfile
    from polarsprof.sketches.frequent import FrequentItem

_OPEN_ITEMS: Final = 5
_MAX_ITEMS: Final = 15
_CUT_CHARACTERS: Final = 20


def name_of(path: str) -> str:
    """The name of a column; "(empty name)" if it is empty."""
    return escaped(path) or "(empty name)"


def types_of(column: ColumnProfile) -> str:
    """The dtype groups of a column."""
    return escaped(text.types_text(column.types))


def nulls(column: ColumnProfile) -> str:
    """Share and number of nulls, and the number of NaN if there are any."""
    kind = ' class="some"' if column.null_count else ""
    nan = f"<br><small>{column.nan_count:,} NaN</small>" if column.nan_count else ""
    return (
        f"<span{kind}>{text.share(column.null_count, column.rows)}</span><br><small>{column.null_count:,}</small>{nan}"
    )


def distinct(column: ColumnProfile) -> str:
    """The number of distinct values, with an interval if it is an estimate."""
    if column.distinct is None:
        return ""
    number = text.distinct_text(column)
    return f"{number}<br><small>{_interval(column)}</small>" if number.startswith("≈") else number


def _interval(column: ColumnProfile) -> str:
    distinct = column.distinct
    return "" if distinct is None else f"{text.number(round(distinct.lower))} – {text.number(round(distinct.upper))}"


def values(column: ColumnProfile) -> str:
    """The most important figures."""
    figures: dict[str, object] = {
        "min": column.min,
        "mean": column.mean,
        "stddev": column.stddev,
        "median": column.quantile(0.5),
        "max": column.max,
    }
    if column.length is not None and column.length.count:
        figures["length"] = text.number(column.length.mean)
    if column.types.get("boolean") and column.true_count is not None:
        figures["true"] = text.share(column.true_count, column.types["boolean"])
    return _pairs(figures)


def more(column: ColumnProfile) -> str:
    """All other figures, folded; empty for a column without values."""
    parts = [
        _pairs(_counts(column)),
        _pairs(_moments(column)),
        _pairs(_quantiles(text.primary(column))),
        _pairs(_lengths(column)),
    ]
    content = "".join(parts)
    return f"<details><summary>more figures</summary>{content}</details>" if column.count else ""


def _counts(column: ColumnProfile) -> dict[str, object]:
    counts = {
        "rows": column.rows,
        "values": column.count,
        "nulls": column.null_count,
        "NaN": column.nan_count,
        "+∞": infinities(column, "positive"),
        "-∞": infinities(column, "negative"),
        "zeros": figure(column, "zeros"),
        "negative": figure(column, "negatives"),
        "empty": figure(column, "empties"),
        "true": column.true_count,
        **({f"{name} values": count for name, count in column.types.items()} if len(column.types) > 1 else {}),
    }
    exact = {name: count for name, count in counts.items() if count}
    interval = {"distinct within": _interval(column)} if text.distinct_text(column).startswith("≈") else {}
    return exact | interval


def _moments(column: ColumnProfile) -> dict[str, object]:
    group = text.primary(column)
    return {name: getattr(group, name) for name in ("sum", "variance", "skewness", "kurtosis")}


def _quantiles(group: GroupProfile) -> dict[str, object]:
    quantiles = group.quantiles(list(QUANTILES.values()))
    if quantiles is None:
        return {}
    error = group.rank_error
    return dict(zip(QUANTILES, quantiles, strict=True)) | {"rank error": f"{100 * error:.2g} %" if error else None}


def _lengths(column: ColumnProfile) -> dict[str, object]:
    length = column.length
    if length is None or not length.count:
        return {}
    return {f"length {name}": getattr(length, name) for name in ("min", "mean", "max")}


def _pairs(figures: Mapping[str, object]) -> str:
    texts = {name: escaped(text.shown(value)) for name, value in figures.items() if value is not None}
    # The style sheet cuts long values; a tooltip shows them in full.
    pairs = [
        f"<dt>{escaped(name)}</dt><dd{attribute('title', value if len(value) > _CUT_CHARACTERS else '')}>{value}</dd>"
        for name, value in texts.items()
    ]
    return f"<dl>{''.join(pairs)}</dl>" if pairs else ""


def distribution(column: ColumnProfile) -> str:
    """A histogram with quantiles below it, of the values or of their lengths.

    Strings, binary values and lists show lengths. Empty if all values are equal.
    """
    group, kind = text.primary(column), "histogram"
    if group.length is not None:
        group, kind = group.length, "lengths"
    bins = histogram(group)
    if bins is None or len(bins.shares) < 2:  # a single bar shows nothing
        return ""
    start, end = escaped(text.shown(bins.start)), escaped(text.shown(bins.end))
    before, after = ("… ", " …") if bins.is_cut else ("", "")
    middle = "" if kind == "histogram" else "<small>length</small>"
    return (
        f"{svg.distribution(bins, _label(kind, start, end, group, bins))}"
        f'<div class="ends"><small>{before}{start}</small>{middle}<small>{end}{after}</small></div>'
    )


def _label(kind: str, start: str, end: str, group: GroupProfile, bins: Histogram) -> str:
    middle = [escaped(text.shown(value)) for value in group.quantiles([0.25, 0.5, 0.75]) or []]
    tails = "; 1 % of the values lie below, 1 % above" if bins.is_cut else ""
    return (
        f"{kind} from {start} to {end}; a quarter up to {middle[0]}, half to {middle[1]}, three to {middle[2]}{tails}"
    )


def top(column: ColumnProfile) -> str:
    """The most frequent values with their shares: five, and up to ten more folded."""
    items = text.top_items(column, _MAX_ITEMS)
    rest = items[_OPEN_ITEMS:]
    folded = f"<details><summary>{len(rest)} more</summary>{_items(column, rest)}</details>" if rest else ""
    return _items(column, items[:_OPEN_ITEMS]) + folded


def _items(column: ColumnProfile, items: Iterable[FrequentItem]) -> str:
    return "".join(_item(column, item) for item in items)


def _item(column: ColumnProfile, item: FrequentItem) -> str:
    value = escaped(text.item_text(item.value))
    bounds = f"{item.lower:,}" if item.lower == item.upper else f"{item.lower:,} – {item.upper:,}"
    return (
        f'<div class="top" title="{value}: {bounds}">{svg.share_bar(item.estimate, column.count)}'
        f"<span>{value}</span><span>{text.share(item.estimate, column.count)}</span></div>"
    )


def table(rows: Sequence[str], headings: Sequence[tuple[str, str]], caption: str = "") -> str:
    """A table from rows of HTML; each heading is a pair of text and class."""
    head = "".join(f'<th scope="col"{attribute("class", kind)}>{name}</th>' for name, kind in headings)
    above = f"<caption>{caption}</caption>" if caption else ""
    return f"<table>{above}<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
