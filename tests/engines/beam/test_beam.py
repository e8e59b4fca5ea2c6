"""Apache Beam: `pipelines.py` and the doctests of the module pass where Beam is.

Beam wants older releases of protobuf and pyarrow than these tests run with, so it lies in an environment of its own,
whose interpreter POLARSPROF_TEST_BEAM names. What passes there passes with those releases too.
"""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

from support.environments import interpreter

ROOT = Path(__file__).resolve().parents[3]
SECONDS = 300


def in_its_environment(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [interpreter("POLARSPROF_TEST_BEAM", "Apache Beam, pytest and Hypothesis"), *arguments],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "COV_"))}
        | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_the_pipelines_pass_where_beam_is():
    options = ["-q", "-p", "no:cacheprovider", "-o", "addopts=--strict-markers --doctest-modules -ra"]
    files = ["tests/engines/beam/pipelines.py", "polarsprof/engines/beam.py"]
    ran = in_its_environment("-m", "pytest", *options, *files)
    assert ran.returncode == 0, ran.stdout[-10_000:] + ran.stderr[-2_000:]
    passed = re.search(r"(\d+) passed", ran.stdout)
    assert passed, ran.stdout
    assert int(passed[1]) >= 20


def test_beam_is_in_a_group_of_its_own():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert settings["dependency-groups"]["beam"]
    project = settings["project"]
    everything = [
        *project["dependencies"],
        *(name for names in project["optional-dependencies"].values() for name in names),
    ]
    assert not [name for name in everything if "beam" in name]
