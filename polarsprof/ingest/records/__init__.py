"""Records in, `TypedColumns` out: the only place where records (Python mappings) exist; imports nothing above `batch`.

A record is copied into a `RecordBuffer`, made plain (`nesting`), laid out as columns (`columns`), and each column
becomes one series per kind of value (`lanes`). JSON lines are decoded here too.
"""

from polarsprof.ingest.records.batch import RecordBatch, record_batches
from polarsprof.ingest.records.buffer import RecordBuffer, copied
from polarsprof.ingest.records.columns import typed_columns
from polarsprof.ingest.records.flatten import rejection
from polarsprof.ingest.records.json_lines import INVALID_JSON, TOO_DEEP, RejectedRow, decode_json
from polarsprof.ingest.records.serialization import packed, unpacked

__all__ = [
    "INVALID_JSON",
    "TOO_DEEP",
    "RecordBatch",
    "RecordBuffer",
    "RejectedRow",
    "copied",
    "decode_json",
    "packed",
    "record_batches",
    "rejection",
    "typed_columns",
    "unpacked",
]
