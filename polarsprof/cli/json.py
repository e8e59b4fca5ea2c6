"""Profiles, stores, timelines and drift as JSON."""

from __future__ import annotations

import json
from math import isfinite
from typing import TYPE_CHECKING, TypedDict

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from polarsprof.profiles.profile import Profile
    from polarsprof.store.profile_store import ProfileStore
    from polarsprof.windowing.tumbling import Window


class WindowRows(TypedDict):
    """A window, as ISO 8601 text, and its number of rows."""

    start: str
    end: str
    rows: int


class DatasetWindows(TypedDict):
    """The windows of a data set, in order."""

    dataset: str
    windows: list[WindowRows]


def print_json(value: Mapping[str, object]) -> None:
    """Print one line of ASCII JSON; NaN and infinities raise a ValueError."""
    click.echo(json.dumps(value, ensure_ascii=True, allow_nan=False))


def profile_json(profile: Profile) -> dict[str, object]:
    """Header, foreign metrics and summary of a profile; NaN and infinities are None."""
    return {
        "dataset": profile.dataset,
        "window": _window_json(profile.window),
        "first_event": profile.first_event and profile.first_event.isoformat(),
        "last_event": profile.last_event and profile.last_event.isoformat(),
        "rows": profile.rows,
        "rejected": dict(profile.rejected),
        "degraded": dict(profile.degraded),
        "late_rows": profile.late_rows,
        "untimed_rows": profile.untimed_rows,
        "future_rows": profile.future_rows,
        "dropped_rows": profile.dropped_rows,
        "tags": profile.tags,
        "metadata": profile.metadata,
        "versions": profile.versions,
        "incomplete": profile.incomplete,
        "foreign": {path: _finite_values(figures) for path, figures in profile.foreign.items()},
        "columns": [_finite_values(row) for row in profile.summary().to_dicts()],
    }


def store_json(store: ProfileStore) -> list[DatasetWindows]:
    """Each data set of a store with its windows and rows; reads only file headers."""
    return [{"dataset": name, "windows": _windows_json(store, name)} for name in store.datasets()]


def _windows_json(store: ProfileStore, name: str) -> list[WindowRows]:
    return [
        {"start": window.start.isoformat(), "end": window.end.isoformat(), "rows": rows}
        for window, rows in store.rows(name).items()
    ]


def timeline_json(timeline: pl.DataFrame) -> list[dict[str, object]]:
    """The rows of a timeline; times are ISO 8601 text, NaN and infinities None."""
    return [{name: _plain(value) for name, value in row.items()} for row in timeline.iter_rows(named=True)]


def drift_json(comparison: pl.DataFrame, reference: Profile, current: Profile) -> dict[str, object]:
    """Both profiles, the number of drifted columns, and the rows of a drift frame."""
    return {
        "reference": _side_json(reference),
        "current": _side_json(current),
        "drifted": int(comparison["drifted"].sum()),
        "columns": comparison.to_dicts(),
    }


def _side_json(profile: Profile) -> dict[str, object]:
    return {"dataset": profile.dataset, "window": _window_json(profile.window), "rows": profile.rows}


def _window_json(window: Window | None) -> dict[str, str] | None:
    return None if window is None else {"start": window.start.isoformat(), "end": window.end.isoformat()}


def _finite_values(row: Mapping[str, object]) -> dict[str, object]:
    return {name: _finite(value) for name, value in row.items()}


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not isfinite(value) else value


def _plain(value: object) -> object:
    from polarsprof.profiles import text

    return _finite(value) if isinstance(value, bool | int | float | str | None) else text.exact(value)
