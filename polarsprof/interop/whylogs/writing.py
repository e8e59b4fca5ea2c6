"""A profile as a file of whylogs 1.x, which whylogs 1.6.4 opens, merges and draws.

Each column has the metrics that whylogs computes for its types, with all their components. Counts, extremes of
integers, mean and variance are those of the profile. Sketches contain the same values, in the format of the fork of
DataSketches that whylogs uses. Figures without a place in whylogs are omitted: exact sums, skewness, kurtosis, lengths,
and extremes of strings and temporals.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

import numpy as np

from polarsprof.files import profile_pb2 as pb
from polarsprof.interop.whylogs import whylogs_pb2 as wl
from polarsprof.interop.whylogs.properties import CREATED, OWN, TAG, US_PER_MS, header_json
from polarsprof.interop.whylogs.v1 import COLUMN, EMPTY_MINIMUM, MAGIC
from polarsprof.kernels.batch import ColumnBatch, EvenRanks
from polarsprof.kernels.spec import ProfileSpec
from polarsprof.sketches.distinct import Distinct, coupons_image
from polarsprof.sketches.frequent import FrequentItems
from polarsprof.sketches.frequent_write import item_text
from polarsprof.sketches.moments import Moments
from polarsprof.sketches.quantiles import Quantiles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

    from polarsprof.kernels.batch import Item
    from polarsprof.profiles.column import ColumnProfile
    from polarsprof.profiles.group import GroupProfile
    from polarsprof.profiles.profile import Profile

    Components = dict[str, wl.Component]

_MINIMUM, _MAXIMUM = 1, 2  # type ids of components
_INT64_MAX: Final = 2**63 - 1
_DEFAULT: Final = ProfileSpec(k=1024, lg_items=10)  # the sizes of whylogs
_MILLISECONDS: Final = re.compile(r"\d{1,15}", re.ASCII)
_GAP_OFFSET: Final = 20  # here the fork has four zero bytes that Apache does not have


def whylogs_file(profile: Profile, header: pb.Header, timestamp_us: int) -> bytes:
    """The bytes of the file.

    Parameters
    ----------
    profile
        The profile to write.
    header
        The header of its native file.
    timestamp_us
        The dataset timestamp in microseconds; whylogs truncates it to milliseconds.
    """
    columns = {path: _components(column) for path, column in profile.columns.items()}
    names = sorted({name for components in columns.values() for name in components})
    index = {name: position for position, name in enumerate(names)}
    head, body = wl.ProfileHeader(), bytearray()
    for path, components in columns.items():
        head.column_offsets.add(key=path).value.offsets.append(len(body))
        body += _chunk({index[name]: component for name, component in components.items()})
    head.length = len(body)
    properties = _properties(profile, header_json(header, bytes(body)), timestamp_us // US_PER_MS)
    head.properties = properties.SerializeToString(deterministic=True)
    for name, position in index.items():
        head.metric_paths.add(key=position, value=name)
    return b"".join([MAGIC, _delimited(wl.SegmentHeader()), _delimited(head), body])


def _properties(profile: Profile, facts: str, timestamp_ms: int) -> wl.Properties:
    created = profile.metadata.get(CREATED, "")
    found = wl.Properties(dataset_timestamp_ms=timestamp_ms)
    found.creation_timestamp_ms = int(created) if _MILLISECONDS.fullmatch(created) else timestamp_ms
    for key, value in sorted(profile.tags.items()):
        found.tags.add(key=TAG + key, value=value)
    for key, value in sorted((profile.metadata | {OWN: facts}).items()):
        found.metadata.add(key=key, value=value)
    return found


def _chunk(components: Mapping[int, wl.Component]) -> bytes:
    chunk = wl.Chunk(components=[wl.ComponentEntry(key=key, value=value) for key, value in components.items()])
    body = chunk.SerializeToString(deterministic=True)
    return _delimited(wl.ChunkHeader(type=COLUMN, length=len(body))) + body


def _delimited(message: Message) -> bytes:
    body = message.SerializeToString(deterministic=True)
    length, prefix = len(body), bytearray()
    while length > 127:
        prefix.append(length & 127 | 128)
        length >>= 7
    return bytes([*prefix, length]) + body


# ----------------------------------------------------------------------------------------------------------- components


def _components(column: ColumnProfile) -> Components:
    """Metric path → component, for the metrics of a column of these types."""
    components = _counts(column) | _types(column)
    types = column.types
    if not types:
        return components
    components |= _distribution(column) | _cardinality(column)
    if types.keys() & {"integral", "boolean"}:
        components |= _integers(column.group("number"))
    if types.keys() != {"fractional"}:
        components |= _frequent_items(column)
    return components


def _named(metric: str, counts: Mapping[str, int]) -> Components:
    return {f"{metric}/{name}": wl.Component(integer=count) for name, count in counts.items()}


def _counts(column: ColumnProfile) -> Components:
    """Counts; whylogs also counts NaN as null."""
    counters = column.group("number").counters
    infinite = counters["positive_infinity"] + counters["negative_infinity"]
    counts = {"null": column.null_count + counters["nan"], "nan": counters["nan"], "inf": infinite}
    return _named("counts", {"n": column.null_count + column.count, **counts, "true": column.true_count or 0})


def _types(column: ColumnProfile) -> Components:
    """Types; whylogs counts lists as tensors, and other types as objects."""
    types = column.types
    counts = {name: types.get(name, 0) for name in ("integral", "fractional", "boolean", "string")}
    counts["tensor"] = types.get("list", 0)
    return _named("types", counts | {"object": column.count - sum(counts.values())})


def _integers(numbers: GroupProfile) -> Components:
    low, high = numbers.min, numbers.max
    if low is None or numbers.counters["integral"] < numbers.count:  # extremes of the integers alone are unknown
        low, high = EMPTY_MINIMUM, -EMPTY_MINIMUM
    ends = [("min", _MINIMUM, low), ("max", _MAXIMUM, high)]
    return {
        f"ints/{name}": wl.Component(type_id=kind, integer=min(max(int(value), -_INT64_MAX - 1), _INT64_MAX))
        for name, kind, value in ends
    }


def _distribution(column: ColumnProfile) -> Components:
    """Distribution of numbers, and of booleans as 0 and 1.

    Empty if quantiles are not tracked.
    """
    numbers, booleans = column.group("number"), column.group("boolean")
    if numbers.quantile_sketch is None or numbers.moments is None:
        return {}
    quantiles, moments = Quantiles(_DEFAULT), Moments(_DEFAULT)
    if numbers.count or not booleans.count:
        quantiles.from_message(_quantiles_message(numbers.quantile_sketch))
        moments.merge(numbers.moments)
    if booleans.count and column.true_count is not None:
        _add_booleans(quantiles, moments, booleans.count, column.true_count)
    mean, variance = moments.mean, moments.variance if moments.n > 1 else 0.0
    default = 0.0 if not moments.n else math.nan
    image = quantiles.image() or b"\x02\x01\x0f\x01" + _DEFAULT.k.to_bytes(2, "little") + b"\x08\0"
    return {
        "distribution/kll": wl.Component(kll=wl.Sketch(image=_fork_image(image))),
        "distribution/mean": wl.Component(fractional=default if mean is None else mean),
        "distribution/m2": wl.Component(fractional=default if variance is None else variance * max(moments.n - 1, 0)),
    }


def _quantiles_message(quantiles: Quantiles) -> pb.Quantiles:
    message = pb.Quantiles()
    quantiles.to_message(message)
    return message


def _add_booleans(quantiles: Quantiles, moments: Moments, count: int, true: int) -> None:
    """Add booleans as a few hundred values, each with a power of two as its weight.

    The rank error of quantiles in whylogs is the weight of one value.
    """
    top = max(0, count.bit_length() - 9)
    for value, times in ((0.0, count - true), (1.0, true)):
        for level in range(top + 1):
            copies = times >> top if level == top else times >> level & 1
            if copies:
                ranks = EvenRanks(level, np.full(copies, value), np.empty(0), value, value)
                quantiles.update(ColumnBatch("", "number", even_ranks=ranks))
    m2 = true * (count - true) / count
    batch = ColumnBatch("", "number", integer_sum=true, moments=(count, true / count, m2, math.nan, math.nan))
    moments.update(batch)


def _fork_image(image: bytes) -> bytes:
    """The image in the format of whylogs' fork of DataSketches."""
    return image if image[0] != 5 else b"\x06" + image[1:_GAP_OFFSET] + bytes(4) + image[_GAP_OFFSET:]


def _cardinality(column: ColumnProfile) -> Components:
    sketches = [column.group(name).distinct_as_numbers() for name in column.groups]
    tracked = [sketch for sketch in sketches if sketch is not None]
    if not tracked and column.group("number").distinct_sketch is None:
        return {}
    union = Distinct(_DEFAULT)
    union.merge(*tracked)
    image = union.image() or coupons_image(_DEFAULT.lg_k, np.empty(0, dtype=np.uint32))
    return {"cardinality/hll": wl.Component(hll=wl.Sketch(image=image))}


def _frequent_items(column: ColumnProfile) -> Components:
    """Numbers, strings and booleans as text in one sketch.

    The offset of the sketch holds for each of them.
    """
    groups = [column.group(name) for name in ("number", "string")]
    summaries = [group.item_summary for group in groups if group.item_summary is not None]
    if not summaries:
        return {}
    weights: dict[Item, int] = {}
    for summary in summaries:
        for item in summary.items():
            text = item_text(item.value)  # type: ignore[arg-type]
            weights[text] = weights.get(text, 0) + item.lower
    booleans = column.group("boolean")
    for value in booleans.frequent_items(2):
        weights[str(value.value)] = weights.get(str(value.value), 0) + value.lower
    total = sum(group.count for group in groups) + booleans.count
    lg_items = max(_DEFAULT.lg_items, math.ceil(math.log2(4 * len(weights) / 3)) if weights else 0)
    summary = FrequentItems(ProfileSpec(lg_items=min(lg_items, 16)))
    batch = ColumnBatch("", "string", {"count": max(total, sum(weights.values()))})
    batch.items, batch.weights = list(weights), list(weights.values())
    batch.items_offset = sum(summary.offset for summary in summaries)
    summary.update(batch)
    image = summary.image() or bytes([1, 1, 10, _DEFAULT.lg_items, 3, 5, 0, 0])
    return {"frequent_items/frequent_strings": wl.Component(frequent_items=wl.Sketch(image=image))}
