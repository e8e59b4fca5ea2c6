"""Mutated files and images never crash, hang, allocate without bounds, or raise an unexpected error."""

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
    """Output of a child; if it died, its last seed and bytes instead."""
    command = [sys.executable, "-m", "fuzz.child", target, str(first), str(cases), str(place)]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)]),
        # Fewer threads reserve less address space, which is bounded.
        "POLARS_MAX_THREADS": "1",
        "MALLOC_ARENA_MAX": "1",
    }
    place.write_bytes(b"")
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode == 0:
        return json.loads(done.stdout), ""
    end = signal.Signals(-done.returncode).name if done.returncode < 0 else f"exit {done.returncode}"
    record = place.read_bytes()
    return {}, f"seed {int(record[:20] or 0)}: {end} {done.stderr[-2_000:]}\n{record[20:].hex()}"


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="bounds memory as Linux does")
@pytest.mark.parametrize("target", TARGETS)
def test_mutations_are_refused_or_harmless(target, tmp_path, fuzz):
    cases = fuzz.cases(short=SHORT.get(target, 400), share=TARGETS[target][1])
    totals, failures, slowest = Counter(), [], 0.0
    first, end = fuzz.seed, fuzz.seed + cases
    while first < end:
        size = min(CASES_OF_A_CHILD, end - first)
        result, death = child(target, first, size, tmp_path / "seed")
        if death:
            failures.append(death)
            result = {"outcomes": {"died": 1}, "failures": [], "slowest_ms": 0.0}
            last = (tmp_path / "seed").read_bytes()[:20]
            size = int(last) - first + 1 if last else size
        totals.update(result["outcomes"])
        failures += result["failures"]
        slowest = max(slowest, result["slowest_ms"])
        first += size
    fuzz.tell(target, totals | Counter({"ms at most": round(slowest)}))
    assert not failures, f"python -m fuzz.child {target} SEED 1 FILE: " + "\n".join(failures[:20])
    assert totals.total() >= cases or "died" in totals


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="bounds memory as Linux does")
def test_the_harness_reports_each_kind_of_failure(tmp_path):
    result, death = child("naughty", 0, 4, tmp_path / "seed")
    assert (result["outcomes"], death) == ({"refused": 2, "failed": 2}, "")
    raised, hog, slow = result["failures"]
    assert raised.startswith("seed 1:")
    assert raised.endswith(f"RuntimeError: not expected\n\n{b'bytes of 1'.hex()}")
    assert hog == f"seed 2: more than {64 << 20:,} bytes"
    assert slow.startswith("seed 3: 0.1")
    result, death = child("naughty", 4, 1, tmp_path / "seed")
    assert result == {}
    assert death.startswith("seed 4: SIGSEGV")
    assert death.endswith(b"bytes of 4".hex())
