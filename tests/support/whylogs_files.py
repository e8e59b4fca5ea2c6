"""Builds files of whylogs by message, with sketches of DataSketches."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import datasketches
import numpy as np

from polarsprof.interop.whylogs import whylogs_pb2 as wl

TIMESTAMP_MS = 1_769_860_800_000  # 2026-01-31T12:00Z


def delimited(body: bytes) -> bytes:
    length, prefix = len(body), []
    while length > 127:
        prefix.append(length & 127 | 128)
        length >>= 7
    return bytes([*prefix, length]) + body


def kll(values: Sequence[float], k: int = 1024) -> bytes:
    """A KLL image in the format of whylogs' fork."""
    sketch = datasketches.kll_doubles_sketch(k)
    sketch.update(np.array(values, dtype=np.float64))
    image: bytes = sketch.serialize()
    return b"\x06" + image[1:20] + bytes(4) + image[20:] if image[0] == 5 else image


def kll_floats(values: Sequence[float]) -> bytes:
    sketch = datasketches.kll_floats_sketch(256)
    sketch.update(np.array(values, dtype=np.float32))
    image: bytes = sketch.serialize()
    return image


def hll(values: Sequence[Any]) -> bytes:
    sketch = datasketches.hll_sketch(12, datasketches.tgt_hll_type.HLL_4)
    for value in values:
        sketch.update(value)
    image: bytes = sketch.serialize_compact()
    return image


def items(texts: Mapping[str, int], lg: int = 10) -> bytes:
    sketch = datasketches.frequent_strings_sketch(lg)
    for text, weight in texts.items():
        sketch.update(text, weight)
    image: bytes = sketch.serialize()
    return image


def integers(**counts: int) -> dict[str, wl.Component]:
    """Integer components; `counts__n=5` is the component counts/n."""
    return {name.replace("__", "/"): wl.Component(integer=count) for name, count in counts.items()}


def ends(low: int, high: int) -> dict[str, wl.Component]:
    return {
        "ints/min": wl.Component(type_id=1, integer=low),
        "ints/max": wl.Component(type_id=2, integer=high),
    }


def distribution(values: Sequence[float], **overrides: Any) -> dict[str, wl.Component]:
    """Components of the values without NaN; `mean` and `m2` override the true ones."""
    known = [value for value in values if not math.isnan(value)]
    finite = np.array([value for value in known if math.isfinite(value)] or [0.0])
    mean = overrides.get("mean", finite.mean())
    m2 = overrides.get("m2", float(((finite - finite.mean()) ** 2).sum()))
    return {
        "distribution/kll": wl.Component(kll=wl.Sketch(image=overrides.get("image", kll(known)))),
        "distribution/mean": wl.Component(fractional=mean),
        "distribution/m2": wl.Component(fractional=m2),
    }


def cardinality(values: Sequence[Any]) -> dict[str, wl.Component]:
    return {"cardinality/hll": wl.Component(hll=wl.Sketch(image=hll(values)))}


def frequent(texts: Mapping[str, int], lg: int = 10) -> dict[str, wl.Component]:
    return {"frequent_items/frequent_strings": wl.Component(frequent_items=wl.Sketch(image=items(texts, lg)))}


def v1(
    columns: Mapping[str, Mapping[str, wl.Component]],
    *,
    tags: Mapping[str, str] | None = None,
    metadata: Mapping[str, str] | None = None,
    segment: Mapping[str, str] | None = None,
) -> bytes:
    """A file of 1.x."""
    names = sorted({name for components in columns.values() for name in components})
    properties = wl.Properties(creation_timestamp_ms=TIMESTAMP_MS + 1, dataset_timestamp_ms=TIMESTAMP_MS)
    for field, texts in (("tags", tags), ("metadata", metadata)):
        for key, value in (texts or {}).items():
            getattr(properties, field).add(key=key, value=value)
    header, body = wl.ProfileHeader(properties=properties.SerializeToString()), b""
    for path, components in columns.items():
        chunk = wl.Chunk()
        for name, component in components.items():
            chunk.components.add(key=names.index(name)).value.CopyFrom(component)
        header.column_offsets.add(key=path).value.offsets.append(len(body))
        data = chunk.SerializeToString()
        body += delimited(wl.ChunkHeader(type=2, length=len(data)).SerializeToString()) + data
    header.length = len(body)
    for position, name in enumerate(names):
        header.metric_paths.add(key=position, value=name)
    head = wl.SegmentHeader(has_segments=bool(segment))
    if segment:
        head.segments.add().tags.extend([wl.TextEntry(key=key, value=value) for key, value in segment.items()])
    return b"WHY1" + delimited(head.SerializeToString()) + delimited(header.SerializeToString()) + body


def v0_message(columns: Mapping[str, wl.ColumnV0], tags: Mapping[str, str] | None = None) -> bytes:
    """A profile of 0.x without a length prefix."""
    properties = wl.PropertiesV0(
        schema_major_version=1, schema_minor_version=2, session_id="s", data_timestamp_ms=TIMESTAMP_MS
    )
    for key, value in (tags or {"name": "orders"}).items():
        properties.tags.add(key=key, value=value)
    profile = wl.ProfileV0(properties=properties.SerializeToString())
    for path, column in columns.items():
        profile.columns.append(wl.ColumnEntryV0(key=path, value=column.SerializeToString()).SerializeToString())
    return profile.SerializeToString()


def v0(*profiles: bytes) -> bytes:
    """A file of 0.x."""
    return b"".join(map(delimited, profiles))


def schema(**counts: int) -> bytes:
    keys = {"unknown": 0, "null": 1, "fractional": 2, "integral": 3, "boolean": 4, "string": 5}
    entries = [wl.TypeCountV0(key=keys[name], value=count) for name, count in counts.items()]
    return wl.SchemaV0(type_counts=entries).SerializeToString()


def longs(values: Sequence[int]) -> wl.NumbersV0:
    found = wl.NumbersV0(histogram=kll_floats(values))
    found.variance.count, found.variance.mean = len(values), float(np.mean(values))
    found.variance.m2 = float(((np.array(values) - np.mean(values)) ** 2).sum())
    found.longs.count, found.longs.min, found.longs.max = len(values), min(values), max(values)
    found.longs.sum = sum(values)
    return found


def doubles(values: Sequence[float]) -> wl.NumbersV0:
    found = wl.NumbersV0(histogram=kll_floats(values))
    found.variance.count, found.variance.mean = len(values), float(np.mean(values))
    found.variance.m2 = float(((np.array(values) - np.mean(values)) ** 2).sum())
    found.doubles.count, found.doubles.min, found.doubles.max = len(values), min(values), max(values)
    found.doubles.sum = math.fsum(values)
    return found
