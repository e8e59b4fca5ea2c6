"""Lazy frames of Polars → frames in bounded batches, with every error of a query."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

BATCH_ROWS: Final = 262_144
_BATCHES_AHEAD: Final = 1


def query_batches(query: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """The batches of a query, in order.

    Not by `LazyFrame.collect_batches`, which ends as if the data were over if a worker thread of Polars panics.
    """
    run = _Run(query)
    try:
        yield from run.batches()
    finally:
        run.stop()


class _Run:
    """A query in a thread of its own, which waits until its batches are taken."""

    def __init__(self, query: pl.LazyFrame) -> None:
        self._query = query
        self._results: SimpleQueue[pl.DataFrame | BaseException | None] = SimpleQueue()
        self._free = threading.Semaphore(_BATCHES_AHEAD)
        self._is_stopped = False
        threading.Thread(target=self._work, name="polarsprof-query", daemon=True).start()

    def batches(self) -> Iterator[pl.DataFrame]:
        """Raises the error that ended the query, if there is one."""
        while (result := self._results.get()) is not None:
            if isinstance(result, BaseException):
                raise result
            yield result
            self._free.release()

    def stop(self) -> None:
        """End the query at its next batch."""
        self._is_stopped = True
        self._free.release()

    def _work(self) -> None:
        try:
            self._query.sink_batches(self._accept, chunk_size=BATCH_ROWS, maintain_order=True)
        except BaseException as error:  # noqa: BLE001 - raised in the thread of the caller
            self._results.put(error)
        else:
            self._results.put(None)

    def _accept(self, batch: pl.DataFrame) -> bool:
        """Hand over a batch; returns whether the query can end."""
        self._results.put(batch)
        self._free.acquire()
        return self._is_stopped
