"""Estimate of a compact theta sketch, in numpy.

Profiles hold no theta sketches, so nothing else is read.

Source of the bounds: DataSketches' `BinomialBoundsN`. From 121 hashes on its normal approximation is used. Below, for
intersections and sampled sketches, the exact binomial interval replaces its tables.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Final

import numpy as np

from polarsprof.errors import CorruptProfile
from polarsprof.sketches.distinct import Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FAMILY: Final = 3
_VERSION: Final = 3
_BIG_ENDIAN, _READ_ONLY, _EMPTY, _COMPACT, _ORDERED, _SINGLE = 1, 2, 4, 8, 16, 32
_PREAMBLE: Final = struct.Struct("<BBBBBBH")
_WHOLE: Final = 1 << 63  # theta of a sketch that has every hash
_ERRORS: Final = 2  # standard errors
_TAIL: Final = math.erfc(_ERRORS / math.sqrt(2)) / 2
_MANY: Final = 120


def theta_estimate(image: bytes) -> Estimate | None:
    """Estimate the number of distinct values of a compact theta sketch.

    Parameters
    ----------
    image
        A compact theta sketch of serial version 3, not compressed, with any seed.

    Returns
    -------
    Estimate or None
        Estimate with bounds two standard errors away, exact while the sketch has every hash; None if empty.

    Raises
    ------
    CorruptProfile
        For any other bytes.
    """
    theta, count = _theta_and_count(bytes(image))
    if theta is None:
        return None
    share = theta / _WHOLE
    if share == 1:
        return Estimate(float(count), float(count), float(count))
    return Estimate(count / share, _lower(count, share), _upper(count, share))


def _theta_and_count(image: bytes) -> tuple[int | None, int]:
    """Theta and the number of hashes; theta is None for an empty sketch."""
    if len(image) < _PREAMBLE.size:
        raise _corrupt("shorter than its preamble")
    words, version, family, _, _, flags, _ = _PREAMBLE.unpack_from(image)
    words &= 63  # the high bits hold the growth factor of a sketch in Java
    if version != _VERSION or family != _FAMILY or not flags & _COMPACT or flags & _BIG_ENDIAN or flags > 63:
        raise _corrupt("not a compact theta image of version 3")
    if not 1 <= words <= 3 or len(image) < 8 * words:
        raise _corrupt("its preamble")
    if flags & _EMPTY:
        if len(image) != 8 * words or (words > 1 and _count_of(image)):
            raise _corrupt("an empty sketch with content")
        return None, 0
    return _checked(image, words, ordered=bool(flags & _ORDERED))


def _checked(image: bytes, words: int, *, ordered: bool) -> tuple[int, int]:
    count = 1 if words == 1 else _count_of(image)
    theta = struct.unpack_from("<Q", image, 16)[0] if words == 3 else _WHOLE
    if len(image) != 8 * (words + count):
        raise _corrupt("length")
    hashes = np.frombuffer(image, "<u8", offset=8 * words)
    if not 0 < theta <= _WHOLE or not _are_hashes(hashes if ordered else np.sort(hashes), theta):
        raise _corrupt("hashes")
    return theta, count


def _count_of(image: bytes) -> int:
    count: int = struct.unpack_from("<I", image, 8)[0]
    return count


def _are_hashes(hashes: NDArray[np.uint64], theta: int) -> bool:
    """Return whether the hashes rise strictly between zero and theta."""
    return not hashes.size or bool(hashes[0] > 0 and hashes[-1] < theta and (hashes[1:] > hashes[:-1]).all())


def _lower(count: int, share: float) -> float:
    if count > _MANY:
        return max(float(count), _normal_bound(count - 0.5, share, -1) - 0.5)
    return float(_binomial_bound(count, share, upper=False)) if count else 0.0


def _upper(count: int, share: float) -> float:
    if count > _MANY:
        return _normal_bound(count + 0.5, share, 1) + 0.5
    return float(_binomial_bound(count, share, upper=True))


def _normal_bound(count: float, share: float, sign: int) -> float:
    spread = _ERRORS * math.sqrt((1 - share) / share)
    estimate = count / share
    return estimate + spread**2 / 2 + sign * spread / 2 * math.sqrt(spread**2 + 4 * estimate)


def _binomial_bound(count: int, share: float, *, upper: bool) -> int:
    """Smallest or largest number of values with chance > `_TAIL` of `count` hashes."""
    low, high = count, max(64, math.ceil(4 * (count + 8) / share))
    while low < high:
        middle = (low + high) // 2
        stays = _at_most(count, middle, share) if upper else 1 - _at_most(count - 1, middle, share)
        inside = stays > _TAIL
        if inside != upper:
            high = middle
        else:
            low = middle + 1
    return low - 1 if upper else low


def _at_most(count: int, values: int, share: float) -> float:
    """Chance that at most `count` of the values have a hash below the share."""
    chance, total = values * math.log1p(-share), 0.0
    for hashes in range(min(count, values) + 1):
        total += math.exp(chance)
        if hashes < values:
            chance += math.log((values - hashes) / (hashes + 1)) + math.log(share) - math.log1p(-share)
    return total


def _corrupt(fault: str) -> CorruptProfile:
    return CorruptProfile(f"a theta sketch is not valid: {fault}")
