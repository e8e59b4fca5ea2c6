"""Fuzz targets: each makes a case from a seed and raises if the library breaks a promise.

A target returns `refused` for bytes that were refused with an allowed error, and `taken` for bytes that were read. What
was read has also been queried, merged, updated and written.
"""

from __future__ import annotations

import math
import os
import signal
import struct
import time
import warnings
import zlib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random

import datasketches
import numpy as np
import polars as pl
from fuzz.mutations import mutate_message, mutated
from support.whylogs_files import cardinality, distribution, ends, frequent, integers, v0, v0_message, v1

import polarsprof as pp
from polarsprof.errors import (
    ArgumentError,
    CorruptProfile,
    DataWarning,
    PolarsprofError,
    SpecMismatch,
    UnsupportedVersion,
)
from polarsprof.files import profile_pb2 as pb
from polarsprof.files.codec import Sections, encode
from polarsprof.ingest.frames import typed_columns
from polarsprof.interop.whylogs import whylogs_pb2 as wl
from polarsprof.interop.whylogs.wire import varint
from polarsprof.sketches.images import import_distinct, import_frequent_items, import_quantiles, theta_estimate
from polarsprof.sketches.limits import MAX_COUNT

GOLDEN = Path(__file__).parent.parent / "golden"
RANKS = [0.0, 0.01, 0.5, 0.99, 1.0]
WARM_UP_SEED = 10**9
LISTENERS: list[Callable[[bytes], None]] = []  # called with the bytes of a case before they are read


def tried(data: bytes) -> bytes:
    """Show the bytes to the listeners; sketches draw random bits, so a seed alone does not reproduce them."""
    for listener in LISTENERS:
        listener(data)
    return data


# ----------------------------------------------------------------------------------------------------------- the corpus


def _every_group() -> pl.DataFrame:
    moment = datetime(2026, 1, 31, 23, 59, 59, 123_456)
    return pl.DataFrame(
        {
            "integer": [1, -2, None, 2**62],
            "fraction": [0.1, float("nan"), float("-inf"), -0.0],
            "text": ["", "日本語", "x" * 200, None],
            "flag": [True, False, True, None],
            "binary": [b"", b"\x00\xff", b"y" * 100, None],
            "date": [date(1, 1, 1), date(9999, 12, 31), None, date(2026, 1, 1)],
            "datetime": [moment, moment, None, moment],
            "datetime_utc": [moment.replace(tzinfo=UTC), None, None, None],
            "duration": [timedelta(-1), timedelta(microseconds=1), None, None],
            "list": [[1.5, None], [], None, [2.5]],
            "struct": [{"a": 1}, {"a": None}, {"a": 3}, {"a": None}],
        }
    )


def _many_values() -> pl.DataFrame:
    chance = np.random.default_rng(1)
    return pl.DataFrame({"x": chance.normal(size=4_000), "s": [f"user {n}" for n in chance.zipf(1.5, 4_000).tolist()]})


@cache
def frames() -> list[tuple[pl.DataFrame, pp.ProfileSpec]]:
    """Frames of few columns, because each case queries a whole profile."""
    small = pp.ProfileSpec(k=8, lg_k=4, lg_items=3)
    every = _every_group()
    parts = [every.select(every.columns[at : at + 2]) for at in range(0, every.width, 2)]
    return [
        *((part, pp.ProfileSpec()) for part in parts),
        (parts[0], small),
        (_many_values(), small),
        (_many_values(), pp.ProfileSpec(lg_k=8, lg_items=5)),
        (_many_values().head(300), pp.ProfileSpec()),
    ]


@cache
def small_files() -> list[bytes]:
    return [pp.profile(frame, spec=spec).to_bytes() for frame, spec in frames()]


@cache
def files() -> list[bytes]:
    return [*small_files(), *(path.read_bytes() for path in sorted(GOLDEN.glob("v*/*.bin")))]


@cache
def partner(paths: frozenset[str]) -> tuple[bytes, pl.DataFrame]:
    """The profile, and rows, that share the most columns with the given paths."""
    best = max(range(len(frames())), key=lambda at: len(paths & set(frames()[at][0].columns)))
    return small_files()[best], frames()[best][0].head(50)


@cache
def kll_images() -> list[bytes]:
    images = []
    for kind, dtype in (("doubles", "f8"), ("floats", "f4")):
        for k, n in ((8, 0), (8, 1), (8, 2), (8, 40), (8, 3_000), (200, 199), (200, 5_000), (1_024, 1_500)):
            sketch = getattr(datasketches, f"kll_{kind}_sketch")(k)
            sketch.update(np.random.default_rng(n).normal(size=n).astype(dtype))
            images.append(sketch.serialize())
    forked = [b"\x06" + image[1:20] + bytes(4) + image[20:] for image in images if image[0] == 5]
    return images + forked[:4]


@cache
def hll_images() -> list[bytes]:
    images = []
    for kind in ("HLL_4", "HLL_6", "HLL_8"):
        for lg_k, n in ((4, 0), (4, 5), (4, 60), (7, 500), (8, 20), (10, 90), (12, 300), (10, 20_000)):
            sketch = datasketches.hll_sketch(lg_k, getattr(datasketches.tgt_hll_type, kind))
            for value in range(n):
                sketch.update(value)
            images += [sketch.serialize_compact(), sketch.serialize_updatable()]
    return images


@cache
def items_images() -> list[bytes]:
    images = []
    for lg, n in ((3, 0), (3, 1), (3, 200), (6, 30), (10, 700)):
        sketch = datasketches.frequent_strings_sketch(lg)
        for value in np.random.default_rng(lg).zipf(1.3, n).tolist():
            sketch.update(f"{value}" if value % 3 else f"é{value}" * 9)
        images.append(sketch.serialize())
    return images


@cache
def theta_images() -> list[bytes]:
    images = []
    for n, share in ((0, 1.0), (1, 1.0), (40, 1.0), (300, 0.3), (5_000, 1.0)):
        sketch = datasketches.update_theta_sketch(5 + n % 7, p=share)
        for value in range(n):
            sketch.update(value)
        images += [sketch.compact(ordered=ordered).serialize() for ordered in (True, False)]
    return images


@cache
def every_image() -> list[bytes]:
    return [*kll_images(), *hll_images(), *items_images(), *theta_images()]


# ------------------------------------------------------------------------------------------------------ after reading


def look(profile: pp.Profile) -> None:
    """Query everything that a profile offers."""
    repr(profile)
    profile._repr_html_()
    profile.summary()
    for column in profile.columns.values():
        for name in column.groups:
            group = column.group(name)
            for part in (group, group.length):
                if part is not None:
                    _look_at(part)


def _look_at(group: pp.GroupProfile) -> None:
    quantiles = group.quantiles(RANKS)
    if quantiles is not None and group.name == "number":
        assert sorted(quantiles) == quantiles
        assert 0 <= group.cdf(quantiles[2]) <= 1
    for item in group.frequent_items(3):
        assert item.lower <= item.estimate <= item.upper
    distinct = group.distinct
    assert distinct is None or distinct.lower <= distinct.estimate <= distinct.upper
    group.images()


def exercise(profile: pp.Profile) -> None:
    """Query, write, merge in three ways, update, and write again."""
    look(profile)
    written = profile.to_bytes()
    assert pp.read(written).to_bytes() == written
    data, rows = partner(frozenset(profile.columns))
    try:
        pp.read(data).merge(profile)
        merged = pp.merge([written, data])
        merged.update(typed_columns(rows))
        look(merged)
        write(merged)
        profile.merge(pp.read(data))
    except SpecMismatch:
        return


def write(profile: pp.Profile) -> None:
    """Write and read back; a merge with more rows than a file can hold must be refused."""
    try:
        written = profile.to_bytes()
    except PolarsprofError as error:
        if "fits no file" not in str(error):
            raise
        return
    assert pp.read(written).to_bytes() == written


# ---------------------------------------------------------------------------------------------------------- the targets


def flips(seed: int) -> str:
    """A file with one bit flipped, each bit in turn."""
    data, at = _in_turn(seed, 8)
    return _refused_file(data[: at // 8] + bytes([data[at // 8] ^ 1 << at % 8]) + data[at // 8 + 1 :])


def cuts(seed: int) -> str:
    """The start of a file, each length in turn."""
    data, at = _in_turn(seed, 1)
    return _refused_file(data[:at])


def _in_turn(seed: int, places: int) -> tuple[bytes, int]:
    """A file and a position in it, with a number of positions per byte."""
    at = seed % sum(places * len(data) for data in files())
    for data in files():
        if at < places * len(data):
            return data, at
        at -= places * len(data)
    raise AssertionError(seed)


def whole_files(seed: int) -> str:
    """Files changed in any way; all are refused."""
    chance = Random(seed)
    return _refused_file(mutated(chance.choice(files()), chance, files()))


def _refused_file(data: bytes) -> str:
    try:
        pp.read(tried(data))
    except (CorruptProfile, UnsupportedVersion):
        return "refused"
    assert data in files(), "an altered file was read"
    return "taken"


def columns(seed: int) -> str:
    """Column messages with changed fields, images or bytes and correct checksums."""
    chance = Random(seed)
    sections = Sections.of_bytes(chance.choice(small_files()))
    entries = sections.entries(None)
    if not entries:
        return "refused"
    bodies = {entry.path: sections.column(entry) for entry in entries}
    path = chance.choice(list(bodies))
    if chance.random() < 0.2:
        raw = mutated(bodies[path].SerializeToString(), chance, [body.SerializeToString() for body in bodies.values()])
        return _taken(_with_body(sections.header, path, raw))
    mutate_message(bodies[path], chance, every_image())
    return _taken(encode(sections.header, bodies.items()))


def _with_body(header: pb.Header, path: str, body: bytes) -> bytes:
    head = pb.Header()
    head.CopyFrom(header)
    del head.columns[:]
    head.columns.add(path=path, offset=0, length=len(body), crc32=zlib.crc32(body))
    return _sealed(head.SerializeToString(), body)


def sealed_column(column: pb.Column) -> bytes:
    """A file of one column `x` with any content."""
    return _with_body(pb.Header(spec_json=pp.ProfileSpec().to_json()), "x", column.SerializeToString())


def _sealed(head: bytes, body: bytes) -> bytes:
    prefix = struct.pack("<8sHHIQ", b"POLPROF\n", 1, 0, len(head), 28 + len(head) + len(body))
    return prefix + struct.pack("<I", zlib.crc32(head, zlib.crc32(prefix))) + head + body


def headers(seed: int) -> str:
    """Headers with changed fields or bytes and correct checksums."""
    chance = Random(seed)
    data = chance.choice(small_files())
    sections = Sections.of_bytes(data)
    body = data[28 + int.from_bytes(data[12:16], "little") :]
    if chance.random() < 0.3:
        return _taken(_sealed(mutated(sections.header.SerializeToString(), chance, every_image()), body))
    mutate_message(sections.header, chance, every_image())
    return _taken(_sealed(sections.header.SerializeToString(), body))


def _taken(data: bytes) -> str:
    try:
        profile = pp.read(tried(data))
    except (CorruptProfile, UnsupportedVersion):
        return "refused"
    exercise(profile)
    return "taken"


def quantiles(seed: int) -> str:
    """Foreign KLL images; the native library reads each one that is accepted."""
    chance = Random(seed)
    image = tried(mutated(chance.choice(kll_images()), chance, every_image()))
    try:
        adopted = import_quantiles(image)
    except CorruptProfile:
        return "refused"
    sketch = datasketches.kll_doubles_sketch.deserialize(adopted)
    other = datasketches.kll_doubles_sketch(200)
    other.update(np.arange(500.0))
    if sketch.n:
        found = list(sketch.get_quantiles(RANKS))
        assert sorted(found) == found
    if sketch.n < 2**61:
        other.merge(sketch)
        other.get_quantile(0.5)
    if sketch.n < 2**40:
        sketch.update(np.arange(100.0))
    sketch.get_quantile(0.5)
    import_quantiles(sketch.serialize())
    return _adopted({"kll_doubles": image})


def distinct(seed: int) -> str:
    """Foreign HLL images; the native library reads each one that is accepted."""
    chance = Random(seed)
    image = tried(mutated(chance.choice(hll_images()), chance, every_image()))
    try:
        adopted = import_distinct(image)
    except CorruptProfile:
        return "refused"
    sketch = datasketches.hll_sketch.deserialize(adopted)
    union = datasketches.hll_union(12)
    union.update(sketch)
    result = union.get_result()
    assert result.get_lower_bound(2) <= result.get_estimate() <= result.get_upper_bound(2)
    for value in range(50):
        sketch.update(value)
    import_distinct(sketch.serialize_compact())
    return _adopted({"hll": image})


def items(seed: int) -> str:
    """Foreign images of frequent strings."""
    chance = Random(seed)
    image = tried(mutated(chance.choice(items_images()), chance, every_image()))
    try:
        import_frequent_items(image)
    except CorruptProfile:
        return "refused"
    return _adopted({"frequent_strings": image}, group=chance.choice(["string", "number", "binary", "date"]))


def theta(seed: int) -> str:
    """Theta images whose estimate is read."""
    chance = Random(seed)
    try:
        found = theta_estimate(tried(mutated(chance.choice(theta_images()), chance, every_image())))
    except CorruptProfile:
        return "refused"
    assert found is None or found.lower <= found.estimate <= found.upper
    return "taken"


def _adopted(images: dict[str, bytes], group: str = "number") -> str:
    try:
        profile = pp.Profile.from_images({"x": {group: images}}, rows=MAX_COUNT)
    except CorruptProfile:
        return "refused"
    exercise(profile)
    return "taken"


def whylogs(seed: int) -> str:
    """whylogs files with changed bytes or message fields."""
    chance = Random(seed)
    data = tried(_whylogs_file(chance))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            profile = pp.read(data)
            profile.merge(pp.read(profile.to_whylogs(dataset_timestamp=datetime(2026, 1, 1, tzinfo=UTC))))
    except (CorruptProfile, UnsupportedVersion):
        return "refused"
    except ArgumentError as error:
        assert "in this profile already" in str(error)  # noqa: PT017 - its own panes
    exercise(profile)
    return "taken"


def _whylogs_file(chance: Random) -> bytes:
    match chance.randrange(3):
        case 0:
            files = whylogs_files()
            return mutated(chance.choice(files), chance, [*files, *every_image()])
        case 1:
            column = wl.ColumnV0.FromString(chance.choice(whylogs_columns()))
            mutate_message(column, chance, every_image())
            return v0(v0_message({"x": column}))
    numbers = chance.choices([1.0, -2.0, 0.5, math.inf], k=chance.randrange(1, 9))
    components = integers(counts__n=9, counts__null=1, types__fractional=len(numbers), types__string=3)
    components |= integers(types__integral=2, types__boolean=3, counts__true=3)
    components |= ends(-2, 1) | distribution(numbers) | cardinality(numbers) | frequent({"1": 2, "a": 1, "True": 3})
    components |= {"x/any": wl.Component(cpc=wl.Sketch(image=b"abc"))}
    for name in chance.sample(sorted(components), k=3):
        mutate_message(components[name], chance, every_image())
    return v1({"x": components})


@cache
def whylogs_columns() -> list[bytes]:
    data = (GOLDEN.parent / "interop" / "whylogs" / "flights_v0.bin").read_bytes()
    _, start = varint(data, 0)
    entries = map(wl.ColumnEntryV0.FromString, wl.ProfileV0.FromString(data[start:]).columns)
    return [entry.value for entry in entries]


@cache
def whylogs_files() -> list[bytes]:
    performance = GOLDEN.parent / "interop" / "whylogs" / "performance_v1.bin"
    return [performance.read_bytes(), *(pp.read(file).to_whylogs() for file in small_files())]


def naughty(seed: int) -> str:
    """A target that fails in each way, for the test of the harness."""
    tried(b"bytes of %d" % seed)
    if seed < WARM_UP_SEED:
        match seed % 5:
            case 1:
                raise RuntimeError("not expected")
            case 2:
                bytearray(100 << 20)
            case 3:
                end = time.process_time() + 0.15
                while time.process_time() < end:
                    continue
            case 4:
                os.kill(os.getpid(), signal.SIGSEGV)
    return "refused"


# Name → target and its share of the cases.
TARGETS: dict[str, tuple[Callable[[int], str], float]] = {
    "flips": (flips, 0.15),
    "cuts": (cuts, 0.05),
    "files": (whole_files, 0.15),
    "headers": (headers, 0.05),
    "columns": (columns, 0.15),
    "quantiles": (quantiles, 0.15),
    "distinct": (distinct, 0.15),
    "items": (items, 0.1),
    "theta": (theta, 0.05),
    "whylogs": (whylogs, 0.1),
}
