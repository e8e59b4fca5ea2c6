"""Eight processes write one window of one store, half are killed: each row counts once, no file is overwritten."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_many_writers(tmp_path, torture):
    rounds = torture.rounds(short=5, share=10)
    command = [sys.executable, str(HERE / "writers.py"), str(tmp_path), str(rounds), str(torture.seed)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE.parent.parent)])}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    totals = json.loads(done.stdout)
    failures = totals.pop("failures")
    torture.tell("many writers", totals)
    assert not failures, "\n".join(failures)
    assert totals["rounds"] == rounds
