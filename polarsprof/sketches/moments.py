"""Sum, mean and central moments of finite numbers.

Integral values sum exactly at any size. Fractional sums carry their rounding error along (Neumaier 1974), so the order
of merges changes at most the last digit. Central moments merge by Pébay's formulas (SAND2008-6212, eq. 2.1–3.1).
A moment that another tool did not keep is unknown: the state holds NaN, also after merges, and the figure is None.
"""

from __future__ import annotations

import math
from functools import reduce
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from polarsprof.errors import CorruptProfile
from polarsprof.sketches.extremes import read_value, write_value
from polarsprof.sketches.statistic import Statistic, check_count
from polarsprof.sketches.values import NUMBERS, as_float, known

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polarsprof.files import profile_pb2 as pb
    from polarsprof.kernels.batch import ColumnBatch
    from polarsprof.kernels.spec import ProfileSpec
    from polarsprof.sketches.values import ValueType

Central = tuple[int, float, float, float, float]

# Below this m2 the fourth powers, about m2², lose digits to underflow, so that a ratio of them is meaningless.
_SMALLEST_M2: Final = 1e-145
_CENTRAL_OF: Final = attrgetter("n", "mean", "m2", "m3", "m4")


class Moments(Statistic["pb.Moments"]):
    """Sum, mean, variance, skewness and kurtosis of the finite values.

    Attributes
    ----------
    integer_sum
        Sum of the integral values.
    rounded
        Number of integral values whose sum was rounded to the nearest integer by another tool.

    Examples
    --------
    >>> import polarsprof as pp
    >>> column = pp.profile([{"price": 2}, {"price": 4}, {"price": 9}])["price"]
    >>> moments = column.group("number").moments
    >>> moments.mean, (2 + 4 + 9) / 3
    (5.0, 5.0)
    >>> moments.variance, ((2 - 5) ** 2 + (4 - 5) ** 2 + (9 - 5) ** 2) / 2
    (13.0, 13.0)
    """

    __slots__ = ("_central", "_float_sum", "_float_sum_error", "integer_sum", "rounded")

    field = "moments"

    def __init__(self, spec: ProfileSpec, values: ValueType = NUMBERS) -> None:
        super().__init__(spec, values)
        self.integer_sum = 0
        self.rounded = 0
        self._float_sum = 0.0
        self._float_sum_error = 0.0
        self._central: Central = (0, 0.0, 0.0, 0.0, 0.0)

    @property
    def n(self) -> int:
        """Number of finite values."""
        return self._central[0]

    @property
    def float_sum(self) -> float:
        """Sum of the finite fractional values."""
        total = self._float_sum + self._float_sum_error
        return total if math.isfinite(total) else self._float_sum

    @property
    def mean(self) -> float | None:
        """Arithmetic mean; None without values or if unknown."""
        if not self.n:
            return None
        total = as_float(self.integer_sum) + self.float_sum
        return known(total / self.n if math.isfinite(total) else self._central[1])

    @property
    def variance(self) -> float | None:
        """Sample variance (divided by n - 1); None for fewer than two values."""
        return known(self._central[2] / (self.n - 1)) if self.n > 1 else None

    @property
    def skewness(self) -> float | None:
        """Fisher-Pearson coefficient g1 = (m3/n) / (m2/n)^1.5.

        None if the values do not vary, or if their fourth powers leave the range of doubles.
        """
        n, _, m2, m3, _ = self._central
        return _figure(math.sqrt(n) * (m3 / m2), math.sqrt(m2)) if _SMALLEST_M2 <= m2 < math.inf else None

    @property
    def kurtosis(self) -> float | None:
        """Excess kurtosis g2 = n · m4 / m2² - 3.

        None if the values do not vary, or if their fourth powers leave the range of doubles.
        """
        n, _, m2, _, m4 = self._central
        ratio = _figure(n * (m4 / m2), m2) if _SMALLEST_M2 <= m2 < math.inf else None
        return None if ratio is None else ratio - 3.0

    def update(self, batch: ColumnBatch) -> None:
        """Add the sums and moments of a batch."""
        self._add(batch.integer_sum, batch.float_sum, 0.0)
        self._central = _combined(self._central, batch.moments)

    def merge(self, *others: Moments) -> None:
        """Add the sums and moments of others."""
        for other in others:
            self._add(other.integer_sum, other._float_sum, other._float_sum_error)
            self.rounded += other.rounded
        self._central = reduce(_combined, [other._central for other in others], self._central)

    def _add(self, integer_sum: int, float_sum: float, error: float) -> None:
        self.integer_sum += integer_sum
        mine, total = self._float_sum, self._float_sum + float_sum
        lost = (mine - total) + float_sum if abs(mine) >= abs(float_sum) else (float_sum - total) + mine
        self._float_sum_error += error + (lost if math.isfinite(lost) else 0.0)
        self._float_sum = total

    def to_message(self, message: pb.Moments) -> None:
        """Write the state."""
        if self.integer_sum:
            write_value(message.integer_sum, self.integer_sum)
        message.float_sum, message.float_sum_error = self._float_sum, self._float_sum_error
        message.rounded = self.rounded
        message.n, message.mean, message.m2, message.m3, message.m4 = self._central

    def from_message(self, message: pb.Moments) -> None:
        """Read the state of a message."""
        self.integer_sum, self._float_sum, self._float_sum_error = _sums_of(message)
        self.rounded = message.rounded
        self._central = _central_of(message)

    def check(self, count: int) -> None:
        """Refuse moments of more than `count` values."""
        check_count(count, self.n)

    def merge_messages(self, messages: Sequence[pb.Moments], counts: Sequence[int]) -> None:
        """Add the sums and moments of messages."""
        for message, count in zip(messages, counts, strict=True):
            check_count(count, message.n)
        for sums in [_sums_of(message) for message in messages]:
            self._add(*sums)
        self.rounded += sum([message.rounded for message in messages])
        self._central = reduce(_combined, [_central_of(message) for message in messages], self._central)


def _sums_of(message: pb.Moments) -> tuple[int, float, float]:
    integer_sum = read_value(message.integer_sum) or 0
    if not isinstance(integer_sum, int):
        msg = f"the sum of integers is {integer_sum!r:.80}"
        raise CorruptProfile(msg)
    return integer_sum, message.float_sum, message.float_sum_error


def _central_of(message: pb.Moments) -> Central:
    central: Central = _CENTRAL_OF(message)
    if central[2] < 0 or central[4] < 0:
        msg = f"a sum of even powers is negative: {central[2]!r}, {central[4]!r}"
        raise CorruptProfile(msg)
    return central


def _figure(numerator: float, denominator: float) -> float | None:
    ratio = numerator / denominator
    return ratio if math.isfinite(ratio) else None


def _combined(a: Central, b: Central) -> Central:
    """Combine two states; if one is empty, return the other to the last digit.

    The formulas use products of plain doubles. Products overflow to infinity near the end of the range, where powers
    raise; numpy scalars take ten times as long.
    """
    if not a[0] or not b[0]:
        return a if a[0] else b
    n_a, mean_a, m2_a, m3_a, m4_a = a
    n_b, mean_b, m2_b, m3_b, m4_b = b
    n = n_a + n_b
    share_a, share_b = n_a / n, n_b / n
    delta = mean_b - mean_a
    square = delta * delta
    between = square * share_a * n_b
    m2 = m2_a + m2_b + between
    m3 = m3_a + m3_b + between * delta * (share_a - share_b) + 3.0 * delta * (share_a * m2_b - share_b * m2_a)
    m4 = m4_a + m4_b + between * square * (share_a * share_a - share_a * share_b + share_b * share_b)
    m4 += 6.0 * square * (share_a * share_a * m2_b + share_b * share_b * m2_a)
    m4 += 4.0 * delta * (share_a * m3_b - share_b * m3_a)
    # m4 is negative only after a forged file, whose moments no values have.
    return n, mean_a + delta * share_b, m2, m3, max(m4, 0.0)
