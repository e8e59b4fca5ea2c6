"""Steps in processes of their own: time, processor time and peak memory of each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DATASET: Final = "fleet"
_ROOT: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Usage:
    """Time and memory of a step.

    Attributes
    ----------
    count
        Result of the step: rows, merged files, windows, planned groups.
    wall_s, cpu_s
        Time, and processor time of all threads, of the step alone.
    process_s
        Processor time of the whole process, including its start and imports.
    peak_mib
        Peak memory of the process; 0 if the system does not report it.
    """

    count: int
    wall_s: float
    cpu_s: float
    process_s: float
    peak_mib: float


def run_step(step: str, *arguments: str) -> Usage:
    """Run a step of `benchmarks.child` in a new process."""
    command = [sys.executable, "-m", "benchmarks.child", step, *arguments]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, map(str, sys.path)))}
    process = subprocess.run(command, cwd=_ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return Usage(**json.loads(process.stdout))
