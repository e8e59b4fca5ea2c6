"""Images that crash, hang or explode DataSketches 5.2, strings that collide in it, and a ban on pickles."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import datasketches
import numpy as np
import polars as pl
import pytest
from fuzz.known import images

import polarsprof as pp
from polarsprof.errors import CorruptProfile
from polarsprof.sketches.images import import_distinct, import_frequent_items, import_quantiles

TESTS = Path(__file__).parent.parent
ADOPT = {"hll": import_distinct, "kll_doubles": import_quantiles, "frequent_strings": import_frequent_items}


def test_every_known_image_is_refused():
    assert len(images()) == 50
    assert [label for label, name, image in images() if not is_refused(name, image)] == []


def is_refused(name: str, image: bytes) -> bool:
    try:
        ADOPT[name](image)
    except CorruptProfile:
        return True
    return False


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="bounds memory as Linux does")
def test_no_known_image_crashes_hangs_or_explodes_by_any_way_in():
    path = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    environment = {**os.environ, "PYTHONPATH": path, "POLARS_MAX_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    command = [sys.executable, "-m", "fuzz.known"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, f"{lines[-1:]}: exit {done.returncode} {done.stderr[-2_000:]}"
    assert len(lines) == 50


# ------------------------------------------------------------------------------------------------ strings that collide

MULTIPLIER = np.uint64(0xC6A4A7935BD1E995)
INVERSE = np.uint64(pow(int(MULTIPLIER), -1, 2**64))
SEED = np.uint64(0xC70F6907)
SHIFT = np.uint64(47)


def colliding_strings(wanted: int) -> list[str]:
    """Texts of 16 characters with the same hash in libstdc++, which uses MurmurHash64A with a public seed.

    The second step of the hash is invertible: for a random first half there is a second half that leads to a fixed
    state. One in some thousands is printable.
    """
    chance = np.random.default_rng(1)
    found: list[str] = []
    with np.errstate(over="ignore"):
        start = SEED ^ (np.uint64(16) * MULTIPLIER)
        while len(found) < wanted:
            first = chance.integers(97, 123, (1 << 20, 8), dtype=np.uint8)
            words = first.view("<u8")[:, 0] * MULTIPLIER
            state = (start ^ ((words ^ words >> SHIFT) * MULTIPLIER)) * MULTIPLIER
            second = (state ^ np.uint64(0x0123456789ABCDEF)) * INVERSE
            second = (second ^ second >> SHIFT) * INVERSE
            halves = second.view(np.uint8).reshape(-1, 8)
            printable = ((halves >= 32) & (halves < 127)).all(axis=1)
            pairs = np.hstack([first, halves])[printable]
            found += [row.tobytes().decode("ascii") for row in pairs]
    return found[:wanted]


@pytest.fixture(scope="module")
def colliding():
    return colliding_strings(1_100)


def test_the_strings_do_break_the_native_sketch(colliding):
    """Otherwise the next test shows nothing."""
    sketch = datasketches.frequent_strings_sketch(11)
    for text in colliding[:1_023]:
        sketch.update(text)
    with pytest.raises(RuntimeError, match="drift limit"):
        sketch.update(colliding[1_023])


@pytest.mark.parametrize("lg_items", [9, 11])
def test_strings_that_collide_do_no_harm(colliding, lg_items):
    spec = pp.ProfileSpec(lg_items=lg_items)
    values = colliding * 2 + ["often"] * 500
    frame = pl.DataFrame({"s": values, "x": range(len(values))})
    profile = pp.profile(frame.head(1_000), spec=spec)
    profile.merge(pp.profile(frame.slice(1_000), spec=spec))
    read = pp.merge([profile.to_bytes(), pp.profile(frame, spec=spec).to_bytes()])
    for found, times in ((profile, 1), (read, 2)):
        column = found["s"]
        assert column.count == times * len(values)
        assert column.distinct.lower <= 1_101 <= column.distinct.upper
        top = column.frequent_items(1)[0]
        assert top.value == "often"
        assert top.lower <= times * 500 <= top.upper
        assert found["x"].count == times * len(values)
    if lg_items == 11:
        assert {item.estimate for item in profile["s"].frequent_items(1_101)} == {2, 500}


@pytest.mark.parametrize("lg_items", [10, 11])
def test_an_image_of_them_opens_in_datasketches_up_to_lg_items_of_10(colliding, lg_items):
    spec = pp.ProfileSpec(lg_items=lg_items)
    kept = colliding[: spec.max_items]
    image = pp.profile(pl.DataFrame({"s": kept}), spec=spec)["s"].images()["frequent_strings"]
    assert import_frequent_items(image)[2] == len(kept)
    if lg_items == 10:
        assert datasketches.frequent_strings_sketch.deserialize(image).total_weight == 768
    else:
        with pytest.raises(RuntimeError, match="drift limit"):
            datasketches.frequent_strings_sketch.deserialize(image)


# ---------------------------------------------------------------------------------------------------- no unpickling

EVALUATING = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "yaml", "runpy"}
CALLS = {"eval", "exec", "__import__", "compile"}
METHODS = {("LazyFrame", "deserialize"), ("Expr", "deserialize"), ("DataFrame", "deserialize"), ("np", "load")}


def test_nothing_in_the_package_unpickles_or_evaluates():
    for path in (TESTS.parent / "polarsprof").rglob("*.py"):
        if path.stem.endswith("_pb2"):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            place = f"{path.name}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Import):
                assert not {alias.name.partition(".")[0] for alias in node.names} & EVALUATING, place
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").partition(".")[0] not in EVALUATING, place
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in CALLS, place
            elif isinstance(node, ast.Attribute):
                value = node.value
                owner = value.id if isinstance(value, ast.Name) else getattr(value, "attr", "")
                assert (owner, node.attr) not in METHODS, place
