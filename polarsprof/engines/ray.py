"""Profiles of Ray data sets: each block is profiled in place, only profiles move.

All figures are equal to those of one process, floats within rounding. Ray tasks merge the profiles of blocks as a tree,
and only the merged profiles arrive. Ray is imported on first use.
"""

from __future__ import annotations

import math
from decimal import Decimal
from functools import cache, partial
from io import BytesIO
from typing import TYPE_CHECKING, Any, overload

import polars as pl
import pyarrow as pa

from polarsprof.engines.executors import spread
from polarsprof.engines.one_shot import profile
from polarsprof.errors import argument_error
from polarsprof.ingest.frames import frames, typed_columns
from polarsprof.kernels.spec import checked_spec
from polarsprof.profiles.merging import merged_file
from polarsprof.profiles.profile import Profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from polarsprof.kernels.spec import ProfileSpec


@overload
def profile_dataset(ds: object, by: None = None, *, spec: ProfileSpec | None = None) -> Profile: ...
@overload
def profile_dataset(ds: object, by: str | Sequence[str], *, spec: ProfileSpec | None = None) -> dict[Any, Profile]: ...
def profile_dataset(
    ds: object, by: str | Sequence[str] | None = None, *, spec: ProfileSpec | None = None
) -> Profile | dict[Any, Profile]:
    """Profile a Ray data set, whole or by groups.

    Parameters
    ----------
    ds
        A `ray.data.Dataset`; it is executed. Blocks can have different columns.
    by
        Name of a column to group by, or several names. A block without the column has nulls in it.
    spec
        Statistics and columns to track; default `ProfileSpec()`.

    Returns
    -------
    Profile or dict
        Without `by`, one profile. With a name, value → profile of the rows with that value; with a list of names, the
        keys are tuples of values. Null is `None`, NaN is `math.nan`, equal numbers are one key. An empty data set has
        no groups.

    Raises
    ------
    ArgumentError
        If the object is not a Ray data set, or a column is missing or nested.
    ImportError
        If Ray is not installed.

    Notes
    -----
    The profiles of all groups come to the caller, about 10 KiB per column: a few thousand groups are fine, one profile
    per user is not. Ray returns blocks as they complete, so the last digit of float sums can differ between runs,
    unless `preserve_order` is set in the `execution_options` of its `DataContext`.
    """
    ray = _ray()
    if not isinstance(ds, ray.data.Dataset):
        raise argument_error("ds", ds, "a ray.data.Dataset", "tables, files and records go to polarsprof.profile")
    if by is None:
        return _groups(ds, [], checked_spec(spec)).get((), Profile(spec))
    groups = _groups(ds, _checked_names(ds, by), checked_spec(spec))
    return {key[0]: group for key, group in groups.items()} if isinstance(by, str) else groups


class RayExecutor:
    """Ray tasks as an executor for `polarsprof.profile`; results stay in Ray.

    Raises
    ------
    ImportError
        If Ray is not installed.

    Examples
    --------
    `pp.profile("/data/*.parquet", executor=RayExecutor())`: every node needs the files under the same paths.
    """

    takes_futures = True

    def __init__(self) -> None:
        _ray()

    def submit(self, function: Callable[..., Any], /, *arguments: object) -> RayFuture:
        """A future of the result; a future as argument stands for its result."""
        references = [argument.ref if isinstance(argument, RayFuture) else argument for argument in arguments]
        return RayFuture(_task().remote(function, *references))


class RayFuture:
    """The future result of a Ray task.

    Attributes
    ----------
    ref
        The `ray.ObjectRef`.
    """

    def __init__(self, ref: object) -> None:
        self.ref = ref

    def result(self) -> Any:
        """Wait for the task; its result, or its error raised."""
        ray = _ray()
        try:
            return ray.get(self.ref)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None

    def exception(self) -> None:
        """Wait for the task without fetching the result; `result` raises an error."""
        _ray().wait([self.ref], fetch_local=False)

    def cancel(self) -> None:
        """Cancel the task if it has not started."""
        _ray().cancel(self.ref)


def _groups(ds: Any, names: list[str], spec: ProfileSpec) -> dict[tuple[Any, ...], Profile]:
    """Values of the named columns → profile of the rows; () → all rows without names."""
    blocks = ds.map_batches(partial(_profile_block, names=names, spec=spec), batch_format="pyarrow").to_arrow_refs()
    table: pa.Table | None = spread(RayExecutor(), _merge_tables, map(RayFuture, blocks), _merge_tables)
    profiles: dict[tuple[Any, ...], Profile] = {}
    for row in [] if table is None else table.to_pylist():
        profiles.setdefault(_values_of(row["key"]), Profile(spec)).merge(Profile.from_bytes(row["profile"]))
    return dict(sorted(profiles.items(), key=lambda item: [_sort_key(value) for value in item[0]]))


def _profile_block(block: pa.Table, names: list[str], spec: ProfileSpec) -> pa.Table:
    """A table with a row per group of the block: its key and its profile."""
    if not names:
        return _table({b"": profile(block, spec=spec).to_bytes()})
    profiles: dict[bytes, Profile] = {}
    for frame in frames(block):
        for key, rows in _rows_by_key(frame, names):
            profiles.setdefault(key, Profile(spec)).update(typed_columns(rows))
    return _table({key: group.to_bytes() for key, group in profiles.items()})


def _rows_by_key(frame: pl.DataFrame, names: list[str]) -> Iterator[tuple[bytes, pl.DataFrame]]:
    """The key and the rows of each group."""
    keys = frame.select(_key_column(frame, name).alias(f"{at}") for at, name in enumerate(names))
    for rows in keys.with_row_index("row").group_by(keys.columns, maintain_order=True).agg("row")["row"]:
        yield _key_of(keys[rows[:1]]), frame[rows]


def _merge_tables(*tables: pa.Table) -> pa.Table:
    files_by_key: dict[bytes, list[bytes]] = {}
    for table in tables:
        if table.num_rows:  # Ray makes a table without columns of a block without rows
            for key, file in zip(table["key"].to_pylist(), table["profile"].to_pylist(), strict=True):
                files_by_key.setdefault(key, []).append(file)
    return _table({key: merged_file(*files) for key, files in files_by_key.items()})


def _table(files: dict[bytes, bytes]) -> pa.Table:
    kind = pa.large_binary()
    return pa.table({"key": pa.array(list(files), kind), "profile": pa.array(list(files.values()), kind)})


def _checked_names(ds: Any, by: object) -> list[str]:
    names = [by] if isinstance(by, str) else by
    if not isinstance(names, list | tuple) or not names or not all(isinstance(name, str) for name in names):
        raise argument_error("by", by, "the name of a column, or a list of names")
    if len(set(names)) < len(names):
        raise argument_error("by", by, "different names")
    schema = ds.schema()
    if schema is not None:  # None if the data set is empty
        columns = dict(zip(schema.names, schema.types, strict=True))
        for name in names:
            if name not in columns:
                raise argument_error("by", name, f"one of the columns {', '.join(map(repr, list(columns)[:20]))}")
            if isinstance(columns[name], pa.DataType) and pa.types.is_nested(columns[name]):
                raise argument_error("by", name, "a column of plain values", f"it has type {columns[name]}")
    return list(names)


def _key_column(frame: pl.DataFrame, name: str) -> pl.Series:
    if name not in frame.columns:
        return pl.repeat(None, frame.height, dtype=pl.Null, eager=True)
    column = frame[name]
    if column.dtype.is_nested() or column.dtype == pl.Object or isinstance(column.dtype, pl.Extension):
        raise argument_error("by", name, "a column of plain values", f"it has type {column.dtype}")
    return column


def _key_of(row: pl.DataFrame) -> bytes:
    """A key as an IPC file of one row, because the dtypes of blocks can differ."""
    return row.write_ipc(None).getvalue()


def _values_of(key: bytes) -> tuple[Any, ...]:
    values = pl.read_ipc(BytesIO(key)).row(0) if key else ()
    return tuple(math.nan if _is_nan(value) else value for value in values)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _sort_key(value: object) -> tuple[int, Any]:
    """The order of keys: numbers, other values by their text, NaN, null."""
    if value is None or _is_nan(value):
        return (3 if value is None else 2), 0
    return (0, value) if isinstance(value, int | float | Decimal) else (1, str(value))


def _ray() -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ImportError("polarsprof.engines.ray needs Ray: pip install 'polarsprof[ray]'") from error
    return ray


@cache
def _task() -> Any:
    return _ray().remote(_call)


def _call(function: Callable[..., object], *arguments: object) -> object:
    return function(*arguments)
