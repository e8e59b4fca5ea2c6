"""Parquet files: no damage loses a row or ends the process, and a file has the profile of its table."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.damage import outcomes_of_flips

import polarsprof as pp
from polarsprof.errors import ArgumentError
from polarsprof.ingest.frames import frames
from polarsprof.ingest.pages import Footer
from polarsprof.ingest.parquet import parquet_frames
from polarsprof.sources import FilesSource
from polarsprof.testing import assert_profile_equal

ROWS = 240_000
GROUP_ROWS = 20_000


@pytest.fixture
def damaged(tmp_path, request):
    """A file whose list column has one flipped bit, in the row group of the parameter."""
    path = tmp_path / "damaged.parquet"
    table = pa.table({"id": range(ROWS), "tags": pa.array([[i % 100] for i in range(ROWS)])})
    pq.write_table(table, path, row_group_size=GROUP_ROWS, compression="none", use_dictionary=False)
    at = pq.read_metadata(path).row_group(request.param).column(1).data_page_offset + 9
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("damaged", [0, 7, 11], indirect=True)
def test_rows_after_a_damaged_page_do_not_vanish(damaged, tmp_path):
    with pytest.raises(ArgumentError) as caught:
        pp.profile(damaged)
    assert str(damaged) in str(caught.value)
    pl.DataFrame({"id": [1]}).write_parquet(tmp_path / "a.parquet")
    with ThreadPoolExecutor(2) as executor, pytest.raises(ArgumentError, match=r"damaged\.parquet"):
        pp.profile(tmp_path, executor=executor)
    with pytest.raises(ArgumentError, match="a lazy frame that Polars can collect"):
        pp.profile(pl.scan_parquet(damaged))
    with pp.Session(tmp_path / "store") as session:
        with pytest.raises(ArgumentError, match=r"damaged\.parquet"):
            session.run(FilesSource(damaged))
        with pytest.raises(ArgumentError, match=r"damaged\.parquet"):  # nor is it read at the next start
            session.run(FilesSource(damaged))


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "none", "use_dictionary": False},
        {"compression": "snappy"},
        {"compression": "zstd", "data_page_version": "2.0"},
    ],
    ids=["plain", "snappy", "v2"],
)
def test_no_flipped_bit_ends_the_process_or_loses_a_row(tmp_path, options):
    path = tmp_path / "rows.parquet"
    table = pa.table({
        "id": pa.array([i if i % 7 else None for i in range(200)]),
        "city": [f"city {i}" * (i % 4) for i in range(200)],
        "tags": [[i] * (i % 3) for i in range(200)],
    })  # fmt: skip
    pq.write_table(table, path, row_group_size=80, **options)
    outcomes, _ = outcomes_of_flips(path, flips=400, rows=200)
    assert outcomes == ["read", "refused"]


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy"])
def test_a_negative_number_of_values_in_a_page_is_refused(tmp_path, version, compression):
    path = tmp_path / "rows.parquet"
    ids = pa.array([i if i % 7 else None for i in range(10_000)], pa.int64())
    options = {"use_dictionary": False, "compression": compression, "data_page_version": version}
    pq.write_table(pa.table({"id": ids}), path, write_statistics=False, **options)
    data = bytearray(path.read_bytes())
    number = bytes([0x80 | (20_000 & 127), 0x80 | ((20_000 >> 7) & 127), 20_000 >> 14])  # 10,000 in zigzag
    at = data.find(number, pq.read_metadata(path).row_group(0).column(0).data_page_offset)
    data[at] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArgumentError, match=r"rows\.parquet.*negative number of values"):
        pp.profile(path)


def test_page_headers_of_undamaged_files_are_regular(tmp_path):
    """Then Polars reads them, at its speed."""
    frame = pl.DataFrame(
        {"id": range(5_000), "city": [f"c{i % 9}" for i in range(5_000)], "tags": [[1, 2], []] * 2_500}
    )
    table = frame.to_arrow()
    frame.write_parquet(tmp_path / "polars.parquet")
    frame.to_pandas().to_parquet(tmp_path / "pandas.parquet")
    duckdb.sql(f"COPY (FROM frame) TO '{tmp_path}/duckdb.parquet'")
    for number, options in enumerate(
        [{}, {"data_page_version": "2.0"}, {"data_page_size": 100}, {"compression": "none"}]
    ):
        pq.write_table(table, tmp_path / f"{number}.parquet", row_group_size=1_500, write_page_index=True, **options)
    pq.write_table(pa.table({"long": ["x" * 3_000_000]}), tmp_path / "long.parquet")
    for path in tmp_path.iterdir():
        footer, metadata = Footer(path), pq.read_metadata(path)
        assert footer.rows == metadata.num_rows
        assert footer.group_rows == [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        assert footer.has_regular_pages([*range(metadata.num_row_groups)]), path


ZONES = ["+05:30", "+05:45", "-03:30", "+14:00", "Z", "Nowhere/Land", "Europe/Berlin", "UTC"]
COLUMNS = {f"zone {zone}": pa.array([1, None, 2], pa.timestamp("us", tz=zone)) for zone in ZONES} | {
    "decimal256": pa.array([Decimal(1), None, Decimal("1e40")], pa.decimal256(50, 2)),
    "list of decimal256": pa.array([[Decimal(1)], None, []], pa.list_(pa.decimal256(50, 2))),
    "list view": pa.array([[1], None, [2, 3]], pa.list_view(pa.int64())),
    "bool8": pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, None, 0], pa.int8())),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_file_has_the_profile_of_its_table(tmp_path, name, capfd):
    table = pa.table({"c": COLUMNS[name], "id": range(3)})
    path = tmp_path / "rows.parquet"
    pq.write_table(table, path)
    assert_profile_equal(pp.profile(path), pp.profile(table))
    assert pp.profile(path).rows == 3
    assert capfd.readouterr().err == ""


def test_a_fixed_offset_of_pandas_is_the_instant(tmp_path):
    pd.DataFrame({"at": pd.to_datetime(["2024-01-01T00:00:00+05:30"])}).to_parquet(tmp_path / "t.parquet")
    assert pp.profile(tmp_path / "t.parquet")["at"].min == datetime(2023, 12, 31, 18, 30, tzinfo=UTC)


def test_intervals_of_duckdb_are_values(tmp_path, capfd):
    duckdb.sql(f"COPY (SELECT INTERVAL 3 DAY AS pause, 1 AS v) TO '{tmp_path}/t.parquet'")
    profile = pp.profile(tmp_path / "t.parquet")
    assert (profile.rows, profile["pause"].count, profile["v"].sum) == (1, 1, 1)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("kind", [pa.int64(), pa.decimal256(50, 0)], ids=["by Polars", "by pyarrow"])
@pytest.mark.parametrize(
    "span", [(0, 1_000), (0, 300), (150, 300), (300, 1), (299, 2), (900, 100), (1_000, 0)], ids=str
)
def test_a_span_has_its_rows(tmp_path, monkeypatch, kind, span):
    monkeypatch.setattr("polarsprof.ingest.parquet._SPAN_ROWS", 130)
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"id": pa.array(range(1_000), kind)}), path, row_group_size=150)
    ids = [value for frame in parquet_frames(path, span) for value in frame["id"].cast(pl.Int64)]
    assert ids == list(range(span[0], sum(span)))


def test_a_span_beyond_the_rows_is_refused(tmp_path):
    path: Path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"id": [1, 2]}), path)
    with pytest.raises(ArgumentError, match="rows 1 to 4 are wanted of 2"):
        list(parquet_frames(path, (1, 3)))


def test_a_lazy_frame_can_be_left_early():
    batches = frames(pl.LazyFrame({"id": range(1_000_000)}))
    assert next(batches).height
    batches.close()


def test_an_error_in_a_query_keeps_its_type():
    with pytest.raises(pl.exceptions.ColumnNotFoundError):
        pp.profile(pl.LazyFrame({"id": [1]}).select("price"))
