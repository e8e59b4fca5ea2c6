"""Records → typed columns, about 1 µs per record of ten flat fields.

Any record ends in exactly one of two counts: `rows` or `rejected`.
"""

from __future__ import annotations

from collections import ChainMap, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat
from operator import is_not, itemgetter
from typing import TYPE_CHECKING, Any

import polars as pl

from polarsprof.errors import argument_error, positive_integer
from polarsprof.ingest.records.dtypes import FATAL, FLAT_IDS, add_leaves, clean_text, kinds_of
from polarsprof.ingest.records.flatten import DEEPEST, Untangler, form_of
from polarsprof.ingest.records.json_lines import RejectedRow
from polarsprof.kernels.batch import TypedColumns

if TYPE_CHECKING:
    from polarsprof.ingest.records.flat_rows import Column

_TOO_MANY_COLUMNS = "too many columns"
_DICT, _LIST = id(dict), id(list)
# Where records share fewer of their keys than this, a table of them would be mostly empty.
_SPARSE = 4


def typed_columns(records: Sequence[object], *, max_depth: int = 32, max_columns: int = 10_000) -> TypedColumns:
    """The flat, typed columns of records, whatever they hold; no record is lost and no value changed unseen.

    Mappings within a record become columns `path.field`, the elements of lists, tuples and arrays the column `path[]`.
    None, `pandas.NA` and NaT are nulls; a key that is absent is one too. NaN is a value. A column of several kinds of
    values has one series per lane: Boolean, Int64 (Int128, UInt128 where a value needs it), Float64 (Decimal among
    them), String, Binary, Date, Time, Duration and Datetime, in microseconds, pandas and numpy nanoseconds as such,
    aware ones in UTC. What no lane holds (sets, UUID, Enum members, complex numbers …) is counted in `objects`.

    Parameters
    ----------
    records
        Mappings with text keys. Records that are not so are rejected with a reason: "not a mapping", "a key is not
        text", "nested too deeply" (also a cycle), "too many nested values" (above 10 million in one record, a container
        counting for 32), "unreadable record" (its own methods raise). A rejected record contributes to nothing else.
    max_depth
        Containers within containers in a record, 1 to 100.
    max_columns
        Paths typed in one call, in order of appearance, those of mappings and lists among them; values at further
        ones are counted in `degraded` as "too many columns".

    Returns
    -------
    TypedColumns
        `rows` plus the sum of `rejected` is `len(records)`. Of no records, no columns.

    Raises
    ------
    ArgumentError
        If `records` is not a sequence of records, or a limit is out of its range. Data never raises.
    """
    if isinstance(records, (str, bytes, bytearray)) or not isinstance(records, (list, tuple, Sequence)):
        raise argument_error("records", records, "a list of mappings")
    if positive_integer("max_depth", max_depth) > DEEPEST:
        raise argument_error("max_depth", max_depth, f"an integer from 1 to {DEEPEST}")
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
    """The typed columns of rows that lie in columns already, and of records, `rows` of them in all.

    The columns have exact text for names, and no nested values; the rest is as for `typed_columns`.
    """
    out = TypedColumns(rows=rows)
    plain = _plain(records, max_depth, out)
    out.rows -= len(records) - len(plain)
    layout = _Columns(max_columns, out)
    for name, values, kinds in _joined(chain(columns, _columns_of(plain))):
        layout.add(name, values, kinds)
    return out


def _joined(columns: Iterable[Column]) -> Iterator[Column]:
    """One column for each name, in the order in which they come."""
    parts: dict[str, list[Column]] = {}
    for column in columns:
        parts.setdefault(column[0], []).append(column)
    for name, same in parts.items():
        _, values, kinds = zip(*same, strict=True)
        yield name, values[0] if len(same) == 1 else list(chain(*values)), dict(ChainMap(*kinds))


def _plain(records: Sequence[object], max_depth: int, out: TypedColumns) -> list[dict[str, Any]]:
    """The records as plain ones, without those that are rejected."""
    untangler = Untangler(max_depth)
    plain = []
    for record in records:
        if type(record) is RejectedRow:
            out.rejected[record.reason] += 1
        elif (found := untangler.plain(record)) is not None:
            plain.append(found)
    out.rejected += untangler.rejected
    out.degraded += untangler.degraded
    return plain


def _flat_columns(records: Sequence[Any]) -> list[Column] | None:
    """The columns of dicts that all have the same clean keys and no nested value; None for any other records.

    Equal numbers of keys, all those of the first record found in each: so the keys are the same, and no key of a
    foreign type needs to be looked at.
    """
    if not records or any(kind is not dict for kind in kinds_of(records).values()):
        return None
    names = list(records[0])
    if set(map(len, records)) != {len(names)} or not all(type(name) is str for name in names):
        return None
    columns: list[Column] = []
    try:
        for name in names:
            values = list(map(itemgetter(name), records))
            kinds = kinds_of(values)
            nested = any(id_ not in FLAT_IDS and form_of(kind) != "leaf" for id_, kind in kinds.items())
            if nested or clean_text(name) is not name:
                return None
            columns.append((name, values, kinds))
    except FATAL:
        raise
    except BaseException:  # noqa: BLE001  a missing key, or a foreign one that will not be compared
        return None
    return columns


class _Columns:
    """Lays plain records out as columns, level by level, into `out`."""

    def __init__(self, max_columns: int, out: TypedColumns) -> None:
        self.out = out
        self._max_columns = max_columns
        self._paths: set[str] = set()

    def add(self, path: str, values: list[Any], kinds: dict[int, type]) -> None:
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

    def _add_lists(self, path: str, lists: list[list[Any]]) -> None:
        self.out.lists.append((path, pl.Series("", list(map(len, lists)), dtype=pl.Int64)))
        if elements := list(chain.from_iterable(lists)):
            self.add(f"{path}[]", elements, kinds_of(elements))


def _columns_of(mappings: list[dict[str, Any]]) -> list[Column]:
    return [(name, values, kinds_of(values)) for name, values in _gathered(mappings).items()]


def _gathered(mappings: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Key → its values, with None for an absent key or, in a table that were mostly empty, without."""
    names = dict.fromkeys(chain.from_iterable(mappings))
    fields = sum(map(len, mappings))
    if fields == len(names) * len(mappings):
        return {name: list(map(itemgetter(name), mappings)) for name in names}
    if fields * _SPARSE >= len(names) * len(mappings):
        return {name: [mapping.get(name) for mapping in mappings] for name in names}
    gathered: defaultdict[str, list[Any]] = defaultdict(list)
    for mapping in mappings:
        for name, value in mapping.items():
            gathered[name].append(value)
    return gathered
