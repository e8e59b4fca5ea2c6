"""Brokers for tests: the Kafka mock of librdkafka in this process, and servers of Redis, NATS and AWS."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from contextlib import contextmanager

import pytest


@contextmanager
def kafka():
    """The address of a cluster with the lifetime of its producer; it drops data beyond 5 MB per partition."""
    confluent = pytest.importorskip("confluent_kafka")
    settings = {"bootstrap.servers": "mock:1", "test.mock.num.brokers": 1, "log_level": 0}
    host = confluent.Producer(settings)
    brokers = host.list_topics(timeout=10).brokers.values()
    yield ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
    host.flush(1)


def fill(servers, topic, messages, *, partitions=4, first=0, **options):
    """Send messages to the partitions of a topic in turn; each is a value or (value, key, headers)."""
    import confluent_kafka

    producer = confluent_kafka.Producer({"bootstrap.servers": servers, "log_level": 0, **options})
    producer.list_topics(topic, timeout=10)  # creates the topic
    for number, message in enumerate(messages, first):
        value, key, headers = message if isinstance(message, tuple) else (message, None, None)
        producer.produce(topic, value, key, partition=number % partitions, headers=headers)
        producer.poll(0)
    assert producer.flush(30) == 0
    consumer = confluent_kafka.Consumer({"bootstrap.servers": servers, "group.id": "check", "log_level": 0})
    for partition in range(partitions):
        low, _ = consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, partition), timeout=10)
        assert low == 0, "the mock dropped messages"
    consumer.close()


class Server:
    """A server process that can be killed and restarted with the same port and files."""

    def __init__(self, command, folder, port, is_up):
        self.command, self.folder, self.port, self.is_up = command, folder, port, is_up
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            self.command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        until = time.monotonic() + 20
        while not self.is_up():
            assert self.process.poll() is None, f"{self.command[0]} ended"
            assert time.monotonic() < until, f"{self.command[0]} does not answer"
            time.sleep(0.01)

    def kill(self):
        self.process.kill()
        self.process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def redis(folder):
    """A Redis server that writes each entry to disk before it answers."""
    client = pytest.importorskip("redis")
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--appendonly", "yes", "--appendfsync", "always"]

    def is_up():
        try:
            with client.Redis(port=port) as connection:
                return connection.ping()
        except client.RedisError:
            return False

    server = Server([*command, "--save", ""], folder, port, is_up)
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def nats(folder):
    """A NATS server with JetStream and file storage."""
    pytest.importorskip("nats")
    scripts = sysconfig.get_path("scripts")
    program = shutil.which("nats-server", path=os.pathsep.join([scripts, os.environ["PATH"]]))
    if program is None:
        pytest.skip("nats-server is not installed")
    port = free_port()

    def is_up():
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                return b"INFO" in connection.recv(100)
        except OSError:
            return False

    command = [program, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder)]
    server = Server(command, folder, port, is_up)
    try:
        yield server
    finally:
        server.kill()


def publish(port, stream, messages, subject="events.a"):
    """Send messages to a stream; creates a missing stream."""
    import nats as client

    async def send():
        connection = await client.connect(f"nats://127.0.0.1:{port}")
        jetstream = connection.jetstream()
        await jetstream.add_stream(name=stream, subjects=[f"{stream}.>"])
        for message in messages:
            await jetstream.publish(f"{stream}.{subject}", message)
        await connection.close()

    asyncio.run(send())


@contextmanager
def aws(folder):
    """The server of moto; yields the options for boto3."""
    pytest.importorskip("moto.server", reason="moto[server] is not installed")
    pytest.importorskip("boto3")
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]

    def is_up():
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    server = Server(command, folder, port, is_up)
    try:
        yield {
            "endpoint_url": f"http://127.0.0.1:{port}",
            "region_name": "eu-west-1",
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
        }
    finally:
        server.kill()
