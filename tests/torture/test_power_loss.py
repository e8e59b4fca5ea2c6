"""After a power cut at any call: flushed rows count once, rows of a source exactly once."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta

from torture.disk import Disk
from torture.powercut import PowerCut, Recorder
from torture.stream import NOON, SPEC, Ledger, Verdict, check, finish, live

import polarsprof as pp
from polarsprof.testing import SettableClock

LIVES = 4
ROWS_PER_LIFE = 60
LAST_CALL = 250


def trace(folder, seed: int, totals: Counter[str]) -> Verdict:
    """Several processes, each ended by a power cut; each one starts from the folder that the cut before left."""
    chance = random.Random(seed)
    way, ledger = chance.randrange(100), Ledger()
    place = folder / "0"
    place.mkdir()
    for life in range(LIVES):
        clock = SettableClock(NOON + life * timedelta(minutes=1))
        sessions: list[pp.Session] = []

        def opened(place=place, clock=clock, sessions=sessions):
            sessions.append(pp.Session(place / "profiles", spec=SPEC, clock=clock, handle_sigterm=False))
            return sessions[-1]

        def report(event, number, life=life):
            numbers = {2 * row for row in range(1_000 * life, number)}
            if event == "logged":
                ledger.logged |= numbers
            elif event == "durable":
                ledger.durable |= numbers
            else:
                assert number >= ledger.position, "the source was durable beyond this position"
                ledger.position = number

        # Half of the cuts come while a logger starts and recovers its predecessor.
        recorder = Recorder(place, chance.randrange(1, chance.choice((50, LAST_CALL))))
        with Disk(place, recorder):
            try:
                live(
                    opened,
                    clock,
                    chance=random.Random(chance.random()),
                    way=way,
                    first=1_000 * life,
                    most_rows=ROWS_PER_LIFE,
                    report=report,
                )
            except PowerCut:
                totals["cuts"] += 1
        for session in sessions:
            session.disown()
            session.abandon()
        following = folder / str(life + 1)
        recorder.materialize(following, chance)
        place = following
    clock = SettableClock(NOON + LIVES * timedelta(minutes=1))
    end = ledger.position + 20

    def session():
        return pp.Session(place / "profiles", spec=SPEC, clock=clock, handle_sigterm=False)

    end = max(end, finish(session, way, end))  # more rows can be durable than were reported
    totals["rows acknowledged"] += len(ledger.durable) + ledger.position
    return check(place / "profiles", ledger, end)


def test_power_loss(tmp_path, torture):
    torture.play("power loss", tmp_path, trace, "traces", torture.seeds(short=100, share=5))
