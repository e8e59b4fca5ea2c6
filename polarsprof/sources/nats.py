"""`NatsSource`: the messages of a JetStream stream from positions of the data set's own, each exactly once.

The position is the sequence number of a message in its stream. The server keeps no state of this consumer that matters:
it is made anew at the position after a crash of either side, and where a message did not arrive.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from polarsprof.errors import SourceError, plain_text
from polarsprof.sources.extras import Patience, checked_start, client
from polarsprof.sources.protocol import Batch, Source

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

_MOST_MESSAGES: Final = 8_192
_CONNECT_S: Final = 5.0
_PAUSE_S: Final = 0.1
_SILENCE_S: Final = 2.0  # after which the server is asked whether it still knows the consumer
_FORGET_S: Final = 60.0  # after which the server may


class NatsSource(Source):
    """The messages of a stream whose retention is by limits.

    Parameters
    ----------
    url
        Of the server, such as "nats://localhost:4222"; several with commas between.
    stream
        The stream.
    subject
        Only messages of this subject, which may have wildcards; several consumers of a data set take others each.
    start
        Where to begin in a stream that was never read into the data set: "latest" (messages from now on) or "earliest".
    patience_s
        For how long a server may be away before that is an error.
    options
        For `nats.connect`, such as `{"user_credentials": "…"}`.

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
        subject: str = ">",
        start: str = "latest",
        patience_s: float = 60.0,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._start = checked_start(start)
        self._nats, self._api = client("nats", "nats"), client("nats.js.api", "nats")
        self._servers = plain_text("url", url).split(",")
        self._stream, self._subject = plain_text("stream", stream), plain_text("subject", subject)
        self._patience = Patience(patience_s)
        self._options = {"connect_timeout": _CONNECT_S, "error_cb": _quiet, **(options or {})}
        self._name = f"nats:{stream}/{subject}"
        self._loop = asyncio.new_event_loop()
        self._connection: Any = None
        self._subscription: Any = None
        self._delivered = 0  # messages by this subscription, as the server counts them
        self._next = 0
        self._lag: int | None = None
        self._heard = 0.0

    def seek(self, positions: Mapping[str, int]) -> Mapping[str, int]:
        """Begin after the messages that the data set has."""
        try:
            self._next = self._await(self._first(positions.get(self._name)))
        except (self._nats.errors.Error, OSError) as error:
            raise self._broken(error) from error
        return {self._name: self._next}

    def poll(self, most: int, timeout_s: float) -> Batch | None:
        """The next messages; None while the server is away."""
        try:
            messages = self._await(self._messages(min(most, _MOST_MESSAGES), timeout_s))
        except (self._nats.errors.Error, OSError) as error:
            if not self._patience.lasts():
                raise self._broken(error) from error
            self._subscription = None
            time.sleep(min(timeout_s, _PAUSE_S))
            return None
        self._patience.renew()
        return self._batch(messages) if messages else None

    def lag(self) -> int | None:
        """Messages after the position, as of the last one that came."""
        return self._lag

    def close(self) -> None:
        """Leave the server."""
        if not self._loop.is_closed():
            if self._connection is not None:
                self._await(self._connection.close())
            self._loop.close()

    def _await(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run_until_complete(work)

    async def _first(self, found: int | None) -> int:
        self._connection = await self._nats.connect(
            self._servers, allow_reconnect=True, max_reconnect_attempts=1, **self._options
        )
        self._connection.options["max_reconnect_attempts"] = -1  # once it was there
        state = (await self._connection.jetstream().stream_info(self._stream)).state
        if found is not None and found > state.last_seq + 1:
            msg = f"{self._name}: message {found} is to be read next, but the stream ends at {state.last_seq}"
            raise SourceError(f"{msg}; a stream that was made anew needs another data set")
        if found is not None:
            return found
        return int(state.last_seq + 1 if self._start == "latest" else max(1, state.first_seq))

    async def _messages(self, most: int, timeout_s: float) -> list[Any]:
        if self._subscription is None:
            await self._subscribe()
        try:
            messages = await self._subscription.fetch(most, timeout=max(timeout_s, 0.01))
        except self._nats.errors.TimeoutError:
            if time.monotonic() - self._heard > _SILENCE_S:
                await self._subscription.consumer_info()  # raises where the server has forgotten it
                self._heard = time.monotonic()
            return []
        self._heard = time.monotonic()
        return self._unbroken(messages)

    async def _subscribe(self) -> None:
        config = self._api.ConsumerConfig(
            deliver_policy=self._api.DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=max(1, self._next),
            ack_policy=self._api.AckPolicy.NONE,
            inactive_threshold=_FORGET_S,
            mem_storage=True,
        )
        stream = self._connection.jetstream()
        self._subscription = await stream.pull_subscribe(self._subject, stream=self._stream, config=config)
        self._delivered, self._heard = 0, time.monotonic()

    def _unbroken(self, messages: list[Any]) -> list[Any]:
        """Messages up to the first one before which one was delivered that did not arrive; those come again."""
        for number, message in enumerate(messages):
            if message.metadata.sequence.consumer != self._delivered + 1:
                self._subscription = None
                return messages[:number]
            self._delivered += 1
        return messages

    def _batch(self, messages: list[Any]) -> Batch:
        sequences = [message.metadata.sequence.stream for message in messages]
        self._next = sequences[-1] + 1
        self._lag = messages[-1].metadata.num_pending
        return Batch(
            [message.data for message in messages],
            len(messages),
            {self._name: self._next},
            lambda number: (self._name, sequences[number]),
        )

    def _broken(self, error: Exception) -> SourceError:
        said = error if str(error) else type(error).__name__
        return SourceError(f"nats: {','.join(self._servers)}, stream {self._stream!r}: {said}")


async def _quiet(_: Exception) -> None:
    """What the client tells of, the next request finds out."""
