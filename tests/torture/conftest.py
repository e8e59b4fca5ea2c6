"""How long the tests of this folder run, and what they counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest

_TOTALS = pytest.StashKey[dict[str, Mapping[str, int]]]()


class Torture:
    """Asked by a test how often to do what it does; told what came of it."""

    def __init__(self, config: pytest.Config) -> None:
        self._rounds: int | None = config.getoption("--torture-rounds")
        self.seed: int = config.getoption("--torture-seed")
        self.long = self._rounds is not None
        self._totals = config.stash.setdefault(_TOTALS, {})

    def rounds(self, *, short: int, share: int = 1) -> int:
        """How often: `short`, or with the option so many by `share`."""
        return short if self._rounds is None else max(1, self._rounds // share)

    def seeds(self, *, short: int, share: int = 1) -> range:
        """The seeds of the rounds."""
        return range(self.seed, self.seed + self.rounds(short=short, share=share))

    def tell(self, name: str, totals: Mapping[str, int]) -> None:
        """Have figures shown at the end."""
        self._totals[name] = Counter(totals)


@pytest.fixture
def torture(request):
    return Torture(request.config)


def pytest_terminal_summary(terminalreporter, config):
    for name, totals in config.stash.get(_TOTALS, {}).items():
        figures = ", ".join(f"{number:,} {what}" for what, number in totals.items())
        terminalreporter.write_line(f"{name}: {figures}")
