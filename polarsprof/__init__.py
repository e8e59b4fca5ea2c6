"""Streaming data profiles on Polars and Apache DataSketches: micro-batches in, mergeable profiles per window out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from polarsprof._lazy import attribute

if TYPE_CHECKING:
    from polarsprof.analysis.drift import drift, drift_timeline
    from polarsprof.engines.one_shot import profile
    from polarsprof.kernels.spec import ProfileSpec
    from polarsprof.profiles.column import ColumnProfile
    from polarsprof.profiles.group import GroupProfile
    from polarsprof.profiles.merging import merge, read
    from polarsprof.profiles.profile import Profile
    from polarsprof.sketches import Estimate, FrequentItem
    from polarsprof.store import ProfileStore
    from polarsprof.stream.logger import Logger
    from polarsprof.stream.process_session import get_or_create_session
    from polarsprof.stream.session import Session
    from polarsprof.views.report import report
    from polarsprof.views.strip import strip
    from polarsprof.views.vega import quantile_bands
    from polarsprof.windowing.tumbling import Window

__all__ = [
    "ColumnProfile",
    "Estimate",
    "FrequentItem",
    "GroupProfile",
    "Logger",
    "Profile",
    "ProfileSpec",
    "ProfileStore",
    "Session",
    "Window",
    "drift",
    "drift_timeline",
    "get_or_create_session",
    "merge",
    "profile",
    "quantile_bands",
    "read",
    "report",
    "strip",
]

# Public name → its module, imported when the name is first used: the command line answers --help without Polars.
_HOMES: Final = {
    "ColumnProfile": "profiles.column",
    "Estimate": "sketches",
    "FrequentItem": "sketches",
    "GroupProfile": "profiles.group",
    "Logger": "stream.logger",
    "Profile": "profiles.profile",
    "ProfileSpec": "kernels.spec",
    "ProfileStore": "store",
    "Session": "stream.session",
    "Window": "windowing.tumbling",
    "drift": "analysis.drift",
    "drift_timeline": "analysis.drift",
    "get_or_create_session": "stream.process_session",
    "merge": "profiles.merging",
    "profile": "engines.one_shot",
    "quantile_bands": "views.vega",
    "read": "profiles.merging",
    "report": "views.report",
    "strip": "views.strip",
}


def __getattr__(name: str) -> Any:
    return attribute(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
