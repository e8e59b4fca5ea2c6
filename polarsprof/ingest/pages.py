"""The footer and page headers of a Parquet file, checked before Polars reads it.

Polars allocates as many bytes as a header says, and an allocation that fails ends the process. So do the properties of
row groups and columns in pyarrow, if one of them is damaged. The check reads about 100 bytes for each page, which has
up to 1 MiB; it took 1 % of the time of a profile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

    Value: TypeAlias = "int | Fields | list[Value]"
    """A value of Thrift; text and doubles have the value 0."""
    Fields: TypeAlias = dict[int, "Value"]
    """Field number → value of a struct of Thrift."""

_HEADER_BYTES: Final = 128  # the usual size; a header with long statistics is read again
_MAX_HEADER_BYTES: Final = 1 << 24
_DATA, _INDEX, _DICTIONARY, _DATA_V2 = 0, 1, 2, 3  # PageType
_FILE_PATH: Final = 1
_INTERVAL: Final = 21  # ConvertedType
_TAIL_BYTES: Final = 8  # the length of the footer and the magic number
_MALFORMED: Final = (ValueError, IndexError, KeyError, TypeError, AttributeError, RecursionError)
_HEADER_FIELDS: Final = {_DATA: 5, _DICTIONARY: 7, _DATA_V2: 8}


class Footer:
    """The footer of a Parquet file.

    Attributes
    ----------
    rows
        Number of rows in the footer.
    group_rows
        Number of rows of each row group; their sum can differ from `rows`.
    has_intervals
        Whether a column has the old type INTERVAL.

    Raises
    ------
    ValueError
        If the footer cannot be parsed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            fields = _footer(path)
            self.rows = _number(fields, 3)
            self._groups = _structs(fields, 4)
            self.group_rows = [_number(group, 3) for group in self._groups]
            self.has_intervals = any(element.get(6) == _INTERVAL for element in _structs(fields, 2))
        except _MALFORMED as error:
            raise ValueError(f"the footer cannot be parsed: {error!r}") from error
        if min(self.group_rows, default=0) < 0:
            raise ValueError("negative number of rows")

    def has_regular_pages(self, groups: list[int]) -> bool:
        """Whether all page headers of the row groups agree with the footer.

        Pages of another layout can be valid, but only pyarrow reads them safely.
        """
        try:
            with self._path.open("rb") as file:
                columns = [column for group in groups for column in _structs(self._groups[group], 1)]
                return all(_is_regular(file, column) for column in columns)
        except _MALFORMED:
            return False


def _is_regular(file: BinaryIO, column: Fields) -> bool:
    """Whether the pages of one column in one row group are regular."""
    if _FILE_PATH in column:  # pages in another file
        return False
    chunk = column[3]
    values_of_chunk, uncompressed, compressed, at = (_number(chunk, number) for number in (5, 6, 7, 9))
    dictionary = _number(chunk, 11, 0)
    at = dictionary if 0 < dictionary < at else at  # 0 stands for none
    end = at + compressed
    values = 0
    while at < end:
        page = _page(file, at)
        at += page.header_bytes + page.compressed
        values += page.values if page.is_data else 0
        uncompressed -= page.uncompressed
        if not page.is_regular or at > end or uncompressed < 0:
            return False
    return values == values_of_chunk


@dataclass(slots=True)
class _Page:
    header_bytes: int
    compressed: int
    uncompressed: int
    values: int
    is_data: bool
    is_regular: bool


def _page(file: BinaryIO, at: int) -> _Page:
    fields, header_bytes = _header(file, at)
    kind, uncompressed, compressed = (_number(fields, number) for number in (1, 2, 3))
    if kind == _INDEX:
        return _Page(header_bytes, compressed, uncompressed, 0, False, min(compressed, uncompressed) >= 0)
    inner = fields[_HEADER_FIELDS[kind]]
    values = _number(inner, 1)
    is_regular = min(compressed, uncompressed, values) >= 0
    if kind == _DICTIONARY:
        is_regular &= values <= uncompressed  # a value has a byte at least
    if kind == _DATA_V2:
        nulls, rows, levels_1, levels_2 = (_number(inner, number) for number in (2, 3, 5, 6))
        is_regular &= 0 <= nulls <= values and 0 <= rows <= values and min(levels_1, levels_2) >= 0
        is_regular &= levels_1 + levels_2 <= min(compressed, uncompressed)
    return _Page(header_bytes, compressed, uncompressed, values, kind != _DICTIONARY, is_regular)


def _number(fields: Value, number: int, default: int | None = None) -> int:
    value = fields.get(number, default) if isinstance(fields, dict) else None
    if not isinstance(value, int):
        raise TypeError(number)
    return value


def _structs(fields: Fields, number: int) -> list[Fields]:
    values = fields[number]
    if not isinstance(values, list):
        raise TypeError(number)
    return [value for value in values if isinstance(value, dict)]


def _footer(path: Path) -> Fields:
    with path.open("rb") as file:
        end = file.seek(-_TAIL_BYTES, 2)
        size = int.from_bytes(file.read(4), "little")
        file.seek(end - size)
        return _struct(file.read(size), 0)[0]


def _header(file: BinaryIO, at: int) -> tuple[Fields, int]:
    """The header of the page at a position, and the number of its bytes."""
    size = _HEADER_BYTES
    while True:
        file.seek(at)
        data = file.read(size)
        try:
            return _struct(data, 0)
        except IndexError:
            if len(data) < size or size >= _MAX_HEADER_BYTES:
                raise
            size *= 8


# The compact protocol of Thrift. Each function returns a value and the position after it.


def _struct(data: bytes, at: int) -> tuple[Fields, int]:
    fields: Fields = {}
    number = 0
    while lead := data[at]:
        at += 1
        if lead >> 4:
            number += lead >> 4
        else:
            number, at = _integer(data, at)
        fields[number], at = _value(data, at, lead & 15)
    return fields, at + 1


def _value(data: bytes, at: int, kind: int) -> tuple[Value, int]:
    match kind:
        case 1 | 2:  # true and false
            return kind & 1, at
        case 3 | 7:  # a byte and a double, which nothing here asks for
            return 0, at + (1 if kind == 3 else 8)
        case 4 | 5 | 6:
            return _integer(data, at)
        case 8:
            size, at = _varint(data, at)
            return 0, at + size
        case 9 | 10:
            return _list(data, at)
        case 12:
            return _struct(data, at)
        case _:  # Parquet has no maps
            raise ValueError(kind)


def _list(data: bytes, at: int) -> tuple[list[Value], int]:
    size, kind = divmod(data[at], 16)
    at += 1
    if size == 15:
        size, at = _varint(data, at)
    values: list[Value] = []
    for _ in range(size):
        value, at = _value(data, at, 3 if kind <= 2 else kind)  # a boolean has a byte in a list
        values.append(value)
        data[at - 1]  # raises beyond the end
    return values, at


def _integer(data: bytes, at: int) -> tuple[int, int]:
    value, at = _varint(data, at)
    return (value >> 1) ^ -(value & 1), at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
