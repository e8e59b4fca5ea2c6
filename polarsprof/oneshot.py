"""`profile`: one call over data that is all there."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from polarsprof.errors import argument_error
from polarsprof.frames import is_tabular
from polarsprof.jsonlines import row_batches
from polarsprof.profiles import Profile
from polarsprof.records import record_batches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from polarsprof.batch import RowBatch
    from polarsprof.spec import ProfileSpec

_BATCH_RECORDS: Final = 32_768


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
        A Polars frame or lazy frame; anything with an Arrow C stream (pandas, pyarrow, DuckDB, narwhals, …); a cursor
        of ADBC, a file or data set of pyarrow; the path of a Parquet, CSV, NDJSON or Arrow IPC file, a shell pattern,
        a folder of such; or an iterable of any of these, or of records (mappings).
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
    return profile_of(_batches(data), spec=spec, tags=tags, metadata=metadata)


def profile_of(
    batches: Iterable[RowBatch],
    *,
    spec: ProfileSpec | None = None,
    tags: Mapping[str, str] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Profile:
    """Profile rows that come in batches; for the rest see `profile`."""
    result = Profile(spec, tags=tags, metadata=metadata)
    result.update_all(batch.columns() for batch in batches)
    return result


def _batches(data: Any) -> Iterator[RowBatch]:
    if is_tabular(data):
        yield from row_batches(data)
        return
    if isinstance(data, dict | bytes) or not hasattr(data, "__iter__"):
        raise argument_error("data", data, "a table, a path, or an iterable of tables, paths or records")
    parts = iter(data)
    first = next(parts, None)
    if first is None:
        return
    everything = chain([first], parts)
    yield from row_batches(everything) if is_tabular(first) else record_batches(everything, _BATCH_RECORDS)
