"""`ColumnProfile`: what is known of one column, one `GroupProfile` per statistics group met in it."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from polarsprof.errors import CorruptProfile, argument_error
from polarsprof.profiles.from_images import adopt
from polarsprof.profiles.group import STATISTICS, TEMPORAL_GROUPS, GroupProfile, check_number
from polarsprof.sketches import Distinct, Estimate, FrequentItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from polarsprof.files import profile_pb2 as pb
    from polarsprof.kernels.batch import ColumnBatch
    from polarsprof.kernels.spec import ProfileSpec

_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "integral": ("number",),
    "fractional": ("number",),
    "temporal": TEMPORAL_GROUPS,
}


class ColumnProfile:
    """What is known of one column.

    A column of mixed types keeps the statistics of each group side by side, see `group`. The plain attributes speak of
    the numbers first, then of temporals, then of strings; `count`, `types`, `distinct` and `frequent_items` speak of
    all values together, True being the number 1.
    """

    def __init__(self, path: str, spec: ProfileSpec, rows_of: Callable[[str], int]) -> None:
        self.path = path
        self._spec = spec
        self._rows_of = rows_of
        self._groups: dict[str, GroupProfile] = {}

    def among(self, rows_of: Callable[[str], int]) -> ColumnProfile:
        """The same state, where `rows_of` says how many rows a path has."""
        column = ColumnProfile(self.path, self._spec, rows_of)
        column._groups = self._groups
        return column

    def __repr__(self) -> str:
        return f"ColumnProfile({self.path!r}, count={self.count}, null_count={self.null_count}, types={self.types})"

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the statistics groups met, in the order in which the plain attributes speak."""
        return tuple(name for name in STATISTICS if name in self._groups)

    def group(self, name: str) -> GroupProfile:
        """The statistics of one group; those of nothing where the group never came.

        Parameters
        ----------
        name
            A dtype group (`types`) or a finer one: number, datetime_utc (with a zone), datetime, date, time, duration,
            string, boolean, binary, list, struct, object. Integral and fractional numbers share one.

        Raises
        ------
        ArgumentError
            For any other name.
        """
        if name not in STATISTICS and name not in _ALIASES:
            raise argument_error("name", name, f"one of {', '.join([*STATISTICS, *_ALIASES])}")
        names = _ALIASES.get(name, (name,))
        found = next((self._groups[n] for n in names if n in self._groups), None)
        return GroupProfile(names[0], self._spec) if found is None else found

    def _counted(self, group: str, counter: str = "count") -> int:
        found = self._groups.get(group)
        return 0 if found is None else found.counters[counter]

    @property
    def _primary(self) -> GroupProfile:
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
        """Number of rows without a value, rows before the column first came among them."""
        # Two columns may share one path, such as a list `a` and a column that is called `a[]`.
        return max(0, self.rows - self.count)

    @property
    def nan_count(self) -> int:
        """Number of NaN."""
        return self._counted("number", "nan")

    @property
    def true_count(self) -> int | None:
        """Number of booleans that are true; None where some came from a profile of another tool that does not know."""
        return None if self._counted("boolean", "unexamined") else self._counted("boolean", "true")

    @property
    def types(self) -> dict[str, int]:
        """Dtype group → number of values.

        The groups are integral, fractional, temporal, string, boolean, binary, list, struct and object.
        """
        integral = self._counted("number", "integral")
        counts = {"integral": integral, "fractional": self._counted("number") - integral}
        counts["temporal"] = sum(map(self._counted, TEMPORAL_GROUPS))
        counts |= {name: self._counted(name) for name in ("string", "boolean", "binary", "list", "struct", "object")}
        return {name: count for name, count in counts.items() if count}

    @property
    def distinct(self) -> Estimate | None:
        """Number of distinct values over all groups, with bounds two standard errors away.

        None of nothing, where the spec does not track it, and for lists, structs and objects, which are not compared:
        the distinct values of a struct are those of its fields, `name.field`.
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
        """The `n` values that came most often over all groups, each with certain bounds."""
        check_number(n)
        items = [item for name in self.groups for item in self._groups[name].frequent_items(n)]
        return sorted(items, key=lambda item: -item.estimate)[:n]

    @property
    def min(self) -> Any:
        """Smallest value, see `GroupProfile.min`."""
        return self._primary.min

    @property
    def max(self) -> Any:
        """Largest value, see `GroupProfile.max`."""
        return self._primary.max

    @property
    def sum(self) -> int | float | None:
        """Sum of the finite numbers, see `GroupProfile.sum`."""
        return self._primary.sum

    @property
    def mean(self) -> float | None:
        """Mean of the finite numbers."""
        return self._primary.mean

    @property
    def variance(self) -> float | None:
        """Sample variance of the finite numbers; None below two."""
        return self._primary.variance

    @property
    def stddev(self) -> float | None:
        """Sample standard deviation of the finite numbers; None below two."""
        return self._primary.stddev

    @property
    def length(self) -> GroupProfile | None:
        """Lengths: of strings in characters, of binary values in bytes, of lists in elements; None for other groups."""
        return self._primary.length

    def quantile(self, q: float) -> Any:
        """One quantile, see `GroupProfile.quantiles`."""
        return self._primary.quantile(q)

    def quantiles(self, qs: Sequence[float]) -> list[Any] | None:
        """Several quantiles, see `GroupProfile.quantiles`."""
        return self._primary.quantiles(qs)

    def cdf(self, x: Any) -> float | None:
        """Share of the values at or below `x`, see `GroupProfile.cdf`."""
        return self._primary.cdf(x)

    def to_vega(self, kind: str) -> dict[str, Any]:
        """A plot of the column as a plain Vega-Lite dictionary with its data inside, for Altair and others to restyle.

        Parameters
        ----------
        kind
            "histogram"
                Shares of the values in at most 24 bins: fields `start`, `end`, `share`. A far tail is cut off at the
                1 % and the 99 % quantile.
            "cdf"
                The cumulative distribution at 101 ranks: fields `value`, `rank`.
            "top_values"
                Up to 20 values that came most often, with their bounds: fields `value`, `count`, `lower`, `upper`.

            Of text, binary values and lists, the first two show the lengths.

        Returns
        -------
        dict
            A specification of Vega-Lite 6; its data are empty where the column has no such figures. Moments are in UTC,
            times and durations in seconds; text is cleaned and cut to 200 characters, and ±inf left out.

        Raises
        ------
        ArgumentError
            For any other kind.
        """
        from polarsprof.views.vega import column_plot

        return column_plot(self, kind)

    def images(self) -> dict[str, bytes]:
        """The sketches of the group that the plain attributes speak of, see `GroupProfile.images`."""
        return self._primary.images()

    def hash_floor(self, group: str) -> int:
        """Leading zeros that a hash of a value of the group needs to change the distinct count."""
        found = self._groups.get(group)
        return 0 if found is None or found.distinct_sketch is None else found.distinct_sketch.floor

    def update(self, batch: ColumnBatch) -> None:
        """Fold a batch in."""
        self._own(batch.group).update(batch)

    def merge(self, *others: ColumnProfile) -> None:
        """Fold others in."""
        for name in dict.fromkeys(chain.from_iterable([other._groups for other in others])):
            self._own(name).merge(*[other._groups[name] for other in others if name in other._groups])

    def adopt(self, name: str, images: Mapping[str, bytes]) -> None:
        """Take foreign images for the statistics of a group that has none yet, see `Profile.from_images`."""
        if name not in STATISTICS:
            raise argument_error(f"columns[{self.path!r:.80}]", name, f"one of {', '.join(STATISTICS)}")
        adopt(self._own(name), images)

    def _own(self, name: str) -> GroupProfile:
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = GroupProfile(name, self._spec)
        return group

    def new_parts(self, message: pb.Column) -> Iterator[tuple[GroupProfile, pb.Group]]:
        """The groups in the order of `STATISTICS`, each with a new part of the message, for `write_groups`."""
        for name in self.groups:
            yield self._groups[name], message.groups.add()

    def parts_of(self, message: pb.Column) -> Iterator[tuple[GroupProfile, pb.Group]]:
        """The groups to take from a message for `read_groups`; those of a newer minor version are left out."""
        for name, part in _known_groups(self.path, message).items():
            yield self._own(name), part

    def merge_messages(self, messages: Iterable[pb.Column]) -> None:
        """Fold in the states of messages, each of a column of the same spec, once they are found valid."""
        parts: dict[str, list[pb.Group]] = {}
        for message in messages:
            for name, part in _known_groups(self.path, message).items():
                parts.setdefault(name, []).append(part)
        for name, same in parts.items():
            self._own(name).merge_messages(same)


def _known_groups(path: str, message: pb.Column) -> dict[str, pb.Group]:
    groups: dict[str, pb.Group] = {}
    for part in message.groups:
        name = part.name
        if name in STATISTICS:
            if name in groups:
                msg = f"column {path!r:.80}: group {name} stands twice"
                raise CorruptProfile(msg)
            groups[name] = part
    return groups
