"""Typed columns → pieces: one path, one statistics group, no nulls, the one dtype its kernel knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polarsprof.batch import TypedColumns

# Fewer make the fixed price of a piece felt, about half a millisecond; more leave the cache.
PIECE_ROWS: Final = 131_072
LONGEST_KEPT_TEXT: Final = 16_384  # characters of a string that are hashed and compared

INT64: Final = (-(2**63), 2**63 - 1)
_US_PER: Final = {"ms": 1_000, "us": 1}
_NS_PER_US: Final = 1_000
_SMALL_INTEGERS: Final = (pl.Int8, pl.Int16, pl.Int32, pl.UInt8, pl.UInt16, pl.UInt32)


@dataclass(frozen=True, slots=True)
class Piece:
    """A column in the one dtype of its group, without nulls.

    Numbers are Float64 or Int64, or the wider integers that Int64 does not hold, alone; dates are days, other temporals
    nanoseconds, both as integers; strings carry their lengths where they were cut.
    """

    path: str
    group: str
    values: pl.Series
    lengths: pl.Series | None = None


def pieces_of(columns: TypedColumns) -> Iterator[Piece]:
    """The pieces of all columns that have a value, of at most `PIECE_ROWS` values each."""
    for piece in _columns(columns):
        if len(piece.values) <= PIECE_ROWS:
            yield piece
        else:
            for start in range(0, len(piece.values), PIECE_ROWS):
                lengths = None if piece.lengths is None else piece.lengths.slice(start, PIECE_ROWS)
                yield Piece(piece.path, piece.group, piece.values.slice(start, PIECE_ROWS), lengths)


def _columns(columns: TypedColumns) -> Iterator[Piece]:
    for path, series in columns.leaves:
        values = series.drop_nulls()
        if len(values):
            yield from _canonical(path, values.rechunk())
    for path, lengths in columns.lists:
        if len(lengths):
            yield Piece(path, "list", lengths.cast(pl.Int64).rechunk())


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
    longest = values.str.len_bytes().max()
    if isinstance(longest, int) and longest > LONGEST_KEPT_TEXT:
        lengths = values.str.len_chars().cast(pl.Int64)
        return Piece(path, "string", values.str.head(LONGEST_KEPT_TEXT), lengths)
    return Piece(path, "string", values)


def _integers(path: str, values: pl.Series) -> Iterator[Piece]:
    """Int64 where it holds them; the rest apart, at its own width."""
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
    """Dates as days, all others as nanoseconds: Int64 where it holds them, Int128 beyond."""
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
