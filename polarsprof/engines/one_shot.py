"""`profile`: bounded data in one call, by this process or by an executor."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final

from polarsprof.engines.executors import spread
from polarsprof.engines.splits import splits_of
from polarsprof.errors import argument_error
from polarsprof.ingest.frames import is_tabular
from polarsprof.ingest.json_lines import row_batches
from polarsprof.ingest.records import record_batches
from polarsprof.kernels.forks import refuse_forked
from polarsprof.profiles.merging import merged_file
from polarsprof.profiles.profile import Profile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from polarsprof.engines.executors import Executor
    from polarsprof.engines.splits import Split
    from polarsprof.kernels.batch import RowBatch
    from polarsprof.kernels.spec import ProfileSpec

_BATCH_RECORDS: Final = 32_768


def profile(
    data: object,
    *,
    spec: ProfileSpec | None = None,
    tags: Mapping[str, str] | None = None,
    metadata: Mapping[str, str] | None = None,
    executor: Executor | None = None,
) -> Profile:
    """Profile data in one call, in bounded memory.

    Parameters
    ----------
    data
        A Polars frame or lazy frame; an object with an Arrow C stream (pandas, pyarrow, DuckDB, narwhals, …); a cursor
        of ADBC; a file or data set of pyarrow; the path of a Parquet, CSV, NDJSON or Arrow IPC file, of a folder of
        them, or a shell pattern; or an iterable of any of these, or of records (mappings).
    spec
        Statistics and columns to track; default `ProfileSpec()`.
    tags, metadata
        Text to keep with the profile.
    executor
        An executor for the work, only for paths: an object with `submit` (pools of `concurrent.futures`, a `Client` of
        Dask) or with `map` (`multiprocessing.Pool`). It profiles splits of about 16 MiB and merges the results as a
        tree; it must find the files under the same paths. All figures are equal to those without an executor, floats
        within rounding. Default: this process, on all cores.

    Returns
    -------
    Profile
        The profile; its `window` is None. Rows that cannot be profiled are counted in `rejected`.

    Raises
    ------
    ArgumentError
        If the data is of another type, or is not a path while an executor is given.
    ClosedError
        If the executor forks, see `docs/executors.md`.

    Examples
    --------
    >>> import polarsprof as pp
    >>> import polars as pl
    >>> price = pp.profile(pl.DataFrame({"price": [9.5, None, 12.0]}))["price"]
    >>> price.count, price.null_count, price.min, price.mean
    (2, 1, 9.5, 10.75)
    """
    if executor is not None:
        return _profile_with(executor, data, Profile(spec, tags=tags, metadata=metadata))
    return profile_of(_batches(data), spec=spec, tags=tags, metadata=metadata)


def profile_of(
    batches: Iterable[RowBatch],
    *,
    spec: ProfileSpec | None = None,
    tags: Mapping[str, str] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Profile:
    """Profile batches of rows; for the other parameters see `profile`."""
    result = Profile(spec, tags=tags, metadata=metadata)
    result.update_all(batch.columns() for batch in batches)
    return result


def _profile_with(executor: Executor, data: object, result: Profile) -> Profile:
    file = spread(executor, partial(_profile_split, spec=result.spec), splits_of(data), merged_file)
    if file is not None:
        result.merge(Profile.from_bytes(file))
    return result


def _profile_split(split: Split, spec: ProfileSpec) -> bytes:
    refuse_forked()
    return profile_of(split.batches(), spec=spec).to_bytes()


def _batches(data: object) -> Iterator[RowBatch]:
    if is_tabular(data):
        yield from row_batches(data)
        return
    if isinstance(data, dict | bytes) or not hasattr(data, "__iter__"):
        raise argument_error("data", data, "a table, a path, or an iterable of tables, paths or records")
    items = iter(data)
    for first in items:
        all_items = chain([first], items)
        yield from row_batches(all_items) if is_tabular(first) else record_batches(all_items, _BATCH_RECORDS)
