"""Flat records stay flat rows: their fast path is asserted to be taken, since a slower one gives the same columns."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from polarsprof.ingest.records import RecordBuffer
from polarsprof.ingest.records.flat_rows import are_plain_names

ROWS = 2_000


def order(number: int, **others: Any) -> dict[str, Any]:
    return {"id": number, "price": number / 2, "note": f"note {number}", "paid": number % 2 == 0, **others}


def calls_of(records: list[Any], buffer: RecordBuffer) -> int:
    """Number of Python functions of records that run while a buffer takes records, without `append` and lambdas."""
    calls = 0

    def count(frame: Any, kind: str, _: object) -> None:
        nonlocal calls
        if kind == "call" and Path(frame.f_code.co_filename).parent.name == "records":
            calls += frame.f_code.co_name not in ("append", "<lambda>")

    sys.setprofile(count)
    try:
        for record in records:
            buffer.append(record)
    finally:
        sys.setprofile(None)
    return calls


def taken(records: list[Any], buffer: RecordBuffer) -> tuple[int, int]:
    """How many records became flat rows, and how many others."""
    for record in records:
        buffer.append(record)
    batch = buffer.swap()
    return sum(map(len, batch.flat)), len(batch.others)


@pytest.mark.parametrize(
    "records",
    [
        [order(number) for number in range(ROWS)],
        [order(number, note=None if number % 3 else "x") for number in range(ROWS)],
        [order(number, price=None) for number in range(ROWS)],
        [dict(reversed(order(number).items())) for number in range(ROWS)],
        [{"id": number} for number in range(ROWS)],
        [{"id": None} for number in range(ROWS)],
    ],
    ids=["plain", "some nulls", "nulls alone", "another order of keys", "one field", "one null"],
)
def test_flat_records_are_taken_without_a_call_for_each(records):
    buffer = RecordBuffer(max_rows=10**6, max_bytes=10**9)
    calls = calls_of(records, buffer)
    assert 0 < calls < 250  # some at first, then a few every 128 rows
    batch = buffer.swap()
    assert (sum(map(len, batch.flat)), list(batch.others)) == (ROWS, [])


def test_rows_are_looked_at_more_and_more_seldom():
    """After twice as many rows as the last time, 128 at most: sizes cost a third of the time."""
    buffer = RecordBuffer(max_rows=10**6, max_bytes=10**9)
    calls = [calls_of([order(number) for number in range(128)], buffer) for _ in range(20)]
    assert sum(calls[10:]) <= 10 * 12
    assert max(calls[10:]) < calls[0]


def test_rows_near_a_bound_are_looked_at_one_by_one():
    for max_rows, max_bytes in ((1_000, 10**9), (10**6, 1_000 * (128 + 4 * 48 + 8))):
        buffer = RecordBuffer(max_rows=max_rows, max_bytes=max_bytes)
        full_at = next(n for n in range(1, 2_000) if buffer.append(order(n)) and buffer.full)
        assert 990 <= full_at <= 1_010, (max_rows, full_at)


@pytest.mark.parametrize("value", [[1], {"a": 1}, bytearray(b"x"), memoryview(b"x"), (1,)])
def test_records_with_a_value_that_holds_others_or_may_change_are_no_flat_rows(value):
    buffer = RecordBuffer()
    records = [order(0), order(1, note=value), order(2), order(3, note=value)]
    assert taken(records, buffer) == (2, 2)
    assert taken(records, buffer) == (2, 2)


def test_few_layouts_are_flat_rows_and_those_beyond_the_bound_are_not():
    buffer = RecordBuffer()
    flat, others = taken([{f"column {number}": 1} for number in range(200)], buffer)
    assert 0 < flat < 200
    assert flat + others == 200


class Name(str):
    __slots__ = ()


def test_plain_names_are_exact_text_that_utf8_can_encode():
    assert are_plain_names(("id",))
    assert are_plain_names(("id", "é", ""))
    assert not are_plain_names(())
    for key in (1, None, b"id", "\ud800", Name("id"), ("id",)):
        assert not are_plain_names((key,)), key
        assert not are_plain_names(("id", key)), key
        assert not are_plain_names((key, "id")), key


@pytest.mark.parametrize("key", [1, None, b"id", "\ud800"])
def test_records_with_other_keys_are_no_flat_rows(key):
    buffer = RecordBuffer()
    assert taken([{key: 1}, {"id": 1, key: 2}, {"id": 1}], buffer) == (1, 2)


def test_records_without_fields_are_no_flat_rows():
    buffer = RecordBuffer()
    assert taken([{}, {"id": 1}, {}], buffer) == (1, 2)
