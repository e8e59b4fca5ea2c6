"""The cost of profiling in a Beam pipeline, against counting.

Counting is the cheapest `CombineFn`. Run `python -m benchmarks.beam [ROWS]` with Apache Beam installed. Each pipeline
runs on the `FnApiRunner` in a process of its own, three times in rotation; the result is the smallest processor time.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ROUNDS: Final = 3
_SEED_ROWS: Final = 20_000
_FRAME_ROWS: Final = 20_000


def _record(i: int) -> dict[str, object]:
    return {
        "user": i * 7919 % 50_021,
        "price": i % 997 / 7,
        "country": f"c{i % 40}",
        "path": f"/page/{i * 31 % 5003}",
        "ok": i % 9 > 0,
        "ms": i % 4001,
        "agent": f"agent {i % 200}",
        "referrer": None if i % 3 else f"r{i % 77}",
        "quantity": i % 13,
        "score": i * 0.5,
    }


_RECORDS: Final = [_record(i) for i in range(_SEED_ROWS)]
_LINES: Final = [json.dumps(record).encode() for record in _RECORDS]


def _repeated(elements: list[Any], rows: int) -> Iterator[Any]:
    for i in range(rows):
        yield elements[i % len(elements)]


def _elements(kind: str, rows: int) -> Iterator[Any]:
    if kind == "frames":
        return _repeated([pl.DataFrame(_RECORDS)], rows // _FRAME_ROWS)
    return _repeated(_RECORDS if kind == "records" else _LINES, rows)


def cpu_s(kind: str, way: str, rows: int) -> float:
    """Processor time of one pipeline in seconds."""
    import apache_beam as beam
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    from polarsprof.engines.beam import ProfileFn

    functions: dict[str, Callable[[], Any]] = {"counted": beam.combiners.CountCombineFn, "profiled": ProfileFn}
    before_s = time.process_time()
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        elements = pipeline | beam.Impulse() | beam.FlatMap(lambda _: _elements(kind, rows))
        if kind == "lines by json.loads":
            elements = elements | beam.Map(json.loads)
        _ = elements | beam.CombineGlobally(functions[way]())
    return time.process_time() - before_s


_KINDS: Final = {"records": 1, "lines": 1, "lines by json.loads": 1, "frames": 10}  # → factor of the number of rows


def main(arguments: list[str]) -> None:
    rows = int(arguments[0]) if arguments else 1_000_000
    runs = [(kind, way) for kind in _KINDS for way in ("counted", "profiled")]
    times_s: dict[tuple[str, str], list[float]] = {run: [] for run in runs}
    for kind, way in runs * _ROUNDS:
        # The module is imported, since Beam pickles the data of a main module.
        code = f"from benchmarks.beam import cpu_s; print(cpu_s({kind!r}, {way!r}, {rows * _KINDS[kind]}))"
        output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
        times_s[kind, way].append(float(output.splitlines()[-1]))
    for kind, way in runs:
        print(f"{kind:20} {way:9} {rows * _KINDS[kind] / min(times_s[kind, way]):12,.0f} rows/s of one core")


if __name__ == "__main__":
    main(sys.argv[1:])
