"""The clock: how far this host's is from the database's, by which all leases are told, and from the queue's."""

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from email.utils import parsedate_to_datetime

from sqlalchemy import text

from flotilla.settings import DatabaseSettings, QueueSettings
from worker_agent.health.database import connected
from worker_agent.health.finding import Finding, broken, degraded, healthy
from worker_agent.health.queues import client_of

REFUSED_SECONDS = 240.0
"""AWS refuses what was signed more than five minutes before or after its own time; a minute is kept for drifting."""
OFF_SECONDS = 5.0
"""No lease is told by this clock, but logs are read by it."""
DATE_RESOLUTION = 1.0  # seconds: of the header by which the queue says its time
MEND = "let the host's clock be kept (chrony or systemd-timesyncd), then start the worker anew"

Remote = Callable[[], float]


def offset(remote: Remote, *, here: Callable[[], float] = time.time) -> float:
    """How many seconds this host is ahead, as seen from the middle of a call that answers with another's time."""
    before = here()
    there = remote()
    return (before + here()) / 2 - there


def of_database(settings: DatabaseSettings) -> float:
    """How far ahead of the database; raises what it raises. Asked on a connection that is open already."""
    statement = text("SELECT extract(epoch FROM clock_timestamp())")
    with connected(settings) as connection:
        connection.execute(statement)
        return offset(lambda: float(connection.execute(statement).scalar_one()))


def of_queue(settings: QueueSettings) -> float:
    """How far ahead of the queue; raises what boto3 raises, or `KeyError` if its answer has no date."""
    with closing(client_of(settings)) as client:

        def remote() -> float:
            answer = client.get_queue_attributes(QueueUrl=settings.queue_url, AttributeNames=["QueueArn"])
            date = answer["ResponseMetadata"]["HTTPHeaders"]["date"]
            return parsedate_to_datetime(date).timestamp() + DATE_RESOLUTION / 2

        return offset(remote)


def clock(offsets: Mapping[str, float]) -> Finding:
    """The finding from the offset to each that could be asked."""
    if not offsets:
        return degraded("clock", "it could be compared with nobody's", mend="mend the database and the queue first")
    seen = " and ".join(_spelled(seconds, of=name) for name, seconds in offsets.items())
    farthest = max(abs(seconds) for seconds in offsets.values())
    if farthest >= REFUSED_SECONDS:
        return broken("clock", f"{seen}: AWS refuses what is signed so", mend=MEND)
    return degraded("clock", seen, mend=MEND) if farthest >= OFF_SECONDS else healthy("clock", seen)


def _spelled(seconds: float, *, of: str) -> str:
    return f"{abs(seconds):.2f} s {'ahead of' if seconds >= 0 else 'behind'} the {of}"
