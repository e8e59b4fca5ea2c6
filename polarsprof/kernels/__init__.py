"""Pure kernels: typed columns → one `ColumnBatch` per column and group.

Only integers beyond 64 bits are visited one by one in Python. A piece is counted once, by the method that suits a
sample of it (`value_counts`), and all figures come from those counts. Long columns are spread over the cores: the
expensive steps are in Polars and numpy, which release the interpreter lock.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Final

import polars as pl

from polarsprof.kernels import forks  # noqa: F401 - it must watch forks from the first use of Polars
from polarsprof.kernels.batch import ColumnBatch
from polarsprof.kernels.dtypes import Cut, Piece, cuts_of, pieces_of
from polarsprof.kernels.numbers import groups_batch, number_batch, wide_integer_batch
from polarsprof.kernels.strings import text_batch
from polarsprof.kernels.value_counts import number_groups

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from polarsprof.kernels.batch import TypedColumns
    from polarsprof.kernels.spec import ProfileSpec

# Average values per column. With fewer, threads spend their time on the interpreter lock: 1,000 columns of 750 values
# took 1.2 s on two cores and 0.5 s on one, 10 columns of 32,768 values took 28 ms and 33 ms.
_WORTH_THREADS: Final = 50_000


def column_batches(
    columns: TypedColumns, spec_of: Callable[[str], ProfileSpec], floor_of: Callable[[str, str], int] = lambda *_: 0
) -> Iterator[ColumnBatch]:
    """The batches by which the statistics of each column are updated.

    Parameters
    ----------
    columns
        Typed columns of any number of rows.
    spec_of
        Path → spec of the column; statistics that it does not track are not computed.
    floor_of
        Path and group → leading zeros that a hash needs to matter, see `Distinct.floor`. Other hashes are left out.

    Returns
    -------
    iterator of ColumnBatch
        No batch for a column without values; several for a column of mixed types or many rows. Other threads are
        working on long columns when this returns.
    """

    def batches_of(cut: Cut) -> list[ColumnBatch]:
        spec = spec_of(cut.path)
        return [_batch(piece, spec, floor_of(cut.path, piece.group)) for piece in pieces_of(cut)]

    return chain(chain.from_iterable(_map(batches_of, cuts_of(columns))), _rare_kinds(columns, spec_of))


def _rare_kinds(columns: TypedColumns, spec_of: Callable[[str], ProfileSpec]) -> Iterator[ColumnBatch]:
    for path, count in columns.structs.items():
        if count:
            yield ColumnBatch(path, "struct", {"count": count})
    for path, integers in columns.integers.items():
        yield wide_integer_batch(path, "number", integers, spec_of(path))
    for path, count in columns.objects.items():
        yield ColumnBatch(path, "object", {"count": count})


def _map(batches_of: Callable[[Cut], list[ColumnBatch]], cuts: list[Cut]) -> Iterator[list[ColumnBatch]]:
    if sum(len(cut.values) for cut in cuts) >= _WORTH_THREADS * len(cuts):
        with suppress(RuntimeError):  # an exiting interpreter accepts no more work
            return _threads().map(batches_of, cuts)
    return map(batches_of, cuts)


def _batch(piece: Piece, spec: ProfileSpec, floor: int) -> ColumnBatch:
    if piece.group == "list":
        batch = ColumnBatch(piece.path, "list", {"count": len(piece.values)})
        batch.length = groups_batch(piece.path, "number", number_groups(piece.values.to_numpy()), spec)
        return batch
    if piece.group == "boolean":
        return ColumnBatch(piece.path, "boolean", {"count": len(piece.values), "true": int(piece.values.sum())})
    batch_of = text_batch if piece.values.dtype in (pl.String, pl.Binary) else number_batch
    return batch_of(piece, spec, floor)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=pl.thread_pool_size(), thread_name_prefix="polarsprof-kernel")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)  # threads do not survive a fork
