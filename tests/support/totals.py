"""Figures that long tests counted, shown at the end of the run.

They travel as properties of the test's report, which workers of pytest-xdist send to the process that shows them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

_PROPERTY = "totals"


def tell(node: pytest.Item, name: str, totals: Mapping[str, int]) -> None:
    """Show figures of a test at the end of the run."""
    node.user_properties.append((_PROPERTY, [name, dict(totals)]))


def lines(reports: Iterable[object]) -> list[str]:
    """A line for each set of figures in the reports of a run."""
    properties = [found for report in reports for found in getattr(report, "user_properties", ())]
    totals_by_name = [value for key, value in properties if key == _PROPERTY]
    return [
        f"{name}: {', '.join(f'{number:,} {unit}' for unit, number in totals.items())}"
        for name, totals in totals_by_name
    ]
