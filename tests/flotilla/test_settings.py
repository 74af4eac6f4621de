from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import pytest

from flotilla.layout import DEFAULT_SHARED
from flotilla.settings import ApiSettings, PulseSettings, SettingsFault, read

QUEUES = {"FLOTILLA_QUEUE_URL": "http://queue/runs", "FLOTILLA_QUEUE_HIGH_URL": "http://queue/runs-high"}
PULSE = {
    "FLOTILLA_DATABASE_URL": "postgresql+psycopg://user:hush@db/flotilla",
    "FLOTILLA_QUEUE_URL": "http://sqs/runs",
    "FLOTILLA_QUEUE_HIGH_URL": "http://sqs/runs-high",
}


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    count: int = 1
    colour: Colour = Colour.RED
    bright: bool = False
    place: Path | None = None
    endpoint: str | None = field(default=None, metadata={"variable": "AWS_ENDPOINT_URL"})


def test_settings_are_read_from_the_environment_with_their_defaults() -> None:
    settings = read(PULSE, PulseSettings)
    assert settings.queue_url == "http://sqs/runs"
    assert settings.queue_high_url == "http://sqs/runs-high"
    assert settings.shared == DEFAULT_SHARED
    assert settings.lease_seconds == 90
    assert read({**PULSE, "FLOTILLA_SHARED": "/here"}, PulseSettings).shared == Path("/here")


def test_every_missing_variable_is_named_at_once() -> None:
    both = r"FLOTILLA_DATABASE_URL is not set, nor is FLOTILLA_DATABASE_SECRET; FLOTILLA_PULSE_FUNCTION is not set"
    with pytest.raises(SettingsFault, match=both):
        read({**QUEUES, "FLOTILLA_DATABASE_URL": ""}, ApiSettings)


def test_the_database_is_named_by_its_secret_where_there_is_no_address() -> None:
    given = {"FLOTILLA_DATABASE_SECRET": "arn:secret", "FLOTILLA_PULSE_FUNCTION": "pulse"}
    settings = read({**QUEUES, **given}, ApiSettings)
    assert (settings.database_url, settings.database_secret) == (None, "arn:secret")


def test_a_setting_is_read_as_what_it_is() -> None:
    given = {
        "FLOTILLA_COUNT": "3",
        "FLOTILLA_COLOUR": "red",
        "FLOTILLA_BRIGHT": "True",
        "FLOTILLA_PLACE": "/x",
        "AWS_ENDPOINT_URL": "http://here",
    }
    expected = Sample(count=3, colour=Colour.RED, bright=True, place=Path("/x"), endpoint="http://here")
    assert read(given, Sample) == expected
    assert read({}, Sample) == Sample()


@pytest.mark.parametrize(
    ("variable", "value"), [("FLOTILLA_COUNT", "many"), ("FLOTILLA_COLOUR", "blue"), ("FLOTILLA_BRIGHT", "maybe")]
)
def test_a_variable_that_cannot_be_read_is_named(variable: str, value: str) -> None:
    with pytest.raises(SettingsFault, match=variable):
        read({variable: value}, Sample)


def test_settings_do_not_show_the_database_password() -> None:
    assert "hush" not in repr(read(PULSE, PulseSettings))
