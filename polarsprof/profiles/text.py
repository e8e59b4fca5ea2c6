"""Values of a profile as text: exact for programs, short and harmless for readers. Imports nothing of the library."""

from __future__ import annotations

import unicodedata
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polarsprof.profiles.column import ColumnProfile
    from polarsprof.profiles.group import GroupProfile
    from polarsprof.profiles.profile import Profile
    from polarsprof.sketches import FrequentItem
    from polarsprof.windowing.tumbling import Window

LONGEST_VALUE: Final = 200
# Controls, formats (bidirectional overrides and zero-width characters among them), surrogates, line and paragraph ends:
# what a terminal obeys, what reorders a line, what nobody sees.
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_NS_PER_S: Final = 1_000_000_000


def clean(text: str, longest: int = LONGEST_VALUE) -> str:
    """The text on one line, without control and bidirectional characters, cut to `longest` characters."""
    # Only the start is looked at: a value may have megabytes, and what is hidden in it is rarely much.
    head = text[: 4 * longest + 1]
    kept = "".join(" " if c in "\t\n\r\u2028\u2029" else c for c in head if c in "\t\n\r\u2028\u2029" or not _hidden(c))
    return kept if len(kept) <= longest and len(head) == len(text) else f"{kept[: longest - 1]}…"


def _hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN


def exact(value: Any) -> str | None:
    """A value without loss: ISO 8601 for temporals, `repr` for numbers, hexadecimal for bytes, text as it is."""
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
    """The exact text of `min` or `max`, with the nanoseconds that Python's own times do not hold."""
    value, ticks = getattr(group, name), getattr(group, f"{name}_ns")
    if ticks is None or ticks % 1_000 == 0 or isinstance(value, int):
        return exact(value)
    if isinstance(value, timedelta):
        return iso_duration(ticks)
    to_second, _, rest = value.isoformat(timespec="microseconds").partition(".")
    return f"{to_second}.{ticks % _NS_PER_S:09d}{rest[6:]}"


def iso_duration(ns: int) -> str:
    """Nanoseconds as an ISO 8601 duration of days, hours, minutes and seconds, such as P1DT2H0.5S."""
    seconds, fraction = divmod(abs(ns), _NS_PER_S)
    days, hours, minutes, seconds = seconds // 86_400, seconds // 3_600 % 24, seconds // 60 % 60, seconds % 60
    decimals = f".{fraction:09d}".rstrip("0") if fraction else ""
    last = f"{seconds}{decimals}" if seconds or fraction else ""
    clock = "".join(f"{figure}{unit}" for figure, unit in ((hours, "H"), (minutes, "M"), (last, "S")) if figure)
    day = f"{days}D" if days else ""
    return f"{'-' * (ns < 0)}P{day}{'T' if clock else ''}{clock}" if day or clock else "PT0S"


def _microseconds(value: timedelta) -> int:
    return value // timedelta(microseconds=1)


def number(value: int | float | None) -> str:  # noqa: PYI041 - mypy tells the two apart
    """A number for readers: thousands apart, four significant digits; empty for None."""
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
    """A number as a double; ±inf for integers beyond every double."""
    try:
        return None if value is None else float(value)
    except OverflowError:
        return float("inf") if value and value > 0 else float("-inf")


def shown(value: Any, longest: int = LONGEST_VALUE) -> str:
    """Any value for readers: short, on one line, harmless; empty for None, `""` for empty text."""
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
    """A datetime to the minute where its seconds are zero, UTC as Z."""
    spec = "auto" if value.second or value.microsecond else "minutes"
    return value.isoformat(sep=" ", timespec=spec).replace("+00:00", "Z")


def share(part: float, whole: float) -> str:
    """A share in whole percent; what is neither nothing nor all never reads as if it were."""
    percent = 100 * part / whole if whole else 0.0
    if 0 < percent < 1:
        return "<1 %"
    return ">99 %" if 99 < percent < 100 else f"{percent:.0f} %"


def types_text(types: Mapping[str, int]) -> str:
    """The dtype groups of a column, most frequent first, with shares where there are several; "null" for none."""
    if len(types) <= 1:
        return next(iter(types), "null")
    ordered = sorted(types.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {share(count, sum(types.values()))}" for name, count in ordered)


def primary(column: ColumnProfile) -> GroupProfile:
    """The group that the plain attributes of a column speak of."""
    return column.group(next(iter(column.groups), "object"))


def distinct_text(column: ColumnProfile) -> str:
    """The number of distinct values, after ≈ where it is an estimate; empty where it is not tracked."""
    distinct = column.distinct
    if distinct is None:
        return ""
    # Small counts are exact; their bounds lie within a hundredth of one value.
    certain = distinct.upper - distinct.lower < 0.5
    return f"{'' if certain else '≈'}{number(round(distinct.estimate))}"


def item_text(value: Any, longest: int = LONGEST_VALUE) -> str:
    """A frequent value for readers: as `shown`, but whole numbers, which may be identifiers, with plain digits."""
    plain = isinstance(value, int) and not isinstance(value, bool)
    return clean(repr(value), longest) if plain else shown(value, longest)


def top_items(column: ColumnProfile, n: int) -> list[FrequentItem]:
    """The most frequent values, without those of which too little is certain, and none where no value comes twice."""
    items = [item for item in column.frequent_items(n) if 2 * item.lower > item.upper]
    return items if column.count <= 1 or any(item.lower > 1 for item in items) else []


def facts(profile: Profile) -> list[str]:
    """What a profile says of itself, one short phrase each: data set, window, rows, columns, what went wrong."""
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
        _counted(profile.rows, "row"),
        _counted(len(profile.columns), "column"),
        *(f"{number(count)} {what}" for what, count in counts.items() if count),
        *([f"{_counted(len(profile.incomplete), 'column')} incomplete"] if profile.incomplete else []),
        *([f"{_counted(foreign, 'figure')} without a counterpart here"] if foreign else []),
    ]


def _span(window: Window) -> str:
    """Start and end; of less than a second, such as the timestamp of another tool, the start alone."""
    if window.end_us - window.start_us < 1_000_000:
        return f"from {shown(window.start)}"
    return f"{shown(window.start)} – {shown(window.end)}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
