"""The command that samples mutants, on a toy package of one module."""

from __future__ import annotations

import ast
from pathlib import Path

import mutation
import pytest

LIMIT = '''
"""A module."""

BOUND = 7


def inside(value: int, end: int) -> bool:
    """Whether a value lies inside."""
    seen.append(value)
    return not value >= end and value > 0


def total(one: int, other: int) -> int:
    return max(one, 0) + other


seen: list[int] = []
'''
TEST = """
from toy.limits import limit


def test_inside():
    assert limit.inside(4, 5) and not limit.inside(5, 5) and not limit.inside(-1, 5)
    assert not limit.inside(0, 5) and limit.inside(1, 5)
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    for file, text in {"toy/limits/limit.py": LIMIT, "tests/limits/test_limit.py": TEST}.items():
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text(text, "utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = slow\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def changes(source: str) -> set[str]:
    return {mutant.key.partition(": ")[2] for mutant in mutation.mutants(Path("toy.py"), source)}


def test_every_kind_of_site_is_mutated_and_declarations_are_not():
    assert changes(LIMIT) == {
        "seen.append(value) -> pass",
        "return not value >= end and value > 0 -> return not (not value >= end and value > 0)",
        "not value >= end and value > 0 -> not value >= end or value > 0",
        "not value >= end -> value >= end",
        "value >= end -> value > end",
        "value > 0 -> value >= 0",
        "0 -> 1",
        "max(one, 0) -> min(one, 0)",
        "max(one, 0) + other -> max(one, 0) - other",
    }
    assert changes("def f(a: int = 1) -> None:\n    a += np.maximum(a, b)") == {
        "1 -> 2",
        "a += np.maximum(a, b) -> pass",
        "np.maximum(a, b) -> np.minimum(a, b)",
    }


def test_each_mutant_is_the_source_with_one_change():
    sources = {mutant.source() for mutant in mutation.mutants(Path("toy.py"), LIMIT)}
    assert len(sources) == len(list(mutation.mutants(Path("toy.py"), LIMIT)))
    assert ast.unparse(ast.parse(LIMIT)) not in sources


def test_a_sample_is_the_same_each_time_and_whatever_is_added(toy):
    some = [mutant.key for mutant in mutation.sample(toy, Path("toy"), 4, 1)]
    assert len(some) == 4
    assert [mutant.key for mutant in mutation.sample(toy, Path("toy"), 4, 1)] == some
    assert [mutant.key for mutant in mutation.sample(toy, Path("toy"), 4, 2)] != some
    (toy / "tests/mutation_equivalents.txt").write_text(some[0], "utf-8")
    fewer = [mutant.key for mutant in mutation.sample(toy, Path("toy"), 4, 1)]
    assert len(fewer) == 4
    assert {*some} - {*fewer} == {some[0]}


def test_survivors_are_named_and_the_checkout_is_left_alone(toy, capsys, monkeypatch):
    before = {path: path.read_bytes() for path in toy.rglob("*") if path.is_file()}
    wanted = ("value > 0 -> value >= 0", "seen.append(value) -> pass")
    monkeypatch.setattr(mutation, "sample", lambda *_: [m for m in found if m.key.endswith(wanted)])
    found = list(mutation.mutants(Path("toy/limits/limit.py"), LIMIT))
    mutation.main(["toy/limits/limit.py"])
    assert capsys.readouterr().out.splitlines() == [
        "SURVIVED toy/limits/limit.py:9 inside: seen.append(value) -> pass",
        "killed toy/limits/limit.py:10 inside: value > 0 -> value >= 0",
        "killed 1 of 2",
    ]
    assert {path: path.read_bytes() for path in toy.rglob("*") if path.is_file()} == before


def test_tests_that_fail_anyway_say_nothing(toy):
    (toy / "tests/limits/test_limit.py").write_text("def test_it():\n    assert False", "utf-8")
    with pytest.raises(SystemExit, match="fails without any mutant"):
        mutation.main(["toy/limits"])
