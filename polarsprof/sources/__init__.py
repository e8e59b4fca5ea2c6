"""Sources for `Session.run`; each imports its client when it is created.

A missing client raises a `SourceError` that names the extra to install. A source of your own is a subclass of `Source`
whose `poll` returns a `Batch`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from polarsprof._lazy import attribute
from polarsprof.sources.protocol import Batch, DeadLetter, Source

if TYPE_CHECKING:
    from polarsprof.sources.files import FilesSource as FilesSource
    from polarsprof.sources.files import TailSource as TailSource
    from polarsprof.sources.formats import avro as avro
    from polarsprof.sources.formats import protobuf as protobuf
    from polarsprof.sources.iterables import IterableSource as IterableSource
    from polarsprof.sources.iterables import LinesSource as LinesSource
    from polarsprof.sources.kafka import KafkaSource as KafkaSource
    from polarsprof.sources.kinesis import KinesisSource as KinesisSource
    from polarsprof.sources.nats import NatsSource as NatsSource
    from polarsprof.sources.redis import RedisSource as RedisSource
    from polarsprof.sources.sqs import SqsSource as SqsSource

# Public name → its module, imported when the name is first used.
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

__all__ = ["Batch", "DeadLetter", "Source", *_HOMES]  # noqa: PLE0604 - the keys are strings


def __getattr__(name: str) -> Any:
    return attribute(__name__, _HOMES, name)
