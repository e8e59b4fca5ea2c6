"""Recovery: the next logger publishes what crashed writers left, each row once."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from polarsprof.errors import PolarsprofError, StoreError
from polarsprof.kernels.spec import ProfileSpec
from polarsprof.profiles.header import advance
from polarsprof.store.names import slug
from polarsprof.stream.checkpoints.messages import Sealed, entry_of, positions_of, state_of
from polarsprof.stream.checkpoints.storage import CheckpointStorage

if TYPE_CHECKING:
    from polarsprof.stream.checkpoints.messages import WriterState
    from polarsprof.stream.settings import WriterSettings
    from polarsprof.stream.writer import Writer


class CrashedWriters:
    """The crashed writers of a data set, until all their panes are published.

    Parameters
    ----------
    settings
        Of the writer that takes over; each crashed writer goes on with the settings in its own state.
    heir
        The writer that takes over. It inherits their positions.
    writer_class
        `Writer`.

    Attributes
    ----------
    writers
        Writers with panes to publish.
    rows
        Rows of the panes they left.
    saved_positions
        Positions that any writer of the data set had saved when this one began.
    """

    def __init__(self, settings: WriterSettings, heir: Writer, writer_class: type[Writer]) -> None:
        self.writers: list[Writer] = []
        self.rows = 0
        self.saved_positions: dict[str, int] = {}
        self._settings = settings
        self._heir = heir
        self._writer_class = writer_class
        self._warnings: list[str] = []

    def recover(self, now_us: int) -> None:
        """Find crashed writers, seal their windows and begin to publish their panes."""
        try:
            self._load_all()
        except OSError as error:
            self._warn(f"the state of other writers cannot be read: {error}")
        try:
            self.saved_positions = saved_positions(self._settings)
        except OSError as error:
            self._warn(f"the positions of other writers cannot be read: {error}")
        for writer in self.writers:
            self.rows += writer.rows_waiting
            self._heir.inherit(writer.positions)
        self._heir.inherit(self.saved_positions)
        if self._heir.positions:
            with suppress(StoreError):  # a warning says so, and it is tried again
                self._heir.save(now_us)
        self.tick(now_us)
        for store in self._settings.stores:
            with suppress(OSError):  # orphans harm nobody, and the next logger tries again
                store.remove_orphan_files()

    def durable_positions(self) -> dict[str, int]:
        """Return source → next position to read, by the heir or any earlier writer."""
        positions = dict(self._heir.durable_positions)
        advance(positions, self.saved_positions)
        return positions

    def tick(self, now_us: int) -> list[int | None]:
        """Publish panes and end finished writers; return when each wants to run again."""
        dues = []
        for writer in list(self.writers):
            dues.append(writer.tick(now_us))
            if writer.finished and self._heir.has_saved(writer.positions):
                writer.end(inherited=True)
                self.writers.remove(writer)
        return dues

    def leave(self) -> None:
        """Leave the files of the others to the next logger of the data set."""
        for writer in self.writers:
            writer.checkpoints.end(leave=True)

    def drain_warnings(self) -> list[str]:
        """Return the warnings since the last call."""
        drained, self._warnings = self._warnings, []
        return drained

    def _load_all(self) -> None:
        settings = self._settings
        for files in CheckpointStorage.of_crashed_writers(settings.state_folder, slug(settings.dataset)):
            try:
                writer = self._load(files)
            except Exception as error:  # noqa: BLE001 - the new logger has to work, whatever is wrong with the old one
                files.leave()
                self._warn(f"writer {files.writer_id} crashed and cannot be recovered: {error}")
            else:
                if writer is not None:
                    self.writers.append(writer)

    def _load(self, files: CheckpointStorage) -> Writer | None:
        """Return the writer of some files, all windows sealed; None if it left nothing."""
        saved = files.load()
        instead = "there is no earlier checkpoint" if saved.state is None else "an earlier checkpoint counts"
        for name in saved.damaged:
            self._warn(f"{name} is damaged; {instead}")
        if saved.state is None and not saved.entries:
            files.remove()
            return None
        state = None if saved.state is None else state_of(saved.state)
        settings = self._settings if state is None else _settings_of(state, self._settings)
        writer = self._writer_class(settings, _gather_nothing, files, state)
        entries = list(map(entry_of, saved.entries))
        writer.adopt_panes(files, [entry for entry in entries if isinstance(entry, Sealed)])
        for entry in entries:
            if isinstance(entry, Sealed):
                writer.resume(entry)
            else:
                writer.add(entry, entry.begun_us)
        writer.seal_recovered()
        return writer

    def _warn(self, text: str) -> None:
        self._warnings.append(f"{self._settings.dataset}: {text}")


def saved_positions(settings: WriterSettings) -> dict[str, int]:
    """Return the furthest saved position of each source, by any writer of a data set.

    Positions that a running writer inherited from a crashed one are among them.

    Raises
    ------
    OSError
        If the folder of the state cannot be read.
    """
    positions: dict[str, int] = {}
    for data in CheckpointStorage.states_of_all(settings.state_folder, slug(settings.dataset)):
        with suppress(PolarsprofError):  # recovery warns of that writer
            advance(positions, positions_of(data))
    return positions


def _gather_nothing() -> None:
    """Do nothing: no records are on their way to a crashed writer."""


def _settings_of(state: WriterState, settings: WriterSettings) -> WriterSettings:
    return replace(
        settings,
        dataset=state.dataset,
        late_dataset=state.late_dataset,
        windowing=state.windowing,
        spec=ProfileSpec.from_json(state.spec_json),
        tags=state.tags,
        metadata=state.metadata,
    )
