"""Find the fenced blocks of a page of the documentation, and run them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(
    r"^(?P<indent>[ \t]*)(?P<ticks>`{3,})(?P<info>[^`\n]*)\n(?P<body>.*?)^(?P=indent)(?P=ticks)[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
NO_RUN = re.compile(r"\s*<!-- no-run: \S.* -->\s*")
COMMAND_SECONDS = 120


@dataclass(frozen=True)
class Block:
    """A fenced block: language, text without indentation, the line above it, and the number of its first line."""

    language: str
    text: str
    above: str
    line: int

    @property
    def runs(self) -> bool:
        executable = self.language == "python" or (self.language == "console" and self.text.startswith("$ polarsprof"))
        return executable and not NO_RUN.fullmatch(self.above)


def blocks(page: str) -> list[Block]:
    return [_block(page, match) for match in FENCE.finditer(page)]


def _block(page: str, match: re.Match[str]) -> Block:
    language = match["info"].strip().partition(" ")[0]
    lines = [line.removeprefix(match["indent"]) for line in match["body"].splitlines()]
    above = page[: match.start()].removesuffix("\n").rpartition("\n")[2]
    return Block(language, "\n".join(lines), above, page.count("\n", 0, match.start("body")) + 1)


def commands(console: str) -> list[str]:
    """Return the commands after a prompt, with their continuation lines but without output."""
    return [line.removeprefix("$ ") for line in console.replace("\\\n", "").splitlines() if line.startswith("$ ")]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def run_python(block: Block, page: Path, namespace: dict[str, Any]) -> None:
    # Empty lines in front make a traceback name the line of the page.
    exec(compile("\n" * (block.line - 1) + block.text, page, "exec"), namespace)


def run_console(block: Block, page: Path) -> None:
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
        assert ran.returncode == 0, f"{name_of(page)}:{block.line}: {command}\n{ran.stdout}{ran.stderr}"
