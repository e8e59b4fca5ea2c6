"""OpenLineage events are valid for its client and schema, with true figures."""

from __future__ import annotations

import json
import math
import os
import re
import sys
import threading
import typing
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import polarsprof as pp
from polarsprof.cli import main
from polarsprof.errors import ArgumentError, DataWarning
from polarsprof.interop.openlineage.emitter import Lineage, event_line
from polarsprof.interop.openlineage.event import data_quality_metrics

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
SPEC = "POLARSPROF_TEST_OPENLINEAGE"


def strictly(text):
    """Parsed JSON; NaN and infinities raise."""
    return json.loads(text, parse_constant=pytest.fail)


def assert_valid(event):
    """Assert that the client, generated from the schema, reads and writes the event."""
    client = pytest.importorskip("openlineage.client.event_v2")
    serde = pytest.importorskip("openlineage.client.serde").Serde
    (dataset,) = event["inputs"]
    made = client.RunEvent(
        eventType=client.RunState(event["eventType"]),
        eventTime=event["eventTime"],
        run=client.Run(event["run"]["runId"], _facets(event["run"]["facets"])),
        job=client.Job(**event["job"]),
        inputs=[client.InputDataset(dataset["namespace"], dataset["name"], _facets(dataset["inputFacets"]))],
        producer=event["producer"],
    )
    assert _comparable(json.loads(serde.to_json(made))) == _comparable(event)
    _validate_with_schema(event)


def _facets(facets):
    client = pytest.importorskip("openlineage.client.facet_v2")
    kinds = {
        "dataQualityMetrics": client.data_quality_metrics_input_dataset.DataQualityMetricsInputDatasetFacet,
        "nominalTime": client.nominal_time_run.NominalTimeRunFacet,
        "processing_engine": client.processing_engine_run.ProcessingEngineRunFacet,
    }
    return {name: _facet(kinds[name], facet) for name, facet in facets.items()}


def _facet(kind, facet):
    """The facet as an object of the client; unknown fields and wrong types raise."""
    names = {**vars(sys.modules["openlineage.client.generated.base"]), **vars(sys.modules[kind.__module__])}
    hints = typing.get_type_hints(kind, {**names, "ClassVar": typing.ClassVar})
    own = {name: value for name, value in facet.items() if name not in ("_producer", "_schemaURL")}
    typed = {name: msgspec.convert(value, hints[name], strict=True) for name, value in own.items()}
    return kind(**typed, producer=facet["_producer"])


def _comparable(part):
    """The event without empty fields and versions, which differ in the client."""
    match part:
        case dict():
            return {name: own for name, each in part.items() if (own := _comparable(each)) not in ({}, [])}
        case list():
            return list(map(_comparable, part))
        case str():
            return re.sub(r"/\d+-\d+-\d+/", "/", part)
    return part


def _validate_with_schema(event):
    """Validate against the schema, if a variable names the folder of the schema."""
    folder = os.environ.get(SPEC)
    if not folder:
        return
    jsonschema = pytest.importorskip("jsonschema")
    referencing = pytest.importorskip("referencing")
    paths = [Path(folder, "OpenLineage.json"), *Path(folder, "facets").glob("*.json")]
    schemas = [json.loads(path.read_text()) for path in paths]
    registry = referencing.Registry().with_contents([(schema["$id"], schema) for schema in schemas])
    check = jsonschema.FormatChecker()
    facets = [*event["inputs"][0]["inputFacets"].values(), *event["run"]["facets"].values()]
    for part, url in [(event, event["schemaURL"]), *((facet, facet["_schemaURL"]) for facet in facets)]:
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": url}
        jsonschema.Draft202012Validator(schema, registry=registry, format_checker=check).validate(part)


def columns_of(event):
    return event["inputs"][0]["inputFacets"]["dataQualityMetrics"]["columnMetrics"]


# ---------------------------------------------------------------------------------------------------------- the events


def test_the_figures_are_those_of_the_rows(nycflights):
    frame = pl.read_csv(nycflights, null_values="NA", n_rows=30_000)
    event = pp.profile(frame).to_openlineage(namespace="file", name="flights", job="nightly")
    assert_valid(event)
    assert event["job"] == {"namespace": "file", "name": "nightly"}
    assert (event["inputs"][0]["namespace"], event["inputs"][0]["name"]) == ("file", "flights")
    facet = event["inputs"][0]["inputFacets"]["dataQualityMetrics"]
    assert facet["rowCount"] == frame.height
    assert list(facet["columnMetrics"]) == sorted(frame.columns)
    for name, metrics in facet["columnMetrics"].items():
        values = frame[name].drop_nulls()
        assert (metrics["count"], metrics["nullCount"]) == (len(values), frame[name].null_count())
        assert metrics["distinctCount"] == pytest.approx(values.n_unique(), rel=0.05)
        assert ("sum" in metrics) == values.dtype.is_numeric()
        if "sum" in metrics:
            assert (metrics["sum"], metrics["min"], metrics["max"]) == (values.sum(), values.min(), values.max())
            for q, found in metrics["quantiles"].items():
                assert (values < found).mean() - 0.02 <= float(q) <= (values <= found).mean() + 0.02


NUMBERS = [float("nan"), float("inf"), float("-inf"), 2**53, 2**53 + 1, -(10**400), 10**400, 1e308, Decimal("NaN"), 0.1]
values = st.sampled_from(NUMBERS) | st.integers() | st.floats() | st.text() | st.none() | st.booleans()
records = st.dictionaries(st.text(max_size=5), values | st.lists(values, max_size=2) | st.datetimes(), max_size=4)


@given(st.lists(records, max_size=6))
def test_the_event_is_valid_for_all_data(rows):
    profile = pp.profile(rows)
    event = strictly(event_line(profile))
    assert_valid(event)
    for path, metrics in columns_of(event).items():
        assert metrics["count"] == profile[path].count
        for name in ("sum", "min", "max"):
            true = getattr(profile[path], name)
            if name in metrics:
                assert metrics[name] == pytest.approx(float(true))
            else:
                assert not isinstance(true, int | float) or not _is_double(true)


def _is_double(number):
    try:
        return math.isfinite(float(number))
    except OverflowError:
        return False


def test_integers_beyond_exact_doubles_are_doubles():
    metrics = data_quality_metrics(pp.profile([{"n": 2**53}, {"n": 2**53 + 1}]))["columnMetrics"]["n"]
    assert (metrics["min"], type(metrics["min"])) == (2**53, int)
    assert (metrics["max"], type(metrics["max"])) == (float(2**53), float)


def test_the_event_of_an_empty_profile():
    event = pp.Profile().to_openlineage()
    assert_valid(event)
    assert (event["inputs"][0]["name"], event["job"]["name"], columns_of(event)) == ("dataset", "profile_dataset", {})
    assert datetime.now(UTC) - datetime.fromisoformat(event["eventTime"]) < timedelta(minutes=1)


def test_a_window_is_the_nominal_time_and_names_the_run(tmp_path):
    with pp.Session(tmp_path) as session:
        logger = session.logger("d", with_rotation_time="1h", timestamp="at", tags={"a": "b"})
        logger.log_records([{"at": NOON}, {"at": NOON + timedelta(minutes=40)}, {"at": NOON + timedelta(hours=1)}])
    first, second = session.store.profiles("d")
    event = first.to_openlineage()
    assert_valid(event)
    assert event["eventTime"] == event["run"]["facets"]["nominalTime"]["nominalEndTime"] == "2026-01-31T13:00:00Z"
    assert event["run"]["facets"]["nominalTime"]["nominalStartTime"] == "2026-01-31T12:00:00Z"
    assert event["inputs"][0]["inputFacets"]["dataQualityMetrics"]["lastUpdated"] == "2026-01-31T12:40:00Z"
    runs = [first, first.copy(), pp.read(session.store.files("d")[0]), second]
    ids = [each.to_openlineage()["run"]["runId"] for each in runs]
    assert ids[0] == ids[1] == ids[2] != ids[3]
    assert first.to_openlineage(job="other")["run"]["runId"] != ids[0]
    running = first.to_openlineage(event_type="RUNNING", event_time=datetime(2026, 1, 1))
    assert (running["eventType"], running["eventTime"]) == ("RUNNING", "2026-01-01T00:00:00Z")


def test_a_window_that_is_not_over_has_no_event_of_the_future(tmp_path):
    with pp.Session(tmp_path) as session:
        session.logger("d", with_rotation_time="1d").log({"n": 1})
    (profile,) = session.store.profiles("d")
    assert datetime.fromisoformat(profile.to_openlineage()["eventTime"]) <= datetime.now(UTC)


@pytest.mark.parametrize(
    "options",
    [
        {"namespace": ""},
        {"namespace": 5},
        {"name": ""},
        {"name": "\ud800"},
        {"job": 5},
        {"event_type": "complete"},
        {"event_time": "now"},
    ],
)
def test_wrong_arguments_are_named(options):
    with pytest.raises(ArgumentError, match=next(iter(options))):
        pp.Profile().to_openlineage(**options)


# ------------------------------------------------------------------------------------------------------------- sending


class Server:
    """Accepts posts or answers with other codes; a closed `gate` delays them."""

    def __init__(self):
        self.answers, self.taken, self.headers = [], [], []
        self.gate = threading.Event()
        self.gate.set()

    @contextmanager
    def running(self):
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                server.gate.wait(60)
                code = server.answers.pop(0) if server.answers else 201
                if code < 300:
                    server.taken.append(strictly(body))
                    server.headers.append(dict(self.headers))
                self.send_response(code)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}/api/v1/lineage"
        finally:
            self.gate.set()
            http.shutdown()
            http.server_close()
            thread.join()


@pytest.fixture
def server():
    return Server()


def log_hours(folder, lineage, hours):
    with pp.Session(folder) as session:
        logger = session.logger("d", with_rotation_time="1h", timestamp="at", on_pane=lineage)
        logger.log_records([{"at": NOON + timedelta(hours=hour), "n": hour} for hour in range(hours)])
    return session.store


def test_each_pane_is_posted_with_the_key(tmp_path, server, monkeypatch):
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "secret")
    with server.running() as url, Lineage(url, namespace="here") as lineage:
        store = log_hours(tmp_path, lineage, 5)
        lineage.close()
    assert (lineage.sent, lineage.failed) == (5, 0)
    assert server.taken == [profile.to_openlineage(namespace="here") for profile in store.profiles("d")]
    assert {(h["Content-Type"], h["Authorization"]) for h in server.headers} == {("application/json", "Bearer secret")}
    for event in server.taken:
        assert_valid(event)


def test_temporary_errors_are_retried_and_permanent_ones_are_not(tmp_path, server, monkeypatch):
    monkeypatch.setattr("polarsprof.interop.openlineage.emitter._RETRY_PAUSES_S", (0.0, 0.0))
    server.answers = [503, 429, 201, 400, 201, 500, 500, 500]
    with server.running() as url, pytest.warns(DataWarning, match="was not sent: HTTP Error 400") as warnings:
        lineage = Lineage(url)
        for hour in range(4):
            lineage(pp.Profile(dataset=f"d{hour}"))
        lineage.close()
    assert (lineage.sent, lineage.failed) == (2, 2)
    assert [event["inputs"][0]["name"] for event in server.taken] == ["d0", "d2"]
    assert len(warnings) == 1


def test_a_hanging_server_delays_no_pane_and_pending_events_are_bounded(tmp_path, server, monkeypatch):
    monkeypatch.setattr("polarsprof.interop.openlineage.emitter._MAX_PENDING", 3)
    monkeypatch.setattr("polarsprof.interop.openlineage.emitter._CLOSE_TIMEOUT_S", 0.1)
    server.gate.clear()
    with server.running() as url, pytest.warns(DataWarning, match="3 events are pending"):
        lineage = Lineage(url)
        store = log_hours(tmp_path, lineage, 20)
        assert len(store.files("d")) == 20
        assert lineage.failed >= 16
        lineage.close()
        server.gate.set()
        lineage._thread.join(60)
    assert lineage.sent + lineage.failed == 20


def test_a_server_that_is_away_ends_with_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr("polarsprof.interop.openlineage.emitter._RETRY_PAUSES_S", (0.0, 0.0))
    with pytest.warns(DataWarning, match=r"was not sent: .*refused"):
        lineage = Lineage("http://127.0.0.1:9/x")
        log_hours(tmp_path, lineage, 3)
        lineage.close()
    assert (lineage.sent, lineage.failed) == (0, 3)


def test_events_after_the_end_are_counted(tmp_path):
    with Lineage(tmp_path / "events.ndjson") as lineage:
        lineage(pp.Profile())
    with pytest.warns(DataWarning, match="emitter is closed"):
        lineage(pp.Profile())
    assert (lineage.sent, lineage.failed) == (1, 1)


@pytest.mark.parametrize("place", ["ftp://a/b", "http://", "kafka://a:1/b", 5])
def test_a_wrong_place_is_refused(place):
    with pytest.raises(ArgumentError, match="place"):
        Lineage(place)


# ---------------------------------------------------------------------------------------------------- the command line


def run(*arguments, data=b""):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=data)


def test_a_stream_writes_the_events_that_convert_makes(tmp_path):
    lines = "".join(json.dumps({"at": f"2026-01-01T{i % 24:02}:00:00Z", "n": i}) + "\n" for i in range(480))
    events, again = tmp_path / "events.ndjson", tmp_path / "again.ndjson"
    options = ("--dataset", "d", "--rotate", "1h", "--timestamp", "at", "--store", tmp_path / "s")
    where = ("--openlineage-namespace", "kafka://broker:9092")
    result = run("stream", "-", *options, "--openlineage", events, *where, "--json", data=lines.encode())
    assert result.exit_code == 0, result.output
    assert (json.loads(result.stdout)["events_sent"], json.loads(result.stdout)["events_failed"]) == (24, 0)
    assert events.stat().st_mode & 0o077 == 0
    result = run("convert", tmp_path / "s", again, "--to", "openlineage", *where)
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path / 's'}: 24 events → {again}\n")
    assert again.read_text() == events.read_text()
    for line in again.read_text().splitlines():
        event = strictly(line)
        assert_valid(event)
        assert event["inputs"][0]["namespace"] == "kafka://broker:9092"
    file = next((tmp_path / "s").glob("*_05.bin"))
    one = tmp_path / "one.json"
    assert run("convert", file, one, "--to", "openlineage", *where).exit_code == 0
    assert one.read_text() == again.read_text().splitlines(keepends=True)[5]


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["--openlineage", "gopher://x"], 2, "--openlineage"),
        (["--openlineage", "missing/folder/x"], 1, "error: "),
        (["--openlineage-namespace", "x"], 2, "needs --openlineage"),
    ],
)
def test_wrong_use_of_the_command_is_one_line(tmp_path, arguments, code, part):
    result = run("stream", "-", "--dataset", "d", "--store", tmp_path / "s", *arguments)
    assert result.exit_code == code
    assert part in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "s").exists()


def test_convert_names_options_that_do_not_fit(tmp_path):
    pp.profile([{"n": 1}]).write(tmp_path / "p.bin")
    result = run("convert", tmp_path / "p.bin", tmp_path / "x", "--to", "parquet", "--openlineage-namespace", "x")
    assert (result.exit_code, "needs --to openlineage" in result.stderr) == (2, True)
    result = run("convert", tmp_path / "p.bin", tmp_path / "missing" / "x", "--to", "openlineage")
    assert (result.exit_code, re.sub(".*/", "", result.stderr)) == (1, "missing: no such folder\n")
