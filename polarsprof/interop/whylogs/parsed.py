"""A parsed file of whylogs, independent of its format version.

Plain data; sketches are still images.
"""

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
        Number of integers, and of fractions with NaN and infinities.
    nan, infinite
        Number of NaN, and of infinities.
    booleans, true
        Booleans that mean, m2 and histogram include as 0 and 1, and the number of true ones.
    extremes
        Minimum and maximum without NaN; None if the histogram has them.
    integer_extremes
        Exact minimum and maximum of the integers.
    mean, m2
        Of the finite numbers and the booleans; NaN if unknown.
    total
        Sum of the finite numbers, an integer if it is exact; None if unknown.
    histogram
        Image of a KLL sketch; None without a sketch.
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
        """Number of numbers."""
        return self.integral + self.fractional


@dataclass(slots=True, kw_only=True)
class ParsedColumn:
    """One column.

    Attributes
    ----------
    path
        Path of the column.
    rows
        Number of values and nulls.
    numbers, lengths
        Its numbers; the lengths of its strings in characters.
    booleans, true, strings, lists, objects
        Number of values of each type; the number of true booleans is None if unknown.
    distinct
        Image of an HLL sketch of all values; None without a sketch.
    items, text_items
        Images of sketches of frequent strings, of all values as text and of the strings alone; None without a sketch.
    foreign_metrics
        Component → figure, for components without a counterpart.
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
    foreign_metrics: dict[str, Figure] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class ParsedProfile:
    """One profile.

    Attributes
    ----------
    version
        Major version of the format.
    columns
        Its columns.
    dataset, window, tags, metadata, panes
        As in a native profile.
    foreign_metrics
        Component → figure of the whole profile, for components without a counterpart.
    rows
        Number of rows; None for the largest number of rows of a column.
    """

    version: str
    columns: list[ParsedColumn]
    dataset: str = ""
    window: Window | None = None
    tags: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    foreign_metrics: dict[str, Figure] = field(default_factory=dict)
    panes: frozenset[tuple[str, int]] = frozenset()
    rows: int | None = None
