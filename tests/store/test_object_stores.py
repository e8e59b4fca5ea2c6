"""Object stores in memory and on moto's S3: conditional writes, races, outages."""

from __future__ import annotations

import builtins
import pickle
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from support.stores import LATER, assert_answers, at, filled, hourly, window_of, written
from test_compaction import RANGES

import polarsprof as pp
from polarsprof.errors import ArgumentError, CorruptProfile, DataWarning, PolarsprofError, StoreError
from polarsprof.store import Pane, slug
from polarsprof.testing import SettableClock, assert_profile_equal

pytest.importorskip("obstore")
NO_RETRY = {"max_retries": 0, "retry_timeout": timedelta(seconds=2)}


def _free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="session")
def s3_port():
    """The port on which moto serves S3."""
    pytest.importorskip("moto.server", reason="moto[server] is not installed")
    port = _free_port()
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(600):
                with socket.socket() as tried:
                    if tried.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert process.poll() is None, "moto's server ended"
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()


def options_of(port, **more):
    return {
        "endpoint": f"http://127.0.0.1:{port}",
        "region": "us-east-1",
        "access_key_id": "key",
        "secret_access_key": "secret",
        "client_options": {"allow_http": True, "timeout": timedelta(seconds=20)},
        **more,
    }


@pytest.fixture
def s3(s3_port, request):
    """Opens stores in a bucket of this test alone."""
    from http.client import HTTPConnection

    bucket = f"b{abs(hash(request.node.nodeid)):x}"
    connection = HTTPConnection("127.0.0.1", s3_port)
    signed = "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request"
    connection.request("PUT", f"/{bucket}", headers={"Authorization": signed})
    assert connection.getresponse().status == 200
    connection.close()
    return lambda **more: pp.ProfileStore(f"s3://{bucket}/some/prefix", **options_of(s3_port, **more))


@pytest.fixture(params=["memory", "s3"])
def open_store(request, tmp_path):
    if request.param == "s3":
        return request.getfixturevalue("s3")
    return lambda: pp.ProfileStore(f"memory://{tmp_path}")


def test_a_stream_goes_into_an_object_store_and_comes_back(open_store, tmp_path):
    store = open_store()
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    with (
        pp.Session(store, clock=SettableClock(noon)) as session,
        session.logger("clicks", with_rotation_time="h", timestamp="at") as logger,
    ):
        logger.log_records({"at": noon + timedelta(minutes=10 * i), "x": i} for i in range(60))
    again = open_store()
    assert again.datasets() == ["clicks"]
    assert len(again.windows("clicks")) == 10
    assert again.read("clicks")["x"].sum == sum(range(60))
    assert again.read("clicks", "2026-01-31T13:00", "2026-01-31T14:00", columns=["x"])["x"].min == 6
    assert len(again.files("clicks")) == 10
    assert store.url in repr(session)


def test_every_question_is_answered_as_by_a_folder(open_store):
    panes = [*hourly(20, writers="ab"), written("c", 0, window_of(3, 1))]
    store = filled(open_store(), panes)
    filled(open_store(), [written("a", 0, window_of(0, 1), dataset=name) for name in ("click", "clicks2", "clicks_")])
    assert_answers(store, panes, RANGES)
    assert store.datasets() == ["click", "clicks", "clicks2", "clicks_"]
    assert store.compact("clicks", "6h", clock=LATER).windows == 4
    assert_answers(open_store(), panes, RANGES)
    assert len(store.files("clicks")) == 4
    assert store.compact("clicks", keep="1d", clock=LATER).rows_expired == len(panes)
    with pytest.raises(ArgumentError, match=r"got 'clicks'.*'click', 'clicks2', 'clicks_'"):
        store.read("clicks")


def test_a_pane_is_put_only_if_absent(open_store):
    store = open_store()
    one, other = written("a", 1, window_of(0, 1)), written("b", 1, window_of(0, 1))
    first, second, again = (store.put(each.pane) for each in (one, other, one))
    assert first == again != second
    assert first.name == "clicks_profile.2026-01-05_00-00.a-1.bin"
    store._backend.write_sidecar("clicks_profile.2026-01-05_00-00.c-1.bin", b"something else")
    with pytest.raises(FileExistsError, match="holds another pane"):
        store.put(written("c", 1, window_of(0, 1)).pane)


def test_writers_that_race_for_one_name_leave_one_pane(open_store):
    """Two recoveries of one dead writer publish the same panes."""
    panes = [written("a", number, window_of(number, 1)) for number in range(10)]
    failures = []

    def publish():
        try:
            filled(open_store(), panes)
        except Exception as error:  # noqa: BLE001 - shown below
            failures.append(error)

    threads = [threading.Thread(target=publish) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert_answers(open_store(), panes)
    assert len(open_store().files("clicks")) == 10


def test_compactors_of_s3_race_and_no_row_counts_twice(s3):
    panes = hourly(12, writers="ab")
    filled(s3(), panes)
    failures = []

    def compact(into):
        try:
            s3().compact("clicks", into, clock=LATER)
        except Exception as error:  # noqa: BLE001 - shown below
            failures.append(error)

    threads = [threading.Thread(target=compact, args=(into,)) for into in (None, "2h", "3h", "d")]
    for thread in threads:
        thread.start()
    found = s3().read("clicks")
    assert found.rows == len(found.panes) == len(panes)
    for thread in threads:
        thread.join()
    assert failures == []
    assert_answers(s3(), panes, RANGES)
    s3().compact("clicks", "d", clock=LATER)
    assert_answers(s3(), panes, RANGES)
    assert len(s3().files("clicks")) == 1


def test_an_index_spares_opening_what_was_opened_before(open_store, monkeypatch):
    panes = hourly(20)
    filled(open_store(), panes).windows("clicks")
    store = open_store()
    opened = []
    reading = store._backend.open
    monkeypatch.setattr(store._backend, "open", lambda *arguments: opened.append(arguments[0]) or reading(*arguments))
    assert len(store.windows("clicks")) == 20
    assert opened == []
    assert store.read("clicks", at(3), at(4)).rows == 1
    assert len(opened) == 1


def test_a_pane_beyond_what_is_read_ahead_takes_few_requests(open_store, monkeypatch):
    obstore = pytest.importorskip("obstore")
    profile = pp.profile([{f"column {i}": f"{i} {row}" for i in range(100)} for row in range(50)])
    profile.dataset, profile.window, profile.panes = "wide", window_of(0, 1), frozenset([("w", 1)])
    data = profile.to_bytes()
    store = open_store()
    store.put(Pane(data, "wide", "2026-01-05_00-00", "w", 1, profile.rows))
    ahead = len(data) // 6
    monkeypatch.setattr("polarsprof.store.object_store.MAX_AHEAD_BYTES", ahead)
    lengths = []

    def get_range(store, path, *, start, end):
        lengths.append(end - start)
        return real(store, path, start=start, end=end)

    real = obstore.get_range
    monkeypatch.setattr(obstore, "get_range", get_range)
    assert_profile_equal(open_store().read("wide"), profile)
    assert 5 <= len(lengths) <= 8
    assert max(lengths) == ahead
    lengths.clear()
    one = open_store().read("wide", columns=["column 99"])
    assert (list(one.columns), one["column 99"].count) == (["column 99"], 50)
    assert lengths == [] or sum(lengths) < ahead


def test_what_a_store_that_is_down_did_not_take_outlives_the_process_in_the_spool(s3, tmp_path):
    back = s3(spool=tmp_path)
    store = pp.ProfileStore(back.url, spool=tmp_path, **options_of(_free_port(), retry_config=NO_RETRY))
    with pytest.raises(StoreError, match=r"s3://.*clicks_profile.*cannot write"):
        store.put(written("a", 1, window_of(0, 1)).pane)
    with pytest.raises(OSError, match="cannot read"):
        store.read("clicks")
    session = pp.Session(store, clock=SettableClock())
    logger = session.logger("clicks")
    logger.log({"x": 1})
    logger.flush()
    with pytest.warns(DataWarning, match="will try again"), pytest.raises(StoreError, match="1 panes of 1 rows"):
        logger.close()
    assert logger.counters["panes_waiting"] == 1
    session.disown()  # as if the process had been killed
    with pp.Session(back) as session:
        assert session.logger("clicks").counters["rows_recovered"] == 1
    assert back.read("clicks").rows == 1
    assert list(tmp_path.iterdir()) == []


def test_a_bucket_that_is_not_there_and_bytes_that_are_no_profile_are_named(s3, s3_port):
    missing = pp.ProfileStore("s3://nowhere", **options_of(s3_port, retry_config=NO_RETRY))
    with pytest.raises(OSError, match="nowhere"):
        missing.put(written("a", 1, window_of(0, 1)).pane)
    store = s3()
    store.put(written("a", 1, window_of(0, 1)).pane)
    obstore = pytest.importorskip("obstore")
    for content in (b"", b"something else", b"POLPROF\n" + bytes(50)):
        obstore.put(store._backend._store, "clicks_profile.zz.bin", content)
        with pytest.raises((CorruptProfile, OSError), match=r"clicks_profile\.zz\.bin"):
            store.read("clicks")


def test_a_plan_that_was_not_made_by_us_is_passed_over(tmp_path):
    obstore = pytest.importorskip("obstore")
    store = filled(pp.ProfileStore(f"memory://{tmp_path}"), panes := hourly(2, writers="ab"))
    other = written("a", 1, window_of(0, 1), dataset="orders").pane
    name = store.put(other).name
    for plan in (b"x", pickle.dumps(1), b"\n[", b"\n[1]", b"\n[[[0,1],1,2,3]]", b"\n" + b"[" * 9_999, b"\n{}",
                 b'\n[[[0,1],"clicks_profile.a.bin",["../x"],{}]]',
                 b'\n[[[0,1],"clicks_profile.a.bin",[],{"%s":[1,2,3]}]]' % name.encode()):  # fmt: skip
        obstore.put(store._backend._store, ".catalog/clicks.plan", plan)
        store.compact("clicks", clock=LATER)
        assert_answers(store, panes)
    assert store.read("orders").rows == 1


def test_wrong_urls_and_options_are_refused_by_name(tmp_path, monkeypatch):
    for wrong in ("gopher://x", "http://x/y", "s3:///", "kafka://a/b"):
        with pytest.raises(ArgumentError, match="url: got"):
            pp.ProfileStore(wrong)
    with pytest.raises(ArgumentError, match="url: got"):
        pp.ProfileStore("s3://bucket", colour="red")
    with pytest.raises(ArgumentError, match="options: got"):
        pp.ProfileStore("memory://a", region="x")
    with pytest.raises(ArgumentError, match="takes no options"):
        pp.ProfileStore(tmp_path, region="x")
    with pytest.raises(PolarsprofError, match="no folder"):
        _ = pp.ProfileStore("memory://a").folder
    importing = builtins.__import__

    def without(name, *arguments):
        if name.partition(".")[0] == "obstore":
            raise ImportError(name)
        return importing(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(PolarsprofError, match=r"polarsprof\[cloud\]"):
        pp.ProfileStore("s3://bucket")


def test_what_writers_keep_lies_in_a_local_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert pp.ProfileStore(tmp_path).state_folder == tmp_path / ".writers"
    assert pp.ProfileStore("memory://a", spool=tmp_path / "b").state_folder == tmp_path / "b"
    found = {pp.ProfileStore(f"memory://{name}").state_folder for name in "aab"}
    assert len(found) == 2
    assert not any(folder.exists() for folder in found)
    assert slug("clicks") == "clicks"
    assert slug("../x").startswith("x-")
