"""What the documentation shows works: every page is executed, from top to bottom, in a directory of its own.

Blocks tagged `python` share one namespace per page. Blocks tagged `console` that start with `$ polarsprof` run the
installed command. `<!-- no-run: reason -->` on the line above a block leaves it out.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import polarsprof

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").rglob("*.md") if "site" not in path.parts)]
FENCE = re.compile(
    r"^(?P<indent>[ \t]*)(?P<ticks>`{3,})(?P<info>[^`\n]*)\n(?P<body>.*?)^(?P=indent)(?P=ticks)[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
NO_RUN = re.compile(r"\s*<!-- no-run: \S.* -->\s*")
COMMAND_SECONDS = 120


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text without indentation, the line before it, its first line's number."""

    language: str
    text: str
    above: str
    line: int

    @property
    def runs(self) -> bool:
        shown = self.language == "python" or (self.language == "console" and self.text.startswith("$ polarsprof"))
        return shown and not NO_RUN.fullmatch(self.above)


def blocks(page: str) -> list[Block]:
    return [_block(page, match) for match in FENCE.finditer(page)]


def _block(page: str, match: re.Match[str]) -> Block:
    language = match["info"].strip().partition(" ")[0]
    lines = [line.removeprefix(match["indent"]) for line in match["body"].splitlines()]
    above = page[: match.start()].removesuffix("\n").rpartition("\n")[2]
    return Block(language, "\n".join(lines), above, page.count("\n", 0, match.start("body")) + 1)


def commands(console: str) -> list[str]:
    """The lines after a prompt, each with the lines a backslash at its end continues it with; output is left out."""
    return [line.removeprefix("$ ") for line in console.replace("\\\n", "").splitlines() if line.startswith("$ ")]


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def _pages_that_run() -> list[Path]:
    return [page for page in PAGES if page.is_file() and any(block.runs for block in blocks(page.read_text("utf-8")))]


def _run_python(block: Block, page: Path, namespace: dict[str, Any]) -> None:
    # Empty lines in front make a traceback name the line of the page.
    exec(compile("\n" * (block.line - 1) + block.text, page, "exec"), namespace)


def _run_console(block: Block, page: Path) -> None:
    scripts = sysconfig.get_path("scripts")
    assert shutil.which("polarsprof", path=scripts), "the command is not installed: pip install ."
    # The command is the installed one, the code it runs that of the checkout, as for the blocks in Python.
    environment = os.environ | {"PATH": os.pathsep.join([scripts, os.environ["PATH"]]), "PYTHONPATH": str(ROOT)}
    for command in commands(block.text):
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert ran.returncode == 0, f"{_name(page)}:{block.line}: {command}\n{ran.stdout}{ran.stderr}"


@pytest.mark.parametrize("page", _pages_that_run(), ids=_name)
def test_a_page_runs_from_top_to_bottom(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": "page"}
    for block in blocks(page.read_text("utf-8")):
        if block.runs and block.language == "python":
            _run_python(block, page, namespace)
        elif block.runs:
            _run_console(block, page)


def test_the_readme_shows_code_that_runs() -> None:
    assert ROOT / "README.md" in _pages_that_run()


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_no_block_escapes_execution_by_its_spelling(page: Path) -> None:
    text = page.read_text("utf-8")
    found = blocks(text)
    misspelt = {block.language for block in found if re.match(r"\{|(?!python$)py|~", block.language, re.IGNORECASE)}
    assert not misspelt
    assert "~~~" not in text
    excluded = [block for block in found if NO_RUN.fullmatch(block.above)]
    assert text.count("<!-- no-run") == len(excluded), "a no-run comment has no reason, or no block right below it"


def test_the_reference_documents_exactly_the_public_names() -> None:
    text = (ROOT / "docs" / "reference.md").read_text("utf-8")
    documented = set(re.findall(r"^::: polarsprof\.(\w+)$", text, re.MULTILINE))
    assert documented - {"testing"} == set(polarsprof.__all__) - {"__version__"}


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
