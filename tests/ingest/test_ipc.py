"""Arrow IPC files and streams: every damage is an error with the path, and a file has the profile of its table."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from support.arrow_types import NO_MEANING, SAME_MEANING
from support.damage import outcomes_of_flips

import polarsprof as pp
from polarsprof.errors import ArgumentError
from polarsprof.testing import assert_profile_equal

TABLE = pa.table({
    "id": pa.array([i if i % 7 else None for i in range(200)]),
    "city": [f"city {i}" * (i % 4) for i in range(200)],
    "tags": [[i] * (i % 3) for i in range(200)],
    "key": pa.array([f"k{i % 5}" for i in range(200)]).dictionary_encode(),
    "note": pa.array([f"more than twelve letters {i}" for i in range(200)], pa.string_view()),
    "raw": pa.array([b"x%d" % i for i in range(200)], pa.large_binary()),
    "pairs": pa.array([[("k", i)] for i in range(200)], pa.map_(pa.string(), pa.int64())),
})  # fmt: skip


def write(path: Path, table: pa.Table, max_chunksize: int | None = None, **options: str) -> Path:
    new = pa.ipc.new_stream if path.suffix == ".arrows" else pa.ipc.new_file
    with new(path, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=max_chunksize)
    return path


@pytest.mark.parametrize("name", ["rows.arrows", "rows.arrow"])
@pytest.mark.parametrize("options", [{}, {"compression": "lz4"}], ids=["plain", "lz4"])
def test_no_flipped_bit_ends_the_process_or_loses_a_row(tmp_path, name, options):
    path = write(tmp_path / name, TABLE, 64, **options)
    assert outcomes_of_flips(path, flips=300, rows=200) == (["read", "refused"], "")


@pytest.mark.parametrize("name", ["rows.arrows", "rows.arrow"])
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary()], ids=str)
def test_an_offset_beyond_the_text_is_refused_by_the_whole_path(tmp_path, name, kind):
    folder = tmp_path / ("a" * 100)
    folder.mkdir()
    path = write(folder / name, pa.table({"s": pa.array([f"x{i}" for i in range(20)], kind)}))
    data = bytearray(path.read_bytes())
    width = 8 if kind == pa.large_string() else 4
    at = data.find((2).to_bytes(width, "little") + (4).to_bytes(width, "little"), 100)
    data[at + width - 1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArgumentError) as caught:
        pp.profile(path)
    assert str(path) in str(caught.value)
    assert "offset" in str(caught.value)


@pytest.mark.parametrize("name", ["rows.arrows", "rows.arrow"])
def test_text_that_is_not_utf_8_is_refused(tmp_path, name):
    path = write(tmp_path / name, pa.table({"s": ["price", "sum"]}))
    path.write_bytes(path.read_bytes().replace(b"price", b"pr\xffce"))
    with pytest.raises(ArgumentError, match=rf"{name}.*UTF8"):
        pp.profile(path)


def test_a_reader_of_bytes_is_validated_and_a_table_in_its_sizes(tmp_path):
    stream = write(tmp_path / "good.arrows", pa.table({"s": ["price", "sum"]})).read_bytes()
    with pytest.raises(ArgumentError, match=r"expected valid Arrow data.*UTF8"):
        pp.profile(pa.ipc.open_stream(stream.replace(b"price", b"pr\xffce")))
    at = stream.find((5).to_bytes(4, "little") + (8).to_bytes(4, "little"), 100) + 4
    wrong = pa.ipc.open_stream(stream[:at] + (900).to_bytes(4, "little") + stream[at + 4 :]).read_all()
    with pytest.raises(ArgumentError, match=r"expected valid Arrow data.*900"):
        pp.profile(wrong)


def test_bytes_after_the_end_of_a_stream_are_refused(tmp_path):
    path = write(tmp_path / "rows.arrows", TABLE)
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(ArgumentError, match=r"rows\.arrows.*bytes follow the end of the stream"):
        pp.profile(path)


def test_batches_that_a_footer_does_not_list_are_refused(tmp_path):
    few, many = (write(tmp_path / f"{rows}.arrow", TABLE.slice(0, rows), 50).read_bytes() for rows in (50, 100))
    footer_bytes = int.from_bytes(few[-10:-6], "little") + 10
    cut = int.from_bytes(many[-10:-6], "little") + 10
    path = tmp_path / "rows.arrow"
    path.write_bytes(many[:-cut] + few[-footer_bytes:])
    assert pa.ipc.open_file(path).read_all().num_rows == 50
    with pytest.raises(ArgumentError, match=r"rows\.arrow.*lists 1 of 2 record batches"):
        pp.profile(path)


WIDE = pa.array([Decimal(i) for i in range(1_000)], pa.decimal256(50, 2))
FIELDS = pa.StructArray.from_arrays([pa.array(range(1_000)), pa.array(range(1_000))], ["x", "x"])
COLUMNS = {name: column for name, (column, _) in (SAME_MEANING | NO_MEANING).items()} | {
    "wide": WIDE,
    "equal fields": FIELDS,
    "half hours": pa.array([1, None, 2], pa.timestamp("us", tz="+05:30")),
}


@pytest.mark.parametrize("suffix", ["arrow", "feather", "ipc", "arrows"])
@pytest.mark.parametrize("name", COLUMNS)
def test_a_file_has_the_profile_of_its_table(tmp_path, name, suffix, capfd):
    table = pa.table({"c": COLUMNS[name], "id": range(len(COLUMNS[name]))})
    path = write(tmp_path / f"rows.{suffix}", table)
    assert_profile_equal(pp.profile(path), pp.profile(table))
    assert pp.profile(path).rows == len(table)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("suffix", ["arrow", "arrows"])
def test_a_repeated_name_in_a_file_is_refused_as_in_a_table(tmp_path, suffix):
    table = pa.table([pa.array([1]), pa.array([2])], names=["price", "price"])
    for data, named in ((table, ""), (write(tmp_path / f"rows.{suffix}", table), suffix)):
        with pytest.raises(ArgumentError, match=f"{named}.*names of their own.*'price' comes twice"):
            pp.profile(data)


def test_damage_in_a_folder_names_the_file(tmp_path):
    random.seed(1)
    write(tmp_path / "a.arrow", TABLE)
    (tmp_path / "b.arrow").write_bytes(random.randbytes(2_000))
    with pytest.raises(ArgumentError, match=r"b\.arrow', expected an Arrow IPC file"):
        pp.profile(tmp_path)


def test_integers_of_128_bits_are_read_by_polars(tmp_path):
    frame = pl.DataFrame({"id": pl.Series([1, None, 1 << 100], dtype=pl.Int128)})
    for write_file in (frame.write_ipc, frame.write_parquet):
        path = tmp_path / ("rows.arrow" if write_file == frame.write_ipc else "rows.parquet")
        write_file(path)
        assert pp.profile(path)["id"].max == 1 << 100
