"""Drift: how far each column of one profile is from another, from sketches alone.

Every figure has two bounds that allow for the error of the sketches, at 99 % confidence. A column has drifted only if
the lower bound of a figure is above its threshold, and if chance between two samples of one distribution is ruled out
at `alpha`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from polarsprof.analysis.drift.frame import SCHEMA, drift_counts, profile_argument, rows
from polarsprof.analysis.drift.rules import rules
from polarsprof.analysis.drift.timeline import drift_timeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from polarsprof.profiles.profile import Profile

__all__ = ["SCHEMA", "drift", "drift_counts", "drift_timeline"]


def drift(
    reference: Profile,
    current: Profile,
    *,
    columns: Iterable[str] | None = None,
    thresholds: Mapping[str, float | None] | None = None,
    alpha: float = 0.01,
) -> pl.DataFrame:
    """The drift of each column between two profiles, one row per column.

    The rows are in order of the paths of both profiles. The schema does not depend on the data. A figure that cannot be
    computed is null, and `reasons` explains why. The page on drift explains each metric and its bounds.

    Parameters
    ----------
    reference, current
        Profiles of any data and any specs. A column that one of them does not have counts as a column of nulls.
    columns
        Paths of the columns to compare. Default: all.
    thresholds
        Figure → threshold, None to ignore the figure. The lower bound of a figure must be above the threshold to count
        as drift. Defaults: ks 0.1, psi 0.2, jensen_shannon 0.15, hellinger 0.15, wasserstein 0.3 (in standard
        deviations of the reference), total_variation 0.15, chi_square 0.05, linf 0.1. null_share 0.05 of the rows,
        nan_share 0.05 of the values, types 0.05 of the values with a changed type. distinct 2: the factor of change of
        the distinct count that the number of values does not explain.
    alpha
        Level of significance: the largest share of comparisons in which chance raises an alarm. It holds for the values
        of a column, and separately for its share of nulls, share of NaN, types, and distinct count. With 0.05 / 0.01 /
        0.001, more small shifts are found / fewer alarms occur among many columns.

    Returns
    -------
    polars.DataFrame
        `column`, `dtype_group`
            Path; the dtype group with the most values, "null" without values.
        `drifted`, `reasons`
            Whether the column has drifted, null if one of the profiles has no rows; the reasons, such as "ks 0.31 above
            0.1", and why a column was not compared.
        `method`
            How the values were compared: "quantiles" for ordered values, over bins by quantiles of the reference;
            "frequent_items" value by value; "lengths" as "quantiles", for the lengths of strings, binary values and
            lists. Null if they were not compared.
        `ks`, `psi`, `jensen_shannon`, `hellinger`, `wasserstein`, `total_variation`, `chi_square`, `linf`
            Each is followed by `…_lower` and `…_upper`. They enclose the figure of the raw data with 99 % confidence,
            and with certainty for "frequent_items". `ks` and `wasserstein` are null for values without order.
            `wasserstein` has the unit of the column, seconds for temporals, and is null if it is not finite.
        `p_value`
            Upper bound of the probability of such a difference between two samples of one distribution.
        `rows_…`, `count_…`, `null_share_…`, `nan_share_…`, `types_…`, `distinct_…`
            Figures of each profile, with the suffix `reference` or `current`: rows, values that are not null, shares of
            nulls among rows and of NaN among values, dtype groups as in `summary`, and distinct values with bounds two
            standard errors away, such as `distinct_reference_lower`.
        `type_changed`
            Whether more values than the threshold changed between numbers, strings and other types; integers and floats
            are both numbers. Null if one side has no values.
        `new_values`, `lost_values`
            Up to 20 values, as short text, of the current profile that are certainly not in the reference, and the
            reverse. Only for columns compared value by value.

    Raises
    ------
    ArgumentError
        If an argument is no profile, no profile has a named column, a threshold is unknown, or `alpha` is not between 0
        and 1.

    Examples
    --------
    >>> import polarsprof as pp
    >>> monday = pp.profile([{"page": f"/{i % 10}"} for i in range(1_000)])
    >>> tuesday = pp.profile([{"page": f"/{i % 5}"} for i in range(1_000)])
    >>> row = pp.drift(monday, tuesday).row(0, named=True)
    >>> row["drifted"], row["total_variation"], row["lost_values"]
    (True, 0.5, ['/5', '/6', '/7', '/8', '/9'])
    """
    sides = profile_argument("reference", reference), profile_argument("current", current)
    return pl.DataFrame(rows(*sides, columns, rules(thresholds, alpha)), schema=SCHEMA, orient="row")
