"""`WriterSettings`: the checked options of one logger, as its writer needs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from polarsprof.kernels.spec import ProfileSpec
    from polarsprof.profiles.profile import Profile
    from polarsprof.store.profile_store import ProfileStore
    from polarsprof.windowing.clock import Clock
    from polarsprof.windowing.windowing import Windowing


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterSettings:
    """The data set of a writer, its stores, and how it cuts the stream into windows.

    Attributes
    ----------
    stores
        The stores that take every pane, at least one; the state of the writer lies beside the first.
    late_dataset
        The data set that takes rows that are too late; None rejects them.
    checkpoint_every_us
        Longest wait of a change for a checkpoint, in microseconds; None saves no checkpoints.
    on_pane
        Called with the profile of each published pane; None calls nothing.
    """

    dataset: str
    stores: tuple[ProfileStore, ...]
    spec: ProfileSpec
    clock: Clock
    windowing: Windowing
    tags: Mapping[str, str]
    metadata: Mapping[str, str]
    late_dataset: str | None
    checkpoint_every_us: int | None
    on_pane: Callable[[Profile], object] | None

    @property
    def state_folder(self) -> Path:
        """The folder of checkpoints, journals and locks, beside the first store."""
        return self.stores[0].state_folder
