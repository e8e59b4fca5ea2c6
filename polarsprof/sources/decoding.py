"""`Decoder`: a batch of a source in, `RowBatch`es out; JSON as a whole, in columns, and what is no record is told of.

A message is one JSON value, also where it spans lines. What is rejected here is rejected in the profile too, under the
same reason.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

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
    """Decodes the batches of one stream; it learns what to expect.

    Parameters
    ----------
    on_dead
        Hears of each message that is no record.
    """

    def __init__(self, on_dead: Callable[[DeadLetter], None]) -> None:
        self._on_dead = on_dead
        self._rejected: list[tuple[bytes, str]] = []
        self._lines = JsonLines(lambda line, reason: self._rejected.append((line, reason)))

    def rows(self, batch: Batch) -> list[RowBatch]:
        """The rows of a batch.

        Raises
        ------
        ArgumentError
            For data that is nothing that `Batch.data` may be.
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
        for line, reason in self._taken():
            at = lines.find(line, start[line])  # equal ones are found one after the other
            start[line] = at + 1
            self._on_dead(DeadLetter(*batch.place(at), reason, line))
        return rows

    def _rows_of_messages(self, messages: Sequence[Any], batch: Batch) -> list[RowBatch]:
        """Messages of one kind each, which is what they are but for those without a value."""
        numbers = [number for number, message in enumerate(messages) if isinstance(message, bytes)]
        rows = self._rows_of_texts([messages[number] for number in numbers], numbers, batch)
        if len(numbers) < len(messages):
            records = [_record_of(message) for message in messages if not isinstance(message, bytes)]
            others = [number for number, message in enumerate(messages) if not isinstance(message, bytes)]
            rows += RecordBuffer().batches(records)
            for number, record in zip(others, records, strict=True):
                if (reason := rejection(record)) is not None:
                    self._bury(batch, number, reason)
        return rows

    def _rows_of_texts(self, values: list[bytes], numbers: Sequence[int], batch: Batch) -> list[RowBatch]:
        refused = {at: EMPTY for at, value in enumerate(values) if not value or value.isspace()}
        lines = values
        if b"".join(values).count(b"\n") or refused:
            lines = [_one_line(value, at, refused) for at, value in enumerate(values)]
        # What follows a line end is no byte order mark at the start of the data.
        rows: list[RowBatch] = list(self._lines.batches(b"\n" + b"\n".join(lines)))
        if rejected := self._taken():
            self._bury_each(rejected, lines, numbers, batch)
        if refused:
            rows.append(RecordBatch([RejectedRow(reason) for reason in refused.values()]))
            for at, reason in refused.items():
                self._bury(batch, numbers[at], reason)
        return rows

    def _bury_each(
        self, rejected: list[tuple[bytes, str]], lines: list[bytes], numbers: Sequence[int], batch: Batch
    ) -> None:
        wanted = {line for line, _ in rejected}
        places: defaultdict[bytes, list[int]] = defaultdict(list)
        for at in range(len(lines) - 1, -1, -1):  # so that the first of equal ones is taken first
            stripped = lines[at].strip(_BLANK)
            if stripped in wanted:
                places[stripped].append(numbers[at])
        for line, reason in rejected:
            self._bury(batch, places[line].pop(), reason)

    def _taken(self) -> list[tuple[bytes, str]]:
        rejected, self._rejected = self._rejected, []
        return rejected

    def _bury(self, batch: Batch, number: int, reason: str) -> None:
        value = batch.data[number] if batch.original is None else batch.original(number)
        self._on_dead(DeadLetter(*batch.place(number), reason, value if isinstance(value, bytes) else None))


def _record_of(message: Any) -> Any:
    if message is None:
        return RejectedRow(NO_VALUE)
    return message if isinstance(message, Mapping | RejectedRow) else RejectedRow("not a mapping")


def _one_line(message: bytes, at: int, refused: dict[int, str]) -> bytes:
    """A message as one line; nothing, and a reason in `refused`, where it spans several and is no JSON."""
    if b"\n" not in message or at in refused:
        return message.strip(_BLANK)
    try:
        json.loads(message)
    except RecursionError:
        refused[at] = TOO_DEEP
    except ValueError:
        refused[at] = INVALID_JSON
    else:
        return message.strip(_BLANK).replace(b"\n", b" ")  # outside of text, where JSON has no raw line ends
    return b""
