"""A disk that damages what it kept: the last good checkpoint counts, nothing twice, and a warning names the file."""

from __future__ import annotations

import random
import shutil
import warnings
from collections import Counter
from datetime import timedelta

import pytest
from torture.stream import NOON, SPEC, Ledger, Verdict, check, logger_of

import polarsprof as pp
from polarsprof.errors import DataWarning
from polarsprof.testing import SettableClock

WAY = 0
KINDS = ("truncated", "flipped", "emptied", "zeroed")


def session_of(folder, minutes: int = 0) -> pp.Session:
    clock = SettableClock(NOON + minutes * timedelta(minutes=1))
    return pp.Session(folder, spec=SPEC, clock=clock, handle_sigterm=False)


def crashed(folder, chance: random.Random) -> Ledger:
    """A store whose writer saved a few checkpoints, with windows sealed between them, flushed and died."""
    ledger = Ledger()
    session = session_of(folder)
    logger = logger_of(session, WAY)
    number = 0
    for window in range(chance.randrange(2, 6)):
        for _ in range(chance.randrange(1, 4)):
            for _ in range(chance.randrange(1, 4)):
                logger.log({"x": 2 * number, "t": NOON + timedelta(seconds=10 * window)})
                ledger.logged.add(2 * number)
                number += 1
            logger.flush()
        if chance.random() < 0.5:
            session._clock.advance(timedelta(seconds=6))
    logger.flush()
    session.disown()
    session.abandon()
    return ledger


def damage(path, kind: str, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    if kind == "truncated":
        del data[chance.randrange(len(data)) :]
    elif kind == "emptied":
        data.clear()
    elif kind == "zeroed":
        data[:] = bytes(len(data))
    else:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def look(folder, ledger: Ledger) -> tuple[Verdict, list[str]]:
    """What is counted after the next two starts, neither of which may raise; and the warnings."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", DataWarning)
        for minutes in (1, 2):
            with session_of(folder, minutes) as session:
                logger_of(session, WAY)
    return check(folder, ledger, 0), [str(each.message) for each in told]


def files_of(folder, ending: str):
    return sorted(folder.joinpath(".writers").glob(f"*.{ending}"), key=lambda path: int(path.name.split(".")[2]))


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_good_checkpoint_counts(tmp_path, torture, kind):
    """Rows of windows that are open in both checkpoints are in the journals too, so nothing is lost either."""
    totals: Counter[str] = Counter()
    for seed in torture.seeds(short=4, share=100):
        folder = tmp_path / str(seed)
        chance = random.Random(seed)
        ledger = crashed(folder, chance)
        *earlier, latest = files_of(folder, "checkpoint")
        damage(latest, kind, chance)
        verdict, told = look(folder, ledger)
        assert any(latest.name in text for text in told), f"seed {seed}: no warning names {latest.name} but {told}"
        assert verdict.doubled + verdict.unknown + verdict.torn == 0, f"seed {seed}: {verdict.details}"
        if earlier:
            assert verdict.rows == len(ledger.logged), f"seed {seed}: {verdict.details}"
        totals["checkpoints damaged"] += 1
        totals["without an earlier one"] += not earlier
        shutil.rmtree(folder)
    torture.tell(f"damage, {kind}", totals)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_journal_counts_up_to_the_damage(tmp_path, torture, kind):
    for seed in torture.seeds(short=4, share=100):
        folder = tmp_path / str(seed)
        chance = random.Random(seed)
        ledger = crashed(folder, chance)
        damage(chance.choice(files_of(folder, "journal")), kind, chance)
        verdict, _ = look(folder, ledger)
        assert verdict.doubled + verdict.unknown + verdict.torn + verdict.orphans == 0, f"{seed}: {verdict.details}"
        shutil.rmtree(folder)


def test_damage_of_everything_is_told_and_stops_nothing(tmp_path, torture):
    for seed in torture.seeds(short=8, share=50):
        folder = tmp_path / str(seed)
        chance = random.Random(seed)
        ledger = crashed(folder, chance)
        for path in files_of(folder, "checkpoint"):
            damage(path, chance.choice(KINDS), chance)
        names = [path.name for path in files_of(folder, "checkpoint")]
        verdict, told = look(folder, ledger)
        assert verdict.doubled + verdict.unknown + verdict.torn == 0, f"seed {seed}: {verdict.details}"
        assert all(any(name in text for text in told) for name in names), f"seed {seed}: {told}"
        shutil.rmtree(folder)
