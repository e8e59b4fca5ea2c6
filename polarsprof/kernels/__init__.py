"""Pure kernels: the typed columns of one micro-batch → one `ColumnBatch` per column and statistics group.

No value is visited one by one in Python except those that 128 bits do not hold. Group counts are taken once per column,
for all columns together on Polars' threads; the distinct values they leave feed hashes and frequent items, the values
themselves feed moments and quantiles. Imports nothing above the narrow waist.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from polarsprof.batch import ColumnBatch
from polarsprof.hashing import hash_integers, hash_numbers, hash_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from polarsprof.batch import Item, TypedColumns
    from polarsprof.hashing import Hashes
    from polarsprof.spec import ProfileSpec

PIECE_ROWS: Final = 65_536  # group counts and temporaries of a piece stay in the cache
LONGEST_KEPT_TEXT: Final = 16_384  # characters of a string that are hashed and compared
LONGEST_EXTREME: Final = 128  # characters of a string kept as minimum or maximum
LONGEST_ITEM: Final = 64  # characters of a string kept as a frequent item, the rest stands for itself by its hash

_INT64: Final = (-(2**63), 2**63 - 1)
_US_PER: Final = {"ms": 1_000, "us": 1}
_NS_PER_US: Final = 1_000
_SMALL_INTEGERS: Final = (pl.Int8, pl.Int16, pl.Int32, pl.UInt8, pl.UInt16, pl.UInt32)


def column_batches(columns: TypedColumns, spec_of: Callable[[str], ProfileSpec]) -> Iterator[ColumnBatch]:
    """What each column of a micro-batch adds to its statistics.

    Parameters
    ----------
    columns
        Typed columns of any number of rows; cut them into pieces of `PIECE_ROWS` beforehand for speed.
    spec_of
        The spec of a column by its path: what it does not track is not computed.

    Yields
    ------
    ColumnBatch
        None for a column without a value; several for one of mixed types.
    """
    pieces = list(_pieces(itertools.chain(columns.leaves, columns.lists), len(columns.leaves)))
    for piece, counted in zip(pieces, _group_counts([piece.values for piece in pieces]), strict=True):
        yield _batch(piece, counted, spec_of(piece.path))
    for path, count in columns.structs.items():
        if count:
            yield ColumnBatch(path, "struct", {"count": count})
    for path, integers in columns.integers.items():
        yield _integers_beyond_128_bits(path, integers, spec_of(path))
    for path, count in columns.objects.items():
        yield ColumnBatch(path, "object", {"count": count})


@dataclass(frozen=True, slots=True)
class _Piece:
    """A column in the one dtype of its group, without nulls."""

    path: str
    group: str
    values: pl.Series
    lengths: pl.Series | None = None


def _pieces(columns: Iterable[tuple[str, pl.Series]], leaves: int) -> Iterator[_Piece]:
    for position, (path, series) in enumerate(columns):
        if position >= leaves:
            if len(series):
                yield _Piece(path, "list", series.cast(pl.Int64))
            continue
        values = series.drop_nulls()
        if len(values):
            yield from _canonical(path, values.rechunk())


def _canonical(path: str, values: pl.Series) -> Iterator[_Piece]:
    """The values in the few dtypes that the kernels know."""
    dtype = values.dtype
    if isinstance(dtype, pl.Extension):
        yield from _canonical(path, values.ext.storage())
    elif dtype == pl.Boolean:
        yield _Piece(path, "boolean", values)
    elif dtype.is_integer():
        yield from _integers(path, values)
    elif dtype.is_float() or dtype.is_decimal():
        yield _Piece(path, "number", values.cast(pl.Float64))
    elif dtype in (pl.String, pl.Categorical, pl.Enum):
        yield _text(path, values.cast(pl.String))
    elif dtype == pl.Binary:
        yield _Piece(path, "binary", values, values.bin.size().cast(pl.Int64))
    elif dtype.is_temporal():
        yield from _temporals(path, values)


def _text(path: str, values: pl.Series) -> _Piece:
    lengths = values.str.len_chars().cast(pl.Int64)
    longest = lengths.max()
    if isinstance(longest, int) and longest > LONGEST_KEPT_TEXT:
        values = values.str.head(LONGEST_KEPT_TEXT)
    return _Piece(path, "string", values, lengths)


def _integers(path: str, values: pl.Series) -> Iterator[_Piece]:
    """Int64 where it holds them; the rest apart, at its own width."""
    if values.dtype == pl.Int64 or values.dtype in _SMALL_INTEGERS:
        yield _Piece(path, "number", values.cast(pl.Int64))
        return
    fits = (values >= _INT64[0]) & (values <= _INT64[1]) if values.dtype == pl.Int128 else values <= _INT64[1]
    small, large = values.filter(fits), values.filter(~fits)
    if len(small):
        yield _Piece(path, "number", small.cast(pl.Int64))
    if len(large):
        yield _Piece(path, "number", large)


def _temporals(path: str, values: pl.Series) -> Iterator[_Piece]:
    """Dates as days, all others as nanoseconds: Int64 where it holds them, Int128 beyond."""
    dtype = values.dtype
    ticks = values.to_physical().cast(pl.Int64)
    if dtype == pl.Date:
        yield _Piece(path, "date", ticks)
        return
    group = {pl.Time: "time", pl.Duration: "duration"}.get(dtype.base_type(), "datetime")
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        group = "datetime_utc"
    unit = getattr(dtype, "time_unit", "ns")
    if unit != "ns":
        factor = _US_PER[unit] * _NS_PER_US
        low, high = ticks.min(), ticks.max()
        fits = max(-low, high) * factor <= _INT64[1]  # type: ignore[operator,type-var]
        nanoseconds = pl.col("ticks").cast(pl.Int64 if fits else pl.Int128) * factor
        ticks = ticks.to_frame("ticks").select(nanoseconds).to_series()
    yield from (_Piece(path, group, piece.values) for piece in _integers(path, ticks))


def _group_counts(columns: list[pl.Series]) -> Iterator[tuple[pl.Series, NDArray[np.int64]]]:
    """(distinct values, counts) of every column; columns of one height are counted side by side on all cores."""
    counted: dict[int, pl.Series] = {}
    for _, group in itertools.groupby(
        sorted(range(len(columns)), key=lambda i: len(columns[i])), lambda i: len(columns[i])
    ):
        positions = list(group)
        frame = pl.DataFrame([columns[i].alias(str(i)) for i in positions])
        counts = frame.select(pl.all().value_counts(name="n").implode())
        counted |= {i: counts[str(i)].explode() for i in positions}
    for i in range(len(columns)):
        fields = counted[i].struct
        yield fields.field(str(i)), fields.field("n").cast(pl.Int64).to_numpy()


def _batch(piece: _Piece, counted: tuple[pl.Series, NDArray[np.int64]], spec: ProfileSpec) -> ColumnBatch:
    if piece.group == "list":
        batch = ColumnBatch(piece.path, "list", {"count": len(piece.values)})
        batch.length = _number_batch(piece.path, "number", piece.values, counted, spec)
    elif piece.group == "boolean":
        batch = ColumnBatch(piece.path, "boolean", {"count": len(piece.values), "true": int(piece.values.sum())})
    elif piece.group in ("string", "binary"):
        batch = _text_batch(piece, counted, spec)
    else:
        batch = _number_batch(piece.path, piece.group, piece.values, counted, spec)
    return batch


def _number_batch(
    path: str, group: str, values: pl.Series, counted: tuple[pl.Series, NDArray[np.int64]], spec: ProfileSpec
) -> ColumnBatch:
    """Numbers and temporals: Float64, Int64, or wider integers."""
    fractional = values.dtype == pl.Float64
    doubles = values.cast(pl.Float64).to_numpy(writable=True)
    batch = ColumnBatch(path, group)
    if fractional:
        _describe_fractional(batch, values, doubles)
    else:
        _describe_integral(batch, values, doubles, moments=group == "number")
    if spec.quantiles:
        if group not in ("number", "date"):  # divided as integers: doubles of today's nanoseconds are off by 128 ns
            doubles = (values // _NS_PER_US).cast(pl.Float64).to_numpy(writable=True)
        batch.ordered = doubles[~np.isnan(doubles)] if batch.counters.get("nan") else doubles
    distinct, counts = counted
    if spec.distinct:
        batch.hashes = _number_hashes(distinct)
    if spec.frequent_items:
        kept, batch.weights, batch.items_offset = _frequent(counts, spec.max_items)
        items = distinct.gather(kept).to_list()
        batch.items = [_number_item(value) for value in items] if group == "number" else items
    return batch


def _describe_fractional(batch: ColumnBatch, values: pl.Series, doubles: NDArray[np.float64]) -> None:
    infinite, nan = np.isinf(doubles), np.isnan(doubles)
    special = bool(infinite.any() or nan.any())
    finite = doubles[~(infinite | nan)] if special else doubles
    batch.counters = {
        "count": doubles.size,
        "nan": int(nan.sum()),
        "positive_infinity": int((doubles == math.inf).sum()),
        "negative_infinity": int((doubles == -math.inf).sum()),
        "zero": int((doubles == 0).sum()),
        "negative": int((doubles < 0).sum()),
    }
    if batch.counters["nan"] < doubles.size:
        # Adding 0.0 turns -0.0 into 0.0, so that equal extremes are written alike.
        low, high = values.drop_nans().min(), values.drop_nans().max()
        batch.minimum, batch.maximum = float(low) + 0.0, float(high) + 0.0  # type: ignore[arg-type]
    with np.errstate(over="ignore"):
        batch.float_sum = float(finite.sum())
    batch.moments = _moments(finite)


def _describe_integral(batch: ColumnBatch, values: pl.Series, doubles: NDArray[np.float64], *, moments: bool) -> None:
    batch.counters = {"count": doubles.size}
    low, high = values.min(), values.max()
    batch.minimum, batch.maximum = low, high  # type: ignore[assignment]
    if moments:
        signs = {"zero": int((doubles == 0).sum()), "negative": int((doubles < 0).sum())}
        batch.counters |= {"integral": doubles.size} | signs
        batch.integer_sum = _exact_sum(values, max(-low, high))  # type: ignore[operator,arg-type,type-var]
        batch.moments = _moments(doubles)


def _exact_sum(values: pl.Series, largest: int) -> int:
    """The sum of integers at the width that surely holds it."""
    if largest * len(values) <= _INT64[1] and values.dtype == pl.Int64:
        return int(values.sum())
    if largest * len(values) < 2**127:
        return int(values.cast(pl.Int128).sum())
    return sum(values.to_list())


def _moments(finite: NDArray[np.float64]) -> tuple[int, float, float, float, float]:
    if not finite.size:
        return (0, 0.0, 0.0, 0.0, 0.0)
    if finite[0] == finite[-1] and (finite == finite[0]).all():  # a rounded mean would make equal values vary
        return (finite.size, float(finite[0]), 0.0, 0.0, 0.0)
    with np.errstate(all="ignore"):  # values near the end of the range overflow to inf, which is what they say
        mean = float(finite.mean())
        if not math.isfinite(mean):
            mean = float((finite / finite.size).sum())
        deviations = finite - mean
        squares = deviations * deviations
        m2, m3, m4 = squares.sum(), np.dot(squares, deviations), np.dot(squares, squares)
    return finite.size, mean, float(m2), float(m3), float(m4)


def _number_hashes(distinct: pl.Series) -> Hashes:
    """Int64 as they are; doubles by value; integers beyond int64 as the nearest double."""
    if distinct.dtype == pl.Int64:
        return hash_integers(distinct.to_numpy())
    return hash_numbers(distinct.cast(pl.Float64).to_numpy())


def _number_item(value: Any) -> Item:
    """One form per value: an int where it is integral and fits int64, else the double, else the integer."""
    if isinstance(value, float):
        if math.isnan(value):
            return math.nan
        return int(value) if value.is_integer() and _INT64[0] <= value <= _INT64[1] - 1023 else value
    return float(value) if not _INT64[0] <= value <= _INT64[1] and int(float(value)) == value else value


def _frequent(counts: NDArray[np.int64], max_items: int) -> tuple[NDArray[np.intp], list[int], int]:
    """Positions of the groups that may be frequent, their weights, and what any other may weigh (Misra-Gries)."""
    if counts.size <= max_items:
        return np.arange(counts.size), counts.tolist(), 0
    cut = int(np.partition(counts, counts.size - max_items - 1)[counts.size - max_items - 1])
    kept = np.flatnonzero(counts > cut)
    return kept, (counts[kept] - cut).tolist(), cut


def _text_batch(piece: _Piece, counted: tuple[pl.Series, NDArray[np.int64]], spec: ProfileSpec) -> ColumnBatch:
    """Strings and binary values; bytes have no extremes worth keeping."""
    distinct, counts = counted
    lengths = piece.lengths
    assert lengths is not None  # noqa: S101 - `_canonical` sets them for these groups
    batch = ColumnBatch(piece.path, piece.group, {"count": len(lengths), "empty": int((lengths == 0).sum())})
    if piece.group == "string":
        low, high = distinct.min(), distinct.max()
        batch.minimum, batch.maximum = low[:LONGEST_EXTREME], high[:LONGEST_EXTREME]  # type: ignore[index,assignment]
    if spec.distinct:
        batch.hashes = hash_text(distinct)
    if spec.frequent_items:
        kept, batch.weights, batch.items_offset = _frequent(counts, spec.max_items)
        batch.items = _text_items(distinct.gather(kept))
    batch.length = _length_batch(piece.path, lengths, spec)
    return batch


def _text_items(kept: pl.Series) -> list[Item]:
    """The values; of a long one its start and the hash that tells it from others with the same start."""
    items = kept.to_list()
    long = [position for position, value in enumerate(items) if len(value) > LONGEST_ITEM]
    if long:
        marks = hash_text(kept.gather(long))[0].tolist()
        for position, mark in zip(long, marks, strict=True):
            start = items[position][:LONGEST_ITEM]
            items[position] = f"{start}…#{mark:016x}" if isinstance(start, str) else start + mark.to_bytes(8, "big")
    return items


def _length_batch(path: str, lengths: pl.Series, spec: ProfileSpec) -> ColumnBatch:
    counted = next(_group_counts([lengths]))
    return _number_batch(path, "number", lengths, counted, spec)


def _integers_beyond_128_bits(path: str, integers: list[int], spec: ProfileSpec) -> ColumnBatch:
    doubles = np.array([float(value) for value in integers])
    negative = sum(value < 0 for value in integers)
    batch = ColumnBatch(path, "number", {"count": len(integers), "integral": len(integers), "negative": negative})
    batch.minimum, batch.maximum, batch.integer_sum = min(integers), max(integers), sum(integers)
    batch.moments = _moments(doubles)
    if spec.quantiles:
        batch.ordered = doubles
    if spec.distinct:
        batch.hashes = hash_numbers(doubles)
    if spec.frequent_items:
        counts = Counter(_number_item(value) for value in integers)
        kept, batch.weights, batch.items_offset = _frequent(np.array(list(counts.values())), spec.max_items)
        items = list(counts)
        batch.items = [items[position] for position in kept]
    return batch
