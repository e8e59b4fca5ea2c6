"""Files of whylogs 1.x: a magic number, a header with offsets, chunks.

Each column has chunks of components, which are the parts of its metrics.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Final

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct

from polarsprof.errors import CorruptProfile
from polarsprof.files import profile_pb2 as pb
from polarsprof.interop.whylogs import whylogs_pb2 as wl
from polarsprof.interop.whylogs import wire
from polarsprof.interop.whylogs.items import Items
from polarsprof.interop.whylogs.parsed import Numbers, ParsedColumn, ParsedProfile
from polarsprof.interop.whylogs.properties import CREATED, OWN, dataset_window, restore_header, segment_tags
from polarsprof.kernels.spec import ProfileSpec
from polarsprof.sketches.distinct import Distinct
from polarsprof.sketches.images import import_distinct, import_quantiles
from polarsprof.sketches.quantiles import Quantiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from polarsprof.interop.whylogs.parsed import Extremes
    from polarsprof.profiles.foreign_metrics import Figure

MAGIC: Final = b"WHY1"
COLUMN: Final = 2
EMPTY_MINIMUM: Final = 2**63 - 1  # the minimum without integers; the maximum is its negative
_TRANSLATED: Final = frozenset(
    [
        *(f"counts/{name}" for name in ("n", "null", "nan", "inf", "true")),
        *(f"types/{name}" for name in ("integral", "fractional", "boolean", "string", "object", "tensor")),
        *("ints/min", "ints/max", "distribution/kll", "distribution/mean", "distribution/m2"),
        *("cardinality/hll", "frequent_items/frequent_strings"),
    ]
)
_MAX_STRUCT_BYTES: Final = 1 << 16
_MAX_ITEMS: Final = 10
_LENGTHS: Final = "unicode_range/string_length:"


def profile(data: bytes) -> ParsedProfile:
    """The profile in a file.

    Only the first segment counts; no version of whylogs writes several.

    Raises
    ------
    CorruptProfile
        If the bytes are truncated, altered or beyond a limit.
    """
    segments, offset = wire.delimited(data, len(MAGIC), wire.MAX_SMALL_BYTES)
    segment = wire.message(wl.SegmentHeader, segments, "the segment header")
    head, offset = wire.delimited(data, offset, wire.MAX_HEADER_BYTES)
    header = wire.message(
        wl.ProfileHeader, head, "the header", max_bytes=wire.MAX_HEADER_BYTES, max_fields=wire.MAX_HEADER_FIELDS
    )
    if not head or header.length > len(data) - offset:
        raise wire.corrupt("the header or columns are missing")
    paths = {entry.key: entry.value for entry in header.metric_paths}
    wire.check_unique(entry.key for entry in header.column_offsets)
    chunks = _Chunks(data, offset)
    columns = [
        _column(entry.key, chunks.components(entry.key, entry.value.offsets, paths)) for entry in header.column_offsets
    ]
    properties = wire.message(wl.Properties, header.properties, "the properties")
    tags = wire.pairs(properties.tags) | wire.pairs(tag for each in segment.segments[:1] for tag in each.tags)
    metadata = wire.pairs(properties.metadata)
    if properties.creation_timestamp_ms:
        metadata.setdefault(CREATED, str(properties.creation_timestamp_ms))
    written = metadata.pop(OWN, "")
    found = ParsedProfile(
        version="1",
        columns=columns,
        window=dataset_window(properties.dataset_timestamp_ms),
        tags=segment_tags(tags),
        metadata=metadata,
    )
    restore_header(found, written, data[offset : offset + header.length])
    return found


class _Chunks:
    """The chunks behind the header of a file; each byte is read at most once."""

    def __init__(self, data: bytes, start: int) -> None:
        self._data, self._start = data, start
        self._unread = len(data) - start

    def components(self, path: str, offsets: Iterable[int], names: Mapping[int, str]) -> dict[str, wl.Component]:
        """Metric path → component, from the chunks of one column."""
        found: dict[str, wl.Component] = {}
        for offset in offsets:
            for entry in self._chunk(path, offset).components:
                if entry.key not in names:
                    raise wire.corrupt(f"column {path!r:.80} has a component without a name")
                found[names[entry.key]] = entry.value
        return found

    def _chunk(self, path: str, offset: int) -> wl.Chunk:
        label = f"column {path!r:.80}"
        head, start = wire.delimited(self._data, self._start + offset, 1 << 10)
        header = wire.message(wl.ChunkHeader, head, label)
        self._unread -= len(head) + header.length
        if header.type != COLUMN or self._unread < 0:
            raise wire.corrupt(f"the offset of {label} is wrong")
        body = wire.part(self._data, start, header.length, wire.MAX_PART_BYTES)
        return wire.message(wl.Chunk, body, label, max_bytes=wire.MAX_PART_BYTES, max_fields=wire.MAX_PART_FIELDS)


def _column(path: str, components: Mapping[str, wl.Component]) -> ParsedColumn:
    def count(name: str) -> int:
        return components[name].integer if name in components else 0

    of_lengths = {name.removeprefix(_LENGTHS): c for name, c in components.items() if name.startswith(_LENGTHS)}
    booleans, objects, lists = count("types/boolean"), count("types/object"), count("types/tensor")
    numbers = _numbers(components)
    strings = count("types/string")
    typed = numbers.count + booleans + strings + objects + lists
    # In profiles of frames, NaN counts as null only. In profiles of rows, it counts as null and as a fraction, so that
    # both together exceed n.
    counted_twice = max(0, typed + count("counts/null") - count("counts/n")) if "counts/n" in components else 0
    numbers.nan = min(counted_twice, count("counts/nan"), numbers.fractional)
    foreign_metrics = _foreign_metrics(components)
    if count("counts/nan") > numbers.nan:
        foreign_metrics["counts/nan"] = count("counts/nan") - numbers.nan
    return ParsedColumn(
        path=path,
        rows=max(count("counts/n"), typed),
        numbers=numbers,
        lengths=_numbers(of_lengths),
        booleans=booleans,
        true=count("counts/true"),
        strings=strings,
        lists=lists,
        objects=objects,
        distinct=_image(components, "cardinality/hll", "hll"),
        items=_image(components, "frequent_items/frequent_strings", "frequent_items"),
        foreign_metrics=foreign_metrics,
    )


def _numbers(components: Mapping[str, wl.Component]) -> Numbers:
    def count(name: str) -> int:
        return components[name].integer if name in components else 0

    def double(name: str) -> float:
        found = components.get(name)
        return found.fractional if found is not None and found.WhichOneof("value") == "fractional" else math.nan

    histogram = _image(components, "distribution/kll", "kll")
    integral, fractional = count("types/integral"), count("types/fractional")
    are_typed = "types/integral" in components or "types/fractional" in components
    if not are_typed and histogram is not None:  # a schema of distributions alone
        fractional = _histogram_count(histogram)
    return Numbers(
        integral=integral,
        fractional=fractional,
        infinite=count("counts/inf"),
        booleans=count("types/boolean"),
        true=count("counts/true"),
        integer_extremes=_integer_extremes(components) if integral else None,
        mean=double("distribution/mean"),
        m2=double("distribution/m2"),
        histogram=histogram,
    )


def _image(components: Mapping[str, wl.Component], name: str, kind: str) -> bytes | None:
    found = components.get(name)
    return getattr(found, kind).image if found is not None and found.WhichOneof("value") == kind else None


def _integer_extremes(components: Mapping[str, wl.Component]) -> Extremes | None:
    if "ints/min" not in components or "ints/max" not in components:
        return None
    low, high = components["ints/min"].integer, components["ints/max"].integer
    return None if (low, high) == (EMPTY_MINIMUM, -EMPTY_MINIMUM) else (low, high)


def _histogram_count(image: bytes) -> int:
    try:
        return _quantiles(image).n
    except CorruptProfile:
        return 0


def _quantiles(image: bytes) -> Quantiles:
    quantiles = Quantiles(ProfileSpec())
    quantiles.from_message(pb.Quantiles(kll_doubles=import_quantiles(image)))
    return quantiles


# -------------------------------------------------------------------------------------------------------------- foreign


def _foreign_metrics(components: Mapping[str, wl.Component]) -> dict[str, Figure]:
    """Figures without a counterpart, in readable form."""
    figures: dict[str, Figure] = {}
    for name, component in sorted(components.items()):
        if name.removeprefix(_LENGTHS) not in _TRANSLATED:
            try:
                figures |= _figures(name, component)
            except CorruptProfile as error:
                figures[name] = f"refused: {error}"
    return figures


def _figures(name: str, component: wl.Component) -> dict[str, Figure]:
    kind = component.WhichOneof("value")
    figure: Figure = None
    match kind:
        case "integer" | "fractional":
            figure = getattr(component, kind)
        case "kll":
            return _ranks(name, component.kll.image)
        case "hll":
            figure = _distinct(component.hll.image)
        case "frequent_items":
            figure = _top(component.frequent_items.image)
        case "struct":
            figure = _json(component.struct)
        case "cpc":
            figure = f"{len(component.cpc.image):,} bytes of a CPC sketch"
        case "serialized" | "message":
            figure = f"{len(getattr(component, kind)):,} bytes"
    return {name: figure}


def _ranks(name: str, image: bytes) -> dict[str, Figure]:
    quantiles = _quantiles(image)
    figures: dict[str, Figure] = {f"{name}/n": quantiles.n}
    values = quantiles.quantiles([0.0, 0.5, 1.0])
    return figures | dict(zip((f"{name}/min", f"{name}/median", f"{name}/max"), values or (), strict=False))


def _distinct(image: bytes) -> float:
    distinct = Distinct(ProfileSpec())
    distinct.from_message(pb.Distinct(hll=import_distinct(image)))
    estimate = distinct.estimate()
    return 0.0 if estimate is None else estimate.estimate


def _top(image: bytes) -> str:
    items = Items.from_image(image)
    ranked = sorted(items.weights.items(), key=lambda item: (-item[1], item[0]))
    return json.dumps(dict(ranked[:_MAX_ITEMS]), ensure_ascii=False)


def _json(body: bytes) -> str:
    if len(body) > _MAX_STRUCT_BYTES:
        return f"{len(body):,} bytes"
    found = Struct()
    try:
        found.ParseFromString(body)
        return json.dumps(MessageToDict(found), sort_keys=True, ensure_ascii=False)
    except (DecodeError, ValueError, RecursionError) as error:
        raise wire.corrupt(f"a structure: {error}") from error
