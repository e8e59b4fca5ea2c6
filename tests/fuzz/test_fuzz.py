"""Mutated files and images: none crashes, hangs, allocates out of proportion, or raises anything but what it should."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from fuzz.targets import TARGETS

TESTS = Path(__file__).parent.parent
CASES_OF_A_CHILD = 20_000
SHORT = {"flips": 1_500, "cuts": 1_000, "files": 1_500, "theta": 1_500, "columns": 200, "headers": 100, "whylogs": 200}


def child(target: str, first: int, cases: int, place: Path) -> tuple[dict[str, object], str]:
    """What a child says of its cases; of one that died, by which seed and which bytes."""
    command = [sys.executable, "-m", "fuzz.child", target, str(first), str(cases), str(place)]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)]),
        # Fewer threads reserve less address space, which is what is bounded.
        "POLARS_MAX_THREADS": "1",
        "MALLOC_ARENA_MAX": "1",
    }
    place.write_bytes(b"")
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode == 0:
        return json.loads(done.stdout), ""
    how = signal.Signals(-done.returncode).name if done.returncode < 0 else f"exit {done.returncode}"
    noted = place.read_bytes()
    return {}, f"seed {int(noted[:20] or 0)}: {how} {done.stderr[-2_000:]}\n{noted[20:].hex()}"


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="bounds memory as Linux does")
@pytest.mark.parametrize("target", TARGETS)
def test_mutations_are_refused_or_harmless(target, tmp_path, fuzz):
    cases = fuzz.cases(short=SHORT.get(target, 400), share=TARGETS[target][1])
    totals, failures, slowest = Counter(), [], 0.0
    first, end = fuzz.seed, fuzz.seed + cases
    while first < end:
        size = min(CASES_OF_A_CHILD, end - first)
        said, death = child(target, first, size, tmp_path / "seed")
        if death:
            failures.append(death)
            said = {"outcomes": {"died": 1}, "failures": [], "slowest_ms": 0.0}
            noted = (tmp_path / "seed").read_bytes()[:20]
            size = int(noted) - first + 1 if noted else size
        totals.update(said["outcomes"])
        failures += said["failures"]
        slowest = max(slowest, said["slowest_ms"])
        first += size
    fuzz.tell(target, totals | Counter({"ms at the most": round(slowest)}))
    assert not failures, f"python -m fuzz.child {target} SEED 1 FILE: " + "\n".join(failures[:20])
    assert totals.total() >= cases or "died" in totals


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="bounds memory as Linux does")
def test_the_harness_tells_what_a_case_must_not_do(tmp_path):
    said, death = child("naughty", 0, 4, tmp_path / "seed")
    assert (said["outcomes"], death) == ({"refused": 2, "failed": 2}, "")
    raised, hog, slow = said["failures"]
    assert raised.startswith("seed 1:")
    assert raised.endswith(f"RuntimeError: not expected\n\n{b'bytes of 1'.hex()}")
    assert hog == f"seed 2: more than {64 << 20:,} bytes"
    assert slow.startswith("seed 3: 0.1")
    said, death = child("naughty", 4, 1, tmp_path / "seed")
    assert said == {}
    assert death.startswith("seed 4: SIGSEGV")
    assert death.endswith(b"bytes of 4".hex())
