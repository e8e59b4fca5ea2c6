"""Statistics, one per file, each a `Statistic`: update, merge, message.

DataSketches is imported here and nowhere else.
"""

from polarsprof.sketches.counters import Counters
from polarsprof.sketches.distinct import Distinct, Estimate
from polarsprof.sketches.extremes import Extremes
from polarsprof.sketches.frequent import FrequentItem, FrequentItems
from polarsprof.sketches.moments import Moments
from polarsprof.sketches.quantiles import Distribution, Quantiles
from polarsprof.sketches.statistic import AnyStatistic, Statistic

__all__ = [
    "AnyStatistic",
    "Counters",
    "Distinct",
    "Distribution",
    "Estimate",
    "Extremes",
    "FrequentItem",
    "FrequentItems",
    "Moments",
    "Quantiles",
    "Statistic",
]
