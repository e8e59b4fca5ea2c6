"""Columns of every dtype group, frames in any memory layout, cuts of rows."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import polars as pl
from hypothesis import strategies as st

from polarsprof import Profile

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import DrawFn, SearchStrategy

WIDTHS: Final[dict[str, tuple[int, int]]] = {
    **{f"Int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64, 128)},
    **{f"UInt{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64, 128)},
}
SPECIAL_FLOATS: Final = (0.0, -0.0, 1.0, 0.1, -2.5, 1e-300, math.nan, math.inf, -math.inf)
UTC: Final = dt.UTC
DAY_NS: Final = 86_400 * 10**9


def integers(name: str) -> SearchStrategy[int]:
    """Small integers, the ends of the range, and everything between."""
    low, high = WIDTHS[name]
    ends = st.sampled_from([low, low + 1, high - 1, high, high // 2 + 1])
    return st.integers(max(low, -3), 3) | ends | st.integers(low, high)


# Doubles whose moments stay in range, so that every figure can be compared; single precision makes values repeat.
floats: SearchStrategy[float] = st.sampled_from(SPECIAL_FLOATS) | st.floats(-1e6, 1e6, width=32)
texts: SearchStrategy[str] = st.sampled_from(
    ["", "a", "é", "日本語", "\x00", "1", "🦆" * 3, "x" * 200, "x" * 200 + "y", "long " * 4_000]
) | st.text(max_size=20)
binaries: SearchStrategy[bytes] = st.sampled_from([b"", b"\x00", b"\xff" * 100]) | st.binary(max_size=40)
ticks: SearchStrategy[int] = st.sampled_from([0, -1, 1, 999, 10**18, -(2**63) + 1, 2**63 - 1]) | st.integers(
    -(2**62), 2**62
)

# Items are restored to the microsecond, so two frequent items with finer ticks can become equal.
whole_microseconds_ns: SearchStrategy[int] = ticks.map(lambda ns: ns - int(math.copysign(abs(ns) % 1_000, ns)))


@dataclass(frozen=True)
class Kind:
    """A dtype, a strategy for its values, and a builder of series."""

    name: str
    values: SearchStrategy[Any]
    build: Callable[[list[Any]], pl.Series]


def _plain(name: str, dtype: Any, values: SearchStrategy[Any]) -> Kind:
    return Kind(name, values, lambda drawn: pl.Series("", drawn, dtype=dtype, strict=True))


def _physical(name: str, dtype: Any, values: SearchStrategy[int], storage: Any = pl.Int64) -> Kind:
    """Ticks cast to a temporal dtype, including dates beyond the range of Python."""
    return Kind(name, values, lambda drawn: pl.Series("", drawn, dtype=storage).cast(dtype))


TICKS: Final[dict[Any, SearchStrategy[int]]] = {"ms": ticks, "us": ticks, "ns": whole_microseconds_ns}
_RECORD: Final = pl.Struct({"n": pl.Int64, "t": pl.String, "l": pl.List(pl.Float64)})
_record: SearchStrategy[Any] = st.fixed_dictionaries(
    {"n": st.none() | st.integers(-5, 5), "t": st.none() | texts, "l": st.none() | st.lists(floats, max_size=3)}
)

KINDS: Final[dict[str, Kind]] = {
    kind.name: kind
    for kind in (
        *(_plain(name, getattr(pl, name), integers(name)) for name in WIDTHS),
        _plain("Float32", pl.Float32, floats),
        _plain("Float64", pl.Float64, floats),
        _plain("Decimal", pl.Decimal(20, 3), st.integers(-(10**8), 10**8).map(lambda n: Decimal(n) / 1000)),
        _plain("Boolean", pl.Boolean, st.booleans()),
        _plain("String", pl.String, texts),
        _plain("Categorical", pl.Categorical, texts),
        _plain("Enum", pl.Enum(["", "a", "é", "z" * 100]), st.sampled_from(["", "a", "é", "z" * 100])),
        _plain("Binary", pl.Binary, binaries),
        _physical("Date", pl.Date, st.integers(-(2**31), 2**31 - 1) | st.integers(-1_000, 20_000), pl.Int32),
        _physical("Time", pl.Time, st.integers(0, DAY_NS // 1_000 - 1).map(lambda us: us * 1_000)),
        *(_physical(f"Datetime {unit}", pl.Datetime(unit), values) for unit, values in TICKS.items()),
        *(_physical(f"Datetime {unit} UTC", pl.Datetime(unit, "UTC"), values) for unit, values in TICKS.items()),
        _physical("Datetime us Tokyo", pl.Datetime("us", "Asia/Tokyo"), ticks),
        *(_physical(f"Duration {unit}", pl.Duration(unit), values) for unit, values in TICKS.items()),
        _plain("Null", pl.Null, st.none()),
        _plain("List", pl.List(pl.Int64), st.lists(st.none() | integers("Int64"), max_size=4)),
        _plain("List of text", pl.List(pl.String), st.lists(st.none() | texts, max_size=3)),
        _plain(
            "List of lists", pl.List(pl.List(pl.Int8)), st.lists(st.none() | st.lists(integers("Int8")), max_size=3)
        ),
        _plain("Array", pl.Array(pl.Float64, 2), st.lists(floats, min_size=2, max_size=2)),
        _plain("Struct", _RECORD, _record),
        _plain("List of structs", pl.List(_RECORD), st.lists(st.none() | _record, max_size=3)),
    )
}


@st.composite
def columns(draw: DrawFn, kind: Kind, *, min_rows: int = 0, max_rows: int = 12) -> pl.Series:
    """A series of one kind with nulls, whole or in chunks, or a slice of a longer one."""
    values = draw(st.lists(st.none() | kind.values, min_size=min_rows, max_size=max_rows))
    match draw(st.sampled_from(["whole", "chunks", "slice"])):
        case "chunks" if values:
            cut = draw(st.integers(0, len(values)))
            return pl.concat([kind.build(values[:cut]), kind.build(values[cut:])], rechunk=False)
        case "slice":
            outside = draw(st.lists(st.none() | kind.values, min_size=1, max_size=2))
            return kind.build([*outside, *values, *outside]).slice(len(outside), len(values))
        case _:
            return kind.build(values)


@st.composite
def frames(draw: DrawFn, *, max_rows: int = 12, max_columns: int = 4) -> pl.DataFrame:
    """A frame of columns of any kinds."""
    kinds = draw(st.lists(st.sampled_from(list(KINDS.values())), min_size=1, max_size=max_columns))
    rows = draw(st.integers(0, max_rows))
    drawn = [draw(columns(kind, min_rows=rows, max_rows=rows)) for kind in kinds]
    return pl.DataFrame([series.alias(f"c{position}") for position, series in enumerate(drawn)])


@st.composite
def cuts(draw: DrawFn, rows: int) -> list[slice]:
    """Slices that cover the rows together, possibly empty ones, in any order."""
    ends = sorted(draw(st.lists(st.integers(0, rows), max_size=6)))
    bounds = [0, *ends, rows]
    return draw(st.permutations([slice(a, b) for a, b in pairwise(bounds)]))


def through_bytes(profile: Profile) -> Profile:
    """The profile after a round trip through the bytes of a file."""
    return Profile.from_bytes(profile.to_bytes())


@st.composite
def merged(draw: DrawFn, pieces: list[Profile], *, wire: bool) -> Profile:
    """The pieces merged in pairs along any tree.

    With `wire`, each goes through bytes before every merge.
    """
    left = list(pieces)
    while len(left) > 1:
        other = left.pop(draw(st.integers(0, len(left) - 1)))
        position = draw(st.integers(0, len(left) - 1))
        if wire:
            left[position], other = through_bytes(left[position]), through_bytes(other)
        left[position].merge(other)
    return through_bytes(left[0]) if wire else left[0]
