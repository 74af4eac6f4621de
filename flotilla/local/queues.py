"""The queues of a local stack: where they are, and how they are made at an endpoint that keeps them in memory."""

import json
from contextlib import closing

from flotilla.local.sqs.account import ACCOUNT_ID
from flotilla.queue import sqs_client
from flotilla.queue_policy import MAX_RECEIVES, QUEUE_NAMES, dead_letter_name
from flotilla.states import Priority

REGION = "us-east-1"


def queue_urls(endpoint: str) -> dict[Priority, str]:
    """The addresses of the two queues that runs are sent to."""
    return {priority: f"{endpoint}/{ACCOUNT_ID}/{name}" for priority, name in QUEUE_NAMES.items()}


def create_queues(endpoint: str, *, access_key: str) -> None:
    """Makes what is missing of both queues and their dead-letter queues."""
    with closing(sqs_client(endpoint_url=endpoint, region=REGION, access_key=access_key)) as client:
        for name in QUEUE_NAMES.values():
            grave = client.create_queue(QueueName=dead_letter_name(name))["QueueUrl"]
            known = client.get_queue_attributes(QueueUrl=grave, AttributeNames=["QueueArn"])["Attributes"]
            redrive = {"deadLetterTargetArn": known["QueueArn"], "maxReceiveCount": str(MAX_RECEIVES)}
            client.create_queue(QueueName=name, Attributes={"RedrivePolicy": json.dumps(redrive)})
