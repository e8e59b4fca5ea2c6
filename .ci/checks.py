"""Checks of the repository that no other tool covers. `.ci/run` calls them one by one, from the checkout.

Usage: checks.py readme-command NAME | top-level | prose | extra NAME | group NAME | wheel FILE | gencode | notebooks |
outcome JUNIT_FILE
"""

from __future__ import annotations

import ast
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
    from collections.abc import Callable, Iterator

PACKAGE = Path("polarsprof")
TOP_LEVEL = {"LICENSE", "README.md", "benchmarks", "docs", "notebooks", "polarsprof", "pyproject.toml", "tests"}
TOP_LEVEL |= {".ci", ".gitignore"}
NOTEBOOK_SECONDS = 300
FIRST_LINE_CHARACTERS = 80
CODE_LINE_CHARACTERS = 84  # a page of the documentation shows this many without a scroll bar
WHATS_PER_1000_WORDS = 1


def readme_command(name: str) -> str:
    """Return the README command below the marker `<!-- command: NAME -->`, without its prompt."""
    text = Path("README.md").read_text("utf-8")
    block = rf"<!-- command: {re.escape(name)} -->\s*^```(?:console|sh)\n(.*?)^```$"
    found = re.findall(block, text, re.MULTILINE | re.DOTALL)
    if len(found) != 1:
        sys.exit(f"README.md: expected one block below <!-- command: {name} -->, got {len(found)}")
    return "\n".join(line.removeprefix("$ ") for line in found[0].splitlines())


def top_level() -> None:
    """Check that the top level has no unknown entries."""
    listed = _output("git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    foreign = {path.split("/")[0] for path in listed} - TOP_LEVEL
    if foreign:
        sys.exit(f"top level: move or remove {sorted(foreign)}")


def prose() -> None:
    """Check the docstrings of the package, and the width of code in the documentation."""
    documented = [entry for path in sorted(PACKAGE.rglob("*.py")) for entry in _docstrings(path)]
    words = sum(len(re.findall(r"[A-Za-z]+", text)) for _, text in documented)
    whats = [place for place, text in documented for _ in re.findall(r"\bwhat\b", text, re.IGNORECASE)]
    long = [place for place, text in documented if len(text.strip().split("\n")[0]) > FIRST_LINE_CHARACTERS]
    pages = [Path("README.md"), *sorted(Path("docs").rglob("*.md"))]
    wide = [place for page in pages for place in _wide_lines(page)]
    frequent = len(whats) > WHATS_PER_1000_WORDS * words / 1_000
    problems = [f'{place}: "what" in a docstring' for place in whats if frequent]
    problems += [f"{place}: the first line has more than {FIRST_LINE_CHARACTERS} characters" for place in long]
    problems += [f"{place}: a line of code has more than {CODE_LINE_CHARACTERS} characters" for place in wide]
    print(
        f'{words} words in {len(documented)} docstrings: "what" {len(whats)} times, '
        f"{len(long)} long first lines; {len(wide)} wide lines of code in {len(pages)} pages"
    )
    if problems:
        sys.exit("\n".join(problems))


def _docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the place and the text of each docstring of a module; generated modules have none."""
    if path.stem.endswith("_pb2"):
        return
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node, clean=False)
            if text is not None:
                yield f"{path}:{node.body[0].lineno}", text


def _wide_lines(page: Path) -> Iterator[str]:
    """Yield the place of each wide line in the fenced blocks of a page; a diff quotes code that is wider."""
    fence = language = ""
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        stripped = line.strip()
        if not fence and (opened := re.match("`{3,}", stripped)):
            fence, language = opened[0], stripped[len(opened[0]) :]
        elif stripped == fence:
            fence = ""
        elif fence and language != "diff" and len(line) > CODE_LINE_CHARACTERS:
            yield f"{page}:{number}"


def extra(name: str) -> str:
    """Return the packages of an extra, without polarsprof itself."""
    return " ".join(_settings()["project"]["optional-dependencies"][name])


def group(name: str) -> str:
    """Return the packages of a dependency group."""
    return " ".join(_settings()["dependency-groups"][name])


def _settings() -> dict[str, Any]:
    return tomllib.loads(Path("pyproject.toml").read_text("utf-8"))


def wheel(file: str) -> None:
    """Check that the wheel holds every file of the package, the license, and nothing else."""
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
    """Check that protoc generates the protobuf modules in the checkout from their sources."""
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
    """Run every notebook from top to bottom, each in its own directory."""
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
    """Return the counts of a pytest run in one line."""
    suites = ET.parse(file).getroot().iter("testsuite")  # noqa: S314 (pytest wrote it a moment ago)
    totals = [[int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")] for suite in suites]
    tests, failures, errors, skipped = (sum(column) for column in zip(*totals, strict=True))
    failed = failures + errors
    return f"{tests - failed - skipped} passed, {failed} failed, {skipped} skipped"


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main(check: str, *arguments: str) -> None:
    """Run one check and print its answer, if it has one."""
    checks: dict[str, Callable[..., str | None]] = {
        "readme-command": readme_command,
        "top-level": top_level,
        "prose": prose,
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
