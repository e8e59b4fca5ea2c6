"""The statistics: state with its update, its merge and its message, one file each.

Every statistic takes a spec when made, folds a `ColumnBatch` with `update`, others of its kind with `merge` (any number
at once; it changes self and never its arguments), and survives `to_message` and `from_message` unchanged. What it says
of nothing is None, counts are 0. DataSketches is imported here and nowhere else.
"""

from polarsprof.sketches.counters import Counters
from polarsprof.sketches.distinct import Distinct, Estimate
from polarsprof.sketches.extremes import Extremes
from polarsprof.sketches.frequent import FrequentItem, FrequentItems
from polarsprof.sketches.moments import Moments
from polarsprof.sketches.quantiles import Distribution, Quantiles

__all__ = [
    "Counters",
    "Distinct",
    "Distribution",
    "Estimate",
    "Extremes",
    "FrequentItem",
    "FrequentItems",
    "Moments",
    "Quantiles",
]
