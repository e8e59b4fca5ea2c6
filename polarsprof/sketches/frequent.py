"""Frequent items by a Misra-Gries summary of exact group counts.

A summary lists ¾ · 2^lg_items values. The count of any value, listed or not, is certain to lie between its lower and
upper bound. The bounds are at most total / (listed values + 1) apart, for any split and any order of merges. Source:
Misra and Gries 1982; Agarwal et al., "Mergeable Summaries", PODS 2012. The image is that of DataSketches' frequent
strings.
"""

from __future__ import annotations

import re
import struct
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np

from polarsprof.errors import CorruptProfile
from polarsprof.sketches.frequent_read import integer_items
from polarsprof.sketches.frequent_write import Summary, item_text, ranked_images
from polarsprof.sketches.limits import MAX_COUNT, writable
from polarsprof.sketches.statistic import Statistic, check_count
from polarsprof.sketches.values import NUMBERS, parse_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from polarsprof.files import profile_pb2 as pb
    from polarsprof.kernels.batch import ColumnBatch, Item
    from polarsprof.kernels.spec import ProfileSpec
    from polarsprof.sketches.values import ValueType

FAMILY: Final = 10
HEAD: Final = struct.Struct("<BBBBBBHIIQQ")
MAX_LG: Final = 16
_LENGTH: Final = re.compile("(.)\0\0\0", re.DOTALL)
_SAFE_DIGITS: Final = 300  # a decimal text shorter than this is within the range of doubles


@dataclass(frozen=True, slots=True)
class FrequentItem:
    """Value with its estimated count, and certain bounds of the true count."""

    value: object
    estimate: int
    lower: int
    upper: int


class FrequentItems(Statistic["pb.FrequentItems"]):
    """Most frequent values, each with its certain weight.

    The true count exceeds the weight by at most `offset`.

    Examples
    --------
    >>> import polars as pl
    >>> import polarsprof as pp
    >>> column = pp.profile(pl.DataFrame({"city": ["Oslo"] * 7 + ["Bergen"] * 2}))["city"]
    >>> items = column.group("string").item_summary
    >>> [(item.value, item.lower, item.upper) for item in items.items()]
    [('Oslo', 7, 7), ('Bergen', 2, 2)]
    """

    __slots__ = ("_capacity", "_lg_items", "_offset", "_total", "_weights")

    field = "frequent_items"

    def __init__(self, spec: ProfileSpec, values: ValueType = NUMBERS) -> None:
        super().__init__(spec, values)
        self._lg_items = spec.lg_items
        self._capacity = spec.max_items
        self._weights: dict[Item, int] = {}
        self._total = 0
        self._offset = 0

    @property
    def offset(self) -> int:
        """Upper bound of the count of a value that is not listed."""
        return self._offset

    @property
    def total(self) -> int:
        """Number of values, listed or not."""
        return self._total

    def items(self) -> list[FrequentItem]:
        """All listed values, most frequent first, ties in the order of their text."""
        ranked = sorted(self._weights.items(), key=_rank)
        return [FrequentItem(value, weight + self._offset, weight, weight + self._offset) for value, weight in ranked]

    def update(self, batch: ColumnBatch) -> None:
        """Add the counted values of a batch."""
        self._add(zip(batch.items, batch.weights, strict=True), batch.items_offset, batch.counters.get("count", 0))

    def merge(self, *others: FrequentItems) -> None:
        """Add others; with unequal sizes the result has the smallest one.

        One cut is enough for any number of summaries. Let m be the number of values listed. A cut subtracts the
        (m + 1)-th largest weight from each of the m + 1 largest. Then (m + 1) · offset + the sum of the listed weights
        never exceeds the total: this holds for each summary, and a cut adds to the first term no more than it takes
        from the second. So the offset stays at most total / (m + 1).
        """
        self._size(min([self._lg_items, *[other._lg_items for other in others]]))
        weights = chain.from_iterable([other._weights.items() for other in others])
        self._add(weights, sum([other._offset for other in others]), sum([other._total for other in others]))

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

    def image(self) -> bytes:
        """DataSketches image of frequent strings; no bytes if empty."""
        return ranked_images([self._summary()])[0] if self._weights else b""

    def to_message(self, message: pb.FrequentItems) -> None:
        """Write the image, and total and offset, which an empty image lacks."""
        self.to_messages([(self, message)])

    @classmethod
    def to_messages(cls, parts: Sequence[tuple[FrequentItems, pb.FrequentItems]]) -> None:
        """Write many summaries, in half the time that one by one takes."""
        for summary, message in parts:
            message.total, message.offset = writable(summary._total), summary._offset
        full = [(summary, message) for summary, message in parts if summary._weights]
        images = ranked_images([summary._summary() for summary, _ in full])
        for (_, message), image in zip(full, images, strict=True):
            message.items = image

    def from_message(self, message: pb.FrequentItems) -> None:
        """Read the state of a message."""
        self._total, self._offset = message.total, message.offset
        lg_items, self._weights = _weights_of(message, self._values.parse_item)
        if lg_items is not None:
            self._size(lg_items)

    def check(self, count: int) -> None:
        """Refuse a summary of more than `count` values."""
        check_count(count, self._total)

    def merge_messages(self, messages: Sequence[pb.FrequentItems], counts: Sequence[int]) -> None:
        """Add the states of messages; empty ones have the size of the spec."""
        for message, count in zip(messages, counts, strict=True):
            check_count(count, message.total)
        parse, default = self._values.parse_item, self._spec.lg_items
        are_numbers = parse is parse_number or parse is int
        sizes, weights = (are_numbers and _all_integers(messages)) or _all_weights(messages, parse)
        self._size(min([self._lg_items, *[default if lg is None else lg for lg in sizes]]))
        self._add(weights, sum([m.offset for m in messages]), sum([m.total for m in messages]))

    def _size(self, lg_items: int) -> None:
        self._lg_items, self._capacity = lg_items, 3 * 2**lg_items // 4

    def _summary(self) -> Summary:
        weights = self._weights
        head = HEAD.pack(4, 1, FAMILY, self._lg_items, self._lg_items, 0, 0, len(weights), 0, self._total, self._offset)
        return Summary(head, weights.keys(), weights.values())


def _weights_of(message: pb.FrequentItems, parse: Callable[[str], Item]) -> tuple[int | None, dict[Item, int]]:
    """Checked size and weights of the summary in a message; no size if empty."""
    lg_items, weights = None, {}
    if message.items:
        lg_items, texts, found = parsed_image(message.items)
        values = _parsed_numbers(texts) if parse is parse_number else [_parsed_item(t, parse) for t in texts]
        weights = dict(zip(values, found, strict=True))
        if len(weights) != len(texts):
            raise corrupt("an item stands twice")
    if message.total > MAX_COUNT or message.offset > message.total or sum(weights.values()) > message.total:
        raise corrupt("weights beyond the total")
    return lg_items, weights


def _all_weights(
    messages: Sequence[pb.FrequentItems], parse: Callable[[str], Item]
) -> tuple[list[int | None], Iterable[tuple[Item, int]]]:
    found = [_weights_of(message, parse) for message in messages]
    return [lg_items for lg_items, _ in found], chain.from_iterable([weights.items() for _, weights in found])


def _all_integers(
    messages: Sequence[pb.FrequentItems],
) -> tuple[list[int | None], Iterable[tuple[Item, int]]] | None:
    """As `_all_weights`, if all messages are valid and hold integers alone; else None."""
    with_items = [message for message in messages if message.items]
    found = integer_items([message.items for message in with_items])
    if found is None:
        return None
    sums = iter(found.weight_sums)
    for message in messages:
        weight = next(sums) if message.items else 0
        if message.total > MAX_COUNT or message.offset > message.total or weight > message.total:
            return None
    sizes: list[int | None] = [*found.lg_items, *[None] * (len(messages) - len(with_items))]
    return sizes, zip(found.values, found.weights, strict=True)


def _rank(weighted: tuple[Item, int]) -> tuple[int, str]:
    return -weighted[1], item_text(weighted[0])


def _parsed_numbers(texts: list[str]) -> Iterable[Item]:
    """As `_parsed_item` of each; faster if all are fractions.

    Most columns with one fraction have fractions alone.
    """
    with suppress(ValueError):
        fractions = list(map(float, texts))
        if list(map(repr, fractions)) == texts and "nan" not in texts:
            return fractions
    return map(_parsed_number, texts)


@lru_cache(maxsize=16_384)
def _parsed_number(text: str) -> Item:
    """As `_parsed_item`; cached, as windows of a stream share frequent numbers."""
    if len(text) < _SAFE_DIGITS and text.lstrip("-").isdecimal():
        number = int(text)
        if repr(number) == text:
            return number
    return _parsed_item(text, parse_number)


def _parsed_item(text: str, parse: Callable[[str], Item]) -> Item:
    try:
        value = parse(text)
    except ValueError as error:
        raise corrupt(f"the item {text!r:.80}") from error
    if item_text(value) != text:  # two texts of one number would be one item
        raise corrupt(f"the item {text!r:.80}")
    return value


def parsed_image(image: bytes) -> tuple[int, list[str], list[int]]:
    """Parse and check an image that is not empty: size of its summary, texts, weights."""
    if len(image) < HEAD.size:
        raise corrupt("shorter than its preamble")
    words, version, family, lg_max, lg_current, flags, _, count, _, total, offset = HEAD.unpack_from(image)
    if (words, version, family, flags) != (4, 1, FAMILY, 0) or not 3 <= lg_current <= lg_max <= MAX_LG:
        raise corrupt("not an image of frequent strings")
    if not 1 <= count <= 3 * 2**lg_max // 4 or 12 * count > len(image) - HEAD.size:
        raise corrupt("the number of items")
    weights = np.frombuffer(image, "<u8", count, HEAD.size).tolist()
    if min(weights) < 1 or not sum(weights) <= total <= MAX_COUNT or offset > total:
        raise corrupt("weights")
    start = HEAD.size + 8 * count
    return lg_max, _short_texts(image[start:], count) or _texts(image, start, count), weights


def _short_texts(body: bytes, count: int) -> list[str]:
    """Split short texts at their lengths, a byte and three zeros; none if ambiguous.

    The split is right if the first length lies at the start and each text has the length before it: a walk from length
    to length then finds the same texts.
    """
    if not body.isascii():
        return []
    before, *parts = _LENGTH.split(body.decode("ascii"))
    texts = parts[1::2]
    sure = not before and len(texts) == count and list(map(ord, parts[::2])) == list(map(len, texts))
    return texts if sure else []


def _texts(image: bytes, position: int, count: int) -> list[str]:
    texts = []
    for _ in range(count):
        start = position + 4
        if start > len(image):
            raise corrupt("length")
        position = start + int.from_bytes(image[position:start], "little")
        if position > len(image):
            raise corrupt("length")
        try:
            texts.append(image[start:position].decode())
        except UnicodeDecodeError as error:
            raise corrupt("an item that is not UTF-8") from error
    if position != len(image):
        raise corrupt("length")
    return texts


def corrupt(fault: str) -> CorruptProfile:
    """Error for bytes that are not a valid image."""
    return CorruptProfile(f"a summary of frequent items is not valid: {fault}")
