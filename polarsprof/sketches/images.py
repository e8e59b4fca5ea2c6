"""Foreign DataSketches images, adopted: bytes that any implementation wrote in, bytes or values that are checked out.

What comes out is consistent in every field that a reader relies on, so that neither DataSketches nor this library can
be made to crash, to hang or to allocate by what went in; the rest raises `CorruptProfile`. All is read in numpy, before
any native reader, in 0.01 to 0.3 ms an image of the usual sizes. Only what an image says twice can be checked: a value
that was altered within its bounds cannot be told from a true one.
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np

from polarsprof.errors import CorruptProfile
from polarsprof.sketches.distinct import coupons_image, registers_image
from polarsprof.sketches.frequent import FAMILY, HEAD, MAX_LG, parsed_image
from polarsprof.sketches.frequent import corrupt as corrupt_items
from polarsprof.sketches.hll_images import hll_content
from polarsprof.sketches.quantiles import COUNTS, MAX_LEVELS, capacity_of, check_image
from polarsprof.sketches.theta import theta_estimate

__all__ = ["adopted_distinct", "adopted_frequent_items", "adopted_quantiles", "theta_estimate"]

MAX_ITEMS_BYTES: Final = 1 << 23
_LEVELS_AT: Final = 8 + COUNTS.size
_EMPTY_ITEMS: Final = struct.Struct("<BBBBBBH")
_EMPTY_BITS: Final = 0b101  # the implementations do not agree on which of the two it is; most set both


def adopted_quantiles(image: bytes) -> bytes:
    """The image of an Apache KLL sketch of doubles with what a foreign image of a KLL sketch holds.

    Parameters
    ----------
    image
        A compact KLL sketch of doubles or of floats, which are told apart by the length; also as whylogs' fork of
        DataSketches writes it, with a preamble of six words and four zero bytes at offset 20.

    Returns
    -------
    bytes
        n, k, levels, minimum and maximum are those of the image; floats are widened, which is exact.

    Raises
    ------
    CorruptProfile
        For any other bytes, among them weights that do not sum to n, levels out of order, NaN, and the sketches of old
        whylogs files that have a preamble of two words before many values.
    """
    doubles = _of_doubles(_without_gap(bytes(image)))
    check_image(doubles)
    return doubles


def _without_gap(image: bytes) -> bytes:
    """The image as Apache writes it, where the fork wrote it."""
    if image[:1] != b"\x06":
        return image
    if image[20:24] != bytes(4):
        raise CorruptProfile(
            "a quantile sketch is not valid: a preamble of six words without the gap that belongs to it"
        )
    return b"\x05" + image[1:20] + image[24:]


def _of_doubles(image: bytes) -> bytes:
    """The image with values of 8 bytes, where its length says that they have 4; any other as it is."""
    start = _start_of_floats(image)
    if start is None:
        return image
    with np.errstate(invalid="ignore"):  # of signalling NaN, which the check refuses
        return image[:start] + np.frombuffer(image, "<f4", offset=start).astype("<f8").tobytes()


def _start_of_floats(image: bytes) -> int | None:
    """Where the values begin if they are floats."""
    if image[:1] == b"\x02" and len(image) == 12:
        return 8
    if image[:1] != b"\x05" or len(image) < _LEVELS_AT + 4:
        return None
    (k,), num_levels = struct.unpack_from("<H", image, 4), image[18]
    (first,) = struct.unpack_from("<I", image, _LEVELS_AT)
    start = _LEVELS_AT + 4 * num_levels
    if not 1 <= num_levels <= MAX_LEVELS:
        return None
    values = 2 + capacity_of(k, num_levels) - first  # with minimum and maximum
    return start if values > 2 and len(image) == start + 4 * values else None


def adopted_distinct(image: bytes) -> bytes:
    """The compact HLL_8 image, as this library writes it, with what a foreign image of an HLL sketch holds.

    Parameters
    ----------
    image
        An HLL sketch of type HLL_4, HLL_6 or HLL_8, compact or updatable, empty, as a list, a set or registers.

    Returns
    -------
    bytes
        lg_k and the coupons or registers are those of the image. Its running (HIP) estimate is left out: the estimate
        comes from the registers alone, as it does after any merge. Its relative standard error is 1.04/√2^lg_k, where
        the running one had 0.84/√2^lg_k.

    Raises
    ------
    CorruptProfile
        For any other bytes, among them an lg_k outside 4 to 21, coupons that stand twice and registers that do not
        fit the sums stored beside them.
    """
    lg_k, coupons, registers = hll_content(bytes(image))
    return coupons_image(lg_k, coupons) if registers is None else registers_image(lg_k, registers)


def adopted_frequent_items(image: bytes) -> tuple[list[str], list[int], int, int, int]:
    """What the image of a sketch of frequent strings holds.

    Parameters
    ----------
    image
        A sketch of frequent strings of at most 2^16 slots and 8 MiB, with its texts in UTF-8.

    Returns
    -------
    texts, weights, total, offset, lg_items
        The texts, all different, and the weight that each has at the least; at the most it has `offset` more, which
        is also the most that any other text weighs. `total` is the weight of all, 2^lg_items the number of slots, of
        which three quarters are used. An empty image says neither total nor offset: both are 0.

    Raises
    ------
    CorruptProfile
        For any other bytes, among them weights beyond the total and texts that stand twice.
    """
    image = bytes(image)
    if len(image) > MAX_ITEMS_BYTES:
        raise corrupt_items(f"{len(image):,} bytes, more than {MAX_ITEMS_BYTES:,}")
    if len(image) == _EMPTY_ITEMS.size:
        return [], [], 0, 0, _lg_of_empty(image)
    lg_items, texts, weights = parsed_image(image)
    if len(set(texts)) != len(texts):
        raise corrupt_items("an item stands twice")
    total, offset = HEAD.unpack_from(image)[-2:]
    return texts, weights, total, offset, lg_items


def _lg_of_empty(image: bytes) -> int:
    words, version, family, lg_max, lg_current, flags, _ = _EMPTY_ITEMS.unpack(image)
    is_empty = flags & _EMPTY_BITS and not flags & ~_EMPTY_BITS
    if (words, version, family) != (1, 1, FAMILY) or not is_empty or not 3 <= lg_current <= lg_max <= MAX_LG:
        raise corrupt_items("not an image of frequent strings")
    return int(lg_max)
