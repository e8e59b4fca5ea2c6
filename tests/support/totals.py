"""What long tests counted, shown at the end of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest

TOTALS = pytest.StashKey[dict[str, Mapping[str, int]]]()


def tell(config: pytest.Config, name: str, totals: Mapping[str, int]) -> None:
    """Have figures shown at the end."""
    config.stash.setdefault(TOTALS, {})[name] = Counter(totals)


def lines(config: pytest.Config) -> list[str]:
    """A line for each test that told something."""
    told = config.stash.get(TOTALS, {})
    return [f"{name}: {', '.join(f'{number:,} {what}' for what, number in told[name].items())}" for name in told]
