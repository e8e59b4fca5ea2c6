"""`ColumnProfile`: figures of one column, with a `GroupProfile` per group."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from polarsprof.errors import CorruptProfile, argument_error
from polarsprof.profiles.group import GroupProfile, check_number
from polarsprof.profiles.value_figures import ValueFigures
from polarsprof.profiles.value_groups import GROUPS, TEMPORAL_GROUPS
from polarsprof.sketches.distinct import Distinct, Estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from polarsprof.files import profile_pb2 as pb
    from polarsprof.kernels.batch import ColumnBatch
    from polarsprof.kernels.spec import ProfileSpec
    from polarsprof.sketches.frequent import FrequentItem

_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "integral": ("number",),
    "fractional": ("number",),
    "temporal": TEMPORAL_GROUPS,
}


class ColumnProfile(ValueFigures):
    """Figures of one column.

    A column of mixed types keeps the statistics of each group apart, see `group`. `min`, `mean`, `quantile` and the
    other figures of values come from its first group: numbers, then temporals, then strings. `count`, `types`,
    `distinct` and `frequent_items` cover all values together; True counts as the number 1.
    """

    def __init__(self, path: str, spec: ProfileSpec, rows_of: Callable[[str], int]) -> None:
        self.path = path
        self._spec = spec
        self._rows_of = rows_of
        self._groups: dict[str, GroupProfile] = {}

    def with_rows(self, rows_of: Callable[[str], int]) -> ColumnProfile:
        """Return a view of the same state; `rows_of` maps a path to its number of rows."""
        column = ColumnProfile(self.path, self._spec, rows_of)
        column._groups = self._groups
        return column

    def __repr__(self) -> str:
        return f"ColumnProfile({self.path!r}, count={self.count}, null_count={self.null_count}, types={self.types})"

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups with values; the first gives the figures of the column."""
        return tuple(name for name in GROUPS if name in self._groups)

    def group(self, name: str) -> GroupProfile:
        """Figures of one group; those of an empty group if the column has no such values.

        Parameters
        ----------
        name
            A dtype group (see `types`) or a finer one: number, datetime_utc (with a zone), datetime, date, time,
            duration, string, boolean, binary, list, struct, object. Integral and fractional numbers share one group.

        Raises
        ------
        ArgumentError
            For any other name.
        """
        if name not in GROUPS and name not in _ALIASES:
            raise argument_error("name", name, f"one of {', '.join([*GROUPS, *_ALIASES])}")
        names = _ALIASES.get(name, (name,))
        found = next((self._groups[n] for n in names if n in self._groups), None)
        return GroupProfile(names[0], self._spec) if found is None else found

    def _counter(self, group: str, counter: str = "count") -> int:
        found = self._groups.get(group)
        return 0 if found is None else found.counters[counter]

    @property
    def _state(self) -> GroupProfile:
        return self.group((*self.groups, "object")[0])

    @property
    def rows(self) -> int:
        """Number of rows; for the elements of lists, `name[]`, the number of elements."""
        return self._rows_of(self.path)

    @property
    def count(self) -> int:
        """Number of values that are not null; NaN is a value."""
        return sum(group.count for group in self._groups.values())

    @property
    def null_count(self) -> int:
        """Number of rows without a value, including those before the first value."""
        # Two columns can share one path, such as a list `a` and a column named `a[]`.
        return max(0, self.rows - self.count)

    @property
    def nan_count(self) -> int:
        """Number of NaN."""
        return self._counter("number", "nan")

    @property
    def true_count(self) -> int | None:
        """Number of true booleans; None if another tool did not track it."""
        return None if self._counter("boolean", "unexamined") else self._counter("boolean", "true")

    @property
    def types(self) -> dict[str, int]:
        """Dtype group → number of values.

        The groups are integral, fractional, temporal, string, boolean, binary, list, struct and object.
        """
        integral = self._counter("number", "integral")
        counts = {"integral": integral, "fractional": self._counter("number") - integral}
        counts["temporal"] = sum(map(self._counter, TEMPORAL_GROUPS))
        counts |= {name: self._counter(name) for name in ("string", "boolean", "binary", "list", "struct", "object")}
        return {name: count for name, count in counts.items() if count}

    @property
    def distinct(self) -> Estimate | None:
        """Number of distinct values over all groups, with bounds two standard errors away.

        None if empty, and if the spec does not track it. Lists, structs and objects are not compared, so that they have
        none either; a struct has those of its fields, `name.field`.
        """
        groups = [self._groups[name] for name in self.groups]
        if len(groups) == 1:
            return groups[0].distinct
        union = Distinct(self._spec)
        for group in groups:
            sketch = group.distinct_as_numbers()
            if sketch is not None:
                union.merge(sketch)
        return union.estimate()

    def frequent_items(self, n: int = 10) -> list[FrequentItem]:
        """The `n` most frequent values over all groups, each with certain bounds."""
        check_number(n)
        items = [item for name in self.groups for item in self._groups[name].frequent_items(n)]
        return sorted(items, key=lambda item: -item.estimate)[:n]

    @property
    def length(self) -> GroupProfile | None:
        """Lengths of strings in characters, binary values in bytes, lists in elements.

        None for other groups.
        """
        return self._state.length

    def to_vega(self, kind: str) -> dict[str, Any]:
        """Plot the column as a Vega-Lite dictionary, with its data, to restyle or show.

        Parameters
        ----------
        kind
            "histogram"
                Shares of the values in at most 24 bins: fields `start`, `end`, `share`. A far tail is cut off at the
                1 % and the 99 % quantile.
            "cdf"
                The cumulative distribution at 101 ranks: fields `value`, `rank`.
            "top_values"
                Up to 20 most frequent values with their bounds: fields `value`, `count`, `lower`, `upper`.

            For text, binary values and lists, the first two show the lengths.

        Returns
        -------
        dict
            A specification of Vega-Lite 6, without data if the column has no such figures. Datetimes are in UTC, times
            and durations in seconds. Text is cleaned and cut to 200 characters, and ±inf is left out.

        Raises
        ------
        ArgumentError
            For any other kind.
        """
        from polarsprof.views.vega import column_plot

        return column_plot(self, kind)

    def hash_floor(self, group: str) -> int:
        """Leading zeros that the hash of a value needs to change the distinct count."""
        found = self._groups.get(group)
        return 0 if found is None or found.distinct_sketch is None else found.distinct_sketch.floor

    def update(self, batch: ColumnBatch) -> None:
        """Add a batch."""
        self.ensure_group(batch.group).update(batch)

    def merge(self, *others: ColumnProfile) -> None:
        """Add others, which stay unchanged."""
        for name in dict.fromkeys(chain.from_iterable([other._groups for other in others])):
            self.ensure_group(name).merge(*[other._groups[name] for other in others if name in other._groups])

    def ensure_group(self, name: str) -> GroupProfile:
        """Group of the column, added if it is new."""
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = GroupProfile(name, self._spec)
        return group

    def add_messages(self, message: pb.Column) -> Iterator[tuple[GroupProfile, pb.Group]]:
        """Pair each group, in the order of `GROUPS`, with a new part of the message."""
        for name in self.groups:
            yield self._groups[name], message.groups.add()

    def ensure_groups(self, message: pb.Column) -> Iterator[tuple[GroupProfile, pb.Group]]:
        """Pair each part of the message with the group to read it into.

        Groups of a newer minor version are skipped.
        """
        for name, part in _known_groups(self.path, message).items():
            yield self.ensure_group(name), part

    def merge_messages(self, messages: Iterable[pb.Column]) -> None:
        """Add messages of columns of the same spec, after checking them."""
        parts: dict[str, list[pb.Group]] = {}
        for message in messages:
            for name, part in _known_groups(self.path, message).items():
                parts.setdefault(name, []).append(part)
        for name, same in parts.items():
            self.ensure_group(name).merge_messages(same)


def _known_groups(path: str, message: pb.Column) -> dict[str, pb.Group]:
    groups: dict[str, pb.Group] = {}
    for part in message.groups:
        name = part.name
        if name in GROUPS:
            if name in groups:
                msg = f"column {path!r:.80}: group {name} stands twice"
                raise CorruptProfile(msg)
            groups[name] = part
    return groups
