"""Sessions and loggers: the names of the public interface, threads, processes, exits, configuration."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import warnings
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polarsprof as pp
from polarsprof.errors import ArgumentError, ClosedError, DataWarning, StoreError
from polarsprof.stream.rotation import Rotation
from polarsprof.testing import SettableClock, assert_profile_equal

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def run(code: str, folder, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own, with the working directory `folder`."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *arguments]
    return subprocess.run(command, cwd=folder, check=check, capture_output=True, text=True, timeout=120)


@pytest.fixture
def session(tmp_path):
    with pp.Session(tmp_path) as session:
        yield session


@pytest.fixture
def current_session(tmp_path, monkeypatch):
    """A working directory of its own, and no session left behind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POLARSPROF_CONFIG", raising=False)
    yield tmp_path
    pp.get_or_create_session().close()


def test_the_four_lines_leave_three_or_four_windows_whose_rows_add_up(tmp_path):
    code = """
        import time, types
        def get_data():
            end = time.monotonic() + 3
            number = 0
            while time.monotonic() < end:
                number += 1
                yield {"number": number, "half": number / 2, "text": "a" * (number % 3), "nothing": None}
        stream = types.SimpleNamespace(get_data=get_data)

        import polarsprof as pp

        session = pp.get_or_create_session()
        with session.logger(dataset_name="dataset", with_rotation_time="s") as logger:
            for record in stream.get_data():
                logger.log(record)
        print(record["number"])
    """
    logged = int(run(code, tmp_path).stdout)
    store = pp.ProfileStore(tmp_path / "profiles")
    names = [path.name for path in store.files("dataset")]
    assert 3 <= len(names) <= 4
    for name in names:
        datetime.strptime(name, "dataset_profile.%Y-%m-%d_%H-%M-%S.bin")
    assert sum(pp.read(path).rows for path in store.files("dataset")) == logged
    whole = store.read("dataset")
    assert (whole.rows, whole["number"].sum, whole["number"].max) == (logged, logged * (logged + 1) // 2, logged)
    assert whole["nothing"].null_count == logged


def test_the_four_ways_to_log_give_the_same_profile(tmp_path):
    records = [
        {"i": i if i % 7 else None, "f": i / 4 + 0.1, "s": f"v{i % 5}", "b": i % 2 == 0, "l": [i, None], "m": {"x": i}}
        for i in range(1_000)
    ]
    profiles = {}
    with pp.Session(tmp_path, clock=SettableClock(NOON)) as session:
        for way in ("log", "log_records", "log_json", "log_frame"):
            with session.logger(way) as logger:
                if way == "log":
                    for record in records:
                        logger.log(record)
                elif way == "log_records":
                    logger.log_records(iter(records))
                elif way == "log_json":
                    logger.log_json("\n".join(map(json.dumps, records)))
                else:
                    logger.log_frame(pl.DataFrame(records))
            profiles[way] = session.store.read(way)
    for way in ("log_records", "log_json", "log_frame"):
        assert_profile_equal(profiles["log"], profiles[way])
        assert profiles[way]["f"].quantiles([0, 1]) == [0.1, 999 / 4 + 0.1]


def test_every_kind_of_table_is_logged(tmp_path):
    duckdb, pandas = pytest.importorskip("duckdb"), pytest.importorskip("pandas")
    frame = pl.DataFrame({"x": [1, 2, None], "s": ["a", "b", "b"]})
    frame.write_parquet(tmp_path / "part.parquet")
    frame.write_csv(tmp_path / "part.csv")
    frame.write_ndjson(tmp_path / "part.ndjson")
    frame.write_ipc(tmp_path / "part.arrow")
    relation = duckdb.read_parquet(str(tmp_path / "part.parquet"))
    tables = [
        frame,
        frame.lazy(),
        frame.to_arrow(),
        frame.to_arrow().to_batches()[0],
        relation,
        [frame.head(1), frame.tail(2)],
    ]
    tables += [pandas.DataFrame({"x": pandas.array([1, 2, None], dtype="Int64"), "s": ["a", "b", "b"]})]
    tables += [tmp_path / f"part.{suffix}" for suffix in ("parquet", "csv", "ndjson", "arrow")]
    reference = pp.profile(frame)
    for number, table in enumerate(tables):
        with pp.Session(tmp_path / "store") as session, session.logger(f"table{number}") as logger:
            logger.log_dataframe(table)
        assert_profile_equal(session.store.read(f"table{number}"), reference)


def test_one_value_of_one_column_is_a_row(tmp_path):
    with pp.Session(tmp_path) as session:
        with session.logger() as logger:
            logger.log(feature_name="price", value=2)
            logger.log(feature_name="price", value=None)
        price = session.store.read("dataset")["price"]
    assert (price.rows, price.count, price.null_count) == (2, 1, 1)


def test_a_record_changed_after_logging_was_logged_as_it_had_been(tmp_path):
    with pp.Session(tmp_path) as session:
        with session.logger() as logger:
            record = {"x": 0, "tags": ["a"]}
            for number in range(10):
                record["x"] = number
                logger.log(record)
                record["tags"].append("b")
        assert session.store.read("dataset")["x"].sum == 45


def test_profile_shows_what_is_open_and_changes_nothing(tmp_path):
    clock = SettableClock(NOON)
    with pp.Session(tmp_path, clock=clock) as session:
        logger = session.logger(with_rotation_time="h")
        logger.log({"x": 1})
        first = logger.profile
        logger.log({"x": 2})
        assert (first.rows, logger.profile.rows) == (1, 2)
        assert session.store.files("dataset") == []
        logger.close()
    assert session.store.read("dataset").rows == 2


def test_flush_leaves_the_window_open_and_later_rows_join_it(tmp_path):
    with pp.Session(tmp_path, clock=SettableClock(NOON)) as session, session.logger(with_rotation_time="d") as logger:
        for number in range(3):
            logger.log({"x": number})
            logger.flush()
            assert session.store.files("dataset") == []
    assert [pp.read(path).rows for path in session.store.files("dataset")] == [3]


def test_without_checkpoints_flush_publishes_what_was_logged_and_later_rows_join_it(tmp_path):
    clock = SettableClock(NOON)
    with (
        pp.Session(tmp_path, clock=clock) as session,
        session.logger(with_rotation_time="d", checkpoint_every=None) as logger,
    ):
        for number in range(3):
            logger.log({"x": number})
            logger.flush()
            assert session.store.read("dataset").rows == number + 1
    assert len(session.store.files("dataset")) == 3
    assert session.store.windows("dataset") == [pp.read(session.store.files("dataset")[0]).window]
    assert not session.store.state_folder.exists()


def test_get_logger_finds_the_open_logger_and_names_those_there_are(tmp_path):
    with pp.Session(tmp_path) as session:
        logger = session.logger("clicks", with_rotation_time="h")
        assert session.get_logger("clicks") is logger
        assert session.logger("clicks", with_rotation_time="60m") is logger
        with pytest.raises(ArgumentError, match="clicks"):
            session.get_logger("orders")
        with pytest.raises(ArgumentError, match="close it first"):
            session.logger("clicks", with_rotation_time="d")
        logger.close()
        with pytest.raises(ArgumentError, match=r"\[\]"):
            session.get_logger("clicks")


def test_a_closed_logger_takes_nothing_and_closes_again_without_harm(tmp_path):
    session = pp.Session(tmp_path)
    logger = session.logger()
    session.close()
    session.close()
    logger.close()
    assert logger.closed
    for call in (lambda: logger.log({}), lambda: logger.log_json(b"{}"), logger.flush, lambda: logger.profile):
        with pytest.raises(ClosedError, match="closed"):
            call()
    with pytest.raises(ClosedError, match="closed"):
        logger.log_frame(pl.DataFrame({"x": [1]}))
    with pytest.raises(ClosedError, match="closed"):
        session.logger()


def test_a_logger_whose_closing_failed_says_so_and_closes_again(tmp_path):
    obstacle = tmp_path / "disk"
    session = pp.Session(obstacle / "profiles", clock=SettableClock(NOON))
    logger = session.logger("clicks")
    logger.log({"x": 1})
    obstacle.touch()
    with pytest.warns(DataWarning, match="takes no pane"), pytest.raises(StoreError, match="not published"):
        logger.close()
    assert not logger.closed
    assert logger.ending
    for call in (
        lambda: session.logger("clicks"),
        lambda: session.get_logger("clicks"),
        lambda: logger.log({"x": 2}),
        logger.flush,
        lambda: logger.profile,
    ):
        with pytest.raises(ClosedError, match=r"close\(\).* again|close\(\) failed, call it again"):
            call()
    obstacle.unlink()
    logger.close()
    assert logger.closed
    assert not logger.ending
    session.logger("clicks").log({"x": 3})
    session.close()
    assert session.store.read("clicks")["x"].sum == 4


def test_a_warning_points_to_the_call_of_the_user(tmp_path):
    with pp.Session(tmp_path) as session:
        for ending in (pp.Logger.flush, pp.Logger.close):
            logger = session.logger(name := ending.__name__)
            logger.log(42)
            with pytest.warns(DataWarning, match=name) as warned:
                ending(logger)
            assert [w.filename for w in warned] == [__file__]
        session.logger("last").log(42)
        with pytest.warns(DataWarning, match="last") as warned:
            session.close()
        assert [w.filename for w in warned] == [__file__]


def test_an_abandoned_session_is_left_alone_at_exit(tmp_path):
    code = """
        import polarsprof as pp
        open("file", "w").close()
        session = pp.Session("file/store")
        session.logger().log({"x": 1})
        session.abandon()
    """
    assert run(code, tmp_path).stderr == ""


def test_wrong_arguments_raise_at_once_and_name_what_was_expected(tmp_path):
    (tmp_path / "file").touch()
    wrong = [
        ({"with_rotation_time": "0s"}, "with_rotation_time"),
        ({"with_rotation_time": "1 hour"}, "with_rotation_time"),
        ({"with_rotation_time": 60}, "with_rotation_time"),
        ({"timestamp": ""}, "timestamp"),
        ({"timestamp_unit": "minutes"}, "timestamp_unit"),
        ({"max_out_of_orderness": "-1s"}, "max_out_of_orderness"),
        ({"allowed_lateness": timedelta(-1)}, "allowed_lateness"),
        ({"max_open_windows": 0}, "max_open_windows"),
        ({"with_rotation_time": "h", "zone": "Europe/Berlin"}, "zone"),
        ({"with_rotation_time": "d", "zone": "Europe/Atlantis"}, "zone"),
        ({"zone": "Europe/Berlin"}, "with_rotation_time"),
        ({"with_rotation_time": "h", "dataset_timestamp": NOON}, "dataset_timestamp"),
        ({"dataset_timestamp": "2026"}, "dataset_timestamp"),
        ({"rotation": "h"}, "rotation"),
        ({"tags": {"a": 1}}, "tags"),
        ({"dataset_name": ""}, "dataset_name"),
    ]
    with pp.Session(tmp_path / "store") as session:
        for options, named in wrong:
            with pytest.raises(ValueError, match=f"(?=.*{named})(?=.*got)(?=.*expected)"):
                session.logger(**options)
        logger = session.logger()
        for call in (
            logger.log,
            lambda: logger.log({}, feature_name="x"),
            lambda: logger.log_records({"x": 1}),
            lambda: logger.log_json({"x": 1}),
            lambda: logger.log_frame(42),
            lambda: logger.log_frame(tmp_path / "missing.parquet"),
            lambda: logger.log_frame(tmp_path / "file"),
        ):
            with pytest.raises(ValueError, match=r"got.*expected"):
                call()
    for store in ("", 42, "gopher://bucket", tmp_path / "file"):
        with pytest.raises(ValueError, match=r"got.*expected"):
            pp.Session(store)


def test_a_logger_that_cannot_be_closed_keeps_no_other_from_it(tmp_path, monkeypatch):
    session = pp.Session(tmp_path)
    for name in ("first", "second", "third"):
        session.logger(name).log({"x": 1})
    written = pp.Profile.to_bytes

    def broken(profile):
        if profile.dataset != "third":
            raise OverflowError(profile.dataset)
        return written(profile)

    with monkeypatch.context() as patch:
        patch.setattr(pp.Profile, "to_bytes", broken)
        with pytest.raises(OverflowError, match="first") as raised:
            session.close()
    assert raised.value.__notes__ == ["also: OverflowError: second"]
    assert session.store.datasets() == ["third"]
    session.close()
    assert [session.store.read(name).rows for name in ("first", "second", "third")] == [1, 1, 1]


def test_a_warning_turned_into_an_error_keeps_no_logger_from_closing(tmp_path):
    session = pp.Session(tmp_path)
    for name in ("first", "second"):
        session.logger(name).log_records([{"x": 1}, 42])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataWarning, match="first"):
            session.close()
    assert session.store.datasets() == ["first", "second"]
    session.close()


def test_a_session_that_cannot_be_closed_at_exit_keeps_no_other_from_it(tmp_path):
    code = """
        import polarsprof as pp
        sessions = [pp.Session(name) for name in ("a", "b", "c")]
        loggers = [session.logger() for session in sessions]
        for logger in loggers:
            logger.log({"x": 1})
        del loggers[1]._worker._writer.on_time
    """
    assert "AttributeError" in run(code, tmp_path, check=False).stderr
    assert [pp.ProfileStore(tmp_path / name).datasets() for name in "abc"] == [["dataset"], [], ["dataset"]]


def test_bad_records_are_counted_and_warned_of_once(tmp_path):
    with pp.Session(tmp_path, clock=SettableClock(NOON)) as session:
        logger = session.logger()
        logger.log_records([{"x": 1}, 42, None, "text", {1: 2}])
        logger.log_json(b'{"x": 2}\n{"x": \n[1]\n\xff\n')
        with pytest.warns(DataWarning) as warned:
            logger.close()
        assert sorted(str(w.message).split(": ")[2].split(";")[0] for w in warned) == [
            "a key is not text",
            "invalid JSON",
            "not a mapping",
        ]
        profile = session.store.read("dataset")
    assert (profile.rows, profile["x"].sum) == (2, 3)
    assert profile.rejected == {"not a mapping": 4, "a key is not text": 1, "invalid JSON": 2}
    assert logger.counters["rows_logged"] == 9 == profile.rows + profile.rejected_rows


def test_eight_threads_log_while_one_flushes_and_nothing_is_lost(tmp_path):
    with pp.Session(tmp_path) as session:
        logger = session.logger(with_rotation_time="s")
        done = threading.Event()

        def log(thread: int) -> None:
            for number in range(5_000):
                logger.log({"thread": thread, "number": number})

        def flush() -> None:
            while not done.is_set():
                logger.flush()

        threads = [threading.Thread(target=log, args=(thread,)) for thread in range(8)]
        flusher = threading.Thread(target=flush)
        for thread in [*threads, flusher]:
            thread.start()
        for thread in threads:
            thread.join()
        done.set()
        flusher.join()
        logger.close()
    whole = session.store.read("dataset")
    assert whole.rows == 40_000
    assert whole["number"].sum == 8 * sum(range(5_000))
    assert {item.value: item.lower for item in whole["thread"].frequent_items()} == dict.fromkeys(range(8), 5_000)


def test_eight_threads_log_records_of_every_layout_into_the_windows_of_their_times(tmp_path):
    with pp.Session(tmp_path) as session:
        logger = session.logger(with_rotation_time="h", timestamp="t", max_open_windows=8)

        def log(thread: int) -> None:
            for number in range(4_000):
                hours = {"t": (500_000 + number % 4) * 3_600, "number": number}
                logger.log(hours | [{}, {"thread": thread}, {"nested": {"x": 1}}, {"thread": None}][number % 4])

        threads = [threading.Thread(target=log, args=(thread,)) for thread in range(8)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            logger.flush()
        for thread in threads:
            thread.join()
        logger.close()
        assert logger.counters["rows_logged"] == logger.counters["rows_profiled"] == 32_000
    windows = pp.ProfileStore(tmp_path).windows("dataset")
    assert len({window.start for window in windows}) == 4
    whole = session.store.read("dataset")
    assert (whole.rows, whole.untimed_rows, whole["number"].sum) == (32_000, 0, 8 * sum(range(4_000)))
    assert (whole["thread"].count, whole["thread"].null_count, whole["nested.x"].sum) == (8_000, 24_000, 8_000)


def test_two_threads_that_close_a_logger_while_others_log_lose_no_accepted_row(tmp_path):
    accepted = []
    with pp.Session(tmp_path) as session:
        logger = session.logger()
        start = threading.Barrier(6)

        def log() -> None:
            start.wait()
            count = 0
            try:
                while True:
                    logger.log({"x": 1})
                    count += 1
            except ClosedError:
                accepted.append(count)

        def close() -> None:
            start.wait()
            logger.close()

        threads = [threading.Thread(target=target) for target in [log] * 4 + [close] * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = session.store.read("dataset").rows if session.store.files("dataset") else 0
    assert found == sum(accepted)


@pytest.mark.slow
@pytest.mark.parametrize(
    "ending",
    ["", "import sys; sys.exit(3)", "raise RuntimeError('boom')", "import gc; del logger, session; gc.collect()"],
)
def test_an_unclosed_logger_holds_up_no_exit_and_loses_nothing(tmp_path, ending):
    code = f"""
        import polarsprof as pp
        session = pp.Session("profiles")
        logger = session.logger(with_rotation_time="h")
        for number in range(100):
            logger.log({{"x": number}})
        {ending}
    """
    run(code, tmp_path, check=False)
    assert pp.ProfileStore(tmp_path / "profiles").read("dataset").rows == 100


def test_an_exit_profiles_wide_batches_though_no_thread_starts_any_more(tmp_path):
    code = """
        import polarsprof as pp
        logger = pp.Session("profiles").logger(with_rotation_time="d")
        logger.log_records({f"c{column}": column for column in range(200)} for _ in range(1_000))
    """
    run(code, tmp_path)
    whole = pp.ProfileStore(tmp_path / "profiles").read("dataset")
    assert (whole.rows, whole.rejected, whole["c199"].sum) == (1_000, {}, 199_000)


def test_a_record_in_hand_when_the_process_is_interrupted_is_not_lost(tmp_path):
    code = """
        import os, signal
        import polarsprof as pp
        with pp.Session("profiles") as session, session.logger() as logger:
            logger.log({"x": 1})
            os.kill(os.getpid(), signal.SIGINT)
            while True:
                signal.pause()
    """
    assert "KeyboardInterrupt" in run(code, tmp_path, check=False).stderr
    assert pp.ProfileStore(tmp_path / "profiles").read("dataset").rows == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_gets_a_clear_error_and_writes_nothing_of_its_parent(tmp_path):
    code = """
        import os
        import polarsprof as pp
        from polarsprof.errors import ClosedError
        session = pp.get_or_create_session()
        logger = session.logger()
        logger.log({"x": 1})
        if os.fork() == 0:
            try:
                logger.log({"x": 2})
            except ClosedError as error:
                print(error, flush=True)
            assert pp.get_or_create_session() is not session
            raise SystemExit
        os.wait()
        logger.log({"x": 3})
    """
    assert "parent process" in run(code, tmp_path).stdout
    assert pp.ProfileStore(tmp_path / "profiles").read("dataset")["x"].sum == 4


@pytest.mark.slow
def test_four_processes_log_one_window_of_one_dataset_and_every_row_counts_once(tmp_path):
    code = """
        import sys
        import polarsprof as pp
        with pp.Session("profiles") as session:
            with session.logger(with_rotation_time="d", timestamp="at") as logger:
                for number in range(500):
                    logger.log({"at": "2026-01-31T12:00:00Z", "x": number})
                    if number % 100 == 0:
                        logger.flush()
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    processes = [subprocess.Popen(command, cwd=tmp_path) for _ in range(4)]
    assert [process.wait(timeout=120) for process in processes] == [0] * 4
    store = pp.ProfileStore(tmp_path / "profiles")
    whole = store.read("dataset")
    assert (whole.rows, whole["x"].sum) == (2_000, 4 * sum(range(500)))
    assert store.files("dataset")[0].name == "dataset_profile.2026-01-31.bin" or any(
        path.name == "dataset_profile.2026-01-31.bin" for path in store.files("dataset")
    )
    assert len(whole.panes) == len(store.files("dataset"))


def test_a_restart_within_a_window_adds_a_pane_and_overwrites_nothing(tmp_path):
    for number in range(3):
        with (
            pp.Session(tmp_path, clock=SettableClock(NOON)) as session,
            session.logger(with_rotation_time="d") as logger,
        ):
            logger.log({"x": number})
    assert len(session.store.files("dataset")) == 3
    assert session.store.read("dataset")["x"].sum == 3


def test_one_session_per_process(current_session):
    session = pp.get_or_create_session()
    assert pp.get_or_create_session() is session
    session.close()
    again = pp.get_or_create_session()
    assert again is not session
    assert again.store.folder.name == "profiles"


def test_the_configuration_comes_from_argument_variable_or_working_directory(current_session, monkeypatch):
    text = '[spec]\nk = 400\n[spec.columns."*mail*"]\nfrequent_items = false\n[logger]\nwith_rotation_time = "h"\n'
    (current_session / "polarsprof.toml").write_text('store = "here"\n' + text)
    (current_session / "other.toml").write_text('store = "there"\n' + text)
    session = pp.get_or_create_session()
    assert (session.store.folder.name, session.spec.k) == ("here", 400)
    with session.logger() as logger:
        logger.log({"email": "a@b.c", "x": 1})
        assert logger.profile["email"].frequent_items() == []
        assert logger.profile["email"].distinct.estimate == pytest.approx(1)
        assert logger.profile.window.end - logger.profile.window.start == timedelta(hours=1)
    with pytest.raises(ArgumentError, match="another configuration"):
        pp.get_or_create_session({"store": "elsewhere"})
    session.close()
    monkeypatch.setenv("POLARSPROF_CONFIG", "other.toml")
    assert pp.get_or_create_session().store.folder.name == "there"
    pp.get_or_create_session().close()
    assert pp.get_or_create_session({"store": "elsewhere"}).store.folder.name == "elsewhere"


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ("missing.toml", "missing.toml"),
        ({"stor": "x"}, "stor"),
        ({"store": 1}, "store"),
        ({"spec": {"q": 1}}, "q"),
        ({"spec": {"k": 1}}, "k"),
        ({"logger": {"rotate": "h"}}, "rotate"),
    ],
)
def test_a_wrong_configuration_is_refused_by_name(current_session, config, named):
    with pytest.raises(ArgumentError, match=named):
        pp.get_or_create_session(config)


def test_an_interrupt_while_a_batch_is_folded_in_loses_no_row(session, monkeypatch) -> None:
    add = Rotation.add

    def interrupted(self: Rotation, batch: Any, arrival_us: int) -> None:
        signal.raise_signal(signal.SIGINT)
        add(self, batch, arrival_us)

    monkeypatch.setattr(Rotation, "add", interrupted)
    logger = session.logger("x")
    logger.log_records({"n": i} for i in range(100))
    with pytest.raises(KeyboardInterrupt):
        logger.flush()
    with pytest.raises(KeyboardInterrupt):
        logger.log_frame(pl.DataFrame({"n": [100]}))
    monkeypatch.undo()
    logger.close()
    assert session.store.read("x")["n"].sum == sum(range(101))


def test_a_mapping_that_logs_while_it_is_read_does_not_block(session) -> None:
    class Talkative(Mapping[str, int]):
        def __getitem__(self, key: str) -> int:
            logger.log({"inner": 1})
            return 2

        def __iter__(self) -> Iterator[str]:
            return iter(["outer"])

        def __len__(self) -> int:
            return 1

    with session.logger("x") as logger:
        logger.log(Talkative())
    assert session.store.read("x").rows == 2


def test_a_signal_handler_may_log_while_the_buffer_is_locked(session) -> None:
    class Key(str):
        __slots__ = ()

        def __hash__(self) -> int:
            signal.raise_signal(signal.SIGUSR1)
            return super().__hash__()

    with session.logger("x") as logger:
        before = signal.signal(signal.SIGUSR1, lambda *_: logger.log({"handler": 1}))
        try:
            logger.log({Key("a"): 1})
        finally:
            signal.signal(signal.SIGUSR1, before)
    profile = session.store.read("x")
    assert profile["handler"].count == profile.rows - 1 > 0


# ------------------------------------------------------------------------------------ what other streaming loggers lose


def test_close_right_after_a_rotation_keeps_every_row(tmp_path):
    clock = SettableClock(NOON)
    with pp.Session(tmp_path, clock=clock) as session:
        logger = session.logger(with_rotation_time="m")
        for number in range(100):
            logger.log({"x": number})
        clock.advance(timedelta(minutes=1))
        logger.log({"x": 100})
        logger.close()
        clock.advance(timedelta(minutes=1))
        with session.logger("other", with_rotation_time="m") as other:
            other.log({"x": 1})
            clock.advance(timedelta(minutes=1))
    assert (session.store.read("dataset").rows, session.store.read("dataset")["x"].sum) == (101, sum(range(101)))
    assert [session.store.read("dataset", w.start, w.end).rows for w in session.store.windows("dataset")] == [100, 1]
    assert session.store.read("other").rows == 1


def test_int_and_float_windows_merge_to_the_right_max_and_mean(tmp_path):
    clock = SettableClock(NOON)
    with pp.Session(tmp_path, clock=clock) as session, session.logger(with_rotation_time="m") as logger:
        for values in ([1, 2, 1_000], [1.5, 0.5]):
            logger.log_records({"x": value} for value in values)
            clock.advance(timedelta(minutes=1))
    panes = [pp.read(path) for path in session.store.files("dataset")]
    assert len(panes) == 2
    for merged in (session.store.read("dataset"), pp.merge(panes), pp.merge(panes[::-1])):
        column = merged["x"]
        assert (column.max, column.mean) == (1_000, 201)
        assert column.types == {"integral": 3, "fractional": 2}


def test_null_first_does_not_freeze_a_column(tmp_path):
    clock = SettableClock(NOON)
    with pp.Session(tmp_path, clock=clock) as session, session.logger(with_rotation_time="m") as logger:
        for values in ([None, None], [None, 1, "text"], [2.5, None]):
            logger.log_records({"x": value} for value in values)
            clock.advance(timedelta(minutes=1))
    column = session.store.read("dataset")["x"]
    assert (column.count, column.null_count, column.rows) == (3, 4, 7)
    assert column.types == {"integral": 1, "fractional": 1, "string": 1}
    assert (column.min, column.max, column.mean) == (1, 2.5, 1.75)


def test_nan_does_not_poison_mean(tmp_path):
    clock = SettableClock(NOON)
    with pp.Session(tmp_path, clock=clock) as session, session.logger(with_rotation_time="m") as logger:
        for values in ([1.0, float("nan")], [float("nan")], [3.0, 5.0]):
            logger.log_records({"x": value} for value in values)
            clock.advance(timedelta(minutes=1))
    column = session.store.read("dataset")["x"]
    assert len(session.store.files("dataset")) == 3
    assert (column.mean, column.sum, column.min, column.max, column.nan_count, column.count) == (3, 9, 1, 5, 2, 5)
    assert column.quantile(1) == 5


_VALUES = {
    "i": st.integers(-(2**63), 2**63 - 1),
    "f": st.floats(-1e6, 1e6, width=32).filter(lambda number: not number.is_integer()),
    "s": st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    "b": st.booleans(),
    "l": st.lists(st.none() | st.integers(-5, 5), max_size=3),
    "m": st.fixed_dictionaries({"x": st.none() | st.integers(-5, 5), "t": st.none() | st.text("ab", max_size=2)}),
}
_RECORD = st.fixed_dictionaries({name: st.none() | values for name, values in _VALUES.items()})
_DTYPES = {
    "i": pl.Int64,
    "f": pl.Float64,
    "s": pl.String,
    "b": pl.Boolean,
    "l": pl.List(pl.Int64),
    "m": pl.Struct({"x": pl.Int64, "t": pl.String}),
}


@settings(deadline=None, max_examples=40)
@given(records=st.lists(_RECORD, min_size=1, max_size=12))
def test_any_records_give_the_same_profile_on_each_of_the_four_ways(tmp_path_factory, records):
    """No whole number among the floats: JSON says 10 and 10.0 alike in some writers, and a frame has one type."""
    ways = {
        "log": lambda logger: [logger.log(record) for record in records],
        "log_records": lambda logger: logger.log_records(iter(records)),
        "log_json": lambda logger: logger.log_json("\n".join(map(json.dumps, records))),
        "log_frame": lambda logger: logger.log_frame(pl.DataFrame(records, schema=_DTYPES)),
    }
    with pp.Session(tmp_path_factory.mktemp("store"), clock=SettableClock(NOON)) as session:
        for name, way in ways.items():
            with session.logger(name) as logger:
                way(logger)
        profiles = {name: session.store.read(name) for name in ways}
    for name in ("log_records", "log_json"):
        assert_profile_equal(profiles[name], profiles["log"])
    # A frame has the columns of its schema, also where no record has a value there.
    frame, log = profiles["log_frame"], profiles["log"]
    for path, column in frame.columns.items():
        if path not in log:
            assert column.count == 0
            del frame._columns.by_path[path]
    assert_profile_equal(frame, log)


def test_a_table_that_nothing_follows_is_saved_and_its_window_sealed_in_time(tmp_path):
    clock = SettableClock(NOON)
    with pp.Session(tmp_path, clock=clock) as session:
        logger = session.logger("d", with_rotation_time="1h", timestamp="at", idle_timeout="1m")
        logger.log_frame(pl.DataFrame({"at": [NOON]}))
        clock.advance(timedelta(seconds=4))
        assert logger.counters["checkpoint_age_us"] == 4_000_000
        clock.advance(timedelta(seconds=2))
        assert logger.counters["checkpoint_age_us"] == 0
        assert session.store.files("d") == []
        clock.advance(timedelta(minutes=2))
        assert session.store.read("d").rows == 1
