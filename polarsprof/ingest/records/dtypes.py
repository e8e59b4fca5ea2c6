"""The Python values of one column → one series per target dtype.

Every value is classified by its exact type before Polars sees it (`converters`), because Polars alone coerces values
(1.9 → 1, True → 1), loses whole batches (one lone surrogate) or panics (a Decimal NaN). A column of one plain type
costs about 30 ns a value; any other value is converted by itself, about 0.5 µs each.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from polarsprof.ingest.records.converters import INT64, MisfitError, check_double, converter_of
from polarsprof.ingest.records.foreign import FATAL, foreign_code

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from polarsprof.ingest.records.converters import Conversion, Converter
    from polarsprof.kernels.batch import TypedColumns

    Values = list[Any]
    """Values of one target, which determines their type."""

SURROGATE: Final = "lone surrogate replaced"
NOT_REPRESENTABLE: Final = "not representable"
UNKNOWN: Final = "unknown"  # stands for the target of a value of an unknown type

# Target → dtype. Temporal values are integers in the unit of the dtype, because Polars needs 1.2 µs per aware datetime.
_TEMPORAL: Final[dict[str, pl.DataType]] = {
    "date": pl.Date(),
    "time": pl.Time(),
    "naive_us": pl.Datetime("us"),
    "naive_ns": pl.Datetime("ns"),
    "utc_us": pl.Datetime("us", "UTC"),
    "utc_ns": pl.Datetime("ns", "UTC"),
    "duration_us": pl.Duration("us"),
    "duration_ns": pl.Duration("ns"),
}
_DIRECT: Final[dict[str, pl.DataType]] = {"boolean": pl.Boolean(), "float": pl.Float64(), "binary": pl.Binary()}
# Exact type → the target that takes its values unchanged; by id, because a metaclass may forbid to hash a type.
_UNCHANGED: Final = {
    id(bool): "boolean",
    id(int): "integer",
    id(float): "float",
    id(str): "string",
    id(bytes): "binary",
}
_NONE: Final = id(type(None))
# Exact types whose values never contain others.
FLAT_IDS: Final = frozenset(
    map(id, (bool, int, float, str, bytes, type(None), dt.datetime, dt.date, dt.time, dt.timedelta, Decimal))
)


def kinds_of(values: Collection[object]) -> dict[int, type]:
    """The distinct exact types of `values`, by id.

    With ids, no metaclass is asked to compare or to hash.
    """
    try:
        return {id(kind): kind for kind in set(map(type, values))}
    except FATAL:
        raise
    except BaseException:  # noqa: BLE001 - foreign code, per list of a record
        return {id(kind): kind for kind in map(type, values)}


def clean_text(text: str) -> str:
    """The text with a question mark for every lone surrogate.

    Returns the same object if there is none.
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def add_leaves(path: str, values: list[object], out: TypedColumns, kinds: dict[int, type] | None = None) -> None:
    """Add the values of one column to `out`.

    They become leaves, integers, objects and degraded counts.

    Parameters
    ----------
    path
        The column.
    values
        Any values except mappings, lists, tuples and arrays. None, `pandas.NA` and NaT are nulls and left out. If all
        values are nulls, a series of dtype Null makes the column known. If there are no values, nothing is added.
    out
        Receives the series and the counts.
    kinds
        `kinds_of(values)`, if the caller knows it.
    """
    kinds = kinds_of(values) if kinds is None else kinds
    present = [value for value in values if value is not None] if _NONE in kinds else values
    targets: defaultdict[str, Values] = defaultdict(list)
    if not present:
        pass
    elif len(kinds) - (_NONE in kinds) == 1:
        _convert(next(kind for kind in kinds.values() if kind is not type(None)), present, path, targets, out)
    else:
        for group in _by_kind(present):
            _convert(type(group[0]), group, path, targets, out)
    for target, converted in targets.items():
        _build(target, converted, path, out)
    if values and not targets and not out.objects[path]:
        out.leaves.append((path, pl.Series("", [None] * len(values), dtype=pl.Null)))


def _by_kind(values: Iterable[object]) -> Iterable[list[object]]:
    groups: defaultdict[int, list[object]] = defaultdict(list)
    for value in values:
        groups[id(type(value))].append(value)
    return groups.values()


def _convert(kind: type, values: list[object], path: str, targets: defaultdict[str, Values], out: TypedColumns) -> None:
    """Append values of one exact type to the lists of their targets."""
    if target := _UNCHANGED.get(id(kind)):
        targets[target] = targets[target] + values if target in targets else values
        return
    convert = converter_of(kind)
    for value in values:
        try:
            target, physical = convert(value)
        except MisfitError as misfit:
            _count_misfits(path, str(misfit), 1, out)
        except FATAL:
            raise
        except BaseException:  # noqa: BLE001 - foreign code, per value
            _count_misfits(path, NOT_REPRESENTABLE, 1, out)
        else:
            if target:
                targets[target].append(physical)


class ValueClassifier:
    """Finds the target of single values.

    It remembers converters by type, because types are few.
    """

    def __init__(self) -> None:
        self._converters: dict[int, tuple[type, Converter]] = {}  # holds the type, so that its id is not reused

    def classify(self, value: object) -> Conversion:
        """The target of a value, and its physical value in that target.

        Returns
        -------
        target, physical
            The target is "" for a null, and `UNKNOWN` for a value of an unknown type. For a value of a known type that
            no dtype holds, it is the reason. In these three cases the physical value is None.
        """
        kind = type(value)
        if value is None:
            return "", None
        if target := _UNCHANGED.get(id(kind)):
            return target, value
        try:
            return self._converter(kind)(value)
        except MisfitError as misfit:
            return str(misfit) or UNKNOWN, None
        except FATAL:
            raise
        except BaseException:  # noqa: BLE001 - foreign code, per value
            return NOT_REPRESENTABLE, None

    def _converter(self, kind: type) -> Converter:
        known = self._converters.get(id(kind))
        if known is None:
            known = self._converters[id(kind)] = kind, converter_of(kind)
        return known[1]


def _count_misfits(path: str, reason: str, count: int, out: TypedColumns) -> None:
    out.objects[path] += count
    if reason:
        out.degraded[reason] += count


def _build(target: str, values: Values, path: str, out: TypedColumns) -> None:
    """Add the series of one target."""
    if target == "integer":
        _build_integers(values, path, out)
    elif target == "string":
        _build_text(values, path, out)
    elif target in _DIRECT:
        _append(values, _DIRECT[target], path, out)
    else:
        _append(values, pl.Int64(), path, out, _TEMPORAL[target])


def _append(
    values: Sequence[object], dtype: pl.DataType, path: str, out: TypedColumns, cast: pl.DataType | None = None
) -> None:
    built, failed = build_series(values, dtype)
    out.leaves += [(path, series if cast is None else series.cast(cast)) for series in built]
    if failed:
        _count_misfits(path, NOT_REPRESENTABLE, failed, out)


def _build_integers(values: list[int], path: str, out: TypedColumns) -> None:
    series = _attempt(values, pl.Int64())  # checks every value in a quarter of the time of min and max
    if series is not None:
        out.leaves.append((path, series))
        return
    widths: defaultdict[pl.DataType | None, list[int]] = defaultdict(list)
    for value in values:
        widths[_integer_dtype(value)].append(value)
    for value in widths.pop(None, ()):
        try:
            check_double(value)
        except MisfitError as misfit:
            _count_misfits(path, str(misfit), 1, out)
        else:
            out.integers.setdefault(path, []).append(value)
    for dtype, integers in widths.items():
        if dtype is not None:
            _append(integers, dtype, path, out)


def _integer_dtype(value: int) -> pl.DataType | None:
    if value in INT64:
        return pl.Int64()
    if -(2**127) <= value < 2**127:
        return pl.Int128()
    return pl.UInt128() if 0 <= value < 2**128 else None


def _build_text(values: list[str], path: str, out: TypedColumns) -> None:
    try:
        out.leaves.append((path, pl.Series("", values, dtype=pl.String, strict=True)))
    except UnicodeEncodeError:
        cleaned = list(map(clean_text, values))
        out.degraded[SURROGATE] += sum(clean is not text for clean, text in zip(cleaned, values, strict=True))
        _append(cleaned, pl.String(), path, out)


def build_series(values: Sequence[object], dtype: pl.DataType) -> tuple[list[pl.Series], int]:
    """Series with the values that Polars accepts, and the number of the others.

    A list that fails is halved, in at most 2·log2(n) + 1 attempts, enough to isolate one bad value. Values that are
    undecided after that count as failed. The order of the values is not kept.
    """
    built: list[pl.Series] = []
    failed = 0
    pending = [values]
    attempts = 2 * (len(values) - 1).bit_length() + 1
    while pending:
        part = pending.pop()
        attempts -= 1
        series = _attempt(part, dtype) if attempts >= 0 else None
        if series is not None:
            built.append(series)
        elif len(part) == 1 or attempts < 0:
            failed += len(part)
        else:
            pending += [part[: len(part) // 2], part[len(part) // 2 :]]
    return built, failed


def _attempt(values: Sequence[object], dtype: pl.DataType) -> pl.Series | None:
    """The series, or None if Polars refuses a value or panics."""
    with foreign_code():
        return pl.Series("", values, dtype=dtype, strict=True)
    return None
