"""Frequent values of whylogs, which are all text, sorted into those of the numbers, of the strings and of the booleans.

The bounds hold for each value as whylogs counted it. What cannot be told apart is said in the documentation: the text
"5" in a column that also has numbers counts with the number 5.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import polars as pl

from polarsprof.kernels.batch import ColumnBatch
from polarsprof.kernels.numbers import number_item
from polarsprof.kernels.spec import ProfileSpec
from polarsprof.kernels.strings import LONGEST_ITEM, text_items
from polarsprof.sketches import FrequentItems
from polarsprof.sketches.images import import_frequent_items
from polarsprof.sketches.values import parse_number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from polarsprof.files import profile_pb2 as pb
    from polarsprof.kernels.batch import Item

CUT_CHARACTERS: Final = 128  # where whylogs cuts text
_NUMBER: Final = re.compile(r"-?\d{1,300}(\.\d{1,300})?([eE][+-]?\d{1,3})?|-?inf|nan", re.ASCII)
_BOOLEANS: Final = {"True": True, "False": False}
_DEFAULT_LG: Final = 10


@dataclass(slots=True)
class Items:
    """What a sketch of frequent strings holds.

    Attributes
    ----------
    weights
        Text → how often it came for certain.
    total
        How many values were counted.
    offset
        How often any text may have come beyond that.
    """

    weights: dict[str, int] = field(default_factory=dict)
    total: int = 0
    offset: int = 0
    lg_items: int = _DEFAULT_LG

    @classmethod
    def of_image(cls, image: bytes) -> Items:
        """The items of an image; raises CorruptProfile for one that is not valid."""
        texts, weights, total, offset, lg_items = import_frequent_items(image)
        return cls(dict(zip(texts, weights, strict=True)), total, offset, lg_items)

    def covering(self, count: int) -> Items:
        """The same, where values that were not counted may be any."""
        return Items(self.weights, max(count, self.total), self.offset + max(0, count - self.total), self.lg_items)


@dataclass(slots=True)
class Sorted:
    """The weights of the values of each kind."""

    numbers: dict[Item, int] = field(default_factory=dict)
    strings: dict[Item, int] = field(default_factory=dict)
    booleans: dict[bool, int] = field(default_factory=dict)


def sorted_items(weights: dict[str, int], *, numbers: bool, strings: bool, booleans: bool) -> Sorted:
    """The values that the texts stand for, of the kinds that a column has."""
    found = Sorted()
    for text, weight in weights.items():
        number = _number(text) if numbers else None
        if booleans and text in _BOOLEANS:
            found.booleans[_BOOLEANS[text]] = weight
        elif number is not None:
            found.numbers[number] = found.numbers.get(number, 0) + weight
        elif strings:
            found.strings[text] = weight
    return found


def _number(text: str) -> Item | None:
    """The number that a text says, as our own items have it; None for other text."""
    return number_item(parse_number(text)) if _NUMBER.fullmatch(text) else None


def write_items(weights: dict[Item, int], items: Items, count: int, message: pb.FrequentItems) -> None:
    """Write the part of the items that a group of so many values has."""
    summary = FrequentItems(ProfileSpec(lg_items=items.lg_items))
    batch = ColumnBatch("", "", items=list(weights), weights=list(weights.values()), counters={"count": count})
    batch.items_offset = min(items.offset, count)
    summary.update(batch)
    summary.to_message(message)


def shortened(weights: dict[Item, int]) -> dict[Item, int]:
    """Texts as our own items have them: of a long one its start and a hash; one that whylogs has cut stays as it is."""
    whole: list[Item] = [
        text for text in weights if isinstance(text, str) and LONGEST_ITEM < len(text) < CUT_CHARACTERS
    ]
    if not whole:
        return weights
    names = dict(zip(whole, text_items(pl.Series(whole, dtype=pl.String)), strict=True))
    return {names.get(text, text): weight for text, weight in weights.items()}


def number_cut(texts: Iterable[object]) -> int:
    """How many texts whylogs may have cut."""
    return sum(isinstance(text, str) and len(text) >= CUT_CHARACTERS for text in texts)
