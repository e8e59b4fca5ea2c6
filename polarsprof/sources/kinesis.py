"""`KinesisSource`: the records of a Kinesis stream from positions of the data set's own, each exactly once.

Sequence numbers do not fit 64 bits, so a position says a second and a number: so many records were read since the first
one of a shard that arrived in that second or later. Reading on begins at that record (AT_TIMESTAMP) and leaves out so
many. The second is the latest that was seen, so it never goes back, whatever the order of arrival times. This rests on
the service finding the same record for a time each time.

The position is `second * 2**31 + number`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from polarsprof.errors import SourceError, plain_text
from polarsprof.sources.aws import Service, code_of
from polarsprof.sources.extras import checked_share, checked_start
from polarsprof.sources.protocol import Batch, Source

if TYPE_CHECKING:
    from collections.abc import Mapping

_NUMBER_BITS: Final = 31
_AT_A_TIME: Final = 10_000  # what a request may ask for
_BETWEEN_S: Final = 0.2  # requests for one shard, of which five a second are allowed
_LOOK_S: Final = 30.0  # for new shards


@dataclass(slots=True)
class _Shard:
    """Where one shard is read.

    Attributes
    ----------
    second, number
        Its position.
    skip
        Records still to be left out.
    iterator
        What the service goes on from; empty where that has to be asked for.
    due
        When it may be asked again.
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

    def take(self, record: Mapping[str, Any]) -> bool:
        """Move on past a record; whether it is a new one."""
        if self.skip:
            self.skip -= 1
            return False
        second = int(record["ApproximateArrivalTimestamp"].timestamp())
        if second > self.second:
            self.second, self.number = second, 0
        self.number += 1
        return True


class KinesisSource(Source):
    """The records of a stream, whose data are JSON objects.

    Parameters
    ----------
    stream
        Name of the stream.
    start
        Where to begin in shards that were never read into the data set: "latest" (records from now on, to the second)
        or "earliest". Shards that come into being while it reads are read from their first record.
    share
        (number, of): read only those shards whose number, the one at the end of their ids, leaves `number` when divided
        by `of`.
    patience_s
        For how long the service may be away before that is an error.
    options
        For `boto3.client("kinesis", …)`, such as `{"region_name": "eu-west-1"}`; credentials come from where boto3
        finds them.

    Raises
    ------
    ArgumentError
        For an argument that does not fit.
    SourceError
        Where boto3 is not installed, or does not know the region.
    """

    def __init__(
        self,
        stream: str,
        *,
        start: str = "latest",
        share: tuple[int, int] = (0, 1),
        patience_s: float = 60.0,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._start = checked_start(start)
        self._stream = plain_text("stream", stream)
        self._share = checked_share(share)
        self._service = Service("kinesis", options, patience_s, self._broken)
        self._shards: dict[str, _Shard] = {}
        self._turn = 0
        self._looked = 0.0

    def seek(self, positions: Mapping[str, int]) -> Mapping[str, int]:
        """Take the shards of this share, each from its position."""
        begin = 0 if self._start == "earliest" else int(time.time()) << _NUMBER_BITS
        try:
            ids = self._ids()
        except self._service.errors as error:
            raise self._broken(error) from error
        for shard_id in ids:
            position = positions.get(self._name(shard_id), begin)
            number = position & ((1 << _NUMBER_BITS) - 1)
            self._shards[shard_id] = _Shard(self._name(shard_id), position >> _NUMBER_BITS, number)
        self._looked = time.monotonic()
        return {shard.name: shard.position for shard in self._shards.values()}

    def poll(self, most: int, timeout_s: float) -> Batch | None:
        """The next records of one shard, each in its turn."""
        until = time.monotonic() + timeout_s
        try:
            while True:
                self._look_for_shards()
                for shard_id in self._due():
                    if batch := self._batch(shard_id, most):
                        return batch
                if time.monotonic() >= until:
                    return None
                time.sleep(min(_BETWEEN_S, timeout_s))
        except self._service.errors as error:
            if code_of(error) == "ExpiredIteratorException":
                for shard in self._shards.values():
                    shard.iterator = ""
            else:
                self._service.bear(error)
            time.sleep(min(timeout_s, _BETWEEN_S))
            return None

    def close(self) -> None:
        """Leave the service."""
        self._service.client.close()

    def _ids(self) -> list[str]:
        pages = self._service.client.get_paginator("list_shards").paginate(StreamName=self._stream)
        ids = [shard["ShardId"] for page in pages for shard in page["Shards"]]
        number, of = self._share
        return sorted(shard_id for shard_id in ids if int(shard_id.rpartition("-")[2]) % of == number)

    def _look_for_shards(self) -> None:
        if time.monotonic() - self._looked >= _LOOK_S:
            self._looked = time.monotonic()
            for shard_id in self._ids():
                self._shards.setdefault(shard_id, _Shard(self._name(shard_id)))

    def _due(self) -> list[str]:
        """The shards that may be asked, beginning with another one each time."""
        self._turn += 1
        now = time.monotonic()
        due = [name for name, shard in self._shards.items() if not shard.closed and shard.due <= now]
        at = self._turn % max(1, len(due))
        return due[at:] + due[:at]

    def _batch(self, shard_id: str, most: int) -> Batch | None:
        shard = self._shards[shard_id]
        if not shard.iterator:
            shard.iterator = self._iterator(shard_id, shard)
            shard.skip = shard.number
        answer = self._service.client.get_records(
            ShardIterator=shard.iterator, Limit=min(most + shard.skip, _AT_A_TIME)
        )
        self._service.answered()
        shard.due = time.monotonic() + _BETWEEN_S
        shard.iterator = answer.get("NextShardIterator") or ""
        if not shard.iterator:  # the shard was split or merged, and all of it is read
            shard.closed = True
            self._looked = 0.0
        places: list[int] = []
        values: list[bytes] = []
        for record in answer["Records"]:
            if shard.take(record):
                places.append(shard.position)
                values.append(record["Data"])
        if not values:
            return None
        name = shard.name
        return Batch(values, len(values), {name: shard.position}, lambda number: (name, places[number]))

    def _iterator(self, shard_id: str, shard: _Shard) -> str:
        since: dict[str, Any] = {"ShardIteratorType": "TRIM_HORIZON"}
        if shard.second:
            since = {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": datetime.fromtimestamp(shard.second, UTC)}
        answer = self._service.client.get_shard_iterator(StreamName=self._stream, ShardId=shard_id, **since)
        return str(answer["ShardIterator"])

    def _name(self, shard_id: str) -> str:
        return f"kinesis:{self._stream}/{shard_id}"

    def _broken(self, error: Exception) -> SourceError:
        return SourceError(f"kinesis: stream {self._stream!r}: {error}")
