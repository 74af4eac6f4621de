"""The doorbell: messages that say which run waits, sent to and received from the two SQS queues.

A message decides nothing: PostgreSQL does. It may come twice, late, or after its run has ended.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import batched
from typing import TYPE_CHECKING

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError, CredentialRetrievalError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

from flotilla.aws import brief_calls
from flotilla.messages import ATTRIBUTES, Message, UnreadableMessage, body, read
from flotilla.queue_policy import dead_letter_name
from flotilla.states import Priority

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import BatchResultErrorEntryTypeDef

__all__ = ["Depth", "Message", "QueueUnavailable", "Received", "Refused", "RunQueue", "UnreadableMessage", "sqs_client"]

BATCH = 10  # SQS takes and gives at most ten messages a call
LONGEST_WAIT = 20  # seconds that one long poll may last
SENDERS = 8  # batches sent at a time: one after another, a job of 10,000 runs would wait a thousand answers long
_THROTTLED = frozenset({"RequestThrottled", "ThrottlingException", "Throttling", "OverLimit", "KmsThrottled"})
_MISSING = "AWS.SimpleQueueService.NonExistentQueue"  # whoever keeps queues in memory makes them anew after a restart
_GONE = frozenset({"MessageNotInflight", "InvalidParameterValue", "ReceiptHandleIsInvalid"})
_log = logging.getLogger(__name__)


class QueueUnavailable(Exception):
    """SQS does not answer, or answers that it cannot now. Nothing is wrong with the request: wait, then ask again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What one call brought."""

    messages: tuple[Message, ...]
    unreadable: tuple[UnreadableMessage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A message that could not be hidden or deleted.

    `gone` is harmless: the message was deleted, is visible again, was received anew, or its twelve hours are over.
    """

    message: Message | UnreadableMessage
    gone: bool
    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """About how many messages a queue holds."""

    visible: int
    in_flight: int
    delayed: int


_PATIENT = Config(
    connect_timeout=3,
    read_timeout=LONGEST_WAIT + 10,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=16,  # two long polls, and room for renewals, deletions and sending beside them
    tcp_keepalive=True,
)


def sqs_client(
    *, endpoint_url: str | None, region: str, access_key: str | None = None, brief: bool = False
) -> "SQSClient":
    """A client for AWS, or for an endpoint of one's own, which may know its callers by an access key.

    A `brief` one is for somebody whose own caller waits: it is not for long polls.
    """
    own_key = access_key if endpoint_url else None
    unsigned = Config(signature_version=UNSIGNED) if endpoint_url and own_key is None else Config()
    config = (brief_calls() if brief else _PATIENT).merge(unsigned)
    return boto3.client(
        "sqs",
        endpoint_url=endpoint_url,
        region_name=region,
        config=config,
        aws_access_key_id=own_key,
        aws_secret_access_key=None if own_key is None else "not checked",
    )


@contextmanager
def _availability() -> Iterator[None]:
    """Raise `QueueUnavailable` for what time mends, and let everything else through."""
    try:
        yield
    except (HTTPClientError, BotoConnectionError, CredentialRetrievalError) as fault:
        raise QueueUnavailable(f"the queue cannot be reached: {fault}") from fault
    except ClientError as fault:
        status = fault.response["ResponseMetadata"]["HTTPStatusCode"]
        if status < 500 and status != 429 and fault.response["Error"]["Code"] not in _THROTTLED | {_MISSING}:
            raise
        raise QueueUnavailable(f"the queue cannot answer now: {fault}") from fault


class RunQueue:
    """Both queues of the fleet. Every method may raise `QueueUnavailable`."""

    def __init__(self, client: "SQSClient", *, urls: Mapping[Priority, str], senders: int = SENDERS) -> None:
        self._client = client
        self._urls = dict(urls)
        self._senders = senders

    @property
    def dead_letters(self) -> "RunQueue":
        """The two queues behind these, of what was received too often."""
        return RunQueue(self._client, urls={priority: dead_letter_name(url) for priority, url in self._urls.items()})

    def send(self, priority: Priority, run_ids: Sequence[str], *, group: str) -> list[str]:
        """Sends a message for each run; returns the ids of those that SQS accepted, `group` being their tenant.

        What is not in the answer was not sent, and the log says why. Raises `QueueUnavailable` only if nothing was
        accepted before the queue fell silent.
        """
        accepted: list[str] = []
        for chunks in batched(batched(run_ids, BATCH), self._senders):
            answers = self._send_at_once(priority, chunks, group=group)
            accepted += (run_id for answer in answers if not isinstance(answer, QueueUnavailable) for run_id in answer)
            faults = [answer for answer in answers if isinstance(answer, QueueUnavailable)]
            if faults and not accepted:
                raise faults[0]
            if faults:
                missing = len(run_ids) - len(accepted)
                _log.warning("%d of %d messages were not sent: %s", missing, len(run_ids), faults[0])
                break
        return accepted

    def receive(self, priority: Priority, *, most: int, wait_seconds: int, visibility_seconds: int) -> Received:
        """Up to `most` messages (ten at the most), hidden from others for `visibility_seconds`.

        Waits up to `wait_seconds` (20 at the most) for the first one.
        """
        with _availability():
            answer = self._client.receive_message(
                QueueUrl=self._urls[priority],
                MaxNumberOfMessages=min(most, BATCH),
                WaitTimeSeconds=wait_seconds,
                VisibilityTimeout=visibility_seconds,
                MessageSystemAttributeNames=ATTRIBUTES,
            )
        deliveries = [read(raw, priority) for raw in answer.get("Messages", [])]
        return Received(
            messages=tuple(message for message in deliveries if isinstance(message, Message)),
            unreadable=tuple(message for message in deliveries if isinstance(message, UnreadableMessage)),
        )

    def hide(self, seconds_by_message: Mapping[Message, int]) -> list[Refused]:
        """Hides each message for so many seconds from now (0 shows it); returns those that could not be hidden."""
        refused: list[Refused] = []
        for url, chunk in self._chunks(seconds_by_message):
            with _availability():
                answer = self._client.change_message_visibility_batch(
                    QueueUrl=url,
                    Entries=[
                        {
                            "Id": str(place),
                            "ReceiptHandle": message.receipt,
                            "VisibilityTimeout": seconds_by_message[message],
                        }
                        for place, message in enumerate(chunk)
                    ],
                )
            refused += _refused(chunk, answer.get("Failed", []))
        return refused

    def delete(self, messages: Iterable[Message | UnreadableMessage]) -> list[Refused]:
        """Deletes the messages; returns those that could not be deleted. To delete what is gone is no failure."""
        refused: list[Refused] = []
        for url, chunk in self._chunks(messages):
            with _availability():
                answer = self._client.delete_message_batch(
                    QueueUrl=url,
                    Entries=[
                        {"Id": str(place), "ReceiptHandle": message.receipt} for place, message in enumerate(chunk)
                    ],
                )
            refused += (one for one in _refused(chunk, answer.get("Failed", [])) if not one.gone)
        return refused

    def depth(self, priority: Priority) -> Depth:
        """About how many messages there are; SQS's own count lags behind by up to a minute."""
        with _availability():
            answer = self._client.get_queue_attributes(
                QueueUrl=self._urls[priority],
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesNotVisible",
                    "ApproximateNumberOfMessagesDelayed",
                ],
            )
        counts = answer["Attributes"]
        return Depth(
            visible=int(counts["ApproximateNumberOfMessages"]),
            in_flight=int(counts["ApproximateNumberOfMessagesNotVisible"]),
            delayed=int(counts["ApproximateNumberOfMessagesDelayed"]),
        )

    def _send_at_once(
        self, priority: Priority, chunks: Sequence[Sequence[str]], *, group: str
    ) -> list[list[str] | QueueUnavailable]:
        """What was accepted of each batch, or why the queue did not answer."""

        def send(chunk: Sequence[str]) -> list[str] | QueueUnavailable:
            try:
                return self._send_chunk(priority, chunk, group=group)
            except QueueUnavailable as fault:
                return fault

        if len(chunks) == 1:
            return [send(chunks[0])]
        with ThreadPoolExecutor(len(chunks), thread_name_prefix="sender") as senders:
            return list(senders.map(send, chunks))

    def _send_chunk(self, priority: Priority, run_ids: Sequence[str], *, group: str) -> list[str]:
        """One batch, and once more those of it that SQS, not the sender, was at fault for."""
        failed = self._send_batch(priority, run_ids, group=group)
        again = [run_id for run_id, fault in failed.items() if not fault["SenderFault"]]
        if again:
            failed = {run_id: failed[run_id] for run_id in failed.keys() - set(again)}
            failed |= self._send_batch(priority, again, group=group)
        for run_id, fault in failed.items():
            _log.error("the message of run %s was not accepted: %s %s", run_id, fault["Code"], fault.get("Message", ""))
        return [run_id for run_id in run_ids if run_id not in failed]

    def _send_batch(
        self, priority: Priority, run_ids: Sequence[str], *, group: str
    ) -> "dict[str, BatchResultErrorEntryTypeDef]":
        """Those that failed."""
        with _availability():
            answer = self._client.send_message_batch(
                QueueUrl=self._urls[priority],
                Entries=[
                    {"Id": str(place), "MessageBody": body(run_id), "MessageGroupId": group}
                    for place, run_id in enumerate(run_ids)
                ],
            )
        return {run_ids[int(failed["Id"])]: failed for failed in answer.get("Failed", [])}

    def _chunks[M: (Message, Message | UnreadableMessage)](
        self, messages: Iterable[M]
    ) -> Iterator[tuple[str, tuple[M, ...]]]:
        """Batches of ten, each with the address of the one queue that its messages came from."""
        messages = list(messages)
        for priority, url in self._urls.items():
            of_queue = [message for message in messages if message.queue == priority]
            for chunk in batched(of_queue, BATCH):
                yield url, chunk


def _refused(
    chunk: Sequence[Message | UnreadableMessage], failed: "Iterable[BatchResultErrorEntryTypeDef]"
) -> list[Refused]:
    return [
        Refused(
            message=chunk[int(entry["Id"])],
            gone=entry["SenderFault"] and entry["Code"].rsplit(".", maxsplit=1)[-1] in _GONE,
            fault=f"{entry['Code']}: {entry.get('Message', '')}",
        )
        for entry in failed
    ]
