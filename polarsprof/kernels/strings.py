"""Strings and binary values: from group counts where they repeat, else from their hashes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from polarsprof.kernels.batch import ColumnBatch
from polarsprof.kernels.dtypes import are_inline, byte_lengths, text_words
from polarsprof.kernels.murmur3 import hash_text, rare
from polarsprof.kernels.numbers import groups_batch
from polarsprof.kernels.value_counts import (
    counted,
    crowded_rows,
    frequent,
    looks_repetitive,
    merged_groups,
    number_groups,
    text_groups,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from polarsprof.kernels.batch import Item
    from polarsprof.kernels.dtypes import Piece
    from polarsprof.kernels.murmur3 import Hashes
    from polarsprof.kernels.spec import ProfileSpec
    from polarsprof.kernels.value_counts import Groups

LONGEST_EXTREME: Final = 128  # characters of a string kept as minimum or maximum
# Of the words of a view with the value in it, all bits that a length up to 12 or an ASCII character does not set.
_NOT_ASCII: Final = np.array([0x80808080_00000000, 0x80808080_80808080], dtype=np.uint64)
LONGEST_ITEM: Final = 64  # characters of a string kept as a frequent item, the rest stands for itself by its hash


def text_batch(piece: Piece, spec: ProfileSpec, floor: int) -> ColumnBatch:
    """The batch of strings or of binary values, which have no extremes worth keeping."""
    batch = ColumnBatch(piece.path, piece.group, {"count": len(piece.values)})
    if looks_repetitive(piece.values):
        lengths = _describe_groups(batch, piece, spec)
    else:
        lengths = _describe_rows(batch, piece, spec, floor)
    batch.counters["empty"] = int(lengths.counts[lengths.values == 0].sum())
    batch.length = groups_batch(piece.path, "number", lengths, spec)
    return batch


def _describe_groups(batch: ColumnBatch, piece: Piece, spec: ProfileSpec) -> Groups:
    """Everything from the distinct values and their counts; the groups of the lengths."""
    distinct, counts = text_groups(piece.values)
    if piece.group == "string":
        _take_extremes(batch, distinct)
    if spec.distinct:
        batch.hashes = hash_text(distinct)
    if spec.frequent_items:
        _take_items(batch, distinct, counts, spec)
    if piece.lengths is not None:  # of values that were cut
        return number_groups(piece.lengths.to_numpy())
    return merged_groups(_lengths(distinct), counts)


def _describe_rows(batch: ColumnBatch, piece: Piece, spec: ProfileSpec, floor: int) -> Groups:
    """Hashes of all rows, and exact counts of the values that may be frequent; the groups of the lengths."""
    if piece.group == "string":
        _take_extremes(batch, piece.values)
    if spec.distinct or spec.frequent_items:
        hashes = hash_text(piece.values)
        batch.hashes = rare(hashes, floor) if spec.distinct else None
        if spec.frequent_items:
            _take_crowded_items(batch, piece.values, hashes, spec)
    return number_groups(_lengths(piece.values) if piece.lengths is None else piece.lengths.to_numpy())


def _take_crowded_items(batch: ColumnBatch, values: pl.Series, hashes: Hashes, spec: ProfileSpec) -> None:
    rows, missed = crowded_rows(hashes[0], spec.max_items)
    if rows.size:
        _take_items(batch, *counted(values[rows]), spec)
    batch.items_offset = max(batch.items_offset, missed)


def _take_items(batch: ColumnBatch, distinct: pl.Series, counts: NDArray[np.int64], spec: ProfileSpec) -> None:
    kept, weights, batch.items_offset = frequent(counts, spec.max_items)
    batch.items = text_items(distinct if kept.size == len(distinct) else distinct[kept])
    batch.weights = weights.tolist()


def _take_extremes(batch: ColumnBatch, values: pl.Series) -> None:
    low, high = values.min(), values.max()
    batch.minimum, batch.maximum = low[:LONGEST_EXTREME], high[:LONGEST_EXTREME]  # type: ignore[index,assignment]


def text_items(kept: pl.Series) -> list[Item]:
    """The values; of a long one its start and the hash that tells it from others with the same start."""
    items = kept.to_list()
    if max(map(len, items), default=0) > LONGEST_ITEM:
        long = [position for position, value in enumerate(items) if len(value) > LONGEST_ITEM]
        marks = hash_text(kept[long])[0].tolist()
        for position, mark in zip(long, marks, strict=True):
            start = items[position][:LONGEST_ITEM]
            items[position] = f"{start}…#{mark:016x}" if isinstance(start, str) else start + mark.to_bytes(8, "big")
    return items


def _lengths(values: pl.Series) -> NDArray[np.int64]:
    """Of text in characters, of binary values in bytes."""
    words = text_words(values)
    if values.dtype == pl.Binary or (are_inline(words) and not (words & _NOT_ASCII).any()):
        return byte_lengths(words)
    return values.str.len_chars().cast(pl.Int64).to_numpy()
