"""Import of foreign images into columns: each is checked and converted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import polars as pl

from polarsprof.errors import CorruptProfile, argument_error, plain_text
from polarsprof.files import profile_pb2 as pb
from polarsprof.kernels.batch import ColumnBatch
from polarsprof.kernels.numbers import number_item
from polarsprof.kernels.strings import LONGEST_ITEM, text_items
from polarsprof.profiles.column_set import short_path
from polarsprof.profiles.value_groups import GROUPS
from polarsprof.sketches.distinct import Distinct
from polarsprof.sketches.frequent import FrequentItems
from polarsprof.sketches.images import import_distinct, import_frequent_items, import_quantiles
from polarsprof.sketches.quantiles import Quantiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from polarsprof.kernels.batch import Item
    from polarsprof.profiles.column_set import ColumnSet
    from polarsprof.profiles.group_state import GroupState
    from polarsprof.sketches.statistic import AnyStatistic

_MARK: Final = "…#"  # between the start of a long text and its hash
_MARKED_CHARACTERS: Final = LONGEST_ITEM + len(_MARK) + 16
_MARKED_BYTES: Final = LONGEST_ITEM + 8


def import_columns(columns: ColumnSet, images: Mapping[str, Mapping[str, Mapping[str, bytes]]], rows: int) -> None:
    """Add columns of path → group → images, each with at most `rows` values.

    Raises
    ------
    ArgumentError
        For an unknown group or image, for too many columns, and for more values than rows.
    CorruptProfile
        For an invalid image.
    """
    if not isinstance(images, Mapping):
        raise argument_error("columns", images, "a mapping of paths to groups to images")
    for name, groups in images.items():
        path = short_path(plain_text("columns", name))
        column = columns.ensure(path)
        if column is None:
            raise argument_error("columns", path, f"at most {columns.spec.max_columns:,} columns")
        if not isinstance(groups, Mapping):
            raise argument_error(f"columns[{path!r:.80}]", groups, "a mapping of groups to images")
        for group, of_group in groups.items():
            if group not in GROUPS:
                raise argument_error(f"columns[{path!r:.80}]", group, f"one of {', '.join(GROUPS)}")
            _import_group(column.ensure_group(group), of_group)
        if column.count > rows and "[]" not in path:
            raise argument_error("rows", rows, f"at least the {column.count:,} values of column {path!r:.80}")


def _import_group(group: GroupState, images: Mapping[str, bytes]) -> None:
    """Import images into an empty group.

    The number of its values is the largest n or total among the images.
    """
    if not isinstance(images, Mapping):
        raise argument_error(f"images of group {group.name}", images, "a mapping of names to bytes")
    for name, image in images.items():
        if not isinstance(image, bytes | bytearray | memoryview):
            raise argument_error(f"image {name}", image, "bytes")
        if not _has(group, name):
            names = [name for name in _IMPORTS if _has(group, name)]
            raise argument_error(f"images of group {group.name}", name, f"one of {', '.join(names) or 'none'}")
    count = max([_IMPORTS[name][1](group, bytes(image)) for name, image in images.items()], default=0)
    group.counters.update(ColumnBatch("", group.name, {"count": count}))
    unseen = 0 if group.item_summary is None else count - group.item_summary.total
    if group.item_summary is not None and unseen:  # any value can be each of them
        group.item_summary.update(ColumnBatch("", group.name, {"count": unseen}, items_offset=unseen))


def _has(group: GroupState, name: str) -> bool:
    return name in _IMPORTS and group.statistic(_IMPORTS[name][0]) is not None


def _import_quantiles(group: GroupState, image: bytes) -> int:
    sketch = group.quantile_sketch
    if sketch is None:
        return 0
    sketch.from_message(pb.Quantiles(kll_doubles=import_quantiles(image)))
    ends = sketch.quantiles([0.0, 1.0])
    if ends is not None and group.extremes is not None:
        batch = ColumnBatch("", group.name)
        batch.minimum, batch.maximum = (_extreme(group.name, end) for end in ends)
        group.extremes.update(batch)
    return sketch.n


def _extreme(group: str, place: float) -> Item:
    """Stored value at a place of the quantile sketch."""
    axis = GROUPS[group].axis
    if axis is None or axis.from_ticks is None:
        return place
    if not math.isfinite(place):
        raise CorruptProfile(f"a quantile sketch is not valid: {place} in group {group}")
    return round(place) * axis.ticks_per_unit


def _import_distinct(group: GroupState, image: bytes) -> int:
    group.statistics[Distinct].from_message(pb.Distinct(hll=import_distinct(image)))
    return 0  # the number of values is unknown


def _import_items(group: GroupState, image: bytes) -> int:
    texts, weights, total, offset, _ = import_frequent_items(image)
    weighted: Counter[Item] = Counter()  # two texts can be one number
    for item, weight in zip(_ITEMS.get(group.name, _ticks)(texts), weights, strict=True):
        weighted[item] += weight
    batch = ColumnBatch("", group.name, {"count": total}, items_offset=offset)
    batch.items, batch.weights = list(weighted), list(weighted.values())
    if group.item_summary is not None:
        group.item_summary.update(batch)
    return total


def _numbers(texts: list[str]) -> list[Item]:
    return [number_item(_parse(GROUPS["number"].values.parse_item, text)) for text in texts]


def _ticks(texts: list[str]) -> list[Item]:
    return [_parse(int, text) for text in texts]


def _binaries(texts: list[str]) -> list[Item]:
    items = [_parse(bytes.fromhex, text) for text in texts]
    return _shorten(items, pl.Binary(), [isinstance(item, bytes) and len(item) > _MARKED_BYTES for item in items])


def _strings(texts: list[str]) -> list[Item]:
    return _shorten(list(texts), pl.String(), [len(text) > LONGEST_ITEM and not _is_marked(text) for text in texts])


def _is_marked(text: str) -> bool:
    return len(text) == _MARKED_CHARACTERS and text.startswith(_MARK, LONGEST_ITEM)


def _shorten(items: list[Item], dtype: pl.DataType, is_long: list[bool]) -> list[Item]:
    """Replace long items by their start and hash, except those cut before."""
    long = [position for position, is_one in enumerate(is_long) if is_one]
    cut = text_items(pl.Series([items[position] for position in long], dtype=dtype))
    for position, item in zip(long, cut, strict=True):
        items[position] = item
    return items


def _parse(parse: Callable[[str], Item], text: str) -> Item:
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

# Image → its statistic, and the function that imports it and returns the number of values it knows of.
_IMPORTS: Final[Mapping[str, tuple[type[AnyStatistic], Callable[[GroupState, bytes], int]]]] = {
    "kll_doubles": (Quantiles, _import_quantiles),
    "hll": (Distinct, _import_distinct),
    "frequent_strings": (FrequentItems, _import_items),
}
