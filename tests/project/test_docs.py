"""Run every page of the documentation from top to bottom, each in its own directory, and check the names in it.

Blocks tagged `python` share one namespace per page. Blocks tagged `console` that start with `$ polarsprof` run the
installed command. The comment `<!-- no-run: reason -->` on the line above a block excludes it.
"""

from __future__ import annotations

import ast
import importlib
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from support.pages import NO_RUN, ROOT, Block, blocks, commands, name_of, run_console, run_python

import polarsprof

PAGES = [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").rglob("*.md") if "site" not in path.parts)]


def _pages_that_run() -> list[Path]:
    return [page for page in PAGES if page.is_file() and any(block.runs for block in blocks(page.read_text("utf-8")))]


@pytest.mark.parametrize("page", _pages_that_run(), ids=name_of)
def test_a_page_runs_from_top_to_bottom(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"_name_of__": "page"}
    for block in blocks(page.read_text("utf-8")):
        if block.runs and block.language == "python":
            run_python(block, page, namespace)
        elif block.runs:
            run_console(block, page)


def test_the_readme_shows_code_that_runs() -> None:
    assert ROOT / "README.md" in _pages_that_run()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_block_escapes_execution_by_its_spelling(page: Path) -> None:
    text = page.read_text("utf-8")
    found = blocks(text)
    misspelt = {block.language for block in found if re.match(r"\{|(?!python$)py|~", block.language, re.IGNORECASE)}
    assert not misspelt
    assert "~~~" not in text
    excluded = [block for block in found if NO_RUN.fullmatch(block.above)]
    assert text.count("<!-- no-run") == len(excluded), "a no-run comment has no reason, or no block right below it"


# ---------------------------------------------------------------------------------------------------------------- names

REFERENCE = "\n".join(page.read_text("utf-8") for page in sorted((ROOT / "docs" / "reference").glob("*.md")))
DOCUMENTED = re.findall(r"^::: (polarsprof[\w.]*)$", REFERENCE, re.MULTILINE)
# A module, and names in it: not a file such as `polarsprof.toml`, and not part of a path or of a longer name.
EXTENDING = ROOT / "docs" / "extending.md"  # its names come to be while its test applies it to a copy of the package
DOTTED = re.compile(r"(?<![\w./@-])polarsprof(?:\.[A-Za-z_]\w*)+(?![\w/-])")
FILE_SUFFIXES = {"proto", "service", "toml"}


def resolved(dotted: str) -> object:
    """The object of a dotted name, or the name itself if it is in a module whose optional package is missing."""
    package, *names = dotted.split(".")
    found: object = importlib.import_module(package)
    for depth, name in enumerate(names, 1):
        if hasattr(found, name):
            found = getattr(found, name)
            continue
        module = ".".join([package, *names[:depth]])
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if str(error.name).startswith(package):
                raise
            assert set(names[depth : depth + 1]) <= defined(module), f"{dotted}: not defined"
            return dotted
    return found


def defined(module: str) -> set[str]:
    spec = find_spec(module)
    assert spec
    assert spec.origin
    body = ast.parse(Path(spec.origin).read_text("utf-8")).body
    return {node.name for node in body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}


@pytest.mark.parametrize("page", [page for page in PAGES if page != EXTENDING], ids=name_of)
def test_every_dotted_name_on_a_page_exists(page: Path) -> None:
    names = set(DOTTED.findall(page.read_text("utf-8")))
    for name in sorted(names):
        if name.rpartition(".")[2] not in FILE_SUFFIXES:
            resolved(name)


def test_the_reference_documents_exactly_the_public_names() -> None:
    assert len(DOCUMENTED) == len(set(DOCUMENTED)), "a name is documented twice"
    short = {name.partition(".")[2] for name in DOCUMENTED if name.count(".") == 1} - {"testing"}
    assert short <= set(polarsprof.__all__)
    objects = list(map(resolved, DOCUMENTED))
    missing = [name for name in polarsprof.__all__ if not any(getattr(polarsprof, name) is found for found in objects)]
    assert missing in ([], ["__version__"])


def test_the_reference_says_where_to_import_each_name() -> None:
    for page in sorted((ROOT / "docs" / "reference").glob("*.md")):
        text = page.read_text("utf-8")
        for name in re.findall(r"^::: (polarsprof[\w.]*)$", text, re.MULTILINE):
            home = name if name == "polarsprof.testing" else name.rpartition(".")[0]
            assert f"`{home}`" in text, name


# --------------------------------------------------------------------------------------------------------------- blocks

SAMPLE = """\
Text with `code`.

```python title="a"
x = 1
```

- A list

    ```console
    $ polarsprof show \\
        x.bin
    printed
    $ polarsprof demo
    ```

<!-- no-run: needs a broker -->
```python
y = 1
```

```sh
z
```
"""


def test_blocks_are_found_with_language_text_and_line() -> None:
    first, second, third, fourth = blocks(SAMPLE)
    assert first == Block("python", "x = 1", "", 4)
    assert (second.language, second.line) == ("console", 10)
    assert commands(second.text) == ["polarsprof show     x.bin", "polarsprof demo"]
    assert [block.runs for block in (first, second, third, fourth)] == [True, True, False, False]


@pytest.mark.parametrize("above", ["<!-- no-run: -->", "<!-- no-run -->", "no-run: reason", ""])
def test_a_block_is_left_out_only_with_a_reason(above: str) -> None:
    assert Block("python", "x", above, 1).runs
