"""What whylogs had observed, as a profile of our own: the bytes of a native file, which merge with any other.

Counts, types, extremes and the variance are those of the file. What a file does not know never looks as if it were
known: sums that only a mean gives are no exact integers, the third and fourth moments are unknown, and where a sketch
is refused its column says so while the rest is read.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from polarsprof.errors import PolarsprofError
from polarsprof.files import profile_pb2 as pb
from polarsprof.files.codec import MAX_DATASET_CHARACTERS, encode
from polarsprof.interop.whylogs.items import Items, Sorted, number_cut, shortened, sorted_items, write_items
from polarsprof.interop.whylogs.numbers import SPEC, adopted, number_group
from polarsprof.interop.whylogs.wire import corrupt
from polarsprof.kernels.spec import ProfileSpec
from polarsprof.kernels.strings import LONGEST_EXTREME
from polarsprof.profiles.foreign_metrics import write_figures
from polarsprof.sketches.counters import MAX_COUNT
from polarsprof.sketches.extremes import write_value
from polarsprof.sketches.images import import_distinct

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from polarsprof.interop.whylogs.parsed import Observed, ObservedProfile
    from polarsprof.kernels.batch import Item

_MAX_FIGURES: Final = 20_000
_LONGEST_TEXT: Final = 1_000
_MOST: Final = MAX_COUNT // 16  # so that the counts of a column add up to no more than a count may be


def native_file(profile: ObservedProfile) -> bytes:
    """The profile as the bytes of a native file.

    Raises
    ------
    CorruptProfile
        For counts that no data has, and for more text than a file may have.
    """
    if len(profile.dataset) > MAX_DATASET_CHARACTERS:
        raise corrupt(f"the name of a data set of {len(profile.dataset):,} characters")
    incomplete: dict[str, str] = {}
    columns = []
    for observed in sorted(profile.columns, key=lambda column: column.path):
        message, reasons = _column(observed)
        columns.append((observed.path, message))
        if reasons:
            incomplete[observed.path] = "; ".join(sorted(set(reasons)))[:_LONGEST_TEXT]
    _count_elements(dict(columns), {column.path: column.rows for column in profile.columns})
    header = _header(profile, _spec_of([message for _, message in columns]), incomplete)
    try:
        return encode(header, columns)
    except PolarsprofError as error:
        raise corrupt(str(error)) from error


def _count_elements(columns: Mapping[str, pb.Column], rows: Mapping[str, int]) -> None:
    """Lists have as many elements as the column of their elements has rows; more is not known of their lengths."""
    for path, column in columns.items():
        for group in column.groups:
            if group.name == "list" and f"{path}[]" in rows:
                group.length.name = "number"
                write_value(group.length.moments.integer_sum, rows[f"{path}[]"])


def _header(profile: ObservedProfile, spec: ProfileSpec, incomplete: Mapping[str, str]) -> pb.Header:
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
    figures = {column.path: column.foreign for column in profile.columns}
    figures[""] = profile.foreign | figures.get("", {})  # a column may have no name
    write_figures(_bounded(figures), header)
    for path, reasons in sorted(incomplete.items()):
        header.incomplete.add(key=path, value=reasons)
    return header


def _bounded(figures: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The figures, as many as a header may have; how many more there were is one of them."""
    every = [(column, component, figure) for column, named in figures.items() for component, figure in named.items()]
    kept: dict[str, dict[str, Any]] = {}
    for column, component, figure in every[:_MAX_FIGURES]:
        short = figure[:_LONGEST_TEXT] if isinstance(figure, str) else figure
        kept.setdefault(column, {})[component[:_LONGEST_TEXT]] = short
    if len(every) > _MAX_FIGURES:
        kept.setdefault("", {})["figures left out/count"] = len(every) - _MAX_FIGURES
    return kept


def _spec_of(columns: Sequence[pb.Column]) -> ProfileSpec:
    """The sizes of the sketches in the file, the largest of each kind; those of whylogs where it has none."""
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


def _column(observed: Observed) -> tuple[pb.Column, list[str]]:
    """The statistics of a column, and the reasons why some of them do not speak of all its values."""
    _check_counts(observed)
    message, reasons = pb.Column(), list[str]()
    items, found = _items(observed, reasons)
    numbers = observed.numbers
    if numbers.count:
        group = message.groups.add(name="number")
        number_group(group, numbers, _every(found.numbers, items, numbers.count), reasons)
        _write_items(found.numbers, items, group, reasons)
    if observed.strings:
        if observed.text_items is not None:
            items, found = _text_items(observed, found, reasons)
        _string_group(message.groups.add(name="string"), observed, found.strings, items, reasons)
    _write_distinct(message, observed, reasons)
    if observed.booleans:
        _boolean_group(message.groups.add(name="boolean"), observed, found, reasons)
    for name, count in (("list", observed.lists), ("object", observed.objects)):
        if count:
            message.groups.add(name=name).counters.count = count
    return message, reasons


def _check_counts(observed: Observed) -> None:
    numbers, lengths = observed.numbers, observed.lengths
    counts = [observed.rows, observed.booleans, observed.true or 0, observed.strings, observed.lists, observed.objects]
    for each in (numbers, lengths):
        counts += [each.integral, each.fractional, each.nan, each.infinite, each.booleans, each.true]
    if not all(0 <= count <= _MOST for count in counts) or (observed.true or 0) > observed.booleans:
        raise corrupt(f"counts that no values have, of column {observed.path!r:.80}")


def _items(observed: Observed, reasons: list[str]) -> tuple[Items, Sorted]:
    """The frequent values as text, and as what they are."""
    of_all = observed.items if observed.text_items is None or observed.numbers.count or observed.booleans else None
    items = adopted(Items.of_image, of_all, "frequent items", reasons) or Items()
    cut = number_cut(items.weights)
    if cut:
        reasons.append(f"whylogs cuts text at 128 characters, {cut} frequent items among it")
    numbers, strings, booleans = map(bool, (observed.numbers.count, observed.strings, observed.booleans))
    found = sorted_items(items.weights, numbers=numbers, strings=strings, booleans=booleans)
    return items.covering(observed.numbers.count + observed.strings + observed.booleans), found


def _text_items(observed: Observed, found: Sorted, reasons: list[str]) -> tuple[Items, Sorted]:
    items: Items = adopted(Items.of_image, observed.text_items, "frequent strings", reasons) or Items()
    strings: dict[Item, int] = dict(items.weights.items())
    return items.covering(observed.strings), replace(found, strings=strings)


def _write_items(weights: dict[Item, int], items: Items, group: pb.Group, reasons: list[str]) -> None:
    """Write the part of the items that the group has, unless text that looks like its values is among them."""
    count = group.counters.count
    if sum(weights.values()) > count:
        reasons.append(f"frequent items of group {group.name} left out: more than it has values")
        weights, items = {}, Items().covering(count)
    write_items(weights, items, count, group.frequent_items)


def _every(weights: dict[Any, int], items: Items, count: int) -> dict[Any, int] | None:
    """The weights, where these are all values that there are."""
    return weights if not items.offset and sum(weights.values()) == count else None


def _write_distinct(message: pb.Column, observed: Observed, reasons: list[str]) -> None:
    """Put the one sketch that whylogs has of a column with the first of the groups that count distinct values."""
    if not message.groups:
        return
    image = adopted(import_distinct, observed.distinct, "distinct count", reasons)
    if image is None and observed.distinct is None:
        reasons.append("no distinct count")
    if image is not None:
        message.groups[0].distinct.hll = image if _counts_any(image) else b""
    if len(message.groups) > 1:
        reasons.append("the distinct count of its numbers is that of its numbers and strings")


def _counts_any(image: bytes) -> bool:
    return len(image) > len("preamble")


def _boolean_group(group: pb.Group, observed: Observed, found: Sorted, reasons: list[str]) -> None:
    true = observed.true
    if true is None and sum(found.booleans.values()) == observed.booleans:
        true = found.booleans.get(True, 0)
    group.counters.count, group.counters.true = observed.booleans, true or 0
    if true is None:
        group.counters.unexamined = observed.booleans
        reasons.append("how many of its booleans are true is not known")


def _string_group(
    group: pb.Group, observed: Observed, weights: dict[Any, int], items: Items, reasons: list[str]
) -> None:
    count = observed.strings
    group.counters.count = count
    every = _every(weights, items, count)
    if every:
        group.counters.empty = every.get("", 0)
        ordered = sorted((text[:LONGEST_EXTREME] for text in every), key=str.encode)
        write_value(group.extremes.minimum, ordered[0])
        write_value(group.extremes.maximum, ordered[-1])
    else:
        group.counters.unexamined = count
    _write_items(shortened(weights), items, group, reasons)
    group.length.name = "number"
    if observed.lengths.count:
        number_group(group.length, observed.lengths, None, reasons)
