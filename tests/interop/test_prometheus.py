"""Metrics: scrapes are correct, counters never decrease, no scrape waits."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from support import brokers

import polarsprof as pp
from polarsprof.cli import main
from polarsprof.errors import ArgumentError, DataWarning, PolarsprofError
from polarsprof.interop.prometheus import SessionCollector, serving
from polarsprof.interop.prometheus.columns import ColumnFigures
from polarsprof.interop.prometheus.families import Labels
from polarsprof.sources import Batch, KafkaSource, Source
from polarsprof.stream.status import SourceStatus, StreamStatus, combined
from polarsprof.testing import SettableClock

prometheus_client = pytest.importorskip("prometheus_client")
from prometheus_client.openmetrics.parser import (  # noqa: E402
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families  # noqa: E402

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def scraped(url, accept=None):
    """(name, sorted labels) → value of a scrape over HTTP; no series occurs twice."""
    request = urllib.request.Request(url, headers={"Accept": accept} if accept else {})
    with urllib.request.urlopen(request, timeout=30) as answer:
        text, kind = answer.read().decode(), answer.headers["Content-Type"]
    parse = openmetrics_families if kind.startswith("application/openmetrics-text") else text_string_to_metric_families
    samples = [sample for family in parse(text) for sample in family.samples]
    found = {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}
    assert len(found) == len(samples)
    return found


def value(samples, name, **labels):
    return samples.get((f"polarsprof_{name}", tuple(sorted(labels.items()))))


def until(look, holds, seconds=60):
    """The first true result of `look`."""
    end = time.monotonic() + seconds
    while not holds(found := look()):
        assert time.monotonic() < end, found
        time.sleep(0.05)
    return found


@pytest.fixture
def clock():
    return SettableClock(NOON)


@pytest.fixture
def session(tmp_path, clock):
    with pp.Session(tmp_path / "store", clock=clock) as opened:
        yield opened


@pytest.fixture
def registry():
    return prometheus_client.CollectorRegistry()


# ----------------------------------------------------------------------------------------------------- a real command


@contextmanager
def streaming(*arguments, folder, dataset="flights"):
    """A running `polarsprof stream`, and the URL of its metrics."""
    options = ["--dataset", dataset, "--store", str(folder / "store"), "--metrics", "0"]
    command = [sys.executable, "-m", "polarsprof", "stream", *arguments, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = process.stderr.readline()
            assert line.startswith("metrics: http://127.0.0.1:"), line + process.stderr.read()
            yield process, line.split()[1]
        finally:
            if process.poll() is None:
                process.kill()


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_scrape_of_a_running_command_has_the_figures_of_the_rows(tmp_path, nycflights):
    frame = pl.read_csv(nycflights, null_values="NA", n_rows=20_000).select("time_hour", "dep_delay", "dest")
    path = tmp_path / "growing.ndjson"
    path.write_text("")
    options = ("--timestamp", "time_hour", "--metrics-columns", "d*", "--max-out-of-orderness", "1h")
    with streaming(f"tail:{path}", *options, folder=tmp_path) as (process, url):
        with path.open("ab") as file:
            frame.head(5_000).write_ndjson(file)
        until(lambda: scraped(url), lambda found: value(found, "rows_profiled_total", dataset="flights") == 5_000)
        with path.open("ab") as file:
            frame.slice(5_000).write_ndjson(file)
            file.write(b"oops\n[1]\n")
        of = {"dataset": "flights"}
        # Records of the source count after they are logged, so this check is last.
        found = until(lambda: scraped(url), lambda found: value(found, "records_read_total", **of) == 20_002)
        assert value(found, "rows_logged_total", **of) == value(found, "rows_profiled_total", **of) + 2 == 20_002
        assert value(found, "rows_rejected_total", reason="invalid JSON", **of) == 1
        assert value(found, "rows_rejected_total", reason="not a mapping", **of) == 1
        assert value(found, "dead_letters_total", **of) == 2
        assert value(found, "source_lag_bytes", **of) == 0
        assert value(found, "source_lag_records", **of) is None
        assert value(found, "open_windows", **of) == 1
        latest = datetime.fromisoformat(frame["time_hour"].max()).timestamp()
        assert value(found, "watermark_timestamp_seconds", **of) == latest - 3_600
        assert abs(value(found, "event_lag_seconds", **of) - (time.time() - latest)) < 60
        # Figures are at most five seconds old.
        found = until(
            lambda: scraped(url, "application/openmetrics-text;version=1.0.0"),
            lambda found: value(found, "column_values", column="dest", **of) == 20_000,
        )
        delays = frame["dep_delay"].drop_nulls()
        delay = {"column": "dep_delay", **of}
        assert value(found, "column_values", **delay) == len(delays)
        assert value(found, "column_null_ratio", **delay) == pytest.approx(frame["dep_delay"].null_count() / 20_000)
        assert value(found, "column_mean", **delay) == pytest.approx(delays.mean(), rel=1e-12)
        assert (value(found, "column_min", **delay), value(found, "column_max", **delay)) == (
            delays.min(),
            delays.max(),
        )
        for q in (0.5, 0.95, 0.99):
            near = value(found, "column_quantile", q=str(q), **delay)
            assert (delays < near).mean() - 0.02 <= q <= (delays <= near).mean() + 0.02
        places = value(found, "column_distinct_values", column="dest", **of)
        assert places == pytest.approx(frame["dest"].n_unique(), rel=0.05)
        assert value(found, "column_mean", column="dest", **of) is None
        assert {dict(labels).get("column") for _, labels in found} == {None, "dep_delay", "dest"}
        with socket.create_connection(("127.0.0.1", int(re.search(r":(\d+)/", url)[1]))):  # and sends no request
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 128 + signal.SIGTERM
    assert pp.ProfileStore(tmp_path / "store").read("flights").rows == 20_000


def test_a_redis_stream_and_a_death_in_between(tmp_path):
    redis = pytest.importorskip("redis")
    with brokers.redis(tmp_path) as server, redis.Redis(port=server.port) as connection:
        for number in range(50):
            connection.xadd("events", {"data": json.dumps({"n": number})})
        address = f"redis://127.0.0.1:{server.port}/events?field=data"
        of = {"dataset": "events"}
        with streaming(address, "--from-beginning", folder=tmp_path, dataset="events") as (process, url):
            until(lambda: scraped(url), lambda found: value(found, "rows_profiled_total", **of) == 50)
            until(lambda: scraped(url), lambda found: value(found, "checkpoint_age_seconds", **of) == 0)
            process.kill()
            process.wait()
        for number in range(5):
            connection.xadd("events", {"data": json.dumps({"n": number})})
        with streaming(address, folder=tmp_path, dataset="events") as (_, url):  # counters start at 0
            found = until(lambda: scraped(url), lambda found: value(found, "rows_profiled_total", **of) == 5)
            assert value(found, "rows_recovered_total", **of) == 50
            assert value(found, "source_lag_records", **of) is None


@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        (["--metrics", "soon"], 2, ["--metrics", "'soon'", "HOST:PORT"]),
        (["--metrics", "127.0.0.1:65536"], 2, ["--metrics"]),
        (["--metrics", "a b:1"], 2, ["--metrics"]),
        (["--metrics", "no.such.host.invalid:0"], 1, ["error: metrics cannot be served at no.such.host.invalid:0"]),
        (["--metrics", "a..b:0"], 1, ["error: metrics cannot be served at a..b:0"]),
        (["--metrics-columns", "d*"], 2, ["--metrics-columns needs --metrics"]),
    ],
)
def test_an_address_that_cannot_be_served_is_one_line_at_the_start(tmp_path, arguments, code, parts):
    result = CliRunner().invoke(main, ["stream", "-", "--dataset", "d", "--store", str(tmp_path), *arguments])
    assert result.exit_code == code
    assert all(part in result.stderr for part in parts), result.stderr
    assert "Traceback" not in result.stderr
    assert code == 2 or result.stderr.count("\n") == 1


def test_a_port_in_use_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = CliRunner().invoke(
            main, ["stream", "-", "--dataset", "d", "--store", str(tmp_path), "--metrics", address]
        )
    assert result.exit_code == 1
    assert result.stderr == f"error: metrics cannot be served at {address}: Address already in use\n"


def test_a_missing_client_names_the_extra(session, monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(PolarsprofError, match=r"pip install 'polarsprof\[prometheus\]'"):
        SessionCollector(session)


@pytest.mark.parametrize("address", ["0", "127.0.0.1:0", "localhost:0", "[::1]:0", ":0"])
def test_addresses(session, address):
    if address.startswith("[") and not socket.has_ipv6:
        pytest.skip("no IPv6")
    with serving(address, SessionCollector(session)) as url:
        port = int(re.search(r":(\d+)/metrics$", url)[1])
        assert scraped(url)[("polarsprof_build_info", (("version", pp.Profile().versions["polarsprof"]),))] == 1
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("localhost", port), timeout=5)


# ----------------------------------------------------------------------------------------------------- the collector


def test_counters_are_those_of_the_logger_and_outlive_it(session, registry, tmp_path):
    registry.register(SessionCollector(session))
    get = registry.get_sample_value
    of = {"dataset": "d"}
    assert get("polarsprof_rows_logged_total", of) is None
    for round_ in (1, 2, 3):
        with (
            pytest.warns(DataWarning),
            session.logger("d", with_rotation_time="1h", timestamp="at", allowed_lateness="1h") as logger,
        ):
            logger.log_records([{"at": NOON + timedelta(hours=at)} for at in (0, 1, 2, 1)] + [5, {"at": "never"}])
            assert get("polarsprof_rows_logged_total", of) == 7 * round_ - 1
            logger.log({"at": NOON - timedelta(hours=9)})
            _ = logger.profile
            assert get("polarsprof_open_windows", of) == 4
            counters = logger.counters
            for name in ("rows_profiled", "rows_late", "rows_untimed"):
                assert get(f"polarsprof_{name}_total", of) == round_ * counters[name]
            for reason, rows in logger.rejected.items():
                assert get("polarsprof_rows_rejected_total", {"reason": reason, **of}) == round_ * rows
        files = session.store.files("d")
        assert get("polarsprof_panes_written_total", of) == len(files)
        assert get("polarsprof_written_bytes_total", of) == sum(path.stat().st_size for path in files)
        assert get("polarsprof_open_windows", of) == 0
        assert get("polarsprof_watermark_timestamp_seconds", of) is None


def test_gauges_of_time(session, registry, clock):
    registry.register(SessionCollector(session))
    of, get = {"dataset": "d"}, registry.get_sample_value
    logger = session.logger("d", with_rotation_time="1h", timestamp="at", max_out_of_orderness="10m")
    assert get("polarsprof_checkpoint_age_seconds", of) == 0
    assert get("polarsprof_oldest_window_age_seconds", of) is None
    start = NOON - timedelta(hours=2)
    logger.log_records([{"at": start + timedelta(minutes=minutes)} for minutes in (5, 65)], positions={"s": 2})
    clock.advance(timedelta(seconds=3))
    assert get("polarsprof_oldest_window_age_seconds", of) == 7_203
    assert get("polarsprof_event_lag_seconds", of) == 55 * 60 + 3
    assert get("polarsprof_watermark_timestamp_seconds", of) == (start + timedelta(minutes=55)).timestamp()
    assert get("polarsprof_checkpoint_age_seconds", of) == 3
    clock.advance(timedelta(seconds=3))
    assert get("polarsprof_checkpoint_age_seconds", of) == 0


class Topic(Source):
    """A source of lists of records that reads the metrics before each poll."""

    def __init__(self, batches, look):
        self.batches, self.look, self.at = batches, look, 0

    def poll(self, most, timeout_s):
        self.look(self)
        if self.at == len(self.batches):
            self.ended = True
            return None
        batch = self.batches[self.at]
        self.at += 1
        return Batch(batch, len(batch))

    def lag(self):
        return sum(map(len, self.batches[self.at :]))


def test_lag_and_letters_of_a_source(session, registry):
    registry.register(SessionCollector(session))
    of, seen = {"dataset": "dataset"}, []

    def look(topic):
        names = ("source_lag_records", "records_read_total", "dead_letters_total")
        seen.append(tuple(registry.get_sample_value(f"polarsprof_{name}", of) for name in names))
        assert seen[-1][0] == topic.lag()

    with pytest.warns(DataWarning):
        session.run(Topic([[{"n": 1}] * 3, [b"oops", {"n": 2}], [{"n": 3}]], look))
    assert seen == [(6, 0, 0), (3, 3, 0), (1, 5, 1), (0, 6, 1)]
    assert registry.get_sample_value("polarsprof_records_read_total", of) == 6
    assert registry.get_sample_value("polarsprof_source_lag_records", of) is None  # the source is closed


def test_a_topic_of_kafka(tmp_path, registry):
    stop, of = threading.Event(), {"dataset": "events"}
    with brokers.kafka() as servers, pp.Session(tmp_path) as session:
        brokers.fill(servers, "watched", [b'{"n": 1}'] * 300 + [b"oops"])
        registry.register(SessionCollector(session))
        source = KafkaSource(servers, "watched", start="earliest")
        run = threading.Thread(target=session.run, args=(source,), kwargs={"dataset_name": "events", "stop": stop})
        with pytest.warns(DataWarning):
            run.start()
            try:
                read = "polarsprof_records_read_total"
                until(lambda: registry.get_sample_value(read, of), lambda found: found == 301)
                assert registry.get_sample_value("polarsprof_source_lag_records", of) == 0
                assert registry.get_sample_value("polarsprof_rows_profiled_total", of) == 300
            finally:
                stop.set()
                run.join(60)


def test_two_sessions_are_added_up_and_speak_with_one_collector(tmp_path, registry):
    with pp.Session(tmp_path / "a") as one, pp.Session(tmp_path / "b") as other:
        registry.register(SessionCollector(one, other))
        for session, rows in ((one, 3), (other, 4)):
            session.logger("d").log_records([{"n": 1}] * rows)
            session.logger(f"only {rows}").log({"n": 1})
        get = registry.get_sample_value
        assert get("polarsprof_rows_logged_total", {"dataset": "d"}) == 7
        assert get("polarsprof_open_windows", {"dataset": "only 3"}) is not None
        one.close()
        assert get("polarsprof_rows_profiled_total", {"dataset": "d"}) >= 3
        with pytest.raises(ValueError, match="Duplicated"):
            registry.register(SessionCollector(one))


def test_counters_never_go_back_while_threads_log_and_loggers_close(tmp_path, registry):
    threads, rounds, rows = 4, 3, 4_000
    with pp.Session(tmp_path) as session:
        registry.register(SessionCollector(session, columns=["n"]))
        logger = [session.logger("d", with_rotation_time="1h", timestamp="at")]
        barrier = threading.Barrier(threads)

        def log(number):
            for round_ in range(rounds):
                barrier.wait()
                if number == 0 and round_:
                    logger[0].close()
                    logger[0] = session.logger("d", with_rotation_time="1h", timestamp="at")
                barrier.wait()
                for at in range(rows):
                    logger[0].log({"at": NOON + timedelta(minutes=at // 8), "n": at} if at % 50 else at)

        workers = [threading.Thread(target=log, args=(number,)) for number in range(threads)]
        before, scrapes = {}, 0
        with pytest.warns(DataWarning):
            for worker in workers:
                worker.start()
            while any(worker.is_alive() for worker in workers):
                before, scrapes = _later(before, registry), scrapes + 1
            logger[0].close()
        last = _later(before, registry)
        total = threads * rounds * rows
        assert scrapes > 5
        assert value(last, "rows_logged_total", dataset="d") == total
        assert value(last, "rows_rejected_total", dataset="d", reason="not a mapping") == total / 50
        assert value(last, "rows_profiled_total", dataset="d") == total - total / 50
        assert session.store.read("d").rows == total - total / 50


def _later(before, registry):
    """The counters, after a check that none decreased and profiled rows are logged."""
    samples = [sample for family in registry.collect() if family.type == "counter" for sample in family.samples]
    now = {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}
    assert all(now[key] >= count for key, count in before.items())
    looked_at = [v for (name, _), v in now.items() if re.search("rows_(profiled|rejected)_total", name)]
    assert sum(looked_at) <= (value(now, "rows_logged_total", dataset="d") or 0)
    return now


def test_a_scrape_waits_for_no_work(session, registry):
    registry.register(SessionCollector(session, columns=["n"]))
    logger = session.logger("d")
    logger.log({"n": 5})
    _ = logger.profile
    held, done = threading.Event(), threading.Event()

    def work():
        with logger._worker._lock:
            held.set()
            assert done.wait(60)

    worker = threading.Thread(target=work)
    worker.start()
    assert held.wait(60)
    try:
        assert registry.get_sample_value("polarsprof_rows_profiled_total", {"dataset": "d"}) == 1
        assert registry.get_sample_value("polarsprof_column_max", {"dataset": "d", "column": "n"}) is None
    finally:
        done.set()
        worker.join()


def test_a_session_without_a_collector_keeps_no_status(session):
    logger = session.logger("d")
    logger.log_records([{"n": 1}] * 10)
    _ = logger.profile
    assert logger._worker.status == StreamStatus()
    logger.close()
    assert session._ended == {}


# ------------------------------------------------------------------------------------------------- names from outside

HOSTILE = [
    'quote" back\\slash',
    "new\nline",
    "\r\x1b[2J\u2028\u202e",
    "ü\u0301 🦆",
    "x" * 500,
    "x" * 499 + "y",
    "} 1\nfake_metric 2",
    "{__name__='a'}",
    "",
]


def test_hostile_names_are_only_labels(tmp_path):
    with pp.Session(tmp_path) as session:
        for number, name in enumerate(HOSTILE[:-1], 1):
            logger = session.logger(name)
            logger.log_records([dict.fromkeys(HOSTILE, number)] * number)
            _ = logger.profile
        with serving("0", SessionCollector(session, columns=["*"], max_series=9 * 100)) as url:
            for accept in (None, "application/openmetrics-text;version=1.0.0"):
                found = scraped(url, accept)
                datasets = {v: dict(labels)["dataset"] for (name, labels), v in found.items() if "rows_logged" in name}
                assert sorted(datasets) == list(range(1, len(HOSTILE)))
                columns = {dict(labels).get("column") for name, labels in found if name == "polarsprof_column_mean"}
                assert len(columns) == len(HOSTILE)
                for label in (*datasets.values(), *columns - {None}):
                    assert len(label) <= 128
                    assert label.isprintable()
                assert datasets[1] == HOSTILE[0]
                for number, dataset in datasets.items():
                    means = [
                        v
                        for (name, labels), v in found.items()
                        if name == "polarsprof_column_mean" and dict(labels)["dataset"] == dataset
                    ]
                    assert means == [number] * len(HOSTILE)


def test_promtool_finds_no_problems(session, tmp_path):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool of Prometheus is not installed")
    logger = session.logger("d")
    with pytest.warns(DataWarning):
        logger.log_records([dict.fromkeys(HOSTILE, 1.5), 5])
        _ = logger.profile
    with serving("0", SessionCollector(session, columns=["*"])) as url, urllib.request.urlopen(url) as answer:
        checked = subprocess.run([promtool, "check", "metrics"], input=answer.read(), capture_output=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, b"")
    page = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text("utf-8")
    for block, what in zip(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL), ("config", "rules"), strict=True):
        path = tmp_path / f"{what}.yml"
        path.write_text(block)
        subprocess.run([promtool, "check", what, str(path)], check=True, capture_output=True)


@given(st.lists(st.text(), unique=True))
def test_labels_are_short_clean_and_no_two_texts_have_one(texts):
    labels = Labels()
    found = [labels.of(text) for text in texts]
    kept = [label for label in found if label is not None]
    assert len(set(kept)) == len(kept)
    assert all(len(label) <= 128 for label in kept)
    assert [labels.of(text) for text in texts] == found


def test_a_text_that_pretends_to_be_the_label_of_another_is_left_out():
    labels = Labels()
    forged = Labels().of("a\x00")
    assert labels.of("a\x00") == forged
    assert labels.of(forged) is None


# -------------------------------------------------------------------------------------------------- figures of columns


def test_the_number_of_series_is_bounded_and_the_rest_is_counted(session, registry):
    registry.register(SessionCollector(session, columns=["c*", "[x]"], max_series=45))
    for name in ("a", "b"):
        logger = session.logger(name)
        logger.log({f"c{number:02}": number for number in range(4)} | {"[x]": 1, "x": 2, "other": 3})
        _ = logger.profile
    columns = [
        (sample.labels["dataset"], sample.labels["column"])
        for family in registry.collect()
        if family.name == "polarsprof_column_values"
        for sample in family.samples
    ]
    # "[x]" is the name of one column and the pattern of another.
    assert columns == [("a", "[x]"), ("a", "c00"), ("a", "c01"), ("a", "c02"), ("a", "c03")]
    left_out = {name: registry.get_sample_value("polarsprof_columns_left_out", {"dataset": name}) for name in "ab"}
    assert left_out == {"a": 1, "b": 6}


def test_figures_of_several_windows_are_merged_and_moments_are_in_seconds(session, registry):
    registry.register(SessionCollector(session, columns=["*"]))
    logger = session.logger("d", with_rotation_time="1h", timestamp="at", max_out_of_orderness="1d")
    rows = [
        {
            "at": NOON + timedelta(minutes=20 * number),
            "naive": datetime(1970, 1, 2) + timedelta(seconds=number),
            "day": date(1970, 1, 3),
            "clock": time_of_day(1, 0, 0, 500_000),
            "took": timedelta(minutes=number),
            "n": [None, float("nan"), float("inf"), 2**70, -1][number % 5],
            "list": [number] * 2,
            "text": "a",
        }
        for number in range(10)
    ]
    logger.log_records(rows)
    _ = logger.profile

    def get(name, column, **labels):
        return registry.get_sample_value(f"polarsprof_column_{name}", {"dataset": "d", "column": column, **labels})

    assert get("values", "at") == 10
    assert get("max", "at") == (NOON + timedelta(minutes=180)).timestamp()
    assert (get("min", "naive"), get("max", "naive")) == (86_400, 86_409)
    assert (get("min", "day"), get("max", "clock"), get("max", "took")) == (172_800, 3_600.5, 540)
    assert (get("null_ratio", "n"), get("min", "n"), get("max", "n")) == (0.2, -1, float("inf"))
    assert get("mean", "n") == pytest.approx((2**70 - 1) / 2)
    assert (get("values", "list[]"), get("null_ratio", "list[]"), get("max", "list[]")) == (20, 0, 9)
    assert get("max", "text") is None
    assert get("quantile", "took", q="0.5") == pytest.approx(240, abs=60)


def test_figures_do_not_outlive_their_windows(session, registry):
    registry.register(SessionCollector(session, columns=["n"]))
    with session.logger("d") as logger:
        logger.log({"n": 5})
        _ = logger.profile
        assert registry.get_sample_value("polarsprof_column_max", {"dataset": "d", "column": "n"}) == 5
    assert registry.get_sample_value("polarsprof_column_max", {"dataset": "d", "column": "n"}) is None
    assert registry.get_sample_value("polarsprof_rows_profiled_total", {"dataset": "d"}) == 1


def test_a_window_sealed_during_a_scrape_has_no_figures(session, registry, monkeypatch):
    registry.register(SessionCollector(session, columns=["n"]))
    logger = session.logger("d")
    logger.log({"n": 5})
    _ = logger.profile
    fits = ColumnFigures._matches

    def closing(figures, path):
        logger.close()
        return fits(figures, path)

    monkeypatch.setattr(ColumnFigures, "_matches", closing)
    assert registry.get_sample_value("polarsprof_column_max", {"dataset": "d", "column": "n"}) is None
    assert registry.get_sample_value("polarsprof_panes_written_total", {"dataset": "d"}) == 1


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((5,), {}),
        ((), {"columns": "n"}),
        ((), {"columns": [5]}),
        ((), {"columns": ["\ud800"]}),
        ((), {"max_series": 0}),
    ],
)
def test_wrong_use_is_refused(session, arguments, options):
    with pytest.raises(ArgumentError):
        SessionCollector(session, *arguments, **options)


# --------------------------------------------------------------------------------------------------------------- forks


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_serves_no_metrics_and_ends(tmp_path):
    code = """
import os, socket, sys, threading
import polarsprof as pp
from polarsprof.interop.prometheus import SessionCollector, serving

session = pp.Session(sys.argv[1])
collector = SessionCollector(session)
session.logger("d").log({"n": 1})
try:
    with serving("0", collector) as url:
        port = int(url.rpartition(":")[2].partition("/")[0])
        child = os.fork()
        if child == 0:
            samples = [s for family in collector.collect() for s in family.samples if "dataset" in s.labels]
            assert samples == [], samples
finally:
    if child == 0:
        os._exit(0 if sys.exc_info()[0] is None else 1)
assert os.waitpid(child, 0)[1] == 0
socket.create_server(("127.0.0.1", port)).close()
session.close()
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(tmp_path)], check=True, timeout=60)


# ---------------------------------------------------------------------------------------------------------------- laws

moments = st.none() | st.integers(-(2**62), 2**62)
counts = st.dictionaries(st.sampled_from(["rows_logged", "rows_late"]), st.integers(1, 10**12))
sources = st.builds(SourceStatus, st.integers(0, 9), st.integers(0, 9), st.none() | st.integers(0, 9))
status = st.builds(
    StreamStatus,
    counters=counts,
    rejected=counts,
    open_windows=st.integers(0, 9),
    oldest_us=moments,
    watermark_us=moments,
    latest_us=moments,
    unsaved_us=moments,
    now_us=moments,
    sources=st.lists(sources, max_size=2).map(tuple),
)


@given(st.lists(status, max_size=4), st.integers(0, 4))
def test_the_sum_of_several_statuses_does_not_depend_on_the_cut(parts, cut):
    whole = combined(parts)
    assert combined([combined(parts[:cut]), combined(parts[cut:])]) == whole
    assert whole.latest_us == max((part.latest_us for part in parts if part.latest_us is not None), default=None)
    assert whole.oldest_us == min((part.oldest_us for part in parts if part.oldest_us is not None), default=None)
    assert whole.counters == {name: sum(part.counters.get(name, 0) for part in parts) for name in whole.counters}
