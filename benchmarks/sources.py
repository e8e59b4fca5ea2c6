"""Topics and streams end to end, against their clients and json.loads."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from functools import partial
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import polarsprof as pp
from benchmarks import data
from benchmarks.measure import Line, Setup, Skip, paired

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from polarsprof.sources import Source

_PARTITIONS: Final = 4
_MAX_MESSAGES: Final = 60_000  # the mock of Kafka drops messages beyond 5 MB per partition


def throughput(setup: Setup) -> Iterator[Line]:
    """Time of `Session.run` against a loop of the client that decodes each message."""
    messages = [json.dumps(entry).encode() for entry in data.records(min(_MAX_MESSAGES, max(1_000, setup.rows // 20)))]
    for name, opened in {"KafkaSource": _kafka, "RedisSource": _redis}.items():
        against = "client and json.loads"
        what = f"{name}, {len(messages):,} messages of 10 fields"
        try:
            with opened(messages) as (factory, theirs):
                line = paired(partial(_run, factory, len(messages)), theirs, setup)
        except Skip as reason:
            yield Line(suite="sources", what=what, against=against, skipped=str(reason))
            continue
        yield line.line("sources", what, against, budget=1.5, goal=1.0)
        speed = len(messages) / (sorted(line.ours)[len(line.ours) // 2] / 1e3)
        yield Line(suite="sources", what=f"{name}, messages of 10 fields per second", unit="", ours=speed)


def _run(factory: Callable[[], Source], messages: int) -> None:
    with TemporaryDirectory() as folder, pp.Session(folder) as session:
        counters = session.run(factory(), max_records=messages)
    assert counters["rows_profiled"] == messages


@contextmanager
def _kafka(messages: list[bytes]) -> Iterator[tuple[Callable[[], Source], Callable[[], None]]]:
    try:
        import confluent_kafka as kafka
    except ModuleNotFoundError:
        raise Skip("confluent-kafka is not installed") from None
    from polarsprof.sources import KafkaSource

    host = kafka.Producer({"bootstrap.servers": "mock:1", "test.mock.num.brokers": 1, "log_level": 0})
    servers = ",".join(f"{broker.host}:{broker.port}" for broker in host.list_topics(timeout=10).brokers.values())
    producer = kafka.Producer({"bootstrap.servers": servers, "compression.type": "lz4", "log_level": 0})
    producer.list_topics("bench", timeout=10)
    for number, message in enumerate(messages):
        producer.produce("bench", message, partition=number % _PARTITIONS)
        producer.poll(0)
    producer.flush(30)

    def consume() -> None:
        consumer = kafka.Consumer({"bootstrap.servers": servers, "group.id": "bench", "log_level": 0})
        consumer.assign([kafka.TopicPartition("bench", number, 0) for number in range(_PARTITIONS)])
        read = 0
        while read < len(messages):
            for message in consumer.consume(10_000, 0.1):
                json.loads(message.value() or b"")
                read += 1
        consumer.close()

    yield lambda: KafkaSource(servers, "bench", start="earliest"), consume
    host.flush(1)


@contextmanager
def _redis(messages: list[bytes]) -> Iterator[tuple[Callable[[], Source], Callable[[], None]]]:
    program = shutil.which("redis-server")
    if program is None:
        raise Skip("redis-server is not installed")
    try:
        import redis
    except ModuleNotFoundError:
        raise Skip("redis is not installed") from None
    from polarsprof.sources import RedisSource

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (
        TemporaryDirectory() as folder,
        subprocess.Popen(
            [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""], cwd=folder, stdout=subprocess.DEVNULL
        ) as server,
    ):
        try:
            connection = redis.Redis(port=port)
            _until_up(connection)
            with connection.pipeline(transaction=False) as pipeline:
                for message in messages:
                    pipeline.xadd("bench", {"data": message})
                pipeline.execute()

            def consume() -> None:
                last, read = b"0", 0
                reader: Any = redis.Redis(port=port, protocol=2)
                while read < len(messages):
                    entries = reader.xread({"bench": last}, 10_000)[0][1]
                    for _, fields in entries:
                        json.loads(fields[b"data"])
                    last, read = entries[-1][0], read + len(entries)
                reader.close()

            yield lambda: RedisSource(f"redis://127.0.0.1:{port}", "bench", start="earliest", field="data"), consume
        finally:
            server.kill()


def _until_up(connection: Any) -> None:
    import redis

    for _ in range(500):
        try:
            connection.ping()
        except redis.RedisError:
            time.sleep(0.01)
        else:
            return
    raise Skip("redis-server does not answer")
