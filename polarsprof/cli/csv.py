"""Frames → CSV whose cells a spreadsheet shows and never computes.

Text that a spreadsheet takes for a formula gets an apostrophe in front. Control characters are removed and long text is
cut, as in all output. Source: OWASP, "CSV Injection".
"""

from __future__ import annotations

from typing import Final

import polars as pl

from polarsprof.profiles import text

# First characters of formulas and their full-width forms; clean text has no tab and no line end.
_FORMULA: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def csv_text(frame: pl.DataFrame) -> str:
    """A frame as CSV with a header line; times are ISO 8601, frequent values one text."""
    columns = [pl.Series(harmless(series.name), [_cell(value) for value in series.to_list()]) for series in frame]
    return pl.DataFrame(columns).write_csv()


def harmless(value: str) -> str:
    """The text as one short line that is not a formula; numbers are unchanged."""
    cleaned = text.clean(value)
    return f"'{cleaned}" if cleaned.lstrip().startswith(_FORMULA) and not _is_number(cleaned) else cleaned


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return value.isascii()


def _cell(value: object) -> object:
    match value:
        case str():
            return harmless(value)
        case list():
            return harmless(" · ".join(f"{_cell(item['value'])} ({item['estimate']})" for item in value))
        case None | bool() | int() | float():
            return value
    return harmless(text.exact(value) or "")
