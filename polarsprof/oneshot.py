"""`profile`: one call over data that is all there."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from polarsprof.errors import argument_error
from polarsprof.frames import frames, is_tabular, typed_columns
from polarsprof.profiles import Profile
from polarsprof.records import typed_columns as typed_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from polarsprof.batch import TypedColumns
    from polarsprof.spec import ProfileSpec

_BATCH_RECORDS: Final = 8_192


def profile(
    data: Any,
    *,
    spec: ProfileSpec | None = None,
    tags: Mapping[str, str] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Profile:
    """Profile data in one call, in bounded memory.

    Parameters
    ----------
    data
        A Polars frame or lazy frame; anything with an Arrow C stream (pandas, pyarrow, DuckDB, …); the path of a
        Parquet, CSV, NDJSON or Arrow IPC file, a shell pattern, a folder of such; or an iterable of any of these, or
        of records (mappings).
    spec
        What to track; default `ProfileSpec()`.
    tags, metadata
        Text to keep with the profile.

    Returns
    -------
    Profile
        Its `window` is None. Rows that could not be profiled are counted in `rejected`.

    Raises
    ------
    ArgumentError
        For anything else.

    Examples
    --------
    >>> import polarsprof as pp
    >>> import polars as pl
    >>> price = pp.profile(pl.DataFrame({"price": [9.5, None, 12.0]}))["price"]
    >>> price.count, price.null_count, price.min, price.mean
    (2, 1, 9.5, 10.75)
    """
    result = Profile(spec, tags=tags, metadata=metadata)
    result.update_all(_typed(data))
    return result


def _typed(data: Any) -> Iterator[TypedColumns]:
    if is_tabular(data):
        yield from map(typed_columns, frames(data))
        return
    if isinstance(data, dict | bytes) or not hasattr(data, "__iter__"):
        raise argument_error("data", data, "a table, a path, or an iterable of tables, paths or records")
    parts = iter(data)
    first = next(parts, None)
    if first is None:
        return
    if is_tabular(first):
        yield from map(typed_columns, frames(chain([first], parts)))
    else:
        yield from _typed_records(chain([first], parts))


def _typed_records(records: Iterable[object]) -> Iterator[TypedColumns]:
    remaining = iter(records)
    while batch := list(islice(remaining, _BATCH_RECORDS)):
        yield typed_records(batch)
