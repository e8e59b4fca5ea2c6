"""A process that runs the cases of one target: `python -m fuzz.child TARGET FIRST_SEED CASES FILE`.

A case can kill the process, so FILE always holds the current seed and its bytes. Standard output gets the totals and
each case that raised an unexpected error, took too long or needed too much memory.
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
    for seed in range(WARM_UP):  # fills caches before time and memory are measured
        signal.alarm(HUNG_SECONDS)
        try:
            run(WARM_UP_SEED + seed)
        except Exception:  # noqa: BLE001, S112 - reported when the case is measured
            continue
    resource.setrlimit(resource.RLIMIT_AS, (address_space() + MOST_BYTES, resource.RLIM_INFINITY))
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    slowest = 0.0
    case = CurrentCase(file)
    LISTENERS.append(case.note)
    for seed in range(first, first + cases):
        case.begin(seed)
        signal.alarm(HUNG_SECONDS)  # not caught: it ends the process in native code too
        seconds, outcome = _timed(run, case, failures)
        if seconds > SLOW_SECONDS:  # a second try, because the machine can be busy
            seconds, outcome = _timed(run, case, failures)
        outcomes[outcome] += 1
        slowest = max(slowest, seconds)
        if seconds > SLOW_SECONDS:
            failures.append(f"seed {seed}: {seconds:.3f} s")
    sys.stdout.write(json.dumps({"outcomes": outcomes, "failures": failures, "slowest_ms": slowest * 1_000}))


class CurrentCase:
    """Seed and bytes of the current case, in memory and in a file."""

    def __init__(self, file):
        self.seed, self.data = 0, b""
        self._file = Path(file).open("r+b", buffering=0)  # noqa: SIM115 - open until the process ends

    def begin(self, seed):
        self.seed = seed
        self.note(b"")

    def note(self, data):
        self.data = data
        self._file.seek(0)
        self._file.write(b"%20d" % self.seed + data)
        self._file.truncate()


def _timed(run, case, failures):
    start = time.process_time()
    try:
        outcome = run(case.seed)
    except MemoryError:
        outcome = "failed"
        failures.append(f"seed {case.seed}: more than {MOST_BYTES:,} bytes")
    except BaseException:  # noqa: BLE001 - any error is a finding, also a panic of Polars
        outcome = "failed"
        failures.append(f"seed {case.seed}: {traceback.format_exc(limit=-4)}\n{case.data.hex()}")
    return time.process_time() - start, outcome


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
