"""Writes the golden files of the current format version; run it from the root of the project.

A set is written once, with a new format version, and never again: `test_codec.py` compares every later release with it.
No column has more values than a quantile sketch stores one by one, so that the bytes are the same on every run.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

import polarsprof as pp
from polarsprof.files.codec import MAJOR_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

TICKS = [-1_500, 0, 1_790_000_000_123_456_789, None]


def every_group() -> pp.Profile:
    """One column per group of values, with the edge cases of each."""
    moment = dt.datetime(2026, 1, 31, 23, 59, 59, 123_456)
    frame = pl.DataFrame(
        {
            "integer": [1, -2, None, 2**62],
            "wide": pl.Series([2**100, -(2**100), 7, None], dtype=pl.Int128),
            "fraction": [0.1, float("nan"), float("-inf"), -0.0],
            "text": ["", "日本語", "x" * 200, None],
            "flag": [True, False, True, None],
            "binary": [b"", b"\x00\xff", b"y" * 100, None],
            "date": [dt.date(1, 1, 1), dt.date(9999, 12, 31), None, dt.date(2026, 1, 1)],
            "datetime": pl.Series(TICKS).cast(pl.Datetime("ns")),
            "datetime_utc": [moment.replace(tzinfo=dt.UTC), None, None, None],
            "time": [dt.time(0), dt.time(23, 59, 59, 999_999), None, None],
            "duration": [dt.timedelta(-1), dt.timedelta(microseconds=1), None, None],
            "list": [[1.5, None], [], None, [2.5]],
            "struct": [{"a": 1, "b": "q"}, {"a": None, "b": None}, {"a": 3, "b": "r"}, {"a": None, "b": None}],
            "null": [None, None, None, None],
        }
    )
    return pp.profile(frame, tags={"region": "eu-west"}, metadata={"über": "\x00"})


def many_values() -> pp.Profile:
    """Registers and cut items; no quantiles, which are random at this size."""
    values = [f"user {i % 3_000}" for i in range(5_000)] + ["often"] * 700
    spec = pp.ProfileSpec(quantiles=False, lg_k=8, lg_items=4, columns={"small*": {"lg_k": 12}})
    return pp.profile(pl.DataFrame({"large": values, "small": values}), spec=spec)


def window() -> pp.Profile:
    """Profile with every field of the header, and a column of mixed types."""
    records: list[dict[str, Any]] = [{"mixed": value} for value in (1, 2.5, "a", True, 2**200, {"k": 1}, [1], 3j)]
    rows = pp.profile(records)
    profile = pp.Profile(dataset="orders", window=pp.Window(-3_600_000_000, 0), tags={"t": "1"})
    profile.merge(rows)
    profile.late_rows, profile.untimed_rows, profile.future_rows, profile.dropped_rows = 1, 2, 3, 4
    profile.rejected, profile.degraded = Counter({"not a mapping": 2}), Counter({"duplicate path": 1})
    profile.observe_times(-3_599_999_999, -1)
    profile.panes = frozenset({("writer-a", 0), ("writer-b", 7)})
    profile.positions = {"kafka:orders/0": 2**40, "file": -1}
    return profile


GOLDEN: dict[str, Callable[[], pp.Profile]] = {
    "empty": pp.Profile,
    "every-group": every_group,
    "many-values": many_values,
    "window": window,
}


def figures(profile: pp.Profile) -> dict[str, Any]:
    """Figures of a profile as JSON: numbers in full, everything else by its repr."""
    names = [
        "rows",
        "late_rows",
        "untimed_rows",
        "future_rows",
        "dropped_rows",
        "dataset",
        "tags",
        "metadata",
        "positions",
    ]
    found: dict[str, Any] = {name: getattr(profile, name) for name in names}
    found |= {"rejected": dict(profile.rejected), "degraded": dict(profile.degraded)}
    found |= {"window": str(profile.window), "events": [profile.first_event_us, profile.last_event_us]}
    found |= {"panes": sorted(map(list, profile.panes)), "spec": profile.spec.to_json()}
    return found | {"columns": {path: _column(column) for path, column in profile.columns.items()}}


def _column(column: pp.ColumnProfile) -> dict[str, Any]:
    found = {name: getattr(column, name) for name in ("rows", "count", "null_count", "types")}
    return found | {"groups": {name: _group(column.group(name)) for name in column.groups}}


def _group(group: pp.GroupProfile) -> dict[str, Any]:
    names = ["min", "max", "min_ns", "max_ns", "sum", "mean", "variance", "skewness", "kurtosis", "distinct"]
    found: dict[str, Any] = {name: repr(getattr(group, name)) for name in names}
    found |= {"counters": group.counters.counts, "quantiles": repr(group.quantiles([0, 0.5, 1]))}
    found |= {"items": [repr(item) for item in group.frequent_items(20)]}
    return found if group.length is None else found | {"length": _group(group.length)}


def main() -> None:
    """Write the golden files and their figures."""
    folder = Path(__file__).parent / f"v{MAJOR_VERSION}"
    folder.mkdir(exist_ok=True)
    for name, build in GOLDEN.items():
        profile = build()
        profile.versions = {"polarsprof": f"format {MAJOR_VERSION}"}  # the versions of the writer must be restored
        (folder / f"{name}.bin").write_bytes(profile.to_bytes())
        text = json.dumps(figures(profile), indent=1, ensure_ascii=False, sort_keys=True)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
