"""What a file of whylogs says, in the terms of neither of its formats. Plain data; sketches are still bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polarsprof.profiles.foreign_metrics import Figure
    from polarsprof.windowing.tumbling import Window

    Extremes = tuple[int | float, int | float]


@dataclass(slots=True, kw_only=True)
class Numbers:
    """The numbers of a column, or the lengths of its strings.

    Attributes
    ----------
    integral, fractional
        How many there are of each, NaN and infinities among the latter.
    nan, infinite
        How many of them are NaN, how many infinite.
    booleans, true
        Booleans that count in mean, m2 and histogram as 0 and 1, and how many of them are true.
    extremes
        Of all that are not NaN; None: the histogram has them.
    integer_extremes
        Of the integral ones, exact.
    mean, m2
        Of the finite ones and the booleans; NaN where they are not known.
    total
        Sum of the finite ones: an integer where it is exact; None where it is not known.
    histogram
        The image of a KLL sketch; None: there is none.
    """

    integral: int = 0
    fractional: int = 0
    nan: int = 0
    infinite: int = 0
    booleans: int = 0
    true: int = 0
    extremes: Extremes | None = None
    integer_extremes: Extremes | None = None
    mean: float = math.nan
    m2: float = math.nan
    total: int | float | None = None
    histogram: bytes | None = None

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return self.integral + self.fractional


@dataclass(slots=True, kw_only=True)
class Observed:
    """One column.

    Attributes
    ----------
    rows
        Values and nulls.
    numbers, lengths
        Its numbers; the lengths of its strings in characters.
    booleans, true, strings, lists, objects
        How many values there are of each; how many booleans are true, None where that is not known.
    distinct
        The image of an HLL sketch of all values; None: there is none.
    items, text_items
        Images of sketches of frequent strings: of all values as text, of the strings alone; None: there is none.
    foreign
        Component → figure, of what has no counterpart.
    """

    path: str
    rows: int
    numbers: Numbers = field(default_factory=Numbers)
    lengths: Numbers = field(default_factory=Numbers)
    booleans: int = 0
    true: int | None = 0
    strings: int = 0
    lists: int = 0
    objects: int = 0
    distinct: bytes | None = None
    items: bytes | None = None
    text_items: bytes | None = None
    foreign: dict[str, Figure] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class ObservedProfile:
    """One profile: the facts of the whole, and its columns; without a number of rows it has as many as its columns."""

    version: str
    columns: list[Observed]
    dataset: str = ""
    window: Window | None = None
    tags: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    foreign: dict[str, Figure] = field(default_factory=dict)
    panes: frozenset[tuple[str, int]] = frozenset()
    rows: int | None = None
