"""`SqsSource`: the messages of an SQS queue, each at least once.

A queue has no positions: a message is deleted when it is durable, and comes again where that is not heard of. So
after a crash those that were durable but not deleted yet count again, at most what one `checkpoint_every` brings.
While the source lives, a message that comes again before it was deleted is known by its id and does not count.
"""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any, Final

from polarsprof.errors import DataWarning, SourceError, plain_text
from polarsprof.sources.aws import Service
from polarsprof.sources.protocol import Batch, Source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_AT_A_TIME: Final = 10  # what a request may ask for
_PAUSE_S: Final = 0.1


class SqsSource(Source):
    """The messages of a queue, whose bodies are JSON objects.

    Its visibility timeout must be longer than a batch and `checkpoint_every` take together.

    Parameters
    ----------
    queue_url
        The URL of the queue.
    patience_s
        For how long the service may be away before that is an error.
    options
        For `boto3.client("sqs", …)`, such as `{"region_name": "eu-west-1"}`; credentials come from where boto3 finds
        them.

    Raises
    ------
    ArgumentError
        For an argument that does not fit.
    SourceError
        Where boto3 is not installed, or does not know the region.
    """

    def __init__(self, queue_url: str, *, patience_s: float = 60.0, options: Mapping[str, Any] | None = None) -> None:
        self._url = plain_text("queue_url", queue_url)
        self._name = f"sqs:{queue_url.rpartition('/')[2]}"
        self._service = Service("sqs", options, patience_s, self._broken)
        self._received = 0
        self._receipts: dict[str, str] = {}  # id → what deletes it, of what is not deleted
        self._lag: int | None = None

    def seek(self, positions: Mapping[str, int]) -> Mapping[str, int]:
        """See whether the queue is there."""
        del positions
        try:
            self._lag = self._length()
        except self._service.errors as error:
            raise self._broken(error) from error
        return {}

    def poll(self, most: int, timeout_s: float) -> Batch | None:
        """The messages that come within the time."""
        until = time.monotonic() + timeout_s
        messages: list[Any] = []
        try:
            while len(messages) < most and (time.monotonic() < until or not messages):
                came = self._receive(min(_AT_A_TIME, most - len(messages)), wait=not messages)
                if not came:
                    break
                messages += came
        except self._service.errors as error:
            self._service.bear(error)
            time.sleep(min(timeout_s, _PAUSE_S))
        else:
            self._service.answered()
        return self._batch(messages)

    def acknowledge(self, batches: Sequence[Batch]) -> None:
        """Delete what is durable; what cannot be deleted comes again and is told of."""
        ids = [each for batch in batches for each in batch.receipt]
        for start in range(0, len(ids), _AT_A_TIME):
            part = ids[start : start + _AT_A_TIME]
            entries = [{"Id": str(at), "ReceiptHandle": self._receipts[each]} for at, each in enumerate(part)]
            try:
                failed = self._service.client.delete_message_batch(QueueUrl=self._url, Entries=entries).get(
                    "Failed", []
                )
            except self._service.errors as error:
                self._tell(len(part), str(error))
                continue
            if failed:
                self._tell(len(failed), str(failed[0].get("Message") or failed[0].get("Code")))
            for at in {*range(len(part))} - {int(entry["Id"]) for entry in failed}:
                del self._receipts[part[at]]

    def lag(self) -> int | None:
        """Messages that wait, as the service guessed when this began."""
        return None if self._lag is None else max(0, self._lag - self._received)

    def close(self) -> None:
        """Leave the service; what was not acknowledged comes again."""
        self._service.client.close()

    def _length(self) -> int:
        name = "ApproximateNumberOfMessages"
        return int(
            self._service.client.get_queue_attributes(QueueUrl=self._url, AttributeNames=[name])["Attributes"][name]
        )

    def _receive(self, most: int, *, wait: bool) -> list[Any]:
        answer = self._service.client.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=most, WaitTimeSeconds=int(wait)
        )
        messages = answer.get("Messages", [])
        new = [message for message in messages if message["MessageId"] not in self._receipts]
        self._receipts.update((message["MessageId"], message["ReceiptHandle"]) for message in messages)
        return new

    def _batch(self, messages: list[Any]) -> Batch | None:
        if not messages:
            return None
        start, self._received = self._received, self._received + len(messages)
        return Batch(
            [message["Body"].encode(errors="replace") for message in messages],
            len(messages),
            place=lambda number: (self._name, start + number),
            receipt=[message["MessageId"] for message in messages],
        )

    def _tell(self, messages: int, why: str) -> None:
        text = f"{self._name}: {messages} messages are durable but could not be deleted, and come again: {why}"
        warnings.warn(text, DataWarning, stacklevel=2)

    def _broken(self, error: Exception) -> SourceError:
        return SourceError(f"sqs: {self._url}: {error}")
