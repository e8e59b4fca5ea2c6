"""What survives: of flushed rows all, of every row one count; a crash here is a session that nobody closes."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.crashes import crash, left

import polarsprof as pp
from polarsprof.errors import ArgumentError, DataWarning, StoreError
from polarsprof.files.locks import Lock
from polarsprof.ingest.records import RecordBatch, serialize
from polarsprof.stream.checkpoints import storage as checkpoint
from polarsprof.stream.checkpoints.storage import CheckpointStorage
from polarsprof.testing import SettableClock, assert_profile_equal

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def clock():
    return SettableClock(NOON)


def times_counted(store: pp.ProfileStore, column: str = "x") -> dict[object, int]:
    """How often each value of a column was counted."""
    if not store.files("dataset"):
        return {}
    profile = store.read("dataset")
    return {} if column not in profile else {item.value: item.estimate for item in profile[column].frequent_items(500)}


def test_what_was_flushed_survives_and_the_next_logger_publishes_it(tmp_path, clock):
    session = pp.Session(tmp_path, clock=clock)
    logger = session.logger(with_rotation_time="h")
    logger.log_records({"x": number} for number in range(100))
    logger.flush()
    logger.log({"x": 100})
    crash(session)
    with pp.Session(tmp_path, clock=clock) as session:
        logger = session.logger(with_rotation_time="d")  # made otherwise: what was left has its own windows
        assert logger.counters["rows_recovered"] == 100
        assert times_counted(session.store) == dict.fromkeys(range(100), 1)
        assert session.store.windows("dataset")[0].end - session.store.windows("dataset")[0].start == timedelta(hours=1)
    assert left(session) == []


def test_a_flush_of_few_rows_writes_a_journal_and_one_of_many_a_checkpoint(tmp_path, clock):
    session = pp.Session(tmp_path, clock=clock)
    logger = session.logger(with_rotation_time="h")
    sizes = []
    for _ in range(3):
        logger.log_records({"x": number} for number in range(10))
        logger.flush()
        sizes.append({name.split(".", 2)[2] for name in left(session)})
    assert sizes == [{"lock", "1.checkpoint", "1.journal"}] * 3
    logger.log_records({"x": number} for number in range(50_000))
    logger.flush()
    assert {name.split(".", 2)[2] for name in left(session)} >= {"2.checkpoint", "2.journal"}
    crash(session)
    with pp.Session(tmp_path, clock=clock) as session:
        session.logger()
    assert session.store.read("dataset").rows == 50_030


def test_without_a_flush_a_checkpoint_comes_every_five_seconds(tmp_path, clock):
    session = pp.Session(tmp_path, clock=clock)
    logger = session.logger(with_rotation_time="h")
    for number in range(12):
        logger.log({"x": number})
        clock.advance(SECOND)
    assert logger.counters["checkpoint_age_us"] <= 5_000_000
    crash(session)
    with pp.Session(tmp_path, clock=clock) as session:
        session.logger()
    assert 5 <= session.store.read("dataset").rows <= 12


values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.decimals(), st.uuids(),
    st.datetimes(), st.datetimes(timezones=st.just(UTC)), st.dates(), st.times(), st.timedeltas(),
)  # fmt: skip
nested = st.recursive(values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
records = st.dictionaries(st.sampled_from("abcde"), nested, max_size=5) | st.just(42)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(records, max_size=5), max_size=6))
def test_rows_that_went_through_a_journal_are_profiled_as_others_are(tmp_path_factory, parts):
    clock = SettableClock(NOON)
    folder = tmp_path_factory.mktemp("stores")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        with pp.Session(folder / "plain", clock=clock) as plain, plain.logger() as logger:
            logger.log({"first": 1})
            for part in parts:
                logger.log_records(part)
        session = pp.Session(folder / "crashed", clock=clock)
        logger = session.logger()
        logger.log({"first": 1})
        logger.flush()  # the first flush writes a checkpoint, the others a journal
        for part in parts:
            logger.log_records(part)
            logger.flush()
        crash(session)
        with pp.Session(folder / "crashed", clock=clock) as session:
            session.logger()
    assert_profile_equal(session.store.read("dataset"), plain.store.read("dataset"))


step = st.one_of(
    st.tuples(st.just("log"), st.integers(1, 40)),
    st.tuples(st.just("source"), st.integers(1, 40)),
    st.tuples(st.just("flush"), st.just(0)),
    st.tuples(st.just("wait"), st.sampled_from([1, 11, 60, 700])),
    st.tuples(st.just("crash"), st.just(0)),
    st.tuples(st.just("close"), st.just(0)),
)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.lists(step, max_size=30), st.sampled_from(["m", "10s", None]))
def test_whatever_happens_flushed_rows_count_once_and_rows_of_a_source_exactly_once(tmp_path_factory, steps, rotation):
    """Rows of `log` are even and lost where they were not flushed; those of the source are odd and read again."""
    clock = SettableClock(NOON)
    folder = tmp_path_factory.mktemp("store")
    logged = read = 0
    fresh: set[int] = set()
    durable: set[int] = set()

    def opened():
        session = pp.Session(folder, clock=clock)
        return session, session.logger(with_rotation_time=rotation)

    session, logger = opened()
    for what, number in [*steps, ("crash", 0)]:
        if what == "log":
            values = range(2 * logged, 2 * (logged + number), 2)
            logger.log_records({"x": value} for value in values)
            fresh.update(values)
            logged += number
        elif what == "source":
            values = range(2 * read + 1, 2 * (read + number) + 1, 2)
            logger.log_records(({"x": value} for value in values), positions={"topic": read + number})
            read += number
        elif what == "flush":
            logger.flush()
            durable |= fresh
        elif what == "wait":
            clock.advance(number * SECOND / 10)
        elif what == "close":
            session.close()
            durable |= fresh
            session, logger = opened()
        else:
            crash(session)
            session, logger = opened()
            read = logger.positions.get("topic", 0)
            fresh.clear()
    session.close()
    counted = times_counted(session.store)
    assert set(counted.values()) <= {1}
    assert {value for value in counted if value % 2} == {2 * at + 1 for at in range(read)}
    assert counted.keys() >= durable
    assert all(name.endswith((".lock", ".checkpoint", ".journal")) for name in left(session))


def test_a_folder_that_cannot_be_written_never_raises_into_log_and_gets_all_once_it_can(tmp_path):
    """A file stands where the folder should be made, which stops even the superuser."""
    obstacle = tmp_path / "disk"
    clock = SettableClock(NOON)
    session = pp.Session(obstacle / "profiles", clock=clock)
    obstacle.touch()
    logger = session.logger(with_rotation_time="m")
    with pytest.warns(DataWarning, match="will try again"):
        for number in range(5):
            logger.log({"x": number})
            clock.advance(timedelta(minutes=1))
    with pytest.raises(StoreError, match="not durable"):
        logger.flush()
    with pytest.raises(StoreError, match="5 panes of 5 rows"):
        logger.close()
    with pytest.raises(OSError, match="5 panes"):
        session.close()
    assert logger.counters["panes_waiting"] == 5
    obstacle.unlink()
    session.close()
    assert session.store.read("dataset")["x"].sum == 10


def test_a_store_that_comes_back_gets_the_waiting_panes_without_a_flush(tmp_path):
    obstacle = tmp_path / "disk"
    clock = SettableClock(NOON)
    session = pp.Session(obstacle / "profiles", clock=clock)
    obstacle.touch()
    logger = session.logger(with_rotation_time="m")
    logger.log({"x": 1})
    with pytest.warns(DataWarning, match="will try again"):
        clock.advance(timedelta(minutes=1))
    obstacle.unlink()
    clock.advance(timedelta(minutes=1))
    assert session.store.read("dataset").rows == 1
    session.close()


def test_what_waits_for_a_store_is_bounded_and_what_is_dropped_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("polarsprof.stream.writer._MAX_WAITING_BYTES", 3_000)
    obstacle = tmp_path / "disk"
    clock = SettableClock(NOON)
    session = pp.Session(obstacle / "profiles", clock=clock)
    obstacle.touch()
    logger = session.logger(with_rotation_time="m")
    with pytest.warns(DataWarning) as warned:
        for number in range(20):
            logger.log({"x": number})
            clock.advance(timedelta(minutes=1))
    dropped = logger.counters["rows_dropped"]
    assert 0 < dropped < 20
    assert sum("dropped one of 1 rows" in str(w.message) for w in warned) == dropped
    obstacle.unlink()
    session.close()
    whole = session.store.read("dataset")
    assert whole.rows == 20 - dropped
    assert whole["x"].max == 19
    assert whole.dropped_rows <= dropped


def test_a_disk_that_takes_no_whole_file_is_left_without_a_partial_one(tmp_path):
    code = """
        import resource, signal
        import polarsprof as pp
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        session = pp.Session("profiles")
        logger = session.logger()
        logger.log_records({"x": number, "s": str(number)} for number in range(10_000))
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))
        try:
            logger.close()
        except OSError as error:
            print(error)
        import os
        print(os.listdir("profiles"))
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        session.close()
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True, timeout=120)
    assert "not published yet" in done.stdout
    assert "[]" in done.stdout
    assert pp.ProfileStore(tmp_path / "profiles").read("dataset").rows == 10_000


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KiB, which only the superuser of Linux can make."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("only the superuser of Linux can mount a small disk")
    command = [mount, "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_leaves_nothing_torn_and_gets_all_once_there_is_room(small_disk):
    filler = small_disk / "filler"
    filler.write_bytes(bytes(240 << 10))
    clock = SettableClock(NOON)
    session = pp.Session(small_disk / "store", clock=clock)
    logger = session.logger(with_rotation_time="m")
    with pytest.warns(DataWarning, match="No space left"):
        for minute in range(6):
            logger.log_records({"x": number, "s": f"{minute} {number}"} for number in range(100))
            clock.advance(timedelta(minutes=1))
    with pytest.raises(StoreError, match="No space left"):
        logger.flush()
    names = [path.name for path in session.store.files("dataset")]
    assert all(pp.read(session.store.folder / name).rows == 100 for name in names)
    assert 0 < logger.counters["panes_waiting"] == 6 - len(names)
    assert not list(session.store.folder.rglob("*.tmp"))
    filler.unlink()
    session.close()
    assert session.store.read("dataset")["x"].sum == 6 * sum(range(100))


@pytest.mark.parametrize("call", ["fsync", "link", "open", "write"])
def test_a_call_of_the_system_that_fails_leaves_no_file_and_loses_nothing(tmp_path, monkeypatch, call):
    session = pp.Session(tmp_path / "store", clock=SettableClock(NOON))
    logger = session.logger(dataset_timestamp=NOON)
    logger.log({"x": 1})
    working = getattr(os, call)
    calls = []

    def failing(*arguments, **options):
        calls.append(call)
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch, pytest.warns(DataWarning, match="Input/output error"):
        patch.setattr(os, call, failing)
        with pytest.raises(StoreError, match="1 panes of 1 rows"):
            logger.close()
        patch.setattr(os, call, working)
    assert calls
    assert list((tmp_path / "store").iterdir()) == []
    session.close()
    assert session.store.read("dataset").rows == 1


def test_a_folder_that_cannot_be_synced_keeps_the_pane_waiting_and_it_counts_once(tmp_path, monkeypatch):
    """The link was made, but nobody knows whether it lasts: the pane is put again and found to be there."""
    session = pp.Session(tmp_path / "store", clock=SettableClock(NOON))
    logger = session.logger(dataset_timestamp=NOON)
    logger.log({"x": 1})
    with monkeypatch.context() as patch, pytest.warns(DataWarning, match="will try again"):
        patch.setattr("polarsprof.store.local.sync_folder", lambda _: (_ for _ in ()).throw(OSError(errno.EIO, "I/O")))
        with pytest.raises(StoreError, match="not published"):
            logger.close()
        assert logger.counters["panes_waiting"] == 1
    session.close()
    assert len(session.store.files("dataset")) == 1
    assert session.store.read("dataset").rows == 1


@pytest.mark.slow
def test_kill_9_leaves_no_torn_file_and_loses_nothing_that_was_flushed(tmp_path):
    code = """
        import polarsprof as pp
        session = pp.Session("profiles")
        logger = session.logger(with_rotation_time="s")
        number = 0
        while True:
            logger.log({"x": number})
            number += 1
            if number % 50 == 0:
                logger.flush()
                print(number, flush=True)
    """
    acknowledged = 0
    for kill_after in (1, 2, 5, 9, 14):
        command = [sys.executable, "-c", textwrap.dedent(code)]
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
            for _ in range(kill_after):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
            lines = process.stdout.read().split()
        acknowledged += max([kill_after * 50, *map(int, lines)])
    with pp.Session(tmp_path / "profiles") as session:
        session.logger()
    rows = session.store.read("dataset").rows
    assert list(session.store.state_folder.iterdir()) == []
    assert acknowledged <= rows <= acknowledged + 5 * 50


def failing_replace(monkeypatch):
    """No checkpoint can take its name, as where a process dies in the midst of saving one."""

    def replace(*arguments):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "replace", replace)


def test_a_temporary_file_that_was_left_is_swept_and_one_in_use_is_not(tmp_path, clock):
    names = [".e228f98d1f5f-1-0a1b2c3d.tmp", ".0123456789ab-1-0a1b2c3d.tmp"]
    for name in names:
        (tmp_path / name).write_bytes(b"half a pane")
    used = Lock.try_acquire(tmp_path / names[0])
    with pp.Session(tmp_path, clock=clock) as session:
        session.logger()
        assert [name for name in names if (tmp_path / name).exists()] == names[:1]
    used.release()


def test_what_the_journal_alone_holds_is_in_the_next_checkpoint(tmp_path, clock):
    """The checkpoint comes because a window is sealed, while flushed rows wait to be profiled with others."""
    session = pp.Session(tmp_path, clock=clock)
    logger = session.logger(with_rotation_time="10s", timestamp="t")
    logger.log({"x": 0, "t": NOON})
    logger.flush()
    logger.log({"x": 1, "t": NOON + 10 * SECOND})
    logger.flush()
    logger.log_records([{"x": 2, "t": NOON + 20 * SECOND}], positions={"topic": 1})
    crash(session)
    with pp.Session(tmp_path, clock=clock) as session:
        assert session.logger().positions == {"topic": 1}
    assert times_counted(session.store) == dict.fromkeys(range(3), 1)


def test_a_pane_that_no_checkpoint_knows_is_forgotten_though_the_journal_seals_as_many(tmp_path, clock, monkeypatch):
    """Rows of one batch come back in two, so windows that are too many are sealed with other rows than before."""
    session = pp.Session(tmp_path, clock=clock)
    logger = session.logger(with_rotation_time="10s", timestamp="t", max_open_windows=1)
    for number, seconds in enumerate((0, 10, 0)):
        logger.log({"x": number, "t": NOON + seconds * SECOND})
        logger.flush()
    with monkeypatch.context() as patch, pytest.warns(DataWarning, match="no checkpoint"):
        failing_replace(patch)
        clock.advance(SECOND)
    assert any(name.endswith(".pane") for name in left(session))
    crash(session)
    with pp.Session(tmp_path, clock=clock) as session:
        session.logger()
    assert times_counted(session.store) == dict.fromkeys(range(3), 1)


def test_a_journal_whose_checkpoint_never_came_to_be_says_nothing(tmp_path, monkeypatch):
    files = CheckpointStorage.of_writer(tmp_path, "dataset", "0123456789ab")
    files.save(b"first")
    files.append(b"row")
    with monkeypatch.context() as patch:
        failing_replace(patch)
        with pytest.raises(OSError, match="Input/output"):
            files.save(b"second", b"what was sealed")
    assert (files.load().state, files.load().entries) == (b"first", [b"row"])
    files.save(b"second", b"what was sealed")
    assert (files.load().state, files.load().entries) == (b"second", [b"what was sealed"])


def test_a_crash_while_files_are_removed_brings_no_earlier_checkpoint_back(tmp_path, monkeypatch):
    unlink = os.unlink
    for calls in range(10):
        folder = tmp_path / str(calls)
        files = CheckpointStorage.of_writer(folder, "dataset", "0123456789ab")
        for state in (b"first", b"second", b"third"):
            files.save(state)
            files.append(b"rows of " + state)
        files.write_pane(1, b"pane")
        rest = iter(range(calls))

        def counted(path, rest=rest, **options):
            if next(rest, None) is not None:  # else the process is dead and removes nothing more
                unlink(path, **options)

        with monkeypatch.context() as patch:
            patch.setattr(os, "unlink", counted)
            files.remove()
        for dead in CheckpointStorage.of_crashed_writers(folder, "dataset"):
            saved = dead.load()
            assert saved.state in (b"third", None)
            assert not saved.entries or saved.state


def test_zeros_at_the_end_of_a_journal_are_no_entries(tmp_path, clock):
    """A loss of power may leave the length of a file that grew without its bytes."""
    session = pp.Session(tmp_path, clock=clock)
    logger = session.logger(with_rotation_time="h")
    for number in range(2):
        logger.log({"x": number})
        logger.flush()
    crash(session)
    [journal] = session.store.state_folder.glob("*.journal")
    with journal.open("ab") as file:
        file.write(bytes(100))
    with pp.Session(tmp_path, clock=clock) as session:
        session.logger()
    assert times_counted(session.store) == {0: 1, 1: 1}


def test_panes_and_the_journal_are_there_before_the_checkpoint_that_needs_them(tmp_path, monkeypatch):
    """Names are durable with their folder alone, so it is synced before the checkpoint takes its own, and after."""
    files = CheckpointStorage.of_writer(tmp_path, "dataset", "0123456789ab")
    files.save(b"first")
    seen = []
    for name in ("sync_folder", "write_whole"):
        real = getattr(checkpoint, name)

        def noted(*arguments, real=real, name=name):
            seen.append((name, sorted(path.suffix for path in tmp_path.iterdir())))
            real(*arguments)

        monkeypatch.setattr(checkpoint, name, noted)
    files.write_pane(1, b"pane")
    files.save(b"second", b"what was sealed")
    there = sorted([".checkpoint", ".journal", ".journal", ".lock", ".pane"])
    assert seen == [("sync_folder", there), ("write_whole", there)]


def test_positions_are_known_though_they_cannot_be_saved_again_yet(tmp_path, clock, monkeypatch):
    """They are durable with the writer that died: to read the source from the beginning would count rows twice."""
    session = pp.Session(tmp_path, clock=clock)
    session.logger().log_records([{"x": 0}], positions={"topic": 1})
    session.get_logger("dataset").flush()
    crash(session)
    session = pp.Session(tmp_path, clock=clock)
    with monkeypatch.context() as patch, pytest.warns(DataWarning, match="no checkpoint can be saved"):
        failing_replace(patch)
        assert session.logger().positions == {"topic": 1}
    session.close()
    assert times_counted(session.store) == {0: 1}


def test_a_folder_that_cannot_be_listed_for_once_keeps_no_lock_and_fails_no_log(tmp_path, clock, monkeypatch):
    working, calls = os.listdir, []

    def failing(folder, at=0):
        calls.append(folder)
        if len(calls) == at:
            raise OSError(errno.EIO, "Input/output error")
        return working(folder)

    for at in range(1, 12):
        folder = tmp_path / str(at)
        session = pp.Session(folder, clock=clock)
        session.logger().log_records([{"x": 0}], positions={"topic": 1})
        session.get_logger("dataset").flush()
        crash(session)
        calls.clear()
        with monkeypatch.context() as patch, warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            patch.setattr(os, "listdir", lambda folder, at=at: failing(folder, at))
            session = pp.Session(folder, clock=clock)
            session.logger().log({"x": 1})
            session.close()
        with pp.Session(folder, clock=clock) as session:
            assert session.logger().positions == {"topic": 1}
        assert times_counted(session.store) == {0: 1, 1: 1}


@pytest.mark.parametrize("ending", ["checkpoint", "journal", "pane"])
def test_a_file_that_cannot_be_read_for_once_is_not_taken_for_damaged(tmp_path, clock, monkeypatch, ending):
    session = pp.Session(tmp_path, clock=clock)
    logger = session.logger(with_rotation_time="10s", timestamp="t")
    for number in range(2):
        logger.log({"x": number, "t": NOON + 10 * number * SECOND})
        logger.flush()
    crash(session)
    working, failed = Path.read_bytes, []

    def failing(path):
        if path.suffix == f".{ending}" and not failed:
            failed.append(path)
            raise OSError(errno.EMFILE, "Too many open files")
        return working(path)

    with monkeypatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        patch.setattr(Path, "read_bytes", failing)
        with pp.Session(tmp_path, clock=clock) as session:
            session.logger()
            clock.advance(2 * SECOND)
    assert failed
    with pp.Session(tmp_path, clock=clock) as session:
        session.logger()
    assert times_counted(session.store) == {0: 1, 1: 1}


def test_the_only_checkpoint_is_named_where_it_is_damaged(tmp_path, clock):
    session = pp.Session(tmp_path, clock=clock)
    session.logger().log({"x": 0})
    session.get_logger("dataset").flush()
    crash(session)
    [path] = session.store.state_folder.glob("*.checkpoint")
    path.write_bytes(b"")
    with pytest.warns(DataWarning, match=f"{path.name} is damaged"), pp.Session(tmp_path, clock=clock) as session:
        session.logger()


def test_positions_that_a_living_logger_took_over_are_known_to_the_next(tmp_path, clock):
    """Two processes share the partitions of a source; one dies, and another starts before it comes back."""
    session = pp.Session(tmp_path, clock=clock)
    session.logger().log_records([{"x": 0}], positions={"first": 1})
    session.get_logger("dataset").flush()
    crash(session)
    with pp.Session(tmp_path, clock=clock) as living:
        living.logger().log_records([{"x": 1}], positions={"second": 1})
        with pp.Session(tmp_path, clock=clock) as session:
            assert session.logger().positions["first"] == 1
    with pp.Session(tmp_path, clock=clock) as session:
        assert session.logger().positions == {"first": 1, "second": 1}
    assert times_counted(session.store) == {0: 1, 1: 1}


def test_a_handler_that_logs_in_the_midst_of_a_flush_waits_for_nobody(tmp_path, clock, monkeypatch):
    session = pp.Session(tmp_path, clock=clock)
    logger = session.logger(with_rotation_time="m")
    before = signal.signal(signal.SIGUSR1, lambda *_: logger.log({"x": 2}))
    try:
        logger.log({"x": 0})
        logger.flush()
        logger.log({"x": 1})
        working = os.write

        def signalled(*arguments):
            monkeypatch.setattr(os, "write", working)
            clock._now_us += 60_000_000  # so that the handler finds the window over
            os.kill(os.getpid(), signal.SIGUSR1)
            return working(*arguments)

        monkeypatch.setattr(os, "write", signalled)
        logger.flush()
    finally:
        signal.signal(signal.SIGUSR1, before)
    session.close()
    assert times_counted(session.store) == dict.fromkeys(range(3), 1)


@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_an_interrupt_in_the_midst_of_a_flush_loses_and_doubles_nothing(tmp_path, clock, monkeypatch, call):
    session = pp.Session(tmp_path, clock=clock)
    logger = session.logger(with_rotation_time="h")
    logger.log({"x": 0})
    logger.flush()
    logger.log({"x": 1})
    logger.flush()  # into the journal
    working = getattr(os, call)

    def interrupted(*arguments):
        working(*arguments)  # all of it got through
        raise KeyboardInterrupt

    logger.log({"x": 2})
    with monkeypatch.context() as patch:
        patch.setattr(os, call, interrupted)
        with pytest.raises(KeyboardInterrupt):
            logger.flush()
    logger.log({"x": 3})
    logger.flush()
    crash(session)
    with pp.Session(tmp_path, clock=clock) as session:
        session.logger()
    assert times_counted(session.store) == dict.fromkeys(range(4), 1)


def test_rows_that_come_in_a_table_while_another_thread_flushes_are_in_the_next_flush(tmp_path, clock, monkeypatch):
    session = pp.Session(tmp_path, clock=clock)
    logger = session.logger(with_rotation_time="h")
    logger.log({"x": 0})
    logger.flush()
    logger.log({"x": 1})
    table = threading.Thread(target=logger.log_frame, args=(pl.DataFrame({"x": range(2, 102)}),))
    writing = CheckpointStorage.append

    def appended(files, *parts):
        if not table.ident:
            table.start()
        table.join(0.05)  # it can only finish after this flush, or before it
        writing(files, *parts)

    monkeypatch.setattr(CheckpointStorage, "append", appended)
    logger.flush()
    table.join()
    logger.flush()
    crash(session)
    with pp.Session(tmp_path, clock=clock) as session:
        session.logger()
    assert times_counted(session.store) == dict.fromkeys(range(102), 1)


def test_a_flush_after_a_checkpoint_that_failed_is_no_success(tmp_path, clock, monkeypatch):
    session = pp.Session(tmp_path, clock=clock)
    logger = session.logger(with_rotation_time="h")
    for number in range(2):
        logger.log({"x": number})
        logger.flush()

    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch, pytest.warns(DataWarning, match="no checkpoint"):
        patch.setattr("polarsprof.stream.checkpoints.storage.write_whole", full)
        patch.setattr(os, "fdatasync", full)
        logger.log({"x": 2})
        for _ in range(3):
            with pytest.raises(StoreError, match="not durable"):
                logger.flush()
    logger.flush()
    crash(session)
    with pp.Session(tmp_path, clock=clock) as session:
        session.logger()
    assert times_counted(session.store) == dict.fromkeys(range(3), 1)


def failing(*_):
    raise OSError(errno.EIO, "Input/output error")


def test_a_first_checkpoint_that_got_its_name_before_the_error_keeps_no_pane_from_counting_once(
    tmp_path, clock, monkeypatch
):
    """Its rows are on the disk, so a pane with them must wait until a checkpoint says that their window is closed."""
    session = pp.Session(tmp_path, clock=clock)
    session.store.state_folder.mkdir(parents=True)
    logger = session.logger(with_rotation_time="10s", timestamp="t", max_out_of_orderness="1m", idle_timeout="1m")
    with monkeypatch.context() as patch, pytest.warns(DataWarning, match="no checkpoint"):
        patch.setattr("polarsprof.files.durable.sync_folder", failing)
        logger.log({"x": 0, "t": NOON + 10 * SECOND})
        with pytest.raises(StoreError, match="not durable"):
            logger.flush()
        patch.setattr("polarsprof.stream.checkpoints.storage.write_whole", failing)
        logger.log({"x": 1, "t": NOON})  # whose window becomes a pane before that of the other
        clock.advance(100 * SECOND)
    crash(session)
    with pp.Session(tmp_path, clock=clock) as session:
        session.logger()
    assert session.store.read("dataset", NOON + 10 * SECOND).rows == 1


def test_a_file_that_is_missing_for_once_gives_no_checkpoint_to_others(tmp_path, clock, monkeypatch):
    session = pp.Session(tmp_path, clock=clock)
    logger = session.logger(with_rotation_time="10s", timestamp="t", max_out_of_orderness="1m")
    logger.log({"x": 0, "t": NOON + 10 * SECOND})
    logger.flush()

    def missing(*_):
        raise FileNotFoundError(errno.ENOENT, "missing")

    with monkeypatch.context() as patch, pytest.warns(DataWarning, match="no checkpoint"):
        patch.setattr("polarsprof.stream.checkpoints.storage.write_whole", missing)
        patch.setattr(os, "fdatasync", failing)
        logger.log({"x": 1, "t": NOON})
        with pytest.raises(StoreError, match="not durable"):
            logger.flush()
    with pp.Session(tmp_path, clock=clock) as other:
        other.logger()
    logger.log({"x": 2, "t": NOON - 10 * SECOND})
    session.close()
    assert session.store.read("dataset", NOON + 10 * SECOND).rows == 1
    assert times_counted(session.store) == dict.fromkeys(range(3), 1)


def test_an_integer_that_has_no_text_is_not_serialize():
    """Python refuses to say one of more than 4,300 digits."""
    assert serialize(RecordBatch([{"x": 10**5_000}])) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "odd", [[[[0] * 5_000] * 5_000], np.broadcast_to(1.0, 12_000_000)], ids=["shared", "broadcast"]
)
def test_a_value_that_no_journal_takes_costs_no_other_row(tmp_path, clock, odd):
    session = pp.Session(tmp_path, clock=clock)
    logger = session.logger(with_rotation_time="h")
    logger.log({"x": 0})
    logger.flush()
    logger.log({"x": 1})
    logger.flush()
    logger.log_records([{"x": 2}, {"odd": odd}, {"x": 3}])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        logger.flush()
    assert logger.counters["rows_profiled"] + logger.counters["rows_rejected"] == 5
    crash(session)
    with pp.Session(tmp_path, clock=clock) as session:
        session.logger()
    assert times_counted(session.store) == dict.fromkeys(range(4), 1)


def test_a_journal_that_somebody_removes_takes_no_more_rows(tmp_path, clock):
    session = pp.Session(tmp_path, clock=clock)
    logger = session.logger(with_rotation_time="h")
    logger.log({"x": 0})
    logger.flush()
    shutil.rmtree(session.store.state_folder)
    logger.log({"x": 1})
    with pytest.warns(DataWarning, match="no checkpoint"), pytest.raises(StoreError):
        logger.flush()
    logger.flush()
    crash(session)
    with pp.Session(tmp_path, clock=clock) as session:
        session.logger()
    assert times_counted(session.store) == {0: 1, 1: 1}


def test_positions_need_checkpoints(tmp_path):
    with (
        pp.Session(tmp_path) as session,
        session.logger(checkpoint_every=None) as logger,
        pytest.raises(ArgumentError, match="positions"),
    ):
        logger.log_records([{"x": 1}], positions={"topic": 1})


def test_without_rotation_no_row_is_too_late(tmp_path, clock):
    with pp.Session(tmp_path, clock=clock) as session:
        logger = session.logger(timestamp="at", allowed_lateness="0s")
        for second in (1, 0, -1):
            logger.log({"at": NOON + second * SECOND})
            clock.advance(2 * SECOND)
        assert logger.rejected == {}


def test_who_looks_into_a_lock_for_a_moment_is_waited_for_and_who_keeps_it_is_not(tmp_path, monkeypatch):
    path = tmp_path / "x.lock"
    other = Lock.try_acquire(path)
    pauses: list[float] = []
    monkeypatch.setattr("polarsprof.files.locks.time.sleep", pauses.append)
    assert Lock.acquire_retrying(path) is None
    assert 1 <= sum(pauses) <= 10
    monkeypatch.setattr("polarsprof.files.locks.time.sleep", lambda _: other.release())
    assert Lock.acquire_retrying(path) is not None
