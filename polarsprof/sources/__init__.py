"""Streams from elsewhere, for `Session.run`; each needs the extra that its error names, and imports it when it is made.

A source of your own is a `Source` with a `poll` that returns a `Batch`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from polarsprof._lazy import attribute
from polarsprof.sources.protocol import Batch, DeadLetter, Source

if TYPE_CHECKING:
    from polarsprof.sources.files import FilesSource, TailSource
    from polarsprof.sources.formats import avro, protobuf
    from polarsprof.sources.iterables import IterableSource, LinesSource
    from polarsprof.sources.kafka import KafkaSource
    from polarsprof.sources.kinesis import KinesisSource
    from polarsprof.sources.nats import NatsSource
    from polarsprof.sources.redis import RedisSource
    from polarsprof.sources.sqs import SqsSource

__all__ = [
    "Batch",
    "DeadLetter",
    "FilesSource",
    "IterableSource",
    "KafkaSource",
    "KinesisSource",
    "LinesSource",
    "NatsSource",
    "RedisSource",
    "Source",
    "SqsSource",
    "TailSource",
    "avro",
    "protobuf",
]

_HOMES: Final = {
    "FilesSource": "files",
    "IterableSource": "iterables",
    "KafkaSource": "kafka",
    "KinesisSource": "kinesis",
    "LinesSource": "iterables",
    "NatsSource": "nats",
    "RedisSource": "redis",
    "SqsSource": "sqs",
    "TailSource": "files",
    "avro": "formats",
    "protobuf": "formats",
}


def __getattr__(name: str) -> Any:
    return attribute(__name__, _HOMES, name)
