"""Bulk reading, writing and merging of the columns of profile files.

One statistic of many columns is read or written before the next one: its code and memory stay in the caches of the
processor, which saves a quarter of the time.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, TypeVar

from polarsprof.files import profile_pb2 as pb
from polarsprof.kernels.spec import ProfileSpec
from polarsprof.profiles.value_groups import STATISTICS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from polarsprof.files.codec import Sections
    from polarsprof.profiles.column_set import ColumnSet
    from polarsprof.profiles.group_state import GroupState
    from polarsprof.sketches.statistic import AnyStatistic

_Item = TypeVar("_Item")
_AT_ONCE: Final = 128  # columns that are read or written together


def write_groups(parts: Iterable[tuple[GroupState, pb.Group]]) -> None:
    """Write groups to empty messages."""
    pairs = _with_lengths(parts)
    for group, message in pairs:
        message.name = group.name
    for kind in STATISTICS:
        kind.to_messages(_parts(kind, pairs))


def read_groups(parts: Iterable[tuple[GroupState, pb.Group]]) -> None:
    """Read messages into new groups, after checking them."""
    pairs = _with_lengths(parts)
    for kind in STATISTICS:
        kind.from_messages(_parts(kind, pairs))
    for group, _ in pairs:
        group.check()


def _parts(kind: type[AnyStatistic], pairs: Iterable[tuple[GroupState, pb.Group]]) -> list[tuple[AnyStatistic, object]]:
    field = kind.field
    return [(group.statistics[kind], getattr(m, field)) for group, m in pairs if kind in group.statistics]


def _with_lengths(parts: Iterable[tuple[GroupState, pb.Group]]) -> list[tuple[GroupState, pb.Group]]:
    pairs = list(parts)
    return pairs + [(group.length, message.length) for group, message in pairs if group.length is not None]


def column_messages(columns: ColumnSet) -> list[tuple[str, pb.Column]]:
    """Messages of all columns, in the order in which the columns were added."""
    messages = [(path, pb.Column()) for path in columns.by_path]
    for chunk in _chunks(messages):
        parts = [columns.by_path[path].add_messages(message) for path, message in chunk]
        write_groups(chain.from_iterable(parts))
    return messages


def read_columns(columns: ColumnSet, file: Sections, names: Iterable[str] | None) -> None:
    """Read the columns of an opened file, all or those named, into an empty set."""
    for chunk in _chunks(file.entries(names)):
        parts = [columns.add(entry.path).ensure_groups(file.column(entry)) for entry in chunk]
        read_groups(chain.from_iterable(parts))


def read_together(files: Iterable[tuple[ColumnSet, Sections]], names: Iterable[str]) -> None:
    """Read a few columns of many opened files, each into an empty set.

    All are checked together.
    """
    parts = [
        columns.add(entry.path).ensure_groups(file.column(entry))
        for columns, file in files
        for entry in file.entries(names)
    ]
    read_groups(chain.from_iterable(parts))


def merge_columns(columns: ColumnSet, files: Iterable[Sections], names: Iterable[str] | None) -> int:
    """Merge the columns of opened files, all or those named, into a set.

    One column of all files is read, checked and merged before the next. Its memory is used again while it is in the
    caches of the processor, and no state is created for columns that are only added up.

    Returns
    -------
    int
        Number of values in columns that the set has no room for.

    Raises
    ------
    CorruptProfile
        If a file is invalid; some columns are merged then.
    """
    places: dict[str, list[tuple[Sections, pb.ColumnEntry]]] = {}
    for file in files:
        for entry in file.entries(names):
            places.setdefault(entry.path, []).append((file, entry))
    left_out = 0
    for path, same in places.items():
        member = columns.ensure(path)
        column = columns.new(path) if member is None else member
        column.merge_messages([file.column(entry) for file, entry in same])
        left_out += column.count if member is None else 0
    return left_out


@lru_cache(maxsize=16)
def spec_of_json(text: str) -> ProfileSpec:
    """Parse a spec; cached, because the files of a stream mostly have one spec."""
    return ProfileSpec.from_json(text)


def _chunks(items: Sequence[_Item]) -> Iterator[tuple[_Item, ...]]:
    waiting = iter(items)
    while chunk := tuple(islice(waiting, _AT_ONCE)):
        yield chunk
