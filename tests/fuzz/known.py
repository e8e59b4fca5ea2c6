"""Reads each image of `sketch_repro.tsv` in every possible way, with bounds on time and memory.

A program: `python -m fuzz.known` prints the name of an image before it is read, so the last line names an image that
ended the process.
"""

from __future__ import annotations

import resource
import signal
import sys
import time
from pathlib import Path

from fuzz.child import HUNG_SECONDS, MOST_BYTES, SLOW_SECONDS, address_space
from fuzz.targets import exercise, sealed_column

import polarsprof as pp
from polarsprof.errors import CorruptProfile
from polarsprof.files import profile_pb2 as pb

IMAGES = Path(__file__).with_name("sketch_repro.tsv")
NAMES = {"hll": "hll", "kll_d": "kll_doubles", "fi": "frequent_strings"}


def images() -> list[tuple[str, str, bytes]]:
    lines = [line.split("\t") for line in IMAGES.read_text("utf-8").splitlines()]
    return [(name, NAMES[family], bytes.fromhex(image)) for name, family, _, image in lines]


def column_of(name: str, image: bytes) -> pb.Column:
    group = pb.Group(name="number", counters=pb.Counters(count=2**40))
    if name == "hll":
        group.distinct.hll = image
    elif name == "kll_doubles":
        group.quantiles.kll_doubles = image
    else:
        group.frequent_items.items, group.frequent_items.total = image, 2**40
    return pb.Column(groups=[group])


def ways_in(name: str, image: bytes):
    data = sealed_column(column_of(name, image))
    yield lambda: pp.Profile.from_images({"x": {"number": {name: image}}}, rows=2**40)
    yield lambda: pp.read(data)
    yield lambda: pp.merge([data, data])
    yield lambda: pp.merge([pp.profile([{"x": 1.5}]).to_bytes(), data])


def main() -> None:
    warm = pp.profile([{"x": 1.5}])
    exercise(pp.merge([warm.to_bytes(), warm.to_bytes()]))
    resource.setrlimit(resource.RLIMIT_AS, (address_space() + MOST_BYTES, resource.RLIM_INFINITY))
    for label, name, image in images():
        sys.stdout.write(f"{label}\n")
        sys.stdout.flush()
        signal.alarm(HUNG_SECONDS)
        for way in ways_in(name, image):
            start = time.process_time()
            try:
                found = way()
            except CorruptProfile:
                found = None
            assert time.process_time() - start < SLOW_SECONDS, label
            if found is not None:
                exercise(found)


if __name__ == "__main__":
    main()
