"""`Profile`: the mergeable state of a data set or of one window of a stream; in bytes, one small file.

Merging profiles of any cut of the data gives what one pass over all of it gives: exact figures to the last digit
(floating-point sums within rounding), sketches within their stated bounds.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain, compress, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from polarsprof.errors import SpecMismatch, argument_error, plain_text
from polarsprof.files import profile_pb2 as pb
from polarsprof.files.codec import MAX_PATHS_BYTES, Sections, encode, lists_around
from polarsprof.files.durable import replace_file
from polarsprof.kernels import column_batches
from polarsprof.kernels.spec import ProfileSpec, checked_spec
from polarsprof.profiles.column import ColumnProfile
from polarsprof.profiles.group import read_groups, write_groups
from polarsprof.profiles.header import ProfileHeader
from polarsprof.sketches.counters import MAX_COUNT
from polarsprof.windowing.instants import utc_us

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import polars as pl

    from polarsprof.kernels.batch import ColumnBatch, TypedColumns
    from polarsprof.profiles.group import GroupProfile
    from polarsprof.windowing.tumbling import Window

_LONGEST_PATH: Final = 512
_AT_ONCE: Final = 128  # columns that are read or written together


class Profile(ProfileHeader):
    """Statistics of every column of some rows.

    Parameters
    ----------
    spec
        What to track; default `ProfileSpec()`.
    dataset
        Name of the data set, empty where there is none.
    window
        The window of the stream that the rows belong to; None for data that is no stream.
    tags, metadata
        Text to keep with the profile.

    Attributes
    ----------
    rows
        Number of rows profiled.
    rejected, degraded
        Reason → rows kept out; reason → values changed or kept out of the figures they cannot join.
    late_rows, untimed_rows, future_rows, dropped_rows
        Rows that came after their window had been sealed; rows without usable time, filed under their arrival; rows too
        far in the future to advance the watermark; rows of earlier panes that no store would take.
    panes
        (writer id, pane number) of every pane merged into this profile.
    positions
        Source → the next position to read.
    writers
        Writer id → what that writer had counted when it sealed its latest pane among these, named as in
        `Logger.counters`; the largest of each. A counter that is not there is 0.
    foreign
        Column, empty for the whole data set → component → figure: what another tool had measured and has no counterpart
        here. Merging adds up counts; None stands for figures of merged files that differ and do not add up.
    incomplete
        Column → which of its figures do not speak of all its values, and why, such as a sketch that was refused.
    """

    def __init__(
        self,
        spec: ProfileSpec | None = None,
        *,
        dataset: str = "",
        window: Window | None = None,
        tags: Mapping[str, str] | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.spec = checked_spec(spec)
        super().__init__(dataset=dataset, window=window, tags=tags, metadata=metadata)
        self._columns: dict[str, ColumnProfile] = {}
        self._paths_bytes = 0
        self._specs: dict[str, ProfileSpec] = {}

    def __repr__(self) -> str:
        from polarsprof.views.summary import profile_text

        return profile_text(self)

    def __getitem__(self, path: str) -> ColumnProfile:
        try:
            return self._columns[path].among(self._rows_of)
        except KeyError:
            raise KeyError(f"no column {path!r}; there are {', '.join(map(repr, list(self._columns)[:20]))}") from None

    def __contains__(self, path: object) -> bool:
        return path in self._columns

    def __reduce__(self) -> tuple[Any, ...]:
        return Profile.from_bytes, (self.to_bytes(),)

    @property
    def columns(self) -> dict[str, ColumnProfile]:
        """Path → column, in the order of the paths."""
        return {path: column.among(self._rows_of) for path, column in sorted(self._columns.items())}

    @property
    def paths(self) -> AbstractSet[str]:
        """The paths of the columns, in no order."""
        return self._columns.keys()

    def select(self, paths: Iterable[str]) -> Profile:
        """Rows and a few columns alone, sharing their state; those that the profile does not have are left out."""
        part = Profile(self.spec, dataset=self.dataset, window=self.window)
        part.rows = self.rows
        wanted = {around for path in paths for around in (path, *lists_around(path))}
        part._columns = {path: self._columns[path] for path in sorted(wanted & self._columns.keys())}
        return part

    def column(self, path: str) -> ColumnProfile:
        """The column, as `profile[path]`; of one that never came, a column of nulls."""
        own = self._columns.get(path)
        return (self._new_column(path) if own is None else own).among(self._rows_of)

    def summary(self) -> pl.DataFrame:
        """One row per column: types, counts, distinct values, extremes, moments, quantiles, top values."""
        from polarsprof.views.summary import summary

        return summary(self)

    def _repr_html_(self) -> str:
        from polarsprof.views.html import profile_html

        return profile_html(self)

    def _repr_mimebundle_(
        self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None
    ) -> dict[str, str]:
        """The profile as text and as a table, of these the kinds that a notebook asks for."""
        views: dict[str, Callable[[], str]] = {"text/plain": self.__repr__, "text/html": self._repr_html_}
        wanted = [kind for kind in views if (include is None or kind in include) and kind not in (exclude or ())]
        return {kind: views[kind]() for kind in wanted}

    def update(self, columns: TypedColumns) -> None:
        """Fold the typed columns of a micro-batch in; where that raises, the profile is as it was."""
        self._fold(columns, column_batches(columns, self._spec_of, self._floor_of))

    def update_all(self, stream: Iterable[TypedColumns]) -> None:
        """Fold many micro-batches in, in order; while one is folded in, the kernels are at work on the next."""
        ahead: deque[tuple[TypedColumns, Iterator[ColumnBatch]]] = deque()
        for columns in stream:
            ahead.append((columns, column_batches(columns, self._spec_of, self._floor_of)))
            if len(ahead) > 1:
                self._fold(*ahead.popleft())
        while ahead:
            self._fold(*ahead.popleft())

    def _fold(self, columns: TypedColumns, at_work: Iterable[ColumnBatch]) -> None:
        batches = list(at_work)
        self.rows += columns.rows
        self.rejected.update(columns.rejected)
        self.degraded.update(columns.degraded)
        for path in _known_paths(columns):  # a column may have nothing but nulls
            self._own(_kept_path(path))
        for batch in batches:
            column = self._own(_kept_path(batch.path))
            if column is None:
                self.degraded["too many columns"] += batch.counters["count"]
            else:
                column.update(batch)

    def merge(self, *others: Profile) -> None:
        """Fold other profiles in, which stay as they are; many at once cost a fraction of one after the other.

        Text of tags and metadata that differs under one key keeps the value first in order; the window becomes the span
        of all.

        Raises
        ------
        SpecMismatch
            Where one of them tracks what another does not. Unequal sizes merge: the smallest one holds.
        ArgumentError
            Where two hold the same pane, whose rows would count twice.
        """
        self._merge_facts(tuple(self._checked(others)))  # all of them first: nothing is merged where one does not fit
        columns: dict[str, list[ColumnProfile]] = {}
        for other in others:
            for path, column in other._columns.items():
                columns.setdefault(path, []).append(column)
        for path, same in columns.items():
            own = self._own(path)
            if own is None:
                self._count_too_many(*same)
            else:
                own.merge(*same)

    def _count_too_many(self, *columns: ColumnProfile) -> None:
        self.degraded["too many columns"] += sum(column.count for column in columns)

    def copy(self) -> Profile:
        """A profile of the same state that shares nothing with this one."""
        return Profile.from_bytes(self.to_bytes())

    def to_bytes(self) -> bytes:
        """The profile as the bytes of a file; equal states give equal bytes."""
        messages = [(path, pb.Column()) for path in self._columns]
        waiting = iter(messages)
        while some := tuple(islice(waiting, _AT_ONCE)):
            write_groups(chain.from_iterable([self._columns[path].new_parts(message) for path, message in some]))
        return encode(self._header(self.spec), messages)

    def to_whylogs(self, *, dataset_timestamp: datetime | None = None) -> bytes:
        """The profile as the bytes of a file that whylogs 1.6.4 opens, merges, summarizes and draws.

        Counts, types, extremes of integers, mean and variance are those of the profile; quantiles, distinct values and
        frequent items are in sketches of the same content. Left out is what whylogs has no place for: exact sums,
        skewness, kurtosis, lengths, and the extremes of what are no numbers.

        Parameters
        ----------
        dataset_timestamp
            Without a zone: UTC. Default: the start of the window, else the first event time, else now.

        Examples
        --------
        >>> import polarsprof as pp
        >>> pp.read(pp.profile([{"price": 9.5}, {"price": 12.0}]).to_whylogs())["price"].mean
        10.75
        """
        from polarsprof.interop.whylogs import whylogs_file

        return whylogs_file(self, self._header(self.spec), self._timestamp_us(dataset_timestamp))

    def to_openlineage(
        self,
        *,
        namespace: str = "polarsprof",
        name: str | None = None,
        job: str | None = None,
        event_type: str = "COMPLETE",
        event_time: datetime | None = None,
    ) -> dict[str, Any]:
        """The profile as a `RunEvent` of OpenLineage 2-0-2, ready for `json.dumps`: a job read the data set.

        Its figures are the facet `dataQualityMetrics` of the input; the window is the
        nominal time of the run. The id of the run follows from the panes, or else from all that the profile holds, so
        that the same profile is always the same run.

        Parameters
        ----------
        namespace
            That of data set and job, such as `kafka://broker:9092`.
        name
            Of the data set; default: the name of this one, `dataset` where it has none.
        job
            Name of the job; default: `profile_` and the name of the data set.
        event_type
            "START", "RUNNING", "COMPLETE", "ABORT", "FAIL" or "OTHER".
        event_time
            Without a zone: UTC. Default: the end of the window, or now where that is yet to come or there is none.

        Raises
        ------
        ArgumentError
            For text that is empty or UTF-8 cannot say, and another type of event.

        Examples
        --------
        >>> import polarsprof as pp
        >>> event = pp.profile([{"price": 9.5}, {"price": None}]).to_openlineage(name="shop.clicks")
        >>> facet = event["inputs"][0]["inputFacets"]["dataQualityMetrics"]
        >>> facet["rowCount"], facet["columnMetrics"]["price"]["nullCount"], facet["columnMetrics"]["price"]["max"]
        (2, 1, 9.5)
        """
        from polarsprof.interop.openlineage.event import run_event

        return run_event(self, namespace=namespace, name=name, job=job, event_type=event_type, event_time=event_time)

    def _timestamp_us(self, given: datetime | None) -> int:
        if given is not None:
            return utc_us(given, "dataset_timestamp")
        if self.window is not None:
            return self.window.start_us
        return utc_us(datetime.now(UTC), "dataset_timestamp") if self.first_event_us is None else self.first_event_us

    @classmethod
    def from_bytes(cls, data: bytes) -> Profile:
        """The profile that `to_bytes` wrote.

        Raises
        ------
        CorruptProfile
            For bytes that are truncated, altered, foreign or beyond a limit.
        UnsupportedVersion
            For a newer major version of the format.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise argument_error("data", data, "the bytes of a profile file", "a path goes to read(path)")
        return cls.from_sections(Sections.of_bytes(bytes(data)))

    @classmethod
    def from_sections(cls, sections: Sections, columns: Iterable[str] | None = None) -> Profile:
        """The profile of an opened file, with all its columns or just those named."""
        profile = cls._of_header(sections.header)
        entries = sections.entries(columns)
        profile._paths_bytes = sum(_entry_bytes(entry.path) for entry in entries)
        waiting = iter(entries)
        while some := tuple(islice(waiting, _AT_ONCE)):
            read_groups(chain.from_iterable([profile._new_parts(entry.path, sections.column(entry)) for entry in some]))
        return profile

    @classmethod
    def of_each(cls, files: Sequence[Sections], columns: Sequence[str]) -> list[Profile]:
        """The profiles of opened files with a few columns, as `from_sections` of each; all are checked together."""
        profiles = [cls._of_header(file.header) for file in files]
        parts = [
            profile._new_parts(entry.path, file.column(entry))
            for profile, file in zip(profiles, files, strict=True)
            for entry in file.entries(columns)
        ]
        read_groups(chain.from_iterable(parts))
        return profiles

    @classmethod
    def _of_header(cls, header: pb.Header) -> Profile:
        profile = cls(_spec_of_json(header.spec_json))
        profile._take_header(header)
        return profile

    @classmethod
    def from_images(
        cls,
        columns: Mapping[str, Mapping[str, Mapping[str, bytes]]],
        *,
        rows: int,
        spec: ProfileSpec | None = None,
        dataset: str = "",
        window: Window | None = None,
        tags: Mapping[str, str] | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Profile:
        """A profile of what sketches of others know, which merges with any other.

        Known are quantiles, distinct values and frequent items, with the sizes that the images have, and the extremes
        of a KLL sketch. Not known are types within a group, NaN and infinities apart, zeros, sums, moments and lengths;
        those of the merge with another profile are of that one alone.

        Parameters
        ----------
        columns
            Path → statistics group, such as number or string → images named as `GroupProfile.images` names them:
            `kll_doubles` (of floats, too), `hll` (of any type), `frequent_strings`. Values have to be hashed and
            written as there.
        rows
            Number of rows. The `count` of a group is the n of its KLL sketch or the total of its frequent items, the
            larger of the two; with neither it is not known and 0, and all rows stand as nulls.
        spec, dataset, window, tags, metadata
            See `Profile`.

        Raises
        ------
        CorruptProfile
            For an image that is no valid one of its kind; no native reader sees it.
        ArgumentError
            For a group or an image that is not kept, and for more values than rows.

        Examples
        --------
        >>> import polarsprof as pp
        >>> images = pp.profile([{"price": 9.5}, {"price": 12.0}])["price"].group("number").images()
        >>> price = pp.Profile.from_images({"price": {"number": images}}, rows=2)["price"]
        >>> price.max, price.quantile(0.5), round(price.distinct.estimate), price.mean
        (12.0, 9.5, 2, None)
        """
        profile = cls(spec, dataset=dataset, window=window, tags=tags, metadata=metadata)
        profile.rows = _checked_rows(rows)
        if not isinstance(columns, Mapping):
            raise argument_error("columns", columns, "a mapping of paths to groups to images")
        for path, groups in columns.items():
            profile._adopt(_kept_path(plain_text("columns", path)), groups)
        return profile

    def _adopt(self, path: str, groups: Mapping[str, Mapping[str, bytes]]) -> None:
        own = self._own(path)
        if own is None:
            raise argument_error("columns", path, f"at most {self.spec.max_columns:,} columns")
        if not isinstance(groups, Mapping):
            raise argument_error(f"columns[{path!r:.80}]", groups, "a mapping of groups to images")
        for name, images in groups.items():
            own.adopt(name, images)
        if own.count > self.rows and "[]" not in path:
            raise argument_error("rows", self.rows, f"at least the {own.count:,} values of column {path!r:.80}")

    def merge_sections(self, files: Sequence[Sections], columns: Iterable[str] | None = None) -> None:
        """Fold opened files in, as reading each with `from_sections` and merging all would, at half of the cost.

        One column of all the files is read, checked and folded in before the next, so that its memory is used again
        while it is in the caches of the processor, and no state is made for what is only added up.

        Raises
        ------
        CorruptProfile
            Where one of the files is not valid; the profile is of no use after that.
        """
        alike = [_spec_of_json(file.header.spec_json) == self.spec for file in files]
        self.merge(*[Profile.from_sections(file, columns) for file, same in zip(files, alike, strict=True) if not same])
        self._merge_headers(file.header for file in compress(files, alike))
        places: dict[str, list[tuple[Sections, pb.ColumnEntry]]] = {}
        for file in compress(files, alike):
            for entry in file.entries(columns):
                places.setdefault(entry.path, []).append((file, entry))
        for path, same in places.items():
            self._merge_messages(path, [file.column(entry) for file, entry in same])

    def _merge_messages(self, path: str, messages: Sequence[pb.Column]) -> None:
        own = self._own(path)
        column = self._new_column(path) if own is None else own
        column.merge_messages(messages)
        if own is None:
            self._count_too_many(column)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the profile to a file, replacing it whole or not at all.

        Raises
        ------
        OSError
            Where the file cannot be written; it names the file.
        """
        if not isinstance(path, str | os.PathLike) or not Path(path).name:
            raise argument_error("path", path, "the path of a file")
        replace_file(Path(path), self.to_bytes())

    def _own(self, path: str) -> ColumnProfile | None:
        column = self._columns.get(path)
        if column is None and len(self._columns) < self.spec.max_columns:
            paths_bytes = self._paths_bytes + _entry_bytes(path)
            if paths_bytes <= MAX_PATHS_BYTES:
                self._paths_bytes = paths_bytes
                column = self._columns[path] = self._new_column(path)
        return column

    def _new_parts(self, path: str, message: pb.Column) -> Iterator[tuple[GroupProfile, pb.Group]]:
        column = self._columns[path] = self._new_column(path)
        return column.parts_of(message)

    def _new_column(self, path: str) -> ColumnProfile:
        # Without the rows: a column that leads back to its profile would leave both to the garbage collector.
        return ColumnProfile(path, self._spec_of(path), _no_rows)

    def _spec_of(self, path: str) -> ProfileSpec:
        if not self.spec.columns:
            return self.spec
        spec = self._specs.get(path)
        if spec is None:
            spec = self._specs[path] = self.spec.for_column(path)
        return spec

    def _floor_of(self, path: str, group: str) -> int:
        column = self._columns.get(path)
        return 0 if column is None else column.hash_floor(group)

    def _rows_of(self, path: str) -> int:
        parent, bracket, _ = path.rpartition("[]")
        lists = self._columns.get(parent) if bracket else None
        if lists is None or "list" not in lists.groups:
            return self.rows
        lengths = lists.group("list").length
        return 0 if lengths is None or lengths.moments is None else lengths.moments.integer_sum

    def _checked(self, others: Iterable[Profile]) -> Iterator[Profile]:
        """Each of the others, once it is known to fit this profile and those before it."""
        paths = set(self._columns)
        for other in self._disjoint(map(self._another, others)):
            paths.update(other._columns)
            if self.spec is not other.spec and self.spec != other.spec:
                _check_tracked(self.spec, other.spec, paths)
            yield other

    def _another(self, other: object) -> Profile:
        if not isinstance(other, Profile):
            raise argument_error("other", other, "a Profile")
        if other is self:
            raise argument_error("other", other, "another profile", "a profile cannot be merged into itself")
        return other


def _check_tracked(mine: ProfileSpec, theirs: ProfileSpec, paths: Iterable[str]) -> None:
    for path in paths:
        one, other = mine.for_column(path), theirs.for_column(path)
        if any(getattr(one, s) != getattr(other, s) for s in ("quantiles", "distinct", "frequent_items")):
            msg = f"column {path!r:.80} is tracked differently by {one} and by {other}"
            raise SpecMismatch(msg)


@lru_cache(maxsize=16)
def _spec_of_json(text: str) -> ProfileSpec:
    # The files of a stream mostly have one spec.
    return ProfileSpec.from_json(text)


def _no_rows(path: str) -> int:
    raise NotImplementedError(path)  # a profile hands out its columns together with its rows


def _checked_rows(rows: object) -> int:
    if isinstance(rows, bool) or not isinstance(rows, int) or not 0 <= rows <= MAX_COUNT:
        raise argument_error("rows", rows, "a number of rows")
    return rows


def _entry_bytes(path: str) -> int:
    """What the header of a file needs for a column at the most."""
    return len(path.encode()) + 40


def _known_paths(columns: TypedColumns) -> Iterator[str]:
    """The paths of a batch; `name[]` only where a list had an element."""
    yield from (path for path, series in columns.leaves if len(series) or "[]" not in path)
    yield from (path for path, _ in columns.lists)
    yield from columns.structs


def _kept_path(path: str) -> str:
    """The path, or the start of a very long one and a digest of the whole; elements stay those of their lists."""
    if len(path) <= _LONGEST_PATH:
        return path
    lists, bracket, rest = path.rpartition("[]")
    if bracket:
        return f"{_kept_path(lists)}[]{_kept_path(rest)}"
    digest = hashlib.sha256(path.encode("utf-8", "replace")).hexdigest()
    return f"{path[: _LONGEST_PATH - 18]}…#{digest[:16]}"
