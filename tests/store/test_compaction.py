"""Compaction changes no read, even if processes die or interleave at any step."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.stores import LATER, assert_answers, at, filled, hourly, window_of, written

import polarsprof as pp
from polarsprof.errors import ArgumentError, CorruptProfile, PolarsprofError
from polarsprof.store.object_store import ObjectStoreBackend
from polarsprof.testing import SettableClock, assert_profile_equal

RANGES = ((None, None), (at(0), at(1)), (at(1.5), at(4)), (at(5), None), (at(30), None))
INTERVALS = st.sampled_from([None, "15m", "h", "2h", "6h", "d"])


@pytest.fixture(params=["folder", "memory"])
def store(request, tmp_path):
    return pp.ProfileStore(tmp_path / "store" if request.param == "folder" else f"memory://{tmp_path}")


def compact(store, into=None, **options):
    return store.compact("clicks", into, **{"clock": LATER, "grace": None, **options})


WINDOWS = st.one_of(
    st.builds(window_of, st.integers(0, 7), st.just(1)),
    st.builds(window_of, st.integers(0, 27).map(lambda quarter: quarter / 4), st.just(0.25)),
    st.builds(window_of, st.integers(0, 1).map(lambda day: 24 * day), st.just(24)),
    st.builds(window_of, st.just(0.5), st.just(1)),  # spans two hours
)


@st.composite
def pane_lists(draw):
    windows = draw(st.lists(WINDOWS, min_size=1, max_size=8))
    return [written(draw(st.sampled_from("abc")), number, window) for number, window in enumerate(windows)]


@pytest.mark.slow
@settings(max_examples=60)
@given(panes=pane_lists(), data=st.data(), memory=st.booleans())
def test_any_run_of_puts_and_compactions_leaves_every_range_as_it_was(tmp_path_factory, panes, data, memory):
    folder = tmp_path_factory.mktemp("store")
    store = pp.ProfileStore(f"memory://{folder}" if memory else folder)
    there = []
    for one in panes:
        store.put(one.pane)
        there.append(one)
        step = data.draw(st.sampled_from(["nothing", "compact", "again", "copy"]))
        if step == "compact":
            compact(store, data.draw(INTERVALS))
        elif step == "again":  # a writer that recovers does not know that its pane was merged
            store.put(data.draw(st.sampled_from(there)).pane)
        elif step == "copy" and not memory:
            source = data.draw(st.sampled_from(store.files("clicks")))
            shutil.copy(source, folder / f"clicks_profile.{len(there)}.bin")
    assert_answers(store, panes, RANGES)
    compact(store, data.draw(INTERVALS))
    assert_answers(store, panes, RANGES)
    assert_answers(pp.ProfileStore(store.url), panes)
    assert len(store.files("clicks")) <= len(panes)
    if not memory:
        assert orphans(store) == []


def test_panes_of_a_window_become_one_file_with_all_their_ids(store):
    panes = [*hourly(3, writers="ab"), written("c", 7, window_of(1, 1))]
    filled(store, panes)
    done = compact(store)
    assert (done.windows, done.files_merged, done.files_deleted, done.windows_left) == (3, 7, 7, 0)
    assert len(store.files("clicks")) == 3
    assert [str(file.name).startswith(f"clicks_profile.2026-01-05_0{hour}-00.") for hour, file in
            enumerate(store.files("clicks"))] == [True] * 3  # fmt: skip
    assert_answers(store, panes, RANGES)
    assert compact(store) == pp.store.Compaction()


def test_finer_windows_become_coarser_ones_and_what_does_not_fit_is_left_alone(store):
    across = written("z", 1, window_of(23.5, 1))
    longer = written("z", 2, window_of(0, 48))
    panes = [*hourly(30), across]
    filled(store, panes)
    compact(store, "d")
    assert store.windows("clicks") == [window_of(0, 24), across.window, window_of(24, 24)]
    assert_answers(store, panes, RANGES)
    filled(store, [longer])
    compact(store, "d")
    assert store.windows("clicks") == [longer.window]
    assert_answers(store, [*panes, longer], RANGES)


def test_days_of_a_zone(store):
    panes = hourly(48)
    filled(store, panes)
    compact(store, "d", zone="Europe/Berlin")
    assert store.windows("clicks") == [window_of(-1, 24), window_of(23, 24), window_of(47, 24)]
    assert [name.name.split(".")[1] for name in store.files("clicks")] == ["2026-01-05", "2026-01-06", "2026-01-07"]
    assert_answers(store, panes, RANGES)


def test_windows_that_may_still_fill_are_left_alone_unless_told(store):
    panes = hourly(5, writers="ab")
    filled(store, panes)
    clock = SettableClock(at(4.5))
    assert compact(store, clock=clock, grace="1h").windows == 3  # the fourth ended half an hour ago
    assert compact(store, "d", clock=clock, grace="0s").windows == 0
    assert compact(store, clock=clock, grace=timedelta(0)).windows == 1
    assert compact(store, clock=clock, grace=None).windows == 1
    assert_answers(store, panes, RANGES)


def test_windows_that_ended_long_ago_are_dropped(store):
    panes = hourly(50, writers="ab")
    filled(store, panes)
    done = compact(store, "d", keep="24h", clock=SettableClock(at(50.5)))
    assert (done.files_expired, done.rows_expired) == (2 * 26, 2 * 26)
    kept = [one for one in panes if one.window.start_us >= window_of(26, 1).start_us]
    assert_answers(store, kept, RANGES)
    assert compact(store, keep="1d", clock=SettableClock(at(50.5))).files_expired == 0
    assert compact(store, keep="1d", clock=SettableClock(at(500))).rows_expired == len(kept)
    assert store.datasets() == []
    with pytest.raises(ArgumentError, match="clicks"):
        compact(store)


def test_readers_of_many_windows_need_not_list_anew_for_each(tmp_path, monkeypatch):
    store = filled(pp.ProfileStore(tmp_path), hourly(40, writers="ab"))
    monkeypatch.setattr("polarsprof.store.compaction._MIN_BATCH_WINDOWS", 1)
    monkeypatch.setattr("polarsprof.store.compaction._MAX_BATCHES", 3)
    renewed, told = [], []
    monkeypatch.setattr(store._manifests, "renew_epoch", renewed.append)
    assert compact(store, on_progress=lambda done, total: told.append((done, total))).windows == 40
    assert len(renewed) == 3
    assert told[0] == (0, 40)
    assert told[-1] == (40, 40)


def test_wrong_questions_are_refused(tmp_path):
    store = filled(pp.ProfileStore(tmp_path), hourly(1))
    for wrong in ({"into": "0h"}, {"into": "week"}, {"keep": "0d"}, {"keep": "-1d"}, {"grace": "soon"},
                  {"zone": "Europe/Berlin"}, {"into": "h", "zone": "Europe/Berlin"}):  # fmt: skip
        with pytest.raises(ArgumentError, match=f"{list(wrong)[-1]}: got"):
            store.compact("clicks", **wrong)
    with pytest.raises(ArgumentError, match=r"got 'orders'.*clicks"):
        store.compact("orders")


def test_a_damaged_file_stops_it_and_nothing_is_deleted(tmp_path):
    store = filled(pp.ProfileStore(tmp_path), hourly(2, writers="ab"))
    damaged = store.files("clicks")[2]
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1  # of the last column
    damaged.write_bytes(content)
    before = {path.name: path.read_bytes() for path in store.files("clicks")}
    with pytest.raises(CorruptProfile, match=damaged.name):
        compact(store)
    after = {path.name: path.read_bytes() for path in store.files("clicks")}
    assert before.items() <= after.items()


def test_a_damaged_merge_deletes_nothing_it_was_made_of(tmp_path):
    panes = hourly(2, writers="ab")
    store = filled(pp.ProfileStore(tmp_path), panes)
    compact(store)
    filled(store, panes)
    content = bytearray(store.files("clicks")[0].read_bytes())
    merged = next(path for path in store.files("clicks") if path.name.endswith("c.bin"))
    content = bytearray(merged.read_bytes())
    content[-1] ^= 1
    merged.write_bytes(content)
    with pytest.raises(CorruptProfile, match=merged.name):
        compact(store)
    assert len(store.files("clicks")) == 6


def test_a_forged_pane_that_no_merge_can_hold_stops_it_and_nothing_is_deleted(store):
    """The file is valid; a merge with one more row exceeds the limit."""
    forged = pp.Profile(dataset="clicks", window=window_of(0, 1))
    forged.rows, forged.panes = 2**48, frozenset([("b", 1)])
    filled(store, hourly(1))
    store.put(pp.store.Pane(forged.to_bytes(), "clicks", "2026-01-05_00-00", "b", 1, 1))
    before = store.files("clicks")
    with pytest.raises(PolarsprofError, match="fits no file"):
        compact(store)
    assert store.files("clicks") == before
    assert store.read("clicks").rows == 2**48 + 1


def test_panes_that_track_different_things_are_left_as_they_are(store):
    panes = hourly(2, writers="ab")
    other = pp.profile([{"x": 1}], spec=pp.ProfileSpec(quantiles=False))
    other.dataset, other.window, other.panes = "clicks", window_of(0, 1), frozenset([("c", 1)])
    filled(store, panes)
    store.put(pp.store.Pane(other.to_bytes(), "clicks", "2026-01-05_00-00", "c", 1, 1))
    done = compact(store)
    assert (done.windows, done.windows_left) == (1, 1)
    assert len(store.files("clicks")) == 3 + 1


def test_files_that_name_no_pane_are_left_alone(tmp_path):
    store = filled(pp.ProfileStore(tmp_path), hourly(2, writers="ab"))
    nameless = pp.profile([{"x": 1}])
    nameless.dataset, nameless.window = "clicks", window_of(0, 1)
    nameless.write(tmp_path / "clicks_profile.2026.bin")
    compact(store, "d")
    assert len(store.files("clicks")) == 2
    assert store.read("clicks").rows == 5


def test_a_copy_of_a_file_is_removed_and_one_of_another_data_set_is_not(tmp_path):
    store = filled(pp.ProfileStore(tmp_path), hourly(1))
    only = store.files("clicks")[0]
    shutil.copy(only, tmp_path / "clicks_profile.zz.bin")
    foreign = written("a", 0, window_of(0, 1), dataset="orders")
    (tmp_path / "clicks_profile.orders.bin").write_bytes(foreign.pane.data)
    assert compact(store).files_deleted == 1
    assert [path.name for path in store.files("clicks")] == [only.name, "clicks_profile.orders.bin"]


# ------------------------------------------------------------------------------------------------ deaths at every step


class Died(BaseException):
    """Stands for kill -9: nothing after it takes effect, not even cleanup."""


CALLS = ("open", "link", "unlink", "replace", "fsync", "fdopen", "mkdir", "scandir", "listdir")


@contextmanager
def dying(monkeypatch, step, calls=CALLS, error=None):
    """From the given system call on, all fail; with an error, only that one does."""
    numbers = count()

    def wrapped(working):
        def call(*arguments, **options):
            number = next(numbers)
            if number == step or (number > step and error is None):
                raise Died if error is None else OSError(error, os.strerror(error))
            return working(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for name in calls:
            patch.setattr(os, name, wrapped(getattr(os, name)))
        yield lambda: next(numbers) > step


def crashes(tmp_path, monkeypatch, store, run, error=None):
    """For each system call of a run, a store in which the run died or failed there."""
    for step in count():
        folder = tmp_path / f"died-{step}"
        shutil.copytree(store.folder, folder)
        victim = pp.ProfileStore(folder)
        with dying(monkeypatch, step, error=error) as reached, suppress(Died, OSError, pp.errors.ArgumentError):
            run(victim)
        yield step, pp.ProfileStore(folder)
        shutil.rmtree(folder)
        if not reached():
            return


def orphans(store):
    """Files that are neither panes nor sidecars."""
    hidden = [path for path in store.folder.rglob("*") if path.is_file() and path not in store.files("clicks")]
    return [path.name for path in hidden if path.suffix not in {".lock", ".epoch", ".index"}]


@pytest.mark.slow
@pytest.mark.parametrize("error", [None, errno.EIO, errno.ENOSPC])
def test_it_may_die_or_fail_at_any_call_of_the_system(tmp_path, monkeypatch, error):
    panes = [*hourly(3, writers="ab"), written("c", 7, window_of(1, 1))]
    store = filled(pp.ProfileStore(tmp_path / "store"), panes)
    store.put(panes[0].pane)
    steps = 0
    for step, died in crashes(tmp_path, monkeypatch, store, lambda store: compact(store, "2h"), error):
        assert_answers(died, panes, RANGES[:3])
        compact(died, "2h")
        assert_answers(died, panes, RANGES[:3])
        assert len(died.files("clicks")) == 2
        assert orphans(died) == []
        steps = step
    assert steps > 40


@pytest.mark.slow
@settings(max_examples=15)
@given(panes=pane_lists(), into=INTERVALS, again=INTERVALS, seed=st.randoms(use_true_random=False))
def test_any_panes_survive_deaths_at_any_calls(tmp_path_factory, panes, into, again, seed):
    monkeypatch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("dying")
    store = filled(pp.ProfileStore(folder), panes)
    for interval in (into, again):
        for _ in range(3):
            with dying(monkeypatch, seed.randrange(80)), suppress(Died, OSError):
                compact(pp.ProfileStore(folder), interval)
            assert_answers(store, panes, RANGES[:2])
            store.put(seed.choice(panes).pane)  # a writer that recovers
    compact(store, again)
    assert_answers(store, panes, RANGES)
    assert orphans(store) == []


@pytest.mark.slow
def test_retention_may_die_at_any_call_of_the_system(tmp_path, monkeypatch):
    panes = hourly(4, writers="ab")
    store = filled(pp.ProfileStore(tmp_path / "store"), panes)
    late = SettableClock(at(14))
    for _, died in crashes(tmp_path, monkeypatch, store, lambda store: compact(store, keep="12h", clock=late)):
        found = died.read("clicks")
        assert found.rows == len(found.panes) >= 4
        compact(died, keep="12h", clock=late)
        assert_answers(died, panes[4:], RANGES[:3])


# ------------------------------------------------------------------------------------ others at work between any steps


class Meanwhile(ObjectStoreBackend):
    """An object store that runs a callback before one of its requests."""

    step = -1
    requests = 0
    happens = staticmethod(lambda: None)

    @contextmanager
    def _store_errors(self, operation, name):
        Meanwhile.requests += 1
        if Meanwhile.requests == Meanwhile.step:
            Meanwhile.step = -1
            Meanwhile.happens()
        with super()._store_errors(operation, name):
            yield


def meanwhile(url):
    store = pp.ProfileStore(url)
    store._backend.__class__ = Meanwhile
    return store


@pytest.mark.slow
@pytest.mark.parametrize("other_into", [None, "2h", "d"])
@pytest.mark.parametrize("dies", [False, True])
def test_another_compactor_of_an_object_store_may_come_between_any_requests(tmp_path, other_into, dies):
    """The first one pauses at each request in turn, while others compact and write."""
    panes = hourly(4, writers="ab")
    late = [written("c", 50 + hour, window_of(hour, 1)) for hour in range(4)]
    for step in count(1):
        url = f"memory://{tmp_path}/{step}"
        filled(pp.ProfileStore(url), panes)
        slow = meanwhile(url)

        def happens(url=url):
            other = pp.ProfileStore(url)
            filled(other, late)
            compact(other, other_into)
            filled(other, panes)  # writers that recover
            assert_answers(other, [*panes, *late], RANGES[:3])
            if dies:
                raise Died

        Meanwhile.step, Meanwhile.requests, Meanwhile.happens = step, 0, staticmethod(happens)
        with suppress(Died):
            compact(slow, "2h")
        reached, Meanwhile.step = Meanwhile.step == -1, -1
        after = pp.ProfileStore(url)
        if reached:
            assert_answers(after, [*panes, *late], RANGES[:3])
            compact(after, "d")
            assert_answers(after, [*panes, *late], RANGES[:3])
            assert len(after.files("clicks")) == 1
        else:
            assert step > 20
            return


def test_a_reader_of_an_object_store_sees_every_pane_once_whatever_comes_between(tmp_path):
    panes = hourly(6, writers="ab")
    for step in count(1):
        url = f"memory://{tmp_path}/reader/{step}"
        filled(pp.ProfileStore(url), panes)
        slow = meanwhile(url)
        Meanwhile.step, Meanwhile.requests = step, 0
        Meanwhile.happens = staticmethod(lambda url=url: compact(pp.ProfileStore(url), "2h"))
        found = slow.read("clicks")
        reached, Meanwhile.step = Meanwhile.step == -1, -1
        assert found.rows == len(found.panes) == len(panes)
        if not reached:
            assert step > 10
            return


class Torn:
    """A scan of a folder that runs a callback halfway, and sees later changes in part."""

    def __init__(self, folder, position, happens):
        with SCANDIR(folder) as entries:
            self._entries = sorted(entries, key=lambda entry: entry.name, reverse=True)
        self._position = position
        self._happens = happens

    def __iter__(self):
        yield from self._entries[: self._position]
        self._happens()
        yield from (entry for entry in self._entries[self._position :] if Path(entry.path).exists())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


SCANDIR = os.scandir


@pytest.mark.parametrize("into", [None, "2h", "d"])
def test_a_listing_that_is_overtaken_by_a_compactor_is_made_again(tmp_path, monkeypatch, into):
    panes = hourly(4, writers="ab")
    for position in range(len(panes) + 1):
        store = filled(pp.ProfileStore(tmp_path / str(position)), panes)

        def happens(store=store):
            monkeypatch.undo()
            compact(pp.ProfileStore(store.folder), into)

        def torn(folder, position=position, happens=happens):
            return Torn(folder, position, happens)

        monkeypatch.setattr(os, "scandir", torn)
        found = store.read("clicks")
        assert found.rows == len(found.panes) == len(panes)
        assert os.scandir is SCANDIR


def test_a_plain_name_that_is_given_to_another_pane_while_it_is_read(tmp_path, monkeypatch):
    panes = hourly(2)
    late = written("b", 1, window_of(0, 1))
    store = filled(pp.ProfileStore(tmp_path), panes)
    store.windows("clicks")
    chosen = store._manifests.manifest

    def overtaken(name):
        found = chosen(name)
        monkeypatch.undo()
        compact(pp.ProfileStore(tmp_path), "d")
        assert store.put(late.pane).name == "clicks_profile.2026-01-05_00-00.bin"
        return found

    monkeypatch.setattr(store._manifests, "manifest", overtaken)
    found = store.read("clicks")
    assert found.panes == {one.id for one in [*panes, late]}


@pytest.mark.slow
def test_compactors_writers_and_readers_at_once(store):
    """Two of each; panes have one row, so equal numbers of both mean no pane twice."""
    panes = [written(writer, number, window_of(number % 6, 1)) for number in range(24) for writer in "ab"]
    filled(store, panes[:2])
    done = threading.Event()
    failures = []

    def repeatedly(work):
        try:
            mine = pp.ProfileStore(store.url)
            while not done.is_set():
                work(mine)
        except BaseException as error:  # noqa: BLE001 - shown below
            failures.append(error)

    def look(mine):
        before = set(acknowledged)
        found = mine.read("clicks")
        assert found.rows == len(found.panes)
        assert before <= found.panes

    acknowledged: list[tuple[str, int]] = [one.id for one in panes[:2]]
    works = [lambda mine: compact(mine, "2h"), lambda mine: compact(mine, "d"), look, look]
    threads = [threading.Thread(target=repeatedly, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for one in panes[2:]:
        store.put(one.pane)
        acknowledged.append(one.id)
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    compact(store, "d")
    assert_answers(store, panes, RANGES)
    assert len(store.files("clicks")) == 1


@pytest.mark.slow
def test_kill_9_of_compactors_beside_a_reader(tmp_path):
    code = """
        import sys
        from support.stores import LATER, window_of, written
        import polarsprof as pp
        store, first = pp.ProfileStore("profiles"), int(sys.argv[1])
        for number in range(first, first + 100_000):
            store.put(written("w", number, window_of(number % 7 / 4, 0.25)).pane)
            print(number, flush=True)
            if number % 3 == 0:
                store.compact("clicks", ["h", None, "2h"][number // 3 % 3], clock=LATER, grace=None)
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])}
    store = pp.ProfileStore(tmp_path / "profiles")
    pause = random.Random(4)
    acknowledged: set[int] = set()
    for kill in range(20):
        command = [sys.executable, "-c", textwrap.dedent(code), str(kill * 100_000)]
        with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
            for _ in range(pause.randrange(2, 12)):
                acknowledged.add(int(process.stdout.readline()))
                found = store.read("clicks")
                assert found.rows == len(found.panes)
                assert {("w", number) for number in acknowledged} <= found.panes
            process.send_signal(signal.SIGKILL)
            acknowledged.update(map(int, process.stdout.read().split()))
    found = pp.ProfileStore(store.url).read("clicks")
    assert found.rows == len(found.panes)
    assert {("w", number) for number in acknowledged} <= found.panes
    store.compact("clicks", "2h", clock=LATER, grace=None)
    store.remove_orphan_files()
    assert orphans(store) == []
    assert len(store.files("clicks")) == 1
    assert_profile_equal(store.read("clicks"), found)
