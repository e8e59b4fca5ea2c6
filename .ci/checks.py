"""Checks of the repository that no other tool makes. `.ci/run` calls them one by one, from the checkout.

Usage: checks.py readme-command NAME | top-level | extra NAME | group NAME | wheel FILE | gencode | notebooks |
outcome JUNIT_FILE
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE = Path("polarsprof")
TOP_LEVEL = {"LICENSE", "README.md", "benchmarks", "docs", "notebooks", "polarsprof", "pyproject.toml", "tests"}
TOP_LEVEL |= {".ci", ".gitignore"}
NOTEBOOK_SECONDS = 300


def readme_command(name: str) -> str:
    """The command in the first block below the marker `<!-- command: NAME -->` in the README, without its prompt."""
    text = Path("README.md").read_text("utf-8")
    block = rf"<!-- command: {re.escape(name)} -->\s*^```(?:console|sh)\n(.*?)^```$"
    found = re.findall(block, text, re.MULTILINE | re.DOTALL)
    if len(found) != 1:
        sys.exit(f"README.md: expected one block below <!-- command: {name} -->, got {len(found)}")
    return "\n".join(line.removeprefix("$ ") for line in found[0].splitlines())


def top_level() -> None:
    """Nothing but the known entries stands at the top."""
    listed = _output("git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    foreign = {path.split("/")[0] for path in listed} - TOP_LEVEL
    if foreign:
        sys.exit(f"top level: move or remove {sorted(foreign)}")


def extra(name: str) -> str:
    """The packages of an extra, without this one."""
    return " ".join(_settings()["project"]["optional-dependencies"][name])


def group(name: str) -> str:
    """The packages of a dependency group."""
    return " ".join(_settings()["dependency-groups"][name])


def _settings() -> dict[str, Any]:
    return tomllib.loads(Path("pyproject.toml").read_text("utf-8"))


def wheel(file: str) -> None:
    """The wheel holds every file of the package, the license, and nothing else."""
    with zipfile.ZipFile(file) as opened:
        names = {name for name in opened.namelist() if not name.endswith("/")}
    held = {name for name in names if name.startswith(f"{PACKAGE}/")}
    paths = (path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    expected = {path.as_posix() for path in paths}
    beside = {name for name in names - held if ".dist-info/" not in name}
    if held != expected or beside:
        sys.exit(f"wheel: missing {sorted(expected - held)}, foreign {sorted((held - expected) | beside)}")
    for needed in (r"polarsprof/py\.typed", r"polarsprof/data/.+\.parquet", r"polarsprof/.+\.pyi", r".+/LICENSE"):
        if not any(re.fullmatch(needed, name) for name in names):
            sys.exit(f"wheel: nothing matches {needed}")


def gencode() -> None:
    """The generated protobuf modules are what protoc makes of their sources."""
    sources = sorted(PACKAGE.rglob("*.proto"))
    if not sources:
        sys.exit("gencode: no .proto file found")
    with tempfile.TemporaryDirectory() as directory:
        _output("protoc", "-I.", f"--python_out={directory}", f"--pyi_out={directory}", *map(str, sources))
        stale = [path for path in map(Path, _generated(sources)) if not _same(path, directory / path)]
    if stale:
        sys.exit(f"gencode: stale {[str(path) for path in stale]}; run protoc 29.5 from the top of the repository")


def _generated(sources: list[Path]) -> list[Path]:
    return [source.with_name(f"{source.stem}_pb2{suffix}") for source in sources for suffix in (".py", ".pyi")]


def _same(one: Path, other: Path) -> bool:
    return one.is_file() and one.read_bytes() == other.read_bytes()


def notebooks() -> None:
    """Every notebook runs from top to bottom, in a directory of its own."""
    import nbformat
    from nbclient import NotebookClient

    for path in sorted(Path("notebooks").glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as directory:
            notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
            place = Path(directory, "notebooks")
            place.mkdir()
            shutil.copytree("tests/interop/whylogs", Path(directory, "tests/interop/whylogs"))
            resources = {"metadata": {"path": str(place)}}
            NotebookClient(notebook, timeout=NOTEBOOK_SECONDS, kernel_name="python3", resources=resources).execute()
        print(f"{path}: {len(notebook.cells)} cells")


def outcome(file: str) -> str:
    """Pytest's counts in one line."""
    suites = ET.parse(file).getroot().iter("testsuite")  # noqa: S314 (pytest wrote it a moment ago)
    totals = [[int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")] for suite in suites]
    tests, failures, errors, skipped = (sum(column) for column in zip(*totals, strict=True))
    failed = failures + errors
    return f"{tests - failed - skipped} passed, {failed} failed, {skipped} skipped"


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main(check: str, *arguments: str) -> None:
    """Run one check; its answer, if it has one, goes to the standard output."""
    checks: dict[str, Callable[..., str | None]] = {
        "readme-command": readme_command,
        "top-level": top_level,
        "extra": extra,
        "group": group,
        "wheel": wheel,
        "gencode": gencode,
        "notebooks": notebooks,
        "outcome": outcome,
    }
    answer = checks[check](*arguments)
    if answer is not None:
        print(answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
