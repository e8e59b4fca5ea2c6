"""The rules of locks: their order, and the four promises to handlers, the main thread, forked children and scrapes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from datetime import UTC, datetime

import pytest

import polarsprof as pp
from polarsprof import _threads
from polarsprof._threads import Rank, ranked_lock, uninterrupted
from polarsprof.stream.rotation import Rotation
from polarsprof.testing import SettableClock

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def session(tmp_path):
    with pp.Session(tmp_path, clock=SettableClock(NOON)) as session:
        yield session


def test_a_handler_may_log(session, monkeypatch):
    """In the midst of any work: while a batch is folded in, under the work lock of the same logger."""
    logger = session.logger("orders")
    add, handled = Rotation.add, []

    def signaled(rotation, batch, arrival_us, *rest):
        if not handled:
            handled.append(batch.rows)
            os.kill(os.getpid(), signal.SIGUSR1)
        add(rotation, batch, arrival_us, *rest)

    before = signal.signal(signal.SIGUSR1, lambda *_: logger.log({"price": 2}))
    monkeypatch.setattr(Rotation, "add", signaled)
    try:
        logger.log({"price": 1})
        logger.flush()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert handled == [1]
    assert logger.profile["price"].sum == 3


def test_the_main_thread_leaves_nothing_half_done(session, monkeypatch):
    """An exception of a handler comes after the work, at every call that works."""
    logger = session.logger("orders")
    add = Rotation.add

    def interrupted(rotation, batch, arrival_us, *rest):
        signal.raise_signal(signal.SIGINT)
        add(rotation, batch, arrival_us, *rest)

    monkeypatch.setattr(Rotation, "add", interrupted)
    for number, call in enumerate((logger.flush, lambda: logger.profile, logger.close)):
        logger.log({"price": number})
        with pytest.raises(KeyboardInterrupt):
            call()
    monkeypatch.undo()
    logger.close()
    assert session.store.read("orders")["price"].sum == 0 + 1 + 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_fork_disowns(tmp_path):
    """Each public call of a logger raises or returns in the child, even if a thread held every lock at the fork."""
    code = """
        import os, threading, warnings
        import polarsprof as pp
        from polarsprof.errors import ClosedError
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
        session = pp.Session("profiles")
        logger = session.logger("orders")
        logger.log({"price": 1})
        held, done = threading.Event(), threading.Event()

        def hold():
            with session._lock, logger._worker._lock, logger._worker._writer.checkpoints.lock:
                with logger._accumulator._lock, logger._accumulator.buffer._lock:
                    held.set()
                    done.wait()

        threading.Thread(target=hold, daemon=True).start()
        held.wait()
        if (child := os.fork()) == 0:
            for call in (lambda: logger.log({"price": 2}), logger.flush, lambda: logger.profile,
                         lambda: logger.log_frame({}), lambda: session.logger("other")):
                try:
                    call()
                except (ClosedError, ValueError):
                    continue
                os._exit(1)
            session.get_logger("orders").counters, logger.positions, logger.rejected, repr(session), repr(logger)
            logger.close()
            session.close()
            os._exit(0 if session.status() == {} else 2)
        assert os.waitpid(child, 0)[1] == 0
        done.set()
        session.close()
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert pp.ProfileStore(tmp_path / "profiles").read("orders")["price"].sum == 1


def test_a_scrape_never_waits(session):
    """The state for metrics is there while other threads hold the locks of session, work and checkpoints."""
    logger = session.logger("orders")
    session.watch()
    logger.log({"price": 1})
    _ = logger.profile
    held, done = threading.Event(), threading.Event()

    def hold():
        with session._lock, logger._worker._lock, logger._worker._writer.checkpoints.lock:
            held.set()
            assert done.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(60)
    try:
        assert session.status()["orders"].counters["rows_profiled"] == 1
        assert session.select("orders", lambda paths: paths, timeout_s=0.0) is None
    finally:
        done.set()
        holder.join()
    assert session.select("orders", lambda paths: paths, timeout_s=60.0)["price"].sum == 1


# ------------------------------------------------------------------------------------------------------- ranked locks


@pytest.fixture
def checked(monkeypatch):
    monkeypatch.setattr(_threads, "_CHECKS_ORDER", True)


def test_a_checked_lock_is_reentrant_and_keeps_its_order(checked):
    work, buffer = ranked_lock(Rank.WORK), ranked_lock(Rank.BUFFER)
    with work, buffer, work, buffer:
        assert work._is_owned()
        assert buffer._is_owned()
    assert not work._is_owned()
    with work:  # nothing is left of the buffer
        pass


@pytest.mark.parametrize("rank", [Rank.SESSION, Rank.WORK])
def test_a_lock_out_of_order_is_refused(checked, rank):
    work, other = ranked_lock(Rank.WORK), ranked_lock(rank)
    with work:
        with pytest.raises(AssertionError, match=f"{rank.name} taken while holding WORK"):
            other.acquire()
        assert not other._is_owned()
    with other:
        pass


def test_two_buffers_may_be_held_together(checked):
    with ranked_lock(Rank.BUFFER), ranked_lock(Rank.BUFFER):
        pass


def test_the_order_is_that_of_one_thread(checked):
    work, session = ranked_lock(Rank.WORK), ranked_lock(Rank.SESSION)
    with work:
        taker = threading.Thread(target=lambda: session.acquire() and session.release())
        taker.start()
        taker.join()
    assert not session._is_owned()


def test_a_timeout_leaves_no_trace(checked):
    work, taken, done = ranked_lock(Rank.WORK), threading.Event(), threading.Event()

    def hold():
        with work:
            taken.set()
            done.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    assert taken.wait(60)
    assert not work.acquire(timeout=0)
    done.set()
    holder.join()
    with ranked_lock(Rank.SESSION):  # of a lower rank: allowed, because `work` is not held
        pass


def test_without_checks_it_is_a_plain_lock(monkeypatch):
    monkeypatch.setattr(_threads, "_CHECKS_ORDER", False)
    assert type(ranked_lock(Rank.WORK)) is type(threading.RLock())


def test_uninterrupted_work_raises_what_it_raises():
    with pytest.raises(ZeroDivisionError):
        uninterrupted(divmod, 1, 0)
    assert uninterrupted(divmod, 7, 2) == (3, 1)
