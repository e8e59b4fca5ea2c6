"""Figures that another tool kept and this library does not: read by name, never added up where that would be wrong.

A figure says by the last part of its name how those of two files become one: counts and sums add up, of `min` and
`max` the smaller and the larger holds, any other stays where both files say the same and is None where they differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from polarsprof.errors import CorruptProfile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polarsprof.files import profile_pb2 as pb

    Figure = int | float | str | None
    Figures = dict[str, dict[str, Figure]]
    """Column, empty for the whole data set → component → figure."""

_ADDED: Final = frozenset({"count", "sum_abs_diff", "sum_diff", "sum2_diff", "n", "null", "nan", "inf", "true"})
_ADDED_IN: Final = frozenset({"condition_count", "types"})
_MOST_IN_64_BITS: Final = 2**63
_LONGEST_REASONS: Final = 1_000


def merge_figures(mine: Figures, theirs: Mapping[str, Mapping[str, Figure]]) -> None:
    """Fold the figures of another profile in."""
    for column, figures in theirs.items():
        own = mine.setdefault(column, {})
        for component, figure in figures.items():
            own[component] = _both(component, own[component], figure) if component in own else figure


def _both(component: str, one: Figure, other: Figure) -> Figure:
    *within, kind = component.split("/")
    if isinstance(one, int | float) and isinstance(other, int | float):
        if kind in _ADDED or (within and within[-1].rpartition(":")[2] in _ADDED_IN):
            return one + other
        if kind in ("min", "max"):
            return min(one, other) if kind == "min" else max(one, other)
    return one if one == other else None


def write_figures(figures: Mapping[str, Mapping[str, Figure]], header: pb.Header) -> None:
    """Write the figures into a header, in the order of columns and components."""
    for column, components in sorted(figures.items()):
        for component, figure in sorted(components.items()):
            message = header.foreign.add(column=column, component=component)
            match figure:
                case int() if -_MOST_IN_64_BITS <= figure < _MOST_IN_64_BITS:
                    message.integer = figure
                case int() | float():
                    message.fractional = float(figure)
                case str():
                    message.text = figure


def read_figures(header: pb.Header) -> Figures:
    """The figures of a header."""
    figures: Figures = {}
    for message in header.foreign:
        kind = message.WhichOneof("figure")
        components = figures.setdefault(message.column, {})
        if message.component in components:
            msg = f"not a readable profile: {message.component!r:.80} of column {message.column!r:.80} stands twice"
            raise CorruptProfile(msg)
        components[message.component] = getattr(message, kind) if kind else None
    return figures


def merge_reasons(mine: dict[str, str], theirs: Mapping[str, str]) -> None:
    """Fold in why columns of another profile are incomplete: each reason once, in the order of their text."""
    for column, reasons in theirs.items():
        both = {reason for text in (mine.get(column, ""), reasons) for reason in text.split("; ") if reason}
        mine[column] = "; ".join(sorted(both))[:_LONGEST_REASONS]
