"""Two profiles → how far each column has drifted, from their sketches alone.

Every figure stands between two bounds that hold what the sketches leave open, at 99 % confidence. A column has drifted
only where a figure is above its threshold at its lower bound already, and where chance between two samples of one
distribution is ruled out at `alpha`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from polarsprof.analysis.drift.frame import SCHEMA, checked, rows
from polarsprof.analysis.drift.rules import rules
from polarsprof.analysis.drift.timeline import drift_timeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from polarsprof.profiles.profile import Profile

__all__ = ["SCHEMA", "drift", "drift_timeline"]


def drift(
    reference: Profile,
    current: Profile,
    *,
    columns: Iterable[str] | None = None,
    thresholds: Mapping[str, float | None] | None = None,
    alpha: float = 0.01,
) -> pl.DataFrame:
    """How far each column of a profile is from that of another: a row per column of either, in the order of the paths.

    The schema is the same whatever the data, also for no columns. What cannot be compared is null, and `reasons` says
    why. See the page on drift for what each metric means and how its bounds come about.

    Parameters
    ----------
    reference, current
        Profiles of any data and any specs; a column that one of them does not have is a column of nulls there.
    columns
        Paths of the columns to compare; default: all.
    thresholds
        Figure → the value above which it is drift, None to leave it out. The lower bound of a figure must be above.
        Defaults: ks 0.1, psi 0.2, jensen_shannon 0.15, hellinger 0.15, wasserstein 0.3 (in standard deviations of the
        reference), total_variation 0.15, chi_square 0.05, linf 0.1; null_share, nan_share and types 0.05 (of the rows,
        of the values, and of the values that changed their type); distinct 2 (the factor by which the number of
        distinct values changed beyond what the numbers of values explain).
    alpha
        Level of significance: the values of a column raise an alarm by mere chance in at most this share of
        comparisons; so does, each by itself, the share of nulls, that of NaN, that of the types, and the number of
        distinct values. 0.05 / 0.01 / 0.001 → more small shifts are found / fewer alarms among many columns.

    Returns
    -------
    polars.DataFrame
        `column`, `dtype_group`
            Path; the dtype group that most of its values are of, "null" without values.
        `drifted`, `reasons`
            Whether the column has drifted, null where one of the profiles has no rows; why, and what could not be
            compared: "ks 0.31 above 0.1".
        `method`
            How the values were compared: "quantiles" in order, over bins by quantiles of the reference;
            "frequent_items" value by value; "lengths" as "quantiles", of the lengths of strings, binary values and
            lists; null where not.
        `ks`, `psi`, `jensen_shannon`, `hellinger`, `wasserstein`, `total_variation`, `chi_square`, `linf`
            Each followed by `…_lower` and `…_upper`, between which the figure of the raw data lies with 99 %
            confidence; certain for "frequent_items". `ks` and `wasserstein` are null for values without order.
            `wasserstein` is in the unit of the column, of temporals in seconds, and null where it is not finite.
        `p_value`
            The chance of so large a difference of the values between two samples of one distribution, at the most.
        `rows_…`, `count_…`, `null_share_…`, `nan_share_…`, `types_…`, `distinct_…`
            Of each profile, ending in `reference` and `current`: rows, values that are not null, shares of nulls among
            rows and of NaN among values, dtype groups as in `summary`, distinct values with bounds two standard errors
            away (`distinct_reference_lower`).
        `type_changed`
            Whether more of the values than the threshold changed between numbers, strings and so on; integers and
            floats are both numbers. Null where one side has no values.
        `new_values`, `lost_values`
            Up to 20 values, as short text, that came in the current profile and certainly not in the reference, and the
            reverse; of columns compared value by value.

    Raises
    ------
    ArgumentError
        For what is no profile, a column of neither, an unknown threshold, or an alpha that is not between 0 and 1.

    Examples
    --------
    >>> import polarsprof as pp
    >>> monday = pp.profile([{"page": f"/{i % 10}"} for i in range(1_000)])
    >>> tuesday = pp.profile([{"page": f"/{i % 5}"} for i in range(1_000)])
    >>> found = pp.drift(monday, tuesday).row(0, named=True)
    >>> found["drifted"], found["total_variation"], found["lost_values"]
    (True, 0.5, ['/5', '/6', '/7', '/8', '/9'])
    """
    sides = checked("reference", reference), checked("current", current)
    return pl.DataFrame(rows(*sides, columns, rules(thresholds, alpha)), schema=SCHEMA, orient="row")
