"""`ValueFigures`: figures that a column shares with its groups."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from polarsprof.errors import argument_error
from polarsprof.profiles.value_groups import GROUPS
from polarsprof.sketches.values import as_float, known

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polarsprof.kernels.batch import Item
    from polarsprof.profiles.group_state import GroupState


class ValueFigures(ABC):
    """Figures of one group of values; a column has those of its first group."""

    @property
    @abstractmethod
    def _state(self) -> GroupState:
        """Statistics that the figures come from."""

    @property
    def min(self) -> Any:
        """Smallest value, without NaN; of strings the first 128 characters, in byte order.

        None if there is no value, and for strings of which some came from another tool that did not track it.
        """
        return _extreme(self._state, "minimum")

    @property
    def max(self) -> Any:
        """Largest value, without NaN; see `min`."""
        return _extreme(self._state, "maximum")

    @property
    def sum(self) -> int | float | None:
        """Sum of the finite numbers: exact while all are integral, else a double.

        Numbers from another tool give a double unless it tracked the exact sum, and None if it tracked none.
        """
        moments, counters = self._state.moments, self._state.counters
        if moments is None or not moments.n:
            return None
        if counters["integral"] == counters["count"] and not moments.rounded:
            return moments.integer_sum
        return known(as_float(moments.integer_sum) + moments.float_sum)

    @property
    def mean(self) -> float | None:
        """Mean of the finite numbers."""
        moments = self._state.moments
        return None if moments is None else moments.mean

    @property
    def variance(self) -> float | None:
        """Sample variance of the finite numbers; None for fewer than two."""
        moments = self._state.moments
        return None if moments is None else moments.variance

    @property
    def stddev(self) -> float | None:
        """Sample standard deviation of the finite numbers; None for fewer than two."""
        variance = self.variance
        return None if variance is None else variance**0.5

    def quantile(self, q: float) -> Any:
        """Smallest value with at least the share `q` of values at or below it.

        See `quantiles`.
        """
        values = self.quantiles([q])
        return None if values is None else values[0]

    def quantiles(self, qs: Sequence[float]) -> list[Any] | None:
        """Quantiles within `GroupProfile.rank_error`; at 0 and 1 the exact extremes.

        Parameters
        ----------
        qs
            Ranks in [0, 1].

        Returns
        -------
        list or None
            One value per rank: float, datetime, date, time or timedelta; None if empty, and for groups without order.

        Raises
        ------
        ArgumentError
            For a rank outside [0, 1].
        """
        if not isinstance(qs, Iterable):
            raise argument_error("qs", qs, "an iterable of ranks from 0 to 1", "one rank goes to quantile(q)")
        for q in qs:
            if not isinstance(q, int | float) or not 0 <= q <= 1:
                raise argument_error("q", q, "a rank from 0 to 1")
        state = self._state
        sketch, axis, extremes = state.quantile_sketch, GROUPS[state.name].axis, state.extremes
        places = None if sketch is None else sketch.quantiles([float(q) for q in qs])
        if places is None or axis is None or extremes is None:
            return None
        return [axis.value_at(place, extremes.minimum, extremes.maximum) for place in places]

    def cdf(self, x: object) -> float | None:
        """Share of the values at or below `x`, within `GroupProfile.rank_error`.

        None if empty, and for groups without order.

        Raises
        ------
        ArgumentError
            For a value of another group, and for NaN.
        """
        state = self._state
        axis = GROUPS[state.name].axis
        if state.quantile_sketch is None or axis is None:
            return None
        place = axis.place_of(x)
        if place is None:
            raise argument_error("x", x, f"a value comparable with group {state.name!r}")
        return state.quantile_sketch.cdf(place)

    def images(self) -> dict[str, bytes]:
        """Images of the sketches in the format of Apache DataSketches.

        Empty sketches are left out.

        Returns
        -------
        dict
            `kll_doubles`
                KLL sketch of doubles: numbers and days since 1970 unchanged, other temporals in microseconds.
            `hll`
                HLL sketch of type HLL_8, compact, seed 9001.
            `frequent_strings`
                Sketch of frequent strings: numbers and ticks as decimal text, binary values in hexadecimal.
        """
        state = self._state
        sketches = {
            "kll_doubles": state.quantile_sketch,
            "hll": state.distinct_sketch,
            "frequent_strings": state.item_summary,
        }
        return {name: image for name, sketch in sketches.items() if sketch is not None and (image := sketch.image())}


def _extreme(state: GroupState, name: str) -> object:
    extremes = state.extremes
    if extremes is None or (state.name == "string" and state.counters["unexamined"]):
        return None
    stored: Item | None = getattr(extremes, name)
    axis = GROUPS[state.name].axis
    return stored if axis is None or stored is None else axis.value(stored)
