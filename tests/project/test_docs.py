"""What the documentation shows works: every page is executed, from top to bottom, in a directory of its own.

Blocks tagged `python` share one namespace per page. Blocks tagged `console` that start with `$ polarsprof` run the
installed command. `<!-- no-run: reason -->` on the line above a block leaves it out.
"""

from __future__ import annotations

import re
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


def test_the_reference_documents_exactly_the_publicname_ofs() -> None:
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
