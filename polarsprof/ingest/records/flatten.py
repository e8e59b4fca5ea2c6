"""Foreign records → normal ones, or a rejection with a reason.

A normal record has exact dicts with clean text keys, exact lists, and a bounded depth. A record is normalized as a
whole or rejected with one reason, so a rejected record leaves no trace in any column. A cycle is found by depth: the
first branch that is followed reaches the limit. A record of flat fields costs about 1 µs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from polarsprof.ingest.records.dtypes import FLAT_IDS, SURROGATE, clean_text, kinds_of
from polarsprof.ingest.records.foreign import FATAL, foreign_code
from polarsprof.ingest.records.json_lines import RejectedRow

if TYPE_CHECKING:
    from collections.abc import Iterator

    Keys = tuple[str | None, ...]
    """The keys that lead to a container; None stands for an element of a list."""
    Level = tuple[str, Keys, dict[str, object]]
    """A prefix of paths, the keys that lead there, and the mapping there."""

NOT_A_MAPPING: Final = "not a mapping"
KEY_NOT_TEXT: Final = "a key is not text"
TOO_DEEP: Final = "nested too deeply"
TOO_MANY: Final = "too many nested values"
UNREADABLE: Final = "unreadable record"
DUPLICATE: Final = "duplicate path"

# Shared lists can stand for more values than memory holds: ten lists of ten references each, ten levels deep.
MAX_NESTED_VALUES: Final = 10_000_000
_CONTAINER_VALUES: Final = 32  # values that a container counts for, by its cost
_MAX_KNOWN_KEYS: Final = 100_000
MAX_LEVELS: Final = 100  # Python's own recursion limit is 1,000 frames
# Kinds of numpy arrays whose `tolist` is faithful; datetime64[ns] becomes integers.
_FAITHFUL: Final = "?biufcSUO"

_LEAF, _MAPPING, _SEQUENCE, _ARRAY = "leaf", "mapping", "sequence", "array"
_FORMS: Final = {id(dict): _MAPPING, id(list): _SEQUENCE, id(tuple): _SEQUENCE, **dict.fromkeys(FLAT_IDS, _LEAF)}


class _RejectedError(Exception):
    """The record cannot be profiled; the message is the reason."""


def form_of(kind: type) -> str:
    """The form of an exact type: "leaf", "mapping", "sequence" or "array".

    A sequence is a list or a tuple.
    """
    if form := _FORMS.get(id(kind)):
        return form
    with foreign_code():
        if issubclass(kind, (list, tuple)):
            return _SEQUENCE
        if issubclass(kind, np.ndarray):
            return _ARRAY
        return _MAPPING if issubclass(kind, Mapping) else _LEAF
    return _LEAF  # a metaclass broke the check


def elements_of(value: Any, kind: type) -> list[object]:
    """A new list of the elements of a list or tuple of an exact type.

    Overrides of a subclass are ignored.
    """
    if kind is list or kind is tuple:
        return list(value)
    return list(list.__iter__(value) if issubclass(kind, list) else tuple.__iter__(value))


class Normalizer:
    """Normalizes the records of one batch.

    Parameters
    ----------
    max_depth
        Levels of containers in a record; its own fields are at depth 0.

    Attributes
    ----------
    rejected, degraded
        Reason → number of rejected records; reason → number of keys and values that were changed or left out.
    """

    def __init__(self, max_depth: int) -> None:
        self.rejected: Counter[str] = Counter()
        self.degraded: Counter[str] = Counter()
        self._max_depth = max_depth
        self._forms: dict[int, tuple[str, type]] = {}  # holds the type, so that its id is not reused
        self._keys: dict[str, str] = {}
        self._remaining = 0
        self._changes: Counter[str] = Counter()
        self._ambiguous = False

    def normalize(self, record: object) -> dict[str, object] | None:
        """The record as nested exact dicts and lists; None if it is rejected.

        No container is shared with the original.
        """
        self._remaining = MAX_NESTED_VALUES
        self._changes.clear()
        self._ambiguous = False
        try:
            normal = self._record(record)
        except _RejectedError as rejection:
            self.rejected[str(rejection)] += 1
        except RecursionError:
            self.rejected[TOO_DEEP] += 1
        except FATAL:
            raise
        except BaseException:  # noqa: BLE001 - foreign code, per record
            self.rejected[UNREADABLE] += 1
        else:
            if self._changes:
                self.degraded.update(self._changes)
            return normal
        return None

    def _record(self, record: object) -> dict[str, object]:
        kind = type(record)
        if kind is not dict and self._form(kind) is not _MAPPING:
            raise _RejectedError(NOT_A_MAPPING)
        normal = self._mapping(record, 0)  # type: ignore[arg-type]
        if self._ambiguous and (dropped := _drop_duplicate_paths(normal)):
            self._changes[DUPLICATE] += dropped
        return normal

    def _form(self, kind: type) -> str:
        known = self._forms.get(id(kind))
        if known is None:
            known = self._forms[id(kind)] = form_of(kind), kind
        return known[0]

    def _spend(self, values: int) -> None:
        self._remaining -= values + _CONTAINER_VALUES
        if self._remaining < 0:
            raise _RejectedError(TOO_MANY)

    def _mapping(self, mapping: Mapping[Any, object], depth: int) -> dict[str, object]:
        items = mapping.items() if type(mapping) is dict else list(mapping.items())
        self._spend(len(items))
        normal: dict[str, object] = {}
        known = self._keys
        for key, value in items:
            name = known.get(key) if type(key) is str else None
            if name is None:
                name = self._name(key)
            kind = type(value)
            normal[name] = value if id(kind) in FLAT_IDS else self._container(value, kind, depth + 1)
        if len(normal) < len(items):
            self._changes[DUPLICATE] += len(items) - len(normal)
        return normal

    def _name(self, key: object) -> str:
        """The key as exact, encodable text."""
        if not isinstance(key, str):
            raise _RejectedError(KEY_NOT_TEXT)
        exact = str.__str__(key)
        name = clean_text(exact)
        if name is not exact:
            self._changes[SURROGATE] += 1
        if "." in name or "[]" in name:
            self._ambiguous = True
        elif name is key and len(self._keys) < _MAX_KNOWN_KEYS:
            self._keys[name] = name
        return name

    def _container(self, value: Any, kind: type, depth: int) -> object:
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

    def _sequence(self, values: list[object], depth: int) -> list[object]:
        self._spend(len(values))
        kinds = kinds_of(values)
        if FLAT_IDS.issuperset(kinds) or all(self._form(kind) is _LEAF for kind in kinds.values()):
            return values
        return [self._container(value, type(value), depth + 1) for value in values]

    def _array(self, array: np.ndarray, depth: int) -> object:
        # An array of no values can still have a billion rows, and a broadcast value a billion copies.
        if math.prod(max(length, 1) for length in array.shape) > self._remaining:
            raise _RejectedError(TOO_MANY)
        if array.ndim == 0:
            scalar = array[()]
            return scalar if type(scalar) is np.ndarray else self._container(scalar, type(scalar), depth)
        values = array.tolist() if array.dtype.kind in _FAITHFUL else list(array)
        return self._sequence(values, depth)


def rejection(record: object, *, max_depth: int = 32) -> str | None:
    """The reason for which a record is rejected; None if it is accepted."""
    if type(record) is RejectedRow:
        return record.reason
    if type(record) is dict and _is_flat(record):
        return None
    normalizer = Normalizer(max_depth)
    normalizer.normalize(record)
    return next(iter(normalizer.rejected), None)


def _is_flat(record: dict[Any, object]) -> bool:
    return {str}.issuperset(map(type, record)) and FLAT_IDS.issuperset(map(id, map(type, record.values())))


def _drop_duplicate_paths(record: dict[str, object]) -> int:
    """Remove values whose path belongs to another key; returns their number.

    The path `a.b` can come from a flat key "a.b" and from `b` within `a`. The key with fewer levels wins; with equal
    levels, the first one.
    """
    owners: dict[str, Keys] = {}
    dropped = 0
    level: list[Level] = [("", (), record)]
    while level:
        for prefix, keys, mapping in level:
            foreign = [key for key in mapping if owners.setdefault(prefix + key, (*keys, key)) != (*keys, key)]
            dropped += _remove(mapping, foreign)
        below: list[Level] = []
        for prefix, keys, mapping in level:
            foreign = []
            for key, value in mapping.items():
                containers = list(_containers_at(prefix + key, (*keys, key), value))
                if any(owners.setdefault(path, owner) != owner for path, owner, _ in containers):
                    foreign.append(key)
                else:
                    below += [(f"{path}.", owner, inner) for path, owner, inner in containers if type(inner) is dict]
            dropped += _remove(mapping, foreign)
        level = below
    return dropped


def _remove(mapping: dict[str, object], keys: list[str]) -> int:
    for key in keys:
        del mapping[key]
    return len(keys)


def _containers_at(path: str, keys: Keys, value: object) -> Iterator[tuple[str, Keys, object]]:
    """The containers at a path; containers in lists are at the path of the elements."""
    if type(value) is dict:
        yield path, keys, value
    elif type(value) is list:
        path, keys = f"{path}[]", (*keys, None)
        yield path, keys, None
        for element in value:
            if type(element) is dict or type(element) is list:
                yield from _containers_at(path, keys, element)
