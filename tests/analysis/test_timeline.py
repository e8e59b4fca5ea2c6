"""A timeline has the figures of each window, and rows for missing windows."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from support.stores import LATER, START, at, filled, hourly, window_of, written

import polarsprof as pp
from polarsprof.analysis.figures import COUNTS, DEFAULT, NUMBERS, VALUES, figure
from polarsprof.analysis.timeline import missing_windows
from polarsprof.errors import ArgumentError, CorruptProfile, StoreError
from polarsprof.store import reading
from polarsprof.testing import SettableClock, assert_profile_equal


@pytest.fixture
def store(tmp_path: Path) -> pp.ProfileStore:
    """Hours 0, 1, 2 with rows of two writers, hours 6 and 7 with one pane each."""
    panes = [*hourly(3, writers="ab"), written("a", 6, window_of(6, 1), rows=4), written("a", 7, window_of(7, 1))]
    return filled(pp.ProfileStore(tmp_path), panes)


def logged(folder: Path, records: list[dict[str, Any]], **options: Any) -> pp.ProfileStore:
    with pp.Session(folder) as session, session.logger("d", timestamp="at", **options) as logger:
        logger.log_records(records)
    return pp.ProfileStore(folder)


# ------------------------------------------------------------------------------------------------------------- windows


def test_profiles_are_the_windows_one_by_one_and_merge_to_the_range(store: pp.ProfileStore) -> None:
    profiles = list(store.profiles("clicks"))
    assert [profile.window for profile in profiles] == store.windows("clicks")
    assert [profile.rows for profile in profiles] == list(store.rows("clicks").values())
    for profile in profiles:
        assert profile.window
        assert_profile_equal(profile, store.read("clicks", profile.window.start, profile.window.end))
    assert_profile_equal(pp.merge(profiles), store.read("clicks"))
    assert [profile.window for profile in store.profiles("clicks", at(1), at(7))] == store.windows("clicks")[1:4]
    assert list(next(store.profiles("clicks", columns=["x"])).columns) == ["x"]


def test_windows_inside_others_are_part_of_them(tmp_path: Path) -> None:
    store = filled(pp.ProfileStore(tmp_path), [*hourly(3), written("b", 1, window_of(0, 3), rows=2)])
    (only,) = store.profiles("clicks")
    assert (only.window, only.rows) == (window_of(0, 3), 5)


def test_a_range_without_windows_has_no_profiles_and_no_rows(store: pp.ProfileStore) -> None:
    assert list(store.profiles("clicks", at(3), at(5))) == []
    found = store.timeline("clicks", "x", start=at(3), end=at(5))
    assert found.height == 0
    assert found.schema == store.timeline("clicks", "x", ["count"]).select(found.columns[:7]).schema | {
        name: pl.Int64() if name in COUNTS else pl.Float64() for name in DEFAULT
    }


def test_wrong_use_raises_at_the_call(store: pp.ProfileStore) -> None:
    with pytest.raises(ArgumentError, match="name"):
        store.profiles("clocks")
    with pytest.raises(ArgumentError, match="end"):
        store.profiles("clicks", at(3), at(3))
    with pytest.raises(ArgumentError, match="columns"):
        store.profiles("clicks", columns="x")


def test_files_replaced_between_two_windows_are_found_again(store: pp.ProfileStore) -> None:
    profiles = store.profiles("clicks")
    seen = [next(profiles), next(profiles)]
    pp.ProfileStore(store.url).compact("clicks", clock=LATER)
    seen += profiles
    assert [profile.window for profile in seen] == [window_of(hour, 1) for hour in (0, 1, 2, 6, 7)]
    assert_profile_equal(pp.merge(seen), store.read("clicks"))


def test_windows_that_become_part_of_a_longer_one_are_not_given_twice(tmp_path: Path) -> None:
    store = filled(pp.ProfileStore(tmp_path), hourly(48))
    profiles = store.profiles("clicks")
    next(profiles)
    pp.ProfileStore(tmp_path).compact("clicks", into="d", clock=LATER)
    with pytest.raises(StoreError, match="compacted"):
        list(profiles)


def test_a_later_day_may_be_compacted_while_an_earlier_one_was_read(tmp_path: Path) -> None:
    store = filled(pp.ProfileStore(tmp_path), hourly(48))
    profiles = store.profiles("clicks")
    seen = [next(profiles) for _ in range(24)]
    pp.ProfileStore(tmp_path).compact("clicks", into="d", clock=LATER)
    seen += profiles
    assert [profile.window for profile in seen] == [*[window_of(hour, 1) for hour in range(24)], window_of(24, 24)]
    assert sum(profile.rows for profile in seen) == 48


def test_files_that_go_under_every_try_are_an_error(store: pp.ProfileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*arguments: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(reading, "open_file", gone)
    for asked in (lambda: store.read("clicks"), lambda: list(store.profiles("clicks"))):
        with pytest.raises(StoreError, match="were deleted under each"):
            asked()


# --------------------------------------------------------------------------------------------------------------- frame


def test_a_timeline_has_a_row_per_window_and_per_missing_one(store: pp.ProfileStore) -> None:
    found = store.timeline("clicks", "x", ["count", "sum"])
    starts = [START + timedelta(hours=hour) for hour in range(8)]
    expected = pl.DataFrame(
        {
            "window_start": starts,
            "window_end": [start + timedelta(hours=1) for start in starts],
            "newest": [False] * 7 + [True],
            "panes": [2, 2, 2, 0, 0, 0, 1, 1],
            "rows": [2, 2, 2, 0, 0, 0, 4, 1],
            "late_rows": [0] * 8,
            "rejected_rows": [0] * 8,
            "count": [2, 2, 2, None, None, None, 4, 1],
            "sum": [0.0, 20.0, 40.0, None, None, None, 246.0, 70.0],
        },
        schema_overrides={"window_start": pl.Datetime("us", "UTC"), "window_end": pl.Datetime("us", "UTC")},
    )
    assert_frame_equal(found, expected)


def test_figures_are_those_of_polars_on_the_raw_rows(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    rows = 1_200
    frame = pl.DataFrame(
        {
            "at": [START + timedelta(minutes=i) for i in range(rows)],
            "x": [None if i % 7 == 0 else x for i, x in enumerate(random.normal(size=rows).tolist())],
            "b": [bool(i % 3) for i in range(rows)],
            "s": [None if i % 11 == 0 else "ab" * (i % 5) for i in range(rows)],
        }
    )
    store = logged(tmp_path, frame.to_dicts(), with_rotation_time="2h")
    hours = frame.group_by_dynamic("at", every="2h")
    x, values = pl.col("x"), pl.col("x").drop_nulls()
    exact = hours.agg(
        count=x.count().cast(pl.Int64),
        null_count=x.null_count().cast(pl.Int64),
        negatives=(x < 0).sum().cast(pl.Int64),
        null_share=x.null_count() / pl.len(),
        mean=x.mean(),
        stddev=x.std(),
        skewness=x.skew(),
        kurtosis=x.kurtosis(),
        min=x.min(),
        max=x.max(),
        distinct=x.n_unique().cast(pl.Float64) - 1,
        # Few enough values for the sketch to retain all of them.
        q25=values.sort().get((values.len() * 0.25).ceil().cast(pl.Int64) - 1),
        median=values.sort().get((values.len() * 0.5).ceil().cast(pl.Int64) - 1),
    ).drop("at")
    found = store.timeline("d", "x", exact.columns).select(exact.columns)
    assert_frame_equal(found, exact, rel_tol=1e-4)
    shares = hours.agg(true_share=pl.col("b").mean())["true_share"]
    assert store.timeline("d", "b", ["true_share"])["true_share"].to_list() == pytest.approx(shares.to_list())
    texts = hours.agg(
        length_mean=pl.col("s").str.len_chars().mean(),
        empties=(pl.col("s") == "").sum().cast(pl.Int64),
    ).drop("at")
    assert_frame_equal(store.timeline("d", "s", texts.columns).select(texts.columns), texts)


def test_values_keep_the_dtype_of_the_column(tmp_path: Path) -> None:
    records = [
        {
            "at": at(hour),
            "utc": at(hour),
            "naive": at(hour).replace(tzinfo=None),
            "day": at(hour).date(),
            "clock": at(hour).time(),
            "took": timedelta(hours=hour),
            "s": f"v{hour}",
            "n": hour,
            "mixed": hour or "zero",
            "never": None,
            "l": [hour] * hour,
        }
        for hour in range(3)
    ]
    store = logged(tmp_path, records, with_rotation_time="h")
    dtypes = {
        "utc": pl.Datetime("us", "UTC"),
        "naive": pl.Datetime("us"),
        "day": pl.Date(),
        "clock": pl.Time(),
        "took": pl.Duration("us"),
        "s": pl.String(),
        "n": pl.Float64(),
        "never": pl.Float64(),
    }
    for column, dtype in dtypes.items():
        found = store.timeline("d", column, ["min", "max"])
        assert found["min"].dtype == dtype
        assert found["min"].to_list() == [record[column] for record in records]
    assert store.timeline("d", "mixed", ["max"])["max"].to_list() == ["zero", "1", "2"]
    assert store.timeline("d", "l[]", ["count", "null_count"]).rows()[-1][-2:] == (2, 0)
    assert store.timeline("d", "l[]", ["count", "null_count"]).rows()[0][-2:] == (0, 0)


def test_a_column_that_comes_later_is_null_before(tmp_path: Path) -> None:
    records = [{"at": at(hour)} | ({"late": 1} if hour else {}) for hour in range(2)]
    store = logged(tmp_path, records, with_rotation_time="h")
    found = store.timeline("d", "late", ["count", "null_count", "null_share", "mean"])
    assert found.rows()[0][-4:] == (0, 1, 1.0, None)
    assert store.read("d", end=at(1)).column("late").null_count == 1


def test_late_and_rejected_rows_are_seen(tmp_path: Path) -> None:
    clock = SettableClock(at(4))
    with (
        pytest.warns(UserWarning, match="not a mapping"),
        pp.Session(tmp_path, clock=clock) as session,
        session.logger("d", with_rotation_time="h", timestamp="at") as logger,
    ):
        logger.log_records([{"at": at(0)}, {"at": at(2)}])
        clock.advance(timedelta(seconds=2))
        logger.log_records([{"at": at(0.5)}, {"at": at(2.5)}, 7])  # type: ignore[list-item]
    found = pp.ProfileStore(tmp_path).timeline("d", "at", ["count"])
    # A row that is no record has no time, so its arrival decides its window.
    assert found["panes"].to_list() == [2, 0, 1, 0, 1]
    assert found["late_rows"].to_list() == [1, 0, 0, 0, 0]
    assert found["rejected_rows"].to_list() == [0, 0, 0, 0, 1]
    assert found["newest"].to_list() == [False] * 4 + [True]


@pytest.mark.parametrize(
    ("column", "metrics", "named"),
    [
        ("price", None, "column"),
        (5, None, "column"),
        ("x", "mean", "metrics"),
        ("x", 3, "metrics"),
        ("x", ["average"], "metrics"),
        ("x", ["q101"], "metrics"),
        ("x", [None], "metrics"),
        ("x", [["mean"]], "metrics"),
    ],
)
def test_wrong_use_names_the_argument(store: pp.ProfileStore, column: Any, metrics: Any, named: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        store.timeline("clicks", column, metrics)
    assert caught.value.argument == named


def test_only_the_column_is_read(store: pp.ProfileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    opened = reading.open_file

    def noting(place: Any, name: str, columns: Any) -> Any:
        asked.append(columns)
        return opened(place, name, columns)

    monkeypatch.setattr(reading, "open_file", noting)
    store.timeline("clicks", "x")
    assert asked == [["x"]] * 8


@given(st.integers(0, 10**6), st.integers(1, 10**4), st.integers(1, 10**4))
def test_missing_windows_fill_the_gap(gap_us: int, length_us: int, after_us: int) -> None:
    before = pp.Window(-length_us, 0)
    found = missing_windows(before, pp.Window(gap_us, gap_us + after_us))
    assert len(found) <= 1_000
    edges = [0, *(window.end_us for window in found)]
    assert [window.start_us for window in found] == edges[:-1]
    assert edges[-1] == gap_us
    assert len(found) == 1 or all(window.end_us - window.start_us == length_us for window in found)


def test_a_wild_clock_adds_one_row(tmp_path: Path) -> None:
    panes = [written("a", 0, window_of(0, 1)), written("a", 1, window_of(24 * 365 * 20, 1))]
    found = filled(pp.ProfileStore(tmp_path), panes).timeline("clicks", "x", ["count"])
    assert found["rows"].to_list() == [1, 0, 1]


@pytest.mark.parametrize("name", [*COUNTS, *NUMBERS, *VALUES, "q50"])
def test_figures_of_an_empty_column_are_none_and_counts_0(name: str) -> None:
    nothing = pp.Profile().column("x")
    assert figure(nothing, name) == (0 if name in COUNTS else None)


def test_a_damaged_file_is_named(store: pp.ProfileStore) -> None:
    path = min(store.folder.glob("*.bin"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-20] + bytes(20))
    for asked in (lambda: store.timeline("clicks", "x"), lambda: list(store.profiles("clicks"))):
        with pytest.raises(CorruptProfile, match=path.name):
            asked()


def test_overlapping_windows_of_one_pane_are_read_once(tmp_path: Path) -> None:
    # Two files of one pane have overlapping windows: the pane counts in one of them.
    panes = [written("a", 0, window_of(0, 2)), written("a", 0, window_of(1, 2))]
    store = filled(pp.ProfileStore("memory://overlapping"), panes[:1])
    for place in (store, filled(pp.ProfileStore(tmp_path), panes)):
        assert sum(profile.rows for profile in place.profiles("clicks")) == place.read("clicks").rows == 1
        assert place.timeline("clicks", "x", ["count"])["count"].to_list() == [1]
