"""What a worker reads from its environment, and what it says when something is missing."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from flotilla.settings import SettingsFault, read
from flotilla.states import Priority
from worker_agent.secret_values import SecretMissing, SecretValues
from worker_agent.settings import Wanted, WorkerSettings

REQUIRED = {
    "FLOTILLA_DATABASE_URL": "postgresql+psycopg://postgres:pw@/postgres",
    "FLOTILLA_QUEUE_URL": "http://127.0.0.1/runs",
    "FLOTILLA_QUEUE_HIGH_URL": "http://127.0.0.1/runs-high",
}


def read_worker(variables: Mapping[str, str]) -> WorkerSettings:
    return read(variables, WorkerSettings)


def test_what_is_not_set_has_the_designs_defaults() -> None:
    settings = read_worker(REQUIRED)
    assert settings.slots == 60
    assert settings.shared == Path("/shared/harbor-jobs")
    assert (settings.lease_seconds, settings.renewal_seconds) == (90, 30)
    assert settings.queue_urls[Priority.HIGH].endswith("runs-high")
    assert settings.environment is Wanted.AUTO


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_variable_is_named(name: str) -> None:
    with pytest.raises(SettingsFault, match=name):
        read_worker({**REQUIRED, name: ""})


@pytest.mark.parametrize(
    ("name", "value"),
    [("FLOTILLA_SLOTS", "many"), ("FLOTILLA_SLOTS", "0"), ("FLOTILLA_ENVIRONMENT", "podman")],
)
def test_a_value_that_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsFault, match=name):
        read_worker({**REQUIRED, name: value})


def test_settings_do_not_show_the_databases_password() -> None:
    assert "pw" not in repr(read_worker(REQUIRED))


def test_a_secret_comes_from_the_file_before_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "secrets.env"
    file.write_text("# keys\nexport ONE='first'\nTWO=second\n")
    values = SecretValues(file=file, environment={"ONE": "environment", "THREE": "third"})
    assert values.select(["ONE", "TWO", "THREE"]) == {"ONE": "first", "TWO": "second", "THREE": "third"}


def test_a_missing_secret_is_named_and_none_is_shown() -> None:
    values = SecretValues(file=None, environment={"ONE": "value-of-one"})
    with pytest.raises(SecretMissing, match="TWO") as fault:
        values.select(["ONE", "TWO"])
    assert "value-of-one" not in f"{fault.value}{values!r}"
