"""`Outbox` alone: when a store is asked, what is kept of a pane that it refuses, and how much."""

from __future__ import annotations

import pytest

from polarsprof.errors import StoreError
from polarsprof.store import Pane
from polarsprof.stream.outbox import Outbox

SECOND_US = 1_000_000
NOW_US = 1_767_571_200 * SECOND_US  # 2026-01-05
PANE_BYTES = 100


class CountingStore:
    """A store that notes each call and takes nothing while it is away."""

    def __init__(self, name: str = "store") -> None:
        self.name = name
        self.away = False
        self.asked: list[int] = []
        self.panes: list[Pane] = []

    def __str__(self) -> str:
        return self.name

    def put(self, pane: Pane) -> None:
        self.asked.append(pane.number)
        if self.away:
            raise OSError(f"{self.name} is away")
        self.panes.append(pane)

    @property
    def numbers(self) -> list[int]:
        return [pane.number for pane in self.panes]


class MemorySpool:
    """Spooled panes by number."""

    def __init__(self, *numbers: int) -> None:
        self.panes = {number: data_of(number) for number in numbers}

    def write_pane(self, number: int, pane: bytes) -> None:
        self.panes[number] = pane

    def read_pane(self, number: int) -> bytes:
        if number not in self.panes:
            raise FileNotFoundError(number)
        return self.panes[number]

    def delete_pane(self, number: int) -> None:
        self.panes.pop(number, None)


def data_of(number: int) -> bytes:
    return bytes([number]) * PANE_BYTES


def pane_of(number: int, *, data: bytes | None = None) -> Pane:
    return Pane(data_of(number) if data is None else data, "orders", "2026-01-05", "w", number, 10 * number)


def outbox_of(*stores: CountingStore, max_bytes: int = 1_000, panes: int = 1) -> Outbox:
    outbox = Outbox(stores, max_bytes)
    for number in range(1, panes + 1):
        outbox.add(pane_of(number))
    return outbox


def spooled(store: CountingStore, *numbers: int, max_bytes: int = 1_000) -> Outbox:
    outbox = Outbox([store], max_bytes)
    outbox.spool = MemorySpool(*numbers)
    for number in numbers:
        outbox.add_spooled(pane_of(number, data=b""), PANE_BYTES)
    return outbox


# ------------------------------------------------------------------------------------------------ when a store is asked


def test_a_store_that_refused_is_asked_at_the_next_try_and_not_before():
    store = CountingStore()
    store.away = True
    outbox = outbox_of(store)
    now_us, pause_us = NOW_US, SECOND_US
    for asked in range(1, 12):
        outbox.publish(now_us, 1)
        assert (len(store.asked), outbox.retries) == (asked, asked)
        assert outbox.next_due_us(1) == now_us + pause_us
        for early_us in (0, 1, pause_us // 2, pause_us - 1):
            outbox.publish(now_us + early_us, 1)
        assert len(store.asked) == asked
        now_us += pause_us
        pause_us = min(2 * pause_us, 60 * SECOND_US)
    store.away = False
    outbox.publish(now_us, 1)
    assert store.numbers == [1]
    assert not outbox


def test_a_store_is_asked_after_the_next_try_too():
    store = CountingStore()
    store.away = True
    outbox = outbox_of(store)
    outbox.publish(NOW_US, 1)
    outbox.publish(NOW_US + SECOND_US + 1, 1)
    assert len(store.asked) == 2


def test_a_success_ends_the_pauses():
    store = CountingStore()
    store.away = True
    outbox = outbox_of(store)
    for _ in range(5):
        outbox.publish(NOW_US, 1, at_once=True)
    store.away = False
    outbox.publish(NOW_US, 1, at_once=True)
    outbox.add(pane_of(2))
    assert outbox.next_due_us(2) == 0
    store.away = True
    outbox.publish(NOW_US, 2)
    assert outbox.next_due_us(2) == NOW_US + SECOND_US


def test_a_clock_set_back_does_not_delay_the_next_try():
    store = CountingStore()
    store.away = True
    outbox = outbox_of(store)
    outbox.publish(NOW_US, 1)
    outbox.publish(NOW_US - 3_600 * SECOND_US, 1)
    assert len(store.asked) == 2


def test_a_clock_set_back_by_less_than_a_pause_can_delay_the_next_try():
    store = CountingStore()
    store.away = True
    outbox = outbox_of(store)
    outbox.publish(NOW_US, 1)
    for back_us, asked in ((0, 1), (59 * SECOND_US, 1), (59 * SECOND_US + 1, 2)):
        outbox.publish(NOW_US - back_us, 1)
        assert len(store.asked) == asked


def test_at_once_asks_whatever_the_time_is():
    store = CountingStore()
    store.away = True
    outbox = outbox_of(store)
    for asked in range(1, 5):
        outbox.publish(NOW_US, 1, at_once=True)
        assert len(store.asked) == asked


def test_a_store_that_is_away_delays_no_other():
    away, works = CountingStore("away"), CountingStore("works")
    away.away = True
    outbox = outbox_of(away, works, panes=3)
    outbox.publish(NOW_US, 3)
    assert (away.asked, works.numbers) == ([1], [1, 2, 3])
    assert (len(outbox), outbox.rows, outbox.waiting_bytes) == (3, 60, 3 * PANE_BYTES)
    away.away = False
    outbox.publish(NOW_US + SECOND_US, 3)
    assert (away.numbers, works.numbers) == ([1, 2, 3], [1, 2, 3])
    assert (len(outbox), outbox.rows, outbox.waiting_bytes) == (0, 0, 0)


def test_only_panes_up_to_a_number_are_published():
    store = CountingStore()
    outbox = outbox_of(store, panes=3)
    assert outbox.next_due_us(0) is None
    assert outbox.next_due_us(1) == 0
    outbox.publish(NOW_US, 2)
    assert store.numbers == [1, 2]
    assert (outbox.next_due_us(2), outbox.next_due_us(3)) == (None, 0)


def test_the_next_try_is_that_of_a_store_which_lacks_a_pane():
    away, works = CountingStore("away"), CountingStore("works")
    away.away = True
    outbox = outbox_of(away, works)
    outbox.publish(NOW_US, 1)
    assert outbox.next_due_us(1) == NOW_US + SECOND_US
    outbox.add(pane_of(2))
    assert outbox.next_due_us(2) == 0


# --------------------------------------------------------------------------------------------------------- what is said


def test_counters_and_published_panes_are_those_of_the_first_store_that_took_each():
    away, works = CountingStore("away"), CountingStore("works")
    away.away = True
    outbox = outbox_of(away, works, panes=2)
    outbox.publish(NOW_US, 2)
    assert (outbox.panes_written, outbox.bytes_written) == (2, 2 * PANE_BYTES)
    assert outbox.drain_published() == [data_of(1), data_of(2)]
    assert outbox.drain_published() == []
    away.away = False
    outbox.publish(NOW_US, 2, at_once=True)
    assert (outbox.panes_written, outbox.bytes_written) == (2, 2 * PANE_BYTES)
    assert outbox.drain_published() == []


def test_an_outage_is_one_warning_and_the_next_outage_another():
    store = CountingStore()
    store.away = True
    outbox = outbox_of(store)
    for _ in range(3):
        outbox.publish(NOW_US, 1, at_once=True)
    (warning,) = outbox.drain_warnings()
    assert "store is away" in warning
    assert outbox.drain_warnings() == []
    store.away = False
    outbox.publish(NOW_US, 1, at_once=True)
    store.away = True
    outbox.add(pane_of(2))
    outbox.publish(NOW_US, 2)
    assert len(outbox.drain_warnings()) == 1


def test_waiting_panes_raise_with_the_error_of_their_store():
    works, away = CountingStore("works"), CountingStore("away")
    outbox = outbox_of(works, away)
    away.away = True
    outbox.publish(NOW_US, 1)
    with pytest.raises(StoreError, match=r"away: .*1 .*10 .*away is away") as raised:
        outbox.raise_if_waiting()
    assert isinstance(raised.value.__cause__, OSError)
    away.away = False
    outbox.publish(NOW_US, 1, at_once=True)
    outbox.raise_if_waiting()


def test_panes_that_no_store_was_asked_for_raise_too():
    with pytest.raises(StoreError, match="one"):
        outbox_of(CountingStore("one"), panes=2).raise_if_waiting()


# ------------------------------------------------------------------------------------------------------------ the bound


def test_the_oldest_panes_are_dropped_beyond_the_bound_and_counted():
    store = CountingStore()
    store.away = True
    outbox = outbox_of(store, max_bytes=3 * PANE_BYTES, panes=3)
    outbox.publish(NOW_US, 3)
    outbox.drain_warnings()
    assert outbox.rows_dropped == 0
    outbox.add(pane_of(4))
    assert (outbox.rows_dropped, outbox.waiting_bytes, len(outbox)) == (10, 3 * PANE_BYTES, 3)
    (warning,) = outbox.drain_warnings()
    assert all(part in warning for part in ("10 rows", "orders", "store is away"))
    outbox.add(pane_of(5, data=bytes(2 * PANE_BYTES)))
    assert (outbox.rows_dropped, outbox.waiting_bytes, len(outbox)) == (10 + 20 + 30, 3 * PANE_BYTES, 2)
    store.away = False
    outbox.publish(NOW_US, 5, at_once=True)
    assert store.numbers == [4, 5]


def test_one_byte_beyond_the_bound_is_beyond_it():
    outbox = outbox_of(CountingStore(), max_bytes=2 * PANE_BYTES)
    outbox.add(pane_of(2, data=bytes(PANE_BYTES + 1)))
    assert (outbox.rows_dropped, len(outbox)) == (10, 1)


def test_the_newest_pane_is_kept_whatever_its_size():
    store = CountingStore()
    outbox = outbox_of(store, max_bytes=10)
    assert (outbox.rows_dropped, outbox.waiting_bytes) == (0, PANE_BYTES)
    outbox.publish(NOW_US, 1)
    assert store.numbers == [1]


def test_bytes_of_published_panes_make_room_again():
    store = CountingStore()
    outbox = Outbox([store], PANE_BYTES)
    for number in range(1, 10):
        outbox.add(pane_of(number))
        outbox.publish(NOW_US, number)
    assert store.numbers == list(range(1, 10))
    assert (outbox.rows_dropped, outbox.waiting_bytes) == (0, 0)


# ------------------------------------------------------------------------------------------------------------ the spool


def test_spooled_panes_count_with_the_bytes_in_the_spool():
    store = CountingStore()
    outbox = spooled(store, 1, 2, 3)
    assert (outbox.waiting_bytes, outbox.rows, len(outbox)) == (3 * PANE_BYTES, 60, 3)
    outbox.publish(NOW_US, 3)
    assert [pane.data for pane in store.panes] == [data_of(1), data_of(2), data_of(3)]
    assert (outbox.waiting_bytes, outbox.bytes_written) == (0, 3 * PANE_BYTES)
    assert outbox.spool.panes == {}


@pytest.mark.parametrize(("max_bytes", "left"), [(3 * PANE_BYTES, [1, 2, 3]), (3 * PANE_BYTES - 1, [2, 3]), (1, [3])])
def test_the_bound_holds_for_spooled_panes_too(max_bytes, left):
    outbox = spooled(CountingStore(), 1, 2, 3, max_bytes=max_bytes)
    assert sorted(outbox.spool.panes) == left
    assert outbox.waiting_bytes == PANE_BYTES * len(left)
    assert outbox.rows_dropped == 60 - 10 * sum(left)


def test_a_new_pane_pushes_spooled_ones_out_at_the_bound():
    outbox = spooled(CountingStore(), 1, 2, max_bytes=2 * PANE_BYTES)
    outbox.add(pane_of(3))
    assert sorted(outbox.spool.panes) == [2]
    assert (outbox.rows_dropped, outbox.waiting_bytes) == (10, 2 * PANE_BYTES)


def test_panes_in_memory_move_into_the_spool_once():
    store = CountingStore()
    outbox = outbox_of(store, panes=2)
    outbox.to_spool()  # without a spool they stay
    outbox.spool = MemorySpool()
    outbox.to_spool()
    assert outbox.spool.panes == {1: data_of(1), 2: data_of(2)}
    outbox.spool.panes[1] = b"as the spool has it"
    outbox.to_spool()
    assert outbox.waiting_bytes == 2 * PANE_BYTES
    outbox.publish(NOW_US, 2)
    assert [pane.data for pane in store.panes] == [b"as the spool has it", data_of(2)]
    assert outbox.spool.panes == {}


def test_a_pane_in_memory_is_published_from_there_though_there_is_a_spool():
    store = CountingStore()
    outbox = outbox_of(store)
    outbox.spool = MemorySpool()
    outbox.publish(NOW_US, 1)
    assert [pane.data for pane in store.panes] == [data_of(1)]
    assert outbox.rows_dropped == 0


def test_a_pane_that_the_spool_lost_is_dropped_and_the_next_one_published():
    store = CountingStore()
    outbox = spooled(store, 1, 2)
    outbox.spool.delete_pane(1)
    outbox.publish(NOW_US, 2)
    assert store.numbers == [2]
    assert (outbox.rows_dropped, outbox.waiting_bytes, outbox.panes_written) == (10, 0, 1)
    (warning,) = outbox.drain_warnings()
    assert all(part in warning for part in ("10 rows", "orders"))


def test_a_spool_that_cannot_be_read_is_tried_again():
    class Broken(MemorySpool):
        broken = True

        def read_pane(self, number: int) -> bytes:
            if self.broken:
                raise OSError("input/output error")
            return super().read_pane(number)

    store = CountingStore()
    outbox = Outbox([store], 1_000)
    outbox.spool = spool = Broken(1)
    outbox.add_spooled(pane_of(1, data=b""), PANE_BYTES)
    outbox.publish(NOW_US, 1)
    assert (store.asked, len(outbox), outbox.retries, outbox.rows_dropped) == ([], 1, 1, 0)
    spool.broken = False
    outbox.publish(NOW_US + SECOND_US, 1)
    assert store.numbers == [1]
