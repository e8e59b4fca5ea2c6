"""Tables and files: repeated paths, names with brackets, CSV without loss."""

from __future__ import annotations

import itertools
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import adbc_driver_sqlite.dbapi
import arro3.core
import duckdb
import nanoarrow
import narwhals as nw
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as pads
import pytest

import polarsprof as pp
from polarsprof.errors import ArgumentError, DataWarning
from polarsprof.ingest import csv, frames
from polarsprof.testing import assert_profile_equal

TWICE = [
    [{"a.b": {"c": 1}, "a": {"b": {"c": 2}}}],
    [{"a.b": {"c": 1}, "a": {"b": {"d": 2}}}],
    [{"a": {"b": {"c": 2}}, "a.b.c": 1}],
    [{"a": {"b": {"c": 2}}, "a.b": {"c": 5}, "a.b.c": 1}],
    [{"a": {"b.c": 2, "b": {"c": 3}}}],
    [{"a": [1, 2], "a[]": 5}],
    [{"a[]": 5, "a": [1, 2]}],
    [{"a": [{"b": 1, "c.d": 2, "c": {"d": 3}}]}],
    [{"a": {"b": [1]}, "a.b": [2, 3]}],
    [{"a": {"b": [1]}, "a.b[]": 7}],
    [{"a.b": 5, "a": {"b": {"c": 1}}}],
    [{"a": {"b": 1}, "a.b": "x"}],
    [{"a.b": 1, "a": {"b": 4}}, {"a.b": 2, "a": None}],
]


@pytest.mark.parametrize("records", TWICE, ids=str)
def test_a_repeated_path_counts_in_frames_as_in_records(records):
    frame = pl.DataFrame(records)
    assert frame.to_dicts() == records
    of_frame, of_records, nothing = pp.profile(frame), pp.profile(records), pp.profile([{"": None}])[""]
    assert of_frame.degraded == of_records.degraded
    for path, column in of_frame.columns.items():  # a frame also has columns with only nulls
        same = of_records[path] if column.count else nothing
        assert (column.types, column.sum) == (same.types, same.sum)
    assert {path for path, column in of_frame.columns.items() if column.count} == set(of_records.columns)


def test_a_null_of_a_frame_yields_at_a_repeated_path():
    """In a frame a null can stand for an absent key."""
    records = [{"a.b": 1}, {"a": {"b": 2}}]
    frame = pl.DataFrame(records, schema={"a.b": pl.Int64, "a": pl.Struct({"b": pl.Int64})})
    for data in (records, frame):
        profile = pp.profile(data)
        assert (profile["a.b"].count, profile["a.b"].sum, profile.degraded) == (2, 3, {})


@pytest.mark.parametrize("suffix", ["csv", "parquet", "arrow"])
def test_brackets_in_a_file_name_are_no_pattern(tmp_path, suffix):
    write = {"csv": pl.DataFrame.write_csv, "parquet": pl.DataFrame.write_parquet, "arrow": pl.DataFrame.write_ipc}
    write[suffix](pl.DataFrame({"x": [1]}), tmp_path / f"w1.{suffix}")
    write[suffix](pl.DataFrame({"x": [10]}), tmp_path / f"w[1].{suffix}")
    write[suffix](pl.DataFrame({"x": [100]}), tmp_path / f"w?.{suffix}")
    assert pp.profile(tmp_path / f"w[1].{suffix}")["x"].sum == 10
    assert pp.profile(tmp_path / f"w?.{suffix}")["x"].sum == 100
    assert pp.profile(tmp_path)["x"].sum == 111


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
@pytest.mark.parametrize("rows", [0, 1, 99, 100, 101, 200, 250])
def test_a_file_is_read_completely_in_spans(tmp_path, monkeypatch, suffix, rows):
    frame = pl.DataFrame({"x": range(rows), "y": [str(number) for number in range(rows)]})
    path = tmp_path / f"rows.{suffix}"
    if suffix == "parquet":
        frame.write_parquet(path, row_group_size=64)
    else:
        frame.write_ipc(path, record_batch_size=64)
    monkeypatch.setattr("polarsprof.ingest.parquet._SPAN_ROWS", 100)
    parts = list(frames.frames(path))
    assert pl.concat([frame.clear(), *parts]).equals(frame)
    assert max([part.height for part in parts], default=0) <= 100


ROWS = pl.DataFrame({"x": [1, 2, None, 4] * 300, "y": [1.5, None, -0.5, 3.0] * 300, "s": ["a", "é", None, ""] * 300})


def tables(tmp_path: Path, cursor: Any) -> dict[str, Callable[[], Any]]:
    """Name → factory of the rows as a table of that kind.

    Tables with batches have a few hundred rows in each.
    """
    table = pa.Table.from_batches(ROWS.to_arrow().combine_chunks().to_batches(max_chunksize=500))
    ROWS.write_ipc(tmp_path / "file.arrow", record_batch_size=500)
    for name in ("stream.arrows", "stream.arrow"):
        with pa.ipc.new_stream(tmp_path / name, table.schema) as writer:
            writer.write_table(table)
    duck = duckdb.connect()
    duck.register("t", table)
    cursor.adbc_ingest("t", table)

    def executed():
        cursor.execute("SELECT * FROM t")
        return cursor

    pandas = table.to_pandas(types_mapper=pd.ArrowDtype)
    return {
        "pyarrow table": lambda: table,
        "pyarrow batch": lambda: table.combine_chunks().to_batches()[0],
        "pyarrow reader": table.to_reader,
        "pyarrow batches": table.to_batches,
        "pyarrow file": lambda: pa.ipc.open_file(tmp_path / "file.arrow"),
        "pyarrow stream": lambda: pa.ipc.open_stream(tmp_path / "stream.arrows"),
        "pyarrow data set": lambda: pads.dataset(tmp_path / "file.arrow", format="ipc"),
        "pyarrow scanner": lambda: pads.dataset(table).scanner(),
        "pandas": lambda: pandas,
        "DuckDB relation": lambda: duck.sql("SELECT * FROM t"),
        "DuckDB reader": lambda: duck.sql("SELECT * FROM t").to_arrow_reader(500),
        "narwhals of Polars": lambda: nw.from_native(ROWS),
        "narwhals of a lazy frame": lambda: nw.from_native(ROWS.lazy()),
        "narwhals of pyarrow": lambda: nw.from_native(table),
        "narwhals of pandas": lambda: nw.from_native(pandas),
        "narwhals of DuckDB": lambda: nw.from_native(duck.sql("SELECT * FROM t")),
        "ADBC cursor": executed,
        "ADBC reader": lambda: executed().fetch_record_batch(),
        "nanoarrow stream": lambda: nanoarrow.ArrayStream(table),
        "nanoarrow array": lambda: nanoarrow.Array(table.combine_chunks().to_batches()[0]),
        "arro3 table": lambda: arro3.core.Table.from_arrow(table),
        "arro3 reader": lambda: arro3.core.RecordBatchReader.from_arrow(table),
        "IPC file": lambda: tmp_path / "file.arrow",
        "IPC stream": lambda: tmp_path / "stream.arrows",
        "IPC stream with the suffix of a file": lambda: tmp_path / "stream.arrow",
    }


def test_every_kind_of_table_has_the_profile_of_the_frame(tmp_path):
    expected = pp.profile(ROWS)
    with adbc_driver_sqlite.dbapi.connect() as connection, connection.cursor() as cursor:
        for kind, make in tables(tmp_path, cursor).items():
            try:
                assert_profile_equal(pp.profile(make()), expected)
            except Exception as error:
                error.add_note(kind)
                raise
            with pp.Session(tmp_path / "store") as session, session.logger(kind) as logger:
                logger.log_frame(make())
            assert_profile_equal(session.store.read(kind), expected)


def test_batches_are_read_one_after_the_other():
    schema = pa.schema([("x", pa.int64())])
    produced = []

    def endless():
        for number in itertools.count():
            produced.append(number)
            yield pa.record_batch({"x": [number] * 1_000}, schema)

    batches = frames.frames(pa.RecordBatchReader.from_batches(schema, endless()))
    for number in range(5):
        assert next(batches)["x"][0] == number
        assert len(produced) <= number + 2


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-300], lambda data: data[:100], lambda data: b"", lambda data: data[::-1]]
)
def test_a_damaged_stream_file_is_refused_by_name(tmp_path, damage):
    ROWS.write_ipc_stream(tmp_path / "good.arrows")
    (tmp_path / "bad.arrows").write_bytes(damage((tmp_path / "good.arrows").read_bytes()))
    with pytest.raises(ArgumentError, match=r"bad.*expected an Arrow IPC stream"):
        pp.profile(tmp_path / "bad.arrows")


def csv_profile(tmp_path, text: str | bytes) -> pp.Profile:
    path = tmp_path / "data.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return pp.profile(path)


@pytest.mark.parametrize(
    ("cells", "types", "total"),
    [
        (["1", "2"], {"integral": 2}, 3),
        (["1", "", "-2"], {"integral": 2}, -1),
        (["1", "99999999999999999999"], {"integral": 2}, 100000000000000000000),
        (["1", "2.5"], {"fractional": 2}, 3.5),
        (["1", "1e3"], {"fractional": 2}, 1001),
        (["true", "FALSE"], {"boolean": 2}, None),
        (["true", "1"], {"string": 2}, None),
        (["1", "true"], {"string": 2}, None),
        (["1", "x"], {"string": 2}, None),
        (["1", " 2"], {"string": 2}, None),
        (["", ""], {}, None),
        (["", "7"], {"integral": 1}, 7),
    ],
    ids=str,
)
def test_a_csv_column_has_the_narrowest_type_of_all_its_cells(tmp_path, monkeypatch, cells, types, total):
    """The cells are in one block, or in separate blocks."""
    for filler in ("", "f" * 1_000):
        monkeypatch.setattr("polarsprof.ingest.csv._BLOCK_BYTES", 1_500)
        profile = csv_profile(tmp_path, "x,filler\n" + "".join(f"{cell},{filler}\n" for cell in cells))
        assert (profile["x"].types, profile["x"].sum, profile["x"].null_count) == (types, total, cells.count(""))
        assert (profile.rows, profile.rejected) == (len(cells), {})


def test_a_bad_csv_line_rejects_only_itself(tmp_path):
    content = b'a,b\n1,2\n3\n4,5,6\n7,"x\ny"\n\n8,\xe9\n9,\n10,""\n'
    profile = csv_profile(tmp_path, content)
    assert profile.rejected == {"too few or too many fields": 2, "no UTF-8": 1}
    assert (profile.rows, profile["a"].sum, profile["b"].null_count) == (4, 27, 1)
    assert {item.value for item in profile["b"].frequent_items()} == {"2", "x\ny", ""}
    with pp.Session(tmp_path / "store") as session:
        logger = session.logger(with_rotation_time="d")
        with pytest.warns(DataWarning, match="rejected"):
            logger.log_frame(tmp_path / "data.csv")
    assert (logger.counters["rows_logged"], logger.counters["rows_rejected"]) == (7, 3)
    assert session.store.read("dataset").rejected == profile.rejected


def test_a_cell_that_changes_between_the_passes_is_text(tmp_path, monkeypatch):
    path = tmp_path / "data.csv"
    path.write_text("x\n1\n2\n")
    original = csv._parsers

    def parsers_before_change(file):
        parsers = original(file)
        path.write_text("x\n1\nnone\n")
        return parsers

    monkeypatch.setattr(csv, "_parsers", parsers_before_change)
    assert pp.profile(path)["x"].types == {"string": 2}


@pytest.mark.parametrize("text", ["", "a,b", "a,b\n", "\n"])
def test_a_csv_file_without_rows_has_none(tmp_path, text):
    assert csv_profile(tmp_path, text).rows == 0


def test_empty_lines_of_a_single_csv_column_are_nulls(tmp_path):
    profile = csv_profile(tmp_path, "x\n1\n\n2\n")
    assert (profile.rows, profile["x"].count, profile["x"].null_count) == (3, 2, 1)


def test_repeated_names_of_csv_columns_get_numbers(tmp_path):
    profile = csv_profile(tmp_path, "x,x,x\n1,2,3\n")
    assert [column.sum for column in profile.columns.values()] == [1, 2, 3]
    assert list(profile.columns) == ["x", "x_duplicated_0", "x_duplicated_1"]


def test_the_length_of_a_csv_row_is_bounded(tmp_path, monkeypatch):
    text = "x,y\n1,2\n3," + "y" * 5_000_000 + "\n" + "4,z\n" * 10_000
    monkeypatch.setattr("polarsprof.ingest.csv._BLOCK_BYTES", 1 << 20)
    assert csv_profile(tmp_path, text)["y"].length.max == 5_000_000
    monkeypatch.setattr("polarsprof.ingest.csv._LARGE_BLOCK_BYTES", 1 << 20)
    with pytest.raises(ArgumentError, match=r"expected a CSV file"):
        csv_profile(tmp_path, text)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux reports it")
def test_memory_does_not_grow_with_the_size_of_a_csv_file(tmp_path):
    code = """
        import sys
        from polarsprof.ingest import csv
        from pathlib import Path
        csv._BLOCK_BYTES = 1 << 16
        rows = peak_kib = 0
        for frame in csv.csv_frames(Path(sys.argv[1])):
            rows += frame.height
            status = Path("/proc/self/status").read_text()
            peak_kib = max(peak_kib, int(status.partition("RssAnon:")[2].split()[0]))
        print(rows, peak_kib)
    """
    line = "".join(f"{i},{i / 8},value number {i} of a text that fills the line\n" for i in range(1_000))
    peaks = []
    for size in (200, 1_600):
        path = tmp_path / "data.csv"
        path.write_text("a,b,c\n" + line * size)
        command = [sys.executable, "-c", textwrap.dedent(code), str(path)]
        rows, peak_kib = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        assert int(rows) == size * 1_000
        peaks.append(int(peak_kib))
    assert peaks[1] < peaks[0] + 30_000  # the files are 12 and 96 MiB


@pytest.mark.parametrize("line", [b"\xe9,2", b"\xe9,2,3", b"\xe9"], ids=["fields", "more", "fewer"])
@pytest.mark.parametrize("end", ["\n4,ü\n", ""], ids=["middle", "end"])
def test_a_csv_line_that_is_not_utf_8_keeps_no_other_out(tmp_path, capfd, line, end):
    profile = csv_profile(tmp_path, "a,b\n1,ö\n".encode() + line + end.encode())
    assert (profile.rows, profile.rejected_rows, profile["a"].sum) == ((2, 1, 5) if end else (1, 1, 1))
    assert {item.value for item in profile["b"].frequent_items()} == ({"ö", "ü"} if end else {"ö"})


@pytest.mark.parametrize("bad", ['10,"n10,3', '10,n10,"3', '"10,n10,3'])
@pytest.mark.parametrize("number", [1, 11, 20_000])
@pytest.mark.parametrize("large", [False, True], ids=["within a block", "beyond a block"])
def test_an_unclosed_quote_costs_one_csv_line(tmp_path, monkeypatch, bad, number, large):
    if large:
        monkeypatch.setattr("polarsprof.ingest.csv._BLOCK_BYTES", 1 << 14)
        monkeypatch.setattr("polarsprof.ingest.csv._LARGE_BLOCK_BYTES", 1 << 16)
    lines = ["id,name,v", *(f"{i},n{i % 97},{i % 13}" for i in range(20_000))]
    lines[number] = bad
    profile = csv_profile(tmp_path, "\n".join(lines) + "\n")
    assert (profile.rows, profile.rejected_rows) == (19_999, 1)
    assert profile["id"].sum == sum(range(20_000)) - (number - 1)
