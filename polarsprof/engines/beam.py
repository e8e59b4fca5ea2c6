"""Apache Beam: a `CombineFn`, a profile per window and firing, and panes in a store in which every row counts once.

Beam says which window a row belongs to, when a window is given out and what is late; the rows of one firing become one
pane. Its id follows from the run, the data set, the window and the number of the firing, so a bundle that is tried
again writes what lies there already. Imports Apache Beam, which nothing else here does.
"""

import hashlib
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import apache_beam as beam
from apache_beam.coders import Coder, registry
from apache_beam.metrics import Metrics
from apache_beam.transforms.trigger import AccumulationMode
from apache_beam.transforms.window import GlobalWindow, GlobalWindows, SlidingWindows
from apache_beam.utils.windowed_value import PaneInfoTiming

from polarsprof.engines.bundles import BundleProfiler
from polarsprof.errors import argument_error, plain_text
from polarsprof.kernels.spec import ProfileSpec, checked_spec
from polarsprof.profiles.header import dataset_text, text_pairs
from polarsprof.profiles.profile import Profile
from polarsprof.store import Pane, ProfileStore
from polarsprof.store.names import label_of
from polarsprof.windowing.tumbling import Window

__all__ = ["ProfileCoder", "ProfileFn", "ProfileWindows", "WritePanes"]

_Timed = tuple[int, Any]  # microseconds since the Unix epoch, and an element


class _BytesCoder(Coder):
    """What `to_bytes` and `from_bytes` of a class say."""

    coded: type[Profile | BundleProfiler]

    def encode(self, value: Profile | BundleProfiler) -> bytes:
        """The bytes of the file."""
        return value.to_bytes()

    def decode(self, encoded: bytes) -> Any:
        """What the bytes are, else `CorruptProfile` or `UnsupportedVersion`."""
        return self.coded.from_bytes(encoded)

    def is_deterministic(self) -> bool:
        """Equal values are equal bytes, so that they can be keys."""
        return True

    def to_type_hint(self) -> type[Any]:
        """What is encoded."""
        return self.coded

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))


class ProfileCoder(_BytesCoder):
    """Profiles as the bytes of profile files; equal profiles are equal bytes.

    Registered for `Profile` by the import of this module. Decoding bytes that are no profile raises `CorruptProfile`,
    of a newer major version `UnsupportedVersion`.
    """

    coded = Profile


class AccumulatorCoder(_BytesCoder):
    """Accumulators of `ProfileFn` as the bytes of their profiles."""

    coded = BundleProfiler


registry.register_coder(Profile, ProfileCoder)


@beam.typehints.with_output_types(Profile)
class ProfileFn(beam.CombineFn):
    """The profile of elements: for `CombineGlobally`, `CombinePerKey` and `CombineValues`.

    Elements are records (mappings, named tuples, `beam.Row`), bytes or text of JSON lines, or tables: Polars frames and
    anything with an Arrow C stream. Whatever else comes is a row in `Profile.rejected`; it never fails a bundle. Of no
    elements, an empty profile.

    They are profiled in batches: up to 16,384 records or lines, 65,536 rows of tables, or 8 MiB of either wait in each
    accumulator until it is sent or looked at.

    Parameters
    ----------
    spec
        What to track; default `ProfileSpec()`.

    Raises
    ------
    ArgumentError
        For a spec that is none.
    """

    def __init__(self, spec: ProfileSpec | None = None) -> None:
        self._spec = checked_spec(spec)

    def create_accumulator(self) -> BundleProfiler:
        """An accumulator of no rows."""
        return BundleProfiler(Profile(self._spec))

    def add_input(self, mutable_accumulator: BundleProfiler, element: Any) -> BundleProfiler:
        """Add an element, and return the accumulator."""
        mutable_accumulator.add(_plain(element))
        return mutable_accumulator

    def merge_accumulators(self, accumulators: Iterable[BundleProfiler]) -> BundleProfiler:
        """What all of them hold; they stay as they are."""
        return BundleProfiler.merged(self._spec, accumulators)

    def compact(self, accumulator: BundleProfiler) -> BundleProfiler:
        """Have all rows profiled, and return the accumulator."""
        accumulator.profile()
        return accumulator

    def extract_output(self, accumulator: BundleProfiler) -> Profile:
        """The profile of all rows, which does not grow with the accumulator."""
        return accumulator.profile().copy()

    def get_accumulator_coder(self) -> AccumulatorCoder:
        """How accumulators travel."""
        return AccumulatorCoder()


class _TimedProfileFn(ProfileFn):
    """The same of elements with their event times."""

    def add_input(self, mutable_accumulator: BundleProfiler, element: _Timed) -> BundleProfiler:
        time_us, row = element
        mutable_accumulator.add(_plain(row), time_us)
        return mutable_accumulator


def _plain(element: Any) -> Any:
    return element.as_dict() if isinstance(element, beam.Row) else element


class ProfileWindows(beam.PTransform):
    """One profile per data set, window and firing of the trigger; a firing without new rows gives none.

    The windows are those of the input, of any kind; the global window stands as `Profile.window` None. With each
    profile come its data set and window, the earliest and latest timestamp of its elements, and in `late_rows` what a
    late firing holds. Under `AccumulationMode.DISCARDING`, which the default trigger has, it is a pane of its own with
    an id, to be merged with others and to be written. Under `ACCUMULATING` each firing holds again what those before it
    held; it is for a look, and carries no id.

    Parameters
    ----------
    dataset_name
        Name of the data set, or a function of an element that says it, for segments that are kept apart.
    spec
        What to track; default `ProfileSpec()`.
    tags, metadata
        Text to keep with each profile.
    run
        What tells the panes of this run from those of others: text of its own for each run of a pipeline over new data,
        the same text where the same data is profiled again and must not count again. Default: random, made when the
        pipeline is built. A pipeline that is built once and run often, such as a classic template of Dataflow, has the
        same each time: from its second run on it needs data of other windows.

    Raises
    ------
    ArgumentError
        For an argument that does not fit.
    """

    def __init__(
        self,
        dataset_name: str | Callable[[Any], str],
        *,
        spec: ProfileSpec | None = None,
        tags: Mapping[str, str] | None = None,
        metadata: Mapping[str, str] | None = None,
        run: str | None = None,
    ) -> None:
        super().__init__()
        self._dataset_name = dataset_name if callable(dataset_name) else _checked_name(dataset_name)
        self._spec = checked_spec(spec)
        self._tags, self._metadata = text_pairs("tags", tags), text_pairs("metadata", metadata)
        self._run = secrets.token_hex(8) if run is None else plain_text("run", run)

    def expand(self, pcoll: beam.PCollection[Any]) -> beam.PCollection[Profile]:
        """The profiles of the elements."""
        discards = pcoll.windowing.accumulation_mode == AccumulationMode.DISCARDING
        seal = _Seal(self._tags, self._metadata, self._run if discards else None)
        timed = pcoll | "Time" >> beam.ParDo(_Time(self._dataset_name)).with_output_types(tuple[str, _Timed])
        merged = timed | "Profile" >> beam.CombinePerKey(_TimedProfileFn(self._spec))
        return merged | "Seal" >> beam.ParDo(seal).with_output_types(Profile)


class _Time(beam.DoFn):
    """Elements → (data set, (event time, element))."""

    def __init__(self, dataset_name: str | Callable[[Any], str]) -> None:
        self._name_of = dataset_name

    def process(self, element: Any, timestamp: Any = beam.DoFn.TimestampParam) -> Iterator[tuple[str, _Timed]]:
        name_of = self._name_of
        name = name_of if isinstance(name_of, str) else _checked_name(name_of(element))
        yield name, (timestamp.micros, element)


class _Seal(beam.DoFn):
    """(data set, profile) → the profile of a firing; with an id where there is a run."""

    def __init__(self, tags: Mapping[str, str], metadata: Mapping[str, str], run: str | None) -> None:
        self._tags, self._metadata, self._run = tags, metadata, run

    def process(
        self,
        element: tuple[str, Profile],
        window: Any = beam.DoFn.WindowParam,
        firing: Any = beam.DoFn.PaneInfoParam,
    ) -> Iterator[Profile]:
        profile = element[1]  # of which nobody else knows
        if not profile.rows + profile.rejected_rows:
            return
        profile.dataset, profile.window = element[0], _window_of(window)
        profile.tags, profile.metadata = dict(self._tags), dict(self._metadata)
        if self._run is not None:
            profile.panes = frozenset([(_writer_id(self._run, profile), firing.index + 1)])
            if firing.timing == PaneInfoTiming.LATE:
                profile.late_rows = profile.rows + profile.rejected_rows
        yield profile


def _window_of(window: Any) -> Window | None:
    return None if isinstance(window, GlobalWindow) else Window(window.start.micros, window.end.micros)


def _writer_id(run: str, profile: Profile) -> str:
    """One for all firings of a window in a run."""
    window = profile.window
    known = (run, profile.dataset, None if window is None else (window.start_us, window.end_us))
    return hashlib.sha256(repr(known).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _checked_name(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise argument_error("dataset_name", name, "text of one character or more, or a function that returns such")
    return _known_name(name)


@lru_cache(maxsize=4_096)
def _known_name(name: str) -> str:
    return dataset_text("dataset_name", name)


class WritePanes(beam.PTransform):
    """Write each profile of `ProfileWindows` into a store, as an immutable pane; out come the names of the files.

    Every row counts once. The bytes of a pane and its id are settled before a `Reshuffle`; a bundle that is tried again
    finds its pane in the store. That needs windows that do not overlap and firings that do not repeat what earlier ones
    held: sliding windows and `AccumulationMode.ACCUMULATING` are refused, and so is the global window, which no time
    belongs to. Counts what it writes in the metrics `panes_written`, `rows_written`, `rows_rejected` and `rows_late` of
    the namespace "polarsprof".

    Parameters
    ----------
    store_url
        The folder or the URL of the object store, as of `ProfileStore`; every worker has to reach it.
    options
        Those of `ProfileStore`.

    Raises
    ------
    ArgumentError
        For a place that is none and for windows or a trigger of which panes cannot be made, when the pipeline is built;
        in the pipeline for a profile that has no pane's id.
    OSError
        In the pipeline, where the store does not take a pane, or has one of this id that is of other rows.
    """

    def __init__(self, store_url: str | os.PathLike[str], **options: Any) -> None:
        super().__init__()
        ProfileStore(store_url, **options)  # wrong use is told here
        self._put = _Put(store_url, options)

    def expand(self, pcoll: beam.PCollection[Profile]) -> beam.PCollection[str]:
        """The names of the files."""
        _check_windowing(pcoll.windowing)
        panes = pcoll | "Encode" >> beam.ParDo(_Encode()).with_output_types(Pane)
        # In windows of their own, late ones would be dropped by the Reshuffle of the runner for tests of streams.
        settled = panes | beam.WindowInto(GlobalWindows()) | beam.Reshuffle()
        return settled | "Put" >> beam.ParDo(self._put).with_output_types(str)


def _check_windowing(windowing: Any) -> None:
    kind = windowing.windowfn
    if windowing.accumulation_mode == AccumulationMode.ACCUMULATING:
        hint = "each firing would hold the rows of those before it, which would count again"
        raise argument_error("accumulation_mode", "ACCUMULATING", "AccumulationMode.DISCARDING", hint)
    if isinstance(kind, SlidingWindows) and kind.period < kind.size:
        raise argument_error("windowing", kind, "windows that do not overlap", "a row of two windows would count twice")
    if isinstance(kind, GlobalWindows):
        raise argument_error("windowing", kind, "windows with an end", "such as beam.WindowInto(FixedWindows(3600))")


class _Encode(beam.DoFn):
    """Profiles → panes as they will lie in the store."""

    def __init__(self) -> None:
        self._late, self._rejected = map(_counter, ("rows_late", "rows_rejected"))

    def process(self, element: Profile) -> Iterator[Pane]:
        window, ids = element.window, element.panes
        if window is None or len(ids) != 1:
            expected = "profiles of ProfileWindows, of one firing each, of windows with an end, and discarding"
            raise argument_error("input of WritePanes", f"a profile of {window} with {len(ids)} panes", expected)
        ((writer_id, number),) = ids
        self._late.inc(element.late_rows)
        self._rejected.inc(element.rejected_rows)
        yield Pane(element.to_bytes(), element.dataset, label_of(window, ""), writer_id, number, element.rows)


class _Put(beam.DoFn):
    """Panes → names of their files, once they are durable."""

    def __init__(self, store_url: str | os.PathLike[str], options: Mapping[str, Any]) -> None:
        self._url, self._options = store_url, options
        self._panes, self._rows = map(_counter, ("panes_written", "rows_written"))

    def setup(self) -> None:
        self._store = ProfileStore(self._url, **self._options)

    def process(self, element: Pane) -> Iterator[str]:
        file = self._store.put(element, compared=True)
        self._panes.inc()
        self._rows.inc(element.rows)
        yield str(file)


_NAMESPACE: Final = "polarsprof"


def _counter(name: str) -> Any:
    return Metrics.counter(_NAMESPACE, name)
