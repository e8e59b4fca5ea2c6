"""Foreign images → the statistics of a group: each is checked, brought to our form, and then state like any other."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from polarsprof.errors import CorruptProfile, argument_error
from polarsprof.files import profile_pb2 as pb
from polarsprof.kernels.batch import ColumnBatch
from polarsprof.kernels.numbers import number_item
from polarsprof.kernels.strings import LONGEST_ITEM, text_items
from polarsprof.sketches.frequent import parse_number
from polarsprof.sketches.images import adopted_distinct, adopted_frequent_items, adopted_quantiles

if TYPE_CHECKING:
    from polarsprof.kernels.batch import Item
    from polarsprof.profiles.group import GroupProfile

_MARK: Final = "…#"  # between the start of a long text and its hash
_MARKED_CHARACTERS: Final = LONGEST_ITEM + len(_MARK) + 16
_MARKED_BYTES: Final = LONGEST_ITEM + 8
_NS_PER_US: Final = 1_000


def adopt(group: GroupProfile, images: Mapping[str, bytes]) -> None:
    """Take images into a group that has no values yet; a group of values has as many as its fullest image says.

    Raises
    ------
    ArgumentError
        For an image that the group does not keep, or that is no bytes.
    CorruptProfile
        For an image that is not valid.
    """
    if not isinstance(images, Mapping):
        raise argument_error(f"images of group {group.name}", images, "a mapping of names to bytes")
    for name, image in images.items():
        if not isinstance(image, bytes | bytearray | memoryview):
            raise argument_error(f"image {name}", image, "bytes")
        if not _is_kept(group, name):
            kept = [name for name in _TAKEN_BY if _is_kept(group, name)]
            raise argument_error(f"images of group {group.name}", name, f"one of {', '.join(kept) or 'none'}")
    count = max([_TAKEN_BY[name][1](group, bytes(image)) for name, image in images.items()], default=0)
    group.counters.update(ColumnBatch("", group.name, {"count": count}))
    unseen = 0 if group.item_summary is None else count - group.item_summary.total
    if group.item_summary is not None and unseen:  # each of them may have been any value
        group.item_summary.update(ColumnBatch("", group.name, {"count": unseen}, items_offset=unseen))


def _is_kept(group: GroupProfile, name: str) -> bool:
    return name in _TAKEN_BY and getattr(group, _TAKEN_BY[name][0]) is not None


def _take_quantiles(group: GroupProfile, image: bytes) -> int:
    sketch: Any = group.quantile_sketch
    sketch.from_message(pb.Quantiles(kll_doubles=adopted_quantiles(image)))
    ends = sketch.quantiles([0.0, 1.0])
    if ends is not None and group.extremes is not None:
        batch = ColumnBatch("", group.name)
        batch.minimum, batch.maximum = (_ordered(group.name, end) for end in ends)
        group.extremes.update(batch)
    n: int = sketch.n
    return n


def _ordered(group: str, value: float) -> Item:
    """The extreme that a value of the quantile sketch says."""
    if group == "number":
        return value
    if not math.isfinite(value):
        raise CorruptProfile(f"a quantile sketch is not valid: {value} in group {group}")
    return round(value) * (1 if group == "date" else _NS_PER_US)


def _take_distinct(group: GroupProfile, image: bytes) -> int:
    sketch: Any = group.distinct_sketch
    sketch.from_message(pb.Distinct(hll=adopted_distinct(image)))
    return 0


def _take_items(group: GroupProfile, image: bytes) -> int:
    texts, weights, total, offset, _ = adopted_frequent_items(image)
    weighted: Counter[Item] = Counter()  # two texts may say one number
    for item, weight in zip(_ITEMS.get(group.name, _ticks)(texts), weights, strict=True):
        weighted[item] += weight
    batch = ColumnBatch("", group.name, {"count": total}, items_offset=offset)
    batch.items, batch.weights = list(weighted), list(weighted.values())
    summary: Any = group.item_summary
    summary.update(batch)
    return total


def _numbers(texts: list[str]) -> list[Item]:
    return [number_item(_parsed(parse_number, text)) for text in texts]


def _ticks(texts: list[str]) -> list[Item]:
    return [_parsed(int, text) for text in texts]


def _binaries(texts: list[str]) -> list[Item]:
    return _short([_parsed(bytes.fromhex, text) for text in texts], pl.Binary(), lambda item: len(item) > _MARKED_BYTES)


def _strings(texts: list[str]) -> list[Item]:
    return _short(list(texts), pl.String(), lambda item: len(item) > LONGEST_ITEM and not _is_marked(item))


def _is_marked(text: str) -> bool:
    return len(text) == _MARKED_CHARACTERS and text.startswith(_MARK, LONGEST_ITEM)


def _short(items: list[Item], dtype: pl.DataType, is_long: Callable[[Any], bool]) -> list[Item]:
    """The items, of a long one its start and its hash; those that were cut before stay as they are."""
    long = [position for position, item in enumerate(items) if is_long(item)]
    cut = text_items(pl.Series([items[position] for position in long], dtype=dtype))
    for position, item in zip(long, cut, strict=True):
        items[position] = item
    return items


def _parsed(parse: Callable[[str], Item], text: str) -> Item:
    try:
        return parse(text)
    except (ValueError, OverflowError) as error:
        raise CorruptProfile(
            f"a summary of frequent items is not valid: {text!r:.80} in a group of other values"
        ) from error


_ITEMS: Final[Mapping[str, Callable[[list[str]], list[Item]]]] = {
    "number": _numbers,
    "string": _strings,
    "binary": _binaries,
}

# Image → the attribute of a group that keeps it, and what takes it in and says how many values it knows of.
_TAKEN_BY: Final[Mapping[str, tuple[str, Callable[[GroupProfile, bytes], int]]]] = {
    "kll_doubles": ("quantile_sketch", _take_quantiles),
    "hll": ("distinct_sketch", _take_distinct),
    "frequent_strings": ("item_summary", _take_items),
}
