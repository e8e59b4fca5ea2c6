"""Files with flipped bits, profiled in a process that a signal can end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_CHILD = """
import collections, pathlib, random, sys
import polarsprof as pp
path, seed, flips, rows = pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:])
good, draw, outcomes = path.read_bytes(), random.Random(seed), collections.Counter()
for _ in range(flips):
    data = bytearray(good)
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    path.write_bytes(data)
    try:
        outcomes["read" if pp.profile(path).rows == rows else "lost rows"] += 1
    except pp.errors.ArgumentError as error:
        outcomes["refused" if str(path) in str(error) else "refused without the path"] += 1
print(*sorted(outcomes), sep=chr(10))
"""


def outcomes_of_flips(path: Path, *, flips: int, rows: int, seed: int = 1) -> tuple[list[str], str]:
    """The outcomes of profiles of a file of `rows` rows with one flipped bit each, and the standard error."""
    command = [sys.executable, "-c", _CHILD, str(path), str(seed), str(flips), str(rows)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2_000:]
    return done.stdout.splitlines(), done.stderr
