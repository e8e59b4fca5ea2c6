"""Samples mutants of a part of the package and reports those that the tests of its room do not notice.

    python tests/mutation.py polarsprof/stream/outbox.py
    python tests/mutation.py polarsprof/stream --per-module 8 --seed 1

A mutant is the package with one change: a comparison, `and` or `or`, `min` or `max`, a sign, an integer off by one, a
returned boolean, or a statement or `not` that is dropped. Each mutant is written to a temporary copy of the checkout.
There `pytest -x -m "not slow"` runs the tests of the room: `tests/stream` for `polarsprof/stream`. A mutant is killed
if the run fails, or takes five times as long as the run of the unchanged copy.

The sample depends only on the seed, the file, the function and the change, so edits elsewhere do not move it. It skips
the lines of `tests/mutation_equivalents.txt`, which no test can notice.

mutmut and cosmic-ray try every site, some thousands a room, and keep a database and settings in the checkout. A sample
is enough to find weak tests, and takes minutes.
"""

from __future__ import annotations

import argparse
import ast
import copy
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EQUIVALENTS = Path("tests/mutation_equivalents.txt")
IGNORED = shutil.ignore_patterns(".git", "__pycache__", ".hypothesis", ".*_cache", "dist", "site")
PAIRS: list[tuple[type[ast.AST], type[ast.AST]]] = [(ast.And, ast.Or), (ast.Add, ast.Sub), (ast.Is, ast.IsNot)]
PAIRS += [(ast.In, ast.NotIn), (ast.Eq, ast.NotEq), (ast.Lt, ast.LtE), (ast.Gt, ast.GtE)]
OPPOSITES = dict([*PAIRS, *((other, one) for one, other in PAIRS)])
EXTREMES = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum"}

Scope = ast.FunctionDef | ast.AsyncFunctionDef
Node = ast.expr | ast.stmt


@dataclass(frozen=True)
class Site:
    """An expression or statement that runs, the function around it, and its place: a list or the fields of a node."""

    node: Node
    scope: Scope | None
    place: list[Node] | dict[str, Node]
    at: Any


@dataclass(frozen=True)
class Mutant:
    """One change of one file; the key names file, function and change, with a number if it is there repeatedly."""

    path: Path
    key: str
    tree: ast.Module
    site: Site
    changed: Node

    def __str__(self) -> str:
        return f"{self.path}:{self.site.node.lineno} {self.key.split(' ', 1)[1]}"

    def source(self) -> str:
        self.site.place[self.site.at] = self.changed
        mutated = ast.unparse(ast.fix_missing_locations(self.tree))
        self.site.place[self.site.at] = self.site.node
        return mutated


def mutants(path: Path, source: str) -> Iterator[Mutant]:
    tree = ast.parse(source)
    times: Counter[str] = Counter()
    for site in _sites(tree):
        for changed in _changes(site.node, site.scope):
            scope = site.scope.name if site.scope else "-"
            key = f"{path.as_posix()} {scope}: {_text(site.node)} -> {_text(changed)}"
            times[key] += 1
            yield Mutant(path, key if times[key] == 1 else f"{key} #{times[key]}", tree, site, changed)


def _sites(node: ast.AST, scope: Scope | None = None) -> Iterator[Site]:
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "type_params") or _is_declarative(node, scope):
            continue
        place, children = (value, enumerate(value)) if isinstance(value, list) else (vars(node), [(field, value)])
        for at, child in children:
            if isinstance(child, ast.expr | ast.stmt):
                yield Site(child, scope, place, at)
            if isinstance(child, ast.AST):
                yield from _sites(child, child if isinstance(child, Scope) else scope)


def _is_declarative(node: ast.AST, scope: Scope | None) -> bool:
    """Whether a node holds bounds and tables of a module, texts, or imports for types."""
    constant = scope is None and isinstance(node, ast.Assign | ast.AnnAssign)
    return constant or isinstance(node, ast.JoinedStr) or (isinstance(node, ast.If) and "TYPE_CHECKING" in _text(node))


def _changes(node: Node, scope: Scope | None) -> Iterator[Node]:
    """The node, changed in each way that there is for its kind."""
    match node:
        case ast.Compare(ops=ops):
            for at, operator in enumerate(ops):
                yield _with(node, ops=[*ops[:at], OPPOSITES[type(operator)](), *ops[at + 1 :]])
        case ast.BoolOp(op=operator) | ast.BinOp(op=operator) if type(operator) in OPPOSITES:
            yield _with(node, op=OPPOSITES[type(operator)]())
        case ast.Call(func=ast.Name(id=name)) if name in EXTREMES:
            yield _with(node, func=ast.Name(EXTREMES[name]))
        case ast.Call(func=ast.Attribute(attr=name) as function) if name in EXTREMES:
            yield _with(node, func=_with(function, attr=EXTREMES[name]))
        case ast.Constant(value=int(number)) if not isinstance(number, bool):
            yield _with(node, value=number + 1)
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.Return(value=ast.expr() as value) if scope and _text(scope.returns) == "bool":
            yield _with(node, value=ast.UnaryOp(ast.Not(), value))
        case ast.AugAssign() | ast.Expr(value=ast.Call()):
            yield ast.copy_location(ast.Pass(), node)


def _with(node: Node, **fields: object) -> Node:
    """A copy of a node with other fields."""
    changed = copy.copy(node)
    vars(changed).update(fields)
    return changed


def _text(node: ast.AST | None) -> str:
    return " ".join(ast.unparse(node).split()) if node else ""


def sample(root: Path, target: Path, per_module: int, seed: int) -> list[Mutant]:
    """Some mutants of each file of a target, equal for equal seeds."""
    listed = root / EQUIVALENTS
    equivalents = set(listed.read_text("utf-8").splitlines()) if listed.exists() else set()
    files = sorted((root / target).rglob("*.py")) if (root / target).is_dir() else [root / target]
    chosen: list[Mutant] = []
    for file in files:
        if not file.stem.endswith("_pb2"):
            found = mutants(file.relative_to(root), file.read_text("utf-8"))
            order = {hashlib.sha256(f"{seed} {each.key}".encode()).digest(): each for each in found}
            others = [order[digest] for digest in sorted(order) if order[digest].key not in equivalents]
            chosen += sorted(others[:per_module], key=lambda each: each.site.node.lineno)
    return chosen


def survivors(root: Path, chosen: Sequence[Mutant], tests: Sequence[str]) -> Iterator[Mutant]:
    """Run the tests on each mutant, print the outcome, and yield the mutants that no test noticed."""
    with tempfile.TemporaryDirectory() as folder:
        checkout = Path(folder, "checkout")
        shutil.copytree(root, checkout, ignore=IGNORED)
        start = time.monotonic()
        if not _passes(checkout, tests, None):
            sys.exit(f"{' '.join(tests)}: fails without any mutant")
        limit_s = 10 + 5 * (time.monotonic() - start)
        for number, mutant in enumerate(chosen):
            file = checkout / mutant.path
            original = file.read_text("utf-8")
            file.write_text(mutant.source(), "utf-8")
            os.utime(file, (number, number))  # so that no bytecode of another mutant counts as its own
            survived = _passes(checkout, tests, limit_s)
            file.write_text(original, "utf-8")
            print("SURVIVED" if survived else "killed", mutant, flush=True)
            if survived:
                yield mutant


def _passes(checkout: Path, tests: Sequence[str], limit_s: float | None) -> bool:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not slow", *tests]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=checkout, env=environment, stdout=quiet, stderr=quiet, process_group=0) as run:
        try:
            return run.wait(limit_s) == 0
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            return False


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python tests/mutation.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("target", type=Path, help="a file or folder of the package, from the top of the checkout")
    parser.add_argument("--per-module", type=int, default=8, help="mutants of each file (default: 8)")
    parser.add_argument("--seed", type=int, default=1, help="another seed samples other mutants")
    parser.add_argument("--tests", nargs="+", help="what pytest runs, instead of the tests of the room")
    options = parser.parse_args(arguments)
    chosen = sample(Path.cwd(), options.target, options.per_module, options.seed)
    tests = options.tests or [str(Path("tests", options.target.with_suffix("").parts[1]))]
    left = sum(1 for _ in survivors(Path.cwd(), chosen, tests))
    print(f"killed {len(chosen) - left} of {len(chosen)}")


if __name__ == "__main__":
    main()
