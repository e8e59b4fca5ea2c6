"""Sources with a broker: positions, formats, fields, addresses and clear errors."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from functools import partial

import pytest
from support import brokers

import polarsprof as pp
from polarsprof.cli.stream import StreamOptions, stream
from polarsprof.errors import ArgumentError, DataWarning, SourceError
from polarsprof.sources import KafkaSource, KinesisSource, NatsSource, RedisSource, SqsSource
from polarsprof.sources.kinesis import _Shard as Shard

drain = {"until_idle": "0s"}


@pytest.fixture(scope="module")
def servers():
    with brokers.kafka() as found:
        yield found


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory):
    with brokers.redis(tmp_path_factory.mktemp("redis")) as server:
        yield server.port


@pytest.fixture
def session(tmp_path):
    with pp.Session(tmp_path / "store") as opened:
        yield opened


def numbers(count, start=0):
    return [json.dumps({"n": number}).encode() for number in range(start, start + count)]


def add_entries(port, name, entries):
    redis = pytest.importorskip("redis")
    with redis.Redis(port=port) as connection, connection.pipeline(transaction=False) as pipeline:
        for entry in entries:
            pipeline.xadd(name, entry)
        return pipeline.execute()


# --------------------------------------------------------------------------------------------------------------- Kafka


def test_a_topic_continues_at_the_positions_of_the_data_set(servers, session):
    brokers.fill(servers, "on", numbers(100))
    source = partial(KafkaSource, servers, "on", start="earliest")
    assert session.run(source(), max_records=30, **drain)["lag"] == 70
    assert session.run(source(), max_records=70)["lag"] == 0
    brokers.fill(servers, "on", numbers(10, 100), first=100)
    assert session.run(source(), max_records=10)["lag"] == 0
    assert session.store.read("dataset")["n"].sum == sum(range(110))
    assert session.store.read("dataset").positions == {f"kafka:on/{at}": 28 - at // 2 for at in range(4)}


def test_latest_reads_messages_after_the_first_run(servers, session):
    brokers.fill(servers, "latest", numbers(40))
    assert session.run(KafkaSource(servers, "latest"), **drain)["records_read"] == 0
    brokers.fill(servers, "latest", numbers(5, 40), first=40)
    assert session.run(KafkaSource(servers, "latest"), max_records=5)["lag"] == 0
    assert session.store.read("dataset")["n"].min == 40


def test_start_offsets_and_shares_of_partitions(servers, session):
    brokers.fill(servers, "shares", numbers(100))
    starts = {0: 20, 1: 24}
    counters = session.run(KafkaSource(servers, "shares", start=starts, share=(0, 2)), max_records=5 + 25)
    assert counters["lag"] == 0  # of partitions 0 and 2
    assert session.run(KafkaSource(servers, "shares", start=starts, share=(1, 2)), max_records=26)["lag"] == 0


def test_message_fields_become_columns_and_its_time_can_cut_windows(servers, session):
    messages = [(b' {"n": 1}', "a", {"h": "x"}), (b"{}", None, {"h": b"\xff", "i": None}), (b"[1]", "c", {})]
    messages += [(None, "d", None)] * 2
    brokers.fill(servers, "facts", messages)
    letters = []
    fields = ("key", "headers", "timestamp", "partition", "offset")
    source = KafkaSource(servers, "facts", start="earliest", fields=fields)
    with pytest.warns(DataWarning):
        session.run(
            source, with_rotation_time="1d", timestamp="kafka.timestamp", max_records=5, dead_letters=letters.append
        )
    profile = session.store.read("dataset")
    assert (profile.rows, profile.untimed_rows, profile["n"].sum) == (2, 3, 1)  # untimed are the rejected
    assert abs(profile["kafka.timestamp"].max / 1e3 - datetime.now(UTC).timestamp()) < 3_600
    assert (profile["kafka.key"].max, profile["kafka.headers.h"].min, profile["kafka.partition"].max) == ("a", "x", 1)
    assert sorted((letter.source, letter.position, letter.reason, letter.value) for letter in letters) == [
        ("kafka:facts/0", 1, "message without a value", None),
        ("kafka:facts/2", 0, "not a mapping", b"[1]"),
        ("kafka:facts/3", 0, "message without a value", None),
    ]


def test_other_formats(servers, session):
    def comma(value):
        name, number = value.decode().split(",")
        return {"name": name, "n": int(number)}

    brokers.fill(servers, "formats", [b"a,1", b"b,2", b"junk", b"\xff", None])
    letters = []
    source = KafkaSource(servers, "formats", start="earliest", format=comma, fields=["offset"])
    with pytest.warns(DataWarning):
        session.run(source, dataset_name="own", max_records=5, dead_letters=letters.append)
    kept = session.store.read("own")
    assert (kept.rows, kept["n"].sum, kept["kafka.offset"].sum) == (2, 3, 0)
    assert {letter.value: letter.reason for letter in letters} == {
        b"junk": "cannot be decoded: ValueError",
        b"\xff": "cannot be decoded: UnicodeDecodeError",
        None: "message without a value",
    }
    with pytest.warns(DataWarning):
        session.run(KafkaSource(servers, "formats", start="earliest", format="raw"), dataset_name="raw", max_records=5)
    assert session.store.read("raw")["value"].length.sum == 11


def test_the_offsets_of_a_group_are_durable_ones(servers, session):
    confluent = pytest.importorskip("confluent_kafka")
    brokers.fill(servers, "group", numbers(40))
    session.run(KafkaSource(servers, "group", start="earliest", group="watched"), max_records=40)
    watcher = confluent.Consumer({"bootstrap.servers": servers, "group.id": "watched", "log_level": 0})
    found = watcher.committed([confluent.TopicPartition("group", at) for at in range(4)], timeout=10)
    watcher.close()
    assert [each.offset for each in found] == [10] * 4


def test_large_messages_and_many_bytes(servers, session):
    texts = [json.dumps({"n": at, "text": "x" * (1 << 20) if at < 8 else "x" * 300}).encode() for at in range(3_000)]
    brokers.fill(servers, "large", texts, **{"message.max.bytes": 20 << 20})
    session.run(KafkaSource(servers, "large", start="earliest"), max_records=3_000)
    assert session.store.read("dataset")["n"].sum == sum(range(3_000))
    assert session.store.read("dataset")["text"].length.max == 1 << 20


def test_positions_beyond_the_end_fail_and_deleted_records_are_reported(servers, session):
    brokers.fill(servers, "anew", numbers(8))
    source = KafkaSource(servers, "anew")
    with pytest.raises(SourceError, match=r"kafka:anew/1: offset 50 .* ends at 2; .* another data set"):
        source.seek({"kafka:anew/1": 50})
    with pytest.warns(DataWarning, match="kafka:anew/0: 7 records were deleted"):
        source.seek({"kafka:anew/0": -7})
    source.close()


def test_a_missing_topic_or_setting_fails_at_the_start(servers, session):
    with pytest.raises(SourceError, match=r"topic 'absent': .*Unknown topic"):
        session.run(KafkaSource(servers, "absent"))
    with pytest.raises(SourceError, match="No such configuration property"):
        KafkaSource(servers, "absent", settings={"nonsense": 1})
    assert session.store.datasets() == []


def test_unreachable_brokers_are_named(session, monkeypatch):
    monkeypatch.setattr("polarsprof.sources.kafka._CONNECT_S", 1.0)
    port = brokers.free_port()
    with pytest.raises(SourceError, match=f"kafka: 127.0.0.1:{port}: .*refused"):
        session.run(KafkaSource(f"127.0.0.1:{port}", "t"))


@pytest.mark.parametrize(
    "given",
    [
        {"start": "middle"},
        {"start": {0: -1}},
        {"share": (3, 3)},
        {"share": "1/3"},
        {"format": "avro"},
        {"fields": ["keys"]},
        {"fields": "keys"},
        {"topic": 5},
    ],
)
def test_wrong_arguments_of_a_topic_are_named(given):
    with pytest.raises(ArgumentError, match=next(iter(given))):
        KafkaSource(**{"servers": "localhost:1", "topic": "t", **given})


def test_the_error_for_a_missing_client_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(SourceError, match=r"pip install 'polarsprof\[kafka\]'"):
        KafkaSource("localhost:1", "t")


# --------------------------------------------------------------------------------------------------------------- Redis


def test_a_stream_continues_at_the_position_of_the_data_set(redis_port, session):
    source = partial(RedisSource, f"redis://127.0.0.1:{redis_port}", "on", start="earliest", field="data")
    add_entries(redis_port, "on", ({"data": value} for value in numbers(100)))
    assert session.run(source(), max_records=30)["records_read"] == 30
    assert session.run(source(), **drain)["records_read"] == 70
    add_entries(redis_port, "on", ({"data": value} for value in numbers(10, 100)))
    assert session.run(source(), **drain)["records_read"] == 10
    assert session.store.read("dataset")["n"].sum == sum(range(110))


def test_latest_reads_entries_after_the_first_run(redis_port, session):
    url = f"redis://127.0.0.1:{redis_port}"
    assert (
        session.run(RedisSource(url, "late", field="data"), **drain)["records_read"] == 0
    )  # the stream does not exist yet
    add_entries(redis_port, "late", ({"data": value} for value in numbers(5)))
    assert session.run(RedisSource(url, "late", field="data"), **drain)["records_read"] == 5
    assert session.run(RedisSource(url, "late", field="data"), dataset_name="d", **drain)["records_read"] == 0


def test_fields_are_text_columns_and_a_missing_field_a_dead_letter(redis_port, session):
    url = f"redis://127.0.0.1:{redis_port}"
    ids = add_entries(redis_port, "fields", [{"a": "1", "b": "x"}, {"a": b"\xff"}, {"data": "{}"}])
    session.run(RedisSource(url, "fields", start="earliest"), **drain)
    kept = session.store.read("dataset")
    assert (kept.rows, kept["a"].max, kept["b"].count) == (3, "\N{REPLACEMENT CHARACTER}", 1)
    letters = []
    with pytest.warns(DataWarning):
        session.run(
            RedisSource(url, "fields", start="earliest", field="data"), dataset_name="json",
            dead_letters=letters.append, **drain,
        )  # fmt: skip
    milliseconds, sequence = map(int, ids[0].split(b"-"))
    assert letters[0].position == milliseconds * 2**20 + sequence
    assert [letter.reason for letter in letters] == ["message without a value"] * 2


@pytest.mark.parametrize("entry", ["5-2000000", f"{1 << 44}-0"])
def test_an_id_that_does_not_fit_a_position_fails(redis_port, session, entry):
    redis = pytest.importorskip("redis")
    name = f"id {entry}"
    with redis.Redis(port=redis_port) as connection:
        connection.xadd(name, {"a": 1}, id=entry)
    with pytest.raises(SourceError, match=f"{entry}.* does not fit a position"):
        session.run(RedisSource(f"redis://127.0.0.1:{redis_port}", name, start="earliest"), **drain)


def test_members_of_a_group_share_a_stream(redis_port, session, tmp_path):
    add_entries(redis_port, "shared", ({"data": value} for value in numbers(90)))
    url = f"redis://127.0.0.1:{redis_port}"
    for member in "abc":
        source = RedisSource(url, "shared", start="earliest", field="data", group="g", consumer=member)
        assert session.run(source, max_records=30)["records_read"] == 30
    assert session.store.read("dataset")["n"].sum == sum(range(90))
    redis = pytest.importorskip("redis")
    with redis.Redis(port=redis_port) as connection:
        assert connection.xpending("shared", "g")["pending"] == 0


def test_unacknowledged_entries_are_not_counted_again(redis_port, session):
    class Crashing(RedisSource):
        def acknowledge(self, batches):
            """The acknowledgment is lost."""

    add_entries(redis_port, "pending", ({"data": value} for value in numbers(20)))
    arguments = (f"redis://127.0.0.1:{redis_port}", "pending")
    options = {"start": "earliest", "field": "data", "group": "g", "consumer": "c"}
    assert session.run(Crashing(*arguments, **options), max_records=10)["records_read"] == 10
    assert session.run(RedisSource(*arguments, **options), **drain)["records_read"] == 10
    assert session.store.read("dataset")["n"].sum == sum(range(20))
    redis = pytest.importorskip("redis")
    with redis.Redis(port=redis_port) as connection:
        assert connection.xpending("pending", "g")["pending"] == 0


def test_an_unreachable_or_refusing_server_fails_at_the_start(redis_port, session):
    with pytest.raises(SourceError, match=r"redis: stream 's': .*refused"):
        session.run(RedisSource(f"redis://127.0.0.1:{brokers.free_port()}", "s"))
    with pytest.raises(SourceError, match="redis: stream 's': "):
        session.run(RedisSource(f"redis://:wrong@127.0.0.1:{redis_port}", "s"))
    add_entries(redis_port, "stream", [{"a": 1}])
    redis = pytest.importorskip("redis")
    with redis.Redis(port=redis_port) as connection:
        connection.set("text", 1)
    with pytest.raises(SourceError, match="WRONGTYPE"):
        session.run(RedisSource(f"redis://127.0.0.1:{redis_port}", "text"))


def test_a_long_outage_ends_the_run(tmp_path, session):
    with brokers.redis(tmp_path) as server:
        add_entries(server.port, "s", ({"data": value} for value in numbers(10)))
        source = RedisSource(f"redis://127.0.0.1:{server.port}", "s", start="earliest", field="data", patience_s=0.5)
        poll = source.poll

        def poll_then_kill(max_records, timeout_s):
            batch = poll(max_records, timeout_s)
            if batch is not None:
                server.kill()
            return batch

        source.poll = poll_then_kill
        with pytest.raises(SourceError, match="redis"):
            session.run(source)
    assert session.store.read("dataset").rows == 10


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"start": 5}, "start"),
        ({"group": "g"}, "consumer"),
        ({"consumer": "c"}, "consumer"),
        ({"url": "http://x"}, "url"),
    ],
)
def test_wrong_arguments_of_a_stream_are_named(given, named):
    with pytest.raises(ArgumentError, match=named):
        RedisSource(**{"url": "redis://localhost", "stream": "s", **given})


# ---------------------------------------------------------------------------------------------------------------- NATS


@pytest.fixture(scope="module")
def nats_port(tmp_path_factory):
    with brokers.nats(tmp_path_factory.mktemp("nats")) as server:
        yield server.port


def test_a_nats_stream_continues_at_the_position_of_the_data_set(nats_port, session):
    source = partial(NatsSource, f"nats://127.0.0.1:{nats_port}", "on", start="earliest")
    brokers.publish(nats_port, "on", numbers(100))
    counters = session.run(source(), max_records=30)
    assert (counters["records_read"], counters["lag"]) == (30, 70)
    assert session.run(source(), **drain)["records_read"] == 70
    brokers.publish(nats_port, "on", numbers(10, 100))
    assert session.run(source(), **drain)["records_read"] == 10
    assert session.store.read("dataset")["n"].sum == sum(range(110))


def test_the_latest_messages_of_a_subject(nats_port, session):
    url = f"nats://127.0.0.1:{nats_port}"
    brokers.publish(nats_port, "late", numbers(5), subject="a")
    source = partial(NatsSource, url, "late", subject="late.b")
    assert session.run(source(), **drain)["records_read"] == 0
    brokers.publish(nats_port, "late", numbers(5), subject="a")
    brokers.publish(nats_port, "late", [b"", b'{"n": 1}'], subject="b")
    letters = []
    with pytest.warns(DataWarning):
        assert session.run(source(), dead_letters=letters.append, **drain)["rows_profiled"] == 1
    assert [(letter.position, letter.reason) for letter in letters] == [(11, "empty message")]


def test_a_missing_nats_stream_fails_at_the_start(nats_port, session):
    url = f"nats://127.0.0.1:{nats_port}"
    with pytest.raises(SourceError, match=r"stream 'absent': .*not found"):
        session.run(NatsSource(url, "absent"))
    with pytest.raises(SourceError, match="nats: nats://127"):
        session.run(NatsSource(f"nats://127.0.0.1:{brokers.free_port()}", "s"))
    brokers.publish(nats_port, "anew", numbers(5))
    source = NatsSource(url, "anew")
    with pytest.raises(SourceError, match=r"message 50 is next, .* ends at 5; .* another data set"):
        source.seek({"nats:anew/>": 50})
    source.close()
    with pytest.raises(ArgumentError, match="start"):
        NatsSource(url, "anew", start="middle")


# ----------------------------------------------------------------------------------------------------------------- SQS


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    with brokers.aws(tmp_path_factory.mktemp("aws")) as options:
        yield options


@pytest.fixture
def queue(aws, request):
    """A function that sends bodies to a new queue, and the URL of the queue."""
    boto3 = pytest.importorskip("boto3")
    service = boto3.client("sqs", **aws)
    url = service.create_queue(QueueName=request.node.name[:80].strip("_"), Attributes={"VisibilityTimeout": "60"})[
        "QueueUrl"
    ]

    def send(bodies):
        for body in bodies:
            service.send_message(QueueUrl=url, MessageBody=body.decode())

    yield send, url
    service.close()


@pytest.mark.slow
def test_durable_messages_of_a_queue_are_deleted(aws, queue, session):
    send, url = queue
    send([*numbers(25), b"oops"])
    letters = []
    with pytest.warns(DataWarning):
        counters = session.run(SqsSource(url, options=aws), dead_letters=letters.append, **drain)
    assert (counters["rows_profiled"], counters["dead_letters"], letters[0].value) == (25, 1, b"oops")
    assert session.run(SqsSource(url, options=aws), **drain)["records_read"] == 0
    assert session.store.read("dataset")["n"].sum == sum(range(25))


def test_unacknowledged_messages_stay_and_repeated_ones_count_once(aws, queue):
    send, url = queue
    send(numbers(12))
    source = SqsSource(url, options=aws)
    source.seek({})
    first = source.poll(12, 0.5)
    boto3 = pytest.importorskip("boto3")
    service = boto3.client("sqs", **aws)
    for handle in source._receipts.values():  # as if the visibility timeout were over
        service.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
    assert source.poll(12, 0.5) is None
    source.acknowledge([first])
    assert source._receipts == {}
    assert source.poll(12, 0.1) is None
    source.close()
    service.close()


def test_a_missing_queue_fails_at_the_start(aws, session):
    with pytest.raises(SourceError, match=r"sqs: .*/absent: .*does not exist"):
        session.run(SqsSource(f"{aws['endpoint_url']}/123456789012/absent", options=aws))
    with pytest.raises(SourceError, match="sqs: u: "):
        SqsSource("u", options={"nonsense": 1})


# ------------------------------------------------------------------------------------------------------------- Kinesis


@pytest.fixture
def shards(aws, request):
    """A function that puts records into a new stream of two shards, and its name."""
    boto3 = pytest.importorskip("boto3")
    service = boto3.client("kinesis", **aws)
    name = request.node.name.replace("[", "_").strip("]")[:80]
    service.create_stream(StreamName=name, ShardCount=2)

    def put(values):
        records = [{"Data": value, "PartitionKey": str(number)} for number, value in enumerate(values)]
        service.put_records(StreamName=name, Records=records)

    yield put, name
    service.close()


@pytest.mark.slow
def test_a_kinesis_stream_continues_within_a_second_of_arrivals(aws, shards, session):
    put, name = shards
    source = partial(KinesisSource, name, start="earliest", options=aws)
    put(numbers(100))  # most within one second, so that the number matters
    assert session.run(source(), max_records=30)["records_read"] == 30
    time.sleep(1.1)
    put([*numbers(20, 100), b"oops"])
    letters = []
    with pytest.warns(DataWarning):
        read = 0
        while counters := session.run(source(), max_records=25, until_idle="1s", dead_letters=letters.append):
            if not counters["records_read"]:
                break
            read += counters["records_read"]
    assert (read, [letter.value for letter in letters]) == (91, [b"oops"])
    assert session.store.read("dataset")["n"].sum == sum(range(120))
    with pytest.warns(DataWarning):
        for shard in (0, 1):
            share = KinesisSource(name, start="earliest", share=(shard, 2), options=aws)
            session.run(share, dataset_name="shares", until_idle="1s")
    assert session.store.read("shares").rows == 120


@pytest.mark.slow
def test_the_latest_records_of_shards(aws, shards, session):
    put, name = shards
    put(numbers(5))
    time.sleep(1.1)
    assert session.run(KinesisSource(name, options=aws), **drain)["records_read"] == 0
    put(numbers(7))
    assert session.run(KinesisSource(name, options=aws), until_idle="1s")["records_read"] == 7


def test_a_missing_kinesis_stream_fails_at_the_start(aws, session):
    with pytest.raises(SourceError, match=r"kinesis: stream 'absent': .*not found"):
        session.run(KinesisSource("absent", options=aws))
    with pytest.raises(ArgumentError, match="share"):
        KinesisSource("s", share=(1, 1), options=aws)


def test_a_shard_position_never_goes_back_and_skips_read_records():
    """Arrival times can be out of order; a restart gets the same records from the same second."""
    arrivals = [5, 5, 7, 6, 7, 9, 8, 8, 9, 12]
    for stop in range(1, len(arrivals) + 1):
        first = Shard("s")
        positions = [first.advance(arrived(second)) and first.position for second in arrivals[:stop]]
        assert positions == sorted(set(positions))
        again = Shard("s", first.second, first.number, skip=first.number)
        from_there = next(at for at, second in enumerate(arrivals) if second >= first.second)
        assert [at for at in range(from_there, len(arrivals)) if again.advance(arrived(arrivals[at]))] == [
            *range(stop, len(arrivals))
        ]


def arrived(second):
    return {"ApproximateArrivalTimestamp": datetime.fromtimestamp(second + 0.25, UTC)}


# ----------------------------------------------------------------------------------------------------- the command line


def stream_from(address, store, **limits):
    return stream(StreamOptions(source=address, store=str(store), dataset="d", from_beginning=True, **limits))


def test_addresses_of_the_command_line(servers, redis_port, tmp_path):
    brokers.fill(servers, "cli", numbers(20))
    assert stream_from(f"kafka://{servers}/cli?share=0/2&fields=key,offset", tmp_path, max_records=10)["lag"] == 0
    assert (
        stream_from(f"kafka://{servers}/cli?share=1/2&group=g&client.id=me", tmp_path, max_records=4)["records_read"]
        == 4
    )
    add_entries(redis_port, "cli", ({"data": value} for value in numbers(5)))
    assert stream_from(f"redis://127.0.0.1:{redis_port}/cli?field=data", tmp_path, max_records=5)["records_read"] == 5
    assert pp.ProfileStore(tmp_path).read("d").rows == 19


def test_addresses_of_aws_and_nats(aws, shards, queue, nats_port, tmp_path, monkeypatch):  # noqa: PLR0917 - fixtures
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", aws["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", aws["aws_secret_access_key"])
    (put, name), (send, url) = shards, queue
    put(numbers(4))
    send(numbers(3))
    endpoint = f"endpoint={aws['endpoint_url']}"
    region = aws["region_name"]
    assert stream_from(f"kinesis://{region}/{name}?{endpoint}", tmp_path, max_records=4)["records_read"] == 4
    place = f"sqs.{region}.amazonaws.com{url.removeprefix(aws['endpoint_url'])}"
    assert stream_from(f"sqs://{place}?{endpoint}", tmp_path, max_records=3)["records_read"] == 3
    brokers.publish(nats_port, "cli", numbers(2))
    assert stream_from(f"nats://127.0.0.1:{nats_port}/cli?subject=cli.>", tmp_path, max_records=2)["records_read"] == 2
    assert pp.ProfileStore(tmp_path).read("d").rows == 9


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("ftp://host/x", "source"),
        ("nats://host", "STREAM"),
        ("sqs://host", "QUEUE"),
        ("kinesis://region", "STREAM"),
        ("kinesis://region/s?start=latest", "option"),
        ("kafka://host:9092", "TOPIC"),
        ("kafka:///topic", "TOPIC"),
        ("kafka://host/topic?share=3", "share"),
        ("kafka://host/topic?format=xml", "format"),
        ("redis://host", "STREAM"),
        ("redis://host/s?fields=a", "option"),
        ("nowhere/*.parquet", "path"),
    ],
)
def test_a_wrong_address_is_named(address, named, tmp_path):
    with pytest.raises(ArgumentError, match=named):
        stream_from(address, tmp_path)


@pytest.mark.parametrize(
    "address",
    [
        "nats://app:secret@host",
        "kafka://host?sasl.password=secret",
        "amqp://app:secret@host/x",
        "redis://:secret@host/",
    ],
)
def test_an_error_shows_no_credentials_of_an_address(address, tmp_path):
    with pytest.raises(ArgumentError) as caught:
        stream_from(address, tmp_path)
    assert "host" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_an_unreachable_server_is_named_without_credentials(session):
    url = f"nats://app:secret@127.0.0.1:{brokers.free_port()}"
    with pytest.raises(SourceError, match="nats: nats://127") as caught:
        session.run(NatsSource(url, "s"))
    assert "secret" not in str(caught.value)
    with pytest.raises(ArgumentError, match="url") as refused:
        RedisSource("http://app:secret@host", "s")
    assert "secret" not in str(refused.value)
