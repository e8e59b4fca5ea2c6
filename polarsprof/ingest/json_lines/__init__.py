"""NDJSON in, `RowBatch`es out: what decoding line by line gives, at the speed of a columnar reader.

Blocks of whole lines are read in columns (`columnar`, `flat`) where that is sure to give what `records.decode_json`
gives, and line by line where it is not (`reader`); which one changes the time that it takes and never a figure.
"""

from polarsprof.ingest.json_lines.reader import JsonLines, is_json_lines, row_batches

__all__ = ["JsonLines", "is_json_lines", "row_batches"]
