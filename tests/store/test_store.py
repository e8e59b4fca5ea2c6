"""Folders of panes: names, atomic and exclusive writes, ranges, failing disks."""

from __future__ import annotations

import errno
import os
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

import polarsprof as pp
from polarsprof.errors import ArgumentError, CorruptProfile, UnsupportedVersion
from polarsprof.store import Pane
from polarsprof.testing import SettableClock, assert_profile_equal

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def pane(rows: int = 1, *, writer: str = "a", number: int = 1, dataset: str = "dataset") -> Pane:
    profile = pp.Profile(dataset=dataset, window=pp.Window(0, 1_000_000))
    profile.rows = rows
    profile.panes = frozenset([(writer, number)])
    return Pane(profile.to_bytes(), dataset, "1970-01-01_00-00-00", writer, number, rows)


def day_store(folder, days: int = 10) -> pp.ProfileStore:
    """One row a day from 2026-01-01 on, x counting from 0."""
    with (
        pp.Session(folder, clock=SettableClock(NOON)) as session,
        session.logger(with_rotation_time="d", timestamp="at") as logger,
    ):
        logger.log_records({"at": datetime(2026, 1, 1 + day), "x": day, "y": -day} for day in range(days))
    return session.store


def test_a_range_reads_the_windows_that_overlap_it(tmp_path):
    store = day_store(tmp_path)
    assert store.datasets() == ["dataset"]
    assert [window.start.day for window in store.windows("dataset")] == list(range(1, 11))
    for start, end, days in [
        (None, None, range(10)),
        (date(2026, 1, 3), None, range(2, 10)),
        (None, "2026-01-03", range(2)),
        (datetime(2026, 1, 3, 12), datetime(2026, 1, 4, 0, 0, 1), range(2, 4)),
        ("2026-01-03T00:00+01:00", "2026-01-03T01:00+01:00", range(1, 2)),
        (date(2030, 1, 1), None, range(0)),
    ]:
        profile = store.read("dataset", start, end)
        assert profile.rows == len(days)
        assert profile.dataset == "dataset"
        if days:
            assert (profile["x"].min, profile["x"].max) == (days[0], days[-1])
            assert profile.window.start.day == days[0] + 1


def test_columns_can_be_read_alone(tmp_path):
    store = day_store(tmp_path)
    profile = store.read("dataset", columns=["y"])
    assert list(profile.columns) == ["y"]
    assert (profile.rows, profile["y"].sum) == (10, -45)


def test_wrong_questions_are_refused_by_name(tmp_path):
    store = day_store(tmp_path, 1)
    with pytest.raises(ArgumentError, match=r"got 'orders'.*\['dataset'\]"):
        store.read("orders")
    with pytest.raises(ArgumentError, match="after start"):
        store.read("dataset", "2026-01-02", "2026-01-02")
    with pytest.raises(ArgumentError, match=r"start.*ISO"):
        store.read("dataset", "yesterday")
    with pytest.raises(ArgumentError, match="start"):
        store.read("dataset", 5)
    assert pp.ProfileStore(tmp_path / "nothing").datasets() == []
    for question in (pp.ProfileStore.windows, pp.ProfileStore.read):
        with pytest.raises(ArgumentError, match=r"got 'dataset'.*one of \[\]"):
            question(pp.ProfileStore(tmp_path / "nothing"), "dataset")


def test_a_pane_that_lies_in_the_folder_twice_counts_once(tmp_path):
    store = day_store(tmp_path, 3)
    first = store.files("dataset")[0]
    shutil.copy(first, first.with_name(first.name.replace(".bin", ".copy-1.bin")))
    pp.merge(pp.read(path) for path in store.files("dataset")[2:]).write(tmp_path / "dataset_profile.2026.bin")
    assert store.read("dataset").rows == 3
    assert store.read("dataset")["x"].sum == 3


def test_a_pane_is_put_only_if_absent(tmp_path):
    store = pp.ProfileStore(tmp_path)
    first = store.put(pane(1, writer="a"))
    second = store.put(pane(2, writer="b"))
    again = store.put(pane(1, writer="a"))
    assert first == again
    assert first.name == "dataset_profile.1970-01-01_00-00-00.bin"
    assert second.name == "dataset_profile.1970-01-01_00-00-00.b-1.bin"
    assert [pp.read(path).rows for path in (first, second)] == [1, 2]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([first.name, second.name])
    (tmp_path / "dataset_profile.1970-01-01_00-00-00.c-1.bin").write_bytes(b"something else")
    with pytest.raises(FileExistsError):
        store.put(pane(3, writer="c"))


def test_a_writer_that_recovers_less_than_it_published_finds_its_pane_there(tmp_path):
    """After an earlier checkpoint; callers that need an error pass `compared`."""
    store = pp.ProfileStore(tmp_path)
    first = store.put(pane(15, writer="a"))
    assert store.put(pane(14, writer="a")) == first
    assert store.put(pane(15, writer="a"), compared=True) == first
    with pytest.raises(FileExistsError, match="of 15 rows; another one of this id, of 14 rows"):
        store.put(pane(14, writer="a"), compared=True)
    assert store.read("dataset").rows == 15


def _newer(path):
    content = bytearray(pane(dataset="dataset").data)
    content[8] = 99  # the major version
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("occupy", "reading"),
    [
        (_newer, UnsupportedVersion),
        (lambda path: path.write_bytes(b"something else"), CorruptProfile),
        (lambda path: path.mkdir(), None),
        (lambda path: path.symlink_to("/nowhere/at/all"), None),
        pytest.param(
            getattr(os, "mkfifo", None), None, marks=pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX")
        ),
    ],
    ids=["newer", "foreign", "folder", "broken link", "pipe"],
)
def test_a_plain_name_that_is_taken_by_what_is_no_pane_keeps_nothing_out(tmp_path, occupy, reading):
    occupied = tmp_path / "dataset_profile.1970-01-01_00-00-00.bin"
    occupy(occupied)
    store = pp.ProfileStore(tmp_path)
    with pp.Session(store) as session:
        session.logger("dataset", dataset_timestamp=datetime(1970, 1, 1, tzinfo=UTC)).log({"x": 1})
    put = [path for path in tmp_path.iterdir() if path != occupied]
    assert [pp.read(path).rows for path in put] == [1]
    assert store.datasets() == ["dataset"]
    if reading is None:
        assert store.read("dataset").rows == len(store.windows("dataset")) == 1
        return
    for look in (lambda: store.windows("dataset"), lambda: store.read("dataset")):
        with pytest.raises(reading, match=occupied.name):
            look()
    put[0].unlink()
    with pytest.raises(reading, match=occupied.name):
        store.datasets()


def test_a_pane_of_another_user_keeps_nothing_out(tmp_path, monkeypatch):
    """The file cannot be opened; patched, because a superuser can open every file."""
    store = pp.ProfileStore(tmp_path)
    foreign = store.put(pane(1, writer="a"))
    original = os.open

    def forbidden(path, *arguments):
        if Path(path) == foreign:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return original(path, *arguments)

    monkeypatch.setattr(os, "open", forbidden)
    assert store.put(pane(2, writer="b")).name.endswith(".b-1.bin")
    with pytest.raises(PermissionError, match=foreign.name):
        store.read("dataset")


def test_files_are_readable_by_their_owner_alone(tmp_path):
    assert pp.ProfileStore(tmp_path).put(pane()).stat().st_mode & 0o777 == 0o600


def test_a_name_that_no_file_can_hold_is_refused_before_a_row_is_logged(tmp_path):
    with pp.Session(tmp_path) as session:
        for wrong in (
            {"dataset_name": "a\ud800"},
            {"tags": {"k": "\udfff"}},
            {"tags": {"\ud800": "v"}},
            {"metadata": {"k": "\ud800"}},
        ):
            with pytest.raises(ArgumentError, match=r"got.*lone surrogate"):
                session.logger(**wrong)
        with pytest.raises(ArgumentError, match="lone surrogate"):
            pp.profile([], tags={"k": "\ud800"})


@pytest.mark.parametrize(
    "name",
    ["../../etc/cron.d/x", "/etc/passwd", "..", ".", "a/b", "a\\b", "nul\0", "line\nbreak", "CON", "x.", "x ", "~root",
     "-rf", "é" * 300, "A", "a", "%2e%2e%2f", "\u202etxt", "{0.__class__}", "a_profile.2026", "*", "naïve"],
    ids=ascii,
)  # fmt: skip
def test_no_name_of_a_dataset_leaves_the_folder_or_is_mistaken_for_another(tmp_path, name):
    store = pp.ProfileStore(tmp_path / "store")
    store.put(pane(1, dataset="other"))
    path = store.put(pane(7, dataset=name))
    assert path.parent == tmp_path / "store"
    assert set(path.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-.")
    assert len(path.name) < 130
    assert store.datasets() == sorted(["other", name])
    assert store.read(name).rows == 7
    assert store.read("other").rows == 1
    assert [p.name for p in tmp_path.iterdir()] == ["store"]


def test_a_corrupt_pane_is_named_and_not_passed_over(tmp_path):
    store = day_store(tmp_path, 2)
    path = store.files("dataset")[1]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CorruptProfile, match=path.name):
        store.read("dataset")


@pytest.mark.parametrize("error", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_hard_links_holds_panes_by_their_own_names(tmp_path, monkeypatch, error):
    def no_link(*_):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "link", no_link)
    store = pp.ProfileStore(tmp_path)
    first, second, again = (
        store.put(pane(1, writer="a")),
        store.put(pane(2, writer="b")),
        store.put(pane(1, writer="a")),
    )
    assert first == again != second
    assert [path.name for path in store.files("dataset")] == [
        "dataset_profile.1970-01-01_00-00-00.a-1.bin",
        "dataset_profile.1970-01-01_00-00-00.b-1.bin",
    ]
    assert store.read("dataset").rows == 3
    assert len(list(tmp_path.iterdir())) == 2


def test_every_folder_that_was_made_is_synced_into_the_one_above(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr("polarsprof.store.local.sync_folder", synced.append)
    monkeypatch.setattr("polarsprof.files.durable.sync_folder", synced.append)
    folder = tmp_path / "a" / "b" / "c"
    pp.ProfileStore(folder).put(pane())
    assert {tmp_path, tmp_path / "a", tmp_path / "a" / "b", folder} == set(synced)


def test_write_replaces_a_file_whole_or_not_at_all(tmp_path):
    profile = pp.profile([{"x": 1}])
    profile.write(tmp_path / "a.bin")
    pp.profile([{"x": 2}]).write(str(tmp_path / "a.bin"))
    assert pp.read(tmp_path / "a.bin")["x"].min == 2
    with pytest.raises(OSError, match="missing"):
        profile.write(tmp_path / "missing" / "a.bin")
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
    assert_profile_equal(pp.read((tmp_path / "a.bin").read_bytes()), pp.profile([{"x": 2}]))
