"""The files that a read opens, the bytes it reads, and indexes that are wrong."""

from __future__ import annotations

import errno
import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.stores import LATER, START_US, assert_answers, at, filled, hourly, window_of, written

import polarsprof as pp
from polarsprof.errors import CorruptProfile
from polarsprof.files.locks import Lock
from polarsprof.store.manifest import Entry, Manifest

MANY = 80  # files: enough for an index


@pytest.fixture
def many(tmp_path):
    return hourly(MANY), filled(pp.ProfileStore(tmp_path), hourly(MANY))


@pytest.fixture
def opened(monkeypatch):
    """Names of files opened, and bytes read."""
    names, sizes = [], []
    working, reading = os.open, os.pread

    def opening(path, *arguments, **options):
        if str(path).endswith(".bin"):
            names.append(Path(path).name)
        return working(path, *arguments, **options)

    def part(handle, length, offset):
        sizes.append(length)
        return reading(handle, length, offset)

    monkeypatch.setattr(os, "open", opening)
    monkeypatch.setattr(os, "pread", part)
    return names, sizes


def index_of(store):
    return store.folder / ".catalog" / "clicks.index"


def test_each_file_is_opened_once_by_one_store_and_never_by_the_next(many, opened):
    panes, store = many
    names, _ = opened
    assert store.windows("clicks") == [one.window for one in panes]
    assert len(names) == MANY
    names.clear()
    for again in (store, pp.ProfileStore(store.folder)):
        assert len(again.windows("clicks")) == MANY
        assert names == []
        assert again.read("clicks", at(7.5), at(9)).rows == 2
        assert len(names) == 2
        names.clear()
    assert index_of(store).stat().st_mode & 0o777 == 0o600
    assert_answers(pp.ProfileStore(store.folder), panes, ((at(3), at(5)), (None, None)))


def test_no_more_is_read_of_a_file_than_its_start_and_the_columns(tmp_path, opened):
    store = pp.ProfileStore(tmp_path)
    wide = pp.profile([{f"c{number:03}": f"{number} {row}" for number in range(60)} for row in range(500)])
    wide.dataset, wide.window, wide.panes = "clicks", window_of(0, 1), frozenset([("a", 1)])
    path = store.put(pp.store.Pane(wide.to_bytes(), "clicks", "2026-01-05_00", "a", 1, 500))
    _, sizes = opened
    assert list(store.read("clicks", columns=["c059"]).columns) == ["c059"]
    assert sum(sizes) < path.stat().st_size / 10
    sizes.clear()
    assert len(store.read("clicks").columns) == 60
    assert sizes == [path.stat().st_size]


def test_new_files_are_found_and_those_that_changed_are_opened_anew(many, opened):
    panes, store = many
    names, _ = opened
    store.windows("clicks")
    late = written("b", 1, window_of(2, 1))
    added = store.put(late.pane)
    names.clear()
    assert store.read("clicks", at(2), at(3)).rows == 2
    assert names.count(added.name) == 2  # its header, then the whole
    path = store.folder / store.files("clicks")[5]
    path.write_bytes(written("a", 5, window_of(500, 1)).pane.data)
    names.clear()
    for again in (store, pp.ProfileStore(store.folder)):
        assert again.windows("clicks")[-1] == window_of(500, 1)
    assert names.count(path.name) == 2
    path.write_bytes(b"something else")
    for again in (store, pp.ProfileStore(store.folder)):
        with pytest.raises(CorruptProfile, match=path.name):
            again.windows("clicks")
    path.unlink()
    assert len(store.windows("clicks")) == len(panes) - 1


def _truncated(data):
    return data[:-1]


def _flipped(data):
    return data[:200] + bytes([data[200] ^ 1]) + data[201:]


def _with_sizes(data, **sizes):
    head = bytearray(data)
    for offset, value in sizes.values():
        head[offset : offset + 8] = value.to_bytes(8, "little")
    return bytes(head)


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [
        _truncated,
        _flipped,
        lambda _: b"",
        lambda _: b"POLPIDX1",
        lambda data: b"POLPIDX2" + data[8:],
        lambda data: data + b"x",
        lambda data: _with_sizes(data, files=(44, 1 << 60)),
        lambda data: _with_sizes(data, panes=(52, (1 << 64) - 1)),
        lambda data: data[:8] + zlib.crc32(b"").to_bytes(4, "little") + data[12:44] + bytes(32),
    ],
)
def test_an_index_that_is_damaged_is_made_anew(many, damage):
    panes, store = many
    store.windows("clicks")
    good = index_of(store).read_bytes()
    index_of(store).write_bytes(damage(good))
    assert_answers(pp.ProfileStore(store.folder), panes)
    assert index_of(store).read_bytes() == good


def test_an_index_that_lies_is_found_out_by_the_files_that_are_read(many):
    panes, store = many
    honest = (
        list(Manifest.from_bytes(index_of(store).read_bytes(), "clicks").entries()) if store.windows("clicks") else []
    )
    lies = [Entry(e.name, e.stamp, e.window, e.rows, frozenset([("a", (n + 1) % MANY)])) for n, e in enumerate(honest)]
    index_of(store).write_bytes(Manifest.from_entries(lies).to_bytes("clicks"))
    assert_answers(pp.ProfileStore(store.folder), panes)


def test_an_index_of_another_data_set_a_pipe_and_a_folder_are_passed_over(many):
    panes, store = many
    store.windows("clicks")
    data = index_of(store).read_bytes()
    assert Manifest.from_bytes(data, "clicks2") is None
    index_of(store).unlink()
    os.mkfifo(index_of(store))
    assert_answers(pp.ProfileStore(store.folder), panes)
    index_of(store).unlink()
    index_of(store).mkdir()
    assert_answers(pp.ProfileStore(store.folder), panes)


def test_a_folder_that_is_only_read_has_no_index(many, monkeypatch):
    panes, store = many

    def readonly(*_):
        raise PermissionError

    monkeypatch.setattr(type(store._backend), "write_sidecar", readonly)
    assert_answers(pp.ProfileStore(store.folder), panes)
    assert not index_of(store).exists()


def test_names_that_no_index_can_say_are_read_all_the_same(tmp_path):
    panes = [written("a\nb", number, window_of(number, 1)) for number in range(MANY)]
    store = pp.ProfileStore(tmp_path)
    for number, one in enumerate(panes):
        (tmp_path / f"clicks_profile.{number}\n\udcff.bin").write_bytes(one.pane.data)
    assert_answers(store, panes)
    assert not index_of(store).exists()


def test_windows_within_others_belong_to_them(tmp_path):
    panes = [written("a", 1, window_of(0, 24)), written("a", 2, window_of(5, 1)), written("a", 3, window_of(24, 1))]
    store = filled(pp.ProfileStore(tmp_path), panes)
    assert store.windows("clicks") == [window_of(0, 24), window_of(24, 1)]
    assert store.read("clicks", at(5), at(6)).panes == {("a", 1), ("a", 2)}
    assert store.rows("clicks") == {window_of(0, 24): 2, window_of(24, 1): 1}


def test_only_temporaries_of_dead_writers_are_swept(tmp_path):
    store = filled(pp.ProfileStore(tmp_path), hourly(1))
    names = [".a-1-0123abcd.tmp", ".a-b-7-0123abcd.tmp", ".alive-1-0123abcd.tmp", ".other.tmp", "a-1-0123abcd.tmp"]
    for name in names:
        (tmp_path / name).touch()
    held = Lock.try_acquire(tmp_path / names[2])
    assert store.remove_orphan_files() == 2
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".tmp") == sorted(names[2:])
    held.release()
    assert store.remove_orphan_files() == 1
    assert pp.ProfileStore(tmp_path / "nothing").remove_orphan_files() == 0


def test_nobody_sweeps_a_pane_that_is_being_written(tmp_path, monkeypatch):
    link, swept = os.link, []

    def link_after_a_sweep(*names):
        swept.append(pp.ProfileStore(tmp_path).remove_orphan_files())
        link(*names)

    monkeypatch.setattr(os, "link", link_after_a_sweep)
    assert filled(pp.ProfileStore(tmp_path), hourly(2)).rows("clicks").keys() == {window_of(0, 1), window_of(1, 1)}
    assert swept == [0, 0]
    assert [path for path in tmp_path.iterdir() if path.suffix == ".tmp"] == []


def test_where_locks_are_not_to_be_had_panes_are_written_and_nothing_is_swept(tmp_path, monkeypatch):
    def no_locks(_):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr("polarsprof.files.locks._lock", no_locks)
    panes = hourly(2)
    store = filled(pp.ProfileStore(tmp_path), panes)
    (tmp_path / ".a-1-0123abcd.tmp").touch()
    assert store.remove_orphan_files() == 0
    assert_answers(store, panes)
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tmp"] == [".a-1-0123abcd.tmp"]


def test_what_writers_keep_in_the_folder_is_never_listed(tmp_path):
    store = filled(pp.ProfileStore(tmp_path), hourly(2))
    store.state_folder.mkdir()
    (store.state_folder / "clicks_profile.2026-01-05_00.bin").write_bytes(b"something else")
    store.compact("clicks", "d", clock=LATER)
    assert store.datasets() == ["clicks"]
    assert len(store.files("clicks")) == 1
    assert store.read("clicks").rows == 2


ENTRIES = st.lists(
    st.builds(
        Entry,
        st.text("abc_.-", min_size=1, max_size=9),
        st.tuples(*[st.integers(0, 2**63 - 1)] * 3),
        st.none() | st.builds(lambda start, hours: pp.Window(start, start + 1 + hours), *[st.integers(0, 9)] * 2),
        st.integers(0, 2**62),
        st.frozensets(st.tuples(st.sampled_from(["a", "b", "a-b", "é"]), st.integers(0, 2**64 - 1)), max_size=4),
    ),
    unique_by=lambda entry: entry.name,
)


def _rowless(entry):
    return Entry(entry.name, entry.stamp, entry.window, entry.rows if entry.window else 0, entry.ids)


@given(entries=ENTRIES, more=ENTRIES, start=st.integers(0, 9) | st.none(), end=st.integers(10, 30) | st.none())
def test_a_catalog_is_its_entries_whatever_became_of_it(entries, more, start, end):
    entries = sorted(map(_rowless, entries), key=lambda entry: entry.name)
    found = Manifest.from_entries(entries)
    assert list(found.entries()) == entries
    again = Manifest.from_bytes(found.to_bytes("é"), "é")
    assert list(again.entries()) == entries
    some = {entry.name: entry.stamp for entry in entries[::2]}
    assert [entry.name for entry in again.unchanged(some).entries()] == list(some)
    fresh = [_rowless(entry) for entry in more if entry.name not in some]
    both = sorted([*entries[::2], *fresh], key=lambda entry: entry.name)
    extended = again.unchanged(some).with_entries(fresh)
    assert list(extended.entries()) == both
    held = [entry.window for entry in both if entry.window]
    windows = sorted({w for w in held if not any(_around(w, other) for other in held)})
    assert extended.windows() == windows
    touched = [window for window in windows if window.overlaps(start, end)]
    expected = [e for e in both if e.window and any(e.window == w or _around(e.window, w) for w in touched)]
    assert list(extended.overlapping(start, end).entries()) == expected


def _around(inner, outer):
    return inner != outer and outer.start_us <= inner.start_us and inner.end_us <= outer.end_us


@given(st.binary(max_size=300), st.integers(0, 400))
def test_no_bytes_of_an_index_do_harm(noise, cut):
    window = pp.Window(START_US, START_US + 1)
    good = Manifest.from_entries([Entry("a.bin", (1, 2, 3), window, 1, frozenset([("a", 1)]))])
    data = bytearray(good.to_bytes("clicks")[:cut] + noise)
    data[8:12] = zlib.crc32(data[76:]).to_bytes(4, "little")
    found = Manifest.from_bytes(bytes(data), "clicks")
    assert found is None or isinstance(np.sum(found.stamps), np.integer)
