"""`ColumnSet`: columns by path, bounded in number and in the bytes of their paths."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from polarsprof.errors import SpecMismatch
from polarsprof.files.codec import MAX_PATHS_BYTES, lists_around
from polarsprof.profiles.column import ColumnProfile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from polarsprof.kernels.spec import ProfileSpec

_MAX_PATH_CHARACTERS: Final = 512
_ENTRY_BYTES: Final = 40  # at most, in the header of a file, beside the path


class ColumnSet:
    """Columns by path.

    Parameters
    ----------
    spec
        Tracked statistics, and the largest number of columns.

    Attributes
    ----------
    by_path
        Path → column, without its number of rows: a column that refers back to its profile leaves both to the garbage
        collector.
    """

    def __init__(self, spec: ProfileSpec) -> None:
        self.spec = spec
        self.by_path: dict[str, ColumnProfile] = {}
        self._paths_bytes = 0
        self._specs: dict[str, ProfileSpec] = {}

    def new(self, path: str) -> ColumnProfile:
        """Create an empty column that is not part of the set."""
        return ColumnProfile(path, self.spec_of(path), _no_rows)

    def add(self, path: str) -> ColumnProfile:
        """Add an empty column, even beyond the bounds."""
        self._paths_bytes += _entry_bytes(path)
        column = self.by_path[path] = self.new(path)
        return column

    def ensure(self, path: str) -> ColumnProfile | None:
        """Column of the path, added if it is new; None if the set is full."""
        column = self.by_path.get(path)
        if column is None and self._has_room_for(path):
            return self.add(path)
        return column

    def _has_room_for(self, path: str) -> bool:
        return len(self.by_path) < self.spec.max_columns and self._paths_bytes + _entry_bytes(path) <= MAX_PATHS_BYTES

    def merge(self, others: Iterable[ColumnSet]) -> int:
        """Merge other sets; return the number of values in columns without room."""
        columns: dict[str, list[ColumnProfile]] = {}
        for other in others:
            for path, column in other.by_path.items():
                columns.setdefault(path, []).append(column)
        left_out = 0
        for path, same in columns.items():
            own = self.ensure(path)
            if own is None:
                left_out += sum(column.count for column in same)
            else:
                own.merge(*same)
        return left_out

    def subset(self, paths: Iterable[str]) -> ColumnSet:
        """Select columns and the lists around them, sharing their state.

        Unknown paths are ignored.
        """
        part = ColumnSet(self.spec)
        wanted = {around for path in paths for around in (path, *lists_around(path))}
        part.by_path = {path: self.by_path[path] for path in sorted(wanted & self.by_path.keys())}
        return part

    def spec_of(self, path: str) -> ProfileSpec:
        """Spec of one column."""
        if not self.spec.columns:
            return self.spec
        spec = self._specs.get(path)
        if spec is None:
            spec = self._specs[path] = self.spec.for_column(path)
        return spec

    def hash_floor(self, path: str, group: str) -> int:
        """Leading zeros that a hash needs; see `ColumnProfile.hash_floor`."""
        column = self.by_path.get(path)
        return 0 if column is None else column.hash_floor(group)

    def elements_of(self, path: str) -> int | None:
        """Number of list elements if the path is `name[]`; None for other paths."""
        parent, bracket, _ = path.rpartition("[]")
        lists = self.by_path.get(parent) if bracket else None
        if lists is None or "list" not in lists.groups:
            return None
        lengths = lists.group("list").length
        return 0 if lengths is None or lengths.moments is None else lengths.moments.integer_sum


def check_tracked(mine: ProfileSpec, theirs: ProfileSpec, paths: Iterable[str]) -> None:
    """Raise `SpecMismatch` if two specs track different statistics of a column."""
    for path in paths:
        one, other = mine.for_column(path), theirs.for_column(path)
        if one.untracked != other.untracked:
            msg = f"column {path!r:.80} is tracked differently by {one} and by {other}"
            raise SpecMismatch(msg)


def short_path(path: str) -> str:
    """Cut a very long path to its start and a digest of the whole.

    Elements `name[]` stay within their lists.
    """
    if len(path) <= _MAX_PATH_CHARACTERS:
        return path
    lists, bracket, rest = path.rpartition("[]")
    if bracket:
        return f"{short_path(lists)}[]{short_path(rest)}"
    digest = hashlib.sha256(path.encode("utf-8", "replace")).hexdigest()
    return f"{path[: _MAX_PATH_CHARACTERS - 18]}…#{digest[:16]}"


def _entry_bytes(path: str) -> int:
    return len(path.encode()) + _ENTRY_BYTES


def _no_rows(path: str) -> int:
    raise NotImplementedError(path)  # profiles hand out columns together with their rows
