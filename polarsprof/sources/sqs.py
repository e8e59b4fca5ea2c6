"""`SqsSource`: the messages of an SQS queue, each at least once.

A queue has no positions: a message is deleted after it is durable, and comes again if the deletion fails. So messages
that were durable but not deleted before a crash count twice, at most those of one `checkpoint_every`. While the source
runs, a message that comes again before its deletion is recognized by its id and does not count.
"""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Final, Self, TypedDict

from polarsprof.errors import DataWarning, SourceError, plain_text
from polarsprof.sources.aws import Service
from polarsprof.sources.protocol import Batch, Source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from polarsprof.sources.addresses import Address

_REQUEST_MESSAGES: Final = 10  # limit of a request
_PAUSE_S: Final = 0.1


class _Message(TypedDict):
    MessageId: str
    ReceiptHandle: str
    Body: str


class SqsSource(Source):
    """The messages of a queue; the body of each is a JSON object.

    The visibility timeout of the queue must be longer than a batch and `checkpoint_every` together.

    Parameters
    ----------
    queue_url
        URL of the queue.
    patience_s
        Longest outage to wait out, in seconds.
    options
        Arguments of `boto3.client("sqs", …)`, such as `{"region_name": "eu-west-1"}`; boto3 finds the credentials.

    Raises
    ------
    ArgumentError
        If an argument does not fit.
    SourceError
        If boto3 is not installed or does not know the region.
    """

    def __init__(
        self, queue_url: str, *, patience_s: float = 60.0, options: Mapping[str, object] | None = None
    ) -> None:
        self._url = plain_text("queue_url", queue_url)
        self._name = f"sqs:{queue_url.rpartition('/')[2]}"
        self._service = Service("sqs", options, patience_s, self._make_error)
        self._received = 0
        self._receipts: dict[str, str] = {}  # id → receipt handle of messages that are not deleted
        self._lag: int | None = None

    @classmethod
    def from_address(cls, address: Address) -> Self:
        """The source of sqs://sqs.REGION.amazonaws.com/ACCOUNT/QUEUE."""
        address.check("sqs://sqs.REGION.amazonaws.com/ACCOUNT/QUEUE", options=("region", "endpoint"))
        endpoint = address.options.get("endpoint")
        options = {"region_name": address.options.get("region") or _region(address.server), "endpoint_url": endpoint}
        queue_url = f"{endpoint or f'https://{address.server}'}/{address.name}"
        return cls(queue_url, options={name: value for name, value in options.items() if value})

    def seek(self, positions: Mapping[str, int]) -> Mapping[str, int]:
        """Check that the queue exists."""
        del positions
        try:
            self._lag = self._length()
        except self._service.errors as error:
            raise self._make_error(error) from error
        return {}

    def poll(self, max_records: int, timeout_s: float) -> Batch | None:
        """The messages that come within the time."""
        until = time.monotonic() + timeout_s
        messages: list[_Message] = []
        try:
            while len(messages) < max_records and (time.monotonic() < until or not messages):
                received = self._receive(min(_REQUEST_MESSAGES, max_records - len(messages)), wait=not messages)
                if not received:
                    break
                messages += received
        except self._service.errors as error:
            self._service.record_failure(error)
            time.sleep(min(timeout_s, _PAUSE_S))
        else:
            self._service.record_success()
        return self._batch(messages)

    def acknowledge(self, batches: Sequence[Batch]) -> None:
        """Delete durable messages; warn of those that cannot be deleted and come again."""
        ids: list[str] = [message_id for batch in batches for message_id in batch.receipt]
        for start in range(0, len(ids), _REQUEST_MESSAGES):
            part = ids[start : start + _REQUEST_MESSAGES]
            entries = [
                {"Id": str(at), "ReceiptHandle": self._receipts[message_id]} for at, message_id in enumerate(part)
            ]
            try:
                failed = self._service.client.delete_message_batch(QueueUrl=self._url, Entries=entries).get(
                    "Failed", []
                )
            except self._service.errors as error:
                self._warn(len(part), str(error))
                continue
            if failed:
                self._warn(len(failed), str(failed[0].get("Message") or failed[0].get("Code")))
            for at in {*range(len(part))} - {int(entry["Id"]) for entry in failed}:
                del self._receipts[part[at]]

    def lag(self) -> int | None:
        """Number of waiting messages, from the estimate of the service at the start."""
        return None if self._lag is None else max(0, self._lag - self._received)

    def close(self) -> None:
        """Close the client; messages that were not acknowledged come again."""
        self._service.client.close()

    def _length(self) -> int:
        name = "ApproximateNumberOfMessages"
        return int(
            self._service.client.get_queue_attributes(QueueUrl=self._url, AttributeNames=[name])["Attributes"][name]
        )

    def _receive(self, max_messages: int, *, wait: bool) -> list[_Message]:
        answer = self._service.client.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=max_messages, WaitTimeSeconds=int(wait)
        )
        messages: list[_Message] = answer.get("Messages", [])
        new = [message for message in messages if message["MessageId"] not in self._receipts]
        self._receipts.update((message["MessageId"], message["ReceiptHandle"]) for message in messages)
        return new

    def _batch(self, messages: list[_Message]) -> Batch | None:
        if not messages:
            return None
        start, self._received = self._received, self._received + len(messages)
        return Batch(
            [message["Body"].encode(errors="replace") for message in messages],
            len(messages),
            place=lambda number: (self._name, start + number),
            receipt=[message["MessageId"] for message in messages],
        )

    def _warn(self, messages: int, why: str) -> None:
        text = f"{self._name}: {messages} messages are durable but could not be deleted, and come again: {why}"
        warnings.warn(text, DataWarning, stacklevel=2)

    def _make_error(self, error: Exception) -> SourceError:
        return SourceError(f"sqs: {self._url}: {error}")


def _region(host: str) -> str | None:
    """The region in the name of an AWS host; None for other hosts."""
    service, _, rest = host.partition(".")
    return rest.partition(".")[0] if service == "sqs" and rest.endswith("amazonaws.com") else None
