"""NDJSON in columns has the profile of NDJSON line by line.

This holds for any text, in any blocks, in any windows.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

import polarsprof as pp
from polarsprof.engines.one_shot import profile_of
from polarsprof.ingest.json_lines import JsonLines, columnar, flat, nulls, reader, spans
from polarsprof.ingest.json_lines.batch import LineBatch
from polarsprof.ingest.json_lines.columnar import ColumnarReader, RefusedError
from polarsprof.ingest.records import RecordBatch, RejectedRow, decode_json
from polarsprof.testing import SettableClock, assert_profile_equal

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

pytestmark = pytest.mark.filterwarnings("ignore::polarsprof.errors.DataWarning")


@pytest.fixture(autouse=True)
def short_lines_in_columns(monkeypatch):
    """Read even a few bytes in columns, if possible."""
    monkeypatch.setattr(reader, "MIN_COLUMNAR_BYTES", 0)
    monkeypatch.setattr("polarsprof.stream.logger.BULK_BYTES", 0)


def line_by_line(data: bytes | str) -> pp.Profile:
    values, rejected = decode_json(data)
    return profile_of([RecordBatch([*values, *map(RejectedRow, rejected.elements())])])


def check(data: bytes | str) -> int:
    """Compare with the profile of the single lines; returns the columnar rows.

    The result is the number of rows that were read in columns.
    """
    batches = list(JsonLines().batches(data))
    assert_profile_equal(profile_of(batches), line_by_line(data))
    return sum(batch.rows for batch in batches if isinstance(batch, LineBatch))


# ------------------------------------------------------------------------------------------------------------ the traps

_DEEP = {levels: '{"a":' * levels + "1" + "}" * levels for levels in (30, 31, 32, 33, 195, 500, 100_000)}

# Two lines each, which are read in columns without the trap; whether they still are.
TRAPS: dict[str, tuple[str | bytes, bool]] = {
    "plain": ('{"a":1,"b":"x","c":true,"d":null,"e":2.5}\n{"a":2,"b":"","c":false,"d":null,"e":-1.5}', True),
    "nested": ('{"a":{"b":1,"c":[{"d":"x"},{}]},"e":[]}\n{"a":{},"e":[[1,2],[]]}', True),
    "absent and null": ('{"a":1}\n{"b":null}', True),
    "object without fields": ('{"a":{}}\n{"a":null}', True),
    "objects without fields": ("{}\n{}", False),
    "one object without fields": ('{}\n{"a":1}', True),
    "lists without elements": ('{"a":[]}\n{"a":[]}', True),
    # text that looks like timestamps
    "dates": ('{"a":"2020-01-01"}\n{"a":"2020-01-02"}', True),
    "timestamps": ('{"a":"2020-01-01T00:00:00Z"}\n{"a":"2020-01-01 00:00:00.123456789"}', True),
    "nested timestamps": ('{"a":{"t":"2020-01-01","n":1}}\n{"a":{"n":2}}', True),
    "timestamps in lists": ('{"a":[{"t":["2020-01-01"]}]}\n{"a":[]}', True),
    "timestamp and text": ('{"a":"2020-01-01"}\n{"a":"soon"}', True),
    # numbers
    "integer among fractions": ('{"a":1}\n{"a":2.5}', True),
    "long integer among fractions": ('{"a":9007199254740993}\n{"a":2.5}', False),
    "long integers in another column": ('{"a":1e300,"b":9007199254740993}\n{"a":2.5,"b":-9223372036854775808}', True),
    "long integers in a text": ('{"a":1e300,"b":":9007199254740993 "}\n{"a":2.5}', False),
    "beyond int64": ('{"a":9223372036854775808}\n{"a":1}', False),
    "end of int64": ('{"a":9223372036854775807}\n{"a":-9223372036854775808}', True),
    "large fractions": ('{"a":1e300}\n{"a":9.3e18}', True),
    "integral with exponent": ('{"a":1e18}\n{"a":10.0}', True),
    "nothing but integral fractions": ('{"a":[1.0,2e2]}\n{"a":[-0.0]}', True),
    "too large": ('{"a":1e400}\n{"a":1}', False),
    "too small": ('{"a":1e-400}\n{"a":5e-324}', True),
    "400 digits": ('{"a":' + "9" * 400 + '}\n{"a":1}', False),
    "5,000 digits": ('{"a":' + "9" * 5_000 + '}\n{"a":1}', False),
    "NaN and infinities": ('{"a":NaN,"b":1}\n{"a":-Infinity,"b":Infinity}', True),
    "tokens of others": ('{"a":-NaN}\n{"a":1.5}', False),
    "more tokens of others": ('{"a":Inf}\n{"a": -Inf}', False),
    "leading zero": ('{"a":01}\n{"a":1}', False),
    # kinds
    "number and text": ('{"a":1}\n{"a":"2"}', False),
    "boolean and number": ('{"a":true}\n{"a":1}', False),
    "object and number": ('{"a":{}}\n{"a":1}', False),
    "mixed list": ('{"a":[1,"x"]}\n{"a":[]}', False),
    # nulls in lists, which pyarrow shifts
    "null in a list": ('{"a":null}\n{"a":[null,1]}', False),
    "null at the end of a list": ('{"a":[1, null]}\n{"a":[2]}', False),
    "null in a list in a list": ('{"a":[[1],\tnull]}\n{"a":[]}', False),
    "null in an object in a list": ('{"a":[{"b":null},{"b":1}]}\n{"a":[{"c":1}]}', True),
    # lines
    "two values on a line": ('{"a":1}{"a":2}\n{"a":3}', False),
    "a value on two lines": ('{"a":\n1}', False),
    "as many values as lines": ('{"a":1}{"a":2}\n{"a":[{}\n,{}]}', False),
    "as many values as lines that look like objects": ('{"a":1} {"a":2}\n{"a":{}\n}', False),
    "a value over a blank line": ('{"a":1\n\n}', False),
    "blank lines": ('{"a":1}\n\n \t\n{"a":2}\n', True),
    "CRLF": ('{"a":1}\r\n{"a":2}\r\n', True),
    "carriage return inside": ('{"a":\r1}\n{"a":2}', True),
    "spaces around": (' {"a":1} \n\t{ "a" : 2 }', True),
    "vertical tab around": ('\x0b{"a":1}\n{"a":2}\x0b', False),
    "line separator": ('{"a":"\u2028"}\n{"a":"\u2029"}', True),
    "line separator outside": ('{"a":1}\u2028{"a":2}\n{"a":2}', False),
    "cut off": ('{"a":1}\n{"a":', False),
    "comma at the end": ('{"a":1},\n{"a":1,}', False),
    "no objects": ('5\n[1]\nnull\n"x"', False),
    "null in front": ('null\n{"a":1}', True),
    "null at the end": ('{"a":1}\nnull', True),
    "null between": ('{"a":1} null {"a":2}', False),
    "plain text": ('{"a":1}\nsomething else {}\n{"a":2}', True),
    # bytes
    "mark": ('\ufeff{"a":1}\n{"a":2}', True),
    "two marks": ('\ufeff\ufeff{"a":1}\n{"a":2}', False),
    "mark in the middle": ('{"a":1}\n\ufeff{"a":2}', False),
    "mark at the end": ('{"a":1}\n{"a":2}\ufeff', False),
    "NUL": ('{"a":"\\u0000x"}\n{"a":1}\0', False),
    "NUL in text": ('{"a":"\\u0000x"}\n{"a":"y"}', True),
    "NUL in a key": ('{"a\\u0000b":1}\n{"a":1}', False),
    "invalid UTF-8": (b'{"a":"\xff"}\n{"a":1}', False),
    "surrogate bytes": (b'{"a":"\xed\xa0\x80"}\n{"a":1}', False),
    "lone surrogate": ('{"a":"\\ud800"}\n{"a":"x"}', False),
    "lone surrogate in a key": ('{"\\udc00":1}\n{"a":1}', False),
    "surrogate pair": ('{"a":"\\ud83d\\ude00"}\n{"\\ud83d\\ude00":1}', True),
    "raw control character": ('{"a":"x\ty"}\n{"a":"x"}', False),
    # keys
    "repeated key": ('{"a":1,"a":2}\n{"a":3}', False),
    "repeated key within": ('{"a":{"b":null,"b":2}}\n{"a":{"\\u0062":1,"b":2}}', False),
    "empty key": ('{"":1}\n{"":2}', False),
    "empty key within": ('{"a":{"":{"b":1}}}\n{"a":{"":{"":3}}}', True),
    "dots": ('{"a.b":1,"c.d":2}\n{"a.b":{"e.f":2}}'.replace('{"e.f":2}', "3"), True),
    "ambiguous path": ('{"a.b":1}\n{"a":{"b":2}}', False),
    "two owners of a path": ('{"a.b":{"c":1}}\n{"a":{"b.c":2}}', False),
    "key like an element": ('{"a[]":1}\n{"a":[2]}', False),
    # depth
    "30 levels": (_DEEP[30] + "\n{}", True),
    "31 levels": (_DEEP[31] + "\n{}", True),
    "32 levels": (_DEEP[32] + "\n{}", False),
    "33 levels": (_DEEP[33] + "\n{}", False),
    "195 levels": (_DEEP[195] + "\n{}", False),
    "500 levels": (_DEEP[500] + "\n{}", False),
    "100,000 levels": (_DEEP[100_000] + "\n{}", False),
    "100,000 lists": ("{}\n" + '{"a":' + "[" * 100_000 + "]" * 100_000 + "}", False),
    "500 brackets in text": ('{"a":"' + "[" * 500 + '"}\n{"a":"\\"' + "{" * 500 + '"}', True),
    "500 objects side by side": ('{"a":[' + ",".join(['{"b":1}'] * 500) + ']}\n{"a":[]}', True),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_each_trap_of_the_columnar_reader_is_detected(trap: str) -> None:
    data, in_columns = TRAPS[trap]
    columnar_rows = check(data)
    if isinstance(data, str):
        assert check(data.encode()) == columnar_rows
    whole = (data if isinstance(data, bytes) else data.encode()).removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n")
    try:
        rows = ColumnarReader().frame(whole).height
    except RefusedError:
        rows = 0
    assert bool(rows) == (in_columns and trap not in ("plain text", "null in front", "null at the end"))
    assert bool(columnar_rows) or not in_columns


def test_text_with_lone_surrogates_is_read_line_by_line() -> None:
    assert check('{"a":"\ud800"}\n{"a":"x"}') == 0
    assert line_by_line('{"a":"\ud800"}').degraded == {"lone surrogate replaced": 1}


def test_a_line_of_too_many_values_is_not_read_in_columns(monkeypatch):
    lines = '{"a":[' + ",".join("1" * 1_000) + ']}\n{"a":[]}'
    assert check(lines) == 2
    monkeypatch.setattr(columnar, "_MAX_LINE_BYTES", 1_000)
    assert check(lines) == 0
    monkeypatch.undo()
    monkeypatch.setattr(columnar, "_MAX_CONTAINERS", 300)
    assert check('{"a":[' + ",".join(["[]"] * 1_000) + ']}\n{"a":[]}') == 0


@pytest.mark.slow
def test_columns_beyond_the_bound_are_counted_equally() -> None:
    check("\n".join(json.dumps({f"k{n}": 1 for n in range(start, start + 6_000)}) for start in (0, 6_000)))


def test_no_value_is_converted_between_blocks(monkeypatch):
    monkeypatch.setattr(reader, "BLOCK_BYTES", 40)
    for one, other in (("1", '"2"'), ('"2"', "1"), ("true", "1"), ("[1]", '["2"]'), ('{"b":1}', '{"b":"2"}')):
        data = "\n".join([f'{{"a":{one}}}'] * 4 + [f'{{"a":{other}}}'] * 4)
        assert check(data) >= 4


# ------------------------------------------------------------------------------------------------------------- the cost


def readings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that receives the length of each input of pyarrow from now on."""
    lengths: list[int] = []
    table = columnar._table

    def count_and_read(lines: bytes, texts: Any) -> Any:
        lengths.append(len(lines))
        return table(lines, texts)

    monkeypatch.setattr(columnar, "_table", count_and_read)
    return lengths


def lines_of(rows: int, **more: Any) -> list[str]:
    return [json.dumps({"i": i, "f": i / 8, "s": f"v{i % 9}", **more}) for i in range(rows)]


def slow_lines(data: str) -> int:
    return sum(batch.rows for batch in JsonLines().batches(data) if isinstance(batch, RecordBatch))


def test_text_like_timestamps_costs_one_more_reading(monkeypatch):
    lines = JsonLines()
    data = "\n".join(lines_of(100, at="2026-01-01T00:00:00Z", deep={"at": ["2026-01-01"]}))
    lengths = readings(monkeypatch)
    for _ in range(3):
        assert sum(batch.rows for batch in lines.batches(data)) == 100
    assert len(lengths) == 4
    without = "\n".join(lines_of(100))
    assert_profile_equal(profile_of(lines.batches(without)), line_by_line(without))
    assert len(lengths) == 5


@pytest.mark.parametrize(
    "bad", ['{"i": "text"}', '{"i": 1', '{"l": [null, 1]}', '{"s": "\\ud800"}', '{"f": 1' + "0" * 30 + "}"]
)
def test_a_bad_line_slows_down_only_itself(monkeypatch, bad):
    good = lines_of(4_000)
    data = "\n".join([*good[:2_500], bad, *good[2_500:]])
    lengths = readings(monkeypatch)
    assert slow_lines(data) <= 2
    assert sum(lengths) <= 16 * len(data)
    check(data)


def test_lines_that_are_no_objects_are_removed_at_once(monkeypatch):
    data = "\n".join(line for good in lines_of(2_000) for line in (good, "2026-01-01 INFO something"))
    lengths = readings(monkeypatch)
    assert slow_lines(data) == 2_000
    assert len(lengths) == 2
    check(data)


def test_a_stream_of_mixed_kinds_is_rarely_tried(monkeypatch):
    data = "\n".join(line for good in lines_of(2_000) for line in (good, '{"i": "text"}'))
    monkeypatch.setattr(reader, "BLOCK_BYTES", len(data) // 50)
    lengths = readings(monkeypatch)
    check(data)
    assert sum(lengths) <= 4 * len(data)


def test_an_error_of_the_flat_reader_falls_back(monkeypatch):
    lines = JsonLines()
    data = "\n".join(lines_of(100))
    list(lines.batches(data))

    def broken(*_):
        raise IndexError

    monkeypatch.setattr(flat, "_frame", broken)
    assert_profile_equal(profile_of(lines.batches(data)), line_by_line(data))


def test_an_exiting_interpreter_reads_in_the_calling_thread(monkeypatch):
    monkeypatch.setattr(reader, "_threads", _closed_pool)
    assert check("\n".join(lines_of(10))) == 10


def _closed_pool() -> ThreadPoolExecutor:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    return pool


# ------------------------------------------------------------------------------------------------- files and the logger


def test_files_have_the_profile_of_their_lines(tmp_path, monkeypatch):
    data = "\ufeff" + "\n".join(
        [*lines_of(500), '{"i": "text"}', "[1]", "{", '{"i": 10.0}', *lines_of(500, t="2026-01-01")]
    )
    for suffix in ("ndjson", "JSONL"):
        (tmp_path / f"part.{suffix}").write_text(data, "utf-8")
    pl.DataFrame({"i": [1, 2]}).write_parquet(tmp_path / "part.parquet")
    expected = line_by_line(data)
    assert expected.rejected == {"not a mapping": 1, "invalid JSON": 1}
    monkeypatch.setattr(reader, "BLOCK_BYTES", 1_000)
    assert_profile_equal(pp.profile(tmp_path / "part.ndjson"), expected)
    assert pp.profile(tmp_path).rows == 2 * expected.rows + 2
    assert pp.profile([tmp_path / "part.JSONL", pl.DataFrame({"i": [1]})]).rows == expected.rows + 1
    with pp.Session(tmp_path / "store") as session:
        with session.logger("file") as logger:
            logger.log_frame(str(tmp_path / "part.ndjson"))
            assert logger.counters["rows_logged"] == expected.rows + 2
        assert_profile_equal(session.store.read("file"), expected)


def test_a_closed_logger_refuses_lines(tmp_path):
    with pp.Session(tmp_path) as session:
        logger = session.logger("d")
        logger.log_json(b'{"a": 1}\n{"a": 2}')
        logger.close()
        assert session.store.read("d").rows == 2
        with pytest.raises(pp.errors.ClosedError):
            logger.log_json(b'{"a": 1}\n{"a": 2}')


# ------------------------------------------------------------------------------------------------------------- any text

_KEYS = ("a", "b", "c", "a.b", "a.b.c", "", ".", "a.", "é", 'x"y', "nul\0", "a[]", "null", "\\", "\ud800")
_NUMBERS = (
    *("0", "-0", "1", "-5", "2.5", "10.0", "1e2", "-0.0", "0.1", "1.7e9", "5e-324", "1e-400", "1e300", "1e18", "1e19"),
    *("9007199254740992", "9007199254740993", "9007199254740993.0", "9223372036854775807", "9223372036854775808"),
    *("-9223372036854775808", "-9223372036854775809", "123456789012345678901234567890", "1234567890123456", "9" * 400),
    *("NaN", "Infinity", "-Infinity", "Inf", "-NaN", "1e400", "01", "1.", "+1", "9" * 5_000),
)
_TEXTS = (
    *('"x"', '""', '"2020-01-01"', '"2020-01-01T00:00:00Z"', '"2021-05-06 07:08:09.123456789"', '"é"', '"\\u00e9"'),
    *('"1"', '"null"', '"[null,1]"', '", 1234567890123456789 "', '"}\\n{"', '"\u2028"', '"\\ud83d\\ude00"', '"\\/"'),
    *('"\\ud800"', '"\\u0000"'),
)
_STRANGE = (
    *(b"5", b"[1]", b"null", b"", b"  ", b"{", b"}", b'{"a":1', b'{"a":1}{"a":2}', b'{"a":1} {"b":2}', b'{"a":1,}'),
    *(b'{"a":"\xff"}', b'\xef\xbb\xbf{"a":1}', b'{"a":[{}', b'{"b":1}]}', b"\0", b'\x0b{"a":1}', b"plain {x}", b"\r"),
    *(b'{"a":"x\ty"}', b'{"a":[null,1]}', b'{"a":1,"a":2}', b'{"a":\r1}', b'{"a":1}\xe2\x80\xa8', _DEEP[33].encode()),
)


def _few(values: tuple[str, ...]) -> SearchStrategy[SearchStrategy[str]]:
    """Mostly a few of the first values, sometimes any.

    Most columns have no strange values.
    """
    few = st.lists(st.sampled_from(values[:8]), min_size=1, max_size=3)
    return (few | few | few | st.just(list(values))).map(st.sampled_from)


def _value(depth: int) -> SearchStrategy[SearchStrategy[str]]:
    """Texts of the values of one column; most columns have one kind of value."""
    scalars = _few(_NUMBERS) | _few(_TEXTS) | st.just(st.sampled_from(["true", "false"]))
    if depth == 3:
        return scalars
    elements = st.tuples(_value(depth + 1), st.booleans()).map(lambda drawn: _list(*drawn))
    return scalars | scalars | elements | _object(depth + 1) | st.just(st.sampled_from(["null", "{}"]))


def _list(element: SearchStrategy[str], nulls: bool) -> SearchStrategy[str]:
    elements = element | st.just("null") if nulls else element
    return st.lists(elements, max_size=3).map(lambda texts: f"[{', '.join(texts)}]")


@st.composite
def _object(draw: DrawFn, depth: int) -> SearchStrategy[str]:
    """Texts of objects with the same columns, some of which can be null or absent."""
    keys = draw(st.lists(st.sampled_from(_KEYS[:3]) | st.sampled_from(_KEYS), unique=True, min_size=1, max_size=4))
    sparse = draw(st.booleans())
    fields = []
    for key in keys:
        name = json.dumps(key, ensure_ascii=draw(st.booleans()) or key == "\ud800")
        field = draw(_value(depth)).map(lambda value, name=name: f"{name}: {value}")
        fields.append(field | st.sampled_from([f"{name}:null", ""]) if sparse else field)
    return st.tuples(*fields).map(lambda texts: "{" + ",".join(filter(None, texts)) + "}")


@st.composite
def documents(draw: DrawFn) -> bytes:
    """Lines of similar objects; many documents have strange lines in between."""
    line: SearchStrategy[bytes] = draw(_object(0)).map(str.encode)
    if draw(st.booleans()):
        line = line | line | line | draw(_object(0)).map(str.encode) | st.sampled_from(_STRANGE)
    end = draw(st.sampled_from([b"\n", b"\n", b"\r\n", b" \n"]))
    mark = draw(st.sampled_from([b"", b"", b"", b"\xef\xbb\xbf"]))
    return mark + end.join(draw(st.lists(line, min_size=1, max_size=12))) + draw(st.sampled_from([b"", end]))


_HEALTH = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], deadline=None)


@pytest.mark.slow
@_HEALTH
@given(data=documents(), block_bytes=st.sampled_from([100, 1_000, 1 << 20]))
def test_any_text_has_the_profile_of_its_lines(data: bytes, block_bytes: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "BLOCK_BYTES", block_bytes)
        event("in columns" if check(data) else "line by line")


_PIECES = (
    *(b'"a"', b'"b":', b'"a":null', b"null", b"1", b'"', b'\\"', b"\\", b"[", b"]", b"{", b"}", b"{}", b"[]"),
    *(b'["x","y"]', b",", b":", b" :", b" ", b"\n", b"\r", b"true", b"2.5", b'"x"', b"", b'":', b'\\":'),
    *(b"\\u0061", b"\\ud800", b"\xff"),
)
_FLAT = {
    "i": ["1", "-5", "0", "9223372036854775807", "-0"],
    "f": ["2.5", "1e2", "-0.0", "10.0", "7", "9007199254740993"],
    "s": ['"x"', '""', '"a: b"', '"\\": "', '"[1]"', '"{}"', '"null"', '"2020-01-01"', '"\\u00e9\\n"', '"\\\\"'],
    "b": ["true", "false"],
}


@st.composite
def flat_streams(draw: DrawFn) -> tuple[bytes, bytes]:
    """Lines without nesting, and lines of the same columns with a few possible errors."""
    names = st.sampled_from(
        ["", "a", "b", "ab", "a.b", "null", "a long name of a column", "a long name of another", "é"]
    )
    keys = draw(st.lists(names, unique=True, min_size=1))
    kinds = {key: draw(st.sampled_from(list(_FLAT))) for key in keys}
    apart = draw(st.sampled_from([(",", ":"), (", ", ": "), (" , ", " :")] if draw(st.booleans()) else [(",", ":")]))

    def value(key: str, *others: str) -> str:
        return draw(st.sampled_from([*_FLAT[kinds[key]][: draw(st.sampled_from([2, 10]))], *others]))

    def line(missing: float, other: list[str], *others: str) -> str:
        fields = [(key, value(key, *others)) for key in keys]
        fields = [field for field in fields if not missing or draw(st.integers(0, 3))]
        fields += [(draw(st.sampled_from([*keys, "z"])), value) for value in other]
        return "{" + apart[0].join(f'"{key}"{apart[1]}{value}' for key, value in fields) + "}"

    known = "\n".join(line(0, []) for _ in range(3))
    missing = draw(st.booleans())
    others = st.lists(st.sampled_from(["null", "1", '"x"', "true"]), max_size=1 if draw(st.booleans()) else 0)
    nulls = draw(st.sampled_from([[], ["null"], ["null", "null", "null"]]))
    data = "\n".join(line(missing, draw(others), *nulls) for _ in range(draw(st.integers(1, 5)))).encode()
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        start = draw(st.integers(0, len(data)))
        data = data[:start] + draw(st.sampled_from(_PIECES)) + data[start + draw(st.integers(0, 4)) :]
    return known.encode(), data


def known_then(known: bytes, data: bytes, block_bytes: int = spans.BLOCK_BYTES) -> Any:
    """An example; the known line comes twice, because a single line is read by itself and teaches nothing."""
    streams = known + b"\n" + known, data
    return example(streams=streams, block_bytes=block_bytes, piece_bytes=1 << 30, part_bytes=7, end=b"")


@pytest.mark.slow
@settings(_HEALTH, max_examples=1_000)
@known_then(b'{"a":1}\n{"a":2}', b'{"a":1,"a":null}\n{}')
@known_then(b'{"a":1,"b":2}\n{"a":2,"b":2}', b'{"a":1}\n{"b":2,"a":null,"b":null}')
@known_then(b'{"s":"x","t":"y"}', b'{"s":["x","y","z"],"t":1}\n{"s":2,"t":"x"}')
@known_then(b'{"a":1,"b":2}', b'{"a" : 1,"b":2,"z":3}')
@known_then(b'{"a":1,"b":2}', b'{"b":1,"\\"a":null}')
@known_then(b'{"s":"x"}', b'"a"\n{"s":"x"}\n"b"\n{"s":5}', block_bytes=9)
@given(
    streams=flat_streams(),
    block_bytes=st.sampled_from([spans.BLOCK_BYTES, 30, 60, 120]),
    piece_bytes=st.sampled_from([1 << 30, 200]),
    part_bytes=st.sampled_from([1 << 18, 1, 7]),
    end=st.sampled_from([b"", b"\n", b"\r\n", b"\n\n \n"]),
)
def test_any_text_after_flat_lines_has_the_profile_of_its_lines(
    streams: tuple[bytes, bytes], block_bytes: int, piece_bytes: int, part_bytes: int, end: bytes
) -> None:
    known, data = streams[0], streams[1] + end
    errors: list[BaseException] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flat.FlatReader, "frame", noting(flat.FlatReader.frame, errors))
        patch.setattr(nulls, "_MIN_BYTES_PER_NULL", 0)
        for module in (flat, spans):
            patch.setattr(module, "BLOCK_BYTES", block_bytes)
        patch.setattr(reader, "PIECE_BYTES", piece_bytes)
        patch.setattr(spans, "_PART_BYTES", part_bytes)
        lines = JsonLines()
        list(lines.batches(known))
        given_to_pyarrow = readings(patch)
        assert_profile_equal(profile_of(lines.batches(data)), line_by_line(data))
    assert errors == []
    event("by pyarrow" if given_to_pyarrow else "by Polars")


def noting(call: Any, errors: list[BaseException]) -> Any:
    """A call whose errors are noted, although its caller survives them."""

    def noted(*args: Any) -> Any:
        try:
            return call(*args)
        except BaseException as error:
            errors.append(error)
            raise

    return noted


@pytest.mark.slow
@_HEALTH
@given(data=documents(), path=st.sampled_from(["a", "b", "a.b", "a.b.c"]))
def test_any_text_has_the_windows_of_its_lines(tmp_path_factory, data: bytes, path: str) -> None:
    profiles: list[dict[Any, pp.Profile]] = []
    for many_bytes in (0, 1 << 30):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("polarsprof.stream.logger.BULK_BYTES", many_bytes)
            folder = tmp_path_factory.mktemp("store")
            clock = SettableClock()
            with pp.Session(folder, clock=clock) as session:
                with session.logger("d", with_rotation_time="d", timestamp=path, max_open_windows=1_000) as logger:
                    logger.log_json(data)
                profiles.append(
                    {
                        window.start: session.store.read("d", window.start, window.end)
                        for window in (session.store.windows("d") if session.store.datasets() else [])
                    }
                )
    one, other = profiles
    assert one.keys() == other.keys()
    for start, profile in one.items():
        assert_profile_equal(profile, other[start])
        assert profile.untimed_rows == other[start].untimed_rows
