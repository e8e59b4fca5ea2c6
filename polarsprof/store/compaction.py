"""Many files of a data set → few: panes of a window into one file, finer windows into coarser ones, old ones away.

Why no row is lost or counted twice, whatever dies when:

- A merged file is durable before anything it was made of is deleted. Until then both lie there, and readers take a file
  before those whose panes are all among its own. A file that lost its panes to another one is deleted by the next run.
- Readers could be misled only by sets of panes that overlap without one holding the other: {1, 2} and {2, 3}. They
  would come of two compactors that see different files at the same time, so those of one data set never choose at the
  same time. In a folder a compactor holds a lock, which ends with its process. An object store has no locks, and one
  that runs out by the clock does not hold a process that slept past it. There a compactor writes down its *plan* by a
  conditional write before it carries it out, and whoever comes next carries out what is not known to be done before
  planning anew: doing it twice changes nothing, because a plan says exactly which files become which file, a merged
  file is put only if absent, and a name never stands for two contents. A plan is chosen from a listing that was made
  after the plan before was carried out, and counts only if no other came between. So each plan builds on the files of
  the one before.
- A pane put again by its writer after a crash, though a merged file holds it, is a subset of that file.
- Late panes have ids that no file holds. Those that come while a window is compacted stay beside the merged file.
"""

from __future__ import annotations

import json
import secrets
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from polarsprof.errors import ArgumentError, SpecMismatch
from polarsprof.profiles.merging import merge_files
from polarsprof.store.backend import opened_file, read_file
from polarsprof.store.listing import ManifestCache, each_ahead
from polarsprof.store.manifest import Entry, Manifest, each_once
from polarsprof.store.names import compacted_name, kept_name, label_of, prefix_of
from polarsprof.windowing.instants import MAX_US, MIN_US
from polarsprof.windowing.tumbling import Tumbling, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from polarsprof.files.codec import Sections
    from polarsprof.profiles.profile import Profile
    from polarsprof.store.backend import Claim, Stamp, StoreBackend

    OnProgress = Callable[[int, int], None]
    """How many windows are done, of how many."""

# Old files are deleted together, those of so many windows or a part of all: each time readers may have to list anew.
_WINDOWS_AT_ONCE: Final = 64
_TIMES: Final = 16
MOST_PANES: Final = 2_000_000  # of one file: its header lists them, some 20 bytes each, and takes 64 MiB


@dataclass(frozen=True, slots=True)
class Compaction:
    """What a run of `ProfileStore.compact` did.

    Attributes
    ----------
    windows
        Windows whose files became one.
    files_merged
        Files that were merged.
    files_deleted
        Files that were deleted because another one holds all of their panes.
    windows_left
        Windows left as they are because their panes track different things.
    files_expired, rows_expired
        Files deleted by `keep`, and the rows in them.
    """

    windows: int = 0
    files_merged: int = 0
    files_deleted: int = 0
    windows_left: int = 0
    files_expired: int = 0
    rows_expired: int = 0


@dataclass(frozen=True, slots=True)
class Rules:
    """What to compact: into which windows, those that end by an instant, and what to drop."""

    coarser: Tumbling | None
    grace_end_us: int | None
    expired_us: int | None

    def target(self, window: Window) -> Window | None:
        """The window that panes of this one go into; None: they are left alone."""
        if not MIN_US <= window.start_us <= MAX_US:  # no writer of ours has such a one
            return None
        into = window if self.coarser is None else self.coarser.window_of(window.start_us)
        if into.end_us < window.end_us or (self.grace_end_us is not None and into.end_us > self.grace_end_us):
            return None
        return into

    def label(self, window: Window, file: str) -> str:
        """How names show the window."""
        return label_of(window, file) if self.coarser is None else self.coarser.label(window)


@dataclass(frozen=True, slots=True)
class Group:
    """Files that become one, or that one holds already.

    Attributes
    ----------
    window
        Of the one file.
    output
        Its name.
    inputs
        Names of the files to merge; none: the one lies there already.
    covered
        Name → stamp of the files to delete then.
    """

    window: Window
    output: str
    inputs: tuple[str, ...]
    covered: Mapping[str, Stamp]


def groups(manifest: Manifest, rules: Rules, prefix: str) -> list[Group]:
    """What there is to do, in the order of time."""
    entries = [entry for entry in manifest.entries() if entry.window is not None and entry.ids]
    live = list(each_once(entries))
    copies = _copies(entries, live)
    targets: defaultdict[Window, list[Entry]] = defaultdict(list)
    for entry in live:
        into = None if entry.window is None else rules.target(entry.window)
        if into is not None:
            targets[into].append(entry)
    found = [group for into, parts in targets.items() if (group := _merging(into, parts, copies, rules, prefix))]
    merged = {name for group in found for name in group.inputs}
    holders = [entry for entry in live if entry.name in copies and entry.name not in merged]
    found += [_covering(entry, copies[entry.name]) for entry in holders]
    return sorted(found, key=lambda group: (group.window, group.output))


def _copies(entries: Iterable[Entry], live: Iterable[Entry]) -> dict[str, list[Entry]]:
    """File → the others whose panes and window it holds."""
    holders = {pane: entry for entry in live for pane in entry.ids}
    found: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        holder = holders[next(iter(entry.ids))]
        if entry is not holder and entry.ids <= holder.ids and _lies_in(entry.window, holder.window):
            found[holder.name].append(entry)
    return found


def _lies_in(inner: Window | None, outer: Window | None) -> bool:
    return inner is not None and outer is not None and outer.start_us <= inner.start_us and inner.end_us <= outer.end_us


def _merging(
    into: Window, parts: list[Entry], copies: Mapping[str, list[Entry]], rules: Rules, prefix: str
) -> Group | None:
    if len(parts) == 1 and parts[0].window == into:
        return None
    parts = sorted(parts, key=lambda entry: (entry.window, entry.name))
    ids = frozenset().union(*[entry.ids for entry in parts])
    output = compacted_name(prefix, rules.label(into, parts[0].name), into, ids)
    if output in {entry.name for entry in parts} or len(ids) > MOST_PANES:
        return None
    gone = [entry for part in parts for entry in (part, *copies.get(part.name, []))]
    return Group(into, output, tuple(entry.name for entry in parts), {entry.name: entry.stamp for entry in gone})


def _covering(entry: Entry, copies: Iterable[Entry]) -> Group:
    return Group(entry.window or Window(0, 0), entry.name, (), {copy.name: copy.stamp for copy in copies})


class Compactor:
    """One run over one data set."""

    def __init__(self, backend: StoreBackend, manifests: ManifestCache, dataset: str) -> None:
        self._backend = backend
        self._manifests = manifests
        self._dataset = dataset
        self._prefix = prefix_of(dataset)
        self._left: set[Window] = set()
        self.done = Compaction()

    def run(self, rules: Rules, on_progress: OnProgress) -> Compaction:
        """Do all that the rules ask for; what was done before an error stays done."""
        with self._backend.claim(self._dataset) as claim:
            self._carry_out(_planned(claim.plan(), self._prefix))
            if rules.expired_us is not None:
                self._drop(rules.expired_us)
            while not self._round(claim, rules, on_progress):
                self._carry_out(_planned(claim.plan(), self._prefix))
        return self.done

    def _round(self, claim: Claim, rules: Rules, on_progress: OnProgress) -> bool:
        """Whether all was done; else another compactor had planned first."""
        todo = groups(self._manifests.manifest(self._dataset), rules, self._prefix)
        size = max(_WINDOWS_AT_ONCE, -(-len(todo) // _TIMES))
        for first in range(0, len(todo), size):
            batch = todo[first : first + size]
            if not claim.commit(_plan(batch)):
                return False
            self._carry_out(_counted(batch, first, len(todo), on_progress))
            claim.finish()
        return True

    def _carry_out(self, batch: Iterable[Group]) -> None:
        listed: set[str] | None = None
        gone: dict[str, Stamp] = {}
        for group in batch:
            listed = set(self._backend.names(self._prefix)) if listed is None else listed
            try:
                if self._made(group, listed):
                    gone |= {name: stamp for name, stamp in group.covered.items() if name in listed}
            except FileNotFoundError:  # whoever took the file took over what was to be done here
                continue
            except (SpecMismatch, ArgumentError):
                self._left.add(group.window)
                self.done = replace(self.done, windows_left=len(self._left))
        if gone:
            self._manifests.renew_epoch(self._dataset)
            self._backend.delete(gone)
            self.done = replace(self.done, files_deleted=self.done.files_deleted + len(gone))

    def _made(self, group: Group, listed: set[str]) -> bool:
        """Whether the one file is durable and whole, and holds what is to be deleted."""
        if group.output in listed:
            held = read_file(self._backend, group.output, None)
            return all(self._panes_of(name) <= held.panes for name in group.covered if name in listed)
        if not group.inputs:
            return False
        merged = self._merged(group)

        def is_same(name: str) -> bool:
            return self._panes_of(name) == merged.panes

        self._backend.put([group.output], merged.to_bytes(), self._temporary(), is_same)
        self.done = replace(
            self.done, windows=self.done.windows + 1, files_merged=self.done.files_merged + len(group.inputs)
        )
        return True

    def _merged(self, group: Group) -> Profile:
        merged = merge_files(self._inputs(group))
        merged.dataset = self._dataset
        merged.window = group.window
        if _digest_in(group.output) != _digest_in(compacted_name("", "", group.window, merged.panes)):
            msg = f"{group.output}: its parts are no longer what they were"
            raise FileNotFoundError(msg)
        return merged

    def _inputs(self, group: Group) -> Iterable[Sections]:
        return each_ahead(lambda name: opened_file(self._backend, name, None), group.inputs, self._backend.readers)

    def _panes_of(self, name: str) -> frozenset[tuple[str, int]]:
        return read_file(self._backend, name, ()).panes

    def _temporary(self) -> str:
        return kept_name(self._dataset, f"{secrets.token_hex(4)}.tmp")

    def _drop(self, expired_us: int) -> None:
        manifest = self._manifests.manifest(self._dataset)
        kept = set(manifest.overlapping(expired_us, None).names)
        old = [entry for entry in manifest.entries() if entry.window is not None and entry.name not in kept]
        if old:
            self._manifests.renew_epoch(self._dataset)
            self._backend.delete({entry.name: entry.stamp for entry in old})
            rows = sum(entry.rows for entry in each_once(old))
            self.done = replace(self.done, files_expired=len(old), rows_expired=rows)


def _counted(batch: Sequence[Group], before: int, total: int, on_progress: OnProgress) -> Iterator[Group]:
    for done, group in enumerate(batch, before):
        on_progress(done, total)
        yield group
    on_progress(before + len(batch), total)


def _digest_in(file: str) -> str:
    return file.rpartition(".bin")[0].rpartition(".")[2]


def _plan(batch: Iterable[Group]) -> bytes:
    plan = [[[g.window.start_us, g.window.end_us], g.output, list(g.inputs), dict(g.covered)] for g in batch]
    return json.dumps(plan).encode()


def _planned(plan: bytes, prefix: str) -> list[Group]:
    """The groups of a plan; none of what is no plan, or one of another data set."""
    try:
        found = [_group(*parts) for parts in json.loads(plan or b"[]")]
    except (ValueError, TypeError, AttributeError, RecursionError):
        return []
    names = [name for group in found for name in (group.output, *group.inputs, *group.covered)]
    return found if all(name.startswith(prefix) and "/" not in name for name in names) else []


def _group(span: list[int], output: str, inputs: list[str], covered: dict[str, Any]) -> Group:
    start_us, end_us = span
    return Group(Window(start_us, end_us), output, tuple(inputs), {n: tuple(stamp) for n, stamp in covered.items()})
