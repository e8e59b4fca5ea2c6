"""The architecture page lists the modules of the package and the layers of the linter."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "polarsprof"
PAGE = ROOT / "docs" / "architecture.md"


def _section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found, f"no section {title!r}"
    return found[1]


def _modules() -> list[str]:
    """Paths as the page writes them: a package is its folder, and generated modules belong to their package."""
    paths = [path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if not path.stem.endswith("_pb2")]
    return sorted(path.replace("/__init__.py", "/") for path in paths)


def _listed() -> list[str]:
    return re.findall(r"^\| `([^`]+)` \|", _section("Modules"), re.MULTILINE)


def test_the_page_lists_every_module_exactly_once() -> None:
    assert sorted(_listed()) == _modules()


def test_the_modules_of_a_package_follow_it_on_the_page() -> None:
    for above, below in zip(_listed(), _listed()[1:], strict=False):
        if "/" in below.rstrip("/"):
            assert above.partition("/")[0] == below.partition("/")[0]


def test_the_page_shows_the_layers_of_the_linter() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    shown = re.search(r"```text\n(.*?)```", _section("Layers"), re.DOTALL)
    assert shown
    assert shown[1].splitlines() == layers
