"""Records → typed columns, about 1 µs per record of ten flat fields.

Every record is counted exactly once, in `rows` or in `rejected`.
"""

from __future__ import annotations

from collections import ChainMap, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from operator import is_not, itemgetter
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from polarsprof.errors import argument_error, positive_integer
from polarsprof.ingest.records.dtypes import FLAT_IDS, add_leaves, clean_text, kinds_of
from polarsprof.ingest.records.flatten import MAX_LEVELS, Normalizer, form_of
from polarsprof.ingest.records.foreign import foreign_code
from polarsprof.ingest.records.json_lines import RejectedRow
from polarsprof.kernels.batch import TypedColumns

if TYPE_CHECKING:
    from polarsprof.ingest.records.flat_rows import Column

_TOO_MANY_COLUMNS: Final = "too many columns"
_DICT, _LIST = id(dict), id(list)
# If records share a smaller part of their keys than one in so many, a table of them is mostly empty.
_SPARSE: Final = 4


def typed_columns(records: Sequence[object], *, max_depth: int = 32, max_columns: int = 10_000) -> TypedColumns:
    """The flat, typed columns of records of any content.

    No record is lost and no value is changed silently. Mappings within a record become columns `path.field`, the
    elements of lists, tuples and arrays the column `path[]`. None, `pandas.NA`, NaT and absent keys are nulls. NaN is a
    value. A column of mixed types has one series per target dtype: Boolean, Int64 (Int128 or UInt128 for larger
    values), Float64 (Decimal included), String, Binary, Date, Time, Duration and Datetime. Temporal values are in
    microseconds, nanoseconds of pandas and numpy in nanoseconds, aware datetimes in UTC. Values that no dtype holds
    (sets, UUID, Enum members, complex numbers …) are counted in `objects`.

    Parameters
    ----------
    records
        Mappings with text keys. Other records are rejected with a reason: "not a mapping", "a key is not text",
        "nested too deeply" (also a cycle), "too many nested values" (above 10 million in one record, a container
        counting for 32), "unreadable record" (its own methods raise). A rejected record contributes to nothing else.
    max_depth
        Levels of containers in a record, 1 to 100.
    max_columns
        Paths typed in one call, in order of appearance, including those of mappings and lists. Values at further paths
        are counted in `degraded` as "too many columns".

    Returns
    -------
    TypedColumns
        `rows` plus the sum of `rejected` is `len(records)`. No columns if `records` is empty.

    Raises
    ------
    ArgumentError
        If `records` is not a sequence of records, or a limit is out of its range. Data never raises.
    """
    if isinstance(records, (str, bytes, bytearray)) or not isinstance(records, (list, tuple, Sequence)):
        raise argument_error("records", records, "a list of mappings")
    if positive_integer("max_depth", max_depth) > MAX_LEVELS:
        raise argument_error("max_depth", max_depth, f"an integer from 1 to {MAX_LEVELS}")
    positive_integer("max_columns", max_columns)
    flat = _flat_columns(records)
    if flat is None:
        return typed_rows((), records, len(records), max_depth=max_depth, max_columns=max_columns)
    return typed_rows(flat, (), len(records), max_columns=max_columns)


def typed_rows(
    columns: Iterable[Column],
    records: Sequence[object],
    rows: int,
    *,
    max_depth: int = 32,
    max_columns: int = 10_000,
) -> TypedColumns:
    """The typed columns of flat columns and records with `rows` rows in total.

    The columns have exact text as names and no nested values; see `typed_columns` for the rest.
    """
    out = TypedColumns(rows=rows)
    normal = _normalize(records, max_depth, out)
    out.rows -= len(records) - len(normal)
    layout = _Layout(max_columns, out)
    for name, values, kinds in _join(chain(columns, _columns_of(normal))):
        layout.add(name, values, kinds)
    return out


def _join(columns: Iterable[Column]) -> Iterator[Column]:
    """One column for each name, in order of appearance."""
    parts: dict[str, list[Column]] = {}
    for column in columns:
        parts.setdefault(column[0], []).append(column)
    for name, same in parts.items():
        _, values, kinds = zip(*same, strict=True)
        yield name, values[0] if len(same) == 1 else list(chain(*values)), dict(ChainMap(*kinds))


def _normalize(records: Sequence[object], max_depth: int, out: TypedColumns) -> list[dict[str, object]]:
    """The normal forms of the records that are not rejected."""
    normalizer = Normalizer(max_depth)
    normal = []
    for record in records:
        if type(record) is RejectedRow:
            out.rejected[record.reason] += 1
        elif (fields := normalizer.normalize(record)) is not None:
            normal.append(fields)
    out.rejected += normalizer.rejected
    out.degraded += normalizer.degraded
    return normal


def _flat_columns(records: Sequence[Any]) -> list[Column] | None:
    """The columns of flat dicts with equal clean keys; None for other records.

    All dicts have the same number of keys, and each has all keys of the first. So the keys are equal, and no key of a
    foreign type is accessed.
    """
    if not records or any(kind is not dict for kind in kinds_of(records).values()):
        return None
    names = list(records[0])
    if set(map(len, records)) != {len(names)} or not all(type(name) is str for name in names):
        return None
    with foreign_code():  # a KeyError if the keys differ; a foreign key may refuse to be compared
        columns: list[Column] = []
        for name in names:
            values: list[object] = list(map(itemgetter(name), records))
            kinds = kinds_of(values)
            nested = any(id_ not in FLAT_IDS and form_of(kind) != "leaf" for id_, kind in kinds.items())
            if nested or clean_text(name) is not name:
                return None
            columns.append((name, values, kinds))
        return columns
    return None


class _Layout:
    """Adds normal records to `out` as columns, level by level."""

    def __init__(self, max_columns: int, out: TypedColumns) -> None:
        self.out = out
        self._max_columns = max_columns
        self._paths: set[str] = set()

    def add(self, path: str, values: list[object], kinds: dict[int, type]) -> None:
        """Add the values of one column: scalars, exact dicts and exact lists, and nulls."""
        if not self._admits(path):
            if hidden := sum(map(is_not, values, repeat(None))):
                self.out.degraded[_TOO_MANY_COLUMNS] += hidden
            return
        if _DICT in kinds:
            mappings = [value for value in values if type(value) is dict]
            self.out.structs[path] += len(mappings)
            for name, fields, kinds_of_fields in _columns_of(mappings):
                self.add(f"{path}.{name}", fields, kinds_of_fields)
        if _LIST in kinds:
            self._add_lists(path, [value for value in values if type(value) is list])
        if _DICT in kinds or _LIST in kinds:
            values = [value for value in values if type(value) is not dict and type(value) is not list]
            if all(value is None for value in values):
                return  # a column of containers is known without its nulls
            kinds = kinds_of(values)
        add_leaves(path, values, self.out, kinds)

    def _admits(self, path: str) -> bool:
        if path not in self._paths and len(self._paths) < self._max_columns:
            self._paths.add(path)
        return path in self._paths

    def _add_lists(self, path: str, lists: list[list[object]]) -> None:
        self.out.lists.append((path, pl.Series("", list(map(len, lists)), dtype=pl.Int64)))
        if elements := list(chain.from_iterable(lists)):
            self.add(f"{path}[]", elements, kinds_of(elements))


def _columns_of(mappings: Sequence[Mapping[str, object]]) -> list[Column]:
    return [(name, values, kinds_of(values)) for name, values in _values_by_key(mappings).items()]


def _values_by_key(mappings: Sequence[Mapping[str, object]]) -> dict[str, list[object]]:
    """Key → values; an absent key is None, or is left out if most keys are absent."""
    names = dict.fromkeys(chain.from_iterable(mappings))
    fields = sum(map(len, mappings))
    if fields == len(names) * len(mappings):
        return {name: list(map(itemgetter(name), mappings)) for name in names}
    if fields * _SPARSE >= len(names) * len(mappings):
        return {name: [mapping.get(name) for mapping in mappings] for name in names}
    by_key: defaultdict[str, list[object]] = defaultdict(list)
    for mapping in mappings:
        for name, value in mapping.items():
            by_key[name].append(value)
    return by_key
