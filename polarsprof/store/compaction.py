"""`Compactor`: merges many files of a data set into few, and deletes old files.

Why no row is lost or counted twice, whichever process dies at which step:

- A merged file is durable before any of its inputs is deleted. Until then both exist, and readers prefer a file over
  files whose panes are all among its own. The next run deletes files whose panes are all in another file.
- Readers could only be misled by files whose sets of panes overlap although neither contains the other: {1, 2} and
  {2, 3}. Two compactors that choose from different listings at the same time could write such files, so compactors of
  one data set never choose at the same time. In a folder a compactor holds a lock, which ends with its process. An
  object store has no locks, and a lease that expires by the clock does not stop a process that slept past it. There a
  compactor commits its *plan* by a conditional write before it carries the plan out. The next compactor first carries
  out any plan that was not finished. To carry it out twice changes nothing: a plan says exactly which files become
  which file, a merged file is put only if absent, and a name never stands for two contents. A plan is chosen from a
  listing made after the plan before it was carried out, and its commit fails if another plan came between. So each
  plan builds on the files of the one before.
- A writer that recovers from a crash can put a pane again that a merged file holds; it is a subset of that file.
- Late panes have ids that no file holds. A late pane that arrives while its window is compacted stays beside the
  merged file.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from polarsprof.errors import ArgumentError, SpecMismatch
from polarsprof.profiles.merging import merge_files
from polarsprof.store.manifest import each_once
from polarsprof.store.names import compacted_name, prefix_of, sidecar_name
from polarsprof.store.pane_files import open_file, read_file
from polarsprof.store.plan import merge_groups, plan_from_bytes, plan_to_bytes
from polarsprof.store.prefetch import prefetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from polarsprof.files.codec import Sections
    from polarsprof.profiles.profile import Profile
    from polarsprof.store.backend import CompactionLock, Stamp, StoreBackend
    from polarsprof.store.listing import ManifestCache
    from polarsprof.store.plan import MergeGroup, Rules
    from polarsprof.windowing.tumbling import Window

    OnProgress = Callable[[int, int], None]
    """Called with the number of windows done, and the number of all windows."""

# Files are deleted once per batch of windows, because each deletion can make readers list again. A batch has at least
# 64 windows, and a run at most 16 batches.
_MIN_BATCH_WINDOWS: Final = 64
_MAX_BATCHES: Final = 16


@dataclass(frozen=True, slots=True)
class Compaction:
    """The result of `ProfileStore.compact`.

    Attributes
    ----------
    windows
        Windows whose files became one.
    files_merged
        Files that were merged.
    files_deleted
        Files that were deleted because another file holds all of their panes.
    windows_left
        Windows left unchanged because their panes track different things.
    files_expired, rows_expired
        Files deleted by `keep`, and the rows in them.
    """

    windows: int = 0
    files_merged: int = 0
    files_deleted: int = 0
    windows_left: int = 0
    files_expired: int = 0
    rows_expired: int = 0


class Compactor:
    """One compaction of one data set.

    Parameters
    ----------
    backend, manifests
        The files, and their manifests.
    dataset
        Name of the data set.

    Attributes
    ----------
    result
        The counts so far.
    """

    def __init__(self, backend: StoreBackend, manifests: ManifestCache, dataset: str) -> None:
        self._backend = backend
        self._manifests = manifests
        self._dataset = dataset
        self._prefix = prefix_of(dataset)
        self._windows_left: set[Window] = set()
        self.result = Compaction()

    def run(self, rules: Rules, on_progress: OnProgress) -> Compaction:
        """Carry out the rules; after an error, completed batches stay completed."""
        with self._backend.compaction_lock(self._dataset) as lock:
            self._carry_out(plan_from_bytes(lock.plan(), self._prefix))
            if rules.expired_us is not None:
                self._delete_expired(rules.expired_us)
            while not self._try_batches(lock, rules, on_progress):
                self._carry_out(plan_from_bytes(lock.plan(), self._prefix))
        return self.result

    def _try_batches(self, lock: CompactionLock, rules: Rules, on_progress: OnProgress) -> bool:
        """Returns whether all batches are done; False if another compactor came first."""
        groups = merge_groups(self._manifests.manifest(self._dataset), rules, self._prefix)
        size = max(_MIN_BATCH_WINDOWS, -(-len(groups) // _MAX_BATCHES))
        for first in range(0, len(groups), size):
            batch = groups[first : first + size]
            if not lock.commit(plan_to_bytes(batch)):
                return False
            self._carry_out(_with_progress(batch, first, len(groups), on_progress))
            lock.finish()
        return True

    def _carry_out(self, batch: Iterable[MergeGroup]) -> None:
        names: set[str] | None = None
        obsolete: dict[str, Stamp] = {}
        for group in batch:
            names = set(self._backend.names(self._prefix)) if names is None else names
            try:
                if self._ensure_output(group, names):
                    obsolete |= {name: stamp for name, stamp in group.covered.items() if name in names}
            except FileNotFoundError:  # another compactor deleted the file, and has done this group's work
                continue
            except (SpecMismatch, ArgumentError):
                self._windows_left.add(group.window)
                self.result = replace(self.result, windows_left=len(self._windows_left))
        if obsolete:
            self._manifests.renew_epoch(self._dataset)
            self._backend.delete(obsolete)
            self.result = replace(self.result, files_deleted=self.result.files_deleted + len(obsolete))

    def _ensure_output(self, group: MergeGroup, names: set[str]) -> bool:
        """Make the output durable; returns whether the covered files can be deleted."""
        if group.output in names:
            panes = read_file(self._backend, group.output, None).panes  # reads all columns: the file must be whole
            return all(self._panes_of(name) <= panes for name in group.covered if name in names)
        if not group.inputs:
            return False
        merged = self._merge(group)

        def is_same(name: str) -> bool:
            return self._panes_of(name) == merged.panes

        temporary = sidecar_name(self._dataset, f"{secrets.token_hex(4)}.tmp")
        self._backend.put([group.output], merged.to_bytes(), temporary, is_same)
        self.result = replace(
            self.result, windows=self.result.windows + 1, files_merged=self.result.files_merged + len(group.inputs)
        )
        return True

    def _merge(self, group: MergeGroup) -> Profile:
        merged = merge_files(self._open_inputs(group))
        merged.dataset = self._dataset
        merged.window = group.window
        if _digest_in(group.output) != _digest_in(compacted_name("", "", group.window, merged.panes)):
            msg = f"{group.output}: its inputs changed after the plan was made"
            raise FileNotFoundError(msg)
        return merged

    def _open_inputs(self, group: MergeGroup) -> Iterable[Sections]:
        open_input = partial(open_file, self._backend, columns=None)
        return prefetch(open_input, group.inputs, self._backend.concurrent_reads)

    def _panes_of(self, name: str) -> frozenset[tuple[str, int]]:
        return read_file(self._backend, name, ()).panes

    def _delete_expired(self, expired_us: int) -> None:
        manifest = self._manifests.manifest(self._dataset)
        current = set(manifest.overlapping(expired_us, None).names)
        expired = [entry for entry in manifest.entries() if entry.window is not None and entry.name not in current]
        if expired:
            self._manifests.renew_epoch(self._dataset)
            self._backend.delete({entry.name: entry.stamp for entry in expired})
            rows = sum(entry.rows for entry in each_once(expired))
            self.result = replace(self.result, files_expired=len(expired), rows_expired=rows)


def _with_progress(
    batch: Sequence[MergeGroup], before: int, total: int, on_progress: OnProgress
) -> Iterator[MergeGroup]:
    for done, group in enumerate(batch, before):
        on_progress(done, total)
        yield group
    on_progress(before + len(batch), total)


def _digest_in(file: str) -> str:
    return file.rpartition(".bin")[0].rpartition(".")[2]
