"""Apache Beam: `pipelines.py` and the doctests of the module pass in the environment of Beam.

Beam needs older releases of protobuf and pyarrow than these tests, so it has a separate environment, whose interpreter
POLARSPROF_TEST_BEAM names. The tests there also cover those releases.
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


def run_in_environment_of_beam(*arguments: str) -> subprocess.CompletedProcess[str]:
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


def test_the_pipelines_pass_in_the_environment_of_beam():
    options = ["-q", "-p", "no:cacheprovider", "-o", "addopts=--strict-markers --doctest-modules -ra"]
    files = ["tests/engines/beam/pipelines.py", "polarsprof/engines/beam.py"]
    ran = run_in_environment_of_beam("-m", "pytest", *options, *files)
    assert ran.returncode == 0, ran.stdout[-10_000:] + ran.stderr[-2_000:]
    passed = re.search(r"(\d+) passed", ran.stdout)
    assert passed, ran.stdout
    assert int(passed[1]) >= 20


def test_beam_is_in_a_separate_dependency_group():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert settings["dependency-groups"]["beam"]
    project = settings["project"]
    everything = [
        *project["dependencies"],
        *(name for names in project["optional-dependencies"].values() for name in names),
    ]
    assert not [name for name in everything if "beam" in name]
