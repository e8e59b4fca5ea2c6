"""A process that runs cases of one target and may die of one: `python -m fuzz.child TARGET FIRST_SEED CASES FILE`.

FILE always holds the seed at work, so that whoever started this knows what killed it. The counts of all go to standard
output, with each case that raised what it must not, took too long or wanted too much memory.
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
    from fuzz.targets import TARGETS, exercise, files

    from polarsprof import read

    run = TARGETS[name][0]
    for data in files():
        exercise(read(data))
    for seed in range(WARM_UP):  # code is compiled and caches are filled before time and memory count
        signal.alarm(HUNG_SECONDS)
        try:
            run(10**9 + seed)
        except Exception:  # noqa: BLE001, S112 - it is told of where it is counted
            continue
    resource.setrlimit(resource.RLIMIT_AS, (address_space() + MOST_BYTES, resource.RLIM_INFINITY))
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    slowest = 0.0
    with Path(file).open("r+b", buffering=0) as place:
        for seed in range(first, first + cases):
            place.seek(0)
            place.write(b"%20d" % seed)
            signal.alarm(HUNG_SECONDS)  # not caught: it ends the process also where that is in native code
            taken, outcome = _timed(run, seed, failures)
            if taken > SLOW_SECONDS:  # once more: the machine may have been busy
                taken, outcome = _timed(run, seed, failures)
            outcomes[outcome] += 1
            slowest = max(slowest, taken)
            if taken > SLOW_SECONDS:
                failures.append(f"seed {seed}: {taken:.3f} s")
    sys.stdout.write(json.dumps({"outcomes": outcomes, "failures": failures, "slowest_ms": slowest * 1_000}))


def _timed(run, seed, failures):
    start = time.process_time()
    try:
        outcome = run(seed)
    except MemoryError:
        outcome = "failed"
        failures.append(f"seed {seed}: more than {MOST_BYTES:,} bytes")
    except BaseException:  # noqa: BLE001 - whatever it is, panics of Polars among them, is a finding
        outcome = "failed"
        failures.append(f"seed {seed}: {traceback.format_exc(limit=-4)}")
    return time.process_time() - start, outcome


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
