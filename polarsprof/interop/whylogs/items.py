"""Frequent values of whylogs, which are texts, as values of their types.

The bounds hold for each value as whylogs counted it. Equal texts cannot be told apart: in a column with numbers, the
text "5" counts as the number 5.
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
from polarsprof.sketches.frequent import FrequentItems
from polarsprof.sketches.images import import_frequent_items
from polarsprof.sketches.values import parse_number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from polarsprof.files import profile_pb2 as pb
    from polarsprof.kernels.batch import Item

CUT_CHARACTERS: Final = 128  # whylogs cuts longer text
_NUMBER: Final = re.compile(r"-?\d{1,300}(\.\d{1,300})?([eE][+-]?\d{1,3})?|-?inf|nan", re.ASCII)
_BOOLEANS: Final = {"True": True, "False": False}
_DEFAULT_LG: Final = 10


@dataclass(slots=True)
class Items:
    """The content of a sketch of frequent strings.

    Attributes
    ----------
    weights
        Text → lower bound of its count.
    total
        Number of values counted.
    offset
        Largest difference between the count of a text and its lower bound.
    lg_items
        Base-2 logarithm of the size of the sketch.
    """

    weights: dict[str, int] = field(default_factory=dict)
    total: int = 0
    offset: int = 0
    lg_items: int = _DEFAULT_LG

    @classmethod
    def from_image(cls, image: bytes) -> Items:
        """The items of an image; raises CorruptProfile if it is not valid."""
        texts, weights, total, offset, lg_items = import_frequent_items(image)
        return cls(dict(zip(texts, weights, strict=True)), total, offset, lg_items)

    def covering(self, count: int) -> Items:
        """The same items of `count` values, of which any text can be an uncounted one."""
        return Items(self.weights, max(count, self.total), self.offset + max(0, count - self.total), self.lg_items)


@dataclass(slots=True)
class TypedItems:
    """Weights of values by type."""

    numbers: dict[Item, int] = field(default_factory=dict)
    strings: dict[Item, int] = field(default_factory=dict)
    booleans: dict[bool, int] = field(default_factory=dict)


def typed_items(weights: dict[str, int], *, numbers: bool, strings: bool, booleans: bool) -> TypedItems:
    """The values that texts represent, of the types that a column has."""
    typed = TypedItems()
    for text, weight in weights.items():
        number = _number(text) if numbers else None
        if booleans and text in _BOOLEANS:
            typed.booleans[_BOOLEANS[text]] = weight
        elif number is not None:
            typed.numbers[number] = typed.numbers.get(number, 0) + weight
        elif strings:
            typed.strings[text] = weight
    return typed


def _number(text: str) -> Item | None:
    """The number that a text represents, as a frequent item; None for other text."""
    return number_item(parse_number(text)) if _NUMBER.fullmatch(text) else None


def write_items(weights: dict[Item, int], items: Items, count: int, message: pb.FrequentItems) -> None:
    """Write the items of a group with `count` values."""
    summary = FrequentItems(ProfileSpec(lg_items=items.lg_items))
    batch = ColumnBatch("", "", items=list(weights), weights=list(weights.values()), counters={"count": count})
    batch.items_offset = min(items.offset, count)
    summary.update(batch)
    summary.to_message(message)


def shorten(weights: dict[Item, int]) -> dict[Item, int]:
    """Texts as native frequent items: a long text becomes its start and a hash.

    A text that whylogs has cut stays as it is.
    """
    whole: list[Item] = [
        text for text in weights if isinstance(text, str) and LONGEST_ITEM < len(text) < CUT_CHARACTERS
    ]
    if not whole:
        return weights
    names = dict(zip(whole, text_items(pl.Series(whole, dtype=pl.String)), strict=True))
    return {names.get(text, text): weight for text, weight in weights.items()}


def count_cut_texts(texts: Iterable[object]) -> int:
    """Number of texts that are long enough to be cut by whylogs."""
    return sum(isinstance(text, str) and len(text) >= CUT_CHARACTERS for text in texts)
