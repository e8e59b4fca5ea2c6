"""Which files compaction deletes because another one holds their panes, and which it leaves."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.stores import LATER, at, hourly, window_of, written

import polarsprof as pp
from polarsprof.store import Pane
from polarsprof.testing import SettableClock


@pytest.fixture(params=["folder", "memory"])
def store(request, tmp_path):
    return pp.ProfileStore(tmp_path / "store" if request.param == "folder" else f"memory://{tmp_path}")


def put(store: pp.ProfileStore, number: int, window: pp.Window, *ids: tuple[str, int]) -> str:
    """Put a file that holds panes of some ids; its name."""
    before = set(store.files("clicks")) if store.datasets() else set()
    profile = written("w", number, window).profile
    profile.panes = frozenset(ids)
    store.put(Pane(profile.to_bytes(), "clicks", f"{window.start:%Y-%m-%d_%H-%M}", "w", number, 1))
    (name,) = set(store.files("clicks")) - before
    return str(name)


def names(store: pp.ProfileStore) -> set[str]:
    return set(map(str, store.files("clicks")))


def compact(store: pp.ProfileStore, into: str | None = None, **options) -> pp.store.Compaction:
    return store.compact("clicks", into, **{"clock": LATER, "grace": None, **options})


HELD = (("a", 1), ("b", 1))


@pytest.mark.parametrize(
    ("start_hours", "hours"), [(1, 1), (-1, 1), (-0.5, 1), (0.5, 1), (0, 2), (-1, 2), (-1, 3), (24, 1)]
)
def test_a_file_of_another_window_stays_though_its_pane_is_held(store, start_hours, hours):
    holder = put(store, 1, window_of(0, 1), *HELD)
    other = put(store, 2, window_of(start_hours, hours), HELD[0])
    assert compact(store).files_deleted == 0
    assert names(store) == {holder, other}


@pytest.mark.parametrize(("start_hours", "hours"), [(0, 1), (0, 0.25), (0.25, 0.25), (0.75, 0.25)])
def test_a_file_within_the_window_goes_if_all_its_panes_are_held(store, start_hours, hours):
    holder = put(store, 1, window_of(0, 1), *HELD)
    put(store, 2, window_of(start_hours, hours), HELD[0])
    assert compact(store).files_deleted == 1
    assert names(store) == {holder}


def test_a_file_with_one_pane_that_is_not_held_is_merged(store):
    put(store, 1, window_of(0, 1), *HELD)
    put(store, 2, window_of(0, 1), ("c", 1))
    put(store, 3, window_of(0, 1), HELD[1])
    done = compact(store)
    assert (done.windows, done.files_merged, done.files_deleted) == (1, 2, 3)
    assert store.read("clicks").panes == {*HELD, ("c", 1)}


# ---------------------------------------------------------------------------------------------------------------- rules


def test_a_window_is_merged_from_the_end_of_its_grace_on(store):
    for one in hourly(2, writers="ab"):
        store.put(one.pane)
    for hours, files in ((1.999, 4), (2, 3), (2.999, 3), (3, 2)):
        compact(store, grace="1h", clock=SettableClock(at(hours)))
        assert len(store.files("clicks")) == files, hours


def test_a_coarser_window_is_merged_when_all_of_it_is_past_its_grace(store):
    for one in hourly(3):
        store.put(one.pane)
    compact(store, "2h", grace="1h", clock=SettableClock(at(3) - timedelta(microseconds=1)))
    assert len(store.files("clicks")) == 3
    compact(store, "2h", grace="1h", clock=SettableClock(at(3)))
    assert len(store.files("clicks")) == 2
    assert store.windows("clicks") == [window_of(0, 2), window_of(2, 1)]


def test_windows_are_dropped_from_the_end_of_their_retention_on(store):
    for one in hourly(3):
        store.put(one.pane)
    for hours, windows, expired in ((1.999, 3, 0), (2, 2, 1), (2.999, 2, 0), (3, 1, 1)):
        done = compact(store, keep="1h", clock=SettableClock(at(hours)))
        assert (len(store.windows("clicks")), done.files_expired, done.rows_expired) == (windows, expired, expired)


def test_progress_is_told_for_each_window_and_at_the_end(store):
    for one in hourly(70, writers="ab"):
        store.put(one.pane)
    told: list[tuple[int, int]] = []
    done = compact(store, on_progress=lambda *progress: told.append(progress))
    assert (done.windows, done.files_merged, done.files_deleted) == (70, 140, 140)
    assert sorted(set(told)) == [(number, 70) for number in range(71)]
    assert told == sorted(told)
