"""The figures of a piece of strings or binary values.

They come from its group counts, or from hashes if few values repeat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from polarsprof.kernels.batch import ColumnBatch
from polarsprof.kernels.dtypes import are_inline, byte_lengths, text_words
from polarsprof.kernels.murmur3 import hash_text, rare
from polarsprof.kernels.numbers import groups_batch
from polarsprof.kernels.value_counts import (
    count_values,
    crowded_rows,
    frequent_groups,
    looks_repetitive,
    merge_groups,
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

LONGEST_EXTREME: Final = 128  # characters of a minimum or maximum
LONGEST_ITEM: Final = 64  # characters of a frequent item; a hash represents a longer string
# Bits of the words of an inline view that neither a length up to 12 nor an ASCII character sets.
_NOT_ASCII: Final = np.array([0x80808080_00000000, 0x80808080_80808080], dtype=np.uint64)


def text_batch(piece: Piece, spec: ProfileSpec, floor: int) -> ColumnBatch:
    """The batch of strings, or of binary values, which have no extremes."""
    batch = ColumnBatch(piece.path, piece.group, {"count": len(piece.values)})
    if looks_repetitive(piece.values):
        lengths = _describe_groups(batch, piece, spec)
    else:
        lengths = _describe_rows(batch, piece, spec, floor)
    batch.counters["empty"] = int(lengths.counts[lengths.values == 0].sum())
    batch.length = groups_batch(piece.path, "number", lengths, spec)
    return batch


def _describe_groups(batch: ColumnBatch, piece: Piece, spec: ProfileSpec) -> Groups:
    """Add all figures from group counts; returns the groups of the lengths."""
    distinct, counts = text_groups(piece.values)
    if piece.group == "string":
        _add_extremes(batch, distinct)
    if spec.distinct:
        batch.hashes = hash_text(distinct)
    if spec.frequent_items:
        _add_items(batch, distinct, counts, spec)
    if piece.lengths is not None:  # the values were cut
        return number_groups(piece.lengths.to_numpy())
    return merge_groups(_lengths(distinct), counts)


def _describe_rows(batch: ColumnBatch, piece: Piece, spec: ProfileSpec, floor: int) -> Groups:
    """Add all figures from rows; returns the groups of the lengths.

    All rows are hashed; values that can be frequent are counted exactly.
    """
    if piece.group == "string":
        _add_extremes(batch, piece.values)
    if spec.distinct or spec.frequent_items:
        hashes = hash_text(piece.values)
        batch.hashes = rare(hashes, floor) if spec.distinct else None
        if spec.frequent_items:
            _add_crowded_items(batch, piece.values, hashes, spec)
    return number_groups(_lengths(piece.values) if piece.lengths is None else piece.lengths.to_numpy())


def _add_crowded_items(batch: ColumnBatch, values: pl.Series, hashes: Hashes, spec: ProfileSpec) -> None:
    rows, offset = crowded_rows(hashes[0], spec.max_items)
    if rows.size:
        _add_items(batch, *count_values(values[rows]), spec)
    batch.items_offset = max(batch.items_offset, offset)


def _add_items(batch: ColumnBatch, distinct: pl.Series, counts: NDArray[np.int64], spec: ProfileSpec) -> None:
    positions, weights, batch.items_offset = frequent_groups(counts, spec.max_items)
    batch.items = text_items(distinct if positions.size == len(distinct) else distinct[positions])
    batch.weights = weights.tolist()


def _add_extremes(batch: ColumnBatch, values: pl.Series) -> None:
    low, high = values.min(), values.max()
    batch.minimum, batch.maximum = low[:LONGEST_EXTREME], high[:LONGEST_EXTREME]  # type: ignore[index,assignment]


def text_items(values: pl.Series) -> list[Item]:
    """The values as items.

    A long value is its start and a hash, which distinguishes it from others with that start.
    """
    items = values.to_list()
    if max(map(len, items), default=0) > LONGEST_ITEM:
        long = [position for position, value in enumerate(items) if len(value) > LONGEST_ITEM]
        hashes = hash_text(values[long])[0].tolist()
        for position, hash_ in zip(long, hashes, strict=True):
            start = items[position][:LONGEST_ITEM]
            items[position] = f"{start}…#{hash_:016x}" if isinstance(start, str) else start + hash_.to_bytes(8, "big")
    return items


def _lengths(values: pl.Series) -> NDArray[np.int64]:
    """Lengths of text in characters, of binary values in bytes."""
    words = text_words(values)
    if values.dtype == pl.Binary or (are_inline(words) and not (words & _NOT_ASCII).any()):
        return byte_lengths(words)
    return values.str.len_chars().cast(pl.Int64).to_numpy()
