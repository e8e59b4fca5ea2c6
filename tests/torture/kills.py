"""Kills processes that log, one after the other, and counts the result; a program that test_kill.py starts.

To start Python and import Polars takes longer than the work of one process here. So this program imports everything,
never computes, and forks. Its children can compute, because Polars has not started its threads before the fork.

Usage: kills.py FOLDER KILLS SEED; prints one JSON object with totals, and failures with their seeds. SIGTERM ends the
program after the current store.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # the batches are tiny

import email.parser  # noqa: F401 - before the fork, else every child imports it

from torture.disk import CHANGING, Call, Disk
from torture.stream import MOST_ROWS, NOON, SPEC, Ledger, check, finish, live

import polarsprof as pp
from polarsprof.errors import DataWarning
from polarsprof.testing import SettableClock

KILLS_PER_STORE = 16
ROWS_PER_CHILD = (MOST_ROWS - 200) // KILLS_PER_STORE // 2 * 2
NUMBERS_PER_CHILD = 1_000  # more than a child logs, so numbers of children differ
LONGEST_LIFE_S = 0.08
MOST_FAILURES = 10


class Killer:
    """A hook that kills its own process before, during or after the n-th call of some kind."""

    def __init__(self, chance: random.Random) -> None:
        self.names = chance.choice((CHANGING, CHANGING, CHANGING, *((name,) for name in CHANGING)))
        # Half of the kills hit the first few dozen calls, which start up and recover.
        span = 40 if chance.random() < 0.5 else 200
        self.at = chance.randrange(1, span if len(self.names) > 1 else span // 4)
        self.moment = chance.choice(("before", "during", "after"))
        self.share = chance.random()
        self._calls = 0
        self.where: Callable[[str], None] = lambda _: None

    def __call__(self, call: Call, make: Callable[[], Any]) -> Any:
        if call.name not in self.names:
            return make()
        self._calls += 1
        if self._calls != self.at:
            return make()
        self.where(f"{call.name} {call.kind}")
        if self.moment == "during" and call.name == "write":
            os.write(call.handle, call.data[: int(self.share * len(call.data))])
        elif self.moment != "before":
            make()
        os.kill(os.getpid(), signal.SIGKILL)
        return None


def forked(work: Callable[[Callable[[str], None]], None], kill_after_s: float | None) -> tuple[list[str], bool]:
    """Run work in a child; returns its messages and whether it was killed. An error of the child is raised here."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reader)
            work(lambda text: void(os.write(writer, f"{text}\n".encode())))
            code = 0
        except BaseException:  # noqa: BLE001 - the parent raises it
            os.write(writer, f"error {json.dumps(traceback.format_exc())}\n".encode())
        finally:
            os._exit(code)
    os.close(writer)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(pid, signal.SIGKILL)  # not waited for, so the id is still its own
    with os.fdopen(reader) as messages:
        lines = messages.read().splitlines()
    _, status = os.waitpid(pid, 0)
    for line in lines:
        if line.startswith("error "):
            raise RuntimeError(json.loads(line[6:]))
    return lines, os.WIFSIGNALED(status)


def void(_: object) -> None:
    """Return None for any value."""


def store_rounds(folder: Path, seed: int, totals: Counter[str]) -> list[str]:
    """Kill children that write one store, then check it; returns the differences."""
    chance = random.Random(seed)
    way, manual = chance.randrange(100), chance.random() < 0.7
    ledger = Ledger()

    def session_of(number: int) -> tuple[Callable[[], pp.Session], SettableClock | None]:
        # The system clock runs a thread beside; the settable clock makes the order of calls deterministic.
        clock = SettableClock(NOON + number * timedelta(minutes=1)) if manual else None
        return lambda: pp.Session(folder, spec=SPEC, clock=clock, handle_sigterm=False), clock

    for number in range(KILLS_PER_STORE):
        killer = Killer(chance)
        first = NUMBERS_PER_CHILD * number
        child_seed = chance.randrange(2**32)
        at_random = chance.random() < 0.25
        life_s = chance.random() * LONGEST_LIFE_S if at_random else None

        def work(say: Callable[[str], None]) -> None:
            warnings.simplefilter("ignore", DataWarning)
            opened, clock = session_of(number)  # noqa: B023 - the child starts in this round
            killer.where = lambda text: say(f"where {text}")  # noqa: B023
            with Disk(folder, (lambda _, make: make()) if at_random else killer):  # noqa: B023
                live(
                    opened,
                    clock,
                    chance=random.Random(child_seed),  # noqa: B023
                    way=way,
                    first=first,  # noqa: B023
                    most_rows=ROWS_PER_CHILD,
                    report=_reporter(say),
                )

        lines, killed = forked(work, life_s)
        totals["kills"] += killed
        totals["kills at a time"] += killed and at_random
        totals["children that ended"] += not killed
        acknowledged = note(lines, first, ledger, totals)
        totals["rows acknowledged"] += acknowledged

    def look(say: Callable[[str], None]) -> None:
        warnings.simplefilter("ignore", DataWarning)
        opened, _ = session_of(KILLS_PER_STORE)
        # More rows can be durable than were reported: the child died before its report.
        end = ledger.position + 20
        end = max(end, finish(opened, way, end))
        say(json.dumps(asdict(check(folder, ledger, end))))

    lines, _ = forked(look, None)
    verdict = json.loads(lines[-1])
    for name in ("lost", "doubled", "unknown", "torn", "orphans"):
        totals[name] += verdict[name]
    totals["rows acknowledged"] += len(ledger.durable)
    totals["rows counted"] += verdict["rows"]
    totals["stores"] += 1
    return verdict["details"]


def note(lines: list[str], first: int, ledger: Ledger, totals: Counter[str]) -> int:
    """Add the messages of a child to the ledger; returns how many more rows of the source are durable."""
    before = ledger.position
    for line in lines:
        event, _, rest = line.partition(" ")
        if event == "where":
            totals[f"kills at {rest}"] += 1
        elif event in ("logged", "durable"):
            getattr(ledger, event).update(2 * row for row in range(first, int(rest)))
        elif int(rest) < ledger.position:
            msg = f"the source was durable up to {ledger.position}, the next logger reads from {rest}"
            raise AssertionError(msg)
        else:
            ledger.position = int(rest)
    return ledger.position - before


def _reporter(say: Callable[[str], None]) -> Callable[[str, int], None]:
    return lambda event, number: say(f"{event} {number}")


def main(place: str, kills: int, seed: int) -> None:
    """Kill a number of processes, in as many stores as needed."""
    totals: Counter[str] = Counter()

    def one(folder: Path, seed: int) -> list[str] | None:
        return store_rounds(folder, seed, totals) if totals["kills"] < kills else None

    play_stores(place, seed, one, totals, MOST_FAILURES)


def play_stores(
    place: str, seed: int, one: Callable[[Path, int], list[str] | None], totals: Counter[str], most_failures: int
) -> None:
    """Play one store after the other until `one` returns None instead of a list of differences, or SIGTERM comes.

    Prints totals and failures. The folder of a store that differs is kept.
    """
    failures: list[str] = []
    begun = time.monotonic()
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    while len(failures) < most_failures and not ended:
        folder = Path(place, f"store-{seed}", "profiles")
        folder.parent.mkdir(parents=True)
        try:
            wrong = one(folder, seed)
        except Exception as error:  # noqa: BLE001 - reported with its seed
            wrong = [f"{type(error).__name__}: {error}"]
        if wrong is None:
            break
        if wrong:
            failures.append(f"seed {seed}, {folder}: {'; '.join(wrong)}")
        else:
            shutil.rmtree(folder.parent)
        seed += 1
    print(json.dumps({**totals, "seconds": round(time.monotonic() - begun), "failures": failures}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
