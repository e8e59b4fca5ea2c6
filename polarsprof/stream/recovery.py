"""What dead writers of a data set left → panes, each row once; done by the next writer that comes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from polarsprof.errors import PolarsprofError
from polarsprof.kernels.spec import ProfileSpec
from polarsprof.profiles.header import advance
from polarsprof.store import slug
from polarsprof.stream.checkpoints.messages import Sealed, entry_of, positions_of, state_of
from polarsprof.stream.checkpoints.storage import CheckpointStorage
from polarsprof.stream.writer import Writer, WriterSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polarsprof.stream.checkpoints.messages import WriterState


def recovered(settings: WriterSettings, news: list[str]) -> Iterator[Writer]:
    """The writers of a data set that live no more, as if they had sealed all their windows and come to publish them.

    Parameters
    ----------
    settings
        Of the writer that comes; the others keep what their own states say.
    news
        Takes what the user should be warned of, such as a state that cannot be read. Such a one is left where it is.

    Raises
    ------
    OSError
        Where the folder of the state cannot be read or written.
    """
    for files in CheckpointStorage.of_crashed_writers(settings.stores[0].state_folder, slug(settings.dataset)):
        try:
            writer = _resumed(files, settings, news)
        except Exception as error:  # noqa: BLE001 - the new logger has to work, whatever is wrong with the old one
            files.leave()
            news.append(f"{settings.dataset}: what writer {files.writer_id} left cannot be recovered: {error}")
        else:
            if writer is not None:
                yield writer


def known_positions(settings: WriterSettings) -> dict[str, int]:
    """The positions that any writer of a data set has saved, the furthest of each source.

    Among them are those that a writer which still lives took over from a dead one.

    Raises
    ------
    OSError
        Where the folder of the state cannot be read.
    """
    positions: dict[str, int] = {}
    for data in CheckpointStorage.states_of_all(settings.stores[0].state_folder, slug(settings.dataset)):
        with suppress(PolarsprofError):  # whoever recovers that writer tells of it
            advance(positions, positions_of(data))
    return positions


def _resumed(files: CheckpointStorage, settings: WriterSettings, news: list[str]) -> Writer | None:
    """The writer of some files; None where it left nothing."""
    saved = files.load()
    instead = "there is no earlier checkpoint" if saved.state is None else "an earlier checkpoint counts"
    news += [f"{settings.dataset}: {name} is damaged; {instead}" for name in saved.damaged]
    if saved.state is None and not saved.entries:
        files.remove()
        return None
    state = None if saved.state is None else state_of(saved.state)
    writer = Writer(settings if state is None else _settings_of(state, settings), _nothing, files, state)
    entries = list(map(entry_of, saved.entries))
    writer.take_kept(files, [entry for entry in entries if isinstance(entry, Sealed)])
    for entry in entries:
        if isinstance(entry, Sealed):
            writer.resume(entry)
        else:
            writer.add(entry, entry.begun_us)
    writer.seal_recovered()
    return writer


def _nothing() -> None:
    """Nobody logs to a dead writer."""


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
