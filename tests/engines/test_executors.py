"""Work on an executor gives the profile of one process, in one order of merges, or a clear error."""

from __future__ import annotations

import multiprocessing
import random
import signal
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import strategies
from support.errands import NeedsMoreError, fail, pair

import polarsprof as pp
from polarsprof.engines import splits
from polarsprof.engines.executors import spread
from polarsprof.errors import ArgumentError, ClosedError, PolarsprofError
from polarsprof.testing import assert_profile_equal

SPAWN = multiprocessing.get_context("spawn")
KINDS = ["processes", "threads", "pool", "dask"]


@pytest.fixture(scope="module")
def processes():
    with ProcessPoolExecutor(2, mp_context=SPAWN) as executor:
        yield executor


@pytest.fixture(scope="module")
def threads():
    with ThreadPoolExecutor(3) as executor:
        yield executor


@pytest.fixture(scope="module")
def pool():
    with SPAWN.Pool(2) as executor:
        yield executor
        executor.close()
        executor.join()


@pytest.fixture(scope="module")
def dask():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(params=KINDS)
def executor(request):
    return request.getfixturevalue(request.param)


# ------------------------------------------------------------------------------------------------- one order of merges


class Lazy:
    """Futures that run when waited for, or at random before."""

    def __init__(self, seed: int, *, takes_futures: bool) -> None:
        self.takes_futures = takes_futures
        self.random = random.Random(seed)
        self.waiting: list[LazyFuture] = []
        self.max_waiting = 0

    def submit(self, function, *arguments):
        future = LazyFuture(self, function, arguments)
        self.waiting.append(future)
        self.max_waiting = max(self.max_waiting, len(self.waiting))
        if self.random.random() < 0.3:
            self.random.choice(self.waiting).result()
        return future


class LazyFuture:
    def __init__(self, executor: Lazy, function, arguments) -> None:
        self.executor, self.function, self.arguments = executor, function, arguments
        self.done = False

    def result(self):
        if not self.done:
            self.executor.waiting.remove(self)
            self.done = True
            is_future = [isinstance(argument, LazyFuture) for argument in self.arguments]
            assert self.executor.takes_futures or not any(is_future)
            known = [a.result() if of else a for a, of in zip(self.arguments, is_future, strict=True)]
            self.value = self.function(*known)
        return self.value

    def exception(self):
        self.result()

    def cancel(self):
        assert self.done


class Mapping:
    def map(self, function, arguments):
        return map(function, arguments)


def groups_of_16(nodes: list[object]) -> object:
    while len(nodes) > 1:
        groups = [nodes[start : start + 16] for start in range(0, len(nodes), 16)]
        nodes = [tuple(group) if len(group) > 1 else group[0] for group in groups]
    return nodes[0] if nodes else None


@given(st.integers(0, 40) | st.integers(0, 5_000), st.integers(0, 10))
@settings(max_examples=40)
def test_results_merge_in_one_order_for_any_timing(count, seed):
    expected = groups_of_16(list(range(count)))
    for executor in (Lazy(seed, takes_futures=False), Lazy(seed, takes_futures=True), Mapping()):
        assert spread(executor, int, iter(range(count)), pair) == expected


@pytest.mark.parametrize(("takes_futures", "bound"), [(False, 256), (True, 4_096)])
def test_a_bounded_number_of_splits_is_in_flight(takes_futures, bound):
    executor = Lazy(0, takes_futures=takes_futures)
    executor.random.random = lambda: 1.0  # no work runs before it is waited for
    spread(executor, int, iter(range(10_000)), pair)
    assert bound <= executor.max_waiting <= bound + bound // 8


def test_the_order_is_one_for_all_executors(processes, threads, pool, dask):
    expected = groups_of_16(list(range(290)))
    for executor in (processes, threads, pool, dask):
        assert spread(executor, int, range(290), pair) == expected


# ------------------------------------------------------------------------------------------------ equal to one process


@pytest.fixture
def folder(tmp_path):
    """Files of all formats with different columns; some are empty, some have bad lines."""
    random_ = random.Random(7)
    for name in "ab":
        rows = 5_000
        frame = pl.DataFrame(
            {
                "number": [random_.gauss(0, 1e3) for _ in range(rows)],
                "text": [random_.choice("uvwxyz") * random_.randrange(4) for _ in range(rows)],
                "list": [[i % 7] * (i % 3) for i in range(rows)],
            }
        )
        frame.write_parquet(tmp_path / f"{name}.parquet", row_group_size=700)
    frame.select(number=pl.col("text"), other=pl.col("number").cast(pl.Int64)).write_ipc(tmp_path / "c.arrow")
    frame.clear().write_parquet(tmp_path / "d.parquet")
    (tmp_path / "e.csv").write_text("number,text\n1.5,a\n2,b,too many\n" + "3,c\n" * 100)
    (tmp_path / "f.ndjson").write_text('{"number": 1}\nno json\n{"number": "x", "late": true}\n' * 50)
    (tmp_path / "g.ndjson").write_text("")
    return tmp_path


def test_the_profile_equals_that_of_one_process(folder, executor, monkeypatch):
    monkeypatch.setattr(splits, "_SPLIT_BYTES", 20_000)
    assert sum(split.span is not None for split in splits.splits_of(folder)) >= 4
    spec = pp.ProfileSpec(k=512, lg_k=11)
    expected = pp.profile(folder, spec=spec)
    found = pp.profile(folder, spec=spec, tags={"owner": "team"}, metadata={"a": "b"}, executor=executor)
    assert_profile_equal(found, expected)
    assert found.rejected.total() == 51
    assert (found.spec, found.tags, found.metadata) == (spec, {"owner": "team"}, {"a": "b"})
    assert pp.profile(folder, spec=spec, executor=executor)["number"].sum == found["number"].sum


def test_figures_are_equal_to_the_last_digit_with_all_executors(folder, processes, threads, pool, dask):
    first, *others = [pp.profile(folder, executor=executor) for executor in (processes, threads, pool, dask)]
    for other in others:
        assert_profile_equal(first, other, relative_error=0.0)


@given(st.data())
@settings(max_examples=40)
def test_any_files_and_splits_give_the_same_profile(threads, data):
    frame = data.draw(strategies.frames(max_rows=30))
    files = data.draw(strategies.cuts(frame.height))
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(splits, "_SPLIT_BYTES", data.draw(st.sampled_from([1, 500, 2_000, 10**9])))
        patch.setattr(splits, "_SPLIT_FILES", data.draw(st.integers(1, 4)))
        for number, rows in enumerate(files):
            part = frame[rows]
            if data.draw(st.booleans()):
                part.write_ipc(Path(name, f"{number}.arrow"))
            else:
                part.write_parquet(Path(name, f"{number}.parquet"), row_group_size=data.draw(st.integers(1, 9)))
        listed = data.draw(st.permutations(sorted(Path(name).iterdir())))
        assert_profile_equal(pp.profile(listed, executor=threads), pp.profile(listed))
        assert_profile_equal(pp.profile(listed, executor=Mapping()), pp.profile(listed))


def test_splits_have_each_row_once(folder, monkeypatch):
    monkeypatch.setattr(splits, "_SPLIT_BYTES", 20_000)
    found = list(splits.splits_of(folder))
    for name in "ab":
        spans = [split.span for split in found if split.files == (str(folder / f"{name}.parquet"),)]
        assert [first for first, _ in spans] == [sum(rows for _, rows in spans[:at]) for at in range(len(spans))]
        assert sum(rows for _, rows in spans) == 5_000
        assert all(rows % 700 == 0 for _, rows in spans[:-1])  # whole row groups


def test_no_path_and_one_path(folder, executor):
    assert_profile_equal(pp.profile([], executor=executor), pp.Profile())
    one = folder / "e.csv"
    assert_profile_equal(pp.profile(one, executor=executor), pp.profile(one))
    assert_profile_equal(pp.profile(iter([one, str(one)]), executor=executor), pp.profile([one, one]))


# -------------------------------------------------------------------------------------------------------- clear errors


def test_an_error_comes_back_unchanged_with_the_path(folder, executor):
    (folder / "broken.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ArgumentError, match=r"broken\.parquet"):
        pp.profile([folder / "a.parquet", folder / "broken.parquet"], executor=executor)
    (folder / "a.parquet").rename(folder / "broken.parquet")
    assert pp.profile(folder / "broken.parquet", executor=executor).rows == 5_000  # no error is cached


@pytest.mark.parametrize("data", [pl.DataFrame({"a": [1]}), [{"a": 1}], [pl.DataFrame()], {"a": 1}, b"x", 7, [None]])
def test_an_executor_takes_only_paths(threads, data):
    with pytest.raises(ArgumentError, match="with an executor, a path or an iterable of paths"):
        pp.profile(data, executor=threads)


def test_a_path_that_matches_nothing_and_an_unknown_suffix(folder, threads):
    with pytest.raises(ArgumentError, match="an existing file"):
        pp.profile([folder / "a.parquet", folder / "missing.parquet"], executor=threads)
    (folder / "x.unknown").touch()
    with pytest.raises(ArgumentError, match="a file that ends in one of"):
        pp.profile(folder / "x.unknown", executor=threads)


class Asynchronous:
    asynchronous = True

    def submit(self, *_):
        raise AssertionError


@pytest.mark.parametrize("executor", [ThreadPoolExecutor, object(), "processes", 2, Asynchronous()])
def test_an_object_without_submit_or_map_is_refused(executor, folder):
    with pytest.raises(ArgumentError, match="an executor with submit or map"):
        pp.profile(folder, executor=executor)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL")
def test_a_worker_that_is_killed_is_an_error():
    with ProcessPoolExecutor(1, mp_context=SPAWN) as executor, pytest.raises(BrokenProcessPool):
        spread(executor, signal.raise_signal, [signal.SIGKILL] * 3, pair)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
@pytest.mark.parametrize("pool_of", [ProcessPoolExecutor, lambda number, mp_context: mp_context.Pool(number)])
def test_forked_processes_refuse_to_work_instead_of_hanging(pool_of, folder):
    pp.profile(folder)
    forking = multiprocessing.get_context("fork")
    with pool_of(1, mp_context=forking) as executor, pytest.raises(ClosedError, match="spawn"):
        pp.profile(folder, executor=executor)


@pytest.mark.parametrize(
    ("split", "message"), [("panic", "PanicException: a bug"), ("unpicklable", "NeedsMoreError: 1 and 2")]
)
def test_an_error_that_cannot_be_pickled_is_replaced(split, message, executor):
    # Dask can send more errors.
    with pytest.raises((PolarsprofError, NeedsMoreError), match=message.removeprefix("NeedsMoreError: ")):
        spread(executor, fail, [split], pair)


def test_an_interrupt_cancels_work_that_has_not_started():
    started, released = [], threading.Event()

    def work(split):
        started.append(split)
        released.wait()

    def interrupted():
        yield from range(5)
        raise KeyboardInterrupt

    with ThreadPoolExecutor(1) as executor:
        with pytest.raises(KeyboardInterrupt):
            spread(executor, work, interrupted(), pair)
        released.set()
    assert started in ([], [0])
