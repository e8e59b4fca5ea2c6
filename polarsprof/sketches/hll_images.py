"""Parser of HLL images of all types: bytes in, lg_k and coupons or registers out.

The layout is that of `HllSketchImpl`, `CouponList`, `HllArray` and `AuxHashMap` in DataSketches for Java and C++.
Running estimates and counts at the minimum are ignored. The stored sums of powers must fit the registers.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

import numpy as np

from polarsprof.sketches.distinct import (
    COMPACT,
    EMPTY_FLAG,
    FAMILY,
    LIST_MAX,
    MAX_VALUE,
    OUT_OF_ORDER,
    REGISTERS_AT,
    SET_MIN_LG_K,
    SLOT_BITS,
    corrupt,
    max_coupons,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PREAMBLE: Final = struct.Struct("<8B")
_LIST, _SET, _REGISTERS = 0, 1, 2  # the low two bits of the mode byte; above them stands the type
_WORDS: Final = (2, 3, 10)  # of the preamble, by mode
_HLL_4, _HLL_6, _HLL_8 = 0, 1, 2
_STALE_SUMS: Final = 32  # a union in Java sets this while its sums wait to be computed
_FLAGS: Final = EMPTY_FLAG | COMPACT | OUT_OF_ORDER | _STALE_SUMS
_LIST_SLOTS: Final = 8
_NIBBLE: Final = 15
_SLOT_MASK: Final = np.uint32((1 << SLOT_BITS) - 1)
_ROUNDING: Final = 1e-9
_NO_COUPONS: Final = np.empty(0, np.uint32)
_POWERS: Final = np.exp2(-np.arange(MAX_VALUE + 1, dtype=np.float64))


def hll_content(image: bytes) -> tuple[int, NDArray[np.uint32], NDArray[np.uint8] | None]:
    """Parse an image into lg_k, sorted coupons, and registers or None.

    Raises
    ------
    CorruptProfile
        For bytes that are not a valid image.
    """
    if len(image) < _PREAMBLE.size:
        raise corrupt("shorter than its preamble")
    words, version, family, lg_k, _, flags, _, kind = _PREAMBLE.unpack_from(image)
    mode, target = kind & 3, kind >> 2
    if version != 1 or family != FAMILY or not 4 <= lg_k <= 21 or flags & ~_FLAGS:
        raise corrupt("not an HLL image")
    if mode > _REGISTERS or target > _HLL_8 or words != _WORDS[mode]:
        raise corrupt("a preamble that fits no kind of sketch")
    if mode == _REGISTERS:
        return lg_k, _NO_COUPONS, _registers(image, lg_k, flags, target)
    return lg_k, _listed(image, flags) if mode == _LIST else _set(image, lg_k, flags), None


def _listed(image: bytes, flags: int) -> NDArray[np.uint32]:
    count = image[6]
    if count > LIST_MAX or bool(flags & EMPTY_FLAG) != (count == 0):
        raise corrupt("a list of the wrong number")
    slots = count if flags & COMPACT else _LIST_SLOTS
    if len(image) != _PREAMBLE.size + 4 * slots and (count or len(image) != _PREAMBLE.size):
        raise corrupt("length")
    return _coupons(image[_PREAMBLE.size :], count)


def _set(image: bytes, lg_k: int, flags: int) -> NDArray[np.uint32]:
    start = _PREAMBLE.size + 4
    if lg_k < SET_MIN_LG_K or flags & EMPTY_FLAG or len(image) < start:
        raise corrupt("a preamble that fits no kind of sketch")
    (count,) = struct.unpack_from("<I", image, _PREAMBLE.size)
    if not LIST_MAX < count <= max_coupons(lg_k):
        raise corrupt("a set of the wrong number")
    lg_slots = image[4]
    if not flags & COMPACT and not 5 <= lg_slots <= lg_k - 3:
        raise corrupt("the size of its table")
    if len(image) != start + 4 * (count if flags & COMPACT else 1 << lg_slots):
        raise corrupt("length")
    return _coupons(image[start:], count)


def _coupons(body: bytes, count: int) -> NDArray[np.uint32]:
    """The `count` coupons among slots of zeros, sorted; duplicates are refused."""
    slots = np.frombuffer(body, "<u4")
    coupons = np.sort(slots[slots != 0])
    if coupons.size != count or (coupons[1:] == coupons[:-1]).any() or (coupons < 1 << SLOT_BITS).any():
        raise corrupt("coupons")
    return coupons


def _registers(image: bytes, lg_k: int, flags: int, target: int) -> NDArray[np.uint8]:
    if len(image) < REGISTERS_AT or flags & EMPTY_FLAG:
        raise corrupt("length")
    _, low_sum, high_sum, _, exceptions = struct.unpack_from("<dddII", image, 8)
    body = image[REGISTERS_AT:]
    size = (1 << lg_k >> 1, (3 << lg_k >> 2) + 1, 1 << lg_k)[target]
    if len(body) < size or (target != _HLL_4 and (len(body) != size or exceptions)):
        raise corrupt("length")
    packed = np.frombuffer(body, np.uint8, size)
    if target == _HLL_4:
        registers = _of_nibbles(packed, image[6])
        _set_exceptions(registers, image[6], _exceptions(body[size:], exceptions, lg_k, flags))
    else:
        registers = packed if target == _HLL_8 else _of_six_bits(packed[:-1])
    counts = np.bincount(registers, minlength=MAX_VALUE + 1)
    if counts.size > MAX_VALUE + 1 or counts[0] == registers.size:
        raise corrupt("registers")
    sums = counts.astype(np.float64) * _POWERS
    fit = _is(sums[:32].sum(), low_sum) and _is(sums[32:].sum(), high_sum)
    if not fit and not flags & _STALE_SUMS:
        raise corrupt("sums that the registers do not have")
    return registers


def _is(exact: float, stored: float) -> bool:
    """Return whether the sums agree; implementations add them up in different orders."""
    return abs(exact - stored) <= _ROUNDING * exact


def _of_six_bits(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Unpack four registers from three bytes, the lowest bits first."""
    first, second, third = packed.reshape(-1, 3).T
    four = (first & 63, first >> 6 | (second & 15) << 2, second >> 4 | (third & 3) << 4, third >> 2)
    return np.stack(four, axis=1).reshape(-1)


def _of_nibbles(packed: NDArray[np.uint8], minimum: int) -> NDArray[np.uint8]:
    """Unpack two registers above the minimum from a byte, the first in the low half."""
    if minimum > MAX_VALUE:
        raise corrupt("registers")
    nibbles = np.stack([packed & _NIBBLE, packed >> 4], axis=1).reshape(-1)
    return nibbles + np.uint8(minimum)


def _exceptions(body: bytes, count: int, lg_k: int, flags: int) -> NDArray[np.uint32]:
    """Coupons, by slot, of the registers that do not fit half a byte."""
    slots = len(body) // 4
    is_table = slots & (slots - 1) == 0 and slots <= 1 << lg_k
    if len(body) % 4 or count > 1 << lg_k or not (slots == count if flags & COMPACT else is_table):
        raise corrupt("length")
    found = _coupons(body, count)
    return found[np.argsort(found & _SLOT_MASK, kind="stable")]


def _set_exceptions(registers: NDArray[np.uint8], minimum: int, exceptions: NDArray[np.uint32]) -> None:
    """Set the registers marked as exceptions; any other set of exceptions is refused."""
    values = exceptions >> np.uint32(SLOT_BITS)
    asked = np.flatnonzero(registers == minimum + _NIBBLE)
    if not np.array_equal(asked, exceptions & _SLOT_MASK) or (values < minimum + _NIBBLE).any():
        raise corrupt("registers beyond half a byte")
    registers[asked] = values
