"""Distinct counts by HyperLogLog, in Apache DataSketches' hashing, registers and image.

Relative standard error 1.04/√2^lg_k: 1.6 % at lg_k = 12; up to 384 distinct values (at 12) are kept one by one and
counted exactly. Source: Flajolet et al., "HyperLogLog", AofA 2007; estimation and image are those of DataSketches
5.2. Not robust against values chosen by an adversary, who can steer the count because the hash seed is public.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import datasketches
import numpy as np

from polarsprof.errors import CorruptProfile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from polarsprof.batch import ColumnBatch
    from polarsprof.proto import profile_pb2 as pb
    from polarsprof.spec import ProfileSpec

_FAMILY: Final = 7
_LIST_MAX, _SET_MIN_LG_K = 7, 8
_LIST, _SET, _HLL_8 = 0b1000, 0b1001, 0b1010  # mode byte: target HLL_8 << 2 | mode
_EMPTY_FLAG, _COMPACT, _OUT_OF_ORDER = 4, 8, 16
_PREAMBLE: Final = struct.Struct("<8B")
_REGISTERS_AT: Final = 40
_SLOT_BITS: Final = 26
_SLOT_MASK: Final = np.uint64((1 << _SLOT_BITS) - 1)
_MAX_VALUE: Final = 63
_NO_COUPONS: Final = np.empty(0, dtype=np.uint32)


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimate between a lower and an upper bound, two standard errors away (95.4 % confidence)."""

    estimate: float
    lower: float
    upper: float


class Distinct:
    """How many different values came: a sorted set of coupons while they are few, 2^lg_k registers after that."""

    __slots__ = ("_coupons", "_lg_k", "_registers")

    def __init__(self, spec: ProfileSpec) -> None:
        self._lg_k = spec.lg_k
        self._coupons: NDArray[np.uint32] = _NO_COUPONS
        self._registers: NDArray[np.uint8] | None = None

    def estimate(self) -> Estimate | None:
        """The number of distinct values; None of nothing."""
        if self._registers is None and not self._coupons.size:
            return None
        hll = datasketches.hll_sketch.deserialize(self._image())
        return Estimate(float(hll.get_estimate()), float(hll.get_lower_bound(2)), float(hll.get_upper_bound(2)))

    @property
    def floor(self) -> int:
        """Leading zeros that the second half of a hash needs to change the state: 0 while values are kept one by one.

        A hash raises a register only with more leading zeros than the lowest register counts.
        """
        return 0 if self._registers is None else int(self._registers.min())

    def update(self, batch: ColumnBatch) -> None:
        """Take in the hashes of a batch."""
        if batch.hashes is None or not batch.hashes[0].size:
            return
        if self._registers is None and _are_many(batch.hashes, _max_coupons(self._lg_k)):
            self._to_registers()
        self._add(_coupons_of(*batch.hashes))

    def merge(self, *others: Distinct) -> None:
        """Take in others; with unequal lg_k all are folded to the smallest one."""
        lg_k = min([self._lg_k, *[other._lg_k for other in others]])
        if lg_k < self._lg_k:
            self._fold(lg_k)
        coupons = [other._coupons for other in others if other._coupons.size]
        if coupons:
            self._add(np.concatenate(coupons))
        for other in others:
            if other._registers is not None:
                self._to_registers()
                np.maximum(self._registers, _folded(other._registers, lg_k), out=self._registers)  # type: ignore[arg-type]

    def to_message(self, message: pb.Distinct) -> None:
        """Write the DataSketches image: a list, a set or HLL_8 registers."""
        if self._coupons.size or self._registers is not None:
            message.hll = self._image()

    def from_message(self, message: pb.Distinct) -> None:
        """Take the state of a message, once its bytes have been checked."""
        if message.hll:
            self._lg_k, self._coupons, self._registers = _parsed(message.hll)

    def _add(self, coupons: NDArray[np.uint32]) -> None:
        if self._registers is None:
            self._coupons = np.union1d(self._coupons, coupons)
            if self._coupons.size > _max_coupons(self._lg_k):
                self._to_registers()
        else:
            _raise_registers(self._registers, coupons)

    def _to_registers(self) -> None:
        if self._registers is None:
            self._registers = np.zeros(1 << self._lg_k, dtype=np.uint8)
            _raise_registers(self._registers, self._coupons)
            self._coupons = np.empty(0, dtype=np.uint32)

    def _fold(self, lg_k: int) -> None:
        self._lg_k = lg_k
        if self._registers is not None:
            self._registers = _folded(self._registers, lg_k)
        else:
            self._add(self._coupons)

    def _image(self) -> bytes:
        if self._registers is not None:
            return _registers_image(self._lg_k, self._registers)
        return _coupons_image(self._lg_k, self._coupons)


def _are_many(hashes: tuple[NDArray[np.uint64], NDArray[np.uint64]], bound: int) -> bool:
    """Whether the first of the hashes alone are more different coupons than the bound."""
    few = slice(2 * bound + 2)
    return bool(hashes[0].size > bound and np.unique(_coupons_of(hashes[0][few], hashes[1][few])).size > bound)


def _max_coupons(lg_k: int) -> int:
    return 3 * 2 ** (lg_k - 3) // 4 if lg_k >= _SET_MIN_LG_K else _LIST_MAX


def _coupons_of(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """26 bits of slot below the number of leading zeros of the second half, plus one."""
    # The exponent of a double is the position of the leading one; clearing the low bits first keeps rounding from
    # carrying into it. Zero becomes exponent 0, beyond the cap of 62 zeros.
    rounded = second & ~(second >> np.uint64(1))
    exponents = rounded.astype(np.float64).view(np.uint64) >> np.uint64(52)
    values = np.minimum(np.uint64(1023 + 64) - exponents, np.uint64(_MAX_VALUE))
    values <<= np.uint64(_SLOT_BITS)
    values |= first & _SLOT_MASK
    coupons: NDArray[np.uint32] = values.astype(np.uint32)
    return coupons


def _raise_registers(registers: NDArray[np.uint8], coupons: NDArray[np.uint32]) -> None:
    slots = coupons & np.uint32(registers.size - 1)
    values = (coupons >> np.uint32(_SLOT_BITS)).astype(np.uint8)
    higher = values > registers[slots]
    np.maximum.at(registers, slots[higher], values[higher])


def _folded(registers: NDArray[np.uint8], lg_k: int) -> NDArray[np.uint8]:
    """Registers at a smaller lg_k: slots that agree in their low bits share one."""
    return registers.reshape(-1, 1 << lg_k).max(axis=0) if registers.size > 1 << lg_k else registers


def _coupons_image(lg_k: int, coupons: NDArray[np.uint32]) -> bytes:
    if coupons.size <= _LIST_MAX:
        flags = _COMPACT | (0 if coupons.size else _EMPTY_FLAG)
        return _PREAMBLE.pack(2, 1, _FAMILY, lg_k, 3, flags, coupons.size, _LIST) + coupons.astype("<u4").tobytes()
    lg_table = max(5, (4 * coupons.size // 3).bit_length())
    head = _PREAMBLE.pack(3, 1, _FAMILY, lg_k, lg_table, _COMPACT, 0, _SET)
    return head + struct.pack("<I", coupons.size) + coupons.astype("<u4").tobytes()


def _registers_image(lg_k: int, registers: NDArray[np.uint8]) -> bytes:
    # Out of order: the estimate comes from the registers alone, which is what makes it independent of any cut.
    head = _PREAMBLE.pack(10, 1, _FAMILY, lg_k, 0, _COMPACT | _OUT_OF_ORDER, 0, _HLL_8)
    powers = np.ldexp(1.0, -registers.astype(np.int32))
    low = registers < 32
    sums = struct.pack("<dddII", 0.0, powers[low].sum(), powers[~low].sum(), int((registers == 0).sum()), 0)
    return head + sums + registers.tobytes()


def _parsed(image: bytes) -> tuple[int, NDArray[np.uint32], NDArray[np.uint8] | None]:
    if len(image) < _PREAMBLE.size:
        raise _corrupt("shorter than its preamble")
    words, version, family, lg_k, _, flags, count, mode = _PREAMBLE.unpack_from(image)
    if version != 1 or family != _FAMILY or not 4 <= lg_k <= 21 or not flags & _COMPACT:
        raise _corrupt("not a compact HLL image")
    if (words, mode) == (10, _HLL_8):
        return lg_k, _NO_COUPONS, _parsed_registers(image, lg_k)
    if (words, mode) == (3, _SET) and lg_k >= _SET_MIN_LG_K and len(image) >= _PREAMBLE.size + 4:
        (count,) = struct.unpack_from("<I", image, _PREAMBLE.size)
        if _LIST_MAX < count <= _max_coupons(lg_k):
            return lg_k, _parsed_coupons(image, _PREAMBLE.size + 4, count), None
    if (words, mode) == (2, _LIST) and count <= _LIST_MAX:
        return lg_k, _parsed_coupons(image, _PREAMBLE.size, count), None
    raise _corrupt("a preamble that fits no kind of sketch")


def _parsed_coupons(image: bytes, start: int, count: int) -> NDArray[np.uint32]:
    if len(image) != start + 4 * count:
        raise _corrupt("length")
    coupons = np.frombuffer(image, "<u4", count, start).astype(np.uint32)
    coupons.sort()
    values = coupons.tolist()
    if len(set(values)) != count or (values and values[0] >> _SLOT_BITS == 0):
        raise _corrupt("coupons")
    return coupons


def _parsed_registers(image: bytes, lg_k: int) -> NDArray[np.uint8]:
    if len(image) != _REGISTERS_AT + (1 << lg_k):
        raise _corrupt("length")
    registers = np.frombuffer(image, np.uint8, -1, _REGISTERS_AT).copy()
    if not 0 < registers.max() <= _MAX_VALUE:
        raise _corrupt("registers")
    return registers


def _corrupt(what: str) -> CorruptProfile:
    return CorruptProfile(f"a distinct count sketch is not valid: {what}")
