"""`KinesisSource`: the records of a Kinesis stream, each exactly once.

Sequence numbers do not fit 64 bits, so a position is a second and a number of records, `second * 2**31 + number`. The
number counts records since the first one of the shard that arrived in that second or later. A restart starts at that
record (AT_TIMESTAMP) and skips this number. The second is the largest arrival time so far, so it never goes back,
even if arrival times are out of order. This relies on the service finding the same record for a time each time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self, TypedDict

from polarsprof.errors import SourceError, plain_text
from polarsprof.sources.aws import Service, error_code
from polarsprof.sources.extras import checked_share, checked_start, parse_share
from polarsprof.sources.protocol import Batch, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from polarsprof.sources.addresses import Address

_NUMBER_BITS: Final = 31
_REQUEST_RECORDS: Final = 10_000  # limit of a request
_REQUEST_PAUSE_S: Final = 0.2  # between requests to one shard; the service allows five per second
_LIST_SHARDS_S: Final = 30.0  # between requests for new shards


class _Record(TypedDict):
    Data: bytes
    ApproximateArrivalTimestamp: datetime


@dataclass(slots=True)
class _Shard:
    """The state of one shard.

    Attributes
    ----------
    name
        Name of the partition.
    second, number
        The position.
    skip
        Number of records still to skip.
    iterator
        Iterator of the service for the next request; empty to ask for one.
    due
        Monotonic time of the next request.
    closed
        True once all records of a shard that was split or merged are read.
    """

    name: str
    second: int = 0
    number: int = 0
    skip: int = 0
    iterator: str = ""
    due: float = 0.0
    closed: bool = False

    @property
    def position(self) -> int:
        return (self.second << _NUMBER_BITS) + self.number

    def advance(self, record: _Record) -> bool:
        """Move past a record; returns whether the record is new."""
        if self.skip:
            self.skip -= 1
            return False
        second = int(record["ApproximateArrivalTimestamp"].timestamp())
        if second > self.second:
            self.second, self.number = second, 0
        self.number += 1
        return True


class KinesisSource(Source):
    """The records of a stream; the data of each is a JSON object.

    Parameters
    ----------
    stream
        Name of the stream.
    start
        First record of shards without a position in the data set: "latest" (only new records, to the second) or
        "earliest". Shards that are created while the source reads are read from their first record.
    share
        (number, of): read the shards whose number, at the end of their ids, modulo `of` is `number`.
    patience_s
        Longest outage to wait out, in seconds.
    options
        Arguments of `boto3.client("kinesis", …)`, such as `{"region_name": "eu-west-1"}`; boto3 finds the credentials.

    Raises
    ------
    ArgumentError
        If an argument does not fit.
    SourceError
        If boto3 is not installed or does not know the region.
    """

    def __init__(
        self,
        stream: str,
        *,
        start: str = "latest",
        share: tuple[int, int] = (0, 1),
        patience_s: float = 60.0,
        options: Mapping[str, object] | None = None,
    ) -> None:
        self._start = checked_start(start)
        self._stream = plain_text("stream", stream)
        self._share = checked_share(share)
        self._service = Service("kinesis", options, patience_s, self._make_error)
        self._shards: dict[str, _Shard] = {}
        self._turn = 0
        self._listed = 0.0

    @classmethod
    def from_address(cls, address: Address) -> Self:
        """The source of kinesis://REGION/STREAM."""
        address.check("kinesis://REGION/STREAM", options=("endpoint", "share"))
        options = {"region_name": address.server, "endpoint_url": address.options.get("endpoint")}
        return cls(
            address.name,
            start=address.start,
            share=parse_share(address.options.get("share", "0/1")),
            options={name: value for name, value in options.items() if value},
        )

    def seek(self, positions: Mapping[str, int]) -> Mapping[str, int]:
        """Start each shard of the share at its position."""
        begin = 0 if self._start == "earliest" else int(time.time()) << _NUMBER_BITS
        try:
            ids = self._ids()
        except self._service.errors as error:
            raise self._make_error(error) from error
        for shard_id in ids:
            position = positions.get(self._name(shard_id), begin)
            number = position & ((1 << _NUMBER_BITS) - 1)
            self._shards[shard_id] = _Shard(self._name(shard_id), position >> _NUMBER_BITS, number)
        self._listed = time.monotonic()
        return {shard.name: shard.position for shard in self._shards.values()}

    def poll(self, max_records: int, timeout_s: float) -> Batch | None:
        """The next records of one shard; shards take turns."""
        until = time.monotonic() + timeout_s
        try:
            while True:
                batch = next(self._batches(max_records), None)
                if batch is not None or time.monotonic() >= until:
                    return batch
                time.sleep(min(_REQUEST_PAUSE_S, timeout_s))
        except self._service.errors as error:
            if error_code(error) == "ExpiredIteratorException":
                for shard in self._shards.values():
                    shard.iterator = ""
            else:
                self._service.record_failure(error)
            time.sleep(min(timeout_s, _REQUEST_PAUSE_S))
            return None

    def close(self) -> None:
        """Close the client."""
        self._service.client.close()

    def _batches(self, max_records: int) -> Iterator[Batch]:
        """One batch of each shard that is due and has records."""
        self._list_new_shards()
        for shard_id in self._due():
            if batch := self._batch(shard_id, max_records):
                yield batch

    def _ids(self) -> list[str]:
        pages = self._service.client.get_paginator("list_shards").paginate(StreamName=self._stream)
        ids = [shard["ShardId"] for page in pages for shard in page["Shards"]]
        number, of = self._share
        return sorted(shard_id for shard_id in ids if int(shard_id.rpartition("-")[2]) % of == number)

    def _list_new_shards(self) -> None:
        if time.monotonic() - self._listed >= _LIST_SHARDS_S:
            self._listed = time.monotonic()
            for shard_id in self._ids():
                self._shards.setdefault(shard_id, _Shard(self._name(shard_id)))

    def _due(self) -> list[str]:
        """The shards whose next request is due, starting with another one each time."""
        self._turn += 1
        now = time.monotonic()
        due = [name for name, shard in self._shards.items() if not shard.closed and shard.due <= now]
        at = self._turn % max(1, len(due))
        return due[at:] + due[:at]

    def _batch(self, shard_id: str, max_records: int) -> Batch | None:
        shard = self._shards[shard_id]
        if not shard.iterator:
            shard.iterator = self._iterator(shard_id, shard)
            shard.skip = shard.number
        answer = self._service.client.get_records(
            ShardIterator=shard.iterator, Limit=min(max_records + shard.skip, _REQUEST_RECORDS)
        )
        self._service.record_success()
        shard.due = time.monotonic() + _REQUEST_PAUSE_S
        shard.iterator = answer.get("NextShardIterator") or ""
        if not shard.iterator:  # the shard was split or merged, and all its records are read
            shard.closed = True
            self._listed = 0.0
        places: list[int] = []
        values: list[bytes] = []
        for record in answer["Records"]:
            if shard.advance(record):
                places.append(shard.position)
                values.append(record["Data"])
        if not values:
            return None
        name = shard.name
        return Batch(values, len(values), {name: shard.position}, lambda number: (name, places[number]))

    def _iterator(self, shard_id: str, shard: _Shard) -> str:
        since: dict[str, object] = {"ShardIteratorType": "TRIM_HORIZON"}
        if shard.second:
            since = {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": datetime.fromtimestamp(shard.second, UTC)}
        answer = self._service.client.get_shard_iterator(StreamName=self._stream, ShardId=shard_id, **since)
        return str(answer["ShardIterator"])

    def _name(self, shard_id: str) -> str:
        return f"kinesis:{self._stream}/{shard_id}"

    def _make_error(self, error: Exception) -> SourceError:
        return SourceError(f"kinesis: stream {self._stream!r}: {error}")
