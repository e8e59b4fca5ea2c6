"""Bounds that decide how JSON lines become columns.

`polarsprof.ingest.json_lines` lists the decisions.
"""

from __future__ import annotations

from typing import Final

# `log_json` profiles so many bytes at once; smaller data costs less in a batch with other records.
BULK_BYTES: Final = 512 << 10
# Smaller parts are decoded line by line, because each columnar reading has a fixed cost of about 0.2 ms.
MIN_COLUMNAR_BYTES: Final = 4_096
# Read in one step that holds the interpreter lock for some milliseconds.
BLOCK_BYTES: Final = 4 << 20
# Lines in memory that are read at once, if possible.
PIECE_BYTES: Final = 12 * BLOCK_BYTES
# Readings of a block, so that one line in a thousand can be bad before it becomes slow.
MAX_ATTEMPTS: Final = 32
# Pause of a reader after failures, in blocks, or in pieces of many blocks.
MAX_PAUSE: Final = 64
