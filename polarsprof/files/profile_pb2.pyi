from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Header(_message.Message):
    __slots__ = ("dataset", "window_start_us", "window_end_us", "first_event_us", "last_event_us", "rows", "rejected", "degraded", "late_rows", "untimed_rows", "future_rows", "dropped_rows", "panes", "positions", "tags", "metadata", "versions", "spec_json", "columns", "writers", "foreign", "incomplete")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    WINDOW_START_US_FIELD_NUMBER: _ClassVar[int]
    WINDOW_END_US_FIELD_NUMBER: _ClassVar[int]
    FIRST_EVENT_US_FIELD_NUMBER: _ClassVar[int]
    LAST_EVENT_US_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    LATE_ROWS_FIELD_NUMBER: _ClassVar[int]
    UNTIMED_ROWS_FIELD_NUMBER: _ClassVar[int]
    FUTURE_ROWS_FIELD_NUMBER: _ClassVar[int]
    DROPPED_ROWS_FIELD_NUMBER: _ClassVar[int]
    PANES_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    SPEC_JSON_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    WRITERS_FIELD_NUMBER: _ClassVar[int]
    FOREIGN_FIELD_NUMBER: _ClassVar[int]
    INCOMPLETE_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    window_start_us: int
    window_end_us: int
    first_event_us: int
    last_event_us: int
    rows: int
    rejected: _containers.RepeatedCompositeFieldContainer[NamedCount]
    degraded: _containers.RepeatedCompositeFieldContainer[NamedCount]
    late_rows: int
    untimed_rows: int
    future_rows: int
    dropped_rows: int
    panes: _containers.RepeatedCompositeFieldContainer[Pane]
    positions: _containers.RepeatedCompositeFieldContainer[Position]
    tags: _containers.RepeatedCompositeFieldContainer[Pair]
    metadata: _containers.RepeatedCompositeFieldContainer[Pair]
    versions: _containers.RepeatedCompositeFieldContainer[Pair]
    spec_json: str
    columns: _containers.RepeatedCompositeFieldContainer[ColumnEntry]
    writers: _containers.RepeatedCompositeFieldContainer[Writer]
    foreign: _containers.RepeatedCompositeFieldContainer[ForeignFigure]
    incomplete: _containers.RepeatedCompositeFieldContainer[Pair]
    def __init__(self, dataset: _Optional[str] = ..., window_start_us: _Optional[int] = ..., window_end_us: _Optional[int] = ..., first_event_us: _Optional[int] = ..., last_event_us: _Optional[int] = ..., rows: _Optional[int] = ..., rejected: _Optional[_Iterable[_Union[NamedCount, _Mapping]]] = ..., degraded: _Optional[_Iterable[_Union[NamedCount, _Mapping]]] = ..., late_rows: _Optional[int] = ..., untimed_rows: _Optional[int] = ..., future_rows: _Optional[int] = ..., dropped_rows: _Optional[int] = ..., panes: _Optional[_Iterable[_Union[Pane, _Mapping]]] = ..., positions: _Optional[_Iterable[_Union[Position, _Mapping]]] = ..., tags: _Optional[_Iterable[_Union[Pair, _Mapping]]] = ..., metadata: _Optional[_Iterable[_Union[Pair, _Mapping]]] = ..., versions: _Optional[_Iterable[_Union[Pair, _Mapping]]] = ..., spec_json: _Optional[str] = ..., columns: _Optional[_Iterable[_Union[ColumnEntry, _Mapping]]] = ..., writers: _Optional[_Iterable[_Union[Writer, _Mapping]]] = ..., foreign: _Optional[_Iterable[_Union[ForeignFigure, _Mapping]]] = ..., incomplete: _Optional[_Iterable[_Union[Pair, _Mapping]]] = ...) -> None: ...

class ForeignFigure(_message.Message):
    __slots__ = ("column", "component", "integer", "fractional", "text")
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    COMPONENT_FIELD_NUMBER: _ClassVar[int]
    INTEGER_FIELD_NUMBER: _ClassVar[int]
    FRACTIONAL_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    column: str
    component: str
    integer: int
    fractional: float
    text: str
    def __init__(self, column: _Optional[str] = ..., component: _Optional[str] = ..., integer: _Optional[int] = ..., fractional: _Optional[float] = ..., text: _Optional[str] = ...) -> None: ...

class Writer(_message.Message):
    __slots__ = ("id", "counters")
    ID_FIELD_NUMBER: _ClassVar[int]
    COUNTERS_FIELD_NUMBER: _ClassVar[int]
    id: str
    counters: _containers.RepeatedCompositeFieldContainer[NamedCount]
    def __init__(self, id: _Optional[str] = ..., counters: _Optional[_Iterable[_Union[NamedCount, _Mapping]]] = ...) -> None: ...

class NamedCount(_message.Message):
    __slots__ = ("name", "count")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    name: str
    count: int
    def __init__(self, name: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class Pane(_message.Message):
    __slots__ = ("writer_id", "number")
    WRITER_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    writer_id: str
    number: int
    def __init__(self, writer_id: _Optional[str] = ..., number: _Optional[int] = ...) -> None: ...

class Position(_message.Message):
    __slots__ = ("source", "next")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    source: str
    next: int
    def __init__(self, source: _Optional[str] = ..., next: _Optional[int] = ...) -> None: ...

class Pair(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: str
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class ColumnEntry(_message.Message):
    __slots__ = ("path", "offset", "length", "crc32")
    PATH_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    CRC32_FIELD_NUMBER: _ClassVar[int]
    path: str
    offset: int
    length: int
    crc32: int
    def __init__(self, path: _Optional[str] = ..., offset: _Optional[int] = ..., length: _Optional[int] = ..., crc32: _Optional[int] = ...) -> None: ...

class Column(_message.Message):
    __slots__ = ("groups",)
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedCompositeFieldContainer[Group]
    def __init__(self, groups: _Optional[_Iterable[_Union[Group, _Mapping]]] = ...) -> None: ...

class Group(_message.Message):
    __slots__ = ("name", "counters", "extremes", "moments", "quantiles", "distinct", "frequent_items", "length")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COUNTERS_FIELD_NUMBER: _ClassVar[int]
    EXTREMES_FIELD_NUMBER: _ClassVar[int]
    MOMENTS_FIELD_NUMBER: _ClassVar[int]
    QUANTILES_FIELD_NUMBER: _ClassVar[int]
    DISTINCT_FIELD_NUMBER: _ClassVar[int]
    FREQUENT_ITEMS_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    name: str
    counters: Counters
    extremes: Extremes
    moments: Moments
    quantiles: Quantiles
    distinct: Distinct
    frequent_items: FrequentItems
    length: Group
    def __init__(self, name: _Optional[str] = ..., counters: _Optional[_Union[Counters, _Mapping]] = ..., extremes: _Optional[_Union[Extremes, _Mapping]] = ..., moments: _Optional[_Union[Moments, _Mapping]] = ..., quantiles: _Optional[_Union[Quantiles, _Mapping]] = ..., distinct: _Optional[_Union[Distinct, _Mapping]] = ..., frequent_items: _Optional[_Union[FrequentItems, _Mapping]] = ..., length: _Optional[_Union[Group, _Mapping]] = ...) -> None: ...

class Counters(_message.Message):
    __slots__ = ("count", "integral", "nan", "positive_infinity", "negative_infinity", "zero", "negative", "true", "empty", "unexamined")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    INTEGRAL_FIELD_NUMBER: _ClassVar[int]
    NAN_FIELD_NUMBER: _ClassVar[int]
    POSITIVE_INFINITY_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_INFINITY_FIELD_NUMBER: _ClassVar[int]
    ZERO_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_FIELD_NUMBER: _ClassVar[int]
    TRUE_FIELD_NUMBER: _ClassVar[int]
    EMPTY_FIELD_NUMBER: _ClassVar[int]
    UNEXAMINED_FIELD_NUMBER: _ClassVar[int]
    count: int
    integral: int
    nan: int
    positive_infinity: int
    negative_infinity: int
    zero: int
    negative: int
    true: int
    empty: int
    unexamined: int
    def __init__(self, count: _Optional[int] = ..., integral: _Optional[int] = ..., nan: _Optional[int] = ..., positive_infinity: _Optional[int] = ..., negative_infinity: _Optional[int] = ..., zero: _Optional[int] = ..., negative: _Optional[int] = ..., true: _Optional[int] = ..., empty: _Optional[int] = ..., unexamined: _Optional[int] = ...) -> None: ...

class Value(_message.Message):
    __slots__ = ("integer", "big_integer", "fractional", "text", "binary")
    INTEGER_FIELD_NUMBER: _ClassVar[int]
    BIG_INTEGER_FIELD_NUMBER: _ClassVar[int]
    FRACTIONAL_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    BINARY_FIELD_NUMBER: _ClassVar[int]
    integer: int
    big_integer: bytes
    fractional: float
    text: str
    binary: bytes
    def __init__(self, integer: _Optional[int] = ..., big_integer: _Optional[bytes] = ..., fractional: _Optional[float] = ..., text: _Optional[str] = ..., binary: _Optional[bytes] = ...) -> None: ...

class Extremes(_message.Message):
    __slots__ = ("minimum", "maximum")
    MINIMUM_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    minimum: Value
    maximum: Value
    def __init__(self, minimum: _Optional[_Union[Value, _Mapping]] = ..., maximum: _Optional[_Union[Value, _Mapping]] = ...) -> None: ...

class Moments(_message.Message):
    __slots__ = ("n", "integer_sum", "float_sum", "float_sum_error", "mean", "m2", "m3", "m4", "rounded")
    N_FIELD_NUMBER: _ClassVar[int]
    INTEGER_SUM_FIELD_NUMBER: _ClassVar[int]
    FLOAT_SUM_FIELD_NUMBER: _ClassVar[int]
    FLOAT_SUM_ERROR_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    M2_FIELD_NUMBER: _ClassVar[int]
    M3_FIELD_NUMBER: _ClassVar[int]
    M4_FIELD_NUMBER: _ClassVar[int]
    ROUNDED_FIELD_NUMBER: _ClassVar[int]
    n: int
    integer_sum: Value
    float_sum: float
    float_sum_error: float
    mean: float
    m2: float
    m3: float
    m4: float
    rounded: int
    def __init__(self, n: _Optional[int] = ..., integer_sum: _Optional[_Union[Value, _Mapping]] = ..., float_sum: _Optional[float] = ..., float_sum_error: _Optional[float] = ..., mean: _Optional[float] = ..., m2: _Optional[float] = ..., m3: _Optional[float] = ..., m4: _Optional[float] = ..., rounded: _Optional[int] = ...) -> None: ...

class Quantiles(_message.Message):
    __slots__ = ("kll_doubles",)
    KLL_DOUBLES_FIELD_NUMBER: _ClassVar[int]
    kll_doubles: bytes
    def __init__(self, kll_doubles: _Optional[bytes] = ...) -> None: ...

class Distinct(_message.Message):
    __slots__ = ("hll",)
    HLL_FIELD_NUMBER: _ClassVar[int]
    hll: bytes
    def __init__(self, hll: _Optional[bytes] = ...) -> None: ...

class FrequentItems(_message.Message):
    __slots__ = ("items", "total", "offset")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    items: bytes
    total: int
    offset: int
    def __init__(self, items: _Optional[bytes] = ..., total: _Optional[int] = ..., offset: _Optional[int] = ...) -> None: ...
