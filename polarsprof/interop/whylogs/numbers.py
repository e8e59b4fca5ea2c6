"""Numbers of a column, or lengths of its strings, as a native statistics group.

Figures are exact if the file has exact figures, and unknown if it does not have them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, TypeVar

from polarsprof.errors import CorruptProfile
from polarsprof.files import profile_pb2 as pb
from polarsprof.kernels.spec import ProfileSpec
from polarsprof.sketches.extremes import write_value
from polarsprof.sketches.images import import_quantiles
from polarsprof.sketches.quantiles import Quantiles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from polarsprof.interop.whylogs.parsed import Extremes, Numbers

    NumberCounts = Mapping[int | float, int]

SPEC: Final = ProfileSpec(k=1024, lg_items=10)  # the sizes of whylogs
_MAX_MEAN: Final = 2.0**1023

Sketch = TypeVar("Sketch")


def import_sketch(
    convert: Callable[[bytes], Sketch], image: bytes | None, name: str, reasons: list[str]
) -> Sketch | None:
    """Convert an image; None without an image, or if it is not valid.

    A reason is added if the image is not valid.
    """
    if image is None:
        return None
    try:
        return convert(image)
    except CorruptProfile as error:
        reasons.append(f"{name} refused: {error}".replace(";", ","))
        return None


def number_group(group: pb.Group, numbers: Numbers, counts: NumberCounts | None, reasons: list[str]) -> None:
    """Write the numbers of a column.

    Parameters
    ----------
    group
        The message to write.
    numbers
        The numbers.
    counts
        Every value with its count; None if unknown.
    reasons
        Reasons why some statistics are incomplete are added to it.
    """
    group.name = "number"
    image = import_sketch(import_quantiles, numbers.histogram, "quantiles", reasons)
    quantiles = Quantiles(SPEC)
    if image is not None:
        quantiles.from_message(pb.Quantiles(kll_doubles=image))
    if quantiles.n > numbers.count - min(numbers.nan, numbers.count):
        reasons.append("quantiles left out: they speak of more than its numbers, such as its booleans, as 0 and 1")
    elif quantiles.n:
        quantiles.to_message(group.quantiles)
    elif numbers.histogram is None:
        reasons.append("no quantiles")
    extremes = _extremes(numbers, quantiles, counts)
    if extremes is not None and extremes[0] <= extremes[1]:
        write_value(group.extremes.minimum, extremes[0])
        write_value(group.extremes.maximum, extremes[1])
    elif extremes is not None or numbers.count > numbers.nan:
        reasons.append("no minimum and maximum")
        extremes = None
    _write_counters(group.counters, numbers, quantiles, extremes, counts)
    _write_moments(group, numbers, quantiles, reasons)


def _extremes(numbers: Numbers, quantiles: Quantiles, counts: NumberCounts | None) -> Extremes | None:
    """Minimum and maximum: exact for integers, doubles of the histogram for fractions."""
    values = [value for value in counts or () if value == value]  # noqa: PLR0124 - not NaN
    if values:
        return min(values), max(values)
    if numbers.extremes is not None:
        return None if any(math.isnan(value) for value in numbers.extremes) else numbers.extremes
    whole = numbers.integer_extremes
    ends = quantiles.quantiles([0.0, 1.0])
    if ends is not None and numbers.booleans and not (ends[0] < 0 and ends[1] > 1):
        ends = None  # the ends can be booleans
    if whole is not None and (not numbers.fractional or ends is None):
        return whole
    if ends is None:
        return None
    return (ends[0], ends[1]) if whole is None else (min(ends[0], whole[0]), max(ends[1], whole[1]))


def _write_counters(
    counters: pb.Counters,
    numbers: Numbers,
    quantiles: Quantiles,
    extremes: Extremes | None,
    counts: NumberCounts | None,
) -> None:
    counters.count, counters.integral = numbers.count, numbers.integral
    counters.nan = min(numbers.nan, numbers.count)
    infinite = min(numbers.infinite, numbers.count - counters.nan)
    counters.negative_infinity = _negative_infinities(infinite, quantiles, extremes)
    counters.positive_infinity = infinite - counters.negative_infinity
    known = _zero_and_negative(numbers.count - counters.nan, numbers, quantiles, extremes, counts)
    if known is None:
        counters.unexamined = numbers.count
    else:
        counters.zero, counters.negative = known


def _negative_infinities(infinite: int, quantiles: Quantiles, extremes: Extremes | None) -> int:
    """Number of negative infinities: exact if one end is finite, otherwise by rank."""
    if not infinite or extremes is None or extremes[0] != -math.inf:
        return 0
    if extremes[1] != math.inf:
        return infinite
    return min(max(round((quantiles.cdf(-math.inf) or 0.0) * quantiles.n), 1), infinite - 1) if infinite > 1 else 0


def _zero_and_negative(
    values: int,
    numbers: Numbers,
    quantiles: Quantiles,
    extremes: Extremes | None,
    counts: NumberCounts | None,
) -> tuple[int, int] | None:
    """Number of zeros and of negative values; None if unknown."""
    if not values:
        return 0, 0
    if extremes is not None and (extremes[0] > 0 or extremes[1] < 0):
        return 0, values if extremes[1] < 0 else 0
    if counts is not None:
        return counts.get(0, 0), sum(weight for value, weight in counts.items() if value < 0)
    below_zero, up_to_zero = quantiles.cdf(-math.ulp(0.0)), quantiles.cdf(0.0)
    if below_zero is None or up_to_zero is None or numbers.booleans or quantiles.rank_error or quantiles.n != values:
        return None
    return round((up_to_zero - below_zero) * values), round(below_zero * values)


def _write_moments(group: pb.Group, numbers: Numbers, quantiles: Quantiles, reasons: list[str]) -> None:
    counters, moments = group.counters, group.moments
    finite = numbers.count - counters.nan - counters.positive_infinity - counters.negative_infinity
    if not finite:
        return
    moments.n = finite
    mean, m2 = _without_booleans(numbers, finite)
    total: int | float | None = numbers.total
    if not (abs(mean) < _MAX_MEAN and 0 <= m2 < math.inf):
        mean, m2, total = _from_quantiles(quantiles, numbers, finite)
        if math.isnan(mean):
            reasons.append("mean, variance and sum are not known, as where a NaN or an infinity went into them")
    moments.mean, moments.m2 = mean, m2
    moments.m3, moments.m4 = (0.0, 0.0) if m2 == 0 else (math.nan, math.nan)
    _write_sum(moments, mean * finite if total is None else total, finite, all_integral=not numbers.fractional)


def _write_sum(moments: pb.Moments, total: float, finite: int, *, all_integral: bool) -> None:
    """Write the sum; a sum of integers is exact only if the file has it."""
    if isinstance(total, int):
        write_value(moments.integer_sum, total)
    elif all_integral and math.isfinite(total):
        write_value(moments.integer_sum, round(total))
        moments.rounded = finite
    else:
        moments.float_sum = total
        moments.rounded = finite if all_integral else 0


def _without_booleans(numbers: Numbers, finite: int) -> tuple[float, float]:
    """Mean and m2 of the numbers without booleans.

    Pébay's formula for two parts, solved for one of them.
    """
    if not numbers.booleans:
        return numbers.mean, numbers.m2
    n, other = finite + numbers.booleans, numbers.booleans
    mean = (numbers.mean * n - numbers.true) / finite
    delta = numbers.true / other - mean
    of_booleans = numbers.true * (other - numbers.true) / other
    return mean, max(0.0, numbers.m2 - of_booleans - delta * delta * finite * other / n)


def _from_quantiles(quantiles: Quantiles, numbers: Numbers, finite: int) -> tuple[float, float, float]:
    """Mean, m2 and sum from a quantile sketch with every value; NaN otherwise."""
    n = quantiles.n
    if not n or quantiles.rank_error or numbers.booleans or n != numbers.count - numbers.nan:
        return math.nan, math.nan, math.nan
    values = [v for v in quantiles.quantiles([(i + 0.5) / n for i in range(n)]) or [] if math.isfinite(v)]
    if len(values) != finite:
        return math.nan, math.nan, math.nan
    total = math.fsum(values)
    return total / finite, math.fsum((value - total / finite) ** 2 for value in values), total
