"""`KafkaSource`: partitions of a topic from positions of the data set's own, each record exactly once.

The positions lie in the checkpoints beside the windows, not in the broker, and say which record of a partition is next.
Partitions are given to consumers by their number, so that no two of them ever read the same one.
"""

from __future__ import annotations

import json
import logging
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from polarsprof.errors import DataWarning, SourceError, argument_error, plain_text
from polarsprof.ingest.records import RejectedRow
from polarsprof.sources.extras import checked_share, client
from polarsprof.sources.protocol import Batch, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

_LOG: Final = logging.getLogger("polarsprof.kafka")
_LOG.addHandler(logging.NullHandler())  # else what the client says went to standard error
_FIELDS: Final = ("key", "headers", "timestamp", "partition", "offset")
_FORMATS: Final = ("json", "raw")
_BATCH_BYTES: Final = 16 << 20
_MOST_MESSAGES: Final = 32_768
_CONNECT_S: Final = 15.0
_SETTINGS: Final[Mapping[str, object]] = {
    "group.id": "polarsprof",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "earliest",  # where the next record was deleted while the source reads
}


class KafkaSource(Source):
    """The records of a topic.

    Parameters
    ----------
    servers
        Addresses of brokers, "host:port,host:port".
    topic
        The topic.
    start
        Where to begin in partitions that were never read into the data set: "latest" (records from now on), "earliest",
        or partition → offset.
    share
        (number, of): read only those partitions whose number leaves `number` when divided by `of`. Each of `of`
        consumers of one data set takes another number from 0 on.
    format
        "json": the value is a JSON object. "raw": the value is one column of bytes. Or a function that makes a
        record, a mapping, of the bytes; what it raises makes a dead letter.
    fields
        What else of the message becomes columns `kafka.…`: any of "key" (text), "headers", "timestamp" (the broker's or
        producer's, milliseconds), "partition", "offset".
    group
        A consumer group whose offsets are set to what is durable, for tools that show how far consumers are; they are
        never read.
    settings
        Further settings of librdkafka, such as `{"security.protocol": "SASL_SSL"}`.

    Raises
    ------
    ArgumentError
        For an argument that does not fit.
    SourceError
        Where confluent-kafka is not installed, or takes a setting for wrong.
    """

    def __init__(
        self,
        servers: str,
        topic: str,
        *,
        start: str | Mapping[int, int] = "latest",
        share: tuple[int, int] = (0, 1),
        format: str | Callable[[bytes], Mapping[str, Any]] = "json",  # noqa: A002 - what users call it
        fields: Collection[str] = (),
        group: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._servers = plain_text("servers", servers)
        self._topic = plain_text("topic", topic)
        self._start = _checked_start(start)
        self._share = checked_share(share)
        self._encoded = _encoder(format, fields)
        self._group = group
        self._error: str | None = None
        self._trouble = ""
        self._average_bytes = 256.0
        self._next: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self._kafka = client("confluent_kafka", "kafka")
        given = {"bootstrap.servers": servers, "error_cb": self._heard, **({"group.id": group} if group else {})}
        try:
            self._consumer = self._kafka.Consumer({**_SETTINGS, **given, **(settings or {})}, logger=_LOG)
        except (self._kafka.KafkaException, TypeError, ValueError) as error:
            raise SourceError(f"kafka: {_text(error)}") from error

    def seek(self, positions: Mapping[str, int]) -> Mapping[str, int]:
        """Take the partitions of this share, each from its position."""
        for partition in self._partitions():
            low, high = self._bounds(partition)
            found = positions.get(self._name(partition))
            self._next[partition] = self._first(partition, low, high) if found is None else found
            self._check_there(partition, low, high)
            self._ends[partition] = high
        self._consumer.assign([self._at(partition, offset) for partition, offset in self._next.items()])
        return {self._name(partition): offset for partition, offset in self._next.items()}

    def poll(self, most: int, timeout_s: float) -> Batch | None:
        """The next messages of all partitions, about 16 MiB of them at the most."""
        wanted = max(1, min(most, _MOST_MESSAGES, int(_BATCH_BYTES / self._average_bytes)))
        came = self._consumer.consume(wanted, timeout_s)
        messages = [message for message in came if message.error() is None]
        if len(messages) < len(came):
            self._hear_of(message.error() for message in came)
        if self._error is not None:
            raise SourceError(f"kafka: {self._servers}, topic {self._topic!r}: {self._error}")
        return self._batch(messages) if messages else None

    def _batch(self, messages: list[Any]) -> Batch:
        partitions = [message.partition() for message in messages]
        offsets = [message.offset() for message in messages]
        values = [message.value() for message in messages]
        self._average_bytes = max(1.0, sum(map(len, filter(None, values))) / len(values))
        latest = dict(zip(partitions, offsets, strict=True))  # within a partition they rise
        self._next.update((partition, offset + 1) for partition, offset in latest.items())
        return Batch(
            self._encoded(messages, values),
            len(messages),
            {self._name(partition): offset + 1 for partition, offset in latest.items()},
            lambda number: (self._name(partitions[number]), offsets[number]),
            values.__getitem__,
        )

    def acknowledge(self, batches: Sequence[Batch]) -> None:
        """Set the offsets of the group, if there is one."""
        if self._group is None:
            return
        latest = {name: position for batch in batches for name, position in batch.positions.items()}
        offsets = [
            self._at(partition, latest[self._name(partition)])
            for partition in self._next
            if self._name(partition) in latest
        ]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except self._kafka.KafkaException as error:
            warnings.warn(f"kafka: offsets of group {self._group!r}: {_text(error)}", DataWarning, stacklevel=2)

    def lag(self) -> int:
        """Records after the positions, as far as the client knows the ends of the partitions."""
        for partition in self._ends:
            _, end = self._consumer.get_watermark_offsets(self._at(partition), cached=True)
            self._ends[partition] = max(self._ends[partition], end)
        return sum(max(0, self._ends[partition] - offset) for partition, offset in self._next.items())

    def close(self) -> None:
        """Leave the brokers."""
        self._consumer.close()

    def _partitions(self) -> list[int]:
        number, of = self._share
        try:
            found = self._consumer.list_topics(self._topic, timeout=_CONNECT_S).topics[self._topic]
        except self._kafka.KafkaException as error:
            raise self._unreachable(error) from error
        if found.error is not None or not found.partitions:
            raise SourceError(f"kafka: topic {self._topic!r}: {found.error.str() if found.error else 'no partitions'}")
        return sorted(partition for partition in found.partitions if partition % of == number)

    def _bounds(self, partition: int) -> tuple[int, int]:
        try:
            low, high = self._consumer.get_watermark_offsets(self._at(partition), timeout=_CONNECT_S)
        except self._kafka.KafkaException as error:
            raise self._unreachable(error) from error
        return low, high

    def _unreachable(self, error: Exception) -> SourceError:
        self._consumer.poll(0)  # so that `_heard` hears why
        trouble = self._error or self._trouble
        return SourceError(f"kafka: {self._servers}: {_text(error)}{f' ({trouble})' if trouble else ''}")

    def _first(self, partition: int, low: int, high: int) -> int:
        if isinstance(self._start, str):
            return low if self._start == "earliest" else high
        return self._start.get(partition, low)

    def _check_there(self, partition: int, low: int, high: int) -> None:
        """Go on with the oldest record where the next one was deleted; refuse to where it never was."""
        offset = self._next[partition]
        if offset > high:
            msg = (
                f"kafka: {self._name(partition)}: offset {offset} is to be read next, but the partition ends at {high}"
            )
            raise SourceError(f"{msg}; a topic that was made anew needs another data set")
        if offset < low:
            self._next[partition] = low
            text = f"{self._name(partition)}: {low - offset} records were deleted before they were read"
            warnings.warn(text, DataWarning, stacklevel=2)

    def _hear_of(self, errors: Iterable[Any]) -> None:
        for error in errors:
            if error is not None and error.code() != self._kafka.KafkaError._PARTITION_EOF:  # noqa: SLF001 - its name
                self._heard(error)

    def _heard(self, error: Any) -> None:
        """What librdkafka tells: it tries again by itself, but where that can be of no use."""
        self._trouble = error.str()
        codes = self._kafka.KafkaError
        hopeless = (codes._AUTHENTICATION, codes.TOPIC_AUTHORIZATION_FAILED, codes.UNKNOWN_TOPIC_OR_PART)  # noqa: SLF001
        if error.fatal() or error.code() in (*hopeless, codes._UNKNOWN_TOPIC, codes._UNKNOWN_PARTITION):  # noqa: SLF001
            self._error = error.str()

    def _at(self, partition: int, offset: int | None = None) -> Any:
        return self._kafka.TopicPartition(self._topic, partition, *(() if offset is None else (offset,)))

    def _name(self, partition: int) -> str:
        return f"kafka:{self._topic}/{partition}"


def _text(error: Exception) -> str:
    """What a KafkaException says, without its numbers."""
    inner = error.args[0] if error.args else error
    return str(inner.str()) if hasattr(inner, "str") else str(inner)


def _checked_start(start: Any) -> str | Mapping[int, int]:
    if start in ("latest", "earliest") or (
        isinstance(start, dict) and all(type(part) is int and type(at) is int and at >= 0 for part, at in start.items())
    ):
        return start  # type: ignore[no-any-return]
    raise argument_error("start", start, '"latest", "earliest" or a mapping of partitions to offsets')


def _encoder(
    format: str | Callable[[bytes], Mapping[str, Any]],  # noqa: A002 - as above
    fields: Collection[str],
) -> Callable[[list[Any], list[bytes | None]], list[Any]]:
    """A function of messages and their values: what `Batch.data` has of them."""
    if not callable(format) and format not in _FORMATS:
        raise argument_error("format", format, f"one of {', '.join(_FORMATS)}, or a function of bytes")
    for name in [fields] if isinstance(fields, str) else fields:
        if name not in _FIELDS:
            raise argument_error("fields", name, f"some of {', '.join(_FIELDS)}")
    if format == "json":
        return lambda messages, values: list(map(partial(_spliced, fields), messages, values)) if fields else values
    decode = _raw if format == "raw" else format
    return lambda messages, values: list(map(partial(_decoded, fields, decode), messages, values))


def _spliced(fields: Collection[str], message: Any, value: bytes | None) -> bytes | None:
    """The JSON object with one more key in front; what is no object stays as it is."""
    start = value.lstrip() if value else b""
    if not start.startswith(b"{"):
        return value
    comma = b"" if start[1:].lstrip().startswith(b"}") else b","
    return b'{"kafka": ' + json.dumps(_facts(message, fields)).encode() + comma + start[1:]


def _raw(value: bytes) -> dict[str, bytes]:
    return {"value": value}


def _decoded(fields: Collection[str], decode: Any, message: Any, value: bytes | None) -> Any:
    if value is None:
        return None
    try:
        record = decode(value)
        return {**record, "kafka": _facts(message, fields)} if fields else record
    except Exception as error:  # noqa: BLE001 - what is wrong with one message stops no stream
        return RejectedRow(f"cannot be decoded: {type(error).__name__}")


def _facts(message: Any, fields: Collection[str]) -> dict[str, Any]:
    return {name: _FACTS[name](message) for name in fields}


def _said(value: bytes | str | None) -> str | None:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


_FACTS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "key": lambda message: _said(message.key()),
    "headers": lambda message: {name: _said(value) for name, value in message.headers() or ()},
    "timestamp": lambda message: message.timestamp()[1] if message.timestamp()[0] else None,
    "partition": lambda message: message.partition(),
    "offset": lambda message: message.offset(),
}
