"""The Lambda function behind the HTTP API."""

import asyncio
import os
from collections.abc import Callable
from functools import cache
from typing import Any

import boto3
from mangum import Mangum

from api.app import ApiContext, Streaming, create_app
from api.context import MEBIBYTE
from api.problems import MEDIA_TYPE
from flotilla.aws import brief_calls
from flotilla.database_secret import open_database
from flotilla.layout import Layout
from flotilla.queue import RunQueue, sqs_client
from flotilla.settings import ApiSettings, read

ANSWER_SECONDS = 20.0
"""An HTTP API gives up after thirty."""
MOST_BODY = 4 * MEBIBYTE
"""A request has six megabytes at most, and a body that is not text comes a third larger."""
MOST_ANSWER = 2 * MEBIBYTE
"""An answer has as much; as JSON, a log full of control characters comes three times larger."""


def _kick_of(pulse_function: str) -> Callable[[], None]:
    """Invokes the pulse without waiting for it, and without holding up the answer for long."""
    client = boto3.client("lambda", config=brief_calls())

    def kick() -> None:
        client.invoke(FunctionName=pulse_function, InvocationType="Event")

    return kick


def _queue_of(settings: ApiSettings) -> RunQueue:
    client = sqs_client(
        endpoint_url=settings.endpoint_url, region=settings.region, access_key=settings.access_key, brief=True
    )
    return RunQueue(client, urls=settings.queue_urls)


def build(settings: ApiSettings) -> Mangum:
    """The application with all that it needs, for many requests, one at a time."""
    context = ApiContext(
        engine=open_database(settings, pool_size=1),
        layout=Layout(settings.shared),
        queue=_queue_of(settings),
        kick=_kick_of(settings.pulse_function),
        allow_host_access=settings.allow_host_access,
        streaming=Streaming(retry_milliseconds=500, most_bytes=MOST_ANSWER, silence_seconds=ANSWER_SECONDS),
        max_body=MOST_BODY,
        max_log_read=MOST_ANSWER,
    )
    asyncio.set_event_loop(asyncio.new_event_loop())  # Mangum runs every request on the thread's own loop
    return Mangum(create_app(context), lifespan="off", text_mime_types=["text/", "application/json", MEDIA_TYPE])


SETTINGS = ApiSettings


@cache
def application() -> Mangum:
    """Built once a cold start."""
    return build(read(os.environ, SETTINGS))


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answers one request of an API Gateway HTTP API (payload version 2)."""
    return application()(event, context)
