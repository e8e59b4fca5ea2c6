"""Records in, `TypedColumns` out: the only place with records as Python mappings.

A record is copied into a `RecordBuffer` and normalized (`flatten`). Normal records become columns (`columns`), and each
column becomes one series per target dtype (`converters`, `dtypes`). `json_lines` decodes JSON line by line.
"""

from polarsprof.ingest.records.batch import RecordBatch, record_batches
from polarsprof.ingest.records.buffer import RecordBuffer, copy_record
from polarsprof.ingest.records.columns import typed_columns
from polarsprof.ingest.records.flatten import rejection
from polarsprof.ingest.records.json_lines import INVALID_JSON, TOO_DEEP, RejectedRow, decode_json
from polarsprof.ingest.records.serialization import deserialize, serialize

__all__ = [
    "INVALID_JSON",
    "TOO_DEEP",
    "RecordBatch",
    "RecordBuffer",
    "RejectedRow",
    "copy_record",
    "decode_json",
    "deserialize",
    "record_batches",
    "rejection",
    "serialize",
    "typed_columns",
]
