"""`KafkaSource`: partitions of a topic, each record exactly once.

The position of a partition is the offset of its next record. Positions are in the checkpoints of the data set, not in
the broker. Consumers share partitions by number, so that no two of them read the same one.
"""

from __future__ import annotations

import json
import logging
import warnings
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, Self, TypeAlias

from polarsprof.errors import DataWarning, SourceError, argument_error, plain_text
from polarsprof.ingest.records import RejectedRow
from polarsprof.sources.extras import checked_share, client, parse_share
from polarsprof.sources.protocol import Batch, Source

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from polarsprof.sources.addresses import Address
    from polarsprof.sources.formats import Decode

    Encode: TypeAlias = Callable[[list["_Message"], list[bytes | None]], Sequence[object]]

_LOG: Final = logging.getLogger("polarsprof.kafka")
_LOG.addHandler(logging.NullHandler())  # without a handler, messages of the client go to standard error
_FIELDS: Final = ("key", "headers", "timestamp", "partition", "offset")
_FORMATS: Final = ("json", "raw")
_BATCH_BYTES: Final = 16 << 20
_MAX_MESSAGES: Final = 32_768
_CONNECT_S: Final = 15.0
_SETTINGS: Final[Mapping[str, object]] = {
    "group.id": "polarsprof",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "earliest",  # if the next record is deleted while the source reads
}


class _Error(Protocol):
    """An error of librdkafka."""

    def code(self) -> int: ...

    def fatal(self) -> bool: ...

    def str(self) -> builtins.str: ...


class _Message(Protocol):
    """A message of confluent-kafka."""

    def error(self) -> _Error | None: ...

    def partition(self) -> int: ...

    def offset(self) -> int: ...

    def key(self) -> bytes | str | None: ...

    def value(self) -> bytes | None: ...

    def headers(self) -> Iterable[tuple[str, bytes | str | None]] | None: ...

    def timestamp(self) -> tuple[int, int]: ...


class KafkaSource(Source):
    """The records of a topic.

    Parameters
    ----------
    servers
        Addresses of brokers, "host:port,host:port".
    topic
        Name of the topic.
    start
        First record of partitions without a position in the data set: "latest" (only new records), "earliest", or
        partition → offset.
    share
        (number, of): read the partitions whose number modulo `of` is `number`. The `of` consumers of one data set have
        the numbers from 0 to `of` - 1.
    format
        "json": the value is a JSON object. "raw": the value is one column of bytes. Or a function from bytes to a
        record (a mapping); an exception of it makes the message a dead letter.
    fields
        Further columns `kafka.…`: any of "key" (text), "headers", "timestamp" (of broker or producer, in milliseconds),
        "partition", "offset".
    group
        A consumer group to which durable offsets are committed, for monitoring tools; the offsets are never read.
    settings
        Further settings of librdkafka, such as `{"security.protocol": "SASL_SSL"}`.

    Raises
    ------
    ArgumentError
        If an argument does not fit.
    SourceError
        If confluent-kafka is not installed or refuses a setting.
    """

    def __init__(
        self,
        servers: str,
        topic: str,
        *,
        start: str | Mapping[int, int] = "latest",
        share: tuple[int, int] = (0, 1),
        format: str | Decode = "json",  # noqa: A002 - the name that users expect
        fields: Collection[str] = (),
        group: str | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        self._servers = plain_text("servers", servers)
        self._topic = plain_text("topic", topic)
        self._start = _checked_start(start)
        self._share = checked_share(share)
        self._encode = _encoder(format, fields)
        self._group = group
        self._fatal_error: str | None = None
        self._latest_error = ""
        self._average_bytes = 256.0
        self._next: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self._kafka = client("confluent_kafka", "kafka")
        own = {"bootstrap.servers": servers, "error_cb": self._on_error, **({"group.id": group} if group else {})}
        try:
            self._consumer = self._kafka.Consumer({**_SETTINGS, **own, **(settings or {})}, logger=_LOG)
        except (self._kafka.KafkaException, TypeError, ValueError) as error:
            raise SourceError(f"kafka: {_text(error)}") from error

    @classmethod
    def from_address(cls, address: Address) -> Self:
        """The source of kafka://HOST:PORT/TOPIC; other options go to librdkafka."""
        address.check("kafka://HOST:PORT/TOPIC")
        options = dict(address.options)
        fields = options.pop("fields", "")
        return cls(
            address.server,
            address.name,
            start=address.start,
            share=parse_share(options.pop("share", "0/1")),
            format=options.pop("format", "json"),
            fields=fields.split(",") if fields else (),
            group=options.pop("group", None),
            settings=options,
        )

    def seek(self, positions: Mapping[str, int]) -> Mapping[str, int]:
        """Start each partition of the share at its position."""
        for partition in self._partitions():
            low, high = self._bounds(partition)
            position = positions.get(self._name(partition))
            self._next[partition] = self._first(partition, low, high) if position is None else position
            self._check_bounds(partition, low, high)
            self._ends[partition] = high
        self._consumer.assign([self._topic_partition(partition, offset) for partition, offset in self._next.items()])
        return {self._name(partition): offset for partition, offset in self._next.items()}

    def poll(self, max_records: int, timeout_s: float) -> Batch | None:
        """The next messages of all partitions, up to about 16 MiB."""
        number = max(1, min(max_records, _MAX_MESSAGES, int(_BATCH_BYTES / self._average_bytes)))
        received: list[_Message] = self._consumer.consume(number, timeout_s)
        messages = [message for message in received if message.error() is None]
        if len(messages) < len(received):
            self._note_errors(message.error() for message in received)
        if self._fatal_error is not None:
            raise SourceError(f"kafka: {self._servers}, topic {self._topic!r}: {self._fatal_error}")
        return self._batch(messages) if messages else None

    def _batch(self, messages: list[_Message]) -> Batch:
        partitions = [message.partition() for message in messages]
        offsets = [message.offset() for message in messages]
        values = [message.value() for message in messages]
        self._average_bytes = max(1.0, sum(map(len, filter(None, values))) / len(values))
        latest = dict(zip(partitions, offsets, strict=True))  # offsets rise within a partition
        self._next.update((partition, offset + 1) for partition, offset in latest.items())
        return Batch(
            self._encode(messages, values),
            len(messages),
            {self._name(partition): offset + 1 for partition, offset in latest.items()},
            lambda number: (self._name(partitions[number]), offsets[number]),
            values.__getitem__,
        )

    def acknowledge(self, batches: Sequence[Batch]) -> None:
        """Commit the offsets of the group, if there is one."""
        if self._group is None:
            return
        latest = {name: position for batch in batches for name, position in batch.positions.items()}
        offsets = [
            self._topic_partition(partition, latest[self._name(partition)])
            for partition in self._next
            if self._name(partition) in latest
        ]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except self._kafka.KafkaException as error:
            warnings.warn(f"kafka: offsets of group {self._group!r}: {_text(error)}", DataWarning, stacklevel=2)

    def lag(self) -> int:
        """Number of records from the positions to the ends that the client knows."""
        for partition in self._ends:
            _, end = self._consumer.get_watermark_offsets(self._topic_partition(partition), cached=True)
            self._ends[partition] = max(self._ends[partition], end)
        return sum(max(0, self._ends[partition] - offset) for partition, offset in self._next.items())

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()

    def _partitions(self) -> list[int]:
        number, of = self._share
        try:
            topic = self._consumer.list_topics(self._topic, timeout=_CONNECT_S).topics[self._topic]
        except self._kafka.KafkaException as error:
            raise self._unreachable(error) from error
        if topic.error is not None or not topic.partitions:
            raise SourceError(f"kafka: topic {self._topic!r}: {topic.error.str() if topic.error else 'no partitions'}")
        return sorted(partition for partition in topic.partitions if partition % of == number)

    def _bounds(self, partition: int) -> tuple[int, int]:
        try:
            low, high = self._consumer.get_watermark_offsets(self._topic_partition(partition), timeout=_CONNECT_S)
        except self._kafka.KafkaException as error:
            raise self._unreachable(error) from error
        return low, high

    def _unreachable(self, error: Exception) -> SourceError:
        self._consumer.poll(0)  # calls `_on_error` with the reason
        reason = self._fatal_error or self._latest_error
        return SourceError(f"kafka: {self._servers}: {_text(error)}{f' ({reason})' if reason else ''}")

    def _first(self, partition: int, low: int, high: int) -> int:
        if isinstance(self._start, str):
            return low if self._start == "earliest" else high
        return self._start.get(partition, low)

    def _check_bounds(self, partition: int, low: int, high: int) -> None:
        """Skip deleted records with a warning; refuse an offset beyond the end."""
        offset = self._next[partition]
        if offset > high:
            msg = f"kafka: {self._name(partition)}: offset {offset} is next, but the partition ends at {high}"
            raise SourceError(f"{msg}; a topic that was recreated needs another data set")
        if offset < low:
            self._next[partition] = low
            text = f"{self._name(partition)}: {low - offset} records were deleted before they were read"
            warnings.warn(text, DataWarning, stacklevel=2)

    def _note_errors(self, errors: Iterable[_Error | None]) -> None:
        for error in errors:
            if error is not None and error.code() != self._kafka.KafkaError._PARTITION_EOF:  # noqa: SLF001 - its name
                self._on_error(error)

    def _on_error(self, error: _Error) -> None:
        """Note an error of librdkafka, which retries by itself unless a retry cannot help."""
        self._latest_error = error.str()
        codes = self._kafka.KafkaError
        permanent = (codes._AUTHENTICATION, codes.TOPIC_AUTHORIZATION_FAILED, codes.UNKNOWN_TOPIC_OR_PART)  # noqa: SLF001
        if error.fatal() or error.code() in (*permanent, codes._UNKNOWN_TOPIC, codes._UNKNOWN_PARTITION):  # noqa: SLF001
            self._fatal_error = self._latest_error

    def _topic_partition(self, partition: int, offset: int | None = None) -> object:
        return self._kafka.TopicPartition(self._topic, partition, *(() if offset is None else (offset,)))

    def _name(self, partition: int) -> str:
        return f"kafka:{self._topic}/{partition}"


def _text(error: Exception) -> str:
    """The text of a KafkaException, without code and name."""
    inner = error.args[0] if error.args else error
    return str(inner.str()) if hasattr(inner, "str") else str(inner)


def _checked_start(start: str | Mapping[int, int]) -> str | Mapping[int, int]:
    if start in ("latest", "earliest") or (
        isinstance(start, dict) and all(type(part) is int and type(at) is int and at >= 0 for part, at in start.items())
    ):
        return start
    raise argument_error("start", start, '"latest", "earliest" or a mapping of partitions to offsets')


def _encoder(format: str | Decode, fields: Collection[str]) -> Encode:  # noqa: A002 - as above
    """A function from messages and their values to `Batch.data`."""
    if not callable(format) and format not in _FORMATS:
        raise argument_error("format", format, f"one of {', '.join(_FORMATS)}, or a function of bytes")
    for name in [fields] if isinstance(fields, str) else fields:
        if name not in _FIELDS:
            raise argument_error("fields", name, f"some of {', '.join(_FIELDS)}")
    if format == "json":
        return lambda messages, values: list(map(partial(_add_facts, fields), messages, values)) if fields else values
    decode = format if callable(format) else _raw
    return lambda messages, values: list(map(partial(_decode, fields, decode), messages, values))


def _add_facts(fields: Collection[str], message: _Message, value: bytes | None) -> bytes | None:
    """The JSON object with the key "kafka" in front; other values are unchanged."""
    start = value.lstrip() if value else b""
    if not start.startswith(b"{"):
        return value
    comma = b"" if start[1:].lstrip().startswith(b"}") else b","
    return b'{"kafka": ' + json.dumps(_facts(message, fields)).encode() + comma + start[1:]


def _raw(value: bytes) -> dict[str, bytes]:
    return {"value": value}


def _decode(fields: Collection[str], decode: Decode, message: _Message, value: bytes | None) -> object:
    if value is None:
        return None
    try:
        record = decode(value)
        return {**record, "kafka": _facts(message, fields)} if fields else record
    except Exception as error:  # noqa: BLE001 - one bad message must not stop the stream
        return RejectedRow(f"cannot be decoded: {type(error).__name__}")


def _facts(message: _Message, fields: Collection[str]) -> dict[str, object]:
    return {name: _FACTS[name](message) for name in fields}


def _to_text(value: bytes | str | None) -> str | None:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


_FACTS: Final[Mapping[str, Callable[[_Message], object]]] = {
    "key": lambda message: _to_text(message.key()),
    "headers": lambda message: {name: _to_text(value) for name, value in message.headers() or ()},
    "timestamp": lambda message: message.timestamp()[1] if message.timestamp()[0] else None,
    "partition": lambda message: message.partition(),
    "offset": lambda message: message.offset(),
}
