"""A profile as an HTML fragment for notebooks.

The fragment has about 4 KB per column, contains no script and loads nothing. Text from the data is cleaned, cut to 200
characters and escaped. Light and dark colors follow the system of the reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from polarsprof.profiles import text
from polarsprof.views import column_html
from polarsprof.views.style import escaped, fragment

if TYPE_CHECKING:
    from polarsprof.profiles.column import ColumnProfile
    from polarsprof.profiles.profile import Profile

_OPEN_COLUMNS: Final = 50
_HEADINGS: Final = (
    ("column", ""),
    ("nulls", "n"),
    ("distinct", "n"),
    ("values", ""),
    ("distribution", ""),
    ("most frequent", ""),
)


def profile_html(profile: Profile) -> str:
    """The profile as an HTML fragment: a line of facts, then a row per column.

    A `<details>` element folds the columns from the 51st on.
    """
    rows = [_row(path, column) for path, column in profile.columns.items()]
    shown, folded = rows[:_OPEN_COLUMNS], rows[_OPEN_COLUMNS:]
    table = column_html.table(shown, _HEADINGS) if shown else ""
    more = f"{len(folded):,} more columns"
    rest = f"<details><summary>{more}</summary>{column_html.table(folded, _HEADINGS)}</details>" if folded else ""
    head = " · ".join(escaped(fact) for fact in text.header_phrases(profile))
    return fragment(f"<div><b>Profile</b> {head}</div>{tags(profile)}{table}{rest}")


def tags(profile: Profile) -> str:
    """The tags of a profile on one line; empty without tags."""
    pairs = [f"{escaped(key)}={escaped(value)}" for key, value in sorted(profile.tags.items())]
    return f"<div><small>{' · '.join(pairs)}</small></div>" if pairs else ""


def _row(path: str, column: ColumnProfile) -> str:
    name = column_html.name_of(path)
    types = column_html.types_of(column)
    cells = (
        f'<td><div class="name" title="{name}">{name}</div><small>{types}</small></td>',
        f'<td class="n">{column_html.nulls(column)}</td>',
        f'<td class="n">{column_html.distinct(column)}</td>',
        f"<td>{column_html.values(column)}{column_html.more(column)}</td>",
        f"<td>{column_html.distribution(column)}</td>",
        f"<td>{column_html.top(column)}</td>",
    )
    return f"<tr>{''.join(cells)}</tr>"
