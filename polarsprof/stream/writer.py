"""`Writer`: the rows of one stream in, durable state and panes out; for one thread at a time.

The order of steps is what makes every row count once. A sealed pane gets its number, then a checkpoint says that its
window is closed, and only then is the pane published; whoever finds that checkpoint publishes the pane again, which
changes nothing. Before the first checkpoint nothing on a disk could count twice, so panes are published at once.
"""

from __future__ import annotations

import secrets
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from polarsprof.errors import PolarsprofError, raise_one
from polarsprof.profiles.header import advance
from polarsprof.profiles.profile import Profile
from polarsprof.store import Pane, ProfileStore, slug
from polarsprof.stream.checkpoints.coordinator import CheckpointCoordinator
from polarsprof.stream.checkpoints.messages import Sealed, WriterState, sealed_entry, state_bytes
from polarsprof.stream.checkpoints.storage import CheckpointStorage
from polarsprof.stream.outbox import Outbox
from polarsprof.stream.rotation import Rotation, RotationState
from polarsprof.stream.status import StreamStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from polarsprof.kernels.batch import RowBatch
    from polarsprof.kernels.spec import ProfileSpec
    from polarsprof.stream.rotation import Windowing
    from polarsprof.windowing.clock import Clock
    from polarsprof.windowing.tumbling import Window

_MAX_WAITING_BYTES: Final = 256 << 20
_MAX_UNSAVED_BYTES: Final = 16 << 20  # of panes


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterSettings:
    """What a writer writes, where, and how it cuts the stream.

    Attributes
    ----------
    stores
        Where panes go; the state lies with the first one.
    late_dataset
        The data set of rows that are too late; None: they are rejected.
    checkpoint_every_us
        How long rows may wait for a checkpoint; None: there are none.
    on_pane
        What hears of each pane that was published.
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


class Writer:
    """Profiles one stream and keeps it safe.

    Parameters
    ----------
    settings
        What it writes.
    gather
        Adds what was logged but not added yet; called before a checkpoint, which begins a new journal.
    files, state
        Those of a writer that lives no more, to go on from where it was; by default this is a new one.

    Raises
    ------
    CorruptProfile, UnsupportedVersion
        For a state that cannot be read.

    Attributes
    ----------
    disk
        What of it is durable.
    positions
        Source → the next position to read, once all so far is durable.
    durable_positions
        The same of what is durable.
    """

    def __init__(
        self,
        settings: WriterSettings,
        gather: Callable[[], None],
        files: CheckpointStorage | None = None,
        state: WriterState | None = None,
    ) -> None:
        state = _first_state(settings) if state is None else state
        self._settings = settings
        self._gather = gather
        self._writer_id = secrets.token_hex(6) if files is None else files.writer_id
        folder = settings.stores[0].state_folder
        made = partial(CheckpointStorage.of_writer, folder, slug(settings.dataset), self._writer_id)
        self.checkpoints = CheckpointCoordinator(folder, made, settings.checkpoint_every_us, settings.clock, files)
        self._outbox = Outbox(settings.stores, _MAX_WAITING_BYTES)
        self._outbox.spool = files
        self._panes = self._saved_panes = state.panes
        self._dropped_told = state.dropped_told
        self._counts = Counter(state.counts)
        self._rejected: Counter[str] = Counter()
        self.positions = dict(state.positions)
        self.durable_positions: Mapping[str, int] = dict(state.positions)
        self._sealed: list[tuple[int, bool]] = []
        self._rotation = Rotation(
            settings.windowing,
            partial(self._empty_profile, settings.dataset),
            partial(self._seal, late=False),
            None if settings.late_dataset is None else self._add_too_late,
            state.rotation,
        )
        self._late = Rotation(
            replace(settings.windowing, allowed_lateness_us=None),
            partial(self._empty_profile, settings.late_dataset or settings.dataset),
            partial(self._seal, late=True),
            state=state.late,
        )
        self._warnings: list[str] = []
        self._told: set[str] = set()

    @property
    def finished(self) -> bool:
        """Whether nothing is open and no pane waits."""
        return not self._outbox and not self._open_profiles()

    @property
    def rows_waiting(self) -> int:
        """Rows of panes that are not published."""
        return self._outbox.rows

    @property
    def rejected(self) -> Counter[str]:
        """Reason → rows kept out so far."""
        return sum((profile.rejected for profile in self._open_profiles()), self._rejected)

    def counters(self, now_us: int) -> Counter[str]:
        """What was counted so far, open windows included; how late it is."""
        counts, latest_us = self._counted(), self._rotation.latest_us
        counts.update(
            panes_waiting=len(self._outbox),
            checkpoint_age_us=self.checkpoints.age_us(now_us),
            lag_us=0 if latest_us is None else max(0, now_us - latest_us),
        )
        return counts

    def status(self) -> StreamStatus:
        """What was counted so far, and what is open."""
        starts_us = self._rotation.open_starts_us + self._late.open_starts_us
        return StreamStatus(
            counters=self._counted(),
            rejected=self.rejected,
            panes_waiting=len(self._outbox),
            open_windows=len(starts_us),
            oldest_us=min(starts_us, default=None),
            watermark_us=self._rotation.watermark_us,
            latest_us=self._rotation.latest_us,
            unsaved_us=self.checkpoints.changed_us if self.checkpoints.saves else None,
        )

    def open_paths(self) -> tuple[list[int], set[str]]:
        """The starts of the open windows, rows that are too late left out, and the paths of their columns."""
        paths = set().union(*(profile.paths for profile in self._rotation.open_profiles()))
        return self._rotation.open_starts_us, paths

    def select(self, start_us: int, paths: Iterable[str]) -> bytes:
        """Some columns of the open window that starts then, as the bytes of a profile; none where it is not open."""
        profile = self._rotation.open_profile(start_us)
        return b"" if profile is None else profile.select(paths).to_bytes()

    def snapshot(self) -> Profile:
        """A merged copy of all that is open, rows that are too late left out."""
        return self._rotation.snapshot()

    def add(self, batch: RowBatch, arrival_us: int) -> None:
        """Fold rows into the windows of their times."""
        self._rotation.add(batch, arrival_us)
        for profile in self._open_profiles():
            self._tell_of(profile)
        self.checkpoints.changed(arrival_us)

    def advance(self, positions: Mapping[str, int], now_us: int) -> None:
        """Take note of the next positions to read after all that was added."""
        self.positions.update(positions)
        self.checkpoints.mark_unsaved()
        self.checkpoints.changed(now_us)

    def inherit(self, positions: Mapping[str, int]) -> None:
        """Take over the positions of a writer that lives no more, where they are further on."""
        advance(self.positions, positions)

    def has_saved(self, positions: Mapping[str, int]) -> bool:
        """Whether positions are durable here, or further ones."""
        durable = self.durable_positions
        return all(source in durable and durable[source] >= position for source, position in positions.items())

    def save(self, now_us: int) -> None:
        """Make all that was logged durable.

        Raises
        ------
        StoreError
            Where the folder of the state does not take it.
        """
        errors: list[Exception] = []
        self.checkpoints.save(partial(self._write, errors), now_us)
        raise_one(errors, PolarsprofError)

    def tick(self, now_us: int) -> int | None:
        """Seal, save and publish what is due; return when to look again."""
        try:
            self._seal_each(lambda rotation: rotation.seal_due(now_us))
        finally:  # a window that cannot become a pane keeps no other from the store
            self._save_if_due(now_us)
            self._publish(now_us)
        return self._next_due_us(now_us)

    def seal_and_publish(self, now_us: int) -> None:
        """Seal every window and publish every pane.

        Raises
        ------
        StoreError
            Where the folder of the state or a store does not take all of it; what it did not take is kept.
        """
        try:
            self._seal_each(lambda rotation: rotation.seal_all(now_us))
        finally:
            if self.checkpoints.saves and (self.checkpoints.holds or self.positions):
                self.save(now_us)
            self._publish(now_us, at_once=True)
        self._outbox.raise_if_waiting()

    def end(self, *, inherited: bool = False) -> None:
        """Leave nothing behind but the positions, where there are some that nobody inherited."""
        self._outbox.spool = None
        self.checkpoints.end(leave=bool(self.positions) and not inherited)

    def drain_warnings(self) -> list[str]:
        """What the user should be warned of since the last call."""
        news, self._warnings = self._warnings, []
        return news + self.checkpoints.drain_warnings() + self._outbox.drain_warnings()

    def take_published(self) -> list[bytes]:
        """The panes that were published since the last call."""
        return self._outbox.take_published()

    def resume(self, sealed: Sealed) -> None:
        """Forget windows that are in panes already, which this state does not know of."""
        if sealed.panes > self._saved_panes:
            for start_us, late in sealed.windows:
                (self._late if late else self._rotation).discard(start_us)

    def seal_recovered(self) -> None:
        """Seal every window as of when the last rows came."""
        self._seal_each(lambda rotation: rotation.seal_all(self._rotation.last_row_us + 1))

    def take_kept(self, files: CheckpointStorage, sealed: Iterable[Sealed]) -> None:
        """Take in hand the panes that were sealed but perhaps not published; before any row is added.

        Rows may fill more windows than are kept open, and what is sealed then must not get the number of such a pane.
        """
        self._panes = max([self._panes, *(each.panes for each in sealed)])
        for number in files.kept_numbers():
            if number > self._panes:  # its window is still open
                files.forget(number)
                continue
            try:
                data = files.kept(number)
                profile = Profile.from_bytes(data)
            except (OSError, PolarsprofError) as error:
                text = f"pane {number} of writer {self._writer_id} is lost: {error}"
                self._warnings.append(f"{self._settings.dataset}: {text}")
            else:
                self._outbox.add_spooled(self._pane(profile, number, b""), len(data))

    def _write(self, errors: list[Exception], files: CheckpointStorage) -> bool:
        """Write a checkpoint; whether nothing was left out. What was, is among the errors."""
        self._gather()
        self._outbox.spool = files
        self._outbox.to_spool()
        sealed = sealed_entry(Sealed(self._panes, tuple(self._sealed))) if self._sealed else b""
        files.save(state_bytes(self._state(errors)), sealed)
        self._saved_panes, self._sealed = self._panes, []
        self.durable_positions = dict(self.positions)
        return not errors

    def _state(self, errors: list[Exception]) -> WriterState:
        return replace(
            _first_state(self._settings),
            panes=self._panes,
            dropped_told=self._dropped_told,
            counts=dict(self._counts),
            positions=self.positions,
            rotation=self._rotation.state(errors),
            late=self._late.state(errors),
        )

    @property
    def _publishable(self) -> int:
        """The number of the last pane that may be published."""
        counts_twice = self.checkpoints.holds or bool(self.positions)  # if the process dies before the next one
        return self._saved_panes if self.checkpoints.saves and counts_twice else self._panes

    def _save_if_due(self, now_us: int) -> None:
        due_us = self._save_due_us(now_us)
        if due_us is not None and due_us <= now_us:
            with suppress(Exception):  # it is in the news and tried again, or told when the window is sealed
                self.save(now_us)

    def _save_due_us(self, now_us: int) -> int | None:
        urgent = self._outbox.waiting_bytes > _MAX_UNSAVED_BYTES
        return self.checkpoints.due_us(now_us, panes_wait=self._panes > self._publishable, urgent=urgent)

    def _publish(self, now_us: int, *, at_once: bool = False) -> None:
        self._outbox.publish(now_us, self._publishable, at_once=at_once)
        if self.finished and not self.checkpoints.holds and not self.positions:
            self.checkpoints.nothing_to_save()

    def _next_due_us(self, now_us: int) -> int | None:
        dues = (
            self._rotation.next_due_us(),
            self._late.next_due_us(),
            self._save_due_us(now_us),
            self._outbox.next_due_us(self._publishable),
        )
        return min((due for due in dues if due is not None), default=None)

    def _seal_each(self, seal: Callable[[Rotation], None]) -> None:
        errors: list[Exception] = []
        for rotation in (self._rotation, self._late):
            try:
                seal(rotation)
            except Exception as error:  # noqa: BLE001 - raised below
                errors.append(error)
        raise_one(errors, PolarsprofError)

    def _counted(self) -> Counter[str]:
        """What was counted so far and only grows."""
        counts = self._counts.copy()
        for profile in self._open_profiles():
            _count_rows(counts, profile)
        outbox = self._outbox
        counts.update(
            rows_dropped=outbox.rows_dropped,
            panes_written=outbox.panes_written,
            bytes_written=outbox.bytes_written,
            retries=outbox.retries,
        )
        return counts

    def _open_profiles(self) -> list[Profile]:
        return self._rotation.open_profiles() + self._late.open_profiles()

    def _add_too_late(self, batch: RowBatch, positions: NDArray[np.intp]) -> None:
        self._late.add(batch, self._rotation.last_row_us, positions)

    def _seal(self, profile: Profile, window: Window, *, late: bool) -> None:
        """Turn a profile into a pane; where that raises, nothing has happened."""
        number, dropped = self._panes + 1, self._outbox.rows_dropped
        profile.window = window
        profile.panes = frozenset([(self._writer_id, number)])
        profile.positions = dict(self.positions)
        counters = self.counters(self._settings.clock.now_us())
        profile.writers = {self._writer_id: dict(+counters)}  # without those that are 0, as nearly all are
        profile.dropped_rows = dropped - self._dropped_told
        self._outbox.add(self._pane(profile, number, profile.to_bytes()))
        self._panes, self._dropped_told = number, dropped
        if self.checkpoints.saves:
            self._sealed.append((window.start_us, late))
        _count_rows(self._counts, profile)
        self._rejected.update(profile.rejected)

    def _pane(self, profile: Profile, number: int, data: bytes) -> Pane:
        label = "" if profile.window is None else self._settings.windowing.label(profile.window)
        return Pane(data, profile.dataset, label, self._writer_id, number, profile.rows)

    def _tell_of(self, profile: Profile) -> None:
        """Put what is wrong with the data into the news, once for each kind."""
        for reason, rows in profile.rejected.items():
            self._tell(f"rejected {rows} rows: {reason}", f"rejected {reason}")
        for reason, values in profile.degraded.items():
            self._tell(f"{values} values: {reason}", f"degraded {reason}")

    def _tell(self, text: str, kind: str) -> None:
        if kind not in self._told:
            self._told.add(kind)
            self._warnings.append(f"{self._settings.dataset}: {text}; further ones are only counted")

    def _empty_profile(self, dataset: str, window: Window) -> Profile:
        settings = self._settings
        return Profile(settings.spec, dataset=dataset, window=window, tags=settings.tags, metadata=settings.metadata)


def _first_state(settings: WriterSettings) -> WriterState:
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


def _count_rows(counts: Counter[str], profile: Profile) -> None:
    counts["rows_profiled"] += profile.rows
    counts["rows_rejected"] += profile.rejected_rows
    counts["rows_late"] += profile.late_rows
    counts["rows_untimed"] += profile.untimed_rows
