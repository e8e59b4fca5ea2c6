"""Each file system call fails once in each way: no row is lost, no file is torn, `log` never raises.

The calls come from one fixed stream, including the recovery of a crashed writer. After the fault all calls work.
"""

from __future__ import annotations

import errno
import itertools
import os
import random
import shutil
import warnings
from collections import Counter
from datetime import timedelta

import pytest
from torture.disk import Disk
from torture.stream import NOON, SPEC, Ledger, Source, check, finish, live, logger_of

import polarsprof as pp
from polarsprof.errors import DataWarning
from polarsprof.testing import SettableClock

FAULTS = ("ENOSPC", "EIO", "EINTR", "EMFILE", "EROFS", "short write", "torn write", "done, but EIO")
WAY = 0


class Fault:
    """A hook that makes the n-th suitable call fail; `done` then names the call."""

    def __init__(self, kind: str, at: int) -> None:
        self.kind, self.at = kind, at
        self.calls = 0
        self.done = ""

    def __call__(self, call, make):
        if self.kind.endswith("write") and call.name != "write":
            return make()
        self.calls += 1
        if self.calls != self.at:
            return make()
        self.done = f"{call.name} {call.kind}"
        if self.kind.endswith("write"):
            written = os.write(call.handle, call.data[: max(1, len(call.data) // 2)])
            if self.kind == "short write":  # no error: the caller must write the rest
                return written
            raise OSError(errno.ENOSPC, "No space left on device")
        if call.name == "close" or (self.kind.startswith("done") and call.name not in ("read", "list")):
            make()  # the handle is closed although close fails
            if call.name == "open":  # a failed open returns no handle
                os.close(call.handle)
        number = errno.EIO if self.kind.startswith("done") else getattr(errno, self.kind)
        raise OSError(number, os.strerror(number))  # raises the subclass for the number, such as InterruptedError


@pytest.fixture
def crashed(tmp_path):
    """A store with a crashed writer: open windows, rows in its journal, positions, and the expected ledger."""
    ledger = Ledger()
    place = tmp_path / "crashed"
    place.mkdir()
    clock = SettableClock(NOON)

    def opened():
        return pp.Session(place / "profiles", spec=SPEC, clock=clock, handle_sigterm=False)

    def report(event, number):
        if event == "logged":
            ledger.logged |= {2 * row for row in range(number)}

    session = live(opened, clock, chance=random.Random(5), way=WAY, first=0, most_rows=60, report=report)
    logger_of(session, WAY).flush()
    ledger.position = logger_of(session, WAY).positions["topic"]
    ledger.durable |= ledger.logged
    session.disown()
    session.abandon()
    assert any(path.suffix == ".checkpoint" for path in (place / "profiles" / ".writers").iterdir())
    return place, ledger


class Run:
    """The stream on a copy of the store with one fault; `copy` is the store after the next successful `flush`."""

    def __init__(self, folder, crashed, fault: Fault) -> None:
        place, before = crashed
        self.ledger = Ledger(set(before.durable), set(before.logged), before.position)
        self.fault, self.place, self.copy = fault, folder / "run", folder / "copy"
        self.promised = None
        self.texts = []
        shutil.copytree(place, self.place)
        self.clock = SettableClock(NOON + timedelta(minutes=1))

    def session(self):
        return pp.Session(self.place / "profiles", spec=SPEC, clock=self.clock, handle_sigterm=False)

    def opened(self):
        """A session and its logger; a new one if the logger warns that it could not read the state of other writers.

        Such a logger does not know its positions, and a source read from the beginning counts rows twice.
        """
        for _ in range(3):
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always", DataWarning)
                session = self.session()
                logger = logger_of(session, WAY)
            self.texts += [str(each.message) for each in warned]
            if not any("cannot be" in str(each.message) for each in warned):
                return session, logger
            self.closed(session)
        pytest.fail(f"no logger: {self.texts}")

    def closed(self, session):
        for left in (1, 0):
            try:
                session.close()
            except OSError:
                assert left, "close() fails although the fault is over"
            else:
                return

    def flush(self, logger, source):
        try:
            logger.flush()
        except OSError:
            if not self.fault.done:
                raise
            return
        self.ledger.durable |= {2 * row for row in range(1_000, source.next_row)}
        if self.fault.done and self.promised is None:
            shutil.copytree(self.place, self.copy)  # the state after a crash at this moment
            self.promised = Ledger(set(self.ledger.durable), set(self.ledger.logged), logger.positions.get("topic", 0))

    def go(self):
        chance = random.Random(7)
        source = Source(chance, 1_000)
        with Disk(self.place, self.fault):
            session, logger = self.opened()
            position = logger.positions.get("topic", 0)
            assert position == self.ledger.position
            for step in range(12):
                for record in source.plain(3):
                    self.ledger.logged.add(record["x"])
                    logger.log(record)
                if step % 3 == 1:
                    position += 4
                    logger.log_records(source.replayed(position - 4, 4), positions={"topic": position})
                if step % 2:
                    self.flush(logger, source)
                if step % 4 == 3:
                    self.clock.advance(timedelta(seconds=7))
                counts = logger.counters
                assert counts["rows_logged"] >= counts["rows_profiled"] + counts["rows_rejected"]
            self.closed(session)
        counts = logger.counters
        assert counts["rows_logged"] == counts["rows_profiled"] + counts["rows_rejected"]
        assert counts["rows_rejected"] == counts["rows_dropped"] == counts["panes_waiting"] == 0
        self.ledger.durable |= self.ledger.logged
        return position

    def look(self, place, ledger, position):
        finish(lambda: pp.Session(place / "profiles", spec=SPEC, clock=self.clock, handle_sigterm=False), WAY, position)
        return check(place / "profiles", ledger, position)


def outcome(folder, crashed, fault: Fault, totals: Counter[str]) -> str:
    """The differences after the fault; empty if there are none or the fault never happened."""
    folder.mkdir()
    run = Run(folder, crashed, fault)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        position = run.go()
        verdicts = [run.look(run.place, run.ledger, position)]
        if run.promised is not None:
            verdicts.append(run.look(run.copy, run.promised, run.promised.position))
            totals["crashes after a flush"] += 1
    totals["faults"] += bool(fault.done)
    if all(verdict.good for verdict in verdicts):
        shutil.rmtree(folder)
        return ""
    return "; ".join(detail for verdict in verdicts for detail in verdict.details)


def test_faults(tmp_path, torture, crashed):
    """The long run tries all calls with all faults; the short run tries every fault at some calls."""
    totals: Counter[str] = Counter()
    wrong = []
    for place, kind in enumerate(FAULTS):
        step = 1 if torture.long else len(FAULTS) * 5
        for at in itertools.count(1 if torture.long else 1 + (5 * place + torture.seed) % step, step):
            fault = Fault(kind, at)
            try:
                text = outcome(tmp_path / f"{place}-{at}", crashed, fault, totals)
            except Exception as error:  # noqa: BLE001 - the other faults are tried too
                text = f"{type(error).__name__}: {error}"
            if text:
                wrong.append(f"{kind} at call {at}, {fault.done}: {text}")
            if not fault.done:
                break
    torture.tell("faults", totals)
    assert not wrong, "\n".join(wrong)
