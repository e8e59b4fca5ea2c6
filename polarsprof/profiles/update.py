"""Update of a profile that rejects and counts rows instead of raising."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polars.exceptions import PanicException

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from polarsprof.kernels.batch import RowBatch
    from polarsprof.profiles.profile import Profile


def update_or_reject(profile: Profile, batch: RowBatch, positions: NDArray[np.intp] | None = None) -> None:
    """Profile rows of a batch, by default all; if that fails, reject and count them."""
    try:
        profile.update(batch.columns(positions))
    except (Exception, PanicException) as error:  # noqa: BLE001 - no data may end a stream
        rows = batch.rows if positions is None else positions.size
        profile.rejected[f"could not be profiled: {type(error).__name__}"] += rows
