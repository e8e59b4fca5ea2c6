"""The benchmarks run; no test checks their speed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import polars as pl
import pytest
from rich.progress import Progress

import polarsprof as pp
from benchmarks import accuracy, drift, measure

ROOT = Path(__file__).resolve().parents[2]


def test_the_command_measures_every_line_or_gives_a_reason(tmp_path):
    pytest.importorskip("duckdb")
    figures, plot = tmp_path / "figures.json", tmp_path / "plot.svg"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--rows", "2000", "--only", "frame,record,store"]
    command += ["--json", str(figures), "--plot", str(plot)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=300)
    assert done.stderr == ""
    lines = json.loads(figures.read_text("utf-8"))["lines"]
    assert done.stdout.count("\n") == len(lines) + 2
    assert {line["suite"] for line in lines} == {"frame", "record", "store"}
    assert all((line["ours"] is None) == bool(line["skipped"]) for line in lines)
    measured = {line["against"] for line in lines if line["ratio"] is not None}
    assert {"DuckDB SUMMARIZE", "Polars describe()", "json.loads"} <= measured
    assert all(line["lower_quartile"] <= line["ratio"] <= line["upper_quartile"] for line in lines if line["ratio"])
    texts = list(ET.parse(plot).iter("{http://www.w3.org/2000/svg}text"))  # noqa: S314 - our own
    peers = [text.text for text in texts if "peer" in text.get("class", "").split()]
    assert peers == [line["against"] for line in lines if line["ratio"] is not None]
    shown = {text.text for text in texts}
    assert {line["what"] for line in lines if line["ratio"] is not None} <= shown


def test_the_two_sides_run_equally_often_and_alternate():
    calls = []
    setup = measure.Setup(rows=1, threads=1, quick=True)
    pairs = measure.paired(lambda: calls.append("ours"), lambda: calls.append("theirs"), setup)
    assert calls == ["ours", "theirs", "theirs", "ours", "ours", "theirs", "theirs", "ours"]
    assert len(pairs.ours) == len(pairs.theirs) == 3


def test_the_ratio_is_computed_within_each_pair():
    line = measure.Pairs([1.0, 20.0, 300.0], [2.0, 20.0, 200.0]).line("suite", "what", "peer", budget=1.2, goal=0.9)
    assert (line.ours, line.theirs) == (20.0, 20.0)
    assert (line.lower_quartile, line.ratio, line.upper_quartile) == (0.75, 1.0, 1.25)
    assert line.verdict == "budget"


def test_the_slope_of_a_power_law_is_its_exponent():
    assert measure.slope([1, 10, 100], [3.0, 3.0 * 10**0.7, 3.0 * 100**0.7]) == pytest.approx(0.7)


def test_only_a_sketch_of_other_values_has_rank_error():
    values = np.arange(100.0)
    group = pp.profile(pl.DataFrame({"value": values}))["value"].group("number")
    assert accuracy.rank_error(group, values) <= 1 / 100
    assert accuracy.rank_error(group, values + 30) == pytest.approx(0.3, abs=0.02)


def test_frequent_items_that_do_not_fit_the_counts_are_found():
    column = pp.profile(pl.DataFrame({"value": ["a"] * 5 + ["b"] * 3}))["value"]
    assert accuracy.broken_bounds(column, {"a": 5, "b": 3}) == 0
    assert accuracy.broken_bounds(column, {"a": 5, "b": 4}) == 1
    assert accuracy.broken_bounds(column, {"a": 5, "b": 3, "c": 2}) == 1


def test_drift_is_measured_on_draws_with_and_without_it(monkeypatch):
    monkeypatch.setattr(drift, "SIZES", ((20, 20), (50, 30)))
    monkeypatch.setattr(drift, "_POWER_SIZES", (200,))
    shown = drift.tables(Progress(disable=True), draws=1)
    assert shown.count("\n|") == 3 * 2 + len(drift.SAME) + len(drift.CHANGED) + 4
    assert "| mean by 1.0 σ | 100.0 |" in shown
