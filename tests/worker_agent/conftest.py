"""What the tests of a worker share: the surroundings that it works in."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.worker_agent.workplace import Workplace, workplace

LEASE_SECONDS = 3.0


@pytest.fixture(name="workplace")
def _workplace(engine: Engine, database_url: str, sqs_url: str, tmp_path: Path) -> Iterator[Workplace]:
    """Surroundings in which a lease lasts three seconds."""
    with workplace(
        tmp_path,
        engine=engine,
        database_url=database_url,
        endpoint=sqs_url,
        queue_name=f"runs-{uuid.uuid4().hex}",
        lease_seconds=LEASE_SECONDS,
    ) as made:
        yield made
