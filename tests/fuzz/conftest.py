"""How many cases the tests of this folder try, and what they counted."""

from __future__ import annotations

from collections import Counter

import pytest
from support.totals import tell


class Fuzz:
    """Asked by a test how many cases to try; told what came of them."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        config = request.config
        self._cases: int | None = config.getoption("--fuzz-cases")
        self.seed: int = config.getoption("--fuzz-seed")
        self._node = request.node

    def cases(self, *, short: int, share: float) -> int:
        """How many: `short`, or with the option that share of them."""
        return short if self._cases is None else max(1, round(self._cases * share))

    def tell(self, name: str, totals: Counter[str]) -> None:
        """Have figures shown at the end."""
        tell(self._node, f"fuzz {name}", totals)


@pytest.fixture
def fuzz(request):
    return Fuzz(request)
