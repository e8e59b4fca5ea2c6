"""Two profiles → how far each column has drifted, from their sketches alone.

Every figure stands between two bounds that hold what the sketches leave open, at 99 % confidence. A column has drifted
only where a figure is above its threshold at its lower bound already, and where chance between two samples of one
distribution is ruled out at `alpha`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from polarsprof.errors import argument_error, positive_integer
from polarsprof.views import text
from polarsprof.views.drift.comparison import compared, side
from polarsprof.views.drift.judgement import reasons, type_changed
from polarsprof.views.drift.rules import METRICS, rules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polarsprof.profiles import Profile
    from polarsprof.views.drift.comparison import Found, Side
    from polarsprof.views.drift.rules import Rules

__all__ = ["SCHEMA", "drift", "drift_timeline"]

_SIDES: Final = ("reference", "current")
_MOST_VALUES: Final = 20
_VALUE_CHARACTERS: Final = 60
_BOUNDED: Final = ("", "_lower", "_upper")


def _per_side(name: str, dtype: pl.DataType) -> dict[str, pl.DataType]:
    return {f"{name}_{which}": dtype for which in _SIDES}


SCHEMA: Final = pl.Schema(
    {
        "column": pl.String(),
        "dtype_group": pl.String(),
        "drifted": pl.Boolean(),
        "reasons": pl.List(pl.String()),
        "method": pl.String(),
        **{f"{name}{bound}": pl.Float64() for name in METRICS for bound in _BOUNDED},
        "p_value": pl.Float64(),
        **_per_side("rows", pl.Int64()),
        **_per_side("count", pl.Int64()),
        **_per_side("null_share", pl.Float64()),
        **_per_side("nan_share", pl.Float64()),
        **_per_side("types", pl.String()),
        "type_changed": pl.Boolean(),
        **{f"distinct_{which}{bound}": pl.Float64() for which in _SIDES for bound in _BOUNDED},
        "new_values": pl.List(pl.String()),
        "lost_values": pl.List(pl.String()),
    }
)
_TIME: Final = pl.Datetime("us", "UTC")
_TIMELINE_SCHEMA: Final = pl.Schema({"window_start": _TIME, "window_end": _TIME, **SCHEMA})


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
    sides = _checked("reference", reference), _checked("current", current)
    return pl.DataFrame(_rows(*sides, columns, rules(thresholds, alpha)), schema=SCHEMA, orient="row")


def _rows(reference: Profile, current: Profile, columns: Iterable[str] | None, limits: Rules) -> list[dict[str, Any]]:
    before, after = reference.columns, current.columns
    pairs = (
        (path, side("reference", reference, before, path), side("current profile", current, after, path))
        for path in _wanted(sorted({*before, *after}), columns)
    )
    return [_row(*pair, limits) for pair in pairs]


def _row(path: str, reference: Side, current: Side, limits: Rules) -> dict[str, Any]:
    sides = reference, current
    found = compared(*sides)
    why = reasons(found, *sides, limits)
    return {
        "column": path,
        "dtype_group": reference.dtype_group if reference.count else current.dtype_group,
        "drifted": bool(why) if reference.rows and current.rows else None,
        "reasons": [*why, *([found.why_not] if found.why_not else [])],
        "method": found.method,
        **_metric_fields(found),
        "p_value": found.p_value,
        **_fields(reference, "reference"),
        **_fields(current, "current"),
        "type_changed": type_changed(*sides, limits),
        "new_values": _shown(found.new),
        "lost_values": _shown(found.lost),
    }


def _metric_fields(found: Found) -> dict[str, float | None]:
    fields: dict[str, float | None] = {}
    for name in METRICS:
        values = found.metrics.get(name, (None, None, None))
        fields |= dict(zip((f"{name}{bound}" for bound in _BOUNDED), values, strict=True))
    return fields


def _fields(one: Side, which: str) -> dict[str, Any]:
    distinct = one.distinct
    return {
        f"rows_{which}": one.rows,
        f"count_{which}": one.count,
        f"null_share_{which}": one.null_count / one.rows if one.rows else None,
        f"nan_share_{which}": one.nan_count / one.count if one.count else None,
        f"types_{which}": one.types,
        f"distinct_{which}": distinct and distinct.estimate,
        f"distinct_{which}_lower": distinct and distinct.lower,
        f"distinct_{which}_upper": distinct and distinct.upper,
    }


def _shown(values: list[Any]) -> list[str]:
    return [text.item_text(value, _VALUE_CHARACTERS) for value in values[:_MOST_VALUES]]


def _wanted(known: list[str], columns: Iterable[str] | None) -> list[str]:
    if columns is None:
        return known
    wanted = _names(columns)
    for name in wanted:
        if name not in known:
            raise argument_error("columns", name, "a column of one of the profiles")
    return wanted


def _names(columns: Iterable[str]) -> list[str]:
    if isinstance(columns, str) or not isinstance(columns, Iterable):
        raise argument_error("columns", columns, "an iterable of the names of columns")
    return list(columns)


def _checked(name: str, profile: Profile) -> Profile:
    if not isinstance(getattr(profile, "columns", None), dict) or not hasattr(profile, "rejected"):
        raise argument_error(name, profile, "a Profile", "data goes through profile(data), a file through read(path)")
    return profile


def drift_timeline(
    profiles: Iterable[Profile],
    reference: Profile | None = None,
    *,
    rolling: int = 1,
    columns: Iterable[str] | None = None,
    thresholds: Mapping[str, float | None] | None = None,
    alpha: float = 0.01,
) -> pl.DataFrame:
    """The drift of one profile after the other: of windows against one reference, or each against those before it.

    Parameters
    ----------
    profiles
        Profiles in the order of time, such as ``(store.read(name, w.start, w.end) for w in store.windows(name))``. They
        are taken one at a time.
    reference
        What each is compared with; None: the merged `rolling` profiles before it.
    rolling
        Without a reference, how many profiles before each to merge, fewer where there are not as many yet. The first
        one is compared with nothing and has no rows.
    columns, thresholds, alpha
        As for `drift`; a column has no row where neither side has it.

    Returns
    -------
    polars.DataFrame
        As `drift`, below one another, with `window_start` and `window_end` in front: datetimes in UTC, null for
        profiles without a window.

    Raises
    ------
    ArgumentError
        As `drift`, and for `rolling` below 1.
    SpecMismatch
        Where profiles to be merged track different things.
    """
    limits = rules(thresholds, alpha)
    positive_integer("rolling", rolling)
    if not isinstance(profiles, Iterable):
        raise argument_error("profiles", profiles, "an iterable of Profile")
    every = (_checked("profiles", profile) for profile in profiles)
    fixed = None if reference is None else _checked("reference", reference)
    pairs = _against_earlier(every, rolling) if fixed is None else ((fixed, profile) for profile in every)
    wanted = None if columns is None else _names(columns)
    rows: list[dict[str, Any]] = []
    met: set[str] = set()
    for before, one in pairs:
        known = {*before.columns, *one.columns}
        met |= known
        rows += _timed(before, one, None if wanted is None else [name for name in wanted if name in known], limits)
    if met and wanted is not None:
        _wanted(sorted(met), wanted)
    return pl.DataFrame(rows, schema=_TIMELINE_SCHEMA, orient="row")


def _against_earlier(profiles: Iterable[Profile], rolling: int) -> Iterator[tuple[Profile, Profile]]:
    earlier: deque[Profile] = deque(maxlen=rolling)
    for profile in profiles:
        if earlier:
            before = earlier[0].copy()
            before.merge(*list(earlier)[1:])
            yield before, profile
        earlier.append(profile)


def _timed(reference: Profile, current: Profile, columns: list[str] | None, limits: Rules) -> Iterator[dict[str, Any]]:
    window = current.window
    times = {"window_start": window and window.start, "window_end": window and window.end}
    for found in _rows(reference, current, columns, limits):
        yield times | found
