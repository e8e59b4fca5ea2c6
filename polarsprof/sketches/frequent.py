"""Frequent items by a Misra-Gries summary of exact group counts.

Keeps ¾ · 2^lg_items values; the count of any value, kept or not, is between its lower and its upper bound with
certainty, and the two are at most total / (kept values + 1) apart after any cut and any order of merges. Source: Misra
and Gries 1982; Agarwal et al., "Mergeable Summaries", PODS 2012. The image is that of DataSketches' frequent strings.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from polarsprof.errors import CorruptProfile
from polarsprof.sketches.counters import MAX_COUNT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from polarsprof.batch import ColumnBatch, Item
    from polarsprof.proto import profile_pb2 as pb
    from polarsprof.spec import ProfileSpec

_FAMILY: Final = 10
_HEAD: Final = struct.Struct("<BBBBBBHIIQQ")
_MAX_LG: Final = 16


@dataclass(frozen=True, slots=True)
class FrequentItem:
    """A value, how often it came by estimate, and the bounds between which the true count lies for certain."""

    value: object
    estimate: int
    lower: int
    upper: int


class FrequentItems:
    """The values that came most often, each with the weight that is certain; `offset` is what any may have more."""

    def __init__(self, spec: ProfileSpec) -> None:
        self._lg_items = spec.lg_items
        self._capacity = spec.max_items
        self._weights: dict[Item, int] = {}
        self._total = 0
        self._offset = 0

    @property
    def offset(self) -> int:
        """The largest number of times that a value not listed may have come."""
        return self._offset

    def items(self) -> list[FrequentItem]:
        """All kept values, the most frequent first, equal ones in the order of their text."""
        ranked = sorted(self._weights.items(), key=_rank)
        return [FrequentItem(value, weight + self._offset, weight, weight + self._offset) for value, weight in ranked]

    def update(self, batch: ColumnBatch) -> None:
        """Take in the group counts of a batch."""
        self._add(zip(batch.items, batch.weights, strict=True), batch.items_offset, batch.counters.get("count", 0))

    def merge(self, other: FrequentItems) -> None:
        """Take in another; with unequal sizes the smaller one holds."""
        if other._capacity < self._capacity:
            self._lg_items, self._capacity = other._lg_items, other._capacity
        self._add(other._weights.items(), other._offset, other._total)

    def _add(self, weights: Iterable[tuple[Item, int]], offset: int, total: int) -> None:
        mine = self._weights
        for value, weight in weights:
            mine[value] = mine.get(value, 0) + weight
        self._offset += offset
        self._total += total
        if len(mine) > self._capacity:
            cut = sorted(mine.values(), reverse=True)[self._capacity]
            self._offset += cut
            self._weights = {value: weight - cut for value, weight in mine.items() if weight > cut}

    def to_message(self, message: pb.FrequentItems) -> None:
        """Write the kept values as a DataSketches image; total and offset stand beside it, as an empty one has none."""
        message.total, message.offset = self._total, self._offset
        if self._weights:
            message.items = self._image()

    def from_message(self, message: pb.FrequentItems, parse: Callable[[str], Item]) -> None:
        """Take the state of a message; `parse` turns an item's text back into the value."""
        self._total, self._offset = message.total, message.offset
        if message.items:
            self._lg_items, weights = _parsed(message.items)
            self._capacity = 3 * 2**self._lg_items // 4
            self._weights = {_parsed_item(text, parse): weight for text, weight in weights.items()}
        if self._total > MAX_COUNT or self._offset > self._total or sum(self._weights.values()) > self._total:
            raise _corrupt("weights beyond the total")

    def _image(self) -> bytes:
        ranked = sorted(self._weights.items(), key=_rank)
        head = _HEAD.pack(
            4, 1, _FAMILY, self._lg_items, self._lg_items, 0, 0, len(ranked), 0, self._total, self._offset
        )
        texts = [item_text(value).encode() for value, _ in ranked]
        weights = np.array([weight for _, weight in ranked], dtype="<u8").tobytes()
        return head + weights + b"".join(struct.pack("<I", len(text)) + text for text in texts)


def item_text(value: Item) -> str:
    """The text that stands for a value in the image: decimal, hexadecimal for bytes, text as it is."""
    match value:
        case str():
            return value
        case bytes():
            return value.hex()
        case _:
            return repr(value)


def parse_number(text: str) -> Item:
    """The number that `item_text` wrote."""
    value = float(text)
    if math.isnan(value):
        return math.nan  # one NaN, so that a dict finds it again
    return int(text) if math.isfinite(value) and text.lstrip("-").isdecimal() else value


def _rank(weighted: tuple[Item, int]) -> tuple[int, str]:
    return -weighted[1], item_text(weighted[0])


def _parsed_item(text: str, parse: Callable[[str], Item]) -> Item:
    try:
        value = parse(text)
    except ValueError as error:
        raise _corrupt(f"the item {text!r:.80}") from error
    if item_text(value) != text:  # two texts of one number would be one item
        raise _corrupt(f"the item {text!r:.80}")
    return value


def _parsed(image: bytes) -> tuple[int, dict[str, int]]:
    if len(image) < _HEAD.size:
        raise _corrupt("shorter than its preamble")
    words, version, family, lg_max, lg_current, flags, _, count, _, total, offset = _HEAD.unpack_from(image)
    if (words, version, family, flags) != (4, 1, _FAMILY, 0) or not 3 <= lg_current <= lg_max <= _MAX_LG:
        raise _corrupt("not an image of frequent strings")
    if not 1 <= count <= 3 * 2**lg_max // 4 or 12 * count > len(image) - _HEAD.size:
        raise _corrupt("the number of items")
    weights = np.frombuffer(image, "<u8", count, _HEAD.size).tolist()
    if min(weights) < 1 or not sum(weights) <= total <= MAX_COUNT or offset > total:
        raise _corrupt("weights")
    texts = _texts(image, _HEAD.size + 8 * count, count)
    if len(set(texts)) != count:
        raise _corrupt("an item stands twice")
    return lg_max, dict(zip(texts, weights, strict=True))


def _texts(image: bytes, position: int, count: int) -> list[str]:
    texts = []
    for _ in range(count):
        start = position + 4
        if start > len(image):
            raise _corrupt("length")
        position = start + int.from_bytes(image[position:start], "little")
        if position > len(image):
            raise _corrupt("length")
        try:
            texts.append(image[start:position].decode())
        except UnicodeDecodeError as error:
            raise _corrupt("an item that is not UTF-8") from error
    if position != len(image):
        raise _corrupt("length")
    return texts


def _corrupt(what: str) -> CorruptProfile:
    return CorruptProfile(f"a summary of frequent items is not valid: {what}")
