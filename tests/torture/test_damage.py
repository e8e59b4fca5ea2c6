"""Damaged state files: the last good checkpoint counts, no row counts twice, and a warning names the file."""

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
    """A store whose writer saved checkpoints, sealed windows between them, flushed and died."""
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
    """Start twice, which must not raise; returns the differences and the warnings."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", DataWarning)
        for minutes in (1, 2):
            with session_of(folder, minutes) as session:
                logger_of(session, WAY)
    return check(folder, ledger, 0), [str(each.message) for each in warned]


def files_of(folder, ending: str):
    return sorted(folder.joinpath(".writers").glob(f"*.{ending}"), key=lambda path: int(path.name.split(".")[2]))


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_good_checkpoint_counts(tmp_path, torture, kind):
    """Journals hold the rows of windows that are open in both checkpoints, so no row is lost."""
    totals: Counter[str] = Counter()
    for seed in torture.seeds(short=4, share=100):
        folder = tmp_path / str(seed)
        chance = random.Random(seed)
        ledger = crashed(folder, chance)
        *earlier, latest = files_of(folder, "checkpoint")
        damage(latest, kind, chance)
        verdict, texts = look(folder, ledger)
        assert any(latest.name in text for text in texts), f"seed {seed}: no warning names {latest.name} but {texts}"
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


def test_damage_of_every_checkpoint_warns_and_stops_nothing(tmp_path, torture):
    for seed in torture.seeds(short=8, share=50):
        folder = tmp_path / str(seed)
        chance = random.Random(seed)
        ledger = crashed(folder, chance)
        for path in files_of(folder, "checkpoint"):
            damage(path, chance.choice(KINDS), chance)
        names = [path.name for path in files_of(folder, "checkpoint")]
        verdict, texts = look(folder, ledger)
        assert verdict.doubled + verdict.unknown + verdict.torn == 0, f"seed {seed}: {verdict.details}"
        assert all(any(name in text for text in texts) for name in names), f"seed {seed}: {texts}"
        shutil.rmtree(folder)
