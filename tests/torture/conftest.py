"""Length of the crash tests, and the totals that they report."""

from __future__ import annotations

import shutil
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from support.totals import tell
from torture.stream import Verdict

from polarsprof.errors import DataWarning


class Torture:
    """Number of rounds of a crash test, and its totals."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        config = request.config
        self._rounds: int | None = config.getoption("--torture-rounds")
        self.seed: int = config.getoption("--torture-seed")
        self.long = self._rounds is not None
        self._node = request.node

    def rounds(self, *, short: int, share: int = 1) -> int:
        """Number of rounds: `short`, or a share of the option `--torture-rounds`."""
        return short if self._rounds is None else max(1, self._rounds // share)

    def seeds(self, *, short: int, share: int = 1) -> range:
        """Seeds of the rounds."""
        return range(self.seed, self.seed + self.rounds(short=short, share=share))

    def play(
        self, name: str, tmp_path: Path, play: Callable[[Path, int, Counter[str]], Verdict], unit: str, seeds: range
    ) -> None:
        """Play each seed in its own folder and report the totals; the folder of a seed that fails is kept."""
        totals: Counter[str] = Counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            for seed in seeds:
                folder = tmp_path / str(seed)
                folder.mkdir()
                try:
                    verdict = play(folder, seed, totals)
                except Exception as error:
                    error.add_note(f"seed {seed}, see {folder}")
                    raise
                totals[unit] += 1
                for kind in ("lost", "doubled", "torn", "orphans"):
                    totals[kind] += getattr(verdict, kind)
                if not verdict.good:
                    pytest.fail(f"seed {seed}, see {folder}: {'; '.join(verdict.details)}")
                shutil.rmtree(folder)
        self.tell(name, totals)

    def tell(self, name: str, totals: Mapping[str, int]) -> None:
        """Show figures at the end of the run."""
        tell(self._node, name, totals)


@pytest.fixture
def torture(request):
    return Torture(request)
