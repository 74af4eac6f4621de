"""What every test of the store may ask for."""

import pytest
from sqlalchemy import Engine

from tests.flotilla.fleet import Fleet


@pytest.fixture
def fleet(engine: Engine) -> Fleet:
    """A fresh database with one bundle."""
    return Fleet(engine)
