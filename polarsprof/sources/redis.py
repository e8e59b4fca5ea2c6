"""`RedisSource`: the entries of a Redis stream, each exactly once, alone or as a member of a consumer group.

Alone, it reads on after the last entry that is durable. In a group, it first reads again what was delivered to a
consumer of its name and not acknowledged; entries come to one consumer in the order of their ids, so those up to the
position of the data set were counted, and are only acknowledged. That holds as long as a name belongs to one process
at a time, and nobody claims what is pending for another (XAUTOCLAIM).

The id `ms-sequence` of an entry is the position `ms * 2**20 + sequence`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from polarsprof.errors import SourceError, argument_error, plain_text
from polarsprof.sources.extras import Patience, checked_start, client
from polarsprof.sources.protocol import Batch, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_SEQUENCE_BITS: Final = 20
_MOST_ENTRIES: Final = 16_384
_TIMEOUT_S: Final = 10.0
_PAUSE_S: Final = 0.1


class RedisSource(Source):
    """The entries of a stream.

    Parameters
    ----------
    url
        Of the server, such as "redis://localhost:6379/0"; "rediss://" for TLS.
    stream
        The key of the stream, which may not be there yet.
    start
        Where to begin in a stream that was never read into the data set: "latest" (entries from now on) or "earliest".
    field
        The field that holds a JSON object; None: the fields of an entry are columns of text.
    group, consumer
        A consumer group, which is made where it is missing, and the name of this member, which keeps it over restarts.
    patience_s
        For how long a server may be away before that is an error.

    Raises
    ------
    ArgumentError
        For an argument that does not fit.
    SourceError
        Where the client is not installed.
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
            raise argument_error("consumer", consumer, "a name of its own for each member of a group", "with group=")
        self._redis = client("redis", "redis")
        self._url = plain_text("url", url)
        self._stream = plain_text("stream", stream)
        self._field = None if field is None else field.encode()
        self._group, self._consumer = group, consumer
        self._patience = Patience(patience_s)
        self._name = f"redis:{stream}" if group is None else f"redis:{stream}/{group}/{consumer}"
        self._next = 0  # the position of the data set
        self._pending_after: int | None = None  # of what was delivered before, the last that was read again
        try:
            self._server = self._redis.Redis.from_url(
                url, protocol=2, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S, retry=_no_retry()
            )
        except ValueError as error:
            raise argument_error("url", url, "redis://HOST:PORT/DATABASE", str(error)) from error

    def seek(self, positions: Mapping[str, int]) -> Mapping[str, int]:
        """Begin after the entries that the data set has."""
        try:
            return self._sought(positions)
        except self._redis.RedisError as error:
            raise self._broken(error) from error

    def poll(self, most: int, timeout_s: float) -> Batch | None:
        """The next entries; None while the server is away."""
        try:
            entries = self._entries(min(most, _MOST_ENTRIES), max(1, int(timeout_s * 1_000)))
        except (self._redis.ConnectionError, self._redis.TimeoutError) as error:
            self._be_patient(error)
            time.sleep(min(timeout_s, _PAUSE_S))
            return None
        except self._redis.RedisError as error:
            raise self._broken(error) from error
        self._patience.renew()
        return self._batch(entries) if entries else None

    def acknowledge(self, batches: Sequence[Batch]) -> None:
        """Tell the group; where it is not told, it will be when the entries are delivered again."""
        for batch in batches:
            if batch.receipt:
                try:
                    self._server.xack(self._stream, self._group, *batch.receipt)
                except (self._redis.ConnectionError, self._redis.TimeoutError) as error:
                    self._be_patient(error)

    def close(self) -> None:
        """Leave the server."""
        self._server.close()

    def _sought(self, positions: Mapping[str, int]) -> Mapping[str, int]:
        found = positions.get(self._name)
        if self._group is not None:
            self._make_group()
            self._pending_after = 0
            self._next = found or 0
            return {self._name: self._next}
        latest = self._latest() if found is None and self._start == "latest" else 0
        self._next = latest + 1 if found is None else found
        return {self._name: self._next}

    def _latest(self) -> int:
        if not self._server.exists(self._stream):
            return 0
        return _position(self._server.xinfo_stream(self._stream)["last-generated-id"])

    def _make_group(self) -> None:
        begin = "$" if self._start == "latest" else "0"
        try:
            self._server.xgroup_create(self._stream, self._group, begin, mkstream=True)
        except self._redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):  # it is there
                raise

    def _entries(self, most: int, block_ms: int) -> list[Any]:
        """Entries as (id, fields), in the order of their ids."""
        if self._group is None:
            return _of_stream(self._server.xread({self._stream: _id(self._next - 1)}, most, block_ms))
        read = self._server.xreadgroup
        if self._pending_after is not None:
            after = {self._stream: _id(self._pending_after)}
            if entries := _of_stream(read(self._group, self._consumer, after, most)):
                self._pending_after = _position(entries[-1][0])
                return entries
            self._pending_after = None
        return _of_stream(read(self._group, self._consumer, {self._stream: ">"}, most, block_ms))

    def _batch(self, entries: list[Any]) -> Batch:
        ids = [entry_id for entry_id, _ in entries]
        positions = list(map(_position, ids))
        # Of a group, some may be in the data set already; and what was deleted has no fields.
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

    def _message(self, fields: Mapping[bytes, bytes]) -> Any:
        if self._field is not None:
            return fields.get(self._field)
        return {name.decode(errors="replace"): value.decode(errors="replace") for name, value in fields.items()}

    def _be_patient(self, error: Exception) -> None:
        """Wait for a server that is away, but not for ever, and not for one that will not have us."""
        if isinstance(error, self._redis.AuthenticationError) or not self._patience.lasts():
            raise self._broken(error) from error
        self._pending_after = None if self._group is None else 0  # what was on its way is pending now

    def _broken(self, error: Exception) -> SourceError:
        return SourceError(f"redis: stream {self._stream!r}: {error}")


def _no_retry() -> Any:
    """One try: `poll` has a patience of its own."""
    retry: Callable[..., Any] = client("redis.retry", "redis").Retry
    return retry(client("redis.backoff", "redis").NoBackoff(), 0)


def _of_stream(answer: Any) -> list[Any]:
    return answer[0][1] if answer else []


def _position(entry_id: bytes) -> int:
    milliseconds, _, sequence = entry_id.partition(b"-")
    if len(sequence) > 6 and int(sequence) >> _SEQUENCE_BITS:
        msg = f"redis: entry {entry_id.decode()}: a sequence above 1,048,575 is no position that can be kept"
        raise SourceError(msg)
    position = (int(milliseconds) << _SEQUENCE_BITS) + int(sequence)
    if position >> 63:
        raise SourceError(f"redis: entry {entry_id.decode()}: its time is no position that can be kept")
    return position


def _id(position: int) -> str:
    return f"{position >> _SEQUENCE_BITS}-{position & ((1 << _SEQUENCE_BITS) - 1)}"
