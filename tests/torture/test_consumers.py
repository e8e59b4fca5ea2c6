"""Consumers of a source that are killed at any moment: each record counts once, in its window."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from support import brokers

import polarsprof as pp
from polarsprof.testing import assert_profile_equal

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")

HERE = Path(__file__).parent
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def records(torture):
    """Three hours of records, a little out of order."""
    count = torture.rounds(short=6_000, share=1) if torture.long else 6_000
    seconds = (3 * 3_600 * number / count + 37 * (number % 11) for number in range(count))
    return [
        {
            "n": number,
            "b": number % 200,
            "at": (START + timedelta(seconds=round(at))).isoformat(),
            "x": number % 97 + 0.25,
        }
        for number, at in enumerate(seconds)
    ]


def consume(store, addresses, kills, seed, beside=lambda: None):
    """Run consumers and kill them while `beside` runs; returns the number of kills."""
    command = [sys.executable, "-m", "torture.consumers", str(store), str(kills), str(seed), *addresses]
    path = os.pathsep.join([str(HERE.parent), str(HERE.parent.parent)])
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
    ) as process:
        thread = threading.Thread(target=beside)
        thread.start()
        output, _ = process.communicate(timeout=600)
        thread.join()
    assert process.returncode == 0
    return json.loads(output)["kills"]


def assert_all_counted_once(folder, records):
    """Each number counts once, and each window equals the profile of its records."""
    store = pp.ProfileStore(folder)
    truth = pl.DataFrame(records)
    whole = store.read("d")
    assert whole.rows == len(records)
    assert whole["n"].sum == truth["n"].sum()
    assert {item.value: item.estimate for item in whole["b"].frequent_items(300)} == dict(
        truth["b"].value_counts().iter_rows()
    )
    hours = truth.group_by(pl.col("at").str.slice(0, 13).alias("hour"), maintain_order=True)
    seen = {window.start.isoformat()[:13]: store.read("d", window.start, window.end) for window in store.windows("d")}
    parts = {hour: part for (hour,), part in hours}
    assert seen.keys() == parts.keys()
    for hour, part in parts.items():
        assert_profile_equal(seen[hour], pp.profile(part.rows(named=True)))
    assert_profile_equal(whole, pp.profile(records))
    assert not [path for path in (folder / ".writers").iterdir() if path.suffix == ".pane"]


def lines_of(records):
    return [json.dumps(record).encode() for record in records]


def test_three_consumers_of_one_topic(tmp_path, torture, records):
    with brokers.kafka() as servers:
        brokers.fill(servers, "events", lines_of(records))
        addresses = [f"kafka://{servers}/events?share={number}/3" for number in range(3)]
        kills = consume(tmp_path / "store", addresses, torture.rounds(short=5, share=100), torture.seed)
    torture.tell("consumers of Kafka", {"kills": kills, "records": len(records)})
    assert_all_counted_once(tmp_path / "store", records)


def test_a_file_that_grows_and_is_rotated(tmp_path, torture, records):
    log = tmp_path / "app.log"
    parts = [lines_of(records[start : start + 150]) for start in range(0, len(records), 150)]

    def write():
        until = time.monotonic() + 30
        while not list(
            (tmp_path / "store").glob(".writers/*.checkpoint")
        ):  # files rotated before the first checkpoint are not read
            assert time.monotonic() < until
            time.sleep(0.01)
        for number, part in enumerate(parts[1:]):
            with log.open("ab") as file:
                file.write(b"\n".join(part) + b"\n")
            if number % 8 == 7:
                log.rename(tmp_path / f"app.log.{number}")
            time.sleep(0.05)

    log.write_bytes(b"\n".join(parts[0]) + b"\n")
    kills = consume(tmp_path / "store", [f"tail:{log}"], torture.rounds(short=8, share=100), torture.seed, write)
    torture.tell("consumers of a file", {"kills": kills, "records": len(records)})
    assert_all_counted_once(tmp_path / "store", records)


@pytest.mark.parametrize("options", ["", "&group=g&consumer=c"], ids=["alone", "in a group"])
def test_a_redis_stream_whose_server_is_killed_too(tmp_path, torture, records, options):
    redis = pytest.importorskip("redis")
    (tmp_path / "redis").mkdir()
    with brokers.redis(tmp_path / "redis") as server:

        def send(part):
            with redis.Redis(port=server.port) as connection, connection.pipeline(transaction=False) as pipeline:
                for line in lines_of(part):
                    pipeline.xadd("events", {"data": line})
                pipeline.execute()

        def kill():
            time.sleep(0.6)
            server.kill()
            server.start()
            send(records[len(records) // 2 :])

        send(records[: len(records) // 2])
        address = f"redis://127.0.0.1:{server.port}/events?field=data{options}"
        kills = consume(tmp_path / "store", [address], torture.rounds(short=6, share=100), torture.seed, kill)
    torture.tell(f"consumers of Redis{' in a group' * bool(options)}", {"kills": kills, "records": len(records)})
    assert_all_counted_once(tmp_path / "store", records)


def test_a_stream_of_nats_whose_server_is_killed_too(tmp_path, torture, records):
    (tmp_path / "nats").mkdir()
    with brokers.nats(tmp_path / "nats") as server:

        def kill():
            time.sleep(0.6)
            server.kill()
            server.start()
            brokers.publish(server.port, "events", lines_of(records[len(records) // 2 :]))

        brokers.publish(server.port, "events", lines_of(records[: len(records) // 2]))
        address = f"nats://127.0.0.1:{server.port}/events"
        kills = consume(tmp_path / "store", [address], torture.rounds(short=6, share=100), torture.seed, kill)
    torture.tell("consumers of NATS", {"kills": kills, "records": len(records)})
    assert_all_counted_once(tmp_path / "store", records)
