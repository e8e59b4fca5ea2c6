"""Values of a profile as text: exact for programs, short and harmless for readers."""

from __future__ import annotations

import unicodedata
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polarsprof.profiles.column import ColumnProfile
    from polarsprof.profiles.group import GroupProfile
    from polarsprof.profiles.profile import Profile
    from polarsprof.sketches.frequent import FrequentItem
    from polarsprof.windowing.tumbling import Window

LONGEST_VALUE: Final = 200
# Controls, formats (including bidirectional overrides and zero-width characters), surrogates, line and paragraph ends:
# characters that control a terminal, reorder a line, or are invisible.
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_NS_PER_S: Final = 1_000_000_000


def clean(text: str, longest: int = LONGEST_VALUE) -> str:
    """Put text on one line, without hidden characters, cut to `longest` characters."""
    # Only the start is read: a value can have megabytes, and few of its characters are hidden.
    head = text[: 4 * longest + 1]
    kept = "".join(" " if c in "\t\n\r\u2028\u2029" else c for c in head if c in "\t\n\r\u2028\u2029" or not _hidden(c))
    return kept if len(kept) <= longest and len(head) == len(text) else f"{kept[: longest - 1]}…"


def _hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN


def exact(value: object) -> str | None:
    """Write a value without loss.

    ISO 8601 for temporals, `repr` for numbers, hexadecimal for bytes, text unchanged; None for None.
    """
    match value:
        case None:
            return None
        case str():
            return value
        case bytes():
            return value.hex()
        case timedelta():
            return iso_duration(_microseconds(value) * 1_000)
        case datetime() | date() | time():
            return value.isoformat()
    return repr(value)


def extreme(group: GroupProfile, name: str) -> str | None:
    """Exact text of `min` or `max`, with the nanoseconds that Python's times lack."""
    value, ticks = getattr(group, name), getattr(group, f"{name}_ns")
    if ticks is None or ticks % 1_000 == 0 or isinstance(value, int):
        return exact(value)
    if isinstance(value, timedelta):
        return iso_duration(ticks)
    to_second, _, rest = value.isoformat(timespec="microseconds").partition(".")
    return f"{to_second}.{ticks % _NS_PER_S:09d}{rest[6:]}"


def iso_duration(ns: int) -> str:
    """Write nanoseconds as an ISO 8601 duration, such as P1DT2H0.5S."""
    seconds, fraction = divmod(abs(ns), _NS_PER_S)
    days, hours, minutes, seconds = seconds // 86_400, seconds // 3_600 % 24, seconds // 60 % 60, seconds % 60
    decimals = f".{fraction:09d}".rstrip("0") if fraction else ""
    last = f"{seconds}{decimals}" if seconds or fraction else ""
    clock = "".join(f"{figure}{unit}" for figure, unit in ((hours, "H"), (minutes, "M"), (last, "S")) if figure)
    day = f"{days}D" if days else ""
    return f"{'-' * (ns < 0)}P{day}{'T' if clock else ''}{clock}" if day or clock else "PT0S"


def _microseconds(value: timedelta) -> int:
    return value // timedelta(microseconds=1)


def number(value: int | float | None) -> str:  # noqa: PYI041 - mypy distinguishes the two
    """Number for readers: grouped thousands, four significant digits; empty for None."""
    if isinstance(value, int) and abs(value) < 10**15:
        return f"{value:,}"
    value = double(value)
    if value is None:
        return ""
    if value == 0 or 0.001 <= abs(value) < 1e12:
        whole = abs(value) >= 1_000
        return f"{value:,.0f}" if whole else f"{value:.4g}"
    return f"{value:.3g}"


def double(value: float | None) -> float | None:
    """Convert a number to a double; ±inf for integers beyond the range of doubles."""
    try:
        return None if value is None else float(value)
    except OverflowError:
        return float("inf") if value and value > 0 else float("-inf")


def shown(value: object, longest: int = LONGEST_VALUE) -> str:
    """Value for readers: short, on one line, harmless.

    Empty for None, `""` for empty text.
    """
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case int() | float():
            return number(value)
        case "":
            return '""'
        case datetime():
            return _short_time(value)
    return clean(exact(value) or "", longest)


def _short_time(value: datetime) -> str:
    """Write a datetime, without seconds if they are zero, with Z for UTC."""
    spec = "auto" if value.second or value.microsecond else "minutes"
    return value.isoformat(sep=" ", timespec=spec).replace("+00:00", "Z")


def share(part: float, whole: float) -> str:
    """Write a share in whole percent; 0 % and 100 % only for none and all."""
    percent = 100 * part / whole if whole else 0.0
    if 0 < percent < 1:
        return "<1 %"
    return ">99 %" if 99 < percent < 100 else f"{percent:.0f} %"


def types_text(types: Mapping[str, int]) -> str:
    """Dtype groups, most frequent first, with shares of several; "null" if empty."""
    if len(types) <= 1:
        return next(iter(types), "null")
    ordered = sorted(types.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {share(count, sum(types.values()))}" for name, count in ordered)


def primary(column: ColumnProfile) -> GroupProfile:
    """First group of a column, the source of its figures; empty for an empty column."""
    return column.group(next(iter(column.groups), "object"))


def distinct_text(column: ColumnProfile) -> str:
    """Number of distinct values, after ≈ if it is an estimate; empty if not tracked."""
    distinct = column.distinct
    if distinct is None:
        return ""
    # Small counts are exact; their bounds lie within a hundredth of one value.
    certain = distinct.upper - distinct.lower < 0.5
    return f"{'' if certain else '≈'}{number(round(distinct.estimate))}"


def item_text(value: object, longest: int = LONGEST_VALUE) -> str:
    """Frequent value for readers, like `shown`, but integers in plain digits.

    Frequent integers are often identifiers.
    """
    plain = isinstance(value, int) and not isinstance(value, bool)
    return clean(repr(value), longest) if plain else shown(value, longest)


def top_items(column: ColumnProfile, n: int) -> list[FrequentItem]:
    """Most frequent values with narrow bounds; none if no value occurs twice."""
    items = [item for item in column.frequent_items(n) if 2 * item.lower > item.upper]
    return items if column.count <= 1 or any(item.lower > 1 for item in items) else []


def header_phrases(profile: Profile) -> list[str]:
    """Short phrases: data set, window, rows, columns, data problems of a profile."""
    counts = {
        "rejected": profile.rejected_rows,
        "late": profile.late_rows,
        "untimed": profile.untimed_rows,
        "future": profile.future_rows,
        "dropped": profile.dropped_rows,
        "degraded values": profile.degraded.total(),
    }
    window, foreign = profile.window, sum(map(len, profile.foreign.values()))
    return [
        *([clean(profile.dataset, 60)] if profile.dataset else []),
        *([_span(window)] if window else []),
        _count(profile.rows, "row"),
        _count(len(profile.columns), "column"),
        *(f"{number(count)} {problem}" for problem, count in counts.items() if count),
        *([f"{_count(len(profile.incomplete), 'column')} incomplete"] if profile.incomplete else []),
        *([f"{_count(foreign, 'figure')} without a counterpart here"] if foreign else []),
    ]


def _span(window: Window) -> str:
    """Start and end; the start alone for windows below a second.

    Timestamps of other tools are such windows.
    """
    if window.end_us - window.start_us < 1_000_000:
        return f"from {shown(window.start)}"
    return f"{shown(window.start)} – {shown(window.end)}"


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
