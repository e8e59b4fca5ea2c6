"""NDJSON in, `RowBatch`es out, at the speed of a columnar reader.

The result equals that of decoding line by line. JSON lines become columns in one of five ways. The way changes the time
that lines take, and never a figure of a profile. Times are for a line of ten flat fields on one core.

| way | lines | time | module |
|---|---|--:|---|
| 1. line by line, with the records of `log` | `log_json` below `BULK_BYTES`, without positions | 3 µs | `records` |
| 2. a piece at once by Polars, on several threads | no nesting, known columns | about 1.4 µs | `flat` |
| 3. a block by Polars | no nesting, known columns | about 1.4 µs | `flat` |
| 4. a block by pyarrow | any, if every check passes | 2 µs | `columnar` |
| 5. line by line | the lines that 2 to 4 refuse | 3 µs | `records` |

The decisions, in order; the bounds are in `limits`:

1. `Logger.log_json` uses way 1 below `BULK_BYTES` (512 KiB), and way 5 if positions come with the lines. Larger data,
   the lines of a source, of an engine and of a file go to `JsonLines`.
2. Text with lone surrogates cannot be UTF-8: way 5 for all of it.
3. Data in memory is cut into pieces of `PIECE_BYTES` (48 MiB). A piece of at least `MIN_COLUMNAR_BYTES` (4 KiB) goes
   way 2 if the columns are known from earlier lines and every check passes. Files skip this step.
4. Otherwise a piece, or a file, is cut into blocks of `BLOCK_BYTES` (4 MiB), and several blocks are read ahead. A block
   of one line goes way 5. Other blocks go way 3 if the columns are known and every check passes, otherwise way 4.
5. If both readers refuse a block, its bad line goes way 5 and the rest is tried again, at most `MAX_ATTEMPTS` (32)
   times. After that, and below `MIN_COLUMNAR_BYTES`, the rest goes way 5.
6. Ways 2 and 3 pause after a failure, for up to 64 pieces or blocks. The number of attempts halves after a block that
   exhausts it, so a stream of mixed types is rarely tried.

Internal: nothing in it is public.
"""

from polarsprof.ingest.json_lines.limits import BULK_BYTES
from polarsprof.ingest.json_lines.reader import JsonLines, is_json_lines, row_batches

__all__ = ["BULK_BYTES", "JsonLines", "is_json_lines", "row_batches"]
