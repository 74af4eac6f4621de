"""The Lambda function behind the dead-letter queues."""

import logging
import os
from functools import cache
from typing import Any

import boto3

from flotilla.aws import brief_calls
from flotilla.cloudwatch import Publisher
from flotilla.database_secret import open_database
from flotilla.dead_letters import DeadLetter, DeadLetterOffice
from flotilla.messages import time_of
from flotilla.queue import RunQueue, sqs_client
from flotilla.settings import DeadLetterSettings, read

SETTINGS = DeadLetterSettings

_log = logging.getLogger(__name__)


def build(settings: DeadLetterSettings) -> DeadLetterOffice:
    """The office with all that it needs, for many batches, one at a time."""
    return DeadLetterOffice(
        engine=open_database(settings, pool_size=1),
        queue=RunQueue(
            sqs_client(endpoint_url=settings.endpoint_url, region=settings.region, access_key=settings.access_key),
            urls=settings.queue_urls,
        ),
        publisher=Publisher(boto3.client("cloudwatch", config=brief_calls()), stage=settings.stage),
    )


@cache
def office() -> DeadLetterOffice:
    """Built once a cold start."""
    return build(read(os.environ, SETTINGS))


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG001 - SQS gives no more than an event
    """Settles a batch; what could not be settled now is named, and comes again."""
    failed = [record["messageId"] for record in event["Records"] if not _settled(record)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _settled(record: dict[str, Any]) -> bool:
    letter = DeadLetter(
        message_id=record["messageId"], body=record["body"], sent_at=time_of(record["attributes"]["SentTimestamp"])
    )
    try:
        office().settle(letter)
    except Exception as fault:  # one letter must not hold up the others
        _log.warning("message %s is left for later: %s", letter.message_id, fault)
        return False
    return True
