"""`Rotation`: assigns rows to open windows and seals windows that are complete.

A window is sealed once the watermark passes its end (the clock, without event time), when the stream has been idle,
when too many windows are open, or on request. A row of a sealed window opens that window anew. A sealed profile never
changes, so no row is lost, and readers merge the panes of a window.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from polarsprof.errors import PolarsprofError, run_all
from polarsprof.profiles.profile import Profile
from polarsprof.profiles.update import update_or_reject
from polarsprof.stream.checkpoints.messages import OpenWindow, RotationState
from polarsprof.windowing.watermark import Watermark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from polarsprof.kernels.batch import RowBatch
    from polarsprof.windowing.tumbling import Window
    from polarsprof.windowing.windowing import Windowing

_NEVER: Final = 2**63 - 1


_INITIAL: Final = RotationState()


@dataclass(slots=True)
class _Open:
    profile: Profile
    window: Window
    seal_at_us: int  # by the watermark
    file: bytes = b""  # the profile as a file; empty if it changed since

    def to_bytes(self) -> bytes:
        """Return the profile as a file, encoded again only if it changed."""
        self.file = self.file or self.profile.to_bytes()
        return self.file


class Rotation:
    """The open windows of one stream.

    Parameters
    ----------
    windowing
        The rule by which the stream is cut into windows.
    new_profile
        Creates the empty profile of a window.
    on_seal
        Takes each sealed profile, and its window.
    on_too_late
        Takes a batch and the positions of its rows that are too late; by default they are rejected.
    state
        The state of an earlier rotation of the same stream.

    Raises
    ------
    CorruptProfile, UnsupportedVersion
        If the profiles of a state cannot be read.
    """

    def __init__(
        self,
        windowing: Windowing,
        new_profile: Callable[[Window], Profile],
        on_seal: Callable[[Profile, Window], None],
        on_too_late: Callable[[RowBatch, NDArray[np.intp]], None] | None = None,
        state: RotationState = _INITIAL,
    ) -> None:
        self._windowing = windowing
        self._new_profile = new_profile
        self._on_seal = on_seal
        self._on_too_late = on_too_late
        self._open = {window.start_us: self._reopened(window, state.last_row_us) for window in state.open}
        self._watermark = Watermark(windowing.max_out_of_orderness_us, windowing.max_future_us, state.latest_us)
        self._last_row_us = state.last_row_us

    @property
    def watermark_us(self) -> int | None:
        """Event time up to which windows are sealed; None before the first row."""
        return self._watermark.value_us

    def state(self, errors: list[Exception]) -> RotationState:
        """Return the state for a checkpoint.

        A window that cannot be encoded is left out, and its error is collected.
        """
        windows = []
        for start_us, opened in self._open.items():
            try:
                windows.append(OpenWindow(start_us, opened.seal_at_us, opened.to_bytes()))
            except Exception as error:  # noqa: BLE001 - the caller raises it once the other windows are safe
                errors.append(error)
        return RotationState(self._watermark.latest_us, self._last_row_us, tuple(windows))

    @property
    def latest_us(self) -> int | None:
        """The latest event time that advances the watermark; None before the first row."""
        return self._watermark.latest_us

    @property
    def last_row_us(self) -> int:
        """Time of arrival of the last rows; 0 before the first."""
        return self._last_row_us

    def add(self, batch: RowBatch, arrival_us: int, positions: NDArray[np.intp] | None = None) -> None:
        """Profile rows of a batch, by default all, in their windows.

        Rows that Polars cannot take are rejected there.
        """
        times, known = self._times(batch, arrival_us)
        starts = self._windowing.starts(times)
        chosen = np.arange(batch.rows) if positions is None else positions
        wanted = self._wanted(starts[chosen], arrival_us)
        self._last_row_us = arrival_us
        for start, of_window in _groups(starts, chosen[wanted]):
            opened = self._opened(start, arrival_us)
            profile, opened.file = opened.profile, b""
            update_or_reject(profile, batch, None if of_window.size == batch.rows else of_window)
            profile.late_rows += of_window.size if self._is_past(opened.window.end_us) else 0
            self._count_times(profile, times[of_window], known[of_window], arrival_us)
            self._seal_oldest_beyond_bound(arrival_us)
        if not wanted.all():
            self._divert_too_late(batch, chosen[~wanted], arrival_us)
        self._watermark.observe(times[chosen][known[chosen]], arrival_us)

    def discard(self, start_us: int) -> None:
        """Forget the open window with that start, if there is one."""
        self._open.pop(start_us, None)

    def seal_due(self, now_us: int) -> None:
        """Seal the windows that are complete."""
        windowing = self._windowing
        if windowing.tumbling is None:
            return
        if windowing.timestamp is None:
            self._watermark.observe(np.array([now_us]), now_us)
        watermark_us = self._watermark.value_us
        idle = self._idle_at_us() <= now_us
        done = (
            start
            for start in sorted(self._open)
            if idle or (watermark_us is not None and self._open[start].seal_at_us <= watermark_us)
        )
        self._seal_each(list(done), now_us)

    def seal_all(self, now_us: int) -> None:
        """Seal every open window."""
        self._seal_each(sorted(self._open), now_us)

    def next_due_us(self) -> int | None:
        """Return the next time a window must be sealed without new rows; None if none."""
        if self._windowing.tumbling is None or not self._open:
            return None
        if self._windowing.timestamp is None:
            return min(opened.seal_at_us for opened in self._open.values()) + self._windowing.max_out_of_orderness_us
        due_us = self._idle_at_us()
        return None if due_us == _NEVER else due_us

    @property
    def open_starts_us(self) -> list[int]:
        """The starts of the open windows."""
        return list(self._open)

    def open_profile(self, start_us: int) -> Profile | None:
        """Return the profile of the open window with that start; None if it is not open."""
        opened = self._open.get(start_us)
        return None if opened is None else opened.profile

    def open_profiles(self) -> list[Profile]:
        """Return the profiles of the open windows, earliest first."""
        return [opened.profile for _, opened in sorted(self._open.items())]

    def open_paths(self) -> tuple[list[int], set[str]]:
        """Return the starts of the open windows and the paths of their columns."""
        return self.open_starts_us, set().union(*(profile.paths for profile in self.open_profiles()))

    def select(self, start_us: int, paths: Iterable[str]) -> bytes:
        """Return some columns of an open window as a file; empty if it is not open."""
        profile = self.open_profile(start_us)
        return b"" if profile is None else profile.select(paths).to_bytes()

    def _times(self, batch: RowBatch, arrival_us: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the time of each row, its arrival if it has none, and whether it has one."""
        if self._windowing.timestamp is None:
            return np.full(batch.rows, arrival_us), np.ones(batch.rows, dtype=bool)
        times = batch.times_us(self._windowing.timestamp, self._windowing.timestamp_unit)
        return times.fill_null(arrival_us).to_numpy(), times.is_not_null().to_numpy()

    def _wanted(self, starts: NDArray[np.int64], now_us: int) -> NDArray[np.bool_]:
        lateness_us, watermark_us = self._windowing.allowed_lateness_us, self._watermark.value_us
        wanted = np.ones(starts.size, dtype=bool)
        rotates = self._windowing.tumbling is not None
        if rotates and lateness_us is not None and watermark_us is not None:
            for start in np.unique(starts).tolist():
                if self._windowing.window(start, now_us).end_us + lateness_us <= watermark_us:
                    wanted[starts == start] = False
        return wanted

    def _divert_too_late(self, batch: RowBatch, positions: NDArray[np.intp], arrival_us: int) -> None:
        """Hand over rows that are too late, or count them in the latest open window.

        If no window is open, they are counted in the current one.
        """
        if self._on_too_late is not None:
            self._on_too_late(batch, positions)
            return
        if not self._open:
            self._opened(int(self._windowing.starts(np.array([arrival_us]))[0]), arrival_us)
        latest = self._open[max(self._open)]
        latest.profile.rejected["too late"] += positions.size
        latest.file = b""

    def _reopened(self, saved: OpenWindow, now_us: int) -> _Open:
        window = self._windowing.window(saved.start_us, now_us)
        return _Open(Profile.from_bytes(saved.profile), window, saved.seal_at_us)

    def _opened(self, start_us: int, now_us: int) -> _Open:
        opened = self._open.get(start_us)
        if opened is None:
            window = self._windowing.window(start_us, now_us)
            seal_at_us = window.end_us
            if self._watermark.value_us is not None and self._is_past(window.end_us):
                # Late rows tend to come together, so their pane stays open for the length of a window.
                seal_at_us = self._watermark.value_us + window.end_us - window.start_us
            opened = self._open[start_us] = _Open(self._new_profile(window), window, seal_at_us)
        return opened

    def _is_past(self, end_us: int) -> bool:
        rotates = self._windowing.tumbling is not None
        return rotates and self._watermark.value_us is not None and end_us <= self._watermark.value_us

    def _count_times(
        self, profile: Profile, times: NDArray[np.int64], known: NDArray[np.bool_], arrival_us: int
    ) -> None:
        profile.untimed_rows += int((~known).sum())
        profile.future_rows += int((times > arrival_us + self._windowing.max_future_us).sum())
        if known.any():
            profile.observe_times(int(times[known].min()), int(times[known].max()))

    def _seal_oldest_beyond_bound(self, now_us: int) -> None:
        excess = len(self._open) - self._windowing.max_open_windows
        for start in sorted(self._open)[:excess] if excess > 0 else []:
            with suppress(Exception):  # the batch goes on; the window stays open, and sealing it later raises
                self._seal(start, now_us)

    def _seal_each(self, starts: list[int], now_us: int) -> None:
        """Seal windows; one that cannot be sealed stays open and keeps no other from it."""
        run_all((partial(self._seal, start, now_us) for start in starts), PolarsprofError)

    def _seal(self, start_us: int, now_us: int) -> None:
        profile = self._open[start_us].profile
        profile.window = window = self._windowing.window(start_us, now_us)
        self._on_seal(profile, window)
        del self._open[start_us]  # only now: if `on_seal` raises, its rows must stay

    def _idle_at_us(self) -> int:
        if self._windowing.timestamp is None or self._windowing.idle_timeout_us is None:
            return _NEVER
        return self._last_row_us + self._windowing.idle_timeout_us


def _groups(starts: NDArray[np.int64], positions: NDArray[np.intp]) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Yield (window start, positions in that window, in order), earliest window first."""
    ordered = positions[np.argsort(starts[positions], kind="stable")]
    bounds = np.flatnonzero(np.diff(starts[ordered])) + 1
    for group in np.split(ordered, bounds):
        if group.size:
            yield int(starts[group[0]]), group
