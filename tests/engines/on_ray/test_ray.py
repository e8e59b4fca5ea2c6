"""Profiles by Ray equal those of one process.

Ray runs in a separate environment, whose interpreter POLARSPROF_TEST_RAY names; the laws are in `laws.py`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from support.environments import interpreter

from polarsprof.engines.ray import RayExecutor, profile_dataset

LAWS = Path(__file__).with_name("laws.py")
ROOT = LAWS.parents[3]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Law → its failures; empty if it holds."""
    python = interpreter("POLARSPROF_TEST_RAY", "polarsprof[ray], pytest, hypothesis and tpchgen-cli")
    report = tmp_path_factory.mktemp("ray") / "junit.xml"
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    options = ["-q", "-p", "no:cacheprovider", "-o", "filterwarnings=default", f"--junitxml={report}"]
    ran = subprocess.run(
        [python, "-m", "pytest", *options, str(LAWS)],
        cwd=ROOT,
        env=os.environ | quiet | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert report.exists(), ran.stdout[-5_000:]
    found: dict[str, str] = {}
    for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314 - pytest wrote it
        law = case.get("name", "").partition("[")[0]
        failed = [part.text or "" for kind in ("failure", "error") for part in case.iter(kind)]
        found[law] = "\n".join([*filter(None, [found.get(law, "")]), *failed])
    return found


@pytest.mark.parametrize("law", re.findall(r"^def (test_\w+)", LAWS.read_text("utf-8"), re.MULTILINE))
def test_a_law_holds_in_ray(law, outcomes):
    assert law in outcomes
    assert not outcomes[law]


def test_without_ray_an_error_names_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"pip install 'polarsprof\[ray\]'"):
        profile_dataset(None)
    with pytest.raises(ImportError, match=r"pip install 'polarsprof\[ray\]'"):
        RayExecutor()
