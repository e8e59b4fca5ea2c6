"""`profile`: one call over data that is all there, by this process or by those of an executor."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

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
    data: Any,
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
        A Polars frame or lazy frame; anything with an Arrow C stream (pandas, pyarrow, DuckDB, narwhals, …); a cursor
        of ADBC, a file or data set of pyarrow; the path of a Parquet, CSV, NDJSON or Arrow IPC file, a shell pattern,
        a folder of such; or an iterable of any of these, or of records (mappings).
    spec
        What to track; default `ProfileSpec()`.
    tags, metadata
        Text to keep with the profile.
    executor
        Who does the work, for paths alone: anything with `submit` (pools of `concurrent.futures`, a `Client` of Dask)
        or with `map` (`multiprocessing.Pool`). Portions of some 16 MiB are profiled apart and merged as a tree, both by
        the executor, which has to find the files under the same paths. Figures are those without it, floats within
        rounding. Default: this process, on all cores.

    Returns
    -------
    Profile
        Its `window` is None. Rows that could not be profiled are counted in `rejected`.

    Raises
    ------
    ArgumentError
        For anything else.
    ClosedError
        By an executor that forks, see `docs/executors.md`.

    Examples
    --------
    >>> import polarsprof as pp
    >>> import polars as pl
    >>> price = pp.profile(pl.DataFrame({"price": [9.5, None, 12.0]}))["price"]
    >>> price.count, price.null_count, price.min, price.mean
    (2, 1, 9.5, 10.75)
    """
    if executor is not None:
        return _spread_profile(data, executor, Profile(spec, tags=tags, metadata=metadata))
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


def _spread_profile(data: Any, executor: Executor, result: Profile) -> Profile:
    file = spread(executor, partial(_split_file, spec=result.spec), splits_of(data), merged_file)
    if file is not None:
        result.merge(Profile.from_bytes(file))
    return result


def _split_file(split: Split, spec: ProfileSpec) -> bytes:
    refuse_forked()
    return profile_of(split.batches(), spec=spec).to_bytes()


def _batches(data: Any) -> Iterator[RowBatch]:
    if is_tabular(data):
        yield from row_batches(data)
        return
    if isinstance(data, dict | bytes) or not hasattr(data, "__iter__"):
        raise argument_error("data", data, "a table, a path, or an iterable of tables, paths or records")
    parts = iter(data)
    for first in parts:
        everything = chain([first], parts)
        yield from row_batches(everything) if is_tabular(first) else record_batches(everything, _BATCH_RECORDS)
