"""Streaming data profiles on Polars and Apache DataSketches.

Micro-batches in, mergeable profiles per window out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from polarsprof._lazy import attribute

if TYPE_CHECKING:
    from polarsprof.analysis.drift import drift as drift
    from polarsprof.analysis.drift import drift_timeline as drift_timeline
    from polarsprof.engines.one_shot import profile as profile
    from polarsprof.kernels.spec import ProfileSpec as ProfileSpec
    from polarsprof.profiles.column import ColumnProfile as ColumnProfile
    from polarsprof.profiles.group import GroupProfile as GroupProfile
    from polarsprof.profiles.merging import merge as merge
    from polarsprof.profiles.merging import read as read
    from polarsprof.profiles.profile import Profile as Profile
    from polarsprof.sketches import Distribution as Distribution
    from polarsprof.sketches import Estimate as Estimate
    from polarsprof.sketches import FrequentItem as FrequentItem
    from polarsprof.store import ProfileStore as ProfileStore
    from polarsprof.stream.config import SessionConfig as SessionConfig
    from polarsprof.stream.logger import Logger as Logger
    from polarsprof.stream.options import LoggerOptions as LoggerOptions
    from polarsprof.stream.process_session import get_or_create_session as get_or_create_session
    from polarsprof.stream.session import Session as Session
    from polarsprof.views.report import report as report
    from polarsprof.views.strip import strip as strip
    from polarsprof.views.vega import quantile_bands as quantile_bands
    from polarsprof.windowing.tumbling import Window as Window

# Module → its public names, imported on first use: the command line answers --help without Polars. The block above
# repeats the table for type checkers; tests/project/test_architecture.py compares the two.
_PUBLIC: Final = {
    "analysis.drift": ("drift", "drift_timeline"),
    "engines.one_shot": ("profile",),
    "kernels.spec": ("ProfileSpec",),
    "profiles.column": ("ColumnProfile",),
    "profiles.group": ("GroupProfile",),
    "profiles.merging": ("merge", "read"),
    "profiles.profile": ("Profile",),
    "sketches": ("Distribution", "Estimate", "FrequentItem"),
    "store": ("ProfileStore",),
    "stream.config": ("SessionConfig",),
    "stream.logger": ("Logger",),
    "stream.options": ("LoggerOptions",),
    "stream.process_session": ("get_or_create_session",),
    "stream.session": ("Session",),
    "views.report": ("report",),
    "views.strip": ("strip",),
    "views.vega": ("quantile_bands",),
    "windowing.tumbling": ("Window",),
}
_HOMES: Final = {name: module for module, names in _PUBLIC.items() for name in names}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - derived from the table


def __getattr__(name: str) -> Any:
    return attribute(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
