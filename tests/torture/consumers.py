"""Kills consumers of a source at random moments until all records are read; a program that test_consumers.py starts.

Like kills.py it forks and never computes itself. Usage: consumers.py STORE KILLS SEED ADDRESS… starts a consumer for
each address, kills it (SIGKILL) that many times, each time with an immediate restart, and then lets it end. It prints
one JSON object with the number of kills.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
import warnings
from datetime import timedelta
from io import BytesIO

os.environ.setdefault("POLARS_MAX_THREADS", "1")

import polarsprof as pp
from polarsprof.errors import DataWarning
from polarsprof.sources.addresses import source_at

LONGEST_LIFE_S = 0.4
MOST_RECORDS = 97  # per batch, so that there are many batches


def consume(store: str, address: str) -> None:
    """Consume a source until it is idle."""
    warnings.simplefilter("ignore", DataWarning)
    source = source_at(address, from_beginning=True, stdin=BytesIO())
    poll = source.poll
    source.poll = lambda most, timeout_s: poll(min(most, MOST_RECORDS), min(timeout_s, 0.02))  # type: ignore[method-assign]
    options = {"with_rotation_time": "1h", "timestamp": "at", "checkpoint_every": timedelta(milliseconds=20)}
    with pp.Session(store, handle_sigterm=False) as session:
        session.run(source, dataset_name="d", until_idle="2s", **options)


def forked(store: str, address: str) -> int:
    """Start a consumer in a child; returns its process id."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            consume(store, address)
            code = 0
        except BaseException:  # noqa: BLE001 - the exit code tells the parent
            traceback.print_exc()
        finally:
            os._exit(code)
    return pid


def main(store: str, kills: int, seed: int, addresses: list[str]) -> None:
    """Run a consumer for each address and restart it after each kill."""
    chance = random.Random(seed)
    left = dict.fromkeys(addresses, kills)
    alive: dict[int, tuple[str, float]] = {}

    def begin(address: str) -> None:
        alive[forked(store, address)] = address, time.monotonic() + chance.random() * LONGEST_LIFE_S

    for address in addresses:
        begin(address)
    while alive:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            address, _ = alive.pop(pid)
            if os.WIFSIGNALED(status):
                begin(address)
            elif os.WEXITSTATUS(status):
                sys.exit(f"{address}: a consumer failed")
        for pid, (address, until) in alive.items():
            if left[address] and time.monotonic() >= until:
                os.kill(pid, signal.SIGKILL)
                left[address] -= 1
                alive[pid] = address, float("inf")
        time.sleep(0.002)
    print(json.dumps({"kills": kills * len(addresses) - sum(left.values())}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
