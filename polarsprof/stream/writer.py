"""`Writer`: the rows of one stream in, durable state and panes out.

The order of steps makes every row count once. A sealed pane gets its number, then a checkpoint says that its window is
closed, and only then is the pane published. The next logger that finds this checkpoint publishes the pane again, which
changes nothing. Before the first checkpoint nothing on disk could count twice, so panes are published at once.

A writer serves one thread at a time.
"""

from __future__ import annotations

import secrets
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from polarsprof.errors import PolarsprofError, raise_one, run_all
from polarsprof.profiles.header import advance
from polarsprof.profiles.profile import Profile
from polarsprof.store.names import Pane, slug
from polarsprof.stream.checkpoints.coordinator import CheckpointCoordinator
from polarsprof.stream.checkpoints.messages import RotationState, Sealed, WriterState, sealed_entry, state_bytes
from polarsprof.stream.checkpoints.storage import CheckpointStorage
from polarsprof.stream.counters import GAUGES, StreamCounters
from polarsprof.stream.data_warnings import DataWarnings
from polarsprof.stream.outbox import Outbox
from polarsprof.stream.rotation import Rotation
from polarsprof.stream.status import StreamStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from polarsprof.kernels.batch import RowBatch
    from polarsprof.stream.settings import WriterSettings
    from polarsprof.windowing.tumbling import Window

_MAX_WAITING_BYTES: Final = 256 << 20  # of panes, while a store takes none
_MAX_UNSAVED_BYTES: Final = 16 << 20  # of panes; more make the next checkpoint urgent
_ON_TIME, _LATE = 0, 1  # the rotations of a writer


class Writer:
    """Profiles one stream and keeps it durable.

    Rows go into two rotations: the ordinary one, and one for rows that are too late for it.

    Parameters
    ----------
    settings
        The data set, its stores and windows.
    gather
        Adds everything logged so far; called before a checkpoint, which begins a new journal.
    files, state
        Those of a crashed writer, to go on where it was; by default this is a new writer.

    Raises
    ------
    CorruptProfile, UnsupportedVersion
        For a state that cannot be read.

    Attributes
    ----------
    checkpoints
        Decides when the state becomes durable.
    on_time
        The open windows, without rows that are too late.
    positions
        Source → next position to read once all rows so far are durable.
    durable_positions
        Source → next position to read, by the last checkpoint.
    """

    def __init__(
        self,
        settings: WriterSettings,
        gather: Callable[[], None],
        files: CheckpointStorage | None = None,
        state: WriterState | None = None,
    ) -> None:
        state = _initial_state(settings) if state is None else state
        self._settings = settings
        self._gather = gather
        self._writer_id = secrets.token_hex(6) if files is None else files.writer_id
        folder = settings.state_folder
        new_files = partial(CheckpointStorage.of_writer, folder, slug(settings.dataset), self._writer_id)
        self.checkpoints = CheckpointCoordinator(folder, new_files, settings.checkpoint_every_us, settings.clock, files)
        self._outbox = Outbox(settings.stores, _MAX_WAITING_BYTES)
        self._outbox.spool = files
        self._panes = self._saved_panes = state.panes
        self._reported_dropped_rows = state.dropped_told
        self._counters = StreamCounters.from_dict(state.counts)  # of sealed windows
        self._rejected: Counter[str] = Counter()  # of sealed windows
        self._data_warnings = DataWarnings(settings.dataset)
        self.positions = dict(state.positions)
        self.durable_positions: Mapping[str, int] = dict(state.positions)
        self._sealed: list[tuple[int, int]] = []  # (start, rotation) of windows sealed since the last checkpoint
        self.on_time = Rotation(
            settings.windowing,
            partial(_empty_profile, settings, settings.dataset),
            partial(self._seal, _ON_TIME),
            None if settings.late_dataset is None else self._add_too_late,
            state.rotation,
        )
        late = Rotation(
            replace(settings.windowing, allowed_lateness_us=None),
            partial(_empty_profile, settings, settings.late_dataset or settings.dataset),
            partial(self._seal, _LATE),
            state=state.late,
        )
        self._rotations = (self.on_time, late)

    @property
    def finished(self) -> bool:
        """Whether no window is open and no pane waits."""
        return not self._outbox and not self._open_profiles()

    @property
    def rows_waiting(self) -> int:
        """Rows of panes that are not published."""
        return self._outbox.rows

    @property
    def rejected(self) -> Counter[str]:
        """Reason → rejected rows."""
        return sum((profile.rejected for profile in self._open_profiles()), self._rejected)

    def counters(self, now_us: int) -> StreamCounters:
        """Return the counters so far, open windows included."""
        outbox, latest_us = self._outbox, self.on_time.latest_us
        own = StreamCounters(
            rows_dropped=outbox.rows_dropped,
            panes_written=outbox.panes_written,
            bytes_written=outbox.bytes_written,
            retries=outbox.retries,
            panes_waiting=len(outbox),
            checkpoint_age_us=self.checkpoints.age_us(now_us),
            lag_us=0 if latest_us is None else max(0, now_us - latest_us),
        )
        return sum(map(StreamCounters.of_profile, self._open_profiles()), self._counters + own)

    def status(self) -> StreamStatus:
        """Return the counters that only grow, and the state of the open windows."""
        counters = self.counters(self._settings.clock.now_us()).to_dict()
        starts_us = [start_us for rotation in self._rotations for start_us in rotation.open_starts_us]
        return StreamStatus(
            counters={name: count for name, count in counters.items() if name not in GAUGES},
            rejected=self.rejected,
            panes_waiting=len(self._outbox),
            open_windows=len(starts_us),
            oldest_us=min(starts_us, default=None),
            watermark_us=self.on_time.watermark_us,
            latest_us=self.on_time.latest_us,
            unsaved_us=self.checkpoints.changed_us if self.checkpoints.saves else None,
        )

    def add(self, batch: RowBatch, arrival_us: int) -> None:
        """Fold rows into the windows of their times."""
        self.on_time.add(batch, arrival_us)
        for profile in self._open_profiles():
            self._data_warnings.add(profile)
        self.checkpoints.changed(arrival_us)

    def advance(self, positions: Mapping[str, int], now_us: int) -> None:
        """Set the next positions to read after all rows added so far."""
        self.positions.update(positions)
        self.checkpoints.mark_unsaved()
        self.checkpoints.changed(now_us)

    def inherit(self, positions: Mapping[str, int]) -> None:
        """Take over positions of a crashed writer if they are further on."""
        advance(self.positions, positions)

    def has_saved(self, positions: Mapping[str, int]) -> bool:
        """Return whether these positions, or further ones, are durable here."""
        durable = self.durable_positions
        return all(source in durable and durable[source] >= position for source, position in positions.items())

    def save(self, now_us: int) -> None:
        """Save a checkpoint of everything logged.

        Raises
        ------
        StoreError
            If the folder of the state does not take it.
        """
        errors: list[Exception] = []
        self.checkpoints.save(partial(self._write, errors), now_us)
        raise_one(errors, PolarsprofError)

    def tick(self, now_us: int) -> int | None:
        """Seal, save and publish what is due; return when to run again."""
        try:
            self._each_rotation(lambda rotation: rotation.seal_due(now_us))
        finally:  # a window that cannot become a pane keeps no other from the store
            self._save_if_due(now_us)
            self._publish(now_us)
        return self._next_due_us(now_us)

    def seal_and_publish(self, now_us: int) -> None:
        """Seal every window and publish every pane.

        Raises
        ------
        StoreError
            If the folder of the state or a store does not take everything; the rest stays for the next try.
        """
        try:
            self._each_rotation(lambda rotation: rotation.seal_all(now_us))
        finally:
            if self.checkpoints.saves and (self.checkpoints.holds or self.positions):
                self.save(now_us)
            self._publish(now_us, at_once=True)
        self._outbox.raise_if_waiting()

    def end(self, *, inherited: bool = False) -> None:
        """Remove all files, except those with positions that no other writer inherited."""
        self._outbox.spool = None
        self.checkpoints.end(leave=bool(self.positions) and not inherited)

    def drain_warnings(self) -> list[str]:
        """Return the warnings since the last call."""
        return self._data_warnings.drain() + self.checkpoints.drain_warnings() + self._outbox.drain_warnings()

    def drain_published(self) -> list[bytes]:
        """Return the panes published since the last call."""
        return self._outbox.drain_published()

    def resume(self, sealed: Sealed) -> None:
        """Forget windows that are in panes already, if the state is older than the panes."""
        if sealed.panes > self._saved_panes:
            for start_us, late in sealed.windows:
                self._rotations[late].discard(start_us)

    def seal_recovered(self) -> None:
        """Seal every window at the time of the last rows."""
        last_row_us = self.on_time.last_row_us
        self._each_rotation(lambda rotation: rotation.seal_all(last_row_us + 1))

    def adopt_panes(self, files: CheckpointStorage, sealed: Iterable[Sealed]) -> None:
        """Take over panes that were sealed and perhaps not published, before any row.

        Rows may fill more windows than may be open. The panes sealed then must not get the number of such a pane.
        """
        self._panes = max([self._panes, *(each.panes for each in sealed)])
        for number in files.pane_numbers():
            if number > self._panes:  # its window is still open
                files.delete_pane(number)
                continue
            try:
                data = files.read_pane(number)
                profile = Profile.from_bytes(data)
            except (OSError, PolarsprofError) as error:
                self._data_warnings.warn(f"pane {number} of writer {self._writer_id} is lost: {error}")
            else:
                pane = _pane(self._settings, self._writer_id, number, profile, b"")
                self._outbox.add_spooled(pane, len(data))

    def _write(self, errors: list[Exception], files: CheckpointStorage) -> bool:
        """Write a checkpoint; return whether it holds everything.

        The errors of windows left out are collected.
        """
        self._gather()
        self._outbox.spool = files
        self._outbox.to_spool()
        windows = tuple((start_us, rotation == _LATE) for start_us, rotation in self._sealed)
        files.save(state_bytes(self._state(errors)), sealed_entry(Sealed(self._panes, windows)) if windows else b"")
        self._saved_panes, self._sealed = self._panes, []
        self.durable_positions = dict(self.positions)
        return not errors

    def _state(self, errors: list[Exception]) -> WriterState:
        return replace(
            _initial_state(self._settings),
            panes=self._panes,
            dropped_told=self._reported_dropped_rows,
            counts=self._counters.nonzero(),
            positions=self.positions,
            rotation=self.on_time.state(errors),
            late=self._rotations[_LATE].state(errors),
        )

    @property
    def _last_publishable(self) -> int:
        """The number of the last pane that may be published."""
        counts_twice = self.checkpoints.holds or bool(self.positions)  # if the process dies before the next checkpoint
        return self._saved_panes if self.checkpoints.saves and counts_twice else self._panes

    def _save_if_due(self, now_us: int) -> None:
        due_us = self._save_due_us(now_us)
        if due_us is not None and due_us <= now_us:
            with suppress(Exception):  # a warning says so; it is tried again, or raised when the window is sealed
                self.save(now_us)

    def _save_due_us(self, now_us: int) -> int | None:
        urgent = self._outbox.waiting_bytes > _MAX_UNSAVED_BYTES
        return self.checkpoints.due_us(now_us, panes_wait=self._panes > self._last_publishable, urgent=urgent)

    def _publish(self, now_us: int, *, at_once: bool = False) -> None:
        self._outbox.publish(now_us, self._last_publishable, at_once=at_once)
        if self.finished and not self.checkpoints.holds and not self.positions:
            self.checkpoints.nothing_to_save()

    def _next_due_us(self, now_us: int) -> int | None:
        dues = [rotation.next_due_us() for rotation in self._rotations]
        dues += [self._save_due_us(now_us), self._outbox.next_due_us(self._last_publishable)]
        return min((due for due in dues if due is not None), default=None)

    def _each_rotation(self, work: Callable[[Rotation], None]) -> None:
        run_all((partial(work, rotation) for rotation in self._rotations), PolarsprofError)

    def _open_profiles(self) -> list[Profile]:
        return [profile for rotation in self._rotations for profile in rotation.open_profiles()]

    def _add_too_late(self, batch: RowBatch, positions: NDArray[np.intp]) -> None:
        self._rotations[_LATE].add(batch, self.on_time.last_row_us, positions)

    def _seal(self, rotation: int, profile: Profile, window: Window) -> None:
        """Turn a profile into a pane; if that raises, nothing has changed."""
        number, dropped = self._panes + 1, self._outbox.rows_dropped
        profile.window = window
        profile.panes = frozenset([(self._writer_id, number)])
        profile.positions = dict(self.positions)
        profile.writers = {self._writer_id: self.counters(self._settings.clock.now_us()).nonzero()}
        profile.dropped_rows = dropped - self._reported_dropped_rows
        self._outbox.add(_pane(self._settings, self._writer_id, number, profile, profile.to_bytes()))
        self._panes, self._reported_dropped_rows = number, dropped
        if self.checkpoints.saves:
            self._sealed.append((window.start_us, rotation))
        self._counters += StreamCounters.of_profile(profile)
        self._rejected.update(profile.rejected)


def _pane(settings: WriterSettings, writer_id: str, number: int, profile: Profile, data: bytes) -> Pane:
    label = "" if profile.window is None else settings.windowing.label(profile.window)
    return Pane(data, profile.dataset, label, writer_id, number, profile.rows)


def _empty_profile(settings: WriterSettings, dataset: str, window: Window) -> Profile:
    return Profile(settings.spec, dataset=dataset, window=window, tags=settings.tags, metadata=settings.metadata)


def _initial_state(settings: WriterSettings) -> WriterState:
    return WriterState(
        dataset=settings.dataset,
        late_dataset=settings.late_dataset,
        windowing=settings.windowing,
        spec_json=settings.spec.to_json(),
        tags=dict(settings.tags),
        metadata=dict(settings.metadata),
        panes=0,
        dropped_told=0,
        counts={},
        positions={},
        rotation=RotationState(),
        late=RotationState(),
    )
