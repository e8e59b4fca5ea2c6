"""Columns of Arrow types that Polars panics on, misreads or lacks."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa


def run_ends(*values: Any) -> pa.Array:
    return pa.RunEndEncodedArray.from_arrays(pa.array(range(1, len(values) + 1), pa.int32()), pa.array(values))


# A column of an Arrow type that Polars panics on or misreads → the same values in a type that it reads correctly.
SAME_MEANING: dict[str, tuple[pa.Array, pa.Array | list[Any]]] = {
    "decimal32": (pa.array([1, None, -2], pa.decimal32(5, 2)), pa.array([1, None, -2], pa.decimal128(5, 2))),
    "decimal64": (pa.array([1, None, -2], pa.decimal64(12, 2)), pa.array([1, None, -2], pa.decimal128(12, 2))),
    "decimal256": (pa.array([1, None, -2], pa.decimal256(30, 2)), pa.array([1, None, -2], pa.decimal128(30, 2))),
    "decimal of 60 digits": (
        pa.array([Decimal("123456789012345678.05"), None, Decimal("1e50")], pa.decimal256(60, 2)),
        pa.array([123456789012345678.05, None, 1e50]),
    ),
    "decimal of hundreds": (pa.array([100, None, -300], pa.decimal128(5, -2)), pa.array([100.0, None, -300.0])),
    "list of decimal256": (
        pa.array([[1, None], None, []], pa.list_(pa.decimal256(30, 2))),
        pa.array([[1, None], None, []], pa.list_(pa.decimal128(30, 2))),
    ),
    "struct of decimal256": (
        pa.array([{"x": 1}, None, {"x": None}], pa.struct([("x", pa.decimal256(30, 2))])),
        pa.array([{"x": 1}, None, {"x": None}], pa.struct([("x", pa.decimal128(30, 2))])),
    ),
    "map of decimal256": (
        pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.decimal256(30, 2))),
        pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.decimal128(30, 2))),
    ),
    "array of decimal256": (
        pa.array([[1, 2], None, [3, 4]], pa.list_(pa.decimal256(30, 2), 2)),
        pa.array([[1, 2], None, [3, 4]], pa.list_(pa.decimal128(30, 2), 2)),
    ),
    "dictionary of decimal256": (
        pa.DictionaryArray.from_arrays(pa.array([0, None, 0]), pa.array([5], pa.decimal256(30, 2))),
        pa.array([5, None, 5], pa.decimal128(30, 2)),
    ),
    "run ends": (run_ends(7, None, 8), pa.array([7, None, 8])),
    "run ends of text": (run_ends("a", None, "b"), pa.array(["a", None, "b"])),
    "list view": (pa.array([[1], None, [2, 3]], pa.list_view(pa.int64())), pa.array([[1], None, [2, 3]])),
    "large list view": (pa.array([[1], [], [2, 3]], pa.large_list_view(pa.int64())), pa.array([[1], [], [2, 3]])),
    "unknown zone": (
        pa.array([1, None, 2], pa.timestamp("s", tz="Nowhere/Land")),
        pa.array([1, None, 2], pa.timestamp("s", tz="UTC")),
    ),
    "bool8": (
        pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, None, 0], pa.int8())),
        pa.array([True, None, False]),
    ),
    "opaque": (
        pa.ExtensionArray.from_storage(pa.opaque(pa.int8(), "a", "b"), pa.array([1, None, 0], pa.int8())),
        pa.array([1, None, 0]),
    ),
    "json": (pa.ExtensionArray.from_storage(pa.json_(), pa.array(["{}", None, "1"])), pa.array(["{}", None, "1"])),
}

# Columns that no type of Polars represents, and how many of their three values are not null.
NO_MEANING: dict[str, tuple[pa.Array, int]] = {
    "interval": (pa.array([(1, 2, 3), None, (0, 0, 1)], pa.month_day_nano_interval()), 2),
    "dense union": (
        pa.UnionArray.from_dense(
            pa.array([0, 1, 0], pa.int8()), pa.array([0, 0, 1], pa.int32()), [pa.array([1, None]), pa.array(["x"])]
        ),
        2,
    ),
    "sparse union": (
        pa.UnionArray.from_sparse(pa.array([0, 1, 1], pa.int8()), [pa.array([1, 2, 3]), pa.array(["x", "y", None])]),
        2,
    ),
    "struct of run ends": (pa.StructArray.from_arrays([run_ends(1, 2, 3)], ["x"]), 3),
    "list of list views": (pa.array([[[1]], None, []], pa.list_(pa.list_view(pa.int64()))), 2),
    "list of intervals": (pa.array([[(1, 2, 3)], None, []], pa.list_(pa.month_day_nano_interval())), 2),
}
