"""Which reader takes lines whose columns are known: Polars, pyarrow, or one line at a time; the profile is the same.

Every reader falls back in silence to a slower one, so a profile alone does not tell whether a fast path is alive. Each
case names the reader that has to take it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import polars as pl
import pyarrow.json
import pytest

import polarsprof as pp
from polarsprof.engines.one_shot import profile_of
from polarsprof.ingest.json_lines import JsonLines, flat
from polarsprof.ingest.json_lines.batch import LineBatch
from polarsprof.ingest.records import RecordBatch, RejectedRow, decode_json
from polarsprof.testing import assert_profile_equal

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.filterwarnings("ignore::polarsprof.errors.DataWarning")

NOTE = "some seventy characters of text, so that a null is allowed in a line"
ROWS = 100


def order(number: int, **others: object) -> dict[str, object]:
    return {"id": number, "price": number + 0.5, "note": f"{NOTE} {number}", "open": number % 2 == 0, **others}


def lines_of(records: list[dict[str, object]], **options: object) -> list[str]:
    return [json.dumps(record, **{"separators": (",", ":"), **options}) for record in records]


PLAIN = lines_of([order(number) for number in range(ROWS)])


def with_line(line: str, at: int = 50, lines: list[str] = PLAIN) -> str:
    return "\n".join([*lines[:at], line, *lines[at:]])


def without(record: dict[str, object], *names: str) -> dict[str, object]:
    return {name: value for name, value in record.items() if name not in names}


@pytest.fixture
def counted(monkeypatch) -> Iterator[dict[str, int]]:
    """How often each reader was asked; an error in the fast one fails the test, though a caller survives it."""
    calls = {"polars": 0, "pyarrow": 0}
    errors: list[BaseException] = []
    read_json, frame = pyarrow.json.read_json, flat.FlatReader.frame

    def by_pyarrow(*args, **options):
        calls["pyarrow"] += 1
        return read_json(*args, **options)

    def by_polars(*args, **options):
        try:
            found = frame(*args, **options)
        except BaseException as error:
            errors.append(error)
            raise
        calls["polars"] += found is not None
        return found

    monkeypatch.setattr(pyarrow.json, "read_json", by_pyarrow)
    monkeypatch.setattr(flat.FlatReader, "frame", by_polars)
    yield calls
    assert errors == []


def reader_of(data: str | bytes, calls: dict[str, int], known: list[str] = PLAIN) -> str:
    """The reader that took the data after known lines; its profile is that of the lines one by one."""
    raw = data.encode() if isinstance(data, str) else data
    lines = JsonLines()
    list(lines.batches("\n".join(known)))
    calls.update(dict.fromkeys(calls, 0))
    batches = list(lines.batches(raw))
    assert_profile_equal(profile_of(batches), line_by_line(raw))
    by_line = sum(batch.rows for batch in batches if not isinstance(batch, LineBatch))
    if by_line:
        return f"{by_line} by line"
    return "polars" if calls == {"polars": 1, "pyarrow": 0} else "pyarrow" if not calls["polars"] else str(calls)


def line_by_line(data: bytes) -> pp.Profile:
    values, rejected = decode_json(data)
    return profile_of([RecordBatch([*values, *map(RejectedRow, rejected.elements())])])


# ----------------------------------------------------------------------------------------------------- read by Polars

FAST: dict[str, str] = {
    "lines like those before": "\n".join(PLAIN),
    "lines with blanks after colons and commas": "\n".join(lines_of([order(n) for n in range(ROWS)], separators=None)),
    "a line end after the last line": "\n".join([*PLAIN, ""]),
    "CRLF": "\r\n".join(PLAIN),
    "fewer columns": "\n".join(lines_of([without(order(n), "price", "note") for n in range(2 * ROWS)])),
    "a column that some lines lack": "\n".join(lines_of([without(order(n), *["id"][n % 2 :]) for n in range(ROWS)])),
    "another order of keys": with_line('{"open":true,"note":"x","price":1.5,"id":1}'),
    "an integral fraction": with_line('{"price":10,"id":1}'),
    "escaped quotes": with_line('{"note":"a \\"quoted\\" word"}'),
    "escaped quote and colon": with_line('{"note":"\\":1"}'),
    "a text like a key": with_line('{"note":"id: 1, price: 2"}'),
    "a text that says null": with_line('{"note":"null"}'),
    "a text with null in it": with_line('{"note":"a :null b, nullnull"}'),
    "brackets and braces in text": with_line('{"note":"[1] {2}"}'),
    "letters beyond ASCII": with_line('{"note":"épicé 𝄞"}'),
    "an escaped letter": with_line('{"note":"\\u00e9"}'),
    **{f"null in {name}": with_line(json.dumps(order(1, **{name: None}))) for name in order(1)},
    "null without a blank": with_line('{"id":null,"price":1.5}'),
    "null in the first line": with_line('{"id":null,"price":1.5}', at=0),
    "null in the last line": with_line('{"price":1.5,"id":null}', at=ROWS),
    "null in every column": with_line('{"id":null,"price":null,"note":null,"open":null}'),
    "null and an absent key": with_line('{"id":null}'),
    "null in lines one after another": "\n".join(lines_of([order(n, price=None) for n in range(ROWS)])),
    "null in two lines apart": with_line('{"note":null}', 10, [*PLAIN[:20], '{"note":null,"id":5}', *PLAIN]),
    "null in all values of a column": "\n".join(lines_of([order(n, open=None) for n in range(ROWS)])),
    "a text that says a key is null": with_line('{"note":"\\":null"}'),
    "a text with a known key that is null": with_line('{"note":"\\"id\\":null"}'),
}


@pytest.mark.parametrize("name", FAST)
def test_flat_lines_of_known_columns_are_read_by_polars(counted, name):
    assert reader_of(FAST[name], counted) == "polars"


def test_many_blocks_of_lines_with_nulls_are_read_by_polars_at_once(counted):
    """The rows of nulls are counted from the start of each block."""
    records = [order(number, id=None if number % 1_000 == 7 else number) for number in range(60_000)]
    data = "\n".join(lines_of(records))
    assert len(data) > 4 << 20
    assert reader_of(data, counted) == "polars"


@pytest.mark.parametrize("lengths", [(1, 2, 9), (1, 8, 16), (7, 8, 9), (3, 3, 3), (15, 17, 30)])
def test_nulls_are_told_apart_by_names_of_any_length(counted, lengths):
    """Keys are compared in words of eight bytes; these names differ in their last letter or in their length."""
    names = ["k" * length + "abc"[at] for at, length in enumerate(lengths)]

    def line(number: int, *nulls: int) -> str:
        record = {name: None if at in nulls else number for at, name in enumerate(names)}
        return json.dumps({**record, "note": NOTE + NOTE + NOTE})

    known = [line(number) for number in range(ROWS)]
    nulls = [line(1, 0), line(2, 1), line(3, 2), line(4, 0, 2), line(5, 1, 2), line(6, 0, 1, 2)]
    assert reader_of("\n".join([*known, *nulls, *known]), counted, known) == "polars"


def test_a_column_that_only_some_lines_have_is_there_if_one_says_null(counted):
    data = "\n".join([*lines_of([without(order(n), "open") for n in range(ROWS)]), '{"open":null,"id":1}'])
    assert reader_of(data, counted) == "polars"
    columns = profile_of(JsonLines().batches(data)).columns
    assert columns["open"].count == 0


# ------------------------------------------------------------------------------------------------- read another way

SLOW: dict[str, tuple[str | bytes, str]] = {
    "an unknown key": (with_line('{"id":1,"other":2}'), "pyarrow"),
    "an unknown key that is null": (with_line('{"id":1,"other":null}'), "pyarrow"),
    "an unknown key of the length of a known one": (with_line('{"id":1,"xd":null}'), "pyarrow"),
    "an unknown key that ends like a known one": (with_line('{"price":1.5,"xid":null}'), "pyarrow"),
    "an unknown key that begins like a known one": (with_line('{"price":1.5,"idx":null}'), "pyarrow"),
    "a key with an escaped quote before a known name": (with_line('{"price":1.5,"\\"id":null}'), "pyarrow"),
    "NaN": (with_line('{"price":NaN}'), "pyarrow"),
    "a repeated key": (with_line('{"id":1,"id":2}'), "1 by line"),
    "a repeated key, first null": (with_line('{"id":null,"id":2}'), "1 by line"),
    "a repeated key, then null": (with_line('{"id":1,"id":null}'), "1 by line"),
    "a key that is null twice": (with_line('{"id":null,"id":null}'), "1 by line"),
    "an unknown key and a known one that is null twice": (with_line('{"price":null,"price":null,"x":1}'), "1 by line"),
    "a number for text": (with_line('{"note":5}'), "1 by line"),
    "a text for a number": (with_line('{"id":"5"}'), "1 by line"),
    "a list of texts for text": (with_line('{"note":["x","y"]}'), "1 by line"),
    "an object for text": (with_line('{"note":{"x":"y"}}'), "1 by line"),
    "a lone surrogate": (with_line('{"note":"\\ud800"}'), "1 by line"),
    "a blank before a colon": (with_line('{"id" :1}'), "pyarrow"),
    "a line without keys": (with_line("{}"), "polars"),
    "a blank line between": (with_line(""), "pyarrow"),
    "two objects on a line": (with_line('{"id":1}{"id":2}'), "51 by line"),
    "a broken line": (with_line('{"id":1'), "1 by line"),
    "invalid UTF-8": (with_line('{"note":"?"}').encode().replace(b"?", b"\xff"), "1 by line"),
    "more nulls than lines of this length should have": (
        "\n".join(lines_of([{"id": None, "open": None}] * 10 * ROWS)),
        "pyarrow",
    ),
}


@pytest.mark.parametrize("name", SLOW)
def test_other_lines_are_read_another_way(counted, name):
    data, reader = SLOW[name]
    assert reader_of(data, counted) == reader


def test_lines_without_nesting_are_learned_again_after_others(counted):
    lines = JsonLines()
    nested = "\n".join(lines_of([order(n, deep={"x": n}) for n in range(ROWS)]))
    plain = "\n".join(PLAIN)
    for data, by_polars in ((plain, 0), (plain, 1), (nested, 0), (nested, 0), (plain, 0), (plain, 1), (plain, 1)):
        calls = counted["polars"]
        batches = list(lines.batches(data))
        assert_profile_equal(profile_of(batches), line_by_line(data.encode()))
        assert counted["polars"] - calls == by_polars, data[:200]


def test_a_column_of_timestamps_stays_when_it_is_null_everywhere():
    """Its dtype is declared from then on, and a declared column comes back from lines without its key too."""
    lines = JsonLines()
    for at in ("2026-01-01T00:00:00Z", None):
        data = "\n".join(lines_of([order(n, at=at, deep={"x": n}) for n in range(ROWS)]))
        assert_profile_equal(profile_of(lines.batches(data)), line_by_line(data.encode()))
    without_it = "\n".join(lines_of([order(n, deep={"x": n}) for n in range(ROWS)]))
    assert_profile_equal(profile_of(lines.batches(without_it)), line_by_line(without_it.encode()))


@pytest.mark.parametrize("number", ["9223372036854775808.0", "-9223372036854775808.0", "9223372036854774784.0"])
def test_fractions_at_the_ends_of_64_bits_are_integers_if_they_fit(counted, number):
    assert "by line" not in reader_of(with_line(f'{{"price":{number}}}'), counted)


def test_polars_is_tried_less_and_less_often_while_it_fails(counted, monkeypatch):
    """After each failure it is left out of twice as many blocks, 64 at most; a success ends that."""
    tried = 0
    read = pl.read_ndjson

    def noted(*args, **options):
        nonlocal tried
        tried += 1
        return read(*args, **options)

    monkeypatch.setattr(pl, "read_ndjson", noted)
    lines = JsonLines()
    many_nulls = "\n".join(lines_of([{"id": None, "open": None}] * 2 * ROWS))
    list(lines.batches(many_nulls))  # learns the columns
    attempts = [1, 3, 7, 15, 31, 63, 127, 192, 257, 322, 387]  # each batch asks twice
    for asked in range(2, 400, 2):
        list(lines.batches(many_nulls))
        assert tried == sum(attempt <= asked for attempt in attempts)
    plain = "\n".join(PLAIN)
    for _ in range(66):
        list(lines.batches(plain))
    before = tried
    for asked in range(1, 4):
        list(lines.batches(plain))
        assert tried == before + asked


def test_windows_of_lines_have_the_columns_that_their_own_lines_have(tmp_path, counted):
    """Lines read at once share their columns, of which a window gets those of its lines, nulls included."""
    days: list[dict[str, object]] = [
        {"note": NOTE},
        {"note": None},
        {"deep": {"a": 1, "b": None}},
        {"deep": None, "items": [1, 2]},
        {"items": [], "deep": {}},
        {"items": None, "price": 1.5},
        {"price": 2.0, "other": [{"a": None}]},
        {"price": None},
    ]
    records = [
        {"at": f"2026-01-{1 + number % len(days):02}T00:00:00Z", "id": number, "text": NOTE, **days[number % len(days)]}
        for number in range(8_000)
    ]
    lines = lines_of(records)
    assert len("\n".join(lines)) > 1 << 20
    with pp.Session(tmp_path) as session:
        options = {"with_rotation_time": "d", "timestamp": "at", "max_open_windows": 100}
        with session.logger("orders", **options) as logger:
            logger.log_json("\n".join(lines))
        assert counted["pyarrow"] > 0
        windows = session.store.windows("orders")
        assert len(windows) == len(days)
        for day, window in enumerate(windows):
            found = session.store.read("orders", window.start, window.end)
            assert_profile_equal(found, line_by_line("\n".join(lines[day :: len(days)]).encode()))


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "with a byte order mark"])
def test_files_are_read_from_their_first_line_to_their_last(tmp_path, counted, mark):
    data = "\n".join(PLAIN)
    (tmp_path / "orders.ndjson").write_text(mark + data, "utf-8")
    assert_profile_equal(pp.profile(tmp_path / "orders.ndjson"), line_by_line(data.encode()))
    assert counted["pyarrow"] == 1
