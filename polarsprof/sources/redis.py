"""`RedisSource`: the entries of a Redis stream, each exactly once.

Alone, the source continues after the last durable entry. In a group, it first reads the pending entries of its consumer
name again. Entries come to one consumer in the order of their ids, so pending entries before the position of the data
set were counted and are only acknowledged. This requires that one process at a time uses a name, and that no process
claims pending entries of another (XAUTOCLAIM).

The id `ms-sequence` of an entry is the position `ms * 2**20 + sequence`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Self, TypeAlias

from polarsprof.errors import SourceError, argument_error, plain_text
from polarsprof.sources.extras import Patience, checked_start, client, without_credentials
from polarsprof.sources.protocol import Batch, Source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from polarsprof.sources.addresses import Address

    Entry: TypeAlias = tuple[bytes, dict[bytes, bytes]]  # id and fields; deleted entries have none

_SEQUENCE_BITS: Final = 20
_MAX_ENTRIES: Final = 16_384
_TIMEOUT_S: Final = 10.0
_PAUSE_S: Final = 0.1


class RedisSource(Source):
    """The entries of a stream.

    Parameters
    ----------
    url
        URL of the server, such as "redis://localhost:6379/0"; "rediss://" for TLS.
    stream
        Key of the stream; the stream can be created later.
    start
        First entry of a stream without a position in the data set: "latest" (only new entries) or "earliest".
    field
        Field with a JSON object; None: each field of an entry is a column of text.
    group, consumer
        A consumer group, created if missing, and the name of this consumer, the same after each restart.
    patience_s
        Longest outage to wait out, in seconds.

    Raises
    ------
    ArgumentError
        If an argument does not fit.
    SourceError
        If redis-py is not installed.
    """

    def __init__(
        self,
        url: str,
        stream: str,
        *,
        start: str = "latest",
        field: str | None = None,
        group: str | None = None,
        consumer: str | None = None,
        patience_s: float = 60.0,
    ) -> None:
        self._start = checked_start(start)
        if (group is None) != (consumer is None):
            raise argument_error("consumer", consumer, "a different name for each member of a group", "with group=")
        self._redis = client("redis", "redis")
        self._url = plain_text("url", url)
        self._stream = plain_text("stream", stream)
        self._field = None if field is None else field.encode()
        self._group, self._consumer = group, consumer
        self._patience = Patience(patience_s)
        self._name = f"redis:{stream}" if group is None else f"redis:{stream}/{group}/{consumer}"
        self._next = 0  # the position
        self._pending_after: int | None = None  # position in the pending entries; None after the last one
        try:
            self._server = self._redis.Redis.from_url(
                url, protocol=2, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S, retry=_no_retry()
            )
        except ValueError as error:
            raise argument_error("url", without_credentials(url), "redis://HOST:PORT/DATABASE") from error

    @classmethod
    def from_address(cls, address: Address) -> Self:
        """The source of redis://HOST:PORT/STREAM?db=0&field=…."""
        known = ("db", "field", "group", "consumer")
        address.check("redis://HOST:PORT/STREAM?db=0&field=…", options=known)
        database, field, group, consumer = map(address.options.get, known)
        url = f"{address.scheme}://{address.server}/{database or '0'}"
        return cls(url, address.name, start=address.start, field=field, group=group, consumer=consumer)

    def seek(self, positions: Mapping[str, int]) -> Mapping[str, int]:
        """Start after the entries that the data set has."""
        try:
            self._next = self._first(positions.get(self._name))
        except self._redis.RedisError as error:
            raise self._make_error(error) from error
        return {self._name: self._next}

    def poll(self, max_records: int, timeout_s: float) -> Batch | None:
        """The next entries; None during an outage."""
        try:
            entries = self._entries(min(max_records, _MAX_ENTRIES), max(1, int(timeout_s * 1_000)))
        except (self._redis.ConnectionError, self._redis.TimeoutError) as error:
            self._note_outage(error)
            time.sleep(min(timeout_s, _PAUSE_S))
            return None
        except self._redis.RedisError as error:
            raise self._make_error(error) from error
        self._patience.record_success()
        return self._batch(entries) if entries else None

    def acknowledge(self, batches: Sequence[Batch]) -> None:
        """Acknowledge in the group; after an outage, when the entries are delivered again."""
        for batch in batches:
            if batch.receipt:
                try:
                    self._server.xack(self._stream, self._group, *batch.receipt)
                except (self._redis.ConnectionError, self._redis.TimeoutError) as error:
                    self._note_outage(error)

    def close(self) -> None:
        """Close the connection."""
        self._server.close()

    def _first(self, position: int | None) -> int:
        """The first position to read; creates the group."""
        if self._group is not None:
            self._create_group()
            self._pending_after = 0
            return position or 0
        if position is not None:
            return position
        return 1 + (self._latest() if self._start == "latest" else 0)

    def _latest(self) -> int:
        if not self._server.exists(self._stream):
            return 0
        return _position(self._server.xinfo_stream(self._stream)["last-generated-id"])

    def _create_group(self) -> None:
        start = "$" if self._start == "latest" else "0"
        try:
            self._server.xgroup_create(self._stream, self._group, start, mkstream=True)
        except self._redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):  # the group exists
                raise

    def _entries(self, max_entries: int, block_ms: int) -> list[Entry]:
        """The next entries, in the order of their ids."""
        if self._group is None:
            return _entries_of(self._server.xread({self._stream: _id(self._next - 1)}, max_entries, block_ms))
        read = self._server.xreadgroup
        if self._pending_after is not None:
            after = {self._stream: _id(self._pending_after)}
            if entries := _entries_of(read(self._group, self._consumer, after, max_entries)):
                self._pending_after = _position(entries[-1][0])
                return entries
            self._pending_after = None
        return _entries_of(read(self._group, self._consumer, {self._stream: ">"}, max_entries, block_ms))

    def _batch(self, entries: list[Entry]) -> Batch:
        ids = [entry_id for entry_id, _ in entries]
        positions = list(map(_position, ids))
        # Pending entries of a group can be counted already; deleted entries have no fields.
        new = [at for at, position in enumerate(positions) if position >= self._next and entries[at][1]]
        self._next = max(self._next, positions[-1] + 1)
        places = [positions[at] for at in new]
        return Batch(
            [self._message(entries[at][1]) for at in new],
            len(new),
            {self._name: self._next},
            lambda number: (self._name, places[number]),
            receipt=ids if self._group is not None else None,
        )

    def _message(self, fields: Mapping[bytes, bytes]) -> bytes | dict[str, str] | None:
        if self._field is not None:
            return fields.get(self._field)
        return {name.decode(errors="replace"): value.decode(errors="replace") for name, value in fields.items()}

    def _note_outage(self, error: Exception) -> None:
        """Raise a SourceError if the outage is too long or the server refused the login."""
        if isinstance(error, self._redis.AuthenticationError) or not self._patience.record_failure():
            raise self._make_error(error) from error
        self._pending_after = None if self._group is None else 0  # a lost answer leaves its entries pending

    def _make_error(self, error: Exception) -> SourceError:
        return SourceError(f"redis: stream {self._stream!r}: {error}")


def _no_retry() -> object:
    """A policy of redis-py without retries, because `poll` retries."""
    return client("redis.retry", "redis").Retry(client("redis.backoff", "redis").NoBackoff(), 0)


def _entries_of(answer: list[tuple[bytes, list[Entry]]]) -> list[Entry]:
    """The entries of the only stream of an answer."""
    return answer[0][1] if answer else []


def _position(entry_id: bytes) -> int:
    milliseconds, _, sequence = entry_id.partition(b"-")
    if len(sequence) > 6 and int(sequence) >> _SEQUENCE_BITS:
        msg = f"redis: entry {entry_id.decode()}: a sequence above 1,048,575 does not fit a position"
        raise SourceError(msg)
    position = (int(milliseconds) << _SEQUENCE_BITS) + int(sequence)
    if position >> 63:
        raise SourceError(f"redis: entry {entry_id.decode()}: its time does not fit a position")
    return position


def _id(position: int) -> str:
    return f"{position >> _SEQUENCE_BITS}-{position & ((1 << _SEQUENCE_BITS) - 1)}"
