"""Frames → CSV that a spreadsheet shows and never computes, and → plain data for JSON.

A text that a spreadsheet would take for a formula gets an apostrophe in front; text is cleaned and cut as everywhere.
Source: OWASP, "CSV Injection".
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from polarsprof.profiles import text

if TYPE_CHECKING:
    from collections.abc import Mapping

# Formulas begin so, also in their full-width forms; clean text has no tab and no line end.
_FORMULA: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def csv_text(frame: pl.DataFrame) -> str:
    """A frame as CSV with a heading; lists of frequent values as one text, moments as ISO 8601."""
    columns = [pl.Series(harmless(series.name), [_cell(value) for value in series.to_list()]) for series in frame]
    return pl.DataFrame(columns).write_csv()


def harmless(value: str) -> str:
    """A text that is one short line, and no formula; numbers stay as they are."""
    cleaned = text.clean(value)
    return f"'{cleaned}" if cleaned.lstrip().startswith(_FORMULA) and not _is_number(cleaned) else cleaned


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return value.isascii()


def _cell(value: Any) -> Any:
    match value:
        case str():
            return harmless(value)
        case list():
            return harmless(" · ".join(f"{_cell(item['value'])} ({item['estimate']})" for item in value))
        case None | bool() | int() | float():
            return value
    return harmless(text.exact(value) or "")


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as JSON can say it."""
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not isfinite(value):
        return None
    return value if isinstance(value, bool | int | float | str | None) else text.exact(value)
