"""MurmurHash3_x64_128 in bulk, with the same bits as Apache DataSketches.

The seed is 9001. Numbers hash by value: integral ones within int64 as eight little-endian bytes of an int64, all others
as the bytes of a double with -0.0 as 0.0 and one NaN. Text hashes as UTF-8. So a distinct count merges with the counts
of every engine that embeds DataSketches. Source of the algorithm: Austin Appleby's MurmurHash3 (public domain),
smhasher revision 150+.

Text is hashed by the polars-hash plugin if it is installed, otherwise by numpy; both return the same bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
import pyarrow as pa

polars_hash: ModuleType | None
try:
    import polars_hash
except ImportError:  # a platform without a wheel: `_murmur_of_bytes` returns the same bits, several times slower
    polars_hash = None

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

    Hashes = tuple[NDArray[np.uint64], NDArray[np.uint64]]

SEED: Final = 9001
_C1: Final = np.uint64(0x87C37B91114253D5)
_C2: Final = np.uint64(0x4CF5AD432745937F)
_MIX: Final = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))
_KEY_BYTES: Final = 8
_BLOCK_KEYS: Final = 32_768
_BLOCK_BYTES: Final = 16
_LEADING_ONE: Final = np.uint64(1 << 63)
_TWO_63: Final = 2.0**63
_TEXT_HASH: Final = None if polars_hash is None else polars_hash.col("text").nchash.murmur128(seed=9001)
_LEADING_ZEROS: Final = pl.col("text").bitwise_leading_zeros().cast(pl.UInt64)
_CANONICAL_NAN: Final = np.uint64(0x7FF8000000000000)


def number_keys(values: NDArray[np.float64]) -> NDArray[np.uint64]:
    """The eight bytes that are hashed for each double.

    An int64 if the value is integral and fits, otherwise the double.
    """
    keys = values.view(np.uint64)
    with np.errstate(invalid="ignore"):
        integral = np.floor(values) == values
    is_nan = np.isnan(values)
    if not integral.any() and not is_nan.any():
        return keys
    keys = np.where(is_nan, _CANONICAL_NAN, keys)
    integral &= (values >= -_TWO_63) & (values < _TWO_63)
    keys[integral] = values[integral].astype(np.int64).view(np.uint64)
    return keys


def hash_integers(values: NDArray[np.int64]) -> Hashes:
    """Both hash halves of int64 values."""
    return hash_keys(values.view(np.uint64))


def hash_numbers(values: NDArray[np.float64]) -> Hashes:
    """Both hash halves of doubles, integral ones as their int64."""
    return hash_keys(number_keys(values))


def hash_keys(keys: NDArray[np.uint64]) -> Hashes:
    """Both hash halves of eight-byte keys.

    Works in place, in blocks that fit into the caches of the processor and are so long that threads rarely exchange the
    interpreter lock.
    """
    first, second = np.empty_like(keys), np.empty_like(keys)
    spare = np.empty(min(_BLOCK_KEYS, keys.size), np.uint64)
    for start in range(0, keys.size, _BLOCK_KEYS):
        block = slice(start, start + _BLOCK_KEYS)
        _hash_block(keys[block], first[block], second[block], spare)
    return first, second


def _hash_block(
    keys: NDArray[np.uint64], first: NDArray[np.uint64], second: NDArray[np.uint64], spare: NDArray[np.uint64]
) -> None:
    spare = spare[: keys.size]
    np.multiply(keys, _C1, out=first)
    np.left_shift(first, np.uint64(31), out=spare)
    first >>= np.uint64(33)
    first |= spare
    first *= _C2
    first ^= np.uint64(SEED ^ _KEY_BYTES)
    first += np.uint64(SEED ^ _KEY_BYTES)
    np.add(first, np.uint64(SEED ^ _KEY_BYTES), out=second)
    _mix(first, spare)
    _mix(second, spare)
    first += second
    second += first


def hash_text(values: pl.Series) -> Hashes:
    """Both hash halves of String or Binary values without nulls.

    The empty value has a hash like any other. The second half has only its leading one, the only bit that a HyperLogLog
    reads. DataSketches skips empty strings on update; this library counts them as a value, its only difference.
    """
    if polars_hash is None:
        return _murmur_of_bytes(values)
    # One step after the other: except for large pieces, waking threads for two steps takes longer than the steps.
    hashes = values.to_frame("text").select_seq(_TEXT_HASH)
    zeros = hashes.select_seq(_LEADING_ZEROS).to_series().to_numpy()
    low = hashes.to_series().cast(pl.UInt64, wrap_numerical=True).to_numpy()
    # Shifted beyond the last bit, the one is gone: the second half of such a hash is 0.
    return low, _LEADING_ONE >> zeros


def rare(hashes: Hashes, floor: int) -> Hashes:
    """The hashes whose second half begins with at least `floor` zeros: one in 2^floor."""
    if not floor:
        return hashes
    first, second = hashes
    rows = np.flatnonzero(second < np.uint64(1 << (64 - floor)))
    return first[rows], second[rows]


def _rotate(words: NDArray[np.uint64], bits: int) -> NDArray[np.uint64]:
    return (words << np.uint64(bits)) | (words >> np.uint64(64 - bits))


def _mix(words: NDArray[np.uint64], spare: NDArray[np.uint64]) -> None:
    """The finalizer of MurmurHash3, in place; `spare` is overwritten."""
    for factor in _MIX:
        np.right_shift(words, np.uint64(33), out=spare)
        words ^= spare
        words *= factor
    np.right_shift(words, np.uint64(33), out=spare)
    words ^= spare


def _finish(first: NDArray[np.uint64], second: NDArray[np.uint64], lengths: NDArray[np.uint64]) -> Hashes:
    first = first ^ lengths
    second = second ^ lengths
    first += second
    second += first
    spare = np.empty_like(first)
    _mix(first, spare)
    _mix(second, spare)
    first += second
    second += first
    return first, second


def _murmur_of_bytes(values: pl.Series) -> Hashes:
    """The same hash of byte strings of any length.

    Each step hashes one block of all values that are long enough.
    """
    offsets, data = _bytes_of(values)
    starts, lengths = offsets[:-1], np.diff(offsets)
    first = np.full(lengths.size, SEED, dtype=np.uint64)
    second = first.copy()
    active = np.flatnonzero(lengths >= _BLOCK_BYTES)
    block = 0
    while active.size:
        words = _words_at(data, starts[active] + block * _BLOCK_BYTES)
        first[active], second[active] = _body(first[active], second[active], words)
        block += 1
        active = active[lengths[active] >= (block + 1) * _BLOCK_BYTES]
    first, second = _tail(first, second, data, starts, lengths)
    return _finish(first, second, lengths.astype(np.uint64))


def _bytes_of(values: pl.Series) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    array = values.cast(pl.Binary).rechunk().to_arrow().cast(pa.large_binary())
    _, offset_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offset_buffer, dtype=np.int64, count=len(array) + 1 + array.offset)[array.offset :]
    data = np.frombuffer(data_buffer, dtype=np.uint8) if data_buffer is not None else np.empty(0, dtype=np.uint8)
    return offsets, np.concatenate([data, np.zeros(_BLOCK_BYTES, dtype=np.uint8)])


def _words_at(data: NDArray[np.uint8], positions: NDArray[np.int64]) -> NDArray[np.uint64]:
    """(n, 2) little-endian words of the sixteen bytes at each position."""
    words: NDArray[np.uint64] = data[positions[:, None] + np.arange(_BLOCK_BYTES)].view("<u8")
    return words


def _body(first: NDArray[np.uint64], second: NDArray[np.uint64], words: NDArray[np.uint64]) -> Hashes:
    first = first ^ (_rotate(words[:, 0] * _C1, 31) * _C2)
    first = (_rotate(first, 27) + second) * np.uint64(5) + np.uint64(0x52DCE729)
    second = second ^ (_rotate(words[:, 1] * _C2, 33) * _C1)
    second = (_rotate(second, 31) + first) * np.uint64(5) + np.uint64(0x38495AB5)
    return first, second


def _tail(
    first: NDArray[np.uint64],
    second: NDArray[np.uint64],
    data: NDArray[np.uint8],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
) -> Hashes:
    left = lengths % _BLOCK_BYTES
    window = data[(starts + lengths - left)[:, None] + np.arange(_BLOCK_BYTES)]
    window = np.where(np.arange(_BLOCK_BYTES) < left[:, None], window, 0).astype(np.uint8)
    words = window.view("<u8")
    # A tail word of zero bytes leaves the state as it is, so no case is needed for short tails.
    first = first ^ (_rotate(words[:, 0] * _C1, 31) * _C2)
    second = second ^ (_rotate(words[:, 1] * _C2, 33) * _C1)
    return first, second
