"""Profiles for reports: many columns and windows, and hostile text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

import polarsprof as pp
from polarsprof.ingest.frames import typed_columns

HOUR_US = 3_600_000_000
START = datetime(2026, 1, 5, tzinfo=UTC)
START_US = int(START.timestamp()) * 1_000_000
# Each sets the title of the page if a browser runs it.
SCRIPT = "document.title='hacked'"
HOSTILE = [
    f"<img src=x onerror={SCRIPT}>",
    f'"><script>{SCRIPT}</script>',
    f"</style></title></svg><script>{SCRIPT}</script>",
    f"' onmouseover='{SCRIPT}' autofocus onfocus='{SCRIPT}",
    f"javascript:{SCRIPT}",
    f"<svg><style><img src=x onerror={SCRIPT}></style></svg>",
    f"<iframe srcdoc='<script>parent.{SCRIPT}</script>'>",
    "<!--",
    "]]>",
    "{{7*7}}{% raw %}${7*7}`",
    "&lt;b&gt;&#60;",
    "a\u2028b\u2029c",
    "\u202egpj.exe\u2066",
    "\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\\x1b[2J",
    "[bold red]x[/bold red] [/]",
    "\x00\x07\x7f\x9b31m",
    "=HYPERLINK(1)",
    "+1+1",
    "-2+3",
    "@SUM(1)",
    "\t=1",
    "＝1",
    "x" * 5_000,
]


def window(hour: int) -> pp.Window:
    return pp.Window(START_US + hour * HOUR_US, START_US + (hour + 1) * HOUR_US)


def profile_of(frame: pl.DataFrame, **facts: Any) -> pp.Profile:
    profile = pp.Profile(**facts)
    profile.update(typed_columns(frame))
    return profile


def frame_of(columns: int, rows: int, seed: int, wanted: Sequence[int]) -> pl.DataFrame:
    """Columns of the selected kinds in turn, each with nulls."""
    random = np.random.default_rng(seed)
    words = [f"value {word} of a category" for word in range(40)]
    kinds = (
        lambda: random.lognormal(seed % 5, 1, rows),
        lambda: random.integers(-1_000, 1_000 + 100 * seed, rows),
        lambda: random.choice(words, rows),
        lambda: random.random(rows) < 0.1 * (seed % 10),
        lambda: np.datetime64("2026-01-05") + random.integers(0, 3_600_000, rows).astype("timedelta64[ms]"),
    )
    series = [pl.Series(f"column_{i:03}", kinds[wanted[i % len(wanted)]]()) for i in range(columns)]
    return pl.select([pl.when(pl.lit(random.random(rows) > 0.05)).then(one).alias(one.name) for one in series])


def windows_of(
    columns: int, windows: int, *, gap: int = 3, different: int = 10, kinds: Sequence[int] = range(5)
) -> list[pp.Profile]:
    """Hourly profiles: `gap` are missing in the middle, every seventh has late rows."""
    bases = [profile_of(frame_of(columns, 400, seed, kinds)) for seed in range(different)]
    return [_window(i, i + (gap if i >= windows // 2 else 0), bases[i * 7 % different]) for i in range(windows)]


def _window(i: int, hour: int, base: pp.Profile) -> pp.Profile:
    profile = pp.Profile(dataset="clicks", window=window(hour))
    profile.rows, profile._columns = base.rows, base._columns  # columns are never changed, so profiles share them
    profile.panes = frozenset([("a", i)])
    profile.late_rows = 3 if i % 7 == 0 else 0
    return profile


def hostile_profile(i: int = 0) -> pp.Profile:
    """A window with hostile names, values, data set, tags, metadata and reasons."""
    frame = pl.DataFrame(dict.fromkeys(HOSTILE, HOSTILE * 2))
    texts = {str(i): value for i, value in enumerate(HOSTILE)}
    profile = profile_of(
        frame, dataset=HOSTILE[1], window=window(i), tags=texts | dict.fromkeys(HOSTILE, "v"), metadata=texts
    )
    profile.rejected.update(HOSTILE)
    profile.degraded.update(HOSTILE)
    profile.versions |= texts
    profile.positions |= dict.fromkeys(HOSTILE, 1)
    return profile


def drift_frame(columns: list[str], **changes: list[Any]) -> pl.DataFrame:
    """A drift frame: the first column drifted, the last was not compared."""
    count = len(columns)
    metrics = ("ks", "psi", "jensen_shannon", "hellinger", "wasserstein", "total_variation", "chi_square", "linf")
    figures = {f"{name}{end}": [0.5] * (count - 1) + [None] for name in metrics for end in ("", "_lower", "_upper")}
    figures = {name: values[:count] for name, values in figures.items()}
    facts: dict[str, list[Any]] = {
        "column": columns,
        "dtype_group": ["integral"] * count,
        "drifted": [True, *[False] * (count - 2), None][:count],
        "reasons": [["ks 0.5 above 0.1"], *[[]] * (count - 2), ["only in the reference"]][:count],
    }
    schema = {"column": pl.String, "drifted": pl.Boolean, "reasons": pl.List(pl.String), "dtype_group": pl.String}
    return pl.DataFrame(facts | figures | changes, schema_overrides=schema, strict=False)
