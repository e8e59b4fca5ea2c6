"""Figures of other tools without a counterpart here, stored and merged by name.

The last part of the name decides how the figures of two files merge: counts and sums are added, `min` and `max` take
the smaller and the larger. Any other figure remains if both files agree; otherwise it is None.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from polarsprof.errors import CorruptProfile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polarsprof.files import profile_pb2 as pb

    Figure = int | float | str | None
    Figures = dict[str, dict[str, Figure]]
    """Column (empty for the whole data set) → component → figure."""

_ADDED: Final = frozenset({"count", "sum_abs_diff", "sum_diff", "sum2_diff", "n", "null", "nan", "inf", "true"})
_ADDED_IN: Final = frozenset({"condition_count", "types"})
_INT64_END: Final = 2**63
_MAX_REASONS_CHARACTERS: Final = 1_000


def merge_figures(mine: Figures, theirs: Mapping[str, Mapping[str, Figure]]) -> None:
    """Merge the figures of another profile into `mine`."""
    for column, figures in theirs.items():
        own = mine.setdefault(column, {})
        for component, figure in figures.items():
            own[component] = _merge_figure(component, own[component], figure) if component in own else figure


def _merge_figure(component: str, one: Figure, other: Figure) -> Figure:
    *within, kind = component.split("/")
    if isinstance(one, int | float) and isinstance(other, int | float):
        if kind in _ADDED or (within and within[-1].rpartition(":")[2] in _ADDED_IN):
            return one + other
        if kind in ("min", "max"):
            return min(one, other) if kind == "min" else max(one, other)
    return one if one == other else None


def write_figures(figures: Mapping[str, Mapping[str, Figure]], header: pb.Header) -> None:
    """Write the figures to a header, ordered by column and component."""
    for column, components in sorted(figures.items()):
        for component, figure in sorted(components.items()):
            message = header.foreign.add(column=column, component=component)
            match figure:
                case int() if -_INT64_END <= figure < _INT64_END:
                    message.integer = figure
                case int() | float():
                    message.fractional = float(figure)
                case str():
                    message.text = figure


def read_figures(header: pb.Header) -> Figures:
    """Read the figures of a header."""
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
    """Merge the reasons of incomplete columns: each once, in the order of their text."""
    for column, reasons in theirs.items():
        both = {reason for text in (mine.get(column, ""), reasons) for reason in text.split("; ") if reason}
        mine[column] = "; ".join(sorted(both))[:_MAX_REASONS_CHARACTERS]
