"""Apache Beam: a `CombineFn`, a profile per window and firing, panes in a store.

Beam assigns rows to windows, triggers firings and decides which rows are late. The rows of one firing become one pane.
The id of a pane follows from the run, the data set, the window and the number of the firing, so a retried bundle writes
the same pane again and every row counts once. Only this module imports Apache Beam.
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
from polarsprof.store.names import Pane, label_of
from polarsprof.store.profile_store import ProfileStore
from polarsprof.windowing.tumbling import Window

__all__ = ["ProfileCoder", "ProfileFn", "ProfileWindows", "WritePanes"]

_Timed = tuple[int, Any]  # event time in microseconds since the Unix epoch, and an element


class _BytesCoder(Coder):
    """Encodes with `to_bytes` and decodes with `from_bytes` of a class."""

    coded: type[Profile | BundleProfiler]

    def encode(self, value: Profile | BundleProfiler) -> bytes:
        """The value as the bytes of a profile file."""
        return value.to_bytes()

    def decode(self, encoded: bytes) -> Profile | BundleProfiler:
        """The value; raises `CorruptProfile` or `UnsupportedVersion`."""
        return self.coded.from_bytes(encoded)

    def is_deterministic(self) -> bool:
        """True: equal values have equal bytes, so that they can be keys."""
        return True

    def to_type_hint(self) -> type[Profile | BundleProfiler]:
        """The class of the values."""
        return self.coded

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))


class ProfileCoder(_BytesCoder):
    """Profiles as the bytes of profile files; equal profiles have equal bytes.

    Importing this module registers the coder for `Profile`. Decoding raises `CorruptProfile` for bytes that are not a
    profile, and `UnsupportedVersion` for a newer major version.
    """

    coded = Profile


class AccumulatorCoder(_BytesCoder):
    """Accumulators of `ProfileFn` as the bytes of their profiles."""

    coded = BundleProfiler


registry.register_coder(Profile, ProfileCoder)


@beam.typehints.with_output_types(Profile)
class ProfileFn(beam.CombineFn):
    """The profile of elements, for `CombineGlobally` and `CombinePerKey`.

    Also for `CombineValues`. Elements are records (mappings, named tuples, `beam.Row`), bytes or text of JSON lines, or
    tables: Polars frames and objects with an Arrow C stream. Any other element counts as one row in `Profile.rejected`
    and never fails a bundle. The profile of no elements is empty.

    Elements are profiled in batches: up to 16,384 records or lines, 65,536 rows of tables, or 8 MiB of either wait in
    each accumulator until it is sent or read.

    Parameters
    ----------
    spec
        Statistics and columns to track; default `ProfileSpec()`.

    Raises
    ------
    ArgumentError
        If the spec is not a `ProfileSpec`.
    """

    def __init__(self, spec: ProfileSpec | None = None) -> None:
        self._spec = checked_spec(spec)

    def create_accumulator(self) -> BundleProfiler:
        """An empty accumulator."""
        return BundleProfiler(Profile(self._spec))

    def add_input(self, mutable_accumulator: BundleProfiler, element: Any) -> BundleProfiler:
        """Add an element; return the accumulator."""
        mutable_accumulator.add(_plain(element))
        return mutable_accumulator

    def merge_accumulators(self, accumulators: Iterable[BundleProfiler]) -> BundleProfiler:
        """A new accumulator with the rows of all others, which are unchanged."""
        return BundleProfiler.merge(self._spec, accumulators)

    def compact(self, accumulator: BundleProfiler) -> BundleProfiler:
        """Profile all waiting rows; return the accumulator."""
        accumulator.profile()
        return accumulator

    def extract_output(self, accumulator: BundleProfiler) -> Profile:
        """A copy of the profile of all rows."""
        return accumulator.profile().copy()

    def get_accumulator_coder(self) -> AccumulatorCoder:
        """The coder of accumulators."""
        return AccumulatorCoder()


class _TimedProfileFn(ProfileFn):
    """A `ProfileFn` of elements with event times."""

    def add_input(self, mutable_accumulator: BundleProfiler, element: _Timed) -> BundleProfiler:
        time_us, row = element
        mutable_accumulator.add(_plain(row), time_us)
        return mutable_accumulator


def _plain(element: Any) -> object:
    return element.as_dict() if isinstance(element, beam.Row) else element


class ProfileWindows(beam.PTransform):
    """One profile per data set, window and firing of the trigger.

    The windows are those of the input, of any kind; the global window is `Profile.window` None. A firing without new
    rows has no profile. Each profile has its data set and window, the earliest and latest timestamp of its elements,
    and the rows of a late firing in `late_rows`.

    Under `AccumulationMode.DISCARDING`, the mode of the default trigger, each firing is a pane with an id, which can be
    merged and written. Under `ACCUMULATING`, each firing repeats the rows of earlier firings; its profile has no id and
    is only for display.

    Parameters
    ----------
    dataset_name
        Name of the data set, or a function from an element to the name, for separate segments.
    spec
        Statistics and columns to track; default `ProfileSpec()`.
    tags, metadata
        Text to keep with each profile.
    run
        Text that identifies the panes of this run: different for each run over new data, the same if the same data is
        profiled again and must not count twice. Default: random, chosen when the pipeline is built. A pipeline that is
        built once and run often, such as a classic Dataflow template, has the same text in each run; its second run
        needs data of other windows.

    Raises
    ------
    ArgumentError
        If an argument does not fit.
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
    """Elements → (data set name, (event time, element))."""

    def __init__(self, dataset_name: str | Callable[[Any], str]) -> None:
        self._name_of = dataset_name

    def process(self, element: Any, timestamp: Any = beam.DoFn.TimestampParam) -> Iterator[tuple[str, _Timed]]:
        name_of = self._name_of
        name = name_of if isinstance(name_of, str) else _checked_name(name_of(element))
        yield name, (timestamp.micros, element)


class _Seal(beam.DoFn):
    """(data set name, profile) → the profile of a firing; with a run, it has an id."""

    def __init__(self, tags: Mapping[str, str], metadata: Mapping[str, str], run: str | None) -> None:
        self._tags, self._metadata, self._run = tags, metadata, run

    def process(
        self,
        element: tuple[str, Profile],
        window: Any = beam.DoFn.WindowParam,
        firing: Any = beam.DoFn.PaneInfoParam,
    ) -> Iterator[Profile]:
        profile = element[1]  # nobody else has a reference, so it can change
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
    """The same id for all firings of a window in a run."""
    window = profile.window
    key = (run, profile.dataset, None if window is None else (window.start_us, window.end_us))
    return hashlib.sha256(repr(key).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _checked_name(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise argument_error("dataset_name", name, "text of one character or more, or a function that returns it")
    return _checked_text(name)


@lru_cache(maxsize=4_096)
def _checked_text(name: str) -> str:
    return dataset_text("dataset_name", name)


class WritePanes(beam.PTransform):
    """Write each profile of `ProfileWindows` to a store, as an immutable pane.

    The output is the names of the files. Every row counts once: the bytes and the id of a pane are fixed before a
    `Reshuffle`, so a retried bundle finds its pane in the store. This requires windows that do not overlap and firings
    that do not repeat rows. So sliding windows, `AccumulationMode.ACCUMULATING` and the global window are refused.

    The metrics `panes_written`, `rows_written`, `rows_rejected` and `rows_late` in the namespace "polarsprof" count the
    output.

    Parameters
    ----------
    store_url
        Folder or URL of the object store, as in `ProfileStore`; every worker needs access.
    options
        Options of `ProfileStore`.

    Raises
    ------
    ArgumentError
        When the pipeline is built, if the store does not fit, or the windows or trigger are refused; in the pipeline,
        if a profile has no pane id.
    OSError
        In the pipeline, if the store cannot write a pane or has a pane of the same id with other rows.
    """

    def __init__(self, store_url: str | os.PathLike[str], **options: Any) -> None:
        super().__init__()
        ProfileStore(store_url, **options)  # raises wrong use when the pipeline is built
        self._put = _Put(store_url, options)

    def expand(self, pcoll: beam.PCollection[Profile]) -> beam.PCollection[str]:
        """The names of the files."""
        _check_windowing(pcoll.windowing)
        panes = pcoll | "Encode" >> beam.ParDo(_Encode()).with_output_types(Pane)
        # The Reshuffle of the runner for streaming tests drops late panes in other windows.
        reshuffled = panes | beam.WindowInto(GlobalWindows()) | beam.Reshuffle()
        return reshuffled | "Put" >> beam.ParDo(self._put).with_output_types(str)


def _check_windowing(windowing: Any) -> None:
    kind = windowing.windowfn
    if windowing.accumulation_mode == AccumulationMode.ACCUMULATING:
        hint = "each firing repeats the rows of earlier firings, which would count twice"
        raise argument_error("accumulation_mode", "ACCUMULATING", "AccumulationMode.DISCARDING", hint)
    if isinstance(kind, SlidingWindows) and kind.period < kind.size:
        raise argument_error("windowing", kind, "windows that do not overlap", "a row in two windows would count twice")
    if isinstance(kind, GlobalWindows):
        raise argument_error("windowing", kind, "windows with an end", "such as beam.WindowInto(FixedWindows(3600))")


class _Encode(beam.DoFn):
    """Profiles → encoded panes."""

    def __init__(self) -> None:
        self._late, self._rejected = map(_counter, ("rows_late", "rows_rejected"))

    def process(self, element: Profile) -> Iterator[Pane]:
        window, ids = element.window, element.panes
        if window is None or len(ids) != 1:
            expected = "profiles of ProfileWindows, each of one discarding firing of a window with an end"
            raise argument_error("input of WritePanes", f"a profile of {window} with {len(ids)} panes", expected)
        ((writer_id, number),) = ids
        self._late.inc(element.late_rows)
        self._rejected.inc(element.rejected_rows)
        yield Pane(element.to_bytes(), element.dataset, label_of(window, ""), writer_id, number, element.rows)


class _Put(beam.DoFn):
    """Panes → names of their files, after they are durable."""

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
