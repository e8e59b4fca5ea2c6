"""The simulated fleet loses no row and finds losses; plans match counted requests."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import asdict, replace
from pathlib import Path

import pytest

import polarsprof as pp
from benchmarks import __main__ as benchmarks
from benchmarks import data, fleet, formulas, plans, sizing
from benchmarks.formulas import Cost, Load, Rates, Requests

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "deployment.md"
RATES = Rates(
    costs=(
        Cost(columns=10, json_us=10, frame_us=1, json_bytes=100),
        Cost(columns=100, json_us=200, frame_us=10, json_bytes=1_000),
    ),
    seal_column_us=600,
    checkpoint_column_us=100,
    merge_us=50,
    merge_column_us=10,
    column_bytes=10_000,
    open_column_bytes=20_000,
    process_bytes=200 << 20,
)
LOAD = Load(records_per_s=10_000, columns=100)


def filled(store: pp.ProfileStore, writers: list[fleet.WriterPanes], windows: range) -> pp.ProfileStore:
    for number in windows:
        for writer in writers:
            store.put(writer.pane(number))
    return store


# ------------------------------------------------------------------------------------------------------------ the fleet


def test_a_fleet_counts_every_row_of_the_day_once(tmp_path):
    sizes = {"writers": 3, "windows": 62, "columns": 2, "backlog": 4, "compared": 2}
    asked = fleet.Fleet(**sizes, folder=tmp_path, backlog_folder=tmp_path)
    figures = {line.what: line.ours for line in fleet.simulation(asked)}
    assert figures["3 writers × 62 windows, 2 columns: panes put"] == 186
    assert [figures[f"files of one {length}"] for length in ("minute", "hour", "day")] == [62, 2, 1]
    assert figures["rows counted, of those logged"] == 100
    assert all(value > 0 or "time" in what for what, value in figures.items() if "memory" not in what)
    assert not any(tmp_path.iterdir())


def test_a_fleet_has_the_rows_and_sums_of_the_raw_rows(tmp_path):
    writers, truth = fleet.logged(4, 3)
    frames = [data.wide(40 + number, 3, seed=number) for number in range(4)]
    total = sum(sum(frame["integer 0"].to_list()) for frame in frames)
    assert (truth.rows, truth.total) == (40 + 41 + 42 + 43, total)
    store = filled(pp.ProfileStore(tmp_path), writers, range(5))
    day = store.read("fleet")
    assert (day.rows, day["integer 0"].sum, len(day.panes)) == (5 * 166, 5 * total, 20)
    assert day["float 1"].max == max(frame["float 1"].max() for frame in frames)
    truth.check(store, 5)


@pytest.mark.parametrize("damage", ["a pane less", "a window less", "a window more", "another row"])
def test_missing_and_doubled_rows_of_a_fleet_are_found(tmp_path, damage):
    writers, truth = fleet.logged(2, 1)
    store = filled(pp.ProfileStore(tmp_path), writers, range(3))
    files = store.files("fleet")
    expected = 4 if damage == "a window less" else 3
    if damage == "a pane less":
        Path(files[0]).unlink()
    elif damage == "a window more":
        filled(store, writers, range(7, 8))
    elif damage == "another row":
        profile = pp.read(files[0])
        profile.rows += 1
        profile.write(files[0])
    with pytest.raises(AssertionError, match=r"rows, sum and panes|are missing"):
        truth.check(store, expected)


# ------------------------------------------------------------------------------------------------------------- formulas


def test_costs_are_interpolated_and_extrapolated():
    assert formulas.record_us(10, "json", RATES) == pytest.approx(10)
    assert formulas.record_us(100, "frame", RATES) == pytest.approx(10)
    assert 10 < formulas.record_us(30, "json", RATES) < 200
    assert formulas.record_us(1_000, "frame", RATES) == pytest.approx(100)
    assert formulas.record_bytes(1_000, RATES) == pytest.approx(10_000)


def test_the_cores_of_a_plan_by_hand():
    assert formulas.logging_cores(LOAD, RATES) == pytest.approx(10_000 * 200e-6)
    assert formulas.keeping_cores(LOAD, RATES) == pytest.approx(100 * (600e-6 / 60 + 100e-6 / 5))
    assert formulas.writers(LOAD, RATES) == 2  # 2.0 cores / (2 * 0.7 - 0.003)
    assert formulas.cores(LOAD, RATES) == 4
    assert formulas.json_bytes_per_s(LOAD, RATES) == pytest.approx(1e7)
    assert formulas.json_bytes_per_s(replace(LOAD, form="frame"), RATES) == 0
    assert formulas.compaction_cores(60, LOAD, RATES) == pytest.approx((50 + 100 * 10) / 1e6)
    with pytest.raises(ValueError, match="take all of 2 cores"):
        formulas.writers(replace(LOAD, columns=100_000), RATES)


def test_the_bytes_of_a_plan_by_hand():
    assert formulas.pane_bytes_per_day(2, LOAD, RATES) == 2 * 1_440 * 1_000_000
    assert formulas.kept_bytes_per_day(LOAD, RATES, 3_600) == 24 * 1_000_000
    assert formulas.memory_of_writer(LOAD, RATES) == (200 << 20) + 2 * 100 * 20_000
    assert formulas.disk_of_writer(LOAD, RATES) == 2 * 2 * 1_000_000 + (64 << 20)
    assert formulas.checkpoint_bytes_per_s(LOAD, RATES) == 2 * 1_000_000 / 5


def test_hourly_requests_add_writers_and_compaction_runs():
    assert formulas.requests_of_compaction(1_000, 60) == Requests(put=64, get=120_006, list=180, delete=60)
    hour = formulas.requests_per_hour(1_000, 60, 3_600)
    assert (hour.put, hour.get, hour.list) == (60_000 + 64, 120_000 + 60 + 6, 183)
    often = formulas.requests_per_hour(1_000, 60, 60)
    assert (often.put, often.delete) == (60_000 + 60 * 5, 60)
    assert formulas.requests_of_compaction(10, 1, size_bytes=20 << 20).get == 10 * 4 + 6


@pytest.mark.parametrize(("writers", "windows"), [(2, 1), (3, 7), (25, 4)])
def test_the_formula_of_requests_matches_the_counts(tmp_path, writers, windows):
    pytest.importorskip("obstore")
    made, truth = fleet.logged(writers, 1)
    store = pp.ProfileStore(f"memory://{tmp_path}")
    with fleet.counted_requests() as puts:
        filled(store, made, range(windows))
    assert puts == {"put": writers * windows}
    with fleet.counted_requests() as counted:
        pp.ProfileStore(store.url).compact("fleet")
    truth.check(store, windows)
    expected = formulas.requests_of_compaction(writers, windows)
    # From 16 files on, an index is written and read.
    small = writers * windows < 16
    assert counted == {
        "put": expected.put - small,
        "get": expected.get - small,
        "list": expected.list,
        "delete": expected.delete,
    }


def test_a_line_is_fitted_to_measurements():
    assert sizing.fitted([1, 10, 100], [5, 14, 104]) == pytest.approx((4, 1))
    assert sizing.fitted([10, 20], [10, 40]) == pytest.approx((0, 1.5))


# ------------------------------------------------------------------------------------------------------------- the page


def test_a_measurement_gives_the_tables_of_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sizing, "QUICK", sizing.Size((3, 6, 9), 3_000, 50, 200, 1))
    kept, page = tmp_path / "sizing.json", tmp_path / "page.md"
    page.write_text("a\n<!-- figures: speed -->\nold\n<!-- end -->\nb\n<!-- figures: fleet -->\nc\n<!-- end -->\n")
    assert benchmarks.main(["sizing", "--quick", "--threads", "2", "--json", str(kept), "--page", str(page)]) == 0
    shown = capsys.readouterr().out
    rates = plans.rates_of(json.loads(kept.read_text("utf-8"))["rates"])
    assert [cost.columns for cost in rates.costs] == [3, 6, 9]
    assert all(value > 0 for name, value in asdict(rates).items() if name not in ("costs", "merge_us"))
    text = page.read_text("utf-8")
    assert "old" not in text
    assert text.endswith("b\n<!-- figures: fleet -->\nc\n<!-- end -->\n")
    assert plans.speed(rates.costs) in text
    assert plans.plan(plans.WORKED, rates) in shown
    assert benchmarks.main(["sizing", "--measured", str(kept)]) == 0
    assert capsys.readouterr().out == shown


def test_the_page_shows_the_recorded_measurements():
    text = PAGE.read_text("utf-8")
    names = set()
    for file in ("sizing.json", "fleet.json"):
        blocks = plans.blocks_of(json.loads((ROOT / "benchmarks" / file).read_text("utf-8")))
        names |= blocks.keys()
        assert plans.update_blocks(text, blocks) == text, (
            f"python -m benchmarks … --measured benchmarks/{file} --page {PAGE}"
        )
    assert set(re.findall(r"<!-- figures: (\w+) -->", text)) == names


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}[^\n]*\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_the_units_of_systemd_are_valid(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    units = [re.sub(r"/opt/polarsprof/bin/polarsprof", "/bin/true", text) for text in _blocks("ini")]
    for text in units:
        name = text.partition("\n")[0].removeprefix("# ").rpartition("/")[2]
        (tmp_path / name.replace("@", "@1")).write_text(text)
    files = [str(file) for file in tmp_path.iterdir()]
    assert len(files) == 3
    command = ["systemd-analyze", "verify", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert not [line for line in done.stderr.splitlines() if str(tmp_path) in line], done.stderr


def test_the_kubernetes_manifests_are_yaml_with_durable_state():
    yaml = pytest.importorskip("yaml")
    (text,) = _blocks("yaml")
    service, stateful, job = yaml.safe_load_all(text)
    assert (service["kind"], stateful["kind"], job["kind"]) == ("Service", "StatefulSet", "CronJob")
    pod = stateful["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (claim,) = stateful["spec"]["volumeClaimTemplates"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert claim["metadata"]["name"] in mounts
    assert stateful["spec"]["serviceName"] == service["metadata"]["name"]
    assert pod["terminationGracePeriodSeconds"] >= 30
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
