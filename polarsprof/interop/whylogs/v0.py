"""Files of whylogs 0.x: messages with length prefixes, or a single message.

The format has no magic number and no checksum. whylogs 1.x also writes it for profiles with model-performance metrics;
their sketches and counts are those of 1.x.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Final

from polarsprof.errors import CorruptProfile
from polarsprof.interop.whylogs import whylogs_pb2 as wl
from polarsprof.interop.whylogs import wire
from polarsprof.interop.whylogs.parsed import Numbers, ParsedColumn, ParsedProfile
from polarsprof.interop.whylogs.properties import dataset_window, segment_tags
from polarsprof.sketches.images import theta_estimate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polarsprof.profiles.foreign_metrics import Figure

_PROPERTIES: Final = 0x0A  # the tag of field 1
_MAJOR_ONE: Final = b"\x08\x01"  # the first field of the properties
_UNKNOWN, _NULL, _FRACTIONAL, _INTEGRAL, _BOOLEAN, _STRING = range(6)
_MODEL_TYPES: Final = ("unknown", "classification", "regression", "embeddings", "nlp")
_MAX_PROFILES: Final = 1_000
_MAX_EXACT: Final = 2**53
HEAD_BYTES: Final = 24


def is_v0(head: bytes) -> bool:
    """Returns whether the first bytes have properties of schema version 1."""
    return _is_message(head) or (_prefix_end(head) is not None and _is_message(head[_prefix_end(head) :]))


def _is_message(head: bytes) -> bool:
    end = _prefix_end(head[1:])
    return head[:1] == bytes([_PROPERTIES]) and end is not None and head[1 + end : 3 + end] == _MAJOR_ONE


def _prefix_end(head: bytes) -> int | None:
    try:
        return wire.varint(head, 0)[1]
    except CorruptProfile:
        return None


def profiles(data: bytes) -> Iterator[ParsedProfile]:
    """The profiles in a file, in its order.

    Raises
    ------
    CorruptProfile
        If the bytes are truncated, altered or beyond a limit.
    """
    if _is_message(data[:HEAD_BYTES]):
        yield _profile(data)
        return
    offset = number = 0
    while offset < len(data):
        body, offset = wire.delimited(data, offset, wire.MAX_FILE_BYTES)
        number += 1
        if number > _MAX_PROFILES:
            raise wire.corrupt(f"more than {_MAX_PROFILES:,} profiles in one file")
        yield _profile(body)


def _profile(body: bytes) -> ParsedProfile:
    found = wire.message(
        wl.ProfileV0, body, "a profile", max_bytes=wire.MAX_FILE_BYTES, max_fields=wire.MAX_HEADER_FIELDS
    )
    properties = wire.message(wl.PropertiesV0, found.properties, "the properties")
    if properties.schema_major_version != 1:
        raise wire.corrupt(f"schema version {properties.schema_major_version} is unknown")
    tags, metadata = wire.pairs(properties.tags), wire.pairs(properties.metadata)
    dataset = tags.pop("name", "")
    for name in ("session_id", "session_timestamp_ms"):
        if getattr(properties, name):
            metadata.setdefault(f"whylogs.{name}", str(getattr(properties, name)))
    entries = [
        wire.message(wl.ColumnEntryV0, entry, "a column", max_bytes=wire.MAX_PART_BYTES, max_fields=4)
        for entry in found.columns
    ]
    wire.check_unique(entry.key for entry in entries)
    return ParsedProfile(
        version="0",
        columns=[_column(entry.key, entry.value) for entry in entries],
        dataset=dataset,
        window=dataset_window(properties.data_timestamp_ms),
        tags=segment_tags(tags),
        metadata=metadata,
        foreign_metrics=_model(found.model),
    )


def _column(path: str, body: bytes) -> ParsedColumn:
    label = f"column {path!r:.80}"
    found = wire.message(wl.ColumnV0, body, label, max_bytes=wire.MAX_PART_BYTES, max_fields=64)
    schema = wire.message(wl.SchemaV0, found.schema, label, max_bytes=1 << 12)
    types = dict.fromkeys(range(6), 0) | {entry.key: entry.value for entry in schema.type_counts}
    strings, counters = found.strings, found.counters
    typed = sum(count for kind, count in types.items() if kind != _NULL)
    nulls = max(types[_NULL], counters.nulls.value)
    rows = max(counters.count, typed)
    # Text that looks like a date counts as unknown, and also as a string.
    texts = min(max(types[_STRING], strings.count), types[_STRING] + types[_UNKNOWN])
    numbers = _numbers(found.numbers, types)
    numbers.nan = min(max(0, typed + nulls - rows), types[_FRACTIONAL])  # whylogs 1.x also counts NaN as null
    return ParsedColumn(
        path=path,
        rows=rows,
        numbers=numbers,
        lengths=_lengths(strings.length),
        booleans=types[_BOOLEAN],
        true=None,  # the field of that name is the number of booleans
        strings=texts,
        # Of lists, the file has only the number of rows.
        objects=types[_UNKNOWN] + types[_STRING] - texts + max(0, rows - typed - nulls),
        distinct=found.cardinality.image or None,
        items=found.frequent_items.image or None,
        text_items=strings.items if texts and strings.items else None,
        foreign_metrics=_foreign_metrics(found, alone=not found.cardinality.image or bool(texts and numbers.count)),
    )


def _numbers(found: wl.NumbersV0, types: dict[int, int]) -> Numbers:
    numbers = Numbers(integral=types[_INTEGRAL], fractional=types[_FRACTIONAL], histogram=found.histogram or None)
    kind = found.WhichOneof("extremes")
    if kind is None:  # from whylogs 1.x: mean and histogram include the booleans
        numbers.booleans = types[_BOOLEAN]
    else:
        extremes = getattr(found, kind)
        numbers.extremes = extremes.min, extremes.max
        numbers.total = _total(extremes.sum, numbers, extremes.count)
    if not numbers.booleans:
        numbers.mean, numbers.m2 = found.variance.mean, found.variance.m2
    return numbers


def _total(total: float, numbers: Numbers, count: int) -> float:
    """The sum, an integer if no addition was rounded."""
    largest = max(map(abs, numbers.extremes or (math.inf,)))
    if isinstance(total, int) or (
        not numbers.fractional and largest * count <= _MAX_EXACT and float(total).is_integer()
    ):
        return int(total) if not numbers.fractional and count == numbers.integral else float(total)
    return total


def _lengths(found: wl.NumbersV0) -> Numbers:
    kind = found.WhichOneof("extremes")
    count = getattr(found, kind).count if kind else 0
    return _numbers(found, dict.fromkeys(range(6), 0) | {_INTEGRAL: count})


# -------------------------------------------------------------------------------------------------------------- foreign


def _foreign_metrics(found: wl.ColumnV0, *, alone: bool) -> dict[str, Figure]:
    """Figures without a counterpart.

    `alone` says that no other sketch counts the same values, so the theta sketches are read.
    """
    strings = found.strings
    figures = _figures("token_length", strings.token_length)
    for name, image in (("numbers", found.numbers.compact_theta), ("strings", strings.compact_theta)):
        if alone and image:
            figures |= _theta(f"{name}/theta", image)
    if found.numbers.frequent_numbers.image and not found.frequent_items.image:
        figures["numbers/frequent_numbers"] = f"{len(found.numbers.frequent_numbers.image):,} bytes"
    if strings.count and strings.character_positions:
        figures |= _characters(strings.character_positions)
    return figures


def _theta(name: str, image: bytes) -> dict[str, Figure]:
    try:
        estimate = theta_estimate(image)
    except CorruptProfile as error:
        return {name: f"refused: {error}"}
    return {} if estimate is None else {name: estimate.estimate}


def _figures(name: str, found: wl.NumbersV0) -> dict[str, Figure]:
    kind, variance = found.WhichOneof("extremes"), found.variance
    figures: dict[str, Figure] = {"count": variance.count, "mean": variance.mean} if variance.count else {}
    if kind is not None and getattr(found, kind).count:
        extremes = getattr(found, kind)
        figures |= {"count": extremes.count, "min": extremes.min, "max": extremes.max}
    return {f"{name}/{figure}": value for figure, value in figures.items()}


def _count_and_mean(name: str, found: wl.NumbersV0) -> dict[str, Figure]:
    figures = _figures(name, found)
    return {each: figures[each] for each in (f"{name}/count", f"{name}/mean") if each in figures}


def _characters(body: bytes) -> dict[str, Figure]:
    found = wire.message(wl.CharactersV0, body, "character positions")
    figures: dict[str, Figure] = {}
    for entry in found.positions:
        figures |= _count_and_mean(f"character_positions/{entry.key}", entry.value)
    return figures


def _model(body: bytes) -> dict[str, Figure]:
    """Model-performance metrics by name."""
    if not body:
        return {}
    found = wire.message(wl.ModelV0, body, "model-performance metrics")
    name = "model_performance"
    kind = found.metrics.model_type
    figures: dict[str, Figure] = {f"{name}/type": _MODEL_TYPES[kind] if 0 <= kind < len(_MODEL_TYPES) else str(kind)}
    if found.output_fields:
        figures[f"{name}/output_fields"] = json.dumps(list(found.output_fields), ensure_ascii=False)
    if found.metrics.HasField("regression"):
        regression = found.metrics.regression
        figures |= {f"{name}/regression/{field.name}": value for field, value in regression.ListFields()}
    if found.metrics.HasField("score_matrix"):
        figures |= _score_matrix(f"{name}/score_matrix", found.metrics.score_matrix)
    return figures


def _score_matrix(name: str, matrix: wl.ScoreMatrixV0) -> dict[str, Figure]:
    """The count of each pair of labels; rows are predictions."""
    labels = list(matrix.labels)
    figures: dict[str, Figure] = {f"{name}/labels": json.dumps(labels, ensure_ascii=False)}
    for field in ("prediction_field", "target_field", "score_field"):
        if getattr(matrix, field):
            figures[f"{name}/{field}"] = getattr(matrix, field)
    for position, score in enumerate(matrix.scores):
        row, column = divmod(position, len(labels)) if labels else (0, position)
        if row < len(labels):
            # In files of 1.x, minimum and maximum are not those of the scores.
            figures |= _count_and_mean(f"{name}/{labels[row]}/{labels[column]}", score)
    return figures
