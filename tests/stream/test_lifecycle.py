"""How a logger lives and ends: mirrors, callbacks, late rows apart, positions, signals, forks, processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from support.crashes import crash, left

import polarsprof as pp
from polarsprof.errors import ArgumentError, DataWarning, StoreError
from polarsprof.testing import SettableClock

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def clock():
    return SettableClock(NOON)


def test_every_store_gets_every_pane_and_one_that_fails_delays_no_other(tmp_path, clock):
    obstacle = tmp_path / "away"
    session = pp.Session(tmp_path / "main", mirrors=[obstacle / "mirror", tmp_path / "second"], clock=clock)
    obstacle.touch()
    logger = session.logger(with_rotation_time="m")
    with pytest.warns(DataWarning, match="mirror.*will try again"):
        for number in range(3):
            logger.log({"x": number})
            clock.advance(60 * SECOND)
    for name in ("main", "second"):
        assert pp.ProfileStore(tmp_path / name).read("dataset").rows == 3
    assert logger.counters["panes_waiting"] == 3
    with pytest.raises(StoreError, match="mirror"):
        logger.close()
    obstacle.unlink()
    session.close()
    assert pp.ProfileStore(obstacle / "mirror").read("dataset").rows == 3
    assert logger.counters["panes_written"] == 3


def test_what_a_mirror_has_not_got_when_the_process_dies_it_gets_from_the_next_one(tmp_path, clock):
    obstacle = tmp_path / "away"
    stores = {"store": tmp_path / "main", "mirrors": [obstacle / "mirror"]}
    session = pp.Session(**stores, clock=clock)
    logger = session.logger(with_rotation_time="m")
    logger.log({"x": 1})
    logger.flush()
    obstacle.touch()
    with pytest.warns(DataWarning, match="will try again"):
        clock.advance(60 * SECOND)
    crash(session)
    obstacle.unlink()
    with pp.Session(**stores, clock=clock) as session:
        session.logger()
    assert pp.ProfileStore(tmp_path / "main").read("dataset").rows == 1
    assert pp.ProfileStore(obstacle / "mirror").read("dataset").rows == 1


def test_on_pane_hears_of_each_window_and_may_fail_and_log(tmp_path, clock):
    heard = []
    with pp.Session(tmp_path, clock=clock) as session:
        other = session.logger("other")

        def on_pane(profile):
            heard.append((profile.dataset, profile.window.start, profile.rows))
            other.log({"rows": profile.rows})
            if len(heard) == 2:
                raise RuntimeError("on purpose")

        logger = session.logger("heard", with_rotation_time="m", on_pane=on_pane)
        with pytest.warns(DataWarning, match="on_pane failed: RuntimeError: on purpose"):
            for number in range(3):
                logger.log_records([{"x": 1}] * (number + 1))
                clock.advance(60 * SECOND)
    assert heard == [("heard", NOON + number * 60 * SECOND, number + 1) for number in range(3)]
    assert session.store.read("other")["rows"].sum == 6


def test_rows_that_are_too_late_go_to_a_data_set_of_their_own(tmp_path, clock):
    late = {"with_rotation_time": "m", "timestamp": "at", "allowed_lateness": "1m", "late_dataset": "late"}
    session = pp.Session(tmp_path, clock=clock)
    logger = session.logger(**late)
    logger.log_records([{"at": NOON - minute * 60 * SECOND, "x": minute} for minute in range(3)])
    clock.advance(2 * SECOND)
    logger.log_records([{"at": NOON - minute * 60 * SECOND, "x": minute} for minute in range(1, 5)])
    logger.flush()
    crash(session)
    with pp.Session(tmp_path, clock=clock) as session:
        session.logger(**late)
    assert session.store.read("dataset").rows + session.store.read("late").rows == 7
    assert {window.start for window in session.store.windows("late")} <= {
        NOON - minute * 60 * SECOND for minute in (2, 3, 4)
    }
    assert session.store.read("late")["x"].max == 4
    assert session.store.read("dataset").rejected_rows == 0


@pytest.mark.parametrize("wrong", [{"late_dataset": "late"}, {"late_dataset": 3, "allowed_lateness": "1m"},
    {"on_pane": 3}, {"checkpoint_every": "often"}], ids=repr)  # fmt: skip
def test_wrong_options_are_refused_by_name(tmp_path, wrong):
    with pp.Session(tmp_path) as session, pytest.raises(ArgumentError, match=next(iter(wrong))):
        session.logger(**wrong)


@pytest.mark.parametrize("wrong", [3, {"topic": "3"}, {3: 3}, {"topic": 2**63}, {"topic": True}], ids=repr)
def test_wrong_positions_are_refused(tmp_path, wrong):
    with pp.Session(tmp_path) as session, session.logger() as logger:
        for log in (logger.log_records, logger.log_frame, logger.log_json):
            with pytest.raises(ArgumentError, match="positions"):
                log(b"{}" if log == logger.log_json else [], positions=wrong)
        assert logger.counters["rows_logged"] == 0


def test_positions_come_with_every_way_to_log_batches(tmp_path, clock):
    session = pp.Session(tmp_path, clock=clock)
    logger = session.logger()
    logger.log_records([{"x": 1}], positions={"a": 1})
    logger.log_json(b'{"x": 2}', positions={"b": 2})
    logger.log_frame(pl.DataFrame({"x": [3]}), positions={"a": 3, "c": -1})
    assert logger.positions == {}
    logger.flush()
    assert logger.positions == {"a": 3, "b": 2, "c": -1}
    crash(session)
    with pp.Session(tmp_path, clock=clock) as session, session.logger() as logger:
        assert logger.positions == {"a": 3, "b": 2, "c": -1}
    assert session.store.read("dataset").positions == {"a": 3, "b": 2, "c": -1}
    with pp.Session(tmp_path, clock=clock) as session, session.logger() as logger:
        assert logger.positions == {"a": 3, "b": 2, "c": -1}
    assert session.store.read("dataset").rows == 3


def test_two_live_loggers_leave_each_other_alone(tmp_path, clock):
    first, second = (pp.Session(tmp_path, clock=clock) for _ in range(2))
    loggers = [session.logger(with_rotation_time="h") for session in (first, second)]
    for number, logger in enumerate(loggers):
        logger.log({"x": number})
        logger.flush()
    with pp.Session(tmp_path, clock=clock) as third:
        assert third.logger(with_rotation_time="h").counters["rows_recovered"] == 0
    crash(first)
    with pp.Session(tmp_path, clock=clock) as third:
        assert third.logger(with_rotation_time="h").counters["rows_recovered"] == 1
    second.close()
    assert [item.estimate for item in second.store.read("dataset")["x"].frequent_items(5)] == [1, 1]
    assert left(second) == []


def test_a_folder_of_states_that_somebody_removes_is_made_anew(tmp_path, clock):
    session = pp.Session(tmp_path, clock=clock)
    logger = session.logger()
    logger.log({"x": 1})
    logger.flush()
    shutil.rmtree(session.store.state_folder)
    logger.log_records({"x": number} for number in range(20_000))
    with pytest.warns(DataWarning, match="no checkpoint can be saved"), pytest.raises(StoreError):
        logger.flush()
    logger.flush()
    crash(session)
    with pp.Session(tmp_path, clock=clock) as session:
        session.logger()
    assert session.store.read("dataset").rows == 20_001


def test_counters_are_with_the_logger_and_in_every_file(tmp_path, clock):
    with pp.Session(tmp_path, clock=clock) as session:
        logger = session.logger(with_rotation_time="d", timestamp="at")
        with pytest.warns(DataWarning, match="not a mapping"):
            logger.log_records([{"at": NOON - 3 * SECOND}, 42])
            clock.advance(2 * SECOND)
        assert logger.rejected == {"not a mapping": 1}
        counters = logger.counters
        assert counters["lag_us"] == 5_000_000
        assert counters["checkpoint_age_us"] == 2_000_000
        assert (counters["rows_logged"], counters["rows_profiled"], counters["rows_rejected"]) == (2, 1, 1)
    (pane,) = session.store.files("dataset")
    ((writer_id, in_file),) = pp.read(pane).writers.items()
    assert {(writer_id, 1)} == pp.read(pane).panes
    assert 0 not in in_file.values()
    assert {name: in_file[name] for name in ("rows_profiled", "rows_rejected", "lag_us")} == {
        "rows_profiled": 1,
        "rows_rejected": 1,
        "lag_us": 5_000_000,
    }


def run(code: str, folder, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False, **options)


def test_sigterm_closes_what_is_open(tmp_path):
    code = """
        import os, signal, time
        import polarsprof as pp
        logger = pp.Session("profiles").logger()
        logger.log({"x": 1})
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    """
    assert run(code, tmp_path).returncode == 128 + signal.SIGTERM
    assert pp.ProfileStore(tmp_path / "profiles").read("dataset").rows == 1


def test_sigterm_is_left_to_whoever_handles_it(tmp_path):
    code = """
        import os, signal
        import polarsprof as pp
        signal.signal(signal.SIGTERM, lambda *_: print("mine"))
        with pp.Session("profiles") as session:
            os.kill(os.getpid(), signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        pp.Session("profiles", handle_sigterm=False)
        print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
    """
    assert run(code, tmp_path).stdout.split() == ["mine", "True"]


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


@needs_fork
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux alone says which threads a process has")
def test_a_child_of_a_process_that_computed_is_told_so_instead_of_hanging(tmp_path):
    code = """
        import os, sys
        import polars as pl
        import polarsprof as pp
        from polarsprof.errors import ClosedError
        pp.profile(pl.DataFrame({"x": [str(number % 100) for number in range(100_000)]}))
        child = os.fork()
        if not child:
            try:
                pp.Session("profiles")
            except ClosedError as error:
                print(error, flush=True)
            os._exit(0)
        os.waitpid(child, 0)
    """
    assert "forkserver" in run(code, tmp_path).stdout


@needs_fork
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux alone says which threads a process has")
def test_a_child_of_a_process_that_computed_writes_the_profiles_it_has(tmp_path):
    code = """
        import os
        import polars as pl
        import polarsprof as pp
        wide = pp.profile(pl.DataFrame({f"c{column}": [str(number) for number in range(300)] for column in range(60)}))
        child = os.fork()
        if not child:
            wide.write("of child")
            os._exit(0)
        os.waitpid(child, 0)
        wide.write("of parent")
    """
    run(code, tmp_path)
    assert (tmp_path / "of child").read_bytes() == (tmp_path / "of parent").read_bytes()


@needs_fork
def test_children_of_a_process_that_loaded_everything_log_for_themselves(tmp_path):
    """As a server does that loads the application before it forks its workers."""
    code = """
        import os
        import polarsprof as pp
        session = pp.get_or_create_session({"store": "profiles"})
        children = []
        for number in range(3):
            child = os.fork()
            if not child:
                with pp.get_or_create_session({"store": "profiles"}) as mine:
                    mine.logger(with_rotation_time="d").log_records({"x": number} for _ in range(100))
                os._exit(0)
            children.append(child)
        print([os.waitpid(child, 0)[1] for child in children])
    """
    done = run(code, tmp_path)
    assert done.stdout.strip() == "[0, 0, 0]", done.stderr
    assert pp.ProfileStore(tmp_path / "profiles").read("dataset").rows == 300


@needs_fork
def test_a_fork_keeps_no_lock_of_a_parent_that_was_killed(tmp_path):
    code = """
        import os, signal
        import polarsprof as pp
        logger = pp.Session("profiles").logger()
        logger.log_records({"x": number} for number in range(100))
        logger.flush()
        child = os.fork()
        if not child:
            os.setsid()
            os.close(1); os.close(2)
            signal.pause()
        print(child, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    child = int(run(code, tmp_path).stdout)
    try:
        with pp.Session(tmp_path / "profiles") as session:
            assert session.logger().counters["rows_recovered"] == 100
    finally:
        os.kill(child, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_processes_of_multiprocessing_count_every_row_once(tmp_path, method):
    if method != "spawn" and not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    code = f"""
        import multiprocessing
        import polarsprof as pp

        def work(number):
            with pp.Session("profiles") as session, session.logger(with_rotation_time="d") as logger:
                for at in range(500):
                    logger.log({{"x": number * 1000 + at}})
                    if at % 100 == 0:
                        logger.flush()

        if __name__ == "__main__":
            context = multiprocessing.get_context({method!r})
            workers = [context.Process(target=work, args=(number,)) for number in range(3)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            print([worker.exitcode for worker in workers])
    """
    (tmp_path / "script.py").write_text(textwrap.dedent(code))
    command = [sys.executable, "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "[0, 0, 0]", done.stderr
    store = pp.ProfileStore(tmp_path / "profiles")
    assert store.read("dataset").rows == 1500
    assert list(store.state_folder.iterdir()) == []
