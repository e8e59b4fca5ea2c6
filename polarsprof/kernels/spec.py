"""`ProfileSpec`: the frozen configuration of a profile; imports only errors."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Final

from polarsprof.errors import CorruptProfile, argument_error

_RANGES: Final = MappingProxyType({"k": (8, 65_535), "lg_k": (4, 21), "lg_items": (3, 16), "max_columns": (1, 100_000)})
_MAX_CHARACTERS: Final = 1 << 20  # of a spec in the header of a file
_MAX_OVERRIDES: Final = 1_000  # each is compared with each column
_SWITCHES: Final = ("quantiles", "distinct", "frequent_items")
_ALL_TRACKED: Final[frozenset[str]] = frozenset()
_PER_COLUMN: Final = ("k", "lg_k", "lg_items", *_SWITCHES)


@dataclass(frozen=True, slots=True)
class ProfileSpec:
    """The statistics that a profile tracks, and their precision.

    Parameters
    ----------
    k
        Size of the quantile sketch (KLL): 100 / 200 / 400 → about 1.5 / 2.7 / 5 KB → 2.6 / 1.33 / 0.68 % rank error for
        a single quantile at 99 % confidence.
    lg_k
        Size of the distinct count sketch (HLL), as a power of two: 10 / 12 / 14 → 1 / 4 / 16 KiB → 3.25 / 1.6 / 0.8 %
        relative standard error. Up to 384 values at 12 the count is exact.
    lg_items
        Size of the frequent items summary, as a power of two. It holds ¾ · 2^lg_items values, and the error of a count
        is at most the number of rows divided by this number of values: 8 / 9 / 10 → 192 / 384 / 768 values → 0.52 /
        0.26 / 0.13 % of the rows.
    quantiles, distinct, frequent_items
        Whether to track each of these statistics.
    columns
        Overrides per column: a name or shell pattern → the parameters that differ, such as
        ``{"*email*": {"frequent_items": False}}``. A later entry has precedence over an earlier one.
    max_columns
        Columns per profile; values of further columns are only counted.

    Raises
    ------
    ArgumentError
        If a parameter is out of its range, or `columns` names an unknown one.
    """

    k: int = 200
    lg_k: int = 12
    lg_items: int = 9
    quantiles: bool = True
    distinct: bool = True
    frequent_items: bool = True
    columns: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)
    max_columns: int = 10_000

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise argument_error(name, value, f"an integer from {low} to {high}")
        for name in _SWITCHES:
            if type(getattr(self, name)) is not bool:
                raise argument_error(name, getattr(self, name), "True or False")
        if not isinstance(self.columns, Mapping):
            raise argument_error("columns", self.columns, "a mapping of column name or pattern → mapping of knobs")
        if len(self.columns) > _MAX_OVERRIDES:
            raise argument_error("columns", f"{len(self.columns):,} entries", f"at most {_MAX_OVERRIDES:,}")
        for pattern, knobs in self.columns.items():
            _check_override(pattern, knobs)
        if self.columns and len(self.to_json()) > _MAX_CHARACTERS:
            raise argument_error("columns", self.columns, f"at most {_MAX_CHARACTERS:,} characters as JSON")

    def for_column(self, path: str) -> ProfileSpec:
        """The spec of one column.

        It has the overrides that match the path, and no `columns`.
        """
        knobs: dict[str, Any] = {"columns": {}}
        for pattern, overrides in self.columns.items():
            if pattern == path or fnmatch.fnmatchcase(path, pattern):
                knobs |= overrides
        return replace(self, **knobs)

    @property
    def max_items(self) -> int:
        """Number of values that the frequent items summary holds."""
        return (3 << self.lg_items) // 4

    @property
    def untracked(self) -> frozenset[str]:
        """The names among quantiles, distinct and frequent_items that are not tracked."""
        if self.quantiles and self.distinct and self.frequent_items:
            return _ALL_TRACKED
        return frozenset(name for name in _SWITCHES if not getattr(self, name))

    def to_json(self) -> str:
        """The spec as canonical JSON."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> ProfileSpec:
        """The spec written by `to_json`; parameters of a newer version are ignored.

        Raises
        ------
        CorruptProfile
            If the text is not a valid spec.
        """
        if len(text) > _MAX_CHARACTERS:
            msg = f"the spec of the profile is not valid: {len(text):,} characters"
            raise CorruptProfile(msg)
        try:
            known = {f.name for f in fields(cls)}
            return cls(**{name: value for name, value in json.loads(text).items() if name in known})
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            msg = f"the spec of the profile is not valid: {error}"
            raise CorruptProfile(msg) from error


def checked_spec(spec: object) -> ProfileSpec:
    """The given spec, or the default one for None.

    Raises
    ------
    ArgumentError
        If `spec` is neither None nor a `ProfileSpec`.
    """
    if spec is not None and not isinstance(spec, ProfileSpec):
        raise argument_error("spec", spec, "a ProfileSpec")
    return ProfileSpec() if spec is None else spec


def _check_override(pattern: object, knobs: object) -> None:
    if not isinstance(pattern, str) or not isinstance(knobs, Mapping):
        raise argument_error("columns", {pattern: knobs}, "a mapping of column name or pattern → mapping of knobs")
    for name in knobs:
        if name not in _PER_COLUMN:
            raise argument_error(f"columns[{pattern!r}]", name, f"one of {', '.join(_PER_COLUMN)}")
    ProfileSpec(**knobs)
