"""Simulations from one seed: clocks jump, writers crash, stores are unreachable, disks are full.

Several writers of one data set take turns in one process; a crash is a session that is disowned. In every case each
flushed row counts once, no row counts twice, and rows logged = profiled + rejected + buffered.
"""

from __future__ import annotations

import errno
import random
from collections import Counter
from datetime import timedelta

from torture.disk import Disk
from torture.stream import NOON, SPEC, Ledger, check, logger_of

import polarsprof as pp
from polarsprof.testing import SettableClock

WRITERS = 3
STEPS = 25
# Both ends of the range of times, a second that Berlin has twice, one it skips, the last second before a leap second.
WILD_TIMES = (
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "2026-10-25T02:30:00+01:00",
    "2026-03-29T02:30:00+01:00",
    "1969-12-31T23:59:59.999999Z",
    "2016-12-31T23:59:59Z",
    "no time",
    None,
)
JUMPS_S = (1, 1, 7, 61, 3_600, 90_000, -1, -3_600, -90_000)


class AwayStore(pp.ProfileStore):
    """A store that can be unreachable."""

    away = False

    def put(self, pane):
        if self.away:
            raise OSError(errno.EHOSTUNREACH, "No route to host")
        return super().put(pane)


class World:
    def __init__(self, folder, seed: int) -> None:
        self.chance = chance = random.Random(seed)
        self.folder = folder / "profiles"
        self.clock = SettableClock(NOON)
        self.store = AwayStore(self.folder)
        self.full = False
        self.way = chance.randrange(100)
        self.ledger = Ledger()
        self.next_row = self.position = 0
        self.sessions: list[pp.Session | None] = [None] * WRITERS
        self.fresh: list[set[int]] = [set() for _ in range(WRITERS)]

    def hook(self, call, make):
        if self.full and ".writers" in call.path and call.name in ("open", "write", "mkdir") and call.kind != "folder":
            raise OSError(errno.ENOSPC, "No space left on device")
        return make()

    def logger(self, place: int):
        if self.sessions[place] is None:
            store = self.store if place else AwayStore(self.folder)  # the first writer's store is never unreachable
            self.sessions[place] = pp.Session(store, spec=SPEC, clock=self.clock, handle_sigterm=False)
        return logger_of(self.sessions[place], self.way)

    def row(self, number: int):
        chance = self.chance
        moment = self.clock.now - timedelta(seconds=chance.choice((0, 0, 0, 1, 8, 40, 400)))
        return {"x": number, "t": chance.choice(WILD_TIMES) if chance.random() < 0.1 else moment}

    def step(self) -> None:
        chance, place = self.chance, self.chance.randrange(WRITERS)
        kinds = ("log", "source", "flush", "clock", "crash", "close", "store", "space")
        action = chance.choices(kinds, (30, 12, 22, 18, 6, 4, 4, 4))[0]
        getattr(self, f"do_{action}")(place)
        for session in self.sessions:
            if session is not None:
                self.balance(session)

    def balance(self, session) -> None:
        try:
            counts = session.get_logger("dataset").counters
        except ValueError:
            return
        assert counts["rows_logged"] >= counts["rows_profiled"] + counts["rows_rejected"]
        assert counts["rows_rejected"] == counts["rows_dropped"] == 0

    def do_log(self, place) -> None:
        logger, rows = self.logger(place), self.chance.randrange(1, 6)
        for number in range(self.next_row, self.next_row + rows):
            self.ledger.logged.add(2 * number)
            self.fresh[place].add(2 * number)
            logger.log(self.row(2 * number))
        self.next_row += rows

    def do_source(self, place) -> None:
        """Only the first writer reads the source."""
        if place:
            return
        rows, logger = self.chance.randrange(1, 6), self.logger(0)
        records = [self.row(2 * at + 1) for at in range(self.position, self.position + rows)]
        self.position += rows
        logger.log_records(records, positions={"topic": self.position})

    def do_flush(self, place) -> None:
        try:
            self.logger(place).flush()
        except OSError:
            assert self.full or self.store.away
            return
        self.ledger.durable |= self.fresh[place]
        self.fresh[place].clear()

    def do_clock(self, place) -> None:
        self.clock.advance(timedelta(seconds=self.chance.choice(JUMPS_S)))

    def do_crash(self, place) -> None:
        session = self.sessions[place]
        if session is None or (place == 0 and self.full):  # the next writer could not read the position of the source
            return
        session.disown()
        session.abandon()
        self.sessions[place] = None
        self.fresh[place].clear()
        if place == 0:
            self.position = self.logger(0).positions.get("topic", 0)

    def do_close(self, place) -> None:
        session = self.sessions[place]
        if session is None:
            return
        try:
            session.close()
        except OSError:
            assert self.full or self.store.away
            self.full = self.store.away = False
            session.close()
        self.ledger.durable |= self.fresh[place]
        self.fresh[place].clear()
        self.sessions[place] = None
        if place == 0:
            self.full = False
            before, self.position = self.position, self.logger(0).positions.get("topic", 0)
            assert before == self.position

    def do_store(self, place) -> None:
        self.store.away = not self.store.away

    def do_space(self, place) -> None:
        self.full = not self.full

    def end(self) -> None:
        """Every writer starts and closes once more, with the store reachable and space on the disk."""
        self.full = self.store.away = False
        self.logger(0)  # so that the position of the source is read
        for place in reversed(range(WRITERS)):
            self.do_close(place)
        self.logger(0).close()
        self.sessions[0].close()


def simulate(folder, seed: int, totals: Counter[str]):
    world = World(folder, seed)
    with Disk(folder, world.hook):
        for _ in range(STEPS):
            world.step()
        world.end()
    totals["rows acknowledged"] += len(world.ledger.durable) + world.position
    totals["events"] += STEPS
    return check(world.folder, world.ledger, world.position)


def test_simulation(tmp_path, torture):
    torture.play("simulation", tmp_path, simulate, "seeds", torture.seeds(short=200))
