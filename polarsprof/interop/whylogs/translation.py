"""A parsed profile of whylogs as the bytes of a native file.

The native profile merges with any other. Counts, types, extremes and variance are those of the file. Unknown figures
are unknown in the profile too: a sum that derives from a mean is no exact integer, and the third and fourth moments are
unknown. If a sketch is not valid, its column is marked as incomplete, and the other columns are read.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Final

from polarsprof.errors import PolarsprofError
from polarsprof.files import profile_pb2 as pb
from polarsprof.files.codec import MAX_DATASET_CHARACTERS, encode
from polarsprof.interop.whylogs.items import Items, TypedItems, count_cut_texts, shorten, typed_items, write_items
from polarsprof.interop.whylogs.numbers import SPEC, import_sketch, number_group
from polarsprof.interop.whylogs.wire import corrupt
from polarsprof.kernels.spec import ProfileSpec
from polarsprof.kernels.strings import LONGEST_EXTREME
from polarsprof.profiles.foreign_metrics import write_figures
from polarsprof.sketches.extremes import write_value
from polarsprof.sketches.images import import_distinct
from polarsprof.sketches.limits import MAX_COUNT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from polarsprof.interop.whylogs.parsed import ParsedColumn, ParsedProfile
    from polarsprof.kernels.batch import Item
    from polarsprof.profiles.foreign_metrics import Figure, Figures

_MAX_FIGURES: Final = 20_000
_MAX_TEXT_CHARACTERS: Final = 1_000
_MAX_COUNT: Final = MAX_COUNT // 16  # the sum of the counts of a column does not exceed MAX_COUNT


def native_file(profile: ParsedProfile) -> bytes:
    """The profile as the bytes of a native file.

    Raises
    ------
    CorruptProfile
        If counts are impossible, or texts exceed the limits of a file.
    """
    if len(profile.dataset) > MAX_DATASET_CHARACTERS:
        raise corrupt(f"the name of the data set has {len(profile.dataset):,} characters")
    incomplete: dict[str, str] = {}
    columns = []
    for column in sorted(profile.columns, key=lambda each: each.path):
        message, reasons = _column(column)
        columns.append((column.path, message))
        if reasons:
            incomplete[column.path] = "; ".join(sorted(set(reasons)))[:_MAX_TEXT_CHARACTERS]
    _count_elements(dict(columns), {column.path: column.rows for column in profile.columns})
    header = _header(profile, _spec_of([message for _, message in columns]), incomplete)
    try:
        return encode(header, columns)
    except PolarsprofError as error:
        raise corrupt(str(error)) from error


def _count_elements(columns: Mapping[str, pb.Column], rows: Mapping[str, int]) -> None:
    """Write the total length of lists: the number of rows of the column of elements.

    Other figures of their lengths are unknown.
    """
    for path, column in columns.items():
        for group in column.groups:
            if group.name == "list" and f"{path}[]" in rows:
                group.length.name = "number"
                write_value(group.length.moments.integer_sum, rows[f"{path}[]"])


def _header(profile: ParsedProfile, spec: ProfileSpec, incomplete: Mapping[str, str]) -> pb.Header:
    header = pb.Header(dataset=profile.dataset, spec_json=spec.to_json())
    rows = max([column.rows for column in profile.columns], default=0) if profile.rows is None else profile.rows
    if not 0 <= rows <= MAX_COUNT:
        raise corrupt(f"{rows:,} rows")
    header.rows = rows
    if profile.window is not None:
        header.window_start_us, header.window_end_us = profile.window.start_us, profile.window.end_us
    for writer_id, number in sorted(profile.panes):
        header.panes.add(writer_id=writer_id, number=number)
    versions = {"whylogs": f"format {profile.version}"}
    for field, texts in (("tags", profile.tags), ("metadata", profile.metadata), ("versions", versions)):
        for key, value in sorted(texts.items()):
            getattr(header, field).add(key=key, value=value)
    figures = {column.path: column.foreign_metrics for column in profile.columns}
    figures[""] = profile.foreign_metrics | figures.get("", {})  # the name of a column can be empty
    write_figures(_limit_figures(figures), header)
    for path, reasons in sorted(incomplete.items()):
        header.incomplete.add(key=path, value=reasons)
    return header


def _limit_figures(figures: Mapping[str, Mapping[str, Figure]]) -> Figures:
    """The figures up to the limit of a header, and the number of those left out."""
    every = [(column, component, figure) for column, named in figures.items() for component, figure in named.items()]
    limited: Figures = {}
    for column, component, figure in every[:_MAX_FIGURES]:
        short = figure[:_MAX_TEXT_CHARACTERS] if isinstance(figure, str) else figure
        limited.setdefault(column, {})[component[:_MAX_TEXT_CHARACTERS]] = short
    if len(every) > _MAX_FIGURES:
        limited.setdefault("", {})["figures left out/count"] = len(every) - _MAX_FIGURES
    return limited


def _spec_of(columns: Sequence[pb.Column]) -> ProfileSpec:
    """The largest size of each kind of sketch; the size of whylogs without any."""
    groups = list(chain.from_iterable(column.groups for column in columns))
    images = [group.quantiles.kll_doubles for group in groups]
    ks = [int.from_bytes(image[4:6], "little") for image in images if image]
    lg_ks = [group.distinct.hll[3] for group in groups if group.distinct.hll]
    lg_items = [group.frequent_items.items[3] for group in groups if group.frequent_items.items]
    return ProfileSpec(
        k=max(ks, default=SPEC.k),
        lg_k=max(lg_ks, default=SPEC.lg_k),
        lg_items=max(lg_items, default=SPEC.lg_items),
        max_columns=max(SPEC.max_columns, len(columns)),
    )


def _column(column: ParsedColumn) -> tuple[pb.Column, list[str]]:
    """The statistics of a column, and the reasons why some of them are incomplete."""
    _check_counts(column)
    message, reasons = pb.Column(), list[str]()
    items, typed = _items(column, reasons)
    numbers = column.numbers
    if numbers.count:
        group = message.groups.add(name="number")
        counts = _number_counts(_complete(typed.numbers, items, numbers.count))
        number_group(group, numbers, counts, reasons)
        _write_items(typed.numbers, items, group, reasons)
    if column.strings:
        if column.text_items is not None:
            items, typed = _text_items(column, typed, reasons)
        _string_group(message.groups.add(name="string"), column, typed.strings, items, reasons)
    _write_distinct(message, column, reasons)
    if column.booleans:
        _boolean_group(message.groups.add(name="boolean"), column, typed, reasons)
    for name, count in (("list", column.lists), ("object", column.objects)):
        if count:
            message.groups.add(name=name).counters.count = count
    return message, reasons


def _check_counts(column: ParsedColumn) -> None:
    numbers, lengths = column.numbers, column.lengths
    counts = [column.rows, column.booleans, column.true or 0, column.strings, column.lists, column.objects]
    for each in (numbers, lengths):
        counts += [each.integral, each.fractional, each.nan, each.infinite, each.booleans, each.true]
    if not all(0 <= count <= _MAX_COUNT for count in counts) or (column.true or 0) > column.booleans:
        raise corrupt(f"impossible counts in column {column.path!r:.80}")


def _items(column: ParsedColumn, reasons: list[str]) -> tuple[Items, TypedItems]:
    """The frequent values as text, and by type."""
    image = column.items if column.text_items is None or column.numbers.count or column.booleans else None
    items = import_sketch(Items.from_image, image, "frequent items", reasons) or Items()
    cut = count_cut_texts(items.weights)
    if cut:
        reasons.append(f"whylogs cuts text at 128 characters, {cut} frequent items among it")
    numbers, strings, booleans = map(bool, (column.numbers.count, column.strings, column.booleans))
    typed = typed_items(items.weights, numbers=numbers, strings=strings, booleans=booleans)
    return items.covering(column.numbers.count + column.strings + column.booleans), typed


def _text_items(column: ParsedColumn, typed: TypedItems, reasons: list[str]) -> tuple[Items, TypedItems]:
    items = import_sketch(Items.from_image, column.text_items, "frequent strings", reasons) or Items()
    strings: dict[Item, int] = dict(items.weights.items())
    return items.covering(column.strings), replace(typed, strings=strings)


def _write_items(weights: dict[Item, int], items: Items, group: pb.Group, reasons: list[str]) -> None:
    """Write the items of a group; none if they include text that looks like values."""
    count = group.counters.count
    if sum(weights.values()) > count:
        reasons.append(f"frequent items of group {group.name} left out: more than it has values")
        weights, items = {}, Items().covering(count)
    write_items(weights, items, count, group.frequent_items)


def _complete(weights: dict[Item, int], items: Items, count: int) -> dict[Item, int] | None:
    """The weights if they cover all values, otherwise None."""
    return weights if not items.offset and sum(weights.values()) == count else None


def _number_counts(weights: dict[Item, int] | None) -> dict[int | float, int] | None:
    if weights is None:
        return None
    return {number: weight for number, weight in weights.items() if isinstance(number, int | float)}


def _write_distinct(message: pb.Column, column: ParsedColumn, reasons: list[str]) -> None:
    """Write the distinct count to the first group; whylogs has one sketch per column."""
    if not message.groups:
        return
    image = import_sketch(import_distinct, column.distinct, "distinct count", reasons)
    if image is None and column.distinct is None:
        reasons.append("no distinct count")
    if image is not None:
        message.groups[0].distinct.hll = image if _counts_any(image) else b""
    if len(message.groups) > 1:
        reasons.append("the distinct count of its numbers is that of its numbers and strings")


def _counts_any(image: bytes) -> bool:
    return len(image) > len("preamble")


def _boolean_group(group: pb.Group, column: ParsedColumn, typed: TypedItems, reasons: list[str]) -> None:
    true = column.true
    if true is None and sum(typed.booleans.values()) == column.booleans:
        true = typed.booleans.get(True, 0)
    group.counters.count, group.counters.true = column.booleans, true or 0
    if true is None:
        group.counters.unexamined = column.booleans
        reasons.append("how many of its booleans are true is not known")


def _string_group(
    group: pb.Group, column: ParsedColumn, weights: dict[Item, int], items: Items, reasons: list[str]
) -> None:
    count = column.strings
    group.counters.count = count
    complete = _complete(weights, items, count)
    if complete:
        group.counters.empty = complete.get("", 0)
        texts = (text[:LONGEST_EXTREME] for text in complete if isinstance(text, str))
        ordered = sorted(texts, key=str.encode)
        write_value(group.extremes.minimum, ordered[0])
        write_value(group.extremes.maximum, ordered[-1])
    else:
        group.counters.unexamined = count
    _write_items(shorten(weights), items, group, reasons)
    group.length.name = "number"
    if column.lengths.count:
        number_group(group.length, column.lengths, None, reasons)
