"""A step in a process of its own: `python -m benchmarks.child STEP ARGUMENT…`.

It prints the usage of the step as JSON. `processes.run_step` starts it, as a timer starts a command.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Final

from benchmarks.processes import DATASET, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_STATUS: Final = Path("/proc/self/status")


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


def _usage(step: Callable[..., int], arguments: list[str]) -> Usage:
    import polarsprof as pp

    assert pp.ProfileStore.compact is not None  # imports are part of the start, not of the step

    start_s, start_cpu_s = perf_counter(), process_time()
    count = step(*arguments)
    cpu_s = process_time()
    return Usage(count, perf_counter() - start_s, cpu_s - start_cpu_s, cpu_s, _peak_mib())


def _peak_mib() -> float:
    """Peak memory of this process.

    getrusage includes the memory of the process it was forked from.
    """
    if not _STATUS.exists():
        return 0.0
    marks = (line.split()[1] for line in _STATUS.read_text("ascii").splitlines() if line.startswith("VmHWM:"))
    return int(next(marks)) / 1024


if __name__ == "__main__":
    print(json.dumps(asdict(_usage(_STEPS[sys.argv[1]], sys.argv[2:]))))
