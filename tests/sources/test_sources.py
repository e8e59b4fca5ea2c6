"""Sources into windows: their ends, their guarantees, and dead letters."""

from __future__ import annotations

import io
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.crashes import crash

import polarsprof as pp
from polarsprof.errors import ArgumentError, ClosedError, DataWarning, SourceError
from polarsprof.ingest.records import decode_json
from polarsprof.sources import Batch, FilesSource, IterableSource, LinesSource, Source, TailSource
from polarsprof.testing import SettableClock, assert_profile_equal

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def clock():
    return SettableClock(NOON)


class Topic(Source):
    """A list of messages with positions; notes acknowledgments. `before` is called before each poll."""

    def __init__(self, messages, batch_records=7, before=lambda: None, name="topic/0"):
        self.messages, self.batch_records, self.before, self.name = messages, batch_records, before, name
        self.at = 0
        self.acknowledged = 0
        self.closed = False

    def seek(self, positions):
        self.at = positions.get(self.name, 0)
        return {self.name: self.at}

    def poll(self, max_records, timeout_s):
        self.before()
        start, end = self.at, min(self.at + min(self.batch_records, max_records), len(self.messages))
        if start == end:
            self.ended = True
            return None
        self.at = end
        part = self.messages[start:end]
        return Batch(part, len(part), {self.name: end}, lambda number: (self.name, start + number))

    def acknowledge(self, batches):
        assert self.acknowledged < batches[-1].positions[self.name] <= self.at
        self.acknowledged = batches[-1].positions[self.name]

    def lag(self):
        return len(self.messages) - self.at

    def close(self):
        self.closed = True


def messages_of(count):
    return [json.dumps({"n": number, "b": number % 50}).encode() for number in range(count)]


def counted(store, dataset="dataset"):
    """The count of each `b`, and the sum of `n`."""
    profile = store.read(dataset)
    return {item.value: item.estimate for item in profile["b"].frequent_items(100)}, profile["n"].sum


# --------------------------------------------------------------------------------------------------------- session.run


def test_a_source_is_read_to_its_end_and_continued_from_there(tmp_path):
    topic = Topic(messages_of(100))
    with pp.Session(tmp_path) as session:
        counters = session.run(topic)
        assert (counters["rows_profiled"], counters["records_read"], counters["lag"]) == (100, 100, 0)
        assert (topic.acknowledged, topic.closed) == (100, True)
        more = Topic(messages_of(150))
        assert session.run(more)["records_read"] == 50
        assert session.run(Topic(messages_of(150)))["records_read"] == 0
    assert counted(session.store) == (dict.fromkeys(range(50), 3), sum(range(150)))


def test_at_most_max_records_are_read(tmp_path):
    with pp.Session(tmp_path) as session:
        for _ in range(3):
            assert session.run(Topic(messages_of(100)), max_records=10)["rows_profiled"] == 10
    assert session.store.read("dataset")["n"].sum == sum(range(30))


def test_a_run_ends_after_an_idle_time(tmp_path, clock):
    class Silent(Topic):
        def poll(self, max_records, timeout_s):
            batch = super().poll(max_records, timeout_s)
            self.ended = False
            if batch is None:
                silences.append(clock.now)
                clock.advance(timedelta(seconds=1))
            return batch

    silences = []
    with pp.Session(tmp_path, clock=clock) as session:
        session.run(Silent(messages_of(10)), until_idle="5s")
    assert len(silences) == 5


@pytest.mark.slow
@pytest.mark.parametrize("every", [2, 5, 17])
def test_after_any_crash_each_record_counts_once(tmp_path, clock, every):
    class Crash(Exception):
        pass

    polls = 0
    topic = Topic([])
    for _ in range(100):
        session = pp.Session(tmp_path, clock=clock)

        def live(session=session):
            nonlocal polls
            polls += 1
            clock.advance(timedelta(seconds=1))
            if polls % (every + 40 * (polls > 120)) == 0:
                crash(session)
                raise Crash

        before, topic = topic, Topic(messages_of(200), batch_records=3, before=live)
        try:
            session.run(topic, with_rotation_time="10s", checkpoint_every="2s")
            break
        except (Crash, ClosedError):
            assert topic.acknowledged == 0 or topic.acknowledged > before.acknowledged
    assert polls > 70
    assert counted(session.store) == (dict.fromkeys(range(50), 4), sum(range(200)))


objects = st.dictionaries(st.sampled_from("abc"), st.integers() | st.text() | st.none()).map(json.dumps).map(str.encode)
no_objects = [b"", b"  ", None, b"nonsense", b"[1]", b"42", b'{"a": 1', b'{"a": "\xff"}', b"\x00", b'{"a":1}{"b":2}']
with_lines = [b'{\n  "a": 1\n}\n', b'{"a": "x\ny"}', b'\xef\xbb\xbf{"a": 1}', b"[" * 2_000, b'{"a": 2}\n{"a": 3}']
any_message = st.one_of(objects, st.sampled_from(no_objects), st.sampled_from(with_lines))


@settings(max_examples=40, deadline=None)
@given(st.lists(any_message, max_size=12), st.integers(1, 5), st.integers(0, 200))
def test_each_message_is_a_row_or_a_dead_letter_with_its_place(tmp_path_factory, messages, batch_records, good):
    letters = []
    good_ones = messages_of(good)  # many messages use the columnar reader
    topic = Topic([*messages, *good_ones, *messages], batch_records=batch_records + good)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        with pp.Session(tmp_path_factory.mktemp("store")) as session:
            counters = session.run(topic, dead_letters=letters.append)
    assert counters["rows_logged"] == counters["records_read"] == len(topic.messages)
    assert counters["rows_rejected"] == counters["dead_letters"] == len(letters)
    dead = {letter.position: letter for letter in letters}
    assert len(dead) == len(letters)
    for number, message in enumerate(topic.messages):
        assert (number in dead) == (not is_object(message))
        if number in dead:
            assert (dead[number].source, dead[number].value) == ("topic/0", message)
    if topic.messages:
        kept = session.store.read("dataset")
        assert kept.rejected == Counter(letter.reason for letter in letters)


def is_object(message):
    try:
        return isinstance(json.loads(message), dict) and not message.startswith(b"\xef")
    except (TypeError, ValueError, RecursionError):
        return False


def test_dead_letters_go_to_a_file_as_they_came(tmp_path):
    place = tmp_path / "dead.ndjson"
    topic = Topic([b'{"a": 1}', b"nonsense", None, b"\xff\xfe", b'{"a": 2}'])
    with pytest.warns(DataWarning), pp.Session(tmp_path / "store") as session:
        assert session.run(topic, dead_letters=place)["dead_letters"] == 3
    lines = sorted(map(json.loads, place.read_text().splitlines()), key=lambda line: line["position"])
    assert [line["position"] for line in lines] == [1, 2, 3]
    assert {line["source"] for line in lines} == {"topic/0"}
    assert [line["reason"] for line in lines] == ["invalid JSON", "message without a value", "invalid JSON"]
    assert (lines[0]["value"], lines[1]["value"], lines[2]["value_base64"]) == ("nonsense", None, "//4=")
    assert place.stat().st_mode & 0o777 == 0o600


def test_records_before_a_failure_are_durable_and_acknowledged(tmp_path):
    def fail_later():
        if topic.at >= 50:
            raise SourceError("gone")

    topic = Topic(messages_of(100), before=fail_later)
    with pp.Session(tmp_path) as session:
        with pytest.raises(SourceError, match="gone"):
            session.run(topic)
        assert (topic.acknowledged, topic.closed) == (topic.at, True)
        assert session.store.read("dataset").rows == topic.at >= 50
        session.run(Topic(messages_of(100)))
    assert counted(session.store) == (dict.fromkeys(range(50), 2), sum(range(100)))


def test_an_event_stops_it(tmp_path):
    stop = threading.Event()
    endless = ({"n": number} for number in itertools.count() if number < 1_000 or not stop.set())
    with pp.Session(tmp_path) as session:
        assert session.run(IterableSource(endless), stop=stop)["rows_profiled"] >= 1_000


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_cleanly_and_then_takes_effect(tmp_path, number):
    """The iterator waits forever, like a socket."""
    code = """
import sys, time, polarsprof as pp
from polarsprof.sources import IterableSource
def items():
    yield from ({"n": n} for n in range(1000))
    print("waiting", flush=True)
    time.sleep(100)
try:
    pp.Session(sys.argv[1]).run(IterableSource(items()))
finally:
    print(pp.ProfileStore(sys.argv[1]).read("dataset").rows, flush=True)
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(number)
        out, error = process.communicate(timeout=60)
    assert out == "1000\n", error
    assert process.returncode == (128 + number if number == signal.SIGTERM else -number)


@pytest.mark.parametrize(
    ("source", "options", "named"),
    [
        ([1], {}, "source"),
        (None, {}, "source"),
        (Topic([]), {"max_records": 0}, "max_records"),
        (Topic([]), {"until_idle": "soon"}, "until_idle"),
        (Topic([]), {"dead_letters": 5}, "dead_letters"),
        (Topic([]), {"with_rotation_time": "soon"}, "with_rotation_time"),
        (Topic([5]), {"checkpoint_every": None}, "positions"),
    ],
)
def test_wrong_arguments_are_named(tmp_path, source, options, named):
    with pp.Session(tmp_path) as session, pytest.raises(ArgumentError, match=named):
        session.run(source, **options)


def test_a_data_set_with_an_open_logger_is_refused(tmp_path):
    with pp.Session(tmp_path) as session, session.logger("d"), pytest.raises(ArgumentError, match="open logger"):
        session.run(Topic([]), dataset_name="d")


def test_a_partition_is_read_by_one_process_at_a_time(tmp_path):
    def begin_another():
        if topic.at == 50:
            with pp.Session(tmp_path, handle_sigterm=False) as other:
                with pytest.raises(SourceError, match=r"topic/0: another process .* data set 'dataset'"):
                    other.run(Topic(messages_of(100)))
                assert other.run(Topic(messages_of(10), name="topic/1"))["records_read"] == 10
                assert other.run(Topic(messages_of(10)), dataset_name="other")["records_read"] == 10

    topic = Topic(messages_of(100), batch_records=50, before=begin_another)
    with pp.Session(tmp_path) as session:
        session.run(topic)
        assert session.run(Topic(messages_of(100)))["records_read"] == 0
    assert session.store.read("dataset").rows == 110


def test_records_that_another_process_read_are_not_read_again(tmp_path):
    class Slow(Topic):
        def seek(self, positions):
            with pp.Session(tmp_path, handle_sigterm=False) as other:
                other.run(Topic(messages_of(30)))
            return super().seek(positions)

    with pp.Session(tmp_path) as session:
        with pytest.raises(SourceError, match="topic/0"):
            session.run(Slow(messages_of(100)))
        session.run(Topic(messages_of(100)))
    assert counted(session.store) == (dict.fromkeys(range(50), 2), sum(range(100)))


# ------------------------------------------------------------------------------------------- iterators, standard input


def test_an_iterable_can_mix_mappings_bytes_and_text(tmp_path):
    with pytest.warns(DataWarning), pp.Session(tmp_path) as session:
        counters = session.run(IterableSource([{"a": 1}, b'{"a": 2}', '{"a": 3}', None, 5, {"a": 4}]))
    assert (counters["rows_profiled"], counters["rows_rejected"], counters["dead_letters"]) == (4, 2, 2)
    assert session.store.read("dataset")["a"].sum == 10


def test_a_generator_can_reuse_a_record(tmp_path):
    def items():
        record = {"n": 0, "list": [0]}
        for number in range(100):
            record["n"] = record["list"][0] = number
            yield record

    with pp.Session(tmp_path) as session:
        session.run(IterableSource(items()))
    kept = session.store.read("dataset")
    assert kept["n"].sum == kept["list[]"].sum == sum(range(100))


@pytest.mark.parametrize("items", [5, "text", b"bytes", {"a": 1}, None])
def test_an_object_that_is_not_an_iterable_of_records_is_refused(items):
    with pytest.raises(ArgumentError, match="items"):
        IterableSource(items)


class Trickle(io.BytesIO):
    """A stream that returns a few bytes at a time."""

    def __init__(self, data, size):
        super().__init__(data)
        self._size = size

    def read1(self, size=-1):
        return super().read1(self._size)


@pytest.mark.parametrize("size", [1, 2, 7, 1_000])
@pytest.mark.parametrize("max_records", [1, 2, 10])
def test_lines_stay_whole_in_chunks_of_any_size(size, max_records):
    data = b'{"a": 1}\n\n{"b": "\xc3\xa9"}\r\n{"c": 3}'
    source = LinesSource(Trickle(data, size))
    parts = []
    while not source.ended:
        if batch := source.poll(max_records, 0.01):
            parts.append(batch)
    assert b"".join(part.data for part in parts) == data
    assert all(part.data.endswith(b"\n") for part in parts[:-1])
    assert all(part.records == part.data.count(b"\n") + (part is parts[-1]) <= max_records for part in parts)
    assert [part.place(0)[1] for part in parts] == [sum(len(p.data) for p in parts[:i]) for i in range(len(parts))]


def test_an_endless_line_is_cut():
    source = LinesSource(Trickle(b"x" * (130 << 20), 16 << 20))
    parts = []
    while not source.ended:
        if batch := source.poll(10, 5):
            parts.append(len(batch.data))
    assert sum(parts) == 130 << 20
    assert max(parts) <= 96 << 20


# --------------------------------------------------------------------------------------------------------------- files


def test_files_of_all_kinds_are_read_once(tmp_path):
    frame = pl.DataFrame({"n": range(1_000), "b": [number % 50 for number in range(1_000)]})
    folder = tmp_path / "in"
    folder.mkdir()
    frame[:100].write_csv(folder / "a.csv")
    frame[100:300].write_ipc(folder / "b.arrow")
    frame[300:600].write_ndjson(folder / "c.ndjson")
    frame[600:].write_parquet(folder / "d.parquet")
    with pp.Session(tmp_path / "store") as session:
        while session.run(FilesSource(folder), max_records=70)["records_read"]:
            pass
        again = FilesSource(folder)
        assert session.run(again)["records_read"] == 0
        assert again.read_before == 4
        with (folder / "c.ndjson").open("a") as file:  # the file grows
            file.write('{"n": 1000, "b": 50}\n')
        assert session.run(FilesSource(folder))["records_read"] == 1
        pl.DataFrame({"n": [5]}).write_parquet(folder / "d.parquet")  # another table
        assert session.run(FilesSource(folder))["records_read"] == 1
    assert counted(session.store) == (dict.fromkeys(range(50), 20) | {50: 1}, sum(range(1_001)) + 5)


@pytest.mark.slow
def test_files_give_the_profile_of_pp_profile(tmp_path, nycflights):
    with pp.Session(tmp_path) as session:
        session.run(FilesSource(nycflights))
    assert_profile_equal(session.store.read("dataset"), pp.profile(nycflights))


def test_a_last_line_needs_no_end_and_a_rewritten_file_is_new(tmp_path):
    path = tmp_path / "x.ndjson"
    path.write_text('{"n": 1}\n{"n": 2}')
    with pp.Session(tmp_path / "store") as session:
        assert session.run(FilesSource(path))["rows_profiled"] == 2
        path.write_text('{"n": 10}')
        assert session.run(FilesSource(path))["rows_profiled"] == 1
    assert session.store.read("dataset")["n"].sum == 13


def drained(source, positions):
    """The `n` of all records that are ready; updates the positions."""
    values = []
    for _ in range(6):  # enough for all changes of files
        while batch := source.poll(1_000, 0):
            values += [record["n"] for record in decode_json(batch.data)[0]]
            positions.update(batch.positions)
    return values


def append(path, *numbers, end="\n"):
    with path.open("a") as file:
        file.write("\n".join(f'{{"n": {number}}}' for number in numbers) + end)


def tail_of(path, positions):
    source = TailSource(path, settle_s=0)
    source.seek(dict(positions))
    return source


@pytest.mark.parametrize("reopened", [False, True], ids=["one reader", "restarted"])
def test_a_tail_goes_through_rotation_and_truncation(tmp_path, reopened):
    log = tmp_path / "app.log"
    positions = {}
    source = tail_of(log, positions)

    def read():
        nonlocal source
        if reopened:
            source.close()
            source = tail_of(log, positions)
        return drained(source, positions)

    assert read() == []  # the file does not exist yet
    append(log, 1, 2)
    append(log, 3, end="")
    assert read() == [1, 2]
    append(log, end="")
    with log.open("a") as file:
        file.write("\n")
    assert read() == [3]
    append(log, 4)
    log.rename(tmp_path / "app.log.1")
    append(log, 5, 6)
    assert read() == [4, 5, 6]
    append(log, 7)
    log.rename(tmp_path / "app.log.2")  # two rotations between two reads
    append(log, 8)
    set_time(tmp_path / "app.log.2", -20)
    log.rename(tmp_path / "app.log.3")
    set_time(tmp_path / "app.log.3", -10)
    append(log, 9)
    assert read() == [7, 8, 9]
    log.write_text('{"n": 10}\n')  # copied and truncated
    assert read() == [10]
    assert read() == []
    source.close()


def set_time(path, seconds):
    """Set the time of the last change, in seconds from now."""
    at = time.time() + seconds
    os.utime(path, (at, at))


def test_a_tail_leaves_a_renamed_file_once_writing_ends(tmp_path):
    log = tmp_path / "app.log"
    append(log, 1)
    source = TailSource(log, settle_s=3_600)
    source.seek({})
    positions = {}
    assert drained(source, positions) == [1]
    log.rename(tmp_path / "app.log.1")
    append(log, 3)
    append(tmp_path / "app.log.1", 2)  # the program still writes to the renamed file
    assert drained(source, positions) == [2]
    source.close()


def test_a_tail_into_windows_reports_its_lag(tmp_path):
    log = tmp_path / "app.log"
    append(log, *range(100))
    with pp.Session(tmp_path / "store") as session:
        counters = session.run(TailSource(log), max_records=40)
        assert counters["lag"] == len("".join(f'{{"n": {n}}}\n' for n in range(40, 100)))
        assert session.run(TailSource(log), until_idle="0s")["records_read"] == 60
    assert session.store.read("dataset")["n"].sum == sum(range(100))
