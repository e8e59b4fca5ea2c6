"""Rows of a stream into a profile, whatever they are: what Polars cannot take is rejected and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polars.exceptions import PanicException

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from polarsprof.kernels.batch import RowBatch
    from polarsprof.profiles.profile import Profile


def update_or_reject(profile: Profile, batch: RowBatch, positions: NDArray[np.intp] | None = None) -> None:
    """Profile rows of a batch, by default all; what Polars cannot take is rejected and counted."""
    try:
        profile.update(batch.columns(positions))
    except (Exception, PanicException) as error:  # noqa: BLE001 - data must not end a stream, whatever it did to whom
        rows = batch.rows if positions is None else positions.size
        profile.rejected[f"could not be profiled: {type(error).__name__}"] += rows
