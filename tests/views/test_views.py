"""Views show the figures of a profile in a stable shape, and are harmless."""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing.parametric import dataframes
from support.shown import HOSTILE, Parsed, is_harmless, profile_of, rendered

from polarsprof.analysis.histogram import RANKS, histogram
from polarsprof.cli.tables import bars, header_line, profile_table, store_table
from polarsprof.ingest.frames import typed_columns
from polarsprof.profiles import text
from polarsprof.profiles.profile import Profile
from polarsprof.views.html import profile_html
from polarsprof.views.summary import SCHEMA, summary
from polarsprof.windowing.tumbling import Window


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    random = np.random.default_rng(7)
    return pl.DataFrame(
        {
            "n": random.integers(-50, 50, 150),
            "x": [None, float("nan"), float("inf"), 0.0, *random.normal(size=146)],
            "s": [None, "", *random.choice(["a", "bb", "Österreich"], 148)],
            "b": [True, False, None] * 50,
            "t": [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=7 * i) for i in range(150)],
            "l": [[1, 2], [], None] * 50,
        }
    )


# ------------------------------------------------------------------------------------------------------------ summary


def test_the_summary_has_the_same_schema_for_all_data(frame: pl.DataFrame) -> None:
    assert summary(Profile()).schema == SCHEMA
    assert summary(Profile()).height == 0
    assert summary(profile_of(frame)).schema == SCHEMA
    assert summary(profile_of(frame.clear())).schema == SCHEMA


def test_the_summary_agrees_with_polars(frame: pl.DataFrame) -> None:
    rows = {row["column"]: row for row in summary(profile_of(frame)).iter_rows(named=True)}
    assert list(rows) == sorted(["n", "x", "s", "b", "t", "l", "l[]"])
    for name in frame.columns:
        series = frame[name]
        assert rows[name]["rows"] == frame.height
        assert (rows[name]["count"], rows[name]["null_count"]) == (series.count(), series.null_count())
        assert rows[name]["null_share"] == series.null_count() / frame.height
    n, finite = frame["n"], frame["x"].filter(frame["x"].is_finite())
    assert (rows["n"]["min"], rows["n"]["max"], rows["n"]["sum"]) == (repr(n.min()), repr(n.max()), float(n.sum()))
    assert (rows["n"]["zeros"], rows["n"]["negatives"]) == ((n == 0).sum(), (n < 0).sum())
    assert rows["n"]["distinct"] == pytest.approx(n.n_unique(), rel=1e-4)
    assert (rows["x"]["nan_count"], rows["x"]["infinite_count"]) == (1, 1)
    assert rows["x"]["mean"] == pytest.approx(finite.mean())
    assert rows["x"]["stddev"] == pytest.approx(finite.std())
    assert rows["x"]["skewness"] == pytest.approx(finite.skew())
    assert rows["x"]["kurtosis"] == pytest.approx(finite.kurtosis())
    assert rows["x"]["max"] == "inf"
    lengths = frame["s"].str.len_chars()
    assert (rows["s"]["length_min"], rows["s"]["length_max"]) == (lengths.min(), lengths.max())
    assert rows["s"]["length_mean"] == pytest.approx(lengths.mean())
    assert rows["s"]["empties"] == 1
    assert rows["b"]["true_count"] == frame["b"].sum()
    assert (rows["t"]["min"], rows["t"]["median"]) == ("2026-01-01T00:00:00+00:00", None)
    assert rows["l[]"]["rows"] == frame["l"].list.len().sum()


def test_quantiles_of_the_summary_are_those_of_the_values(frame: pl.DataFrame) -> None:
    row = summary(profile_of(frame.select("n"))).row(0, named=True)
    ranks = {"q01": 0.01, "q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95, "q99": 0.99}
    values = frame["n"].to_numpy()  # few enough for the sketch to retain all
    assert {name: row[name] for name in ranks} == {
        name: np.quantile(values, rank, method="inverted_cdf") for name, rank in ranks.items()
    }


def test_the_top_of_the_summary_counts_values(frame: pl.DataFrame) -> None:
    top = summary(profile_of(frame.select("s"))).row(0, named=True)["top"]
    counts = dict(frame["s"].drop_nulls().value_counts().iter_rows())
    assert {item["value"]: item["estimate"] for item in top} == counts
    assert all(item["lower"] == item["upper"] == item["estimate"] for item in top)


def test_figures_beyond_a_double_do_not_break_the_summary() -> None:
    profile = Profile()
    columns = typed_columns(pl.DataFrame({"n": [1]}))
    columns.integers["n"] = [10**308, 10**308]
    columns.rows = 3
    profile.update(columns)
    row = summary(profile).row(0, named=True)
    assert row["max"] == repr(10**308)
    assert row["sum"] == float("inf") or row["sum"] == pytest.approx(2e308)


def test_nanoseconds_are_not_lost() -> None:
    series = pl.Series("t", [1_700_000_000_123_456_789], dtype=pl.Int64)
    frame = pl.DataFrame(
        [
            series.cast(pl.Datetime("ns")).alias("naive"),
            series.cast(pl.Datetime("ns", "UTC")).alias("aware"),
            series.cast(pl.Duration("ns")).alias("duration"),
        ]
    )
    rows = {row["column"]: row["min"] for row in summary(profile_of(frame)).iter_rows(named=True)}
    assert rows["naive"] == "2023-11-14T22:13:20.123456789"
    assert rows["aware"] == "2023-11-14T22:13:20.123456789+00:00"
    assert rows["duration"] == "P19675DT22H13M20.123456789S"


ISO_DURATION = re.compile(r"(-?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d{1,9}))?S)?)?")


@given(st.integers(-(10**20), 10**20))
def test_an_iso_duration_says_its_nanoseconds(ns: int) -> None:
    shown = text.iso_duration(ns)
    match = ISO_DURATION.fullmatch(shown)
    assert match
    sign, days, hours, minutes, seconds, fraction = match.groups(default="0")
    whole = ((int(days) * 24 + int(hours)) * 60 + int(minutes)) * 60 + int(seconds)
    assert (whole * 10**9 + int(fraction.ljust(9, "0"))) * (-1 if sign == "-" else 1) == ns
    assert not shown.endswith(("P", "T"))


# -------------------------------------------------------------------------------------------------------- text, shares


@given(st.text(st.characters(), max_size=300), st.integers(1, 250))
def test_clean_text_is_one_short_harmless_line(value: str, longest: int) -> None:
    cleaned = text.clean(value, longest)
    assert len(cleaned) <= longest
    assert "\n" not in cleaned
    assert is_harmless(cleaned)
    if is_harmless(value) and "\n" not in value and len(value) <= longest:
        assert cleaned == value


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_a_share_reads_as_0_or_100_only_if_it_is(part: int, rest: int) -> None:
    shown = text.share(part, part + rest)
    assert (shown == "0 %") == (part == 0)
    assert (shown == "100 %") == (rest == 0 and part > 0)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (0, "0"),
        (1_234_567, "1,234,567"),
        (12.34567, "12.35"),
        (1234.5, "1,234"),
        (0.00001234, "1.23e-05"),
        (float("-inf"), "-inf"),
        (10**400, "inf"),
    ],
)
def test_numbers_are_shown_short(value: float | None, shown: str) -> None:
    assert text.number(value) == shown


@pytest.mark.parametrize(
    ("types", "shown"),
    [
        ({}, "null"),
        ({"integral": 5}, "integral"),
        ({"string": 1, "integral": 9}, "integral 90 %, string 10 %"),
        ({"string": 1, "integral": 999}, "integral >99 %, string <1 %"),
    ],
)
def test_types_are_named_with_their_shares(types: dict[str, int], shown: str) -> None:
    assert text.types_text(types) == shown


# --------------------------------------------------------------------------------------------------------------- repr


def test_the_repr_describes_the_profile(frame: pl.DataFrame) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    hour_us = 3_600_000_000
    start_us = int(start.timestamp()) * 1_000_000
    profile = profile_of(frame, dataset="clicks", window=Window(start_us, start_us + hour_us))
    profile.rejected["invalid JSON"] = 3
    profile.late_rows = 2
    first, head, *body = repr(profile).splitlines()
    assert first == (
        "Profile: clicks · 2026-01-01 00:00Z – 2026-01-01 01:00Z · 150 rows · 7 columns · 3 rejected · 2 late"
    )
    assert head.split() == ["column", "types", "nulls", "distinct", "min", "mean", "median", "max", "top"]
    assert [line.split()[0] for line in body] == list(profile.columns)


def test_the_repr_of_many_columns_stays_short() -> None:
    frame = pl.DataFrame({f"c{i:05}": [i] for i in range(2_000)})
    lines = repr(profile_of(frame)).splitlines()
    assert len(lines) == 43
    assert lines[-1] == "… and 1,960 more columns"
    assert max(map(len, lines)) <= 180


def test_the_repr_of_an_empty_profile_is_one_line() -> None:
    assert repr(Profile()) == "Profile: 0 rows · 0 columns"


def test_wide_characters_do_not_shift_the_columns_of_the_repr() -> None:
    lines = repr(profile_of(pl.DataFrame({"長い名前": ["x"], "plain": ["y"]}))).splitlines()[1:]
    cells = [[2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line] for line in lines]
    second = [line.index(word) for line, word in zip(lines, ["types", "string", "string"], strict=True)]
    starts = [sum(widths[:at]) for widths, at in zip(cells, second, strict=True)]
    assert len(set(starts)) == 1


# ---------------------------------------------------------------------------------------------------------- histograms


def shares_of(values: Any, bins: int = 24) -> tuple[list[float], Any, Any, bool]:
    profile = profile_of(pl.DataFrame({"v": values}))
    found = histogram(profile["v"].group(profile["v"].groups[0]), bins)
    assert found is not None
    return found.shares, found.start, found.end, found.is_cut


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=100), st.integers(2, 30))
def test_bins_of_a_small_column_have_exact_shares(values: list[float], bins: int) -> None:
    shares, start, end, cut = shares_of(values, bins)
    low, high = min(values), max(values)
    if cut or low == high:
        return
    assert (start, end) == (low, high)
    edges = [low + (high - low) * (i / bins) for i in range(bins)] + [high]
    counts = [sum(left < v <= right for v in values) for left, right in pairwise(edges)]
    counts[0] += sum(v == low for v in values)
    assert shares == pytest.approx([count / len(values) for count in counts])


@given(st.lists(st.integers(-1_000, 1_000), min_size=1, max_size=100), st.integers(1, 30))
def test_bins_of_whole_numbers_are_equally_many_numbers_wide(values: list[int], bins: int) -> None:
    shares, _, _, cut = shares_of(values, bins)
    if cut or len(shares) == 1:
        return
    width = -(-(max(values) - min(values) + 1) // bins)
    counts = np.bincount([(value - min(values)) // width for value in values], minlength=len(shares))
    assert len(shares) <= bins
    assert shares == pytest.approx(list(counts / len(values)))


def test_a_far_outlier_does_not_flatten_the_histogram() -> None:
    shares, start, end, cut = shares_of([*range(1_000), 10**9])
    assert cut
    assert 0 <= start < end < 1_001
    assert max(shares) < 0.2


@pytest.mark.parametrize(
    "values",
    [
        [datetime(1, 1, 1), datetime(9999, 12, 31)],
        [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)],
        [date(1, 1, 1), date(9999, 12, 31)],
        [time(0), time(23, 59, 59, 999_999)],
        [timedelta(days=-100_000), timedelta(days=100_000)],
        [-1e308, 1e307],
        [2**62, 2**62 + 1],
    ],
    ids=repr,
)
def test_the_ends_of_a_histogram_are_the_ends_of_the_column(values: list[Any]) -> None:
    shares, start, end, cut = shares_of(values)
    assert not cut
    assert [start, end] == pytest.approx(values) if isinstance(values[0], float | int) else [start, end] == values
    assert sum(shares) == pytest.approx(1)


def test_a_moment_that_rounds_beyond_the_last_year_is_drawn_at_its_end() -> None:
    profile = profile_of(pl.DataFrame({"t": [datetime(2026, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999)]}))
    assert "histogram from 2026-01-01 00:00 to 9999-12-31 23:59:59.999999" in profile_html(profile)


@pytest.mark.parametrize("values", [[float("inf")] * 3, [float("-inf"), 1.0], ["a", "b"], [True], [None]], ids=repr)
def test_values_without_finite_ends_have_no_histogram(values: list[Any]) -> None:
    column = profile_of(pl.DataFrame({"v": values})).columns.get("v")
    assert column is None or histogram(text.primary(column)) is None


@given(st.lists(st.one_of(st.integers(-50, 50), st.floats(-50, 50)), min_size=2, max_size=100))
def test_quantiles_lie_where_their_bins_are(values: list[float]) -> None:
    profile = profile_of(pl.DataFrame({"v": values}, strict=False))
    found = histogram(text.primary(profile["v"]))
    assert found is not None
    assert len(found.edges) == len(found.shares) + 1
    low, high = found.edges[0], found.edges[-1]
    for place, rank in zip(found.quantiles, RANKS, strict=True):
        exact = float(np.quantile(values, rank, method="inverted_cdf"))
        expected = min(max((exact - low) / (high - low), 0), 1) if high > low else 0.5
        assert place == pytest.approx(expected, abs=1e-9)
        if not found.is_cut:
            assert low <= exact <= high


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=40), st.integers(1, 4))
def test_bars_show_every_value_above_nothing(values: list[float], lines: int) -> None:
    chart = bars(values, lines)
    assert [len(line) for line in chart] == [len(values)] * lines
    assert [cell != " " for cell in chart[-1]] == [value > 0 for value in values]
    if any(values):
        assert chart[0][values.index(max(values))] == "█"


# --------------------------------------------------------------------------------------------------------------- HTML

ALLOWED_TAGS = {"div", "style", "b", "small", "table", "thead", "tbody", "tr", "th", "td", "span", "br", "svg", "path"}
ALLOWED_TAGS |= {"dl", "dt", "dd", "details", "summary", "title"}
ALLOWED_ATTRIBUTES = {"class", "title", "height", "viewbox", "role", "aria-hidden", "d", "scope"}
ALLOWED_ATTRIBUTES |= {"preserveaspectratio"}


def hostile_profile() -> Profile:
    frame = pl.DataFrame({name: HOSTILE * 2 for name in HOSTILE if name})
    texts = {str(i): value for i, value in enumerate(HOSTILE)}
    profile = profile_of(frame, dataset=HOSTILE[1], tags=texts | dict.fromkeys(HOSTILE, "v"), metadata=texts)
    profile.rejected[HOSTILE[0]] = 1
    return profile


def test_hostile_names_and_values_stay_text_in_html() -> None:
    fragment = profile_html(hostile_profile())
    parsed = Parsed(fragment)
    assert set(parsed.tags) <= ALLOWED_TAGS
    assert parsed.tags.count("style") == 1
    assert {name for name, _ in parsed.attributes} <= ALLOWED_ATTRIBUTES
    assert all(is_harmless(shown) for shown in [*parsed.texts, *(value or "" for _, value in parsed.attributes)])
    assert HOSTILE[0] in parsed.texts
    assert HOSTILE[1] in parsed.texts
    assert max(map(len, parsed.texts[1:]), default=0) < 3_000


def test_html_values_are_cut() -> None:
    parsed = Parsed(profile_html(profile_of(pl.DataFrame({"s": ["y" * 10_000] * 2}))))
    shown = [value for value in parsed.texts if value.startswith("yyy")]
    assert shown
    assert max(map(len, shown)) <= 200


def test_html_loads_nothing_and_runs_nothing(frame: pl.DataFrame) -> None:
    fragment = profile_html(profile_of(frame))
    assert fragment.isascii()
    assert not re.search(r"<script|http|url\(|@import|src=|href=", fragment)
    rules = re.sub(r"@media[^{]*\{(.*?\})\}", r"\1", re.findall(r"<style>(.*?)</style>", fragment, re.DOTALL)[0])
    selectors = [part for rule in re.findall(r"([^{}]+)\{", rules) for part in rule.split(",")]
    assert all(selector.strip().startswith(".polarsprof") for selector in selectors)


def test_html_of_many_columns_folds_all_but_the_first() -> None:
    frame = pl.DataFrame({f"c{i:03}": range(100) for i in range(500)})
    fragment = profile_html(profile_of(frame))
    open_part, folded = fragment.split("<details><summary>450 more columns</summary>")
    assert open_part.count("<tr>") == 1 + 50
    assert folded.count("<tr>") == 1 + 450
    assert all(f">c{i:03}<" in fragment for i in range(500))
    assert len(fragment) < 2_000_000


def test_html_shows_moments_quantiles_and_bounds(frame: pl.DataFrame) -> None:
    values = frame["n"]
    shown = Parsed(profile_html(profile_of(frame.select("n")))).texts
    figures = dict(pairwise(shown))
    exact = {"stddev": values.std(), "variance": values.var(), "skewness": values.skew(), "kurtosis": values.kurtosis()}
    assert {name: figures[name] for name in exact} == {name: text.number(value) for name, value in exact.items()}
    ranks = {"q01": 0.01, "q05": 0.05, "q25": 0.25, "q75": 0.75, "q95": 0.95, "q99": 0.99}
    for name, rank in ranks.items():  # few enough for the sketch to retain all
        assert figures[name] == text.number(float(np.quantile(values.to_numpy(), rank, method="inverted_cdf")))


def test_the_mimebundle_is_the_text_and_the_fragment(frame: pl.DataFrame) -> None:
    profile = profile_of(frame)
    bundle = profile._repr_mimebundle_()
    assert bundle == {"text/plain": repr(profile), "text/html": profile_html(profile)}
    assert profile._repr_mimebundle_(include={"text/plain"}) == {"text/plain": repr(profile)}
    assert profile._repr_mimebundle_(exclude={"text/plain"}) == {"text/html": profile_html(profile)}


def test_html_shows_the_figures(frame: pl.DataFrame) -> None:
    shown = Parsed(profile_html(profile_of(frame))).texts
    for expected in ("150 rows", "7 columns"):
        assert any(expected in part for part in shown)
    assert text.number(float(frame["n"].mean())) in shown  # type: ignore[arg-type]


def test_html_of_an_empty_profile_has_no_table() -> None:
    assert "table" not in Parsed(profile_html(Profile())).tags


# ----------------------------------------------------------------------------------------------------------- terminal


def test_hostile_names_and_values_stay_text_on_a_terminal() -> None:
    profile = hostile_profile()
    shown = rendered(profile_table(profile), 300) + rendered(header_line(profile), 300) + repr(profile)
    assert is_harmless(shown)
    assert "[bold red]x[/bold red]" in shown


@pytest.mark.parametrize("width", [60, 80, 100])
def test_the_terminal_table_fits_and_keeps_names_whole(frame: pl.DataFrame, width: int) -> None:
    frame = frame.rename({"n": "a_rather_long_name"})
    lines = rendered(profile_table(profile_of(frame)), width).splitlines()
    assert max(map(len, lines)) <= width
    for name in frame.columns:
        assert any(line.split()[:1] == [name] for line in lines)


def test_the_terminal_table_shows_moments_quantiles_and_lengths(frame: pl.DataFrame) -> None:
    values, lengths = frame["n"], frame["s"].str.len_chars()
    shown = rendered(profile_table(profile_of(frame.select("n", "s"))))
    for figure in (values.mean(), values.std(), values.skew(), lengths.mean()):
        assert f" {text.number(figure)} " in shown  # type: ignore[arg-type]
    assert f"length {text.number(lengths.mean())}" in shown  # type: ignore[arg-type]


def test_the_quantile_line_lies_below_its_bars() -> None:
    values = [*range(100), *[0] * 100, *[1_000]]  # tails are cut: from 0 to about 98
    lines = rendered(profile_table(profile_of(pl.DataFrame({"v": values})))).splitlines()
    bottom, line = lines[-3], lines[-2]
    start = bottom.index("█")
    assert line[start] == "┃"  # the median is 0
    assert line.rstrip().endswith("─")
    assert set(line[start:].rstrip()) == set("┃▬━─")
    assert len(line[start:].split("  ")[0].rstrip()) <= 14


def test_text_and_lists_show_the_distribution_of_their_lengths() -> None:
    fragment = profile_html(profile_of(pl.DataFrame({"s": ["a", "bbb", "ccccc"] * 9, "l": [[1], [1, 2], []] * 9})))
    assert "lengths from 1 to 5; a quarter up to 1, half to 3, three to 5" in fragment
    assert "lengths from 0 to 2" in fragment


def test_columns_beyond_the_limit_are_counted() -> None:
    frame = pl.DataFrame({f"c{i}": [1] for i in range(5)})
    assert "… and 3 more columns" in rendered(profile_table(profile_of(frame), limit=2))


def test_the_store_table_names_a_data_set_once() -> None:
    windows = [
        {"start": "2026-01-01T00:00:00+00:00", "end": "2026-01-01T01:00:00+00:00", "rows": 1_234},
        {"start": "2026-01-01T01:00:00+00:00", "end": "2026-01-01T02:00:00+00:00", "rows": 5},
    ]
    shown = rendered(store_table([{"dataset": "[b]clicks[/b]\x1b[2J", "windows": windows}]))
    assert shown.count("[b]clicks[/b]") == 1
    assert "1,234" in shown
    assert is_harmless(shown)


# ----------------------------------------------------------------------------------------------------------- any data


@settings(max_examples=40)
@given(dataframes(max_cols=4, max_size=12, allow_null=True))
def test_every_view_shows_any_frame(frame: pl.DataFrame) -> None:
    profile = profile_of(frame)
    found = summary(profile)
    assert found.schema == SCHEMA
    assert found["column"].to_list() == list(profile.columns)
    assert is_harmless(repr(profile))
    parsed = Parsed(profile_html(profile))
    assert set(parsed.tags) <= ALLOWED_TAGS
    assert is_harmless(rendered(profile_table(profile)))
    json.dumps(found.drop("top").to_dicts())
