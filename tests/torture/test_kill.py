"""kill -9 at any time and any call: flushed rows count once, a source exactly once, no orphan file is left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_kill(tmp_path, torture):
    """A separate program forks and kills, because Polars has started its threads in this process."""
    command = [sys.executable, str(HERE / "kills.py"), str(tmp_path), str(torture.rounds(short=80)), str(torture.seed)]
    path = os.pathsep.join([str(HERE.parent), str(HERE.parent.parent)])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True, env=environment)
    totals = json.loads(done.stdout)
    failures = totals.pop("failures")
    torture.tell("kill -9", totals)
    assert not failures, "\n".join(failures)
    assert totals["kills"] >= torture.rounds(short=80)
