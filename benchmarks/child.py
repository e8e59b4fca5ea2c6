"""Steps in processes of their own, as a timer would start them: time, processor time and peak memory of each.

`python -m benchmarks.child STEP ARGUMENT…` does one step and prints what it took as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DATASET: Final = "fleet"
_ROOT: Final = Path(__file__).resolve().parent.parent
_STATUS: Final = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Taken:
    """What a step took.

    Attributes
    ----------
    found
        Rows, files merged, windows found, groups planned.
    wall_s, cpu_s
        Time, and processor time of all threads, of the step alone.
    process_s
        Processor time of the whole process, its start and imports included.
    peak_mib
        The high-water mark of the memory of the process; 0 where the system does not tell.
    """

    found: int
    wall_s: float
    cpu_s: float
    process_s: float
    peak_mib: float


def measured(step: str, *arguments: str) -> Taken:
    """Do a step in a new process."""
    command = [sys.executable, "-m", "benchmarks.child", step, *arguments]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, map(str, sys.path)))}
    done = subprocess.run(command, cwd=_ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return Taken(**json.loads(done.stdout))


def _profile(path: str) -> int:
    import polarsprof as pp

    return pp.profile(path).rows


def _compact(folder: str, into: str = "") -> int:
    import polarsprof as pp

    return pp.ProfileStore(folder).compact(DATASET, into=into or None).files_merged


def _windows(folder: str) -> int:
    import polarsprof as pp

    return len(pp.ProfileStore(folder).windows(DATASET))


def _plan(folder: str) -> int:
    from polarsprof.store.listing import ManifestCache
    from polarsprof.store.local import LocalBackend
    from polarsprof.store.names import prefix_of
    from polarsprof.store.pane_files import read_file
    from polarsprof.store.plan import Rules, merge_groups

    backend = LocalBackend(Path(folder))
    manifest = ManifestCache(backend, lambda name: read_file(backend, name, ())).manifest(DATASET)
    return len(merge_groups(manifest, Rules(None, None, None), prefix_of(DATASET)))


def _open_windows(columns: str, windows: str, values: str) -> int:
    from benchmarks.sizing import open_windows

    return open_windows(int(columns), int(windows), int(values))


def _wide_json(columns: str, values: str) -> int:
    from benchmarks.sizing import wide_json

    return wide_json(int(columns), int(values))


_STEPS: Final[Mapping[str, Callable[..., int]]] = {
    "profile": _profile,
    "compact": _compact,
    "windows": _windows,
    "plan": _plan,
    "open_windows": _open_windows,
    "wide_json": _wide_json,
}


def _taken(step: Callable[..., int], arguments: list[str]) -> Taken:
    import polarsprof as pp

    assert pp.ProfileStore.compact is not None  # imported, which every process pays at its start: no part of the step

    begun_s, begun_cpu_s = perf_counter(), process_time()
    found = step(*arguments)
    cpu_s = process_time()
    return Taken(found, perf_counter() - begun_s, cpu_s - begun_cpu_s, cpu_s, _peak_mib())


def _peak_mib() -> float:
    """Of this process alone; what getrusage tells includes that of the process it was forked from."""
    if not _STATUS.exists():
        return 0.0
    marks = (line.split()[1] for line in _STATUS.read_text("ascii").splitlines() if line.startswith("VmHWM:"))
    return int(next(marks)) / 1024


if __name__ == "__main__":
    print(json.dumps(asdict(_taken(_STEPS[sys.argv[1]], sys.argv[2:]))))
