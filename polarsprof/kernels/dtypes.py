"""Typed columns → pieces, each in the dtype that its kernel accepts.

A piece has one path, one statistics group and no nulls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from polarsprof.kernels.batch import TypedColumns

# With fewer rows, the fixed cost of a piece of about 0.5 ms counts; with more, cores are idle at the end.
PIECE_ROWS: Final = 262_144
_MAX_TEXT_CHARACTERS: Final = 16_384  # characters of a string that are hashed and compared

_LOW_32_BITS: Final = np.uint64(2**32 - 1)
_MAX_INLINE_BYTES: Final = 12  # of a value inside of its view
INT64: Final = (-(2**63), 2**63 - 1)
_US_PER: Final = {"ms": 1_000, "us": 1}
_NS_PER_US: Final = 1_000
_SMALL_INTEGERS: Final = (pl.Int8, pl.Int16, pl.Int32, pl.UInt8, pl.UInt16, pl.UInt32)


@dataclass(frozen=True, slots=True)
class Cut:
    """At most `PIECE_ROWS` rows of a leaf, or lengths of lists; any dtype, with nulls."""

    path: str
    values: pl.Series
    are_lengths: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """A column in the one dtype of its group, without nulls.

    Numbers are Float64 or Int64; integers beyond Int64 are in a piece of their own, in a wider dtype. Dates are days,
    other temporals nanoseconds, both as integers. Strings have their lengths in `lengths` if they were cut.
    """

    path: str
    group: str
    values: pl.Series
    lengths: pl.Series | None = None


def cuts_of(columns: TypedColumns) -> list[Cut]:
    """All columns in cuts, strings first.

    Strings take longest, so no core is idle at the end.
    """
    cuts = [Cut(path, part) for path, series in columns.leaves for part in _slices(series)]
    cuts += [Cut(path, part, are_lengths=True) for path, lengths in columns.lists for part in _slices(lengths)]
    return sorted(cuts, key=lambda cut: cut.values.dtype not in (pl.String, pl.Binary))


def pieces_of(cut: Cut) -> Iterator[Piece]:
    """The pieces of a cut; none if it has no value."""
    values = (cut.values.drop_nulls() if cut.values.null_count() else cut.values).rechunk()
    if not len(values):
        return
    if cut.are_lengths:
        yield Piece(cut.path, "list", values.cast(pl.Int64))
    else:
        yield from _canonical(cut.path, values)


def _slices(series: pl.Series) -> Iterator[pl.Series]:
    return (series.slice(start, PIECE_ROWS) for start in range(0, len(series), PIECE_ROWS))


def _canonical(path: str, values: pl.Series) -> Iterator[Piece]:
    dtype = values.dtype
    if isinstance(dtype, pl.Extension):
        yield from _canonical(path, values.ext.storage())
    elif dtype == pl.Boolean:
        yield Piece(path, "boolean", values)
    elif dtype.is_integer():
        yield from _integers(path, values)
    elif dtype.is_float() or dtype.is_decimal():
        yield Piece(path, "number", values.cast(pl.Float64))
    elif dtype in (pl.String, pl.Categorical, pl.Enum):
        yield _text(path, values.cast(pl.String))
    elif dtype == pl.Binary:
        yield Piece(path, "binary", values)
    elif dtype.is_temporal():
        yield from _temporals(path, values)


def _text(path: str, values: pl.Series) -> Piece:
    if byte_lengths(text_words(values)).max() > _MAX_TEXT_CHARACTERS:
        lengths = values.str.len_chars().cast(pl.Int64)
        return Piece(path, "string", values.str.head(_MAX_TEXT_CHARACTERS), lengths)
    return Piece(path, "string", values)


def text_words(values: pl.Series) -> NDArray[np.uint64]:
    """The views of String or Binary values in one chunk, without a copy.

    The array has the shape (n, 2). The low 32 bits of a view are the length in bytes. The rest is the value itself up
    to 12 bytes, padded with zeros; for a longer value, its start and its position. Source: the Arrow columnar format,
    "Variable-size Binary View Layout".
    """
    array = values.alias("").to_arrow(compat_level=pl.CompatLevel.newest())  # a NUL in a name makes Polars panic
    words = np.frombuffer(array.buffers()[1], dtype=np.uint64, count=2 * (array.offset + len(array)))
    return words[2 * array.offset :].reshape(-1, 2)


def byte_lengths(words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Lengths in bytes of the values of these views."""
    return (words[:, 0] & _LOW_32_BITS).view(np.int64)


def are_inline(words: NDArray[np.uint64]) -> bool:
    """Whether every value is inside of its view."""
    return bool(byte_lengths(words).max() <= _MAX_INLINE_BYTES)


def _integers(path: str, values: pl.Series) -> Iterator[Piece]:
    """One piece of the values within Int64, and one of the others at their own width."""
    if values.dtype == pl.Int64 or values.dtype in _SMALL_INTEGERS:
        yield Piece(path, "number", values.cast(pl.Int64))
        return
    fits = (values >= INT64[0]) & (values <= INT64[1]) if values.dtype == pl.Int128 else values <= INT64[1]
    small, large = values.filter(fits), values.filter(~fits)
    if len(small):
        yield Piece(path, "number", small.cast(pl.Int64))
    if len(large):
        yield Piece(path, "number", large)


def _temporals(path: str, values: pl.Series) -> Iterator[Piece]:
    """Dates as days, all others as nanoseconds; Int128 for values beyond Int64."""
    dtype = values.dtype
    ticks = values.to_physical().cast(pl.Int64)
    if dtype == pl.Date:
        yield Piece(path, "date", ticks)
        return
    group = {pl.Time: "time", pl.Duration: "duration"}.get(dtype.base_type(), "datetime")
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        group = "datetime_utc"
    unit = getattr(dtype, "time_unit", "ns")
    if unit != "ns":
        factor = _US_PER[unit] * _NS_PER_US
        low, high = ticks.min(), ticks.max()
        fits = max(-low, high) * factor <= INT64[1]  # type: ignore[operator,type-var]
        nanoseconds = pl.col("ticks").cast(pl.Int64 if fits else pl.Int128) * factor
        ticks = ticks.to_frame("ticks").select(nanoseconds).to_series()
    yield from (Piece(path, group, piece.values) for piece in _integers(path, ticks))
