"""Bulk reading of frequent items that are integers.

An image of 100 items takes 10 µs in bulk and 60 µs alone. The images are those of `frequent`. The result equals that of
reading each image. If any image is unusual the result is None, and the caller reads them one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from polarsprof.sketches.limits import MAX_COUNT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_HEAD: Final = np.dtype(
    {
        "names": ("words", "version", "family", "lg_max", "lg_current", "flags", "count", "total", "offset"),
        "formats": ("u1", "u1", "u1", "u1", "u1", "u1", "<u4", "<u8", "<u8"),
        "offsets": (0, 1, 2, 3, 4, 5, 8, 16, 24),
        "itemsize": 32,
    }
)
_FAMILY: Final = 10
_MAX_LG: Final = 16
_MAX_DIGITS: Final = 19  # of a 64-bit integer; any number of 19 digits fits 64 bits unsigned
_OWNER_BITS: Final = 15
_MAX_IMAGES: Final = 1 << _OWNER_BITS  # with a weight of up to 2^48 each, so that 64 bits hold the sum of a value
_SMALL: Final = 1 << (63 - _OWNER_BITS)
_ZERO, _NINE, _MINUS = map(ord, "09-")


class IntegerItems(NamedTuple):
    """Size and sum of weights per image; values and weights of all images together."""

    lg_items: list[int]
    weight_sums: list[int]
    values: list[int]
    weights: list[int]


def integer_items(images: Sequence[bytes]) -> IntegerItems | None:
    """Items of the images if all are valid and hold 64-bit integers; else None."""
    length = _HEAD.itemsize
    if not 1 <= len(images) <= _MAX_IMAGES or min(map(len, images)) < length:
        return None
    heads = np.frombuffer(b"".join([image[:length] for image in images]), _HEAD)
    if not _are_heads(heads, np.fromiter(map(len, images), np.int64, len(images))):
        return None
    counts = heads["count"].astype(np.int64)
    ends = (length + 8 * counts).tolist()
    places = list(zip(images, ends, strict=True))
    weights = np.frombuffer(b"".join([image[length:end] for image, end in places]), "<u8")
    sums = _weight_sums(weights, counts, heads["total"])
    values = None if sums is None else _values([image[end:] for image, end in places], counts)
    if sums is None or values is None:
        return None
    found = _sums_by_value(values, np.repeat(np.arange(len(images)), counts), weights)
    return None if found is None else IntegerItems(heads["lg_max"].tolist(), sums.tolist(), *found)


def _are_heads(heads: NDArray[np.void], lengths: NDArray[np.int64]) -> bool:
    lg_max, lg_current, count = heads["lg_max"], heads["lg_current"], heads["count"].astype(np.int64)
    is_image = (heads["words"] == 4) & (heads["version"] == 1) & (heads["family"] == _FAMILY) & (heads["flags"] == 0)
    is_size = (lg_current >= 3) & (lg_current <= lg_max) & (lg_max <= _MAX_LG)
    if not (is_image & is_size).all():
        return False
    fits = (count >= 1) & (count <= (3 << lg_max.astype(np.int64)) // 4) & (12 * count <= lengths - _HEAD.itemsize)
    return bool((fits & (heads["total"] <= MAX_COUNT) & (heads["offset"] <= heads["total"])).all())


def _weight_sums(
    weights: NDArray[np.uint64], counts: NDArray[np.int64], totals: NDArray[np.uint64]
) -> NDArray[np.uint64] | None:
    if weights.min() < 1 or weights.max() > MAX_COUNT:  # at most 2^16 items, so that 64 bits hold the sums
        return None
    sums = np.add.reduceat(weights, np.cumsum(counts) - counts)
    return sums if (sums <= totals).all() else None


def _values(bodies: Sequence[bytes], counts: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Integers of all images, one after the other."""
    data = np.frombuffer(b"".join(bodies) + bytes(_MAX_DIGITS + 1), np.uint8)  # so that no look ahead leaves it
    starts = _starts(data[: -_MAX_DIGITS - 1], np.fromiter(map(len, bodies), np.int64, len(bodies)), counts)
    return None if starts is None else _parsed(data, starts + 4, data[starts])


def _starts(data: NDArray[np.uint8], lengths: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Offsets of the items, each after its length in four bytes, three of them zero.

    Text of integers has no zero bytes, so that these are all; that each length leads to the next one proves it.
    """
    zeros = np.flatnonzero(data == 0)
    if zeros.size != 3 * counts.sum():
        return None
    starts = zeros[::3] - 1
    ends = np.append(starts[1:], data.size)
    lasts = np.cumsum(counts)
    # The first image begins with its first item, each other where the last item of the image before ends.
    if starts[0] != 0 or (starts[lasts - counts] != np.cumsum(lengths) - lengths).any():
        return None
    return starts if (starts + 4 + data[starts] == ends).all() and (data[starts] > 0).all() else None


def _parsed(data: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.uint8]) -> NDArray[np.int64] | None:
    """Parse texts; None unless every text is the canonical decimal of its integer."""
    is_negative = data[starts] == _MINUS
    firsts, digits = starts + is_negative, lengths.astype(np.int64) - is_negative
    if digits.min() < 1 or digits.max() > _MAX_DIGITS:
        return None
    if ((data[firsts] == _ZERO) & ((digits > 1) | is_negative)).any():
        return None
    values = np.zeros(starts.size, np.uint64)
    for place in range(int(digits.max())):
        within = place < digits
        digit = data[firsts + place]
        if (within & ((digit < _ZERO) | (digit > _NINE))).any():
            return None
        np.copyto(values, values * np.uint64(10) + (digit - np.uint8(_ZERO)), where=within)
    if (values > np.iinfo(np.int64).max).any():
        return None
    signed = values.astype(np.int64)
    return np.where(is_negative, -signed, signed)


def _sums_by_value(
    values: NDArray[np.int64], owners: NDArray[np.int64], weights: NDArray[np.uint64]
) -> tuple[list[int], list[int]] | None:
    """Distinct values with summed weights; None for a duplicate within one image."""
    if values.min() >= -_SMALL and values.max() < _SMALL:
        order = np.argsort((values << _OWNER_BITS) | owners)  # a fifth of the time of the stable sort
    else:
        order = np.argsort(values, kind="stable")  # so that equal values of one image are neighbours
    values, owners = values[order], owners[order]
    is_new = np.append(True, values[1:] != values[:-1])
    if (~is_new[1:] & (owners[1:] == owners[:-1])).any():
        return None
    firsts = np.flatnonzero(is_new)
    return values[firsts].tolist(), np.add.reduceat(weights[order], firsts).tolist()
