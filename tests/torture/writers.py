"""Processes that write one window of one store at the same time; a program that test_many_writers.py starts.

Usage: writers.py FOLDER ROUNDS SEED; prints one JSON object. It forks its children for the reason given in kills.py.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from torture.disk import Disk
from torture.kills import CHANGING, Killer, play_stores, void
from torture.stream import NOON, SPEC, Ledger, check

import polarsprof as pp
from polarsprof.errors import DataWarning

WRITERS = 8
ROWS = 24
ROUNDS_PER_STORE = 8  # the window gets the panes of this many rounds


def write(folder: Path, first: int, chance: random.Random, say: Callable[[str], None], *, doomed: bool) -> None:
    """Log some rows of the window; a doomed process dies at some call, the others close."""
    warnings.simplefilter("ignore", DataWarning)
    killer = Killer(chance)
    killer.names = CHANGING
    killer.at = chance.randrange(1, 60)
    with Disk(folder, killer if doomed else lambda _, make: make()):
        session = pp.Session(folder, spec=SPEC, handle_sigterm=False)
        logger = session.logger(with_rotation_time="d", timestamp="t")
        for number in range(first, first + ROWS):
            logger.log({"x": 2 * number, "t": NOON})
            if chance.random() < 0.2:
                logger.flush()
                say(str(number + 1))
        session.close()
        say(str(first + ROWS))


def started(work: Callable[[Callable[[str], None]], None]) -> tuple[int, int]:
    """Start work in a child; returns its process id and the handle of its messages."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reader)
            work(lambda text: void(os.write(writer, f"{text}\n".encode())))
            code = 0
        except BaseException:  # noqa: BLE001 (the child ends here in any case)
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writer)
    return pid, reader


def ended(child: tuple[int, int]) -> tuple[list[str], int]:
    """Wait for a child; returns its messages and its exit status."""
    pid, reader = child
    with os.fdopen(reader) as messages:
        lines = messages.read().splitlines()
    return lines, os.waitpid(pid, 0)[1]


def run_round(folder: Path, number: int, chance: random.Random, ledger: Ledger, totals: Counter[str]) -> None:
    """Run all writers at once; half of them are killed."""
    children = []
    for place in range(WRITERS):
        first, seed = (number * WRITERS + place) * ROWS, chance.randrange(2**32)
        ledger.logged |= {2 * row for row in range(first, first + ROWS)}

        def work(say: Callable[[str], None], first=first, seed=seed, doomed=bool(place % 2)) -> None:
            write(folder, first, random.Random(seed), say, doomed=doomed)

        children.append((first, started(work)))
    for first, child in children:
        lines, status = ended(child)
        if status and not os.WIFSIGNALED(status):
            msg = "a writer raised, see above"
            raise RuntimeError(msg)
        totals["writers killed"] += os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if lines:
            ledger.durable |= {2 * row for row in range(first, int(lines[-1]))}


def digests(folder: Path) -> dict[str, str]:
    """Digest of each pane by file name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.bin")}


def store_rounds(folder: Path, rounds: int, seed: int, totals: Counter[str]) -> list[str]:
    """Play some rounds on one store, then check it; returns the differences."""
    chance, ledger = random.Random(seed), Ledger()
    before: dict[str, str] = {}
    for number in range(rounds):
        run_round(folder, number, chance, ledger, totals)
        now = digests(folder)
        overwritten = sum(now.get(name) != digest for name, digest in before.items())
        totals["files overwritten"] += overwritten
        totals["rounds"] += 1
        before = now

    def look(say: Callable[[str], None]) -> None:
        warnings.simplefilter("ignore", DataWarning)
        for _ in range(2):
            with pp.Session(folder, spec=SPEC, handle_sigterm=False) as session:
                session.logger()
        say(json.dumps(asdict(check(folder, ledger, 0))))

    lines, _ = ended(started(look))
    verdict = json.loads(lines[-1])
    for name in ("lost", "doubled", "unknown", "torn", "orphans"):
        totals[name] += verdict[name]
    totals["rows acknowledged"] += len(ledger.durable)
    return [*verdict["details"], *(["a file was overwritten"] if totals["files overwritten"] else [])]


def main(place: str, rounds: int, seed: int) -> None:
    """Play a number of rounds; stops at the first failure."""
    totals: Counter[str] = Counter()

    def one(folder: Path, seed: int) -> list[str] | None:
        left = min(ROUNDS_PER_STORE, rounds - totals["rounds"])
        return store_rounds(folder, left, seed, totals) if left > 0 else None

    play_stores(place, seed, one, totals, most_failures=1)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
