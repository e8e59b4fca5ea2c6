"""Exchange with other tools: images, profiles from images, Parquet, the command."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import datasketches
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from support.strategies import frames

import polarsprof as pp
from polarsprof.cli import main
from polarsprof.errors import ArgumentError, CorruptProfile
from polarsprof.interop import parquet
from polarsprof.interop.parquet import sketch_rows, write_parquet
from polarsprof.profiles.value_groups import TEMPORAL_GROUPS

RANKS = [0.0, 0.25, 0.5, 0.99, 1.0]
NO_FALSE_NEGATIVES = datasketches.frequent_items_error_type.NO_FALSE_NEGATIVES


def groups_of(profile: pp.Profile) -> dict[str, dict[str, pp.GroupProfile]]:
    return {path: {name: column.group(name) for name in column.groups} for path, column in profile.columns.items()}


# ----------------------------------------------------------------------------------------------------------- images out


def test_images_open_in_datasketches_with_the_figures_of_the_profile():
    chance = np.random.default_rng(1)
    data = pl.DataFrame({"x": chance.normal(size=50_000), "s": [f"é{n}" for n in chance.zipf(1.4, 50_000).tolist()]})
    profile = pp.profile(data)
    number, string = profile["x"].group("number"), profile["s"].group("string")
    kll = datasketches.kll_doubles_sketch.deserialize(number.images()["kll_doubles"])
    assert (kll.n, list(kll.get_quantiles(RANKS[1:-1], True))) == (50_000, number.quantiles(RANKS[1:-1]))
    assert kll.normalized_rank_error(False) == number.rank_error
    hll = datasketches.hll_sketch.deserialize(string.images()["hll"])
    assert hll.get_estimate() == string.distinct.estimate
    counts = dict(data["s"].value_counts().iter_rows())
    items = datasketches.frequent_strings_sketch.deserialize(string.images()["frequent_strings"])
    for text, count in counts.items():
        assert items.get_lower_bound(text) <= count <= items.get_upper_bound(text)
    assert profile["s"].images() == string.images()


def test_empty_and_untracked_sketches_have_no_image():
    spec = pp.ProfileSpec(distinct=False)
    profile = pp.profile(pl.DataFrame({"n": [None], "b": [True], "x": [1.5]}), spec=spec)
    assert profile["n"].images() == profile["b"].images() == pp.Profile().column("x").images() == {}
    assert sorted(profile["x"].images()) == ["frequent_strings", "kll_doubles"]


# ------------------------------------------------------------------------------------------------------------ images in


@settings(max_examples=40)
@given(frames())
def test_imported_images_have_the_same_figures(frame):
    profile = pp.profile(frame)
    groups = {path: {name: group.images() for name, group in of.items()} for path, of in groups_of(profile).items()}
    adopted = pp.Profile.from_images(groups, rows=max(profile.rows, 10_000))
    adopted = pp.read(adopted.to_bytes())
    for path, of in groups_of(profile).items():
        for name, group in of.items():
            if name != "boolean":  # booleans have no sketches
                same = adopted[path].group(name)
                assert same.distinct == group.distinct, (path, name)
                assert same.frequent_items(1_000) == group.frequent_items(1_000), (path, name)
                assert same.images() == group.images(), (path, name)
            if group.quantile_sketch is not None and name not in TEMPORAL_GROUPS:
                assert same.quantiles(RANKS) == group.quantiles(RANKS), (path, name)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=60), st.lists(st.integers(0, 300), min_size=1, max_size=60))
def test_an_imported_profile_merges_like_any_other(one, other):
    profiles = [pp.profile(pl.DataFrame({"x": pl.Series(values, dtype=pl.Int64)})) for values in (one, other)]
    adopted = pp.Profile.from_images({"x": {"number": profiles[0]["x"].images()}}, rows=len(one))
    adopted.merge(profiles[1])
    whole = pp.merge(profiles)["x"]
    found = adopted["x"]
    assert (adopted.rows, found.count, found.min, found.max) == (len(one + other), whole.count, whole.min, whole.max)
    assert (found.quantiles(RANKS), found.distinct) == (whole.quantiles(RANKS), whole.distinct)
    assert found.frequent_items(1_000) == whole.frequent_items(1_000)
    assert found.mean == sum(other) / len(other)


def test_values_of_which_no_frequent_items_are_known_widen_the_bounds():
    """Unknown items can be any value, so the bounds stay certain."""
    kll = pp.profile(pl.DataFrame({"x": [7] * 1_000}))["x"].images()["kll_doubles"]
    adopted = pp.Profile.from_images({"x": {"number": {"kll_doubles": kll}}}, rows=1_000)
    adopted.merge(pp.profile([{"x": 7}, {"x": 8}]))
    assert {item.value: (item.lower, item.upper) for item in adopted["x"].frequent_items()} == {
        7: (1, 1_001),
        8: (1, 1_001),
    }


def strings(*weighted: tuple[str, int], lg: int = 10) -> bytes:
    sketch = datasketches.frequent_strings_sketch(lg)
    for text, weight in weighted:
        sketch.update(text, weight)
    return sketch.serialize()


def test_texts_of_others_become_the_values_that_we_keep():
    images = {
        "n": {"number": {"frequent_strings": strings(("1", 5), ("1.0", 2), ("2.50", 3), ("nan", 1), ("1e400", 1))}},
        "t": {"date": {"frequent_strings": strings(("20000", 4))}},
        "b": {"binary": {"frequent_strings": strings(("00ff", 4), ("ab" * 100, 2))}},
        "s": {"string": {"frequent_strings": strings(("x" * 100, 4), ("short", 9))}},
    }
    adopted = pp.Profile.from_images(images, rows=100)
    items = {item.value: item.estimate for item in adopted["n"].frequent_items()}
    assert [items[value] for value in (1, 2.5, float("inf"))] == [7, 3, 1]
    assert adopted["t"].frequent_items()[0].value == dt.date(2024, 10, 4)
    adopted.merge(pp.profile([{"s": "x" * 100, "b": b"\xab" * 100}]))
    assert [item.estimate for item in adopted["s"].frequent_items()] == [9, 5]
    assert sorted(item.estimate for item in adopted["b"].frequent_items()) == [3, 4]


def test_unknown_figures_of_images_are_none():
    kll = pp.profile(pl.DataFrame({"x": [1, 2, 0]}))["x"].images()["kll_doubles"]
    x = pp.Profile.from_images({"x": {"number": {"kll_doubles": kll}}}, rows=5)["x"]
    assert (x.count, x.null_count, x.min, x.max, x.types) == (3, 2, 0, 2, {"fractional": 3})
    assert (x.sum, x.mean, x.variance, x.distinct, x.frequent_items()) == (None, None, None, None, [])


def test_wrong_images_are_refused_with_the_expected_kind():
    kll = pp.profile([{"x": 1.5}])["x"].images()["kll_doubles"]
    infinite = pp.profile([{"x": float("inf")}])["x"].images()["kll_doubles"]
    take = pp.Profile.from_images
    for wrong, match in (
        (lambda: take({"x": {"number": {"kll": kll}}}, rows=1), "kll_doubles, hll, frequent_strings"),
        (lambda: take({"x": {"string": {"kll_doubles": kll}}}, rows=1), "one of hll, frequent_strings"),
        (lambda: take({"x": {"boolean": {"hll": b""}}}, rows=1), "one of none"),
        (lambda: take({"x": {"float": {}}}, rows=1), "one of number, datetime_utc"),
        (lambda: take({"x": {"number": {"kll_doubles": "text"}}}, rows=1), "expected bytes"),
        (lambda: take({"x": {"number": {"kll_doubles": kll}}}, rows=0), "at least the 1 values"),
        (lambda: take({"x": {"number": kll}}, rows=1), "a mapping of names to bytes"),
        (lambda: take({"x": kll}, rows=1), "a mapping of groups to images"),
        (lambda: take(kll, rows=1), "a mapping of paths"),
        (lambda: take({}, rows=-1), "a number of rows"),
        (lambda: take({}, rows=True), "a number of rows"),
        (lambda: take({3: {}}, rows=1), "expected text"),
        (lambda: take({"a": {}, "b": {}}, rows=1, spec=pp.ProfileSpec(max_columns=1)), "at most 1 columns"),
    ):
        with pytest.raises(ArgumentError, match=match):
            wrong()
    for group, images in (
        ("number", {"kll_doubles": kll[:-1]}),
        ("number", {"hll": b""}),
        ("number", {"frequent_strings": strings(("one", 1))}),
        ("date", {"frequent_strings": strings(("1.5", 1))}),
        ("binary", {"frequent_strings": strings(("xyz", 1))}),
        ("date", {"kll_doubles": infinite}),
    ):
        with pytest.raises(CorruptProfile):
            take({"x": {group: images}}, rows=10)


# -------------------------------------------------------------------------------------------------------------- Parquet

MIXED = [
    {"n": 3, "s": "b", "t": dt.datetime(2026, 1, 1), "f": True, "l": [1, 2], "m": 1},
    {"n": -1.5, "s": "", "t": None, "f": False, "l": [], "m": "x"},
    {"n": float("nan"), "s": "ab", "t": dt.datetime(2026, 1, 2, 3), "f": True, "l": None, "m": None},
]


def test_each_figure_stands_in_one_row():
    profile = pp.profile(MIXED)
    profile.dataset, profile.window = "d", pp.Window(0, 3_600_000_000)
    rows = sketch_rows(profile)
    assert rows.schema == parquet.SCHEMA
    assert set(rows["dataset"]) == {"d"}
    assert set(rows["window_end"]) == {dt.datetime(1970, 1, 1, 1, tzinfo=dt.UTC)}
    for path, column in profile.columns.items():
        of = rows.filter(pl.col("column") == path, ~pl.col("group").str.ends_with(".length").fill_null(False))
        assert (of["rows"].sum(), of["null_count"].sum(), of["count"].sum()) == (
            column.rows,
            column.null_count,
            column.count,
        )
    number = rows.row(by_predicate=(pl.col("column") == "n") & (pl.col("statistic") == "figures"), named=True)
    assert [number[name] for name in ("count", "nan_count", "negatives", "zeros")] == [3, 1, 1, 0]
    assert [number[name] for name in ("min", "max", "sum", "mean")] == [-1.5, 3.0, 1.5, 0.75]
    time = rows.row(by_predicate=(pl.col("column") == "t") & (pl.col("statistic") == "figures"), named=True)
    assert (time["min_text"], time["max_text"], time["min"]) == ("2026-01-01T00:00:00", "2026-01-02T03:00:00", None)
    assert set(rows.filter(pl.col("column") == "m")["group"]) == {None, "number", "string", "string.length"}
    sketches = {(row["column"], row["group"], row["statistic"]): row["sketch"] for row in rows.iter_rows(named=True)}
    assert sketches["s", "string", "hll"] == profile["s"].images()["hll"]
    assert sketches["l", "list.length", "kll_doubles"] == profile["l"].length.images()["kll_doubles"]
    assert [key for key, sketch in sketches.items() if (sketch is None) != (key[2] in ("rows", "figures"))] == []


@settings(max_examples=40)
@given(frames())
def test_any_profile_has_rows(frame):
    profile = pp.profile(frame)
    rows = sketch_rows(profile)
    assert set(rows["column"]) == set(profile.columns)
    images = sum(len(group.images()) for of in groups_of(profile).values() for group in of.values())
    assert (
        rows.filter(~pl.col("group").str.ends_with(".length").fill_null(False))["sketch"].is_not_null().sum() == images
    )


def test_many_profiles_are_written_in_row_groups_and_a_failure_leaves_the_old_file(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "_ROW_GROUP_BYTES", 20_000)
    path = tmp_path / "windows.parquet"
    alive = []

    def windows(count):
        for number in range(count):
            alive.append(number)
            yield pp.profile([{"x": number}])
        if count == 7:
            raise OSError(5, "no such window")

    rows = write_parquet(windows(60), path)
    assert rows == pl.read_parquet(path).height == 60 * 5
    assert 1 < pq.ParquetFile(path).metadata.num_row_groups < 30
    before = path.read_bytes()
    with pytest.raises(OSError, match="no such window"):
        write_parquet(windows(7), path)
    with pytest.raises(OSError, match=r"nowhere.x\.parquet"):
        write_parquet(windows(1), tmp_path / "nowhere" / "x.parquet")
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (before, [path])
    with pytest.raises(ArgumentError, match="path of a file"):
        write_parquet([], 3)
    assert write_parquet([], tmp_path / "none.parquet") == 0
    assert pl.read_parquet(tmp_path / "none.parquet").schema == parquet.SCHEMA


# ---------------------------------------------------------------------------------------------------------- the command


def converted(*arguments: str | Path) -> tuple[int, str]:
    found = CliRunner().invoke(main, ["convert", *map(str, arguments)])
    return found.exit_code, found.output


def test_a_file_and_a_store_are_converted(tmp_path):
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    with pp.Session(tmp_path / "store") as session:
        for name in ("a", "b"):
            with session.logger(name, with_rotation_time="h", timestamp="at") as logger:
                logger.log_records({"at": start + dt.timedelta(minutes=i), "x": i} for i in range(150))
    code, said = converted(tmp_path / "store", tmp_path / "out.parquet", "--to", "parquet")
    rows = pl.read_parquet(tmp_path / "out.parquet")
    assert (code, f"{rows.height:,} rows →" in said) == (0, True)
    counts = rows.filter(pl.col("statistic") == "rows", pl.col("column") == "x")
    assert counts.select("dataset", "window_start", "rows").rows() == [
        (name, start + dt.timedelta(hours=hour), count) for name in "ab" for hour, count in ((0, 60), (1, 60), (2, 30))
    ]
    code, _ = converted(tmp_path / "store", tmp_path / "out.parquet", "--to", "parquet", "--dataset", "b")
    assert (code, set(pl.read_parquet(tmp_path / "out.parquet")["dataset"])) == (0, {"b"})
    pp.profile([{"x": 1}]).write(tmp_path / "one.bin")
    code, _ = converted(tmp_path / "one.bin", tmp_path / "one.parquet", "--to", "parquet")
    assert (code, pl.read_parquet(tmp_path / "one.parquet")["window_start"].null_count()) == (0, 5)


def test_windows_that_overlap_are_converted_once(tmp_path):
    store = pp.ProfileStore(tmp_path)
    moment = dt.datetime(2026, 1, 1, 0, 30, tzinfo=dt.UTC)
    with pp.Session(store) as session:
        for interval in ("2h", "3h"):
            with session.logger("x", with_rotation_time=interval, timestamp="at") as logger:
                logger.log_records({"at": moment + dt.timedelta(hours=hour)} for hour in range(6))
    converted(tmp_path, tmp_path / "out.parquet", "--to", "parquet")
    rows = pl.read_parquet(tmp_path / "out.parquet").filter(pl.col("statistic") == "rows")
    assert rows["rows"].sum() == 12


def test_an_impossible_conversion_is_one_line(tmp_path):
    pp.profile([{"x": 1}]).write(tmp_path / "one.bin")
    (tmp_path / "no.bin").write_bytes(b"no profile")
    for arguments, code, text in (
        ((tmp_path / "missing", "out", "--to", "parquet"), 1, "missing: no such file"),
        ((tmp_path / "no.bin", tmp_path / "out", "--to", "parquet"), 1, "no.bin: not a readable profile"),
        ((tmp_path / "one.bin", tmp_path / "no" / "out", "--to", "parquet"), 1, "No such file"),
        ((tmp_path / "one.bin", tmp_path / "out", "--to", "excel"), 2, "'parquet'"),
        ((tmp_path / "one.bin", tmp_path / "out"), 2, "--to"),
        ((tmp_path / "one.bin", tmp_path / "one.bin", "--to", "parquet"), 2, "is the file to convert"),
        ((tmp_path / "one.bin", tmp_path, "--to", "parquet"), 1, "Is a directory"),
        ((tmp_path / "one.bin", tmp_path / "out", "--to", "parquet", "--dataset", "a"), 2, "needs a store"),
    ):
        found, said = converted(*arguments)
        assert (found, text in said) == (code, True), said
    assert not (tmp_path / "out").exists()
