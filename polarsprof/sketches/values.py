"""Types of the values in a group: parsers of items, types of extremes, conversions.

Statistics read these when they take bytes from outside, such as a profile file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import NoneType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from polarsprof.kernels.batch import Item


@dataclass(frozen=True, slots=True)
class ValueType:
    """Type of the values of one group.

    Attributes
    ----------
    parse_item
        The text of a frequent item → the item.
    extreme_types
        Python types of a minimum or maximum; NoneType for a group without values.
    is_finite
        Whether infinite values are impossible.
    """

    parse_item: Callable[[str], Item]
    extreme_types: tuple[type, ...]
    is_finite: bool = False


def parse_number(text: str) -> Item:
    """Parse the text that `item_text` wrote for a number."""
    value = float(text)
    if math.isnan(value):
        return math.nan  # one NaN, so that a dict finds it again
    return int(text) if math.isfinite(value) and text.lstrip("-").isdecimal() else value


def as_float(number: float) -> float:
    """Convert to the nearest double; infinite beyond the range of doubles."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def known(figure: float) -> float | None:
    """Return the figure; None for NaN."""
    return None if math.isnan(figure) else figure


NUMBERS: Final = ValueType(parse_number, (int, float, NoneType))
INTEGERS: Final = ValueType(int, (int, NoneType), is_finite=True)
STRINGS: Final = ValueType(str, (str, NoneType))
BINARY: Final = ValueType(bytes.fromhex, (bytes, NoneType))
