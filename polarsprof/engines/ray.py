"""Profiles of data sets of Ray: each block is profiled where it lies, and only profiles travel.

Figures are those of one process, floats within rounding. Tasks of Ray merge the profiles of blocks as a tree, and what
arrives is merged already. Ray is imported when it is used.
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
def profile_dataset(ds: Any, by: None = None, *, spec: ProfileSpec | None = None) -> Profile: ...
@overload
def profile_dataset(ds: Any, by: str | Sequence[str], *, spec: ProfileSpec | None = None) -> dict[Any, Profile]: ...
def profile_dataset(
    ds: Any, by: str | Sequence[str] | None = None, *, spec: ProfileSpec | None = None
) -> Profile | dict[Any, Profile]:
    """Profile a data set of Ray, whole or by groups.

    Parameters
    ----------
    ds
        A `ray.data.Dataset`; it is executed. Blocks may have different columns.
    by
        A column whose values make groups, or several. A block without the column has nulls there.
    spec
        What to track; default `ProfileSpec()`.

    Returns
    -------
    Profile or dict
        Without `by` one profile. With a name, value → profile of the rows with that value; with a list of names, tuples
        of values. Null is `None`, NaN is `math.nan`, equal numbers are one key. An empty data set has no groups.

    Raises
    ------
    ArgumentError
        For what is no data set, for a column that is not there or is nested.
    ImportError
        Where Ray is missing.

    Notes
    -----
    All profiles of groups come to the caller, some 10 KiB a column: a few thousand groups are fine, a profile of each
    user is not. Ray hands out blocks as they are done, so that the last digit of sums of floats may differ from run to
    run, unless `preserve_order` is set among the `execution_options` of its `DataContext`.
    """
    ray = _ray()
    if not isinstance(ds, ray.data.Dataset):
        raise argument_error("ds", ds, "a ray.data.Dataset", "tables, files and records go to polarsprof.profile")
    if by is None:
        return _groups(ds, [], checked_spec(spec)).get((), Profile(spec))
    groups = _groups(ds, _names(ds, by), checked_spec(spec))
    return {key[0]: found for key, found in groups.items()} if isinstance(by, str) else groups


class RayExecutor:
    """Tasks of Ray as an executor for `polarsprof.profile`; results stay in the object store of Ray.

    Examples
    --------
    `pp.profile("/data/*.parquet", executor=RayExecutor())`: every node needs the files under the same paths.
    """

    takes_futures = True

    def __init__(self) -> None:
        _ray()

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> RayFuture:
        """A future of what the function returns; futures among the arguments stand for their results."""
        known = [argument.ref if isinstance(argument, RayFuture) else argument for argument in arguments]
        return RayFuture(_task().remote(function, *known))


class RayFuture:
    """What a task of Ray will return.

    Attributes
    ----------
    ref
        The `ray.ObjectRef`.
    """

    def __init__(self, ref: Any) -> None:
        self.ref = ref

    def result(self) -> Any:
        """What it returned; the error it raised is raised."""
        ray = _ray()
        try:
            return ray.get(self.ref)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None

    def exception(self) -> None:
        """Wait until it is done; an error comes with `result`, so that nothing is fetched here."""
        _ray().wait([self.ref], fetch_local=False)

    def cancel(self) -> None:
        """Do not begin it, if that is still possible."""
        _ray().cancel(self.ref)


def _groups(ds: Any, names: list[str], spec: ProfileSpec) -> dict[tuple[Any, ...], Profile]:
    """The values of the named columns → profile of their rows; without a name, no value → profile of all rows."""
    blocks = ds.map_batches(partial(_profiled, names=names, spec=spec), batch_format="pyarrow").to_arrow_refs()
    table = spread(RayExecutor(), _merged_tables, map(RayFuture, blocks), _merged_tables)
    found: dict[tuple[Any, ...], Profile] = {}
    for row in [] if table is None else table.to_pylist():
        found.setdefault(_values_of(row["key"]), Profile(spec)).merge(Profile.from_bytes(row["profile"]))
    return dict(sorted(found.items(), key=lambda item: [_place(value) for value in item[0]]))


def _profiled(block: pa.Table, names: list[str], spec: ProfileSpec) -> pa.Table:
    """A row per group of the block: its key, and the profile of its rows."""
    if not names:
        return _table({b"": profile(block, spec=spec).to_bytes()})
    found: dict[bytes, Profile] = {}
    for frame in frames(block):
        for key, rows in _cut(frame, names):
            found.setdefault(key, Profile(spec)).update(typed_columns(rows))
    return _table({key: of_group.to_bytes() for key, of_group in found.items()})


def _cut(frame: pl.DataFrame, names: list[str]) -> Iterator[tuple[bytes, pl.DataFrame]]:
    """The rows of each group, with its key."""
    keys = frame.select(_key_column(frame, name).alias(f"{at}") for at, name in enumerate(names))
    for rows in keys.with_row_index("row").group_by(keys.columns, maintain_order=True).agg("row")["row"]:
        yield _key_of(keys[rows[:1]]), frame[rows]


def _merged_tables(*tables: pa.Table) -> pa.Table:
    found: dict[bytes, list[bytes]] = {}
    for table in tables:
        if table.num_rows:  # of a block without rows Ray makes one without columns
            for key, file in zip(table["key"].to_pylist(), table["profile"].to_pylist(), strict=True):
                found.setdefault(key, []).append(file)
    return _table({key: merged_file(*files) for key, files in found.items()})


def _table(files: dict[bytes, bytes]) -> pa.Table:
    kind = pa.large_binary()
    return pa.table({"key": pa.array(list(files), kind), "profile": pa.array(list(files.values()), kind)})


def _names(ds: Any, by: object) -> list[str]:
    names = [by] if isinstance(by, str) else by
    if not isinstance(names, list | tuple) or not names or not all(isinstance(name, str) for name in names):
        raise argument_error("by", by, "the name of a column, or a list of some")
    if len(set(names)) < len(names):
        raise argument_error("by", by, "names that differ")
    schema = ds.schema()
    if schema is not None:  # it has rows
        columns = dict(zip(schema.names, schema.types, strict=True))
        for name in names:
            if name not in columns:
                raise argument_error("by", name, f"one of the columns {', '.join(map(repr, list(columns)[:20]))}")
            if isinstance(columns[name], pa.DataType) and pa.types.is_nested(columns[name]):
                raise argument_error("by", name, "a column of plain values", f"it is of the type {columns[name]}")
    return list(names)


def _key_column(frame: pl.DataFrame, name: str) -> pl.Series:
    if name not in frame.columns:
        return pl.repeat(None, frame.height, dtype=pl.Null, eager=True)
    column = frame[name]
    if column.dtype.is_nested() or column.dtype == pl.Object or isinstance(column.dtype, pl.Extension):
        raise argument_error("by", name, "a column of plain values", f"it is of the type {column.dtype}")
    return column


def _key_of(row: pl.DataFrame) -> bytes:
    """A key as a file of one row, since the dtypes of blocks may differ; equal ones become one by their values."""
    return row.write_ipc(None).getvalue()


def _values_of(key: bytes) -> tuple[Any, ...]:
    values = pl.read_ipc(BytesIO(key)).row(0) if key else ()
    return tuple(math.nan if _is_nan(value) else value for value in values)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _place(value: Any) -> tuple[int, Any]:
    """Where a value stands among keys: numbers, then others by their text, NaN, null."""
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


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)
