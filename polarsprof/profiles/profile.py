"""`Profile`: the mergeable state of a data set or of one window of a stream.

Merging the profiles of any split of the data equals one pass over all of it: exact figures to the last digit
(floating-point sums within rounding), sketches within their stated bounds. The file is long because it documents the
public methods; their bodies are a few lines each.
"""

from __future__ import annotations

import os
from collections import deque
from datetime import UTC, datetime
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarsprof.errors import argument_error
from polarsprof.files.codec import Sections, encode
from polarsprof.files.durable import replace_file
from polarsprof.kernels import column_batches
from polarsprof.kernels.spec import ProfileSpec, checked_spec
from polarsprof.profiles.column_set import ColumnSet, check_tracked, short_path
from polarsprof.profiles.header import ProfileHeader
from polarsprof.profiles.reading import column_messages, merge_columns, read_columns, read_together, spec_of_json
from polarsprof.sketches.limits import MAX_COUNT
from polarsprof.windowing.instants import utc_us

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    import polars as pl

    from polarsprof.files import profile_pb2 as pb
    from polarsprof.kernels.batch import ColumnBatch, TypedColumns
    from polarsprof.profiles.column import ColumnProfile
    from polarsprof.windowing.tumbling import Window


class Profile(ProfileHeader):
    """Statistics of every column of some rows.

    Parameters
    ----------
    spec
        Tracked statistics and their sizes; default `ProfileSpec()`.
    dataset
        Name of the data set; empty if it has none.
    window
        Window of the stream that the rows belong to; None for data that is not a stream.
    tags, metadata
        Text to store with the profile.

    Attributes
    ----------
    rows
        Number of rows profiled.
    rejected, degraded
        Reason → rejected rows; reason → values that were changed, or left out of figures that cannot include them.
    late_rows, untimed_rows, future_rows, dropped_rows
        Rows that arrived after their window was sealed; rows without usable time, filed under their arrival; rows too
        far in the future to advance the watermark; rows of earlier panes that no store accepted.
    panes
        (writer id, pane number) of every pane merged into this profile.
    positions
        Source → the next position to read.
    writers
        Writer id → counters of the writer when it sealed its latest pane among these, named as in `Logger.counters`;
        the largest of each. An absent counter is 0.
    foreign
        Column (empty for the whole data set) → component → figure of another tool without a counterpart here. Merging
        adds counts; figures of merged files that differ and cannot be added become None.
    incomplete
        Column → figures that do not cover all its values, with the reason, such as a refused sketch.
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
        self._columns = ColumnSet(self.spec)

    def __repr__(self) -> str:
        from polarsprof.views.summary import profile_text

        return profile_text(self)

    def __getitem__(self, path: str) -> ColumnProfile:
        try:
            return self._columns.by_path[path].with_rows(self._rows_of)
        except KeyError:
            raise KeyError(f"no column {path!r}; there are {', '.join(map(repr, list(self.paths)[:20]))}") from None

    def __contains__(self, path: object) -> bool:
        return path in self.paths

    def __reduce__(self) -> tuple[Callable[[bytes], Profile], tuple[bytes]]:
        return Profile.from_bytes, (self.to_bytes(),)

    @property
    def columns(self) -> dict[str, ColumnProfile]:
        """Path → column, in the order of the paths."""
        return {path: column.with_rows(self._rows_of) for path, column in sorted(self._columns.by_path.items())}

    @property
    def paths(self) -> AbstractSet[str]:
        """Paths of the columns, in no order."""
        return self._columns.by_path.keys()

    def select(self, paths: Iterable[str]) -> Profile:
        """Select a few columns, sharing their state; unknown paths are ignored."""
        part = Profile(self.spec, dataset=self.dataset, window=self.window)
        part.rows = self.rows
        part._columns = self._columns.subset(paths)
        return part

    def column(self, path: str) -> ColumnProfile:
        """Column of a path, like `profile[path]`; a column of nulls for an unknown path."""
        column = self._columns.by_path.get(path)
        return (self._columns.new(path) if column is None else column).with_rows(self._rows_of)

    def summary(self) -> pl.DataFrame:
        """Summarize the profile as a frame with one row per column.

        Fields: types, counts, distinct values, extremes, moments, quantiles and top values.
        """
        from polarsprof.views.summary import summary

        return summary(self)

    def _repr_html_(self) -> str:
        from polarsprof.views.html import profile_html

        return profile_html(self)

    def _repr_mimebundle_(
        self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None
    ) -> dict[str, str]:
        """Text and HTML of the profile, in the formats that a notebook asks for."""
        views: dict[str, Callable[[], str]] = {"text/plain": self.__repr__, "text/html": self._repr_html_}
        wanted = [kind for kind in views if (include is None or kind in include) and kind not in (exclude or ())]
        return {kind: views[kind]() for kind in wanted}

    def update(self, columns: TypedColumns) -> None:
        """Add the typed columns of a micro-batch; an error leaves the profile unchanged."""
        self._fold(columns, column_batches(columns, self._columns.spec_of, self._columns.hash_floor))

    def update_all(self, stream: Iterable[TypedColumns]) -> None:
        """Add many micro-batches in order.

        Kernels work on the next micro-batch while one is added.
        """
        ahead: deque[tuple[TypedColumns, Iterator[ColumnBatch]]] = deque()
        for columns in stream:
            ahead.append((columns, column_batches(columns, self._columns.spec_of, self._columns.hash_floor)))
            if len(ahead) > 1:
                self._fold(*ahead.popleft())
        while ahead:
            self._fold(*ahead.popleft())

    def _fold(self, columns: TypedColumns, pending: Iterable[ColumnBatch]) -> None:
        batches = list(pending)
        self.rows += columns.rows
        self.rejected.update(columns.rejected)
        self.degraded.update(columns.degraded)
        for path in _paths_of(columns):  # a column can have nulls alone
            self._columns.ensure(short_path(path))
        for batch in batches:
            column = self._columns.ensure(short_path(batch.path))
            if column is None:
                self.degraded["too many columns"] += batch.counters["count"]
            else:
                column.update(batch)

    def merge(self, *others: Profile) -> None:
        """Merge other profiles into this one; many at once cost a fraction of one by one.

        The others stay unchanged. If a tag or metadata differs, the value first in order remains. The window becomes
        the span of all.

        Raises
        ------
        SpecMismatch
            If the profiles track different statistics. Unequal sizes merge: the smallest one remains.
        ArgumentError
            If two profiles hold the same pane, whose rows would count twice.
        """
        self._merge_headers(tuple(self._checked(others)))  # all are checked before anything is merged
        self._count_left_out(self._columns.merge([other._columns for other in others]))

    def _count_left_out(self, values: int) -> None:
        if values:
            self.degraded["too many columns"] += values

    def copy(self) -> Profile:
        """Copy the profile; the copy shares no state with it."""
        return Profile.from_bytes(self.to_bytes())

    def to_bytes(self) -> bytes:
        """Serialize the profile to the bytes of a file; equal states give equal bytes."""
        return encode(self._header_message(self.spec), column_messages(self._columns))

    def to_whylogs(self, *, dataset_timestamp: datetime | None = None) -> bytes:
        """Export the profile as a file that whylogs 1.6.4 opens, merges and draws.

        Counts, types, extremes of integers, mean and variance are those of the profile. Quantiles, distinct values and
        frequent items are in sketches of the same content. whylogs has no place for exact sums, skewness, kurtosis,
        lengths, and extremes other than those of numbers, so that these are left out.

        Parameters
        ----------
        dataset_timestamp
            UTC if it has no zone. Default: the start of the window, else the first event time, else now.

        Returns
        -------
        bytes
            The content of the file.

        Examples
        --------
        >>> import polarsprof as pp
        >>> pp.read(pp.profile([{"price": 9.5}, {"price": 12.0}]).to_whylogs())["price"].mean
        10.75
        """
        from polarsprof.interop.whylogs import whylogs_file

        return whylogs_file(self, self._header_message(self.spec), _timestamp_us(self, dataset_timestamp))

    def to_openlineage(
        self,
        *,
        namespace: str = "polarsprof",
        name: str | None = None,
        job: str | None = None,
        event_type: str = "COMPLETE",
        event_time: datetime | None = None,
    ) -> dict[str, Any]:
        """Export the profile as a `RunEvent` of OpenLineage 2-0-2, for `json.dumps`.

        The event says that a job read the data set.

        The figures are the facet `dataQualityMetrics` of the input; the window is the nominal time of the run. The id
        of the run is derived from the panes, or without panes from the whole profile: the same profile is always the
        same run.

        Parameters
        ----------
        namespace
            That of data set and job, such as `kafka://broker:9092`.
        name
            Name of the data set; default: that of the profile, or `dataset` if it has none.
        job
            Name of the job; default: `profile_` and the name of the data set.
        event_type
            "START", "RUNNING", "COMPLETE", "ABORT", "FAIL" or "OTHER".
        event_time
            UTC if it has no zone. Default: the end of the window, or now if the window is open or None.

        Returns
        -------
        dict
            Plain data: dictionaries, lists, text, numbers and None.

        Raises
        ------
        ArgumentError
            For empty text, text that UTF-8 cannot encode, and any other type of event.

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

    @classmethod
    def from_bytes(cls, data: bytes) -> Profile:
        """Deserialize a profile from the bytes that `to_bytes` wrote.

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
        """Read the profile of an opened file, with all its columns or those named."""
        profile = cls._from_header(sections.header)
        read_columns(profile._columns, sections, columns)
        return profile

    @classmethod
    def from_each(cls, files: Sequence[Sections], columns: Sequence[str]) -> list[Profile]:
        """Read a few columns of many opened files; all are checked together."""
        profiles = [cls._from_header(file.header) for file in files]
        read_together(zip([profile._columns for profile in profiles], files, strict=True), columns)
        return profiles

    @classmethod
    def _from_header(cls, header: pb.Header) -> Profile:
        profile = cls(spec_of_json(header.spec_json))
        profile._read_header(header)
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
        """Build a profile from sketches of other tools; it merges with any other profile.

        The profile has quantiles, distinct values and frequent items, with the sizes of the images, and the extremes of
        a KLL sketch. Types within a group, counts of NaN and infinities, zeros, sums, moments and lengths are unknown;
        after a merge they are those of the other profile alone.

        Parameters
        ----------
        columns
            Path → statistics group, such as number or string → images, named as in `GroupProfile.images`:
            `kll_doubles` (also of floats), `hll` (of any type), `frequent_strings`. Values have to be hashed and
            written as there.
        rows
            Number of rows. The `count` of a group is the n of its KLL sketch or the total of its frequent items,
            whichever is larger. With neither the count is unknown and 0, and all rows count as nulls.
        spec, dataset, window, tags, metadata
            See `Profile`.

        Raises
        ------
        CorruptProfile
            For an invalid image; no native reader gets it.
        ArgumentError
            For an unknown group, an image that the group cannot have, and more values than rows.

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
        from polarsprof.profiles.from_images import import_columns

        import_columns(profile._columns, columns, profile.rows)
        return profile

    def merge_sections(self, files: Sequence[Sections], columns: Iterable[str] | None = None) -> None:
        """Merge opened files, at half the cost of reading and merging each.

        Raises
        ------
        CorruptProfile
            If one of the files is invalid; the profile is unusable then.
        """
        alike = [spec_of_json(file.header.spec_json) == self.spec for file in files]
        self.merge(*[Profile.from_sections(file, columns) for file, same in zip(files, alike, strict=True) if not same])
        self._merge_header_messages(file.header for file in compress(files, alike))
        self._count_left_out(merge_columns(self._columns, compress(files, alike), columns))

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the profile to a file, atomically.

        Raises
        ------
        OSError
            If the file cannot be written; the error names the file.
        """
        if not isinstance(path, str | os.PathLike) or not Path(path).name:
            raise argument_error("path", path, "the path of a file")
        replace_file(Path(path), self.to_bytes())

    def _rows_of(self, path: str) -> int:
        elements = self._columns.elements_of(path)
        return self.rows if elements is None else elements

    def _checked(self, others: Iterable[Profile]) -> Iterator[Profile]:
        """Yield each of the others, after checking that all fit together."""
        paths = set(self.paths)
        for other in self._disjoint(_other_profiles(self, others)):
            paths.update(other.paths)
            if self.spec is not other.spec and self.spec != other.spec:
                check_tracked(self.spec, other.spec, paths)
            yield other


def _other_profiles(profile: Profile, others: Iterable[object]) -> Iterator[Profile]:
    for other in others:
        if not isinstance(other, Profile):
            raise argument_error("other", other, "a Profile")
        if other is profile:
            raise argument_error("other", other, "another profile", "a profile cannot be merged into itself")
        yield other


def _timestamp_us(profile: Profile, timestamp: datetime | None) -> int:
    """Timestamp in microseconds; default: window, first event, or now."""
    if timestamp is not None:
        return utc_us(timestamp, "dataset_timestamp")
    if profile.window is not None:
        return profile.window.start_us
    if profile.first_event_us is not None:
        return profile.first_event_us
    return utc_us(datetime.now(UTC), "dataset_timestamp")


def _checked_rows(rows: object) -> int:
    if isinstance(rows, bool) or not isinstance(rows, int) or not 0 <= rows <= MAX_COUNT:
        raise argument_error("rows", rows, "a number of rows")
    return rows


def _paths_of(columns: TypedColumns) -> Iterator[str]:
    """Paths of a batch; `name[]` only if a list has an element."""
    yield from (path for path, series in columns.leaves if len(series) or "[]" not in path)
    yield from (path for path, _ in columns.lists)
    yield from columns.structs
