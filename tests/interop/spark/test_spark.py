"""Apache Spark reads HLL and KLL images in SQL, and creates the same ones.

Spark runs in an environment of its own; POLARSPROF_TEST_SPARK names its interpreter.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from support.environments import interpreter

import polarsprof as pp
from polarsprof.interop.parquet import write_parquet

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "interchange.md"
ROWS, CUT = 30_000, 20_000

RANKS = "array(0.0D, 0.01D, 0.5D, 0.99D, 1.0D)"
QUERIES = {
    "each": """SELECT `column`, window_start, hll_sketch_estimate(sketch)
        FROM windows WHERE statistic = 'hll' ORDER BY 1, 2""",
    "union": """SELECT `column`, hll_sketch_estimate(hll_union_agg(sketch))
        FROM windows WHERE statistic = 'hll' AND `group` IN ('number', 'string') GROUP BY 1 ORDER BY 1""",
    "quantiles": f"""SELECT window_start, kll_sketch_get_n_double(sketch),
        kll_sketch_get_quantile_double(sketch, {RANKS}), kll_sketch_get_rank_double(sketch, 5000.0D)
        FROM windows WHERE statistic = 'kll_doubles' AND `group` = 'number' ORDER BY 1""",  # noqa: S608
    "merged": f"""SELECT kll_sketch_get_n_double(kll_merge_agg_double(sketch)),
        kll_sketch_get_quantile_double(kll_merge_agg_double(sketch), {RANKS})
        FROM windows WHERE statistic = 'kll_doubles' AND `group` = 'number'""",  # noqa: S608
    "sums": """SELECT sum(rows), sum(null_count), sum(count), min(min), max(max), sum(sum)
        FROM windows WHERE `column` = 'number'""",
    "theirs": f"""SELECT hll_sketch_agg(number), hll_sketch_agg(text), hll_sketch_agg(few),
        kll_sketch_agg_double(double), kll_sketch_agg_float(float)
        FROM (SELECT id * 7 % 11000 AS number, concat('wört ', id * 7 % 11000) AS text,
            concat('few ', id % 20) AS few, cast(id * 7 % 11000 AS DOUBLE) AS double,
            cast(id * 7 % 11000 AS FLOAT) AS float FROM range({ROWS}))""",  # noqa: S608
}


def records() -> list[dict[str, object]]:
    return [{"number": i * 7 % 11_000, "text": f"wört {i * 7 % 11_000}", "few": f"few {i % 20}"} for i in range(ROWS)]


def python_of_spark() -> str:
    return interpreter("POLARSPROF_TEST_SPARK", "PySpark 4.1 or later and Java 17")


def spark(path: Path, queries: list[str]) -> list[list[list[object]]]:
    ran = subprocess.run(
        [python_of_spark(), str(HERE / "queries.py"), str(path)],
        input=json.dumps(queries),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3_000:]
    return json.loads(ran.stdout)


@pytest.fixture(scope="module")
def profiles():
    rows = records()
    windows = [pp.Window(0, 3_600_000_000), pp.Window(3_600_000_000, 7_200_000_000)]
    made = []
    for window, part in zip(windows, (rows[:CUT], rows[CUT:]), strict=True):
        profile = pp.profile(part)
        profile.window = window
        made.append(profile)
    return made


@pytest.fixture(scope="module")
def answers(profiles, tmp_path_factory):
    path = tmp_path_factory.mktemp("spark") / "windows.parquet"
    write_parquet(profiles, path)
    return dict(zip(QUERIES, spark(path, list(QUERIES.values())), strict=True))


def sketches_of(profile: pp.Profile) -> list[tuple[str, pp.GroupProfile]]:
    found = []
    for path, column in profile.columns.items():
        group = column.group(column.groups[0])
        found += [(path, group)] + ([(path, group.length)] if group.length is not None else [])
    return found


def test_spark_estimates_distinct_values_as_we_do(profiles, answers):
    expected = sorted(
        (path, round(group.distinct.estimate)) for profile in profiles for path, group in sketches_of(profile)
    )
    assert sorted((path, estimate) for path, _, estimate in answers["each"]) == expected


def test_a_union_in_sql_is_that_of_a_merge_and_near_the_truth(profiles, answers):
    merged = pp.merge(profiles)
    union = dict(answers["union"])
    assert union["number"] == round(merged["number"].distinct.estimate)
    assert abs(union["number"] - 11_000) <= 4 * 0.0163 * 11_000


def test_spark_finds_the_quantiles_that_we_do(profiles, answers):
    for profile, (_, n, quantiles, rank) in zip(profiles, answers["quantiles"], strict=True):
        number = profile["number"]
        assert (n, quantiles) == (number.count, number.quantiles([0.0, 0.01, 0.5, 0.99, 1.0]))
        assert rank == pytest.approx(number.cdf(5_000.0), abs=1e-12)


def test_a_merge_of_quantile_sketches_in_sql_is_near_the_truth(answers):
    ((n, quantiles),) = answers["merged"]
    values = sorted(record["number"] for record in records())
    assert (n, quantiles[0], quantiles[-1]) == (ROWS, values[0], values[-1])
    for rank, value in zip([0.01, 0.5, 0.99], quantiles[1:-1], strict=True):
        assert abs(sum(v <= value for v in values) / ROWS - rank) <= 0.02


def test_sums_over_windows_count_nothing_twice(answers):
    values = [record["number"] for record in records()]
    assert answers["sums"] == [[ROWS, 0, ROWS, 0.0, max(values), sum(values)]]


def test_sketches_of_spark_and_ours_are_the_same(profiles, answers):
    number, text, few, doubles, floats = (bytes.fromhex(image) for image in answers["theirs"][0])
    merged = pp.merge(profiles)
    theirs = pp.Profile.from_images(
        {
            "number": {"number": {"hll": number, "kll_doubles": doubles}},
            "text": {"string": {"hll": text}},
            "few": {"string": {"hll": few}},
            "float": {"number": {"kll_doubles": floats}},
        },
        rows=ROWS,
    )
    for path, group in (("number", "number"), ("text", "string"), ("few", "string")):
        assert theirs[path].group(group).images()["hll"] == merged[path].group(group).images()["hll"]
    for path in ("number", "float"):
        assert theirs[path].max == merged["number"].max
        assert abs(theirs[path].cdf(5_000.0) - merged["number"].cdf(5_000.0)) <= 0.03
    merged.merge(theirs)
    assert merged["number"].distinct == pp.merge(profiles)["number"].distinct


def test_the_queries_of_the_documentation_run(tmp_path):
    python_of_spark()
    from support.pages import blocks, run_console, run_python

    text = PAGE.read_text("utf-8")
    path = tmp_path / re.findall(r"<!-- spark: windows = (\S+) -->", text)[0]
    found = blocks(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        namespace = {"__name__": "page"}
        for block in found:
            if block.runs:
                run_python(block, PAGE, namespace) if block.language == "python" else run_console(block, PAGE)
    queries = [block.text for block in found if block.language == "sql"]
    assert len(queries) == 2
    figures, quantiles = spark(path, queries)
    of_group = {(column, group): rest for column, group, *rest in figures}
    assert of_group["price", "number"][:3] == [2_880, 0.0, 99.9]
    assert abs(of_group["user", "string"][3] - len({i * i % 5_003 for i in range(2_880)})) < 150
    assert [len(found) for _, found in quantiles] == [3, 3]
