"""Strips show the figures of every window, and mark missing, late and newest ones."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from support.shown import HOSTILE, Parsed, is_harmless

from polarsprof.analysis.timeline import WINDOW_SCHEMA
from polarsprof.errors import ArgumentError
from polarsprof.views import svg
from polarsprof.views.strip import lines, marks, numbers, strip

START = datetime(2026, 1, 5, tzinfo=UTC)


def timeline(rows: list[int], *, late: set[int] | None = None, **metrics: list[Any]) -> pl.DataFrame:
    """A timeline with one window per hour; windows of 0 rows are missing."""
    starts = [START + timedelta(hours=i) for i in range(len(rows))]
    frame = pl.DataFrame(
        {
            "window_start": starts,
            "window_end": [start + timedelta(hours=1) for start in starts],
            "newest": [i == len(rows) - 1 for i in range(len(rows))],
            "panes": [int(count > 0) for count in rows],
            "rows": rows,
            "late_rows": [int(i in (late or ())) for i in range(len(rows))],
            "rejected_rows": [0] * len(rows),
        },
        schema=WINDOW_SCHEMA,
    )
    return frame.with_columns([pl.Series(name, values) for name, values in metrics.items()])


def points(path: str) -> list[list[tuple[int, int]]]:
    """The points of the lines in a path, as a browser reads them."""
    found: list[list[tuple[int, int]]] = []
    x = y = 0
    for command, arguments in re.findall(r"([MlhvzVH])([-\d. ]*)", path):
        figures = [int(figure) for figure in re.findall(r"-?\d+", arguments)]
        match command:
            case "M":
                x, y = figures
                found.append([(x, y)])
                continue
            case "l":
                x, y = x + figures[0], y + figures[1]
            case "h":
                x += figures[0]
            case _:
                raise AssertionError(command)
        found[-1].append((x, y))
    return found


heights = st.lists(st.none() | st.integers(0, svg.STRIP_HEIGHT), min_size=1, max_size=80)


@given(heights)
def test_a_line_goes_through_every_value_and_over_no_gap(ys: list[int | None]) -> None:
    drawn = points(svg.line(ys))
    places = svg.centers(len(ys))
    assert {point for run in drawn for point in run} == {
        (x, y) for x, y in zip(places, ys, strict=True) if y is not None
    }
    edges = [i for i, (one, other) in enumerate(pairwise(ys)) if (one is None) != (other is None)]
    assert len(drawn) == (len(edges) + (ys[0] is not None) + (ys[-1] is not None)) // 2


@pytest.mark.parametrize("windows", [721, 3_000, 20_000])
def test_a_line_of_many_windows_keeps_its_peaks_in_bounded_size(windows: int) -> None:
    ys = np.random.default_rng(windows).integers(0, svg.STRIP_HEIGHT + 1, windows).tolist()
    path = svg.line(ys)
    drawn = points(path)[0]
    assert (max(y for _, y in drawn), min(y for _, y in drawn)) == (max(ys), min(ys))
    assert len(path) < 4 * 8 * svg.STRIP_WIDTH


@given(heights, heights)
def test_a_band_lies_between_its_lines(one: list[int | None], other: list[int | None]) -> None:
    size = min(len(one), len(other))
    path = svg.band(one[:size], other[:size])
    both = {
        (x, y) for x, a, b in zip(svg.centers(size), one, other, strict=False) if None not in (a, b) for y in (a, b)
    }
    assert {point for run in points(path.replace("z", "")) for point in run} == both


@given(st.sets(st.integers(0, 199)))
def test_boxes_cover_the_wanted_windows_and_no_other(wanted: set[int]) -> None:
    path = svg.slots_path(sorted(wanted), 200, 0, 40)
    covered = [(int(left), int(left) + int(width)) for left, width in re.findall(r"M(\d+) 0h(\d+)", path)]
    inside = {i for i, x in enumerate(svg.centers(200)) if any(left <= x <= right for left, right in covered)}
    assert inside == wanted


def test_gaps_late_rows_and_the_newest_window_are_marked() -> None:
    found = timeline([5, 0, 4, 3], late={2}, mean=[1.0, None, 2.0, 3.0])
    boxes = dict(re.findall(r'class="(\w)" d="M(\d+) ', marks(found)))
    assert boxes == {"g": "180", "t": "360", "c": "540"}
    *_, below = str(strip(found)).splitlines()
    assert below[16:20] == " ·▴▸"
    for note in ("1 missing", "1 with late rows", "newest", "2026-01-05 00:00Z – 2026-01-05 04:00Z"):
        assert note in below


def test_a_terminal_line_has_a_sign_per_window() -> None:
    found = timeline([5, 0, 4, 3, 2], mean=[1.0, None, None, 8.0, 4.5])
    assert (
        lines(found, ["mean"], 40)[0] == "mean            ▁· █▅  1 – 8"
        or lines(found, ["mean"], 40)[0][16:21] == "▁· █▄"
    )
    assert lines(found, ["rows"], 40)[0][16:21] == "█·▇▅▄"


@given(st.lists(st.integers(1, 100), min_size=1, max_size=300), st.integers(1, 80))
def test_many_windows_share_cells(rows: list[int], cells: int) -> None:
    drawn = lines(timeline(rows), ["rows"], cells)[0][16:].split("  ")[0]
    assert len(drawn) == min(len(rows), cells)
    assert len(rows) < 2 or "█" in drawn or max(rows) == min(rows) or len(rows) > cells


def test_times_are_drawn_and_shown_as_times() -> None:
    found = timeline([1, 1], at=[START, START + timedelta(days=1)], took=[timedelta(hours=1), timedelta(hours=3)])
    shown = str(strip(found))
    assert "2026-01-05 00:00Z – 2026-01-06 00:00Z" in shown
    assert "PT1H – PT3H" in shown


def test_values_that_are_not_finite_are_not_drawn() -> None:
    assert numbers(pl.Series([1.0, float("inf"), float("nan"), None])) == [1.0, None, None, None]
    assert "–" in str(strip(timeline([1, 1], x=[float("inf"), 1.0])))


def test_html_has_a_strip_per_metric_and_a_tooltip_per_window() -> None:
    found = timeline([5, 0, 4, 3], late={2}, mean=[1.0, None, 2.0, 3.0], null_share=[0.0, None, 0.5, 1.0])
    fragment = strip(found)._repr_html_()
    parsed = Parsed(fragment)
    labels = [shown for shown in parsed.texts if " over windows: " in shown]
    assert labels == ["rows over windows: 0 – 5", "mean over windows: 1 – 3", "null_share over windows: 0 % – 100 %"]
    assert "2026-01-05 01:00Z: missing" in parsed.texts
    assert "2026-01-05 02:00Z: 4 rows, 1 late" in parsed.texts
    assert fragment.isascii()


def test_a_window_of_rows_without_a_pane_is_not_missing() -> None:
    found = timeline([5, 4]).with_columns(panes=pl.lit(0, pl.Int64))
    assert "missing" not in str(strip(found))
    assert "missing" not in strip(found)._repr_html_()


def test_an_empty_timeline_says_so() -> None:
    empty = strip(timeline([]))
    assert str(empty) == "no windows"
    assert "no windows" in empty._repr_html_()
    assert "no values" in str(strip(timeline([1], mean=[None]).cast({"mean": pl.Float64})))


def test_hostile_names_of_metrics_stay_text() -> None:
    found = timeline([1, 2], **{name: [1.0, 2.0] for name in HOSTILE})
    shown = strip(found)
    assert is_harmless(str(shown))
    assert max(map(len, str(shown).splitlines())) < 200
    assert set(Parsed(shown._repr_html_()).tags) <= {"div", "style", "span", "svg", "g", "path", "title", "small"}
    console = Console(width=100)
    with console.capture() as capture:
        console.print(str(shown), markup=False)
    assert "\x1b[2J" not in capture.get()


@pytest.mark.parametrize(
    ("frame", "metrics", "named"),
    [
        (None, None, "timeline"),
        (pl.DataFrame({"a": [1]}), None, "timeline"),
        (timeline([1]), "rows", "metrics"),
        (timeline([1]), 5, "metrics"),
        (timeline([1]), ["mean"], "metrics"),
        (timeline([1], s=["text"]), ["s"], "metrics"),
    ],
)
def test_wrong_use_names_the_argument(frame: Any, metrics: Any, named: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        strip(frame, metrics)
    assert caught.value.argument == named
