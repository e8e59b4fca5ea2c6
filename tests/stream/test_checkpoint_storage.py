"""`CheckpointStorage` alone: which files are there after each step, and which state counts after crashes."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from polarsprof.errors import StoreError
from polarsprof.stream.checkpoints import storage as module
from polarsprof.stream.checkpoints.storage import CheckpointStorage

SLUG = "orders"


def new(folder: Path, writer_id: str = "w") -> CheckpointStorage:
    return CheckpointStorage.of_writer(folder, SLUG, writer_id)


def crashed(folder: Path) -> CheckpointStorage:
    """The files of the only crashed writer, with its lock."""
    (found,) = CheckpointStorage.of_crashed_writers(folder, SLUG)
    return found


def crash(storage: CheckpointStorage) -> None:
    """The end of the process: the lock is free, the files stay."""
    storage.leave()


def names(folder: Path) -> list[str]:
    """Names of the files without data set and writer, in order of their numbers."""
    found = [path.name.split(".", 2)[2] for path in folder.iterdir()]
    return sorted(
        found, key=lambda name: [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]
    )


def numbered(*numbers: int) -> list[str]:
    return [f"{number}.{kind}" for number in numbers for kind in ("checkpoint", "journal")]


# ---------------------------------------------------------------------------------------------------------------- saves


def test_after_any_number_of_saves_the_last_two_of_each_kind_are_left(tmp_path):
    storage = new(tmp_path)
    assert names(tmp_path) == ["lock"]
    assert (storage.writer_id, storage.journal_bytes) == ("w", 0)
    storage.save(b"state 1")
    assert names(tmp_path) == [*numbered(1), "lock"]
    for number in range(2, 15):
        storage.save(b"state %d" % number)
        storage.append(b"row")
        assert names(tmp_path) == [*numbered(number - 1, number), "lock"]


def test_each_crash_brings_back_the_newest_state_and_its_journal(tmp_path):
    """Saves go on from the number of the crashed writer: they remove its oldest checkpoint, never its newest."""
    storage = new(tmp_path)
    storage.save(b"state 1")
    last = 1
    for saves in (1, 2, 3, 1, 1, 4):
        storage.append(b"row %d" % last)
        storage.sync()
        crash(storage)
        storage = crashed(tmp_path)
        saved = storage.load()
        assert (saved.state, saved.entries, saved.damaged) == (b"state %d" % last, [b"row %d" % last], [])
        assert not storage.empty
        for _ in range(saves):
            last += 1
            storage.save(b"state %d" % last)
            assert names(tmp_path) == [*numbered(last - 1, last), "lock"]
    crash(storage)
    assert crashed(tmp_path).load().state == b"state %d" % last


def test_a_crashed_writer_that_saves_once_and_crashes_left_its_newest_state(tmp_path):
    storage = new(tmp_path)
    for number in range(1, 4):
        storage.save(b"state %d" % number)
    crash(storage)
    storage = crashed(tmp_path)
    storage.save(b"state 4")
    crash(storage)
    (tmp_path / "orders.w.4.checkpoint").write_bytes(b"damaged")
    saved = crashed(tmp_path).load()
    assert (saved.state, saved.damaged) == (b"state 3", ["orders.w.4.checkpoint"])


def test_a_save_that_fails_leaves_the_last_state_and_a_later_one_replaces_it(tmp_path, monkeypatch):
    storage = new(tmp_path)
    assert storage.empty
    storage.save(b"state 1")

    def full(*_):
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_whole", full)
        with pytest.raises(OSError, match="no space"):
            storage.save(b"state 2")
    with pytest.raises(StoreError):
        storage.append(b"row")
    with pytest.raises(StoreError):
        storage.sync()
    assert storage.load().state == b"state 1"
    storage.save(b"state 2", b"opening")
    saved = storage.load()
    assert (saved.state, saved.entries) == (b"state 2", [b"opening"])


def test_a_first_save_that_failed_at_its_last_step_is_not_nothing(tmp_path, monkeypatch):
    storage = new(tmp_path)
    storage.sync()  # of nothing
    with pytest.raises(StoreError):
        storage.append(b"row")

    def torn(*_):
        raise OSError("input/output error")

    monkeypatch.setattr(module, "write_whole", torn)
    with pytest.raises(OSError, match="input"):
        storage.save(b"state 1")
    assert not storage.empty


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="asks Linux which file is synced")
def test_files_are_synced_in_the_order_in_which_they_count(tmp_path, monkeypatch):
    """The opening entry and the names of panes before the checkpoint, whose name makes them count."""
    synced: list[str] = []
    fsync = os.fsync

    def noted(fd: int) -> None:
        path = Path(f"/proc/self/fd/{fd}").readlink()
        is_folder = path == tmp_path
        synced.append("folder" if is_folder else "journal" if path.suffix == ".journal" else path.suffix)
        fsync(fd)

    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, noted, raising=False)
    storage = new(tmp_path)
    synced.clear()
    storage.save(b"state 1", b"opening")
    assert synced[:2] == ["journal", "folder"]
    assert synced[-1] == "folder"
    assert len(synced) == 4  # and the checkpoint itself
    synced.clear()
    storage.append(b"row")
    assert synced == []
    storage.sync()
    assert synced == ["journal"]


# ------------------------------------------------------------------------------------------------------------- journals


def test_journal_bytes_count_since_the_last_checkpoint(tmp_path):
    storage = new(tmp_path)
    storage.save(b"state 1")
    assert storage.journal_bytes == 0
    before = size(tmp_path, 1)
    storage.append(b"row", b" and more")
    assert storage.journal_bytes == size(tmp_path, 1) - before > len(b"row and more")
    storage.append(b"row")
    assert storage.journal_bytes == size(tmp_path, 1) - before
    storage.save(b"state 2")
    assert storage.journal_bytes == 0


def size(folder: Path, number: int) -> int:
    return (folder / f"orders.w.{number}.journal").stat().st_size


def test_entries_come_back_in_order_up_to_the_first_torn_one(tmp_path):
    storage = new(tmp_path)
    storage.save(b"state", b"opening")
    entries = [b"x" * length for length in (1, 100, 70_000)]
    for entry in entries:
        storage.append(entry[:1], entry[1:])
    storage.append(b"torn")
    crash(storage)
    journal = tmp_path / "orders.w.1.journal"
    whole = journal.read_bytes()
    storage = crashed(tmp_path)
    assert storage.load().entries == [b"opening", *entries, b"torn"]
    for cut in (1, 3, 4, 10, 15):
        journal.write_bytes(whole[:-cut])
        assert storage.load().entries == [b"opening", *entries]
    journal.write_bytes(whole[:-1] + b"?")
    assert storage.load().entries == [b"opening", *entries]
    journal.write_bytes(whole + bytes(100))  # zeros, as a loss of power leaves them
    assert storage.load().entries == [b"opening", *entries, b"torn"]
    journal.write_bytes(b"another format" + whole)
    assert storage.load().entries == []


def test_a_journal_without_its_checkpoint_does_not_count(tmp_path):
    storage = new(tmp_path)
    storage.save(b"state 1")
    storage.append(b"row 1")
    storage.save(b"state 2", b"opening 2")
    crash(storage)
    (tmp_path / "orders.w.2.checkpoint").unlink()
    saved = crashed(tmp_path).load()
    assert (saved.state, saved.entries, saved.damaged) == (b"state 1", [b"row 1"], [])


def test_with_a_damaged_checkpoint_both_journals_count(tmp_path):
    storage = new(tmp_path)
    storage.save(b"state 1")
    storage.append(b"row 1")
    storage.save(b"state 2", b"opening 2")
    storage.append(b"row 2")
    crash(storage)
    (tmp_path / "orders.w.2.checkpoint").write_bytes(b"polarsprof state 1\n")
    saved = crashed(tmp_path).load()
    assert (saved.state, saved.entries) == (b"state 1", [b"row 1", b"opening 2", b"row 2"])
    assert saved.damaged == ["orders.w.2.checkpoint"]


# ------------------------------------------------------------------------------------------------------ panes and locks


def test_panes_are_listed_in_order_and_removed_one_by_one(tmp_path):
    storage = new(tmp_path)
    for number in (10, 9, 2):
        storage.write_pane(number, b"pane %d" % number)
    assert storage.pane_numbers() == [2, 9, 10]
    assert storage.read_pane(9) == b"pane 9"
    storage.write_pane(9, b"another")
    assert storage.read_pane(9) == b"another"
    storage.delete_pane(9)
    storage.delete_pane(9)
    assert storage.pane_numbers() == [2, 10]
    with pytest.raises(FileNotFoundError):
        storage.read_pane(9)


def test_a_writer_that_lives_is_not_among_the_crashed(tmp_path):
    living, dead = new(tmp_path, "a"), new(tmp_path, "b")
    living.save(b"living")
    dead.save(b"dead")
    crash(dead)
    found = list(CheckpointStorage.of_crashed_writers(tmp_path, SLUG))
    assert [storage.writer_id for storage in found] == ["b"]
    assert list(CheckpointStorage.of_crashed_writers(tmp_path, SLUG)) == []  # another one has it
    assert list(CheckpointStorage.of_crashed_writers(tmp_path, "order")) == []
    with pytest.raises(StoreError):
        new(tmp_path, "a")


def test_the_folder_is_made_for_its_owner_alone(tmp_path):
    folder = tmp_path / "store" / "writers"
    new(folder).save(b"state")
    assert folder.stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_listed_leaves_the_writer_to_others(tmp_path, monkeypatch):
    crash(new(tmp_path))

    def unlisted(*_):
        raise OSError("input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(CheckpointStorage, "_numbers", unlisted)
        with pytest.raises(OSError, match="input"):
            crashed(tmp_path)
    assert crashed(tmp_path).writer_id == "w"


def test_states_of_all_are_the_last_checkpoint_of_each_writer(tmp_path):
    one, other = new(tmp_path, "a"), new(tmp_path, "b")
    for number in range(9, 12):  # 10 comes after 9 as a number and before it as text
        one.save(b"a %d" % number)
    other.save(b"b")
    new(tmp_path, "c")
    CheckpointStorage.of_writer(tmp_path, "customers", "d").save(b"d")
    assert sorted(CheckpointStorage.states_of_all(tmp_path, SLUG)) == [b"a 11", b"b"]
    assert CheckpointStorage.states_of_all(tmp_path / "none", SLUG) == []


def test_states_of_all_are_by_number_beyond_nine(tmp_path):
    storage = new(tmp_path)
    for number in range(1, 11):
        storage.save(b"state %d" % number)
    assert CheckpointStorage.states_of_all(tmp_path, SLUG) == [b"state 10"]
    crash(storage)
    assert crashed(tmp_path).load().state == b"state 10"


def test_removing_leaves_nothing_and_leaving_everything(tmp_path):
    storage = new(tmp_path)
    storage.save(b"state 1")
    storage.save(b"state 2")
    storage.write_pane(1, b"pane")
    assert not storage.gone
    crash(storage)
    assert names(tmp_path) == ["1.checkpoint", "1.journal", "1.pane", "2.checkpoint", "2.journal", "lock"]
    storage = crashed(tmp_path)
    storage.remove()
    assert list(tmp_path.iterdir()) == []
    assert storage.gone


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="asks Linux which files are open")
@pytest.mark.parametrize("end", ["leave", "remove", "save"])
def test_no_journal_stays_open(tmp_path, end):
    def journals() -> list[str]:
        links = Path("/proc/self/fd").iterdir()
        paths = [link.readlink() for link in links if link.is_symlink() and link.exists()]
        return [path.name for path in paths if path.parent == tmp_path and path.suffix == ".journal"]

    storage = new(tmp_path)
    storage.save(b"state 1")
    assert journals() == ["orders.w.1.journal"]
    storage.save(b"state 2") if end == "save" else getattr(storage, end)()
    assert journals() == (["orders.w.2.journal"] if end == "save" else [])


def test_files_that_cannot_be_listed_are_left_to_the_next_writer(tmp_path, monkeypatch):
    storage = new(tmp_path)
    storage.save(b"state")

    def unlisted(_: Path) -> None:
        raise OSError("input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "iterdir", unlisted)
        storage.remove()
    assert crashed(tmp_path).load().state == b"state"


def test_removal_ends_with_the_newest_checkpoint_and_the_lock(tmp_path, monkeypatch):
    """Whatever part of it a crash leaves, no older checkpoint stands without the newest one."""
    storage = new(tmp_path)
    for number in range(1, 4):
        storage.save(b"state %d" % number)
    storage.write_pane(1, b"pane")
    removed: list[str] = []
    remove = module.remove

    def noted(path: Path) -> None:
        removed.append(path.name.split(".", 2)[2])
        remove(path)

    def synced(folder: Path) -> None:
        removed.append("synced")
        assert folder == tmp_path

    monkeypatch.setattr(module, "remove", noted)
    monkeypatch.setattr(module, "sync_folder", synced)
    storage.remove()
    assert [removed.pop(), removed.pop(-3)] == ["synced", "synced"]
    assert set(removed[:-2]) == {"1.pane", *numbered(2)}
    assert removed[-2:] == ["3.journal", "3.checkpoint"]
