"""`Decoder`: a batch of a source → `RowBatch`es and dead letters.

JSON is decoded in bulk. A message is one JSON value and can span lines. A dead letter also counts as a rejected row of
the profile, under the same reason.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from polarsprof.errors import argument_error
from polarsprof.ingest.frames import is_tabular
from polarsprof.ingest.json_lines import JsonLines, row_batches
from polarsprof.ingest.records import INVALID_JSON, TOO_DEEP, RecordBatch, RecordBuffer, RejectedRow, rejection
from polarsprof.sources.protocol import DeadLetter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from polarsprof.kernels.batch import RowBatch
    from polarsprof.sources.protocol import Batch

NO_VALUE: Final = "message without a value"
EMPTY: Final = "empty message"
_BLANK: Final = b" \t\r\n"


class Decoder:
    """Decodes the batches of one stream; it learns the columns to expect.

    Parameters
    ----------
    on_dead_letter
        Called with each message that is not a record.
    """

    def __init__(self, on_dead_letter: Callable[[DeadLetter], None]) -> None:
        self._on_dead_letter = on_dead_letter
        self._rejected: list[tuple[bytes, str]] = []
        self._lines = JsonLines(lambda line, reason: self._rejected.append((line, reason)))

    def rows(self, batch: Batch) -> list[RowBatch]:
        """The rows of a batch.

        Raises
        ------
        ArgumentError
            If `Batch.data` is of an unknown type.
        """
        data = batch.data
        if isinstance(data, bytes | bytearray):
            return self._rows_of_lines(bytes(data), batch)
        if isinstance(data, list):
            return self._rows_of_messages(data, batch)
        if is_tabular(data):
            return list(row_batches(data))
        raise argument_error("batch.data", data, "bytes of NDJSON, a list of messages, or a table")

    def _rows_of_lines(self, lines: bytes, batch: Batch) -> list[RowBatch]:
        rows = list(self._lines.batches(lines))
        start: defaultdict[bytes, int] = defaultdict(int)
        for line, reason in self._drain_rejected():
            at = lines.find(line, start[line])  # equal lines are found in order
            start[line] = at + 1
            self._on_dead_letter(DeadLetter(*batch.place(at), reason, line))
        return rows

    def _rows_of_messages(self, messages: Sequence[object], batch: Batch) -> list[RowBatch]:
        """JSON messages in bulk, then records and messages without a value."""
        texts = {number: message for number, message in enumerate(messages) if isinstance(message, bytes)}
        rows = self._rows_of_texts([*texts.values()], [*texts], batch)
        if len(texts) < len(messages):
            records = [_to_record(message) for message in messages if not isinstance(message, bytes)]
            numbers = [number for number in range(len(messages)) if number not in texts]
            rows += RecordBuffer().batches(records)
            for number, record in zip(numbers, records, strict=True):
                if (reason := rejection(record)) is not None:
                    self._report(batch, number, messages[number], reason)
        return rows

    def _rows_of_texts(self, texts: list[bytes], numbers: Sequence[int], batch: Batch) -> list[RowBatch]:
        reasons = {at: EMPTY for at, text in enumerate(texts) if not text or text.isspace()}
        lines = texts
        if b"".join(texts).count(b"\n") or reasons:
            lines = [_to_line(text, at, reasons) for at, text in enumerate(texts)]
        # After a line end, the first message cannot start with a byte order mark of the data.
        rows: list[RowBatch] = list(self._lines.batches(b"\n" + b"\n".join(lines)))
        if rejected := self._drain_rejected():
            for at, reason in _positions_of(rejected, lines):
                self._report(batch, numbers[at], texts[at], reason)
        if reasons:
            rows.append(RecordBatch([RejectedRow(reason) for reason in reasons.values()]))
            for at, reason in reasons.items():
                self._report(batch, numbers[at], texts[at], reason)
        return rows

    def _drain_rejected(self) -> list[tuple[bytes, str]]:
        rejected, self._rejected = self._rejected, []
        return rejected

    def _report(self, batch: Batch, number: int, message: object, reason: str) -> None:
        value = message if batch.original is None else batch.original(number)
        self._on_dead_letter(DeadLetter(*batch.place(number), reason, value if isinstance(value, bytes) else None))


def _positions_of(rejected: list[tuple[bytes, str]], lines: list[bytes]) -> list[tuple[int, str]]:
    """Positions of rejected lines in all lines, with reasons; equal lines in order."""
    wanted = {line for line, _ in rejected}
    positions: defaultdict[bytes, list[int]] = defaultdict(list)
    for at in range(len(lines) - 1, -1, -1):  # so that `pop` returns the first of equal lines
        stripped = lines[at].strip(_BLANK)
        if stripped in wanted:
            positions[stripped].append(at)
    return [(positions[line].pop(), reason) for line, reason in rejected]


def _to_record(message: object) -> object:
    if message is None:
        return RejectedRow(NO_VALUE)
    return message if isinstance(message, Mapping | RejectedRow) else RejectedRow("not a mapping")


def _to_line(message: bytes, at: int, reasons: dict[int, str]) -> bytes:
    """The message on one line; empty if it spans lines and is not JSON.

    The reason is then added to `reasons`.
    """
    if b"\n" not in message or at in reasons:
        return message.strip(_BLANK)
    try:
        json.loads(message)
    except RecursionError:
        reasons[at] = TOO_DEEP
    except ValueError:
        reasons[at] = INVALID_JSON
    else:
        return message.strip(_BLANK).replace(b"\n", b" ")  # text in JSON has no raw line ends
    return b""
