"""The plan of a compaction: files to merge, and files to delete afterwards. Pure.

`merge_groups` chooses from a manifest; `plan_to_bytes` and `plan_from_bytes` are the form in which an object store
keeps a plan. `compaction` carries plans out, and says why no row is lost or counted twice.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from polarsprof.errors import argument_error
from polarsprof.store.manifest import Entry, Manifest, each_once
from polarsprof.store.names import compacted_name, label_of
from polarsprof.windowing.durations import Interval, duration_us
from polarsprof.windowing.instants import MAX_US, MIN_US
from polarsprof.windowing.tumbling import Tumbling, Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta

    from polarsprof.store.backend import Stamp

MAX_PANES: Final = 2_000_000  # in one file: its header lists them at some 20 bytes each, and holds up to 64 MiB


@dataclass(frozen=True, slots=True)
class Rules:
    """The windows to compact into, and the ages of windows to compact or delete.

    Attributes
    ----------
    coarser
        The windows to merge into; None merges only the files of one window.
    grace_end_us
        Windows that end later are left alone, in microseconds since the Unix epoch; None: no window is.
    expired_us
        Windows that ended before are deleted, in microseconds since the Unix epoch; None: no window is.
    """

    coarser: Tumbling | None
    grace_end_us: int | None
    expired_us: int | None

    @classmethod
    def parse(
        cls,
        into: str | timedelta | None,
        keep: str | timedelta | None,
        zone: str | None,
        grace: str | timedelta | None,
        now_us: int,
    ) -> Rules:
        """The rules of the arguments of `ProfileStore.compact`, at a time in microseconds.

        Raises
        ------
        ArgumentError
            If a duration is not valid, the zone is unknown, or a zone is given without `into`.
        """
        if zone is not None and into is None:
            raise argument_error("zone", zone, "None without into")
        coarser = None if into is None else Tumbling(Interval.parse(into, "into"), zone=zone)
        keep_us = None if keep is None else duration_us(keep, "keep")
        if keep_us == 0:
            raise argument_error("keep", keep, "a duration longer than zero")
        return cls(
            coarser,
            None if grace is None else now_us - duration_us(grace, "grace"),
            None if keep_us is None else now_us - keep_us,
        )

    def target(self, window: Window) -> Window | None:
        """The window that panes of this one are merged into; None if they are left alone."""
        if not MIN_US <= window.start_us <= MAX_US:  # not written by this library
            return None
        into = window if self.coarser is None else self.coarser.window_of(window.start_us)
        if into.end_us < window.end_us or (self.grace_end_us is not None and into.end_us > self.grace_end_us):
            return None
        return into

    def label(self, window: Window, file: str) -> str:
        """The label of a merged file, given its window and the name of one of its inputs."""
        return label_of(window, file) if self.coarser is None else self.coarser.label(window)


@dataclass(frozen=True, slots=True)
class MergeGroup:
    """Files to merge into one, or files whose panes an existing file holds.

    Attributes
    ----------
    window
        Window of the one file.
    output
        Its name.
    inputs
        Names of the files to merge; empty if the one file exists.
    covered
        Name → stamp of the files to delete afterwards.
    """

    window: Window
    output: str
    inputs: tuple[str, ...]
    covered: Mapping[str, Stamp]


def merge_groups(manifest: Manifest, rules: Rules, prefix: str) -> list[MergeGroup]:
    """The groups that the rules ask for, in order of time.

    Parameters
    ----------
    manifest
        All files of the data set.
    rules
        The rules.
    prefix
        The prefix of the data set's file names.
    """
    entries = [entry for entry in manifest.entries() if entry.window is not None and entry.ids]
    live = list(each_once(entries))
    copies = _copies(entries, live)
    targets: defaultdict[Window, list[Entry]] = defaultdict(list)
    for entry in live:
        into = None if entry.window is None else rules.target(entry.window)
        if into is not None:
            targets[into].append(entry)
    groups = [group for into, parts in targets.items() if (group := _merge(into, parts, copies, rules, prefix))]
    inputs = {name for group in groups for name in group.inputs}
    holders = [entry for entry in live if entry.name in copies and entry.name not in inputs]
    groups += [_cover(entry, copies[entry.name]) for entry in holders]
    return sorted(groups, key=lambda group: (group.window, group.output))


def _copies(entries: Iterable[Entry], live: Iterable[Entry]) -> dict[str, list[Entry]]:
    """File → the other files whose panes and window it holds."""
    holders = {pane: entry for entry in live for pane in entry.ids}
    copies: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        holder = holders[next(iter(entry.ids))]
        if entry is not holder and entry.ids <= holder.ids and _lies_in(entry.window, holder.window):
            copies[holder.name].append(entry)
    return copies


def _lies_in(inner: Window | None, outer: Window | None) -> bool:
    return inner is not None and outer is not None and outer.start_us <= inner.start_us and inner.end_us <= outer.end_us


def _merge(
    into: Window, parts: list[Entry], copies: Mapping[str, list[Entry]], rules: Rules, prefix: str
) -> MergeGroup | None:
    if len(parts) == 1 and parts[0].window == into:
        return None
    parts = sorted(parts, key=lambda entry: (entry.window, entry.name))
    ids = frozenset().union(*[entry.ids for entry in parts])
    output = compacted_name(prefix, rules.label(into, parts[0].name), into, ids)
    if output in {entry.name for entry in parts} or len(ids) > MAX_PANES:
        return None
    covered = [entry for part in parts for entry in (part, *copies.get(part.name, []))]
    return MergeGroup(
        into, output, tuple(entry.name for entry in parts), {entry.name: entry.stamp for entry in covered}
    )


def _cover(entry: Entry, copies: Iterable[Entry]) -> MergeGroup:
    return MergeGroup(entry.window or Window(0, 0), entry.name, (), {copy.name: copy.stamp for copy in copies})


def plan_to_bytes(groups: Iterable[MergeGroup]) -> bytes:
    """The groups as JSON."""
    plan = [[[g.window.start_us, g.window.end_us], g.output, list(g.inputs), dict(g.covered)] for g in groups]
    return json.dumps(plan).encode()


def plan_from_bytes(plan: bytes, prefix: str) -> list[MergeGroup]:
    """The groups of a plan; empty if the bytes are no plan of the data set."""
    try:
        groups = [_group(*parts) for parts in json.loads(plan or b"[]")]
    except (ValueError, TypeError, AttributeError, RecursionError):
        return []
    names = [name for group in groups for name in (group.output, *group.inputs, *group.covered)]
    return groups if all(name.startswith(prefix) and "/" not in name for name in names) else []


def _group(span: list[int], output: str, inputs: list[str], covered: dict[str, list[int]]) -> MergeGroup:
    start_us, end_us = span
    stamps = {name: cast("Stamp", tuple(stamp)) for name, stamp in covered.items()}
    return MergeGroup(Window(start_us, end_us), output, tuple(inputs), stamps)
