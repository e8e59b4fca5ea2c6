"""Profiles as Parquet, for sums of figures and unions of sketches in SQL.

Each figure is in exactly one row, so a sum over any rows counts nothing twice. A sketch is an image of Apache
DataSketches. Memory does not grow with the number of profiles.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl
import pyarrow.parquet as pq

from polarsprof.errors import argument_error
from polarsprof.files.durable import replacing
from polarsprof.profiles import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from polarsprof.profiles.column import ColumnProfile
    from polarsprof.profiles.group import GroupProfile
    from polarsprof.profiles.profile import Profile

_ROW_GROUP_BYTES: Final = 16 << 20  # of sketches
_COUNTS: Final = (
    "rows",
    "null_count",
    "count",
    "nan_count",
    "infinite_count",
    "true_count",
    "zeros",
    "negatives",
    "empties",
)
_UTC: Final = pl.Datetime("us", "UTC")
SCHEMA: Final = pl.Schema(
    {
        "dataset": pl.String(),
        "window_start": _UTC,
        "window_end": _UTC,
        "column": pl.String(),
        "group": pl.String(),
        "statistic": pl.String(),
        **dict.fromkeys(_COUNTS, pl.Int64()),
        **dict.fromkeys(("min", "max", "sum", "mean", "stddev"), pl.Float64()),
        **dict.fromkeys(("min_text", "max_text"), pl.String()),
        "sketch": pl.Binary(),
    }
)


def sketch_rows(profile: Profile) -> pl.DataFrame:
    """The figures and sketches of a profile as rows for a warehouse.

    Returns
    -------
    polars.DataFrame
        `dataset`, `window_start`, `window_end`
            Of the profile; the window [start, end) in UTC, null if it has none.
        `column`, `group`
            Path of the column; statistics group of its values, such as number or string. The group is null in a row
            about all values. The lengths of strings, binary values and lists are a group of their own, such as
            string.length.
        `statistic`
            The content of the row. `rows`: `rows` and `null_count` of a column. `figures`: the figures of a group.
            `kll_doubles`, `hll`, `frequent_strings`: the `sketch` of that kind, if the group has one.
        `rows`, `null_count`, `count`, `nan_count`, `infinite_count`, `true_count`, `zeros`, `negatives`, `empties`
            As in `Profile.summary`; null in rows of another statistic.
        `min`, `max`, `sum`, `mean`, `stddev`
            Of numbers and lengths, as doubles; the last three of the finite ones.
        `min_text`, `max_text`
            Strings, up to 128 characters; temporals in ISO 8601.
        `sketch`
            Image of Apache DataSketches, see `GroupProfile.images`.
    """
    head: dict[str, object] = {"dataset": profile.dataset}
    if profile.window is not None:
        head |= {"window_start": profile.window.start, "window_end": profile.window.end}
    rows = [head | row for path, column in profile.columns.items() for row in _rows_of(path, column)]
    return pl.DataFrame(rows, schema=SCHEMA)


def _rows_of(path: str, column: ColumnProfile) -> Iterator[dict[str, object]]:
    yield {"column": path, "statistic": "rows", "rows": column.rows, "null_count": column.null_count}
    for name in column.groups:
        group = column.group(name)
        yield from _rows_of_group({"column": path, "group": name}, group)
        if group.length is not None:
            yield from _rows_of_group({"column": path, "group": f"{name}.length"}, group.length)


def _rows_of_group(head: dict[str, object], group: GroupProfile) -> Iterator[dict[str, object]]:
    yield head | {"statistic": "figures"} | _figures(group)
    for name, image in group.images().items():
        yield head | {"statistic": name, "sketch": image}


def _figures(group: GroupProfile) -> dict[str, object]:
    counts = group.counters
    figures: dict[str, object] = {"count": group.count}
    if group.name == "number":
        figures |= {"min": text.double(group.min), "max": text.double(group.max), "sum": text.double(group.sum)}
        figures |= {"mean": group.mean, "stddev": group.stddev, "nan_count": counts["nan"]}
        figures |= {"infinite_count": counts["positive_infinity"] + counts["negative_infinity"]}
        if not counts["unexamined"]:
            figures |= {"zeros": counts["zero"], "negatives": counts["negative"]}
    elif group.extremes is not None:
        figures |= {"min_text": text.extreme(group, "min"), "max_text": text.extreme(group, "max")}
    if group.name == "boolean" and not counts["unexamined"]:
        figures["true_count"] = counts["true"]
    if group.name in ("string", "binary") and not counts["unexamined"]:
        figures["empties"] = counts["empty"]
    return figures


def write_parquet(profiles: Iterable[Profile], path: str | os.PathLike[str]) -> int:
    """Write the figures and sketches of profiles to a Parquet file, atomically.

    Parameters
    ----------
    profiles
        The profiles. Each is written before the next one is read, so an iterator of many needs little memory.
    path
        The file, which is replaced or left unchanged. It contains the rows of `sketch_rows`, profile after profile.

    Returns
    -------
    int
        Number of rows written.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    if not isinstance(path, str | os.PathLike) or not Path(path).name:
        raise argument_error("path", path, "the path of a file")
    target = Path(path)
    try:
        with replacing(target) as temporary:
            return _write(profiles, temporary)
    except OSError as error:
        if error.filename != os.fspath(temporary):  # the user does not know the temporary file
            raise
        raise OSError(error.errno, error.strerror, os.fspath(target)) from error


def _write(profiles: Iterable[Profile], path: Path) -> int:
    rows = 0
    with (
        path.open("wb") as file,
        pq.ParquetWriter(file, SCHEMA.to_frame().to_arrow().schema, compression="zstd") as writer,
    ):
        for part in _row_groups(map(sketch_rows, profiles)):
            writer.write_table(part.to_arrow())
            rows += part.height
    return rows


def _row_groups(parts: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Concatenate small frames, so that a row group contains many of them."""
    pending: list[pl.DataFrame] = []
    for part in parts:
        pending.append(part)
        if sum(frame.estimated_size() for frame in pending) >= _ROW_GROUP_BYTES:
            yield pl.concat(pending)
            pending.clear()
    if pending:
        yield pl.concat(pending)
