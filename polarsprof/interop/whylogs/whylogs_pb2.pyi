from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TextEntry(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: str
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class SegmentHeader(_message.Message):
    __slots__ = ("has_segments", "segments")
    HAS_SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    has_segments: bool
    segments: _containers.RepeatedCompositeFieldContainer[Segment]
    def __init__(self, has_segments: bool = ..., segments: _Optional[_Iterable[_Union[Segment, _Mapping]]] = ...) -> None: ...

class Segment(_message.Message):
    __slots__ = ("tags",)
    TAGS_FIELD_NUMBER: _ClassVar[int]
    tags: _containers.RepeatedCompositeFieldContainer[TextEntry]
    def __init__(self, tags: _Optional[_Iterable[_Union[TextEntry, _Mapping]]] = ...) -> None: ...

class ProfileHeader(_message.Message):
    __slots__ = ("properties", "column_offsets", "length", "metric_paths")
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    COLUMN_OFFSETS_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    METRIC_PATHS_FIELD_NUMBER: _ClassVar[int]
    properties: bytes
    column_offsets: _containers.RepeatedCompositeFieldContainer[OffsetsEntry]
    length: int
    metric_paths: _containers.RepeatedCompositeFieldContainer[PathEntry]
    def __init__(self, properties: _Optional[bytes] = ..., column_offsets: _Optional[_Iterable[_Union[OffsetsEntry, _Mapping]]] = ..., length: _Optional[int] = ..., metric_paths: _Optional[_Iterable[_Union[PathEntry, _Mapping]]] = ...) -> None: ...

class Properties(_message.Message):
    __slots__ = ("creation_timestamp_ms", "dataset_timestamp_ms", "tags", "metadata")
    CREATION_TIMESTAMP_MS_FIELD_NUMBER: _ClassVar[int]
    DATASET_TIMESTAMP_MS_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    creation_timestamp_ms: int
    dataset_timestamp_ms: int
    tags: _containers.RepeatedCompositeFieldContainer[TextEntry]
    metadata: _containers.RepeatedCompositeFieldContainer[TextEntry]
    def __init__(self, creation_timestamp_ms: _Optional[int] = ..., dataset_timestamp_ms: _Optional[int] = ..., tags: _Optional[_Iterable[_Union[TextEntry, _Mapping]]] = ..., metadata: _Optional[_Iterable[_Union[TextEntry, _Mapping]]] = ...) -> None: ...

class OffsetsEntry(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: Offsets
    def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Offsets, _Mapping]] = ...) -> None: ...

class Offsets(_message.Message):
    __slots__ = ("offsets",)
    OFFSETS_FIELD_NUMBER: _ClassVar[int]
    offsets: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, offsets: _Optional[_Iterable[int]] = ...) -> None: ...

class PathEntry(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: int
    value: str
    def __init__(self, key: _Optional[int] = ..., value: _Optional[str] = ...) -> None: ...

class ChunkHeader(_message.Message):
    __slots__ = ("type", "length")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    type: int
    length: int
    def __init__(self, type: _Optional[int] = ..., length: _Optional[int] = ...) -> None: ...

class Chunk(_message.Message):
    __slots__ = ("components",)
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    components: _containers.RepeatedCompositeFieldContainer[ComponentEntry]
    def __init__(self, components: _Optional[_Iterable[_Union[ComponentEntry, _Mapping]]] = ...) -> None: ...

class ComponentEntry(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: int
    value: Component
    def __init__(self, key: _Optional[int] = ..., value: _Optional[_Union[Component, _Mapping]] = ...) -> None: ...

class Component(_message.Message):
    __slots__ = ("type_id", "integer", "fractional", "frequent_items", "hll", "kll", "cpc", "serialized", "struct", "message")
    TYPE_ID_FIELD_NUMBER: _ClassVar[int]
    INTEGER_FIELD_NUMBER: _ClassVar[int]
    FRACTIONAL_FIELD_NUMBER: _ClassVar[int]
    FREQUENT_ITEMS_FIELD_NUMBER: _ClassVar[int]
    HLL_FIELD_NUMBER: _ClassVar[int]
    KLL_FIELD_NUMBER: _ClassVar[int]
    CPC_FIELD_NUMBER: _ClassVar[int]
    SERIALIZED_FIELD_NUMBER: _ClassVar[int]
    STRUCT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    type_id: int
    integer: int
    fractional: float
    frequent_items: Sketch
    hll: Sketch
    kll: Sketch
    cpc: Sketch
    serialized: bytes
    struct: bytes
    message: bytes
    def __init__(self, type_id: _Optional[int] = ..., integer: _Optional[int] = ..., fractional: _Optional[float] = ..., frequent_items: _Optional[_Union[Sketch, _Mapping]] = ..., hll: _Optional[_Union[Sketch, _Mapping]] = ..., kll: _Optional[_Union[Sketch, _Mapping]] = ..., cpc: _Optional[_Union[Sketch, _Mapping]] = ..., serialized: _Optional[bytes] = ..., struct: _Optional[bytes] = ..., message: _Optional[bytes] = ...) -> None: ...

class Sketch(_message.Message):
    __slots__ = ("image",)
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    image: bytes
    def __init__(self, image: _Optional[bytes] = ...) -> None: ...

class ProfileV0(_message.Message):
    __slots__ = ("properties", "columns", "model")
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    properties: bytes
    columns: _containers.RepeatedScalarFieldContainer[bytes]
    model: bytes
    def __init__(self, properties: _Optional[bytes] = ..., columns: _Optional[_Iterable[bytes]] = ..., model: _Optional[bytes] = ...) -> None: ...

class PropertiesV0(_message.Message):
    __slots__ = ("schema_major_version", "schema_minor_version", "session_id", "session_timestamp_ms", "data_timestamp_ms", "tags", "metadata")
    SCHEMA_MAJOR_VERSION_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_MINOR_VERSION_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_TIMESTAMP_MS_FIELD_NUMBER: _ClassVar[int]
    DATA_TIMESTAMP_MS_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    schema_major_version: int
    schema_minor_version: int
    session_id: str
    session_timestamp_ms: int
    data_timestamp_ms: int
    tags: _containers.RepeatedCompositeFieldContainer[TextEntry]
    metadata: _containers.RepeatedCompositeFieldContainer[TextEntry]
    def __init__(self, schema_major_version: _Optional[int] = ..., schema_minor_version: _Optional[int] = ..., session_id: _Optional[str] = ..., session_timestamp_ms: _Optional[int] = ..., data_timestamp_ms: _Optional[int] = ..., tags: _Optional[_Iterable[_Union[TextEntry, _Mapping]]] = ..., metadata: _Optional[_Iterable[_Union[TextEntry, _Mapping]]] = ...) -> None: ...

class ColumnEntryV0(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: bytes
    def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...

class ColumnV0(_message.Message):
    __slots__ = ("counters", "schema", "numbers", "strings", "frequent_items", "cardinality")
    COUNTERS_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    STRINGS_FIELD_NUMBER: _ClassVar[int]
    FREQUENT_ITEMS_FIELD_NUMBER: _ClassVar[int]
    CARDINALITY_FIELD_NUMBER: _ClassVar[int]
    counters: CountersV0
    schema: bytes
    numbers: NumbersV0
    strings: StringsV0
    frequent_items: Sketch
    cardinality: Sketch
    def __init__(self, counters: _Optional[_Union[CountersV0, _Mapping]] = ..., schema: _Optional[bytes] = ..., numbers: _Optional[_Union[NumbersV0, _Mapping]] = ..., strings: _Optional[_Union[StringsV0, _Mapping]] = ..., frequent_items: _Optional[_Union[Sketch, _Mapping]] = ..., cardinality: _Optional[_Union[Sketch, _Mapping]] = ...) -> None: ...

class CountersV0(_message.Message):
    __slots__ = ("count", "booleans", "nulls")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    BOOLEANS_FIELD_NUMBER: _ClassVar[int]
    NULLS_FIELD_NUMBER: _ClassVar[int]
    count: int
    booleans: BoxedV0
    nulls: BoxedV0
    def __init__(self, count: _Optional[int] = ..., booleans: _Optional[_Union[BoxedV0, _Mapping]] = ..., nulls: _Optional[_Union[BoxedV0, _Mapping]] = ...) -> None: ...

class BoxedV0(_message.Message):
    __slots__ = ("value",)
    VALUE_FIELD_NUMBER: _ClassVar[int]
    value: int
    def __init__(self, value: _Optional[int] = ...) -> None: ...

class SchemaV0(_message.Message):
    __slots__ = ("type_counts",)
    TYPE_COUNTS_FIELD_NUMBER: _ClassVar[int]
    type_counts: _containers.RepeatedCompositeFieldContainer[TypeCountV0]
    def __init__(self, type_counts: _Optional[_Iterable[_Union[TypeCountV0, _Mapping]]] = ...) -> None: ...

class TypeCountV0(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: int
    value: int
    def __init__(self, key: _Optional[int] = ..., value: _Optional[int] = ...) -> None: ...

class NumbersV0(_message.Message):
    __slots__ = ("variance", "doubles", "longs", "histogram", "compact_theta", "frequent_numbers")
    VARIANCE_FIELD_NUMBER: _ClassVar[int]
    DOUBLES_FIELD_NUMBER: _ClassVar[int]
    LONGS_FIELD_NUMBER: _ClassVar[int]
    HISTOGRAM_FIELD_NUMBER: _ClassVar[int]
    COMPACT_THETA_FIELD_NUMBER: _ClassVar[int]
    FREQUENT_NUMBERS_FIELD_NUMBER: _ClassVar[int]
    variance: VarianceV0
    doubles: DoublesV0
    longs: LongsV0
    histogram: bytes
    compact_theta: bytes
    frequent_numbers: Sketch
    def __init__(self, variance: _Optional[_Union[VarianceV0, _Mapping]] = ..., doubles: _Optional[_Union[DoublesV0, _Mapping]] = ..., longs: _Optional[_Union[LongsV0, _Mapping]] = ..., histogram: _Optional[bytes] = ..., compact_theta: _Optional[bytes] = ..., frequent_numbers: _Optional[_Union[Sketch, _Mapping]] = ...) -> None: ...

class VarianceV0(_message.Message):
    __slots__ = ("count", "m2", "mean")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    M2_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    count: int
    m2: float
    mean: float
    def __init__(self, count: _Optional[int] = ..., m2: _Optional[float] = ..., mean: _Optional[float] = ...) -> None: ...

class DoublesV0(_message.Message):
    __slots__ = ("count", "min", "max", "sum")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    SUM_FIELD_NUMBER: _ClassVar[int]
    count: int
    min: float
    max: float
    sum: float
    def __init__(self, count: _Optional[int] = ..., min: _Optional[float] = ..., max: _Optional[float] = ..., sum: _Optional[float] = ...) -> None: ...

class LongsV0(_message.Message):
    __slots__ = ("count", "min", "max", "sum")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    SUM_FIELD_NUMBER: _ClassVar[int]
    count: int
    min: int
    max: int
    sum: int
    def __init__(self, count: _Optional[int] = ..., min: _Optional[int] = ..., max: _Optional[int] = ..., sum: _Optional[int] = ...) -> None: ...

class StringsV0(_message.Message):
    __slots__ = ("count", "items", "compact_theta", "length", "token_length", "character_positions")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    COMPACT_THETA_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    TOKEN_LENGTH_FIELD_NUMBER: _ClassVar[int]
    CHARACTER_POSITIONS_FIELD_NUMBER: _ClassVar[int]
    count: int
    items: bytes
    compact_theta: bytes
    length: NumbersV0
    token_length: NumbersV0
    character_positions: bytes
    def __init__(self, count: _Optional[int] = ..., items: _Optional[bytes] = ..., compact_theta: _Optional[bytes] = ..., length: _Optional[_Union[NumbersV0, _Mapping]] = ..., token_length: _Optional[_Union[NumbersV0, _Mapping]] = ..., character_positions: _Optional[bytes] = ...) -> None: ...

class CharactersV0(_message.Message):
    __slots__ = ("characters", "positions")
    CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    characters: str
    positions: _containers.RepeatedCompositeFieldContainer[CharacterV0]
    def __init__(self, characters: _Optional[str] = ..., positions: _Optional[_Iterable[_Union[CharacterV0, _Mapping]]] = ...) -> None: ...

class CharacterV0(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: NumbersV0
    def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[NumbersV0, _Mapping]] = ...) -> None: ...

class ModelV0(_message.Message):
    __slots__ = ("output_fields", "metrics")
    OUTPUT_FIELDS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    output_fields: _containers.RepeatedScalarFieldContainer[str]
    metrics: ModelMetricsV0
    def __init__(self, output_fields: _Optional[_Iterable[str]] = ..., metrics: _Optional[_Union[ModelMetricsV0, _Mapping]] = ...) -> None: ...

class ModelMetricsV0(_message.Message):
    __slots__ = ("score_matrix", "model_type", "regression")
    SCORE_MATRIX_FIELD_NUMBER: _ClassVar[int]
    MODEL_TYPE_FIELD_NUMBER: _ClassVar[int]
    REGRESSION_FIELD_NUMBER: _ClassVar[int]
    score_matrix: ScoreMatrixV0
    model_type: int
    regression: RegressionV0
    def __init__(self, score_matrix: _Optional[_Union[ScoreMatrixV0, _Mapping]] = ..., model_type: _Optional[int] = ..., regression: _Optional[_Union[RegressionV0, _Mapping]] = ...) -> None: ...

class ScoreMatrixV0(_message.Message):
    __slots__ = ("labels", "prediction_field", "target_field", "score_field", "scores")
    LABELS_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_FIELD_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    labels: _containers.RepeatedScalarFieldContainer[str]
    prediction_field: str
    target_field: str
    score_field: str
    scores: _containers.RepeatedCompositeFieldContainer[NumbersV0]
    def __init__(self, labels: _Optional[_Iterable[str]] = ..., prediction_field: _Optional[str] = ..., target_field: _Optional[str] = ..., score_field: _Optional[str] = ..., scores: _Optional[_Iterable[_Union[NumbersV0, _Mapping]]] = ...) -> None: ...

class RegressionV0(_message.Message):
    __slots__ = ("prediction_field", "target_field", "count", "sum_abs_diff", "sum_diff", "sum2_diff")
    PREDICTION_FIELD_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SUM_ABS_DIFF_FIELD_NUMBER: _ClassVar[int]
    SUM_DIFF_FIELD_NUMBER: _ClassVar[int]
    SUM2_DIFF_FIELD_NUMBER: _ClassVar[int]
    prediction_field: str
    target_field: str
    count: int
    sum_abs_diff: float
    sum_diff: float
    sum2_diff: float
    def __init__(self, prediction_field: _Optional[str] = ..., target_field: _Optional[str] = ..., count: _Optional[int] = ..., sum_abs_diff: _Optional[float] = ..., sum_diff: _Optional[float] = ..., sum2_diff: _Optional[float] = ...) -> None: ...
