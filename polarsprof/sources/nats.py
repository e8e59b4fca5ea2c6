"""`NatsSource`: the messages of a JetStream stream, each exactly once.

The position is the sequence number of the next message in the stream. The consumer on the server has no state that
matters: it is recreated at the position after a crash of either side, and after a lost message.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeVar

from polarsprof.errors import SourceError, plain_text
from polarsprof.sources.extras import Patience, checked_start, client, without_credentials
from polarsprof.sources.protocol import Batch, Source

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from polarsprof.sources.addresses import Address

Result = TypeVar("Result")

_MAX_MESSAGES: Final = 8_192
_CONNECT_S: Final = 5.0
_PAUSE_S: Final = 0.1
_CONTACT_S: Final = 2.0  # silence after which the server is asked whether the consumer still exists
_EXPIRY_S: Final = 60.0  # silence after which the server deletes the consumer


class _Sequence(Protocol):
    """Number of a message in its stream, and in the deliveries to a consumer."""

    stream: int
    consumer: int


class _Metadata(Protocol):
    sequence: _Sequence
    num_pending: int


class _Message(Protocol):
    """A message of nats-py."""

    data: bytes
    metadata: _Metadata


class _Subscription(Protocol):
    """A pull subscription of nats-py."""

    async def fetch(self, batch: int, timeout: float) -> list[_Message]: ...  # noqa: ASYNC109 - of nats-py

    async def consumer_info(self) -> object: ...


class NatsSource(Source):
    """The messages of a stream whose retention is by limits.

    Parameters
    ----------
    url
        URL of the server, such as "nats://localhost:4222"; several are separated by commas.
    stream
        Name of the stream.
    subject
        Read only this subject, wildcards allowed; several consumers of one data set need disjoint subjects.
    start
        First message of a stream without a position in the data set: "latest" (only new messages) or "earliest".
    patience_s
        Longest outage to wait out, in seconds.
    options
        Arguments of `nats.connect`, such as `{"user_credentials": "…"}`.

    Raises
    ------
    ArgumentError
        If an argument does not fit.
    SourceError
        If nats-py is not installed.
    """

    def __init__(
        self,
        url: str,
        stream: str,
        *,
        subject: str = ">",
        start: str = "latest",
        patience_s: float = 60.0,
        options: Mapping[str, object] | None = None,
    ) -> None:
        self._start = checked_start(start)
        self._nats, self._api = client("nats", "nats"), client("nats.js.api", "nats")
        self._servers = plain_text("url", url).split(",")
        self._stream, self._subject = plain_text("stream", stream), plain_text("subject", subject)
        self._patience = Patience(patience_s)
        self._options = {"connect_timeout": _CONNECT_S, "error_cb": _ignore_error, **(options or {})}
        self._name = f"nats:{stream}/{subject}"
        self._loop = asyncio.new_event_loop()
        self._connection: Any = None
        self._subscription: _Subscription | None = None
        self._delivered = 0  # number of messages of this subscription
        self._next = 0
        self._lag: int | None = None
        self._last_contact = 0.0

    @classmethod
    def from_address(cls, address: Address) -> Self:
        """The source of nats://HOST:PORT/STREAM?subject=…."""
        address.check("nats://HOST:PORT/STREAM?subject=…", options=("subject",))
        url = f"{address.scheme}://{address.server}"
        return cls(url, address.name, subject=address.options.get("subject", ">"), start=address.start)

    def seek(self, positions: Mapping[str, int]) -> Mapping[str, int]:
        """Start after the messages that the data set has."""
        try:
            self._next = self._run(self._first(positions.get(self._name)))
        except (self._nats.errors.Error, OSError) as error:
            raise self._make_error(error) from error
        return {self._name: self._next}

    def poll(self, max_records: int, timeout_s: float) -> Batch | None:
        """The next messages; None during an outage."""
        try:
            messages = self._run(self._messages(min(max_records, _MAX_MESSAGES), timeout_s))
        except (self._nats.errors.Error, OSError) as error:
            if not self._patience.record_failure():
                raise self._make_error(error) from error
            self._subscription = None
            time.sleep(min(timeout_s, _PAUSE_S))
            return None
        self._patience.record_success()
        return self._batch(messages) if messages else None

    def lag(self) -> int | None:
        """Number of messages after the position when the last one was delivered."""
        return self._lag

    def close(self) -> None:
        """Close the connection."""
        if not self._loop.is_closed():
            if self._connection is not None:
                self._run(self._connection.close())
            self._loop.close()

    def _run(self, work: Awaitable[Result]) -> Result:
        return self._loop.run_until_complete(work)

    async def _first(self, position: int | None) -> int:
        """Connect, and find the first message to read."""
        self._connection = await self._nats.connect(
            self._servers, allow_reconnect=True, max_reconnect_attempts=1, **self._options
        )
        self._connection.options["max_reconnect_attempts"] = -1  # retry forever after the first connection
        state = (await self._connection.jetstream().stream_info(self._stream)).state
        if position is not None and position > state.last_seq + 1:
            msg = f"{self._name}: message {position} is next, but the stream ends at {state.last_seq}"
            raise SourceError(f"{msg}; a stream that was recreated needs another data set")
        if position is not None:
            return position
        return int(state.last_seq + 1 if self._start == "latest" else max(1, state.first_seq))

    async def _messages(self, max_messages: int, timeout_s: float) -> list[_Message]:
        if self._subscription is None:
            self._subscription = await self._subscribe()
        try:
            messages = await self._subscription.fetch(max_messages, timeout=max(timeout_s, 0.01))
        except self._nats.errors.TimeoutError:
            if time.monotonic() - self._last_contact > _CONTACT_S:
                await self._subscription.consumer_info()  # raises if the server has deleted the consumer
                self._last_contact = time.monotonic()
            return []
        self._last_contact = time.monotonic()
        return self._contiguous(messages)

    async def _subscribe(self) -> _Subscription:
        config = self._api.ConsumerConfig(
            deliver_policy=self._api.DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=max(1, self._next),
            ack_policy=self._api.AckPolicy.NONE,
            inactive_threshold=_EXPIRY_S,
            mem_storage=True,
        )
        stream = self._connection.jetstream()
        subscription: _Subscription = await stream.pull_subscribe(self._subject, stream=self._stream, config=config)
        self._delivered, self._last_contact = 0, time.monotonic()
        return subscription

    def _contiguous(self, messages: list[_Message]) -> list[_Message]:
        """The messages before the first gap; a lost message and those after it come again."""
        for number, message in enumerate(messages):
            if message.metadata.sequence.consumer != self._delivered + 1:
                self._subscription = None
                return messages[:number]
            self._delivered += 1
        return messages

    def _batch(self, messages: list[_Message]) -> Batch:
        sequences = [message.metadata.sequence.stream for message in messages]
        self._next = sequences[-1] + 1
        self._lag = messages[-1].metadata.num_pending
        return Batch(
            [message.data for message in messages],
            len(messages),
            {self._name: self._next},
            lambda number: (self._name, sequences[number]),
        )

    def _make_error(self, error: Exception) -> SourceError:
        servers = ",".join(map(without_credentials, self._servers))
        return SourceError(f"nats: {servers}, stream {self._stream!r}: {str(error) or type(error).__name__}")


async def _ignore_error(_: Exception) -> None:
    """Ignore an error in the background; the next request raises it."""
