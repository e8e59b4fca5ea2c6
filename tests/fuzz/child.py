"""A process that runs cases of one target and may die of one: `python -m fuzz.child TARGET FIRST_SEED CASES FILE`.

FILE always holds the seed at work and the bytes that were made of it, so that whoever started this knows what killed
it. The counts of all go to standard output, with each case that raised what it must not, took too long or wanted too
much memory.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

SLOW_SECONDS = 0.1
HUNG_SECONDS = 20
MOST_BYTES = 64 << 20
WARM_UP = 60


def address_space() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()


def main(name: str, first: int, cases: int, file: str) -> None:
    from fuzz.targets import LISTENERS, TARGETS, WARM_UP_SEED, exercise, files, naughty

    from polarsprof import read

    run = naughty if name == "naughty" else TARGETS[name][0]
    for data in files():
        exercise(read(data))
    for seed in range(WARM_UP):  # code is compiled and caches are filled before time and memory count
        signal.alarm(HUNG_SECONDS)
        try:
            run(WARM_UP_SEED + seed)
        except Exception:  # noqa: BLE001, S112 - it is told of where it is counted
            continue
    resource.setrlimit(resource.RLIMIT_AS, (address_space() + MOST_BYTES, resource.RLIM_INFINITY))
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    slowest = 0.0
    noted = Noted(file)
    LISTENERS.append(noted.note)
    for seed in range(first, first + cases):
        noted.begin(seed)
        signal.alarm(HUNG_SECONDS)  # not caught: it ends the process also where that is in native code
        taken, outcome = _timed(run, noted, failures)
        if taken > SLOW_SECONDS:  # once more: the machine may have been busy
            taken, outcome = _timed(run, noted, failures)
        outcomes[outcome] += 1
        slowest = max(slowest, taken)
        if taken > SLOW_SECONDS:
            failures.append(f"seed {seed}: {taken:.3f} s")
    sys.stdout.write(json.dumps({"outcomes": outcomes, "failures": failures, "slowest_ms": slowest * 1_000}))


class Noted:
    """The case at work, here and in the file."""

    def __init__(self, file):
        self.seed, self.data = 0, b""
        self._file = Path(file).open("r+b", buffering=0)  # noqa: SIM115 - open as long as the process lives

    def begin(self, seed):
        self.seed = seed
        self.note(b"")

    def note(self, data):
        self.data = data
        self._file.seek(0)
        self._file.write(b"%20d" % self.seed + data)
        self._file.truncate()


def _timed(run, noted, failures):
    start = time.process_time()
    try:
        outcome = run(noted.seed)
    except MemoryError:
        outcome = "failed"
        failures.append(f"seed {noted.seed}: more than {MOST_BYTES:,} bytes")
    except BaseException:  # noqa: BLE001 - whatever it is, panics of Polars among them, is a finding
        outcome = "failed"
        failures.append(f"seed {noted.seed}: {traceback.format_exc(limit=-4)}\n{noted.data.hex()}")
    return time.process_time() - start, outcome


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
