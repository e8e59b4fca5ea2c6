"""Open profiles per window → sealed ones: which window a row belongs to, and when a window is done.

A window is sealed once the watermark passes its end (without event time: once the clock does), when the stream has been
idle, when too many windows are open, or on request. A row whose window is sealed already opens that window anew; what
was sealed is never touched again, so nothing is lost and readers merge the panes.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from polarsprof.errors import PolarsprofError, raise_one
from polarsprof.profiles.merging import merge
from polarsprof.profiles.profile import Profile
from polarsprof.profiles.update import update_or_reject
from polarsprof.windowing.tumbling import Tumbling, Watermark, Window, label_of_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from polarsprof.kernels.batch import RowBatch

_NEVER: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Windowing:
    """How a stream is cut into windows; durations and instants in microseconds.

    Attributes
    ----------
    tumbling
        The windows; None for one window from `start_us` on.
    timestamp, timestamp_unit
        Path of the event time and the unit of its numbers; None: arrival time, told by magnitude.
    max_out_of_orderness_us
        How far the watermark stays behind the latest event time.
    allowed_lateness_us
        Rows whose window ended longer ago than this by the watermark are rejected; None: never.
    idle_timeout_us
        Silence after which all windows are sealed; None: never. Only with event time.
    max_future_us
        Rows further ahead of the clock do not advance the watermark.
    max_open_windows
        Beyond it the oldest window is sealed.
    start_us
        Start of the one window of a stream without rotation.
    """

    tumbling: Tumbling | None
    timestamp: str | None
    timestamp_unit: str | None
    max_out_of_orderness_us: int
    allowed_lateness_us: int | None
    idle_timeout_us: int | None
    max_future_us: int
    max_open_windows: int
    start_us: int

    def starts(self, times_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """The start of the window of each time."""
        return np.full_like(times_us, self.start_us) if self.tumbling is None else self.tumbling.starts(times_us)

    def window(self, start_us: int, now_us: int) -> Window:
        """The window that starts then; without rotation it ends now."""
        if self.tumbling is None:
            return Window(start_us, max(now_us, start_us + 1))
        return self.tumbling.window_of(start_us)

    def label(self, window: Window) -> str:
        """The name of the window in a file name."""
        return label_of_instant(window.start_us) if self.tumbling is None else self.tumbling.label(window)


@dataclass(frozen=True, slots=True)
class OpenWindow:
    """A window that is open, to be kept; its end by the watermark in microseconds, its profile in bytes."""

    start_us: int
    seal_at_us: int
    profile: bytes


@dataclass(frozen=True, slots=True)
class RotationState:
    """All that a rotation knows, to be kept; instants in microseconds."""

    latest_us: int | None = None
    last_row_us: int = 0
    open: tuple[OpenWindow, ...] = ()


_AT_FIRST: Final = RotationState()


@dataclass(slots=True)
class _Open:
    profile: Profile
    window: Window
    seal_at_us: int  # by the watermark
    written: bytes = b""  # the profile, unless it changed since

    def in_bytes(self) -> bytes:
        """The profile; what did not change between two checkpoints is not written twice."""
        self.written = self.written or self.profile.to_bytes()
        return self.written


class Rotation:
    """The open windows of one stream.

    Parameters
    ----------
    windowing
        How the stream is cut.
    new_profile
        Makes the empty profile of a window.
    on_seal
        Takes each profile that is sealed, and its window.
    on_too_late
        Takes a batch and the positions of its rows whose window takes none any more; by default they are rejected.
    state
        Where another rotation of the same stream was.

    Raises
    ------
    CorruptProfile, UnsupportedVersion
        For a state whose profiles cannot be read.
    """

    def __init__(
        self,
        windowing: Windowing,
        new_profile: Callable[[Window], Profile],
        on_seal: Callable[[Profile, Window], None],
        on_too_late: Callable[[RowBatch, NDArray[np.intp]], None] | None = None,
        state: RotationState = _AT_FIRST,
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
        """Where it is, for another one to go on from; a window that bytes cannot say is left out with its error."""
        windows = []
        for start_us, opened in self._open.items():
            try:
                windows.append(OpenWindow(start_us, opened.seal_at_us, opened.in_bytes()))
            except Exception as error:  # noqa: BLE001 - who asked raises it, when the others are safe
                errors.append(error)
        return RotationState(self._watermark.latest_us, self._last_row_us, tuple(windows))

    @property
    def latest_us(self) -> int | None:
        """The latest event time that counts; None before the first row."""
        return self._watermark.latest_us

    @property
    def last_row_us(self) -> int:
        """When the last rows arrived; 0 before the first."""
        return self._last_row_us

    def add(self, batch: RowBatch, arrival_us: int, positions: NDArray[np.intp] | None = None) -> None:
        """Profile rows of a batch, by default all, in their windows; what Polars cannot take is rejected there."""
        times, known = self._times(batch, arrival_us)
        starts = self._windowing.starts(times)
        chosen = np.arange(batch.rows) if positions is None else positions
        wanted = self._wanted(starts[chosen], arrival_us)
        self._last_row_us = arrival_us
        for start, of_window in _groups(starts, chosen[wanted]):
            opened = self._opened(start, arrival_us)
            profile, opened.written = opened.profile, b""
            update_or_reject(profile, batch, None if of_window.size == batch.rows else of_window)
            profile.late_rows += of_window.size if self._is_past(opened.window.end_us) else 0
            self._count_times(profile, times[of_window], known[of_window], arrival_us)
            self._seal_oldest_beyond_bound(arrival_us)
        if not wanted.all():
            self._set_too_late_aside(batch, chosen[~wanted], arrival_us)
        self._watermark.observe(times[chosen][known[chosen]], arrival_us)

    def discard(self, start_us: int) -> None:
        """Forget what is open of the window that starts then."""
        self._open.pop(start_us, None)

    def seal_due(self, now_us: int) -> None:
        """Seal the windows that are done."""
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
        """When a window is done though no row comes any more; None: never."""
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
        """The profile of the open window that starts then; None where there is none."""
        opened = self._open.get(start_us)
        return None if opened is None else opened.profile

    def open_profiles(self) -> list[Profile]:
        """The profiles of the open windows, in the order of time."""
        return [opened.profile for _, opened in sorted(self._open.items())]

    def snapshot(self) -> Profile:
        """A merged copy of all that is open."""
        return merge(self.open_profiles())

    def _times(self, batch: RowBatch, arrival_us: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The time of each row, its arrival where it says none, and whether it said one."""
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

    def _set_too_late_aside(self, batch: RowBatch, positions: NDArray[np.intp], arrival_us: int) -> None:
        """Hand rows over whose window takes none any more, or count them: in the latest open one, else that of now."""
        if self._on_too_late is not None:
            self._on_too_late(batch, positions)
            return
        if not self._open:
            self._opened(int(self._windowing.starts(np.array([arrival_us]))[0]), arrival_us)
        latest = self._open[max(self._open)]
        latest.profile.rejected["too late"] += positions.size
        latest.written = b""

    def _reopened(self, kept: OpenWindow, now_us: int) -> _Open:
        window = self._windowing.window(kept.start_us, now_us)
        return _Open(Profile.from_bytes(kept.profile), window, kept.seal_at_us)

    def _opened(self, start_us: int, now_us: int) -> _Open:
        opened = self._open.get(start_us)
        if opened is None:
            window = self._windowing.window(start_us, now_us)
            seal_at_us = window.end_us
            if self._watermark.value_us is not None and self._is_past(window.end_us):
                # Late rows tend to come together: their pane stays open for as long as one window lasts.
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
            with suppress(Exception):  # the batch at hand goes on; the window stays open, and sealing it later tells
                self._seal(start, now_us)

    def _seal_each(self, starts: list[int], now_us: int) -> None:
        """Seal the windows; one that is not taken stays open and keeps no other from it."""
        errors: list[Exception] = []
        for start in starts:
            try:
                self._seal(start, now_us)
            except Exception as error:  # noqa: BLE001 - raised below
                errors.append(error)
        raise_one(errors, PolarsprofError)

    def _seal(self, start_us: int, now_us: int) -> None:
        profile = self._open[start_us].profile
        profile.window = window = self._windowing.window(start_us, now_us)
        self._on_seal(profile, window)
        del self._open[start_us]  # not before it was taken: else its rows were gone where that raises

    def _idle_at_us(self) -> int:
        if self._windowing.timestamp is None or self._windowing.idle_timeout_us is None:
            return _NEVER
        return self._last_row_us + self._windowing.idle_timeout_us


def _groups(starts: NDArray[np.int64], positions: NDArray[np.intp]) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """(window start, those of the positions that lie in it, in order), the earliest window first."""
    ordered = positions[np.argsort(starts[positions], kind="stable")]
    bounds = np.flatnonzero(np.diff(starts[ordered])) + 1
    for group in np.split(ordered, bounds):
        if group.size:
            yield int(starts[group[0]]), group
