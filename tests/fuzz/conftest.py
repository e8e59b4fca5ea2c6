"""Number of cases of the fuzz tests, and the totals that they report."""

from __future__ import annotations

from collections import Counter

import pytest
from support.totals import tell


class Fuzz:
    """Number of cases of a fuzz test, and its totals."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        config = request.config
        self._cases: int | None = config.getoption("--fuzz-cases")
        self.seed: int = config.getoption("--fuzz-seed")
        self._node = request.node

    def cases(self, *, short: int, share: float) -> int:
        """Number of cases: `short`, or a share of the option `--fuzz-cases`."""
        return short if self._cases is None else max(1, round(self._cases * share))

    def tell(self, name: str, totals: Counter[str]) -> None:
        """Show figures at the end of the run."""
        tell(self._node, f"fuzz {name}", totals)


@pytest.fixture
def fuzz(request):
    return Fuzz(request)
