"""Foreign records → plain ones: exact dicts with clean text keys, exact lists, bounded depth; imports `lanes`.

A record comes out whole or is rejected with one reason, so that a rejected one leaves no trace in any column. A cycle
is found by depth: the first branch that is followed runs into the limit. A record of flat fields costs about 1 µs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from polarsprof.ingest.records.dtypes import FATAL, FLAT_IDS, SURROGATE, clean_text, kinds_of
from polarsprof.ingest.records.json_lines import RejectedRow

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_A_MAPPING = "not a mapping"
KEY_NOT_TEXT = "a key is not text"
TOO_DEEP = "nested too deeply"
TOO_MANY = "too many nested values"
UNREADABLE = "unreadable record"
DUPLICATE = "duplicate path"

# Shared lists can stand for more values than memory holds: ten lists of ten references each, ten levels deep.
MAX_NESTED_VALUES = 10_000_000
_CONTAINER_VALUES = 32  # what a container counts for, by the time it takes
_KNOWN_KEYS = 100_000
DEEPEST = 100  # levels; Python's own recursion limit is 1,000 frames
# What a numpy array's `tolist` gives faithfully; datetime64[ns] would come out as integers.
_FAITHFUL = "?biufcSUO"

_LEAF, _MAPPING, _SEQUENCE, _ARRAY = "leaf", "mapping", "sequence", "array"


class _RejectedError(Exception):
    """The record cannot be profiled; the message is the reason."""


def form_of(kind: type) -> str:
    """How values of an exact type nest: "leaf", "mapping", "sequence" (list or tuple) or "array"."""
    if kind is dict:
        return _MAPPING
    if id(kind) in FLAT_IDS:
        return _LEAF
    try:
        if issubclass(kind, (list, tuple)):
            return _SEQUENCE
        if issubclass(kind, np.ndarray):
            return _ARRAY
        return _MAPPING if issubclass(kind, Mapping) else _LEAF
    except FATAL:
        raise
    except BaseException:  # noqa: BLE001  a metaclass that breaks the check makes no container
        return _LEAF


def elements_of(value: Any, kind: type) -> list[Any]:
    """A new list of what a list or tuple of an exact type holds, past whatever a subclass overrides."""
    if kind is list or kind is tuple:
        return list(value)
    return list(list.__iter__(value) if issubclass(kind, list) else tuple.__iter__(value))


class Untangler:
    """Turns foreign records into plain ones, one batch long.

    Parameters
    ----------
    max_depth
        Containers within containers within a record, its own fields being depth 0.

    Attributes
    ----------
    rejected, degraded
        reason → records that were rejected; reason → keys and values that were changed or left out.
    """

    def __init__(self, max_depth: int) -> None:
        self.rejected: Counter[str] = Counter()
        self.degraded: Counter[str] = Counter()
        self._max_depth = max_depth
        self._forms: dict[int, tuple[str, type]] = {}  # the type stays referenced, so that its id stays its own
        self._keys: dict[str, str] = {}
        self._remaining = 0
        self._changed: Counter[str] = Counter()
        self._ambiguous = False

    def plain(self, record: object) -> dict[str, Any] | None:
        """The record as nested exact dicts and lists, none of them shared with it; None where it was rejected."""
        self._remaining = MAX_NESTED_VALUES
        self._changed.clear()
        self._ambiguous = False
        try:
            plain = self._record(record)
        except _RejectedError as rejection:
            self.rejected[str(rejection)] += 1
        except RecursionError:
            self.rejected[TOO_DEEP] += 1
        except FATAL:
            raise
        except BaseException:  # noqa: BLE001  a foreign mapping may raise anything
            self.rejected[UNREADABLE] += 1
        else:
            if self._changed:
                self.degraded.update(self._changed)
            return plain
        return None

    def _record(self, record: object) -> dict[str, Any]:
        kind = type(record)
        if kind is not dict and self._form(kind) is not _MAPPING:
            raise _RejectedError(NOT_A_MAPPING)
        plain = self._mapping(record, 0)  # type: ignore[arg-type]
        if self._ambiguous and (dropped := _drop_duplicate_paths(plain)):
            self._changed[DUPLICATE] += dropped
        return plain

    def _form(self, kind: type) -> str:
        known = self._forms.get(id(kind))
        if known is None:
            known = self._forms[id(kind)] = form_of(kind), kind
        return known[0]

    def _spend(self, values: int) -> None:
        self._remaining -= values + _CONTAINER_VALUES
        if self._remaining < 0:
            raise _RejectedError(TOO_MANY)

    def _mapping(self, mapping: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        items = mapping.items() if type(mapping) is dict else list(mapping.items())
        self._spend(len(items))
        plain: dict[str, Any] = {}
        known = self._keys
        for key, value in items:
            name = known.get(key) if type(key) is str else None
            if name is None:
                name = self._name(key)
            kind = type(value)
            plain[name] = value if id(kind) in FLAT_IDS else self._container(value, kind, depth + 1)
        if len(plain) < len(items):
            self._changed[DUPLICATE] += len(items) - len(plain)
        return plain

    def _name(self, key: object) -> str:
        """The key as exact, encodable text."""
        if not isinstance(key, str):
            raise _RejectedError(KEY_NOT_TEXT)
        exact = str.__str__(key)
        name = clean_text(exact)
        if name is not exact:
            self._changed[SURROGATE] += 1
        if "." in name or "[]" in name:
            self._ambiguous = True
        elif name is key and len(self._keys) < _KNOWN_KEYS:
            self._keys[name] = name
        return name

    def _container(self, value: Any, kind: type, depth: int) -> Any:
        form = self._form(kind)
        if form is _LEAF:
            return value
        if depth > self._max_depth:
            raise _RejectedError(TOO_DEEP)
        if form is _MAPPING:
            return self._mapping(value, depth)
        if form is _ARRAY:
            return self._array(value, depth)
        return self._sequence(elements_of(value, kind), depth)

    def _sequence(self, values: list[Any], depth: int) -> list[Any]:
        self._spend(len(values))
        kinds = kinds_of(values)
        if FLAT_IDS.issuperset(kinds) or all(self._form(kind) is _LEAF for kind in kinds.values()):
            return values
        return [self._container(value, type(value), depth + 1) for value in values]

    def _array(self, array: np.ndarray[Any, Any], depth: int) -> Any:
        # an array of no values may still have a billion rows, and one broadcast value a billion copies
        if math.prod(max(length, 1) for length in array.shape) > self._remaining:
            raise _RejectedError(TOO_MANY)
        if array.ndim == 0:
            scalar = array[()]
            return scalar if type(scalar) is np.ndarray else self._container(scalar, type(scalar), depth)
        values = array.tolist() if array.dtype.kind in _FAITHFUL else list(array)
        return self._sequence(values, depth)


def rejection(record: object, *, max_depth: int = 32) -> str | None:
    """Why a record would be rejected; None where it would not."""
    if type(record) is RejectedRow:
        return record.reason
    if type(record) is dict and _is_flat(record):
        return None
    untangler = Untangler(max_depth)
    untangler.plain(record)
    return next(iter(untangler.rejected), None)


def _is_flat(record: dict[Any, Any]) -> bool:
    return {str}.issuperset(map(type, record)) and FLAT_IDS.issuperset(map(id, map(type, record.values())))


def _drop_duplicate_paths(record: dict[str, Any]) -> int:
    """Remove from a plain record what stands at a path that another key of the record holds; how much that was.

    The path `a.b` may come from a flat key "a.b" and from `b` within `a`; the one of fewer levels wins, at equal
    levels the first.
    """
    owners: dict[str, tuple[str | None, ...]] = {}
    dropped = 0
    level: list[_Level] = [("", (), record)]
    while level:
        for prefix, keys, mapping in level:
            foreign = [key for key in mapping if owners.setdefault(prefix + key, (*keys, key)) != (*keys, key)]
            dropped += _remove(mapping, foreign)
        below: list[_Level] = []
        for prefix, keys, mapping in level:
            foreign = []
            for key, value in mapping.items():
                inside = list(_inside(prefix + key, (*keys, key), value))
                if any(owners.setdefault(path, mine) != mine for path, mine, _ in inside):
                    foreign.append(key)
                else:
                    below += [(f"{path}.", mine, found) for path, mine, found in inside if type(found) is dict]
            dropped += _remove(mapping, foreign)
        level = below
    return dropped


def _remove(mapping: dict[str, Any], keys: list[str]) -> int:
    for key in keys:
        del mapping[key]
    return len(keys)


# path prefix, the keys that led there (None for "an element of"), what stands there
_Level = tuple[str, tuple[str | None, ...], dict[str, Any]]


def _inside(path: str, keys: tuple[str | None, ...], value: Any) -> Iterator[tuple[str, tuple[str | None, ...], Any]]:
    """The containers at a path, those in lists at the path of the elements."""
    if type(value) is dict:
        yield path, keys, value
    elif type(value) is list:
        path, keys = f"{path}[]", (*keys, None)
        yield path, keys, None
        for element in value:
            if type(element) is dict or type(element) is list:
                yield from _inside(path, keys, element)
