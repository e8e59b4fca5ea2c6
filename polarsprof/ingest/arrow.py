"""Batches of foreign Arrow tables → Polars frames, for all Arrow types.

Polars panics on some Arrow types and misreads others. Such a column is cast to a type of the same meaning before Polars
sees it. If no such type exists, it becomes a column of Python objects, whose values are only counted.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from operator import itemgetter
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, TypeGuard, cast

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from polars.exceptions import PanicException, PolarsError

from polarsprof.errors import argument_error

if TYPE_CHECKING:
    from collections.abc import Iterator

_DECIMAL_DIGITS: Final = 38  # of 128 bits
_METHODS: Final = ("__arrow_c_stream__", "__arrow_c_array__", "fetch_record_batch")


class ArrowStream(Protocol):
    """An object with an Arrow C stream."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...


class ArrowArray(Protocol):
    """An object with an Arrow C array of structs."""

    def __arrow_c_array__(self, requested_schema: object = None) -> object: ...


class ArrowCursor(Protocol):
    """A cursor of ADBC."""

    def fetch_record_batch(self) -> pa.RecordBatchReader:
        """The reader of the result."""


class ArrowDataset(Protocol):
    """A data set of pyarrow; a scanner has only `to_reader`."""

    def scanner(self) -> ArrowDataset:
        """The scanner of all rows."""

    def to_reader(self) -> pa.RecordBatchReader:
        """The reader of a scanner."""


ArrowTable: TypeAlias = ArrowStream | ArrowArray | ArrowCursor | ArrowDataset | pa.RecordBatchFileReader
"""All objects that `batches` accepts."""


def has_batches(data: object) -> TypeGuard[ArrowTable]:
    """Whether `batches` accepts the data; reads nothing from it."""
    has_method = any(hasattr(data, method) for method in _METHODS)
    return has_method or isinstance(data, pa.RecordBatchFileReader) or _is_dataset(data)


def _is_dataset(data: object) -> bool:
    return type(data).__module__ == "pyarrow._dataset" and (hasattr(data, "scanner") or hasattr(data, "to_reader"))


def batches(data: ArrowTable) -> Iterator[pa.RecordBatch]:
    """The batches of a foreign Arrow table.

    Accepts an Arrow C stream or array, an ADBC cursor, or a pyarrow file or data set. Batches that pyarrow reads from
    bytes are validated completely, those of memory only in their sizes.

    Raises
    ------
    ArgumentError
        If Arrow cannot represent the data, a batch is invalid, or a column name repeats.
    """
    try:
        reader = _reader(data)
    except (pa.ArrowException, TypeError, ValueError) as error:  # ValueError: pandas, for a repeated name
        hint = f"Arrow says: {error}; records of mixed types go through log_records"
        expected = "a table whose columns have one type each and names of their own"
        raise argument_error("data", data, expected, hint) from error
    if (name := repeated_name(reader.schema)) is not None:
        raise argument_error("data", data, "a table whose columns have names of their own", f"{name!r} comes twice")
    is_read = isinstance(data, pa.RecordBatchFileReader | pa.RecordBatchStreamReader) or _is_dataset(data)
    for batch in reader:
        try:
            batch.validate(full=is_read)
        except pa.ArrowException as error:
            raise argument_error("data", data, "valid Arrow data", f"Arrow says: {error}") from error
        yield batch


def _own_reader(
    data: pa.RecordBatchReader | pa.Table | pa.RecordBatch | pa.RecordBatchFileReader,
) -> pa.RecordBatchReader:
    """The reader of an object of pyarrow.

    Not by the C interface, which does not pass the sizes of buffers that `validate` checks.
    """
    match data:
        case pa.Table():
            return data.to_reader()
        case pa.RecordBatch():
            return pa.RecordBatchReader.from_batches(data.schema, [data])
        case pa.RecordBatchFileReader():
            batches = map(data.get_batch, range(data.num_record_batches))
            return pa.RecordBatchReader.from_batches(data.schema, batches)
        case _:
            return data


def repeated_name(schema: pa.Schema) -> str | None:
    """A name that two columns have; None if there is none."""
    name, count = max(Counter(schema.names).items(), key=itemgetter(1), default=("", 0))
    return name if count > 1 else None


def _reader(data: ArrowTable) -> pa.RecordBatchReader:
    if isinstance(data, pa.RecordBatchReader | pa.Table | pa.RecordBatch | pa.RecordBatchFileReader):
        return _own_reader(data)
    if hasattr(data, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(data)
    if hasattr(data, "__arrow_c_array__"):
        batch = pa.record_batch(data)
        return pa.RecordBatchReader.from_batches(batch.schema, [batch])
    if hasattr(data, "fetch_record_batch"):
        return data.fetch_record_batch()
    dataset = cast("ArrowDataset", data)
    return (dataset if hasattr(dataset, "to_reader") else dataset.scanner()).to_reader()


def is_readable(schema: pa.Schema) -> bool:
    """Whether Polars reads all columns correctly and their names are unique."""
    return repeated_name(schema) is None and all(map(_is_readable, schema.types))


def _is_readable(kind: pa.DataType) -> bool:
    try:
        return not isinstance(kind, pa.BaseExtensionType) and bool(_readable_type(kind) == kind)
    except pa.ArrowException:
        return False


def frame_of(batch: pa.RecordBatch) -> pl.DataFrame:
    """The rows of a batch as a Polars frame."""
    columns = [_series(name, array) for name, array in zip(batch.schema.names, batch.columns, strict=True)]
    return pl.DataFrame(columns) if columns else pl.DataFrame(height=batch.num_rows)


def _series(name: str, array: pa.Array) -> pl.Series:
    with suppress(pa.ArrowException, PolarsError, PanicException):  # of Polars: types newer than this module
        return pl.DataFrame(pa.RecordBatch.from_arrays([_readable(array)], names=[name])).to_series()
    return pl.Series(name, [None if null else ... for null in array.is_null().to_pylist()], dtype=pl.Object)


def _readable(array: pa.Array) -> pa.Array:
    """The array in a type of the same meaning that Polars reads correctly.

    Raises an ArrowException if there is no such type.
    """
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return array.cast(pa.bool_()) if str(kind) == "extension<arrow.bool8>" else _readable(array.storage)
    if pa.types.is_run_end_encoded(kind):
        return _readable(pc.run_end_decode(array))
    if pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        return _readable(_lists(array))
    if pa.types.is_decimal(kind) and kind.precision > _DECIMAL_DIGITS:
        return array.cast(pa.string()).cast(pa.float64())  # a direct cast does not give the nearest double
    target = _readable_type(kind)
    return array if target == kind else array.cast(target)


def _lists(views: pa.Array) -> pa.Array:
    """The lists of list views.

    Not by a cast, because in Arrow 26 the last list of its result has a wrong end.
    """
    ends = pc.cumulative_sum(pc.fill_null(pc.list_value_length(views), 0).cast(pa.int64()))
    offsets = pa.concat_arrays([pa.array([0], pa.int64()), ends])
    return pa.LargeListArray.from_arrays(offsets, views.flatten(), mask=views.is_null())


def _readable_type(kind: pa.DataType) -> pa.DataType:
    """The type of the same meaning that Polars reads; `kind` itself if possible."""
    types = pa.types
    if types.is_interval(kind) or types.is_run_end_encoded(kind):
        raise pa.ArrowNotImplementedError(str(kind))
    if types.is_decimal(kind):
        return _readable_decimal(kind)
    if types.is_timestamp(kind) and kind.tz is not None:  # the same instants; Polars does not know all zones
        return pa.timestamp(kind.unit, "UTC")
    return _readable_nested(kind)


def _readable_nested(kind: pa.DataType) -> pa.DataType:
    types = pa.types
    if types.is_dictionary(kind):
        values = _readable_type(kind.value_type)
        return kind if values == kind.value_type else values
    if types.is_map(kind):
        return pa.map_(_readable_type(kind.key_type), _readable_type(kind.item_type))
    if types.is_struct(kind) and len({field.name for field in kind}) == kind.num_fields:
        return pa.struct([field.with_type(_readable_type(field.type)) for field in kind])
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        # Polars panics on a slice of fixed-size lists with a null.
        lists = pa.large_list if types.is_large_list(kind) else pa.list_
        return lists(kind.value_field.with_type(_readable_type(kind.value_type)))
    if types.is_nested(kind):
        raise pa.ArrowNotImplementedError(str(kind))
    return kind


def _readable_decimal(kind: pa.DataType) -> pa.DataType:
    digits = kind.precision - min(kind.scale, 0)
    if digits > _DECIMAL_DIGITS:
        return pa.float64()
    # Polars panics on 256 bits and on negative scales, and reads 32 and 64 bits as 128.
    return pa.decimal128(digits, max(kind.scale, 0))
