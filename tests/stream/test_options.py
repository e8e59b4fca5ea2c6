"""Typed options: an editor completes them, mypy refuses a typo, and they are the fields of `LoggerOptions`."""

from __future__ import annotations

import importlib.util
import inspect
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import polarsprof as pp
from polarsprof.stream.options import LoggerKeywords, LoggerOptions, MoreLoggerKeywords

ROOT = Path(__file__).resolve().parents[2]


def test_the_keywords_are_the_options_and_the_signature():
    options = {field.name for field in fields(LoggerOptions)}
    signature = {
        name for name, each in inspect.signature(pp.Session.logger).parameters.items() if each.kind is each.KEYWORD_ONLY
    }
    more, every = set(MoreLoggerKeywords.__annotations__), set(LoggerKeywords.__annotations__)
    assert more == options - signature
    assert every == options | signature


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed: pip install '.[dev]'")
def test_mypy_refuses_a_misspelled_option(tmp_path):
    code = """\
import polarsprof as pp
session = pp.Session("profiles")
session.logger("orders", with_rotation_time="1h", allowed_lateness="1h")
session.run(pp_source, dataset_name="orders", with_rotation_time="1h", zone="UTC")
session.logger("orders", with_rotation_tme="1h")
session.run(pp_source, alowed_lateness="1h")
session.logger("orders", max_open_windows="64")
""".replace("session = ", "from typing import Any\npp_source: Any = None\nsession = ")
    (tmp_path / "user.py").write_text(code, "utf-8")
    command = [sys.executable, "-m", "mypy", "--config-file=", "--cache-dir", str(tmp_path / "cache"), "user.py"]
    options = ["--follow-imports=silent", "--ignore-missing-imports"]
    ran = subprocess.run(
        [*command, *options],
        cwd=tmp_path,
        env={"MYPYPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    lines = [line for line in ran.stdout.splitlines() if "error:" in line]
    assert [int(line.split(":")[1]) for line in lines] == [7, 8, 9], ran.stdout + ran.stderr
