"""A report shows the figures of profiles on one harmless page of bounded size."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner
from polars.testing import assert_frame_equal
from support.reports import HOSTILE, drift_frame, hostile_profile, profile_of, window, windows_of
from support.shown import Parsed, is_harmless

import polarsprof as pp
from polarsprof.cli import main
from polarsprof.cli.csv import csv_text, harmless
from polarsprof.errors import ArgumentError, SpecMismatch
from polarsprof.profiles.merging import merge_windows
from polarsprof.testing import SettableClock, assert_profile_equal

TAGS = {"html", "head", "meta", "title", "style", "body", "main", "header", "nav", "section", "h1", "h2", "h3", "p"}
TAGS |= {"a", "ul", "li", "b", "small", "div", "span", "br", "details", "summary", "table", "caption", "thead", "tbody"}
TAGS |= {"tr", "th", "td", "dl", "dt", "dd", "svg", "path", "g", "use"}
ATTRIBUTES = {"lang", "charset", "http-equiv", "content", "name", "class", "id", "aria-labelledby", "aria-label"}
ATTRIBUTES |= {"href", "title", "scope", "height", "viewbox", "preserveaspectratio", "role", "aria-hidden", "d"}


class Page(Parsed):
    """A page; the tags in its head have no end tags."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "meta":
            self.handle_startendtag(tag, attrs)
        else:
            super().handle_starttag(tag, attrs)


def shown(page: str) -> str:
    return " ".join(Page(page).texts)


def small_windows(count: int = 4) -> list[pp.Profile]:
    return windows_of(5, count, gap=2, different=2)


# ------------------------------------------------------------------------------------------------------------- content


def test_a_report_has_its_sections_columns_and_windows() -> None:
    windows = small_windows()
    page = pp.report(windows, title="Clicks of a day")
    texts = Page(page).texts
    assert texts.count("Clicks of a day") == 2  # title and heading
    for heading in ("Overview", "Windows", "Columns", "Rejected and late", "About this profile"):
        assert texts.count(heading) == 2 + (heading in ("Windows", "Columns"))  # contents, heading, caption
    assert "Drift" not in texts
    merged = pp.merge(windows)
    assert f"{merged.rows:,}" in texts
    for path, column in merged.columns.items():
        assert texts.count(path) == 2
        assert f"{column.null_count:,}" in texts
    for profile in windows:
        assert profile.window
        assert f"{profile.window.start:%Y-%m-%d %H:%M}Z" in texts
    assert texts.count("missing") == 2
    assert "2 with late rows" not in texts
    assert "1 with late rows" in texts


def test_the_profiles_stay_as_they_are() -> None:
    windows = small_windows()
    before = [profile.to_bytes() for profile in windows]
    pp.report(windows)
    assert [profile.to_bytes() for profile in windows] == before


def test_one_profile_is_a_report_without_windows() -> None:
    page = pp.report(pp.profile(pl.DataFrame({"x": [1, 2, 2]})))
    texts = Page(page).texts
    assert "Windows" not in texts
    assert {"x", "3", "Profile"} <= set(texts)


def test_profiles_come_from_any_iterator_many_at_a_time() -> None:
    windows = small_windows(130)
    page = pp.report(iter(windows))
    assert "<b>130</b>windows" in page
    assert f"<b>{sum(profile.rows for profile in windows):,}</b>rows" in page


def test_drift_is_shown_with_its_bounds_and_reasons_drifted_columns_first() -> None:
    windows = small_windows()
    names = [f"column_{i:03}" for i in reversed(range(5))]
    page = pp.report(windows, drift=drift_frame(names, new_values=[["n1", "n2"], [], [], [], None]))
    texts = Page(page).texts
    assert "1 drifted · 3 not drifted · 1 not compared" in texts
    assert "drifted columns" in texts
    table = page[page.index('id="drift"') : page.index('id="columns"')]
    cells = [re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", table)]
    head, *rows = [[re.sub("<.*?>", "", cell) for cell in row] for row in cells]
    assert head[:5] == ["column", "type", "drifted", "why", "Kolmogorov&#8211;Smirnov"]
    assert rows[0][:5] == [
        "column_004",
        "integral",
        "yes",
        "ks 0.5 above 0.1; new values: n1, n2",
        "0.50.5 &#8211; 0.5",
    ]
    assert rows[1][:5] == ["column_000", "integral", "not compared", "only in the reference", ""]
    assert [row[:4] for row in rows[2:]] == [[f"column_00{i}", "integral", "no", ""] for i in (3, 2, 1)]
    assert {len(row) for row in rows} == {len(head)}


def test_a_reference_is_compared_with_the_whole() -> None:
    before, after = pp.profile([{"x": i % 7} for i in range(150)]), [{"x": i % 7 + 3} for i in range(150)]
    windows = [pp.profile(after[:60]), pp.profile(after[60:])]
    assert pp.report(windows, reference=before) == pp.report(windows, drift=pp.drift(before, pp.profile(after)))
    assert "1 drifted" in pp.report(windows, reference=before)
    assert pp.report([], reference=before) == pp.report([])
    with pytest.raises(ArgumentError, match="drift"):
        pp.report(windows, reference=before, drift=pp.drift(before, before))


def test_drift_of_no_columns_says_so() -> None:
    assert "Neither of the two profiles has a column." in shown(pp.report(pp.Profile(), drift=drift_frame([]).clear()))


def test_drift_may_name_columns_that_the_profile_has_not() -> None:
    page = pp.report(pp.profile([{"x": 1}]), drift=drift_frame(["gone", "x"]))
    assert "gone" in Page(page).texts
    assert '"#c1"' not in page


def test_rejected_late_and_untimed_rows_are_counted_by_reason() -> None:
    profile = small_windows(1)[0]
    profile.rejected.update({"invalid JSON": 7, "too late": 9})
    profile.degraded["lone surrogate"] = 3
    profile.untimed_rows, profile.future_rows, profile.dropped_rows = 11, 12, 13
    texts = Page(pp.report(profile)).texts
    for reason, count in (("invalid JSON", "7"), ("too late", "9"), ("lone surrogate", "3")):
        assert texts[texts.index(reason) + 1] == count
    assert {"11", "12", "13"} <= set(texts)


# ------------------------------------------------------------------------------------------- nothing, what differs


@pytest.mark.parametrize(
    ("profiles", "said"),
    [
        (list, "No profiles."),
        (pp.Profile, "No row was profiled."),
        (pp.Profile, "There are no columns."),
        (lambda: [pp.Profile(dataset="d", window=window(i)) for i in range(3)], "No row was profiled."),
        (lambda: pp.profile([{"a": None, "b": 1}, {"b": 2}]), "1 of the columns contain only nulls."),
        (lambda: pp.profile([{"a": None}]), "Only nulls."),
        (lambda: pp.profile([{"x": 1}]), "Nothing was rejected, changed, late or missing."),
    ],
)
def test_an_empty_report_says_so(profiles: Callable[[], Any], said: str) -> None:
    assert said in shown(pp.report(profiles()))


def test_profiles_that_track_other_things_are_named_and_shown_over_time_alone() -> None:
    specs = [None, None, pp.ProfileSpec(quantiles=False), None]
    frames = [pl.DataFrame({"x": [i, i + 1]}) for i in range(4)]
    pairs = enumerate(zip(frames, specs, strict=True))
    profiles = [profile_of(frame, spec=spec, window=window(i)) for i, (frame, spec) in pairs]
    texts = Page(pp.report(profiles)).texts
    assert any(part.startswith("1 of the profiles track other statistics than the first one.") for part in texts)
    assert any("column 'x' is tracked differently" in part for part in texts)
    assert texts[texts.index("rows") - 1] == "6"
    assert texts[texts.index("windows") - 1] == "4"
    with pytest.raises(SpecMismatch):
        pp.merge(profiles)


def test_unequal_sizes_are_no_difference() -> None:
    profiles = [profile_of(pl.DataFrame({"x": [1]}), spec=pp.ProfileSpec(k=k), window=window(k)) for k in (100, 200)]
    assert "track other statistics" not in shown(pp.report(profiles))


def test_a_column_that_comes_late_was_null_before() -> None:
    profiles = [profile_of(pl.DataFrame({"x": [1]}), window=window(0))]
    profiles.append(profile_of(pl.DataFrame({"x": [1], "y": [2]}), window=window(1)))
    assert "nulls over windows: 0 % – 100 %" in Page(pp.report(profiles)).texts


@pytest.mark.parametrize(
    ("arguments", "options", "named"),
    [
        (5, {}, "profiles"),
        ("clicks.bin", {}, "profiles"),
        (["clicks.bin"], {}, "profiles"),
        ([], {"title": 5}, "title"),
        ([], {"drift": pl.DataFrame({"column": ["x"]})}, "drift"),
        ([], {"drift": "x"}, "drift"),
    ],
)
def test_wrong_use_names_the_argument(arguments: Any, options: Any, named: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        pp.report(arguments, **options)
    assert caught.value.argument == named


def test_one_pane_twice_is_refused() -> None:
    windows = small_windows()
    with pytest.raises(ArgumentError, match="pane"):
        pp.report([*windows, windows[0]])


# ----------------------------------------------------------------------------------------------------------- harmless


def test_the_policy_allows_only_the_style_sheet() -> None:
    page = pp.report(small_windows())
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-{digest}'"
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy}">' in page
    assert page.index("Content-Security-Policy") < page.index("<style>")
    assert page.isascii()
    parsed = Page(page)
    assert set(parsed.tags) <= TAGS
    assert {name for name, _ in parsed.attributes} <= ATTRIBUTES
    assert all(str(value).startswith("#") for name, value in parsed.attributes if name == "href")
    assert not re.search(r"url\(|@import|https?:", page)
    ids = [value for name, value in parsed.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    targets = {str(value)[1:] for name, value in parsed.attributes if name == "href"}
    assert targets <= set(ids)


def test_hostile_text_from_everywhere_stays_text() -> None:
    names = [*HOSTILE[:-1], "y" * 5_000]
    reasons = [HOSTILE] * len(names)
    drift = drift_frame(names, reasons=reasons, dtype_group=names, new_values=reasons)
    page = pp.report([hostile_profile(0), hostile_profile(1)], drift=drift, title=HOSTILE[1])
    parsed = Page(page)
    assert set(parsed.tags) <= TAGS
    assert parsed.tags.count("style") == 1
    assert {name for name, _ in parsed.attributes} <= ATTRIBUTES
    assert all(is_harmless(part) for part in [*parsed.texts, *(value or "" for _, value in parsed.attributes)])
    assert "x" * 1_001 not in page  # the limit of metadata is higher than of other text
    assert "y" * 201 not in page
    for value in HOSTILE[:6]:
        assert value in parsed.texts


def test_a_value_of_ten_megabytes_is_cut() -> None:
    page = pp.report(pp.profile(pl.DataFrame({"s": ["<b>" * 3_500_000] * 2})))
    assert len(page) < 30_000
    assert set(Page(page).tags) <= TAGS


# ---------------------------------------------------------------------------------------------------------------- size


@pytest.mark.slow
def test_100_columns_over_200_windows_are_below_1_mb() -> None:
    windows = windows_of(100, 200, different=5)
    page = pp.report(windows, drift=drift_frame([f"column_{i:03}" for i in range(100)]))
    assert len(page) < 1_000_000
    texts = set(Page(page).texts)
    assert {f"column_{i:03}" for i in range(100)} <= texts
    assert {f"{profile.window.start:%Y-%m-%d %H:%M}Z" for profile in windows if profile.window} <= texts


# -------------------------------------------------------------------------------------------------------- command line


def run(*arguments: object) -> Any:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    records = [
        {"at": f"2026-01-01T{hour:02}:{minute:02}:00Z", "price": hour * minute}
        for hour in (0, 1, 4)
        for minute in range(60)
    ]
    clock = SettableClock(datetime(2026, 1, 2, tzinfo=UTC))
    with (
        pp.Session(folder, clock=clock) as session,
        session.logger("prices", with_rotation_time="1h", timestamp="at") as logger,
    ):
        logger.log_records(records)
        clock.advance(timedelta(seconds=2))  # they are profiled, so new rows of the first hour are late
        logger.log({"at": "2026-01-01T00:30:00Z", "price": 7})
    return folder


def test_the_command_writes_the_page_of_a_store(store: Path, tmp_path: Path) -> None:
    output = tmp_path / "report.html"
    result = run("report", store, "-o", output)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{output.stat().st_size / 1024:,.0f} KiB → {output}\n"
    page = output.read_text("utf-8")
    assert page == pp.report(
        pp.ProfileStore(store).profiles("prices")
    )  # few enough values for the sketches to retain all
    assert "181" in Page(page).texts
    assert run("report", store, "--from", "2026-01-01T01:00", "--title", "T", "-o", output).exit_code == 0
    assert {"T", "120"} <= set(Page(output.read_text("utf-8")).texts)


def test_files_of_one_window_are_one_window_of_the_page(store: Path, tmp_path: Path) -> None:
    output = tmp_path / "report.html"
    files = sorted(store.glob("*.bin"), reverse=True)
    assert len(files) == 4
    assert run("report", *files, "-o", output).exit_code == 0
    assert output.read_text("utf-8") == pp.report(pp.ProfileStore(store).profiles("prices"))


def test_the_command_compares_with_a_reference(store: Path, tmp_path: Path) -> None:
    reference, output = tmp_path / "reference.bin", tmp_path / "report.html"
    pp.profile([{"price": 10_000 + i} for i in range(500)]).write(reference)
    assert run("report", store, "--reference", reference, "-o", output).exit_code == 0
    page = output.read_text("utf-8")
    found = pp.ProfileStore(store)
    assert page == pp.report(found.profiles("prices"), drift=pp.drift(pp.read(reference), found.read("prices")))
    assert "drifted" in Page(page).texts
    assert run("report", store, "--reference", store, "--reference-to", "2026-01-01T01:00", "-o", output).exit_code == 0
    assert run("report", store, "--reference", reference, "-o", reference).exit_code == 2


def test_a_window_of_panes_that_do_not_merge_is_a_profile_for_each_spec(tmp_path: Path) -> None:
    folder, output = tmp_path / "store", tmp_path / "report.html"
    for quantiles in (True, False):
        spec = pp.ProfileSpec(quantiles=quantiles)
        with (
            pp.Session(folder, spec=spec) as session,
            session.logger("d", with_rotation_time="h", timestamp="at") as logger,
        ):
            logger.log_records({"at": f"2026-01-01T0{hour}:00Z", "x": hour} for hour in range(2))
    store = pp.ProfileStore(folder)
    for profiles in (list(store.profiles("d")), list(merge_windows(folder.glob("*.bin")))):
        assert [(profile.window, profile.rows) for profile in profiles] == [
            (window, 1) for window in store.windows("d") for _ in range(2)
        ]
    assert store.timeline("d", "x", ["median"])["median"].to_list() in ([0, None, 1, None], [None, 0, None, 1])
    assert run("report", folder, "-o", output).exit_code == 0
    assert "2 of the profiles track other statistics than the first one." in shown(output.read_text("utf-8"))


def test_files_without_a_window_come_first(store: Path, tmp_path: Path) -> None:
    pp.profile([{"price": 1}]).write(tmp_path / "one.bin")
    found = list(merge_windows([*store.glob("*.bin"), tmp_path / "one.bin"]))
    assert [profile.window is None for profile in found] == [True, False, False, False]
    assert_profile_equal(pp.merge(found[1:]), pp.ProfileStore(store).read("prices"))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ("nowhere -o {out}", 1, "nowhere"),
        ("{store} --dataset clicks -o {out}", 1, "clicks"),
        ("{store}", 2, "--output"),
        ("{store} {file} -o {out}", 2, "files, or one store"),
        ("{file} --dataset prices -o {out}", 2, "need a store"),
        ("{file} -o {file}", 2, "--output"),
        ("{folder} -o {out}", 2, "--dataset is needed"),
        ("{store} -o {folder}/missing/out.html", 1, "missing"),
    ],
)
def test_wrong_use_of_the_command_is_one_line(
    store: Path, tmp_path: Path, arguments: str, code: int, said: str
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"store": store, "file": min(store.glob("*.bin")), "folder": tmp_path / "empty", "out": tmp_path / "out"}
    result = run("report", *[argument.format(**places) for argument in arguments.split()])
    assert result.exit_code == code, result.output
    assert said in result.stderr
    assert not places["out"].exists()


def test_the_command_shows_a_timeline(store: Path) -> None:
    result = run("timeline", store, "price", "--dataset", "prices", "--metric", "mean", "--metric", "max")
    assert result.exit_code == 0, result.output
    rows, mean, most, below = result.stdout.splitlines()
    assert [line[:16].strip() for line in (rows, mean, most)] == ["rows", "mean", "max"]
    assert rows[16:21] == "██··█"
    assert below[16:21] == "▴ ··▸"
    assert "– 236" in most


def test_a_timeline_as_json_and_as_csv_is_that_of_the_library(store: Path) -> None:
    found = pp.ProfileStore(store).timeline("prices", "price", ["count", "mean"])
    as_json = json.loads(run("timeline", store, "price", "--dataset", "prices", "--metric", "count", "--json").stdout)
    assert [row["count"] for row in as_json["windows"]] == found["count"].to_list()
    assert as_json["windows"][0]["window_start"] == "2026-01-01T00:00:00+00:00"
    text = run(
        "timeline", store, "price", "--dataset", "prices", "--metric", "count", "--metric", "mean", "--csv"
    ).stdout
    read = pl.read_csv(text.encode(), try_parse_dates=True)
    assert_frame_equal(read.select("rows", "count", "mean"), found.select("rows", "count", "mean"))
    assert run("timeline", store, "price", "--dataset", "prices", "--json", "--csv").exit_code == 2
    wrong = run("timeline", store, "price", "--dataset", "prices", "--metric", "average")
    assert (wrong.exit_code, "--metric" in wrong.stderr) == (2, True)


# ----------------------------------------------------------------------------------------------------------------- CSV


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1+1", "'+1+1"),
        ("-2+3", "'-2+3"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1", "' =1"),
        ("\r\n=1", "'  =1"),
        ("\u200b=1", "'=1"),
        ("＝1", "'＝1"),
        ("-12.5", "-12.5"),
        ("-1e5", "-1e5"),
        ("plain", "plain"),
        ("\x1b[31mred", "[31mred"),
    ],
)
def test_formulas_of_a_spreadsheet_get_an_apostrophe(value: str, written: str) -> None:
    assert harmless(value) == written


def test_csv_of_hostile_columns_has_no_formula_and_no_control() -> None:
    text = csv_text(hostile_profile().summary())
    assert is_harmless(text)
    read = pl.read_csv(text.encode(), infer_schema=False)
    assert read.height == len(HOSTILE)
    for cell in (cell for row in read.iter_rows() for cell in row if cell):
        assert not re.match(r"\s*[=+@＝]|\s*-(?![\d.]+$)", cell)
        assert len(cell) <= 202


def test_the_summary_as_csv_is_that_of_the_library(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("a,b\n1,=x\n-2,=y\n")
    result = run("profile", path, "--csv")
    read = pl.read_csv(result.stdout.encode())
    assert read["column"].to_list() == ["a", "b"]
    assert read["sum"][0] == -1
    assert read["min"].to_list() == ["-2", "'=x"]
    assert run("profile", path, "--csv", "--json").exit_code == 2
    assert run("show", tmp_path, "--csv").exit_code == 2
