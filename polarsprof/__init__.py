"""Streaming data profiles on Polars and Apache DataSketches: micro-batches in, mergeable profiles per window out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from polarsprof.lazy import attribute

if TYPE_CHECKING:
    from polarsprof.column import ColumnProfile
    from polarsprof.group import GroupProfile
    from polarsprof.logger import Logger
    from polarsprof.merging import merge, read
    from polarsprof.oneshot import profile
    from polarsprof.profiles import Profile
    from polarsprof.session import Session, get_or_create_session
    from polarsprof.sketches import Estimate, FrequentItem
    from polarsprof.spec import ProfileSpec
    from polarsprof.store import ProfileStore
    from polarsprof.views.drift import drift, drift_timeline
    from polarsprof.views.report import report
    from polarsprof.views.strip import strip
    from polarsprof.views.vega import quantile_bands
    from polarsprof.window import Window

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
    "ColumnProfile": "column",
    "Estimate": "sketches",
    "FrequentItem": "sketches",
    "GroupProfile": "group",
    "Logger": "logger",
    "Profile": "profiles",
    "ProfileSpec": "spec",
    "ProfileStore": "store",
    "Session": "session",
    "Window": "window",
    "drift": "views.drift",
    "drift_timeline": "views.drift",
    "get_or_create_session": "session",
    "merge": "merging",
    "profile": "oneshot",
    "quantile_bands": "views.vega",
    "read": "merging",
    "report": "views.report",
    "strip": "views.strip",
}


def __getattr__(name: str) -> Any:
    return attribute(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
