"""The database by its secret: over TLS, and only if the server proves that it is the host named there."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError

from flotilla.database_secret import SecretUnreadable, address, open_database
from flotilla.local.postgres import SOCKET_NAME, Postgres
from flotilla.settings import DatabaseSettings
from tests.tls_front import Authority, tls_front

SECRET = DatabaseSettings(database_secret="arn:secret")


@pytest.fixture
def unix_socket(postgres: Postgres) -> Path:
    return Path(str(make_url(postgres.url()).query["host"])) / SOCKET_NAME


def _document(**changes: Any) -> str:
    known = {"host": "localhost", "port": 5432, "username": "postgres", "password": "hush", "dbname": "postgres"}
    return json.dumps({**known, **changes})


def _greet(document: str) -> int:
    engine = open_database(SECRET, read_secret=lambda _: document)
    try:
        with engine.connect() as connection:
            return int(connection.execute(text("SELECT 1")).scalar_one())
    finally:
        engine.dispose()


def test_a_server_that_proves_who_it_is_is_spoken_to(unix_socket: Path, tmp_path: Path) -> None:
    authority = Authority.new()
    with tls_front(unix_socket, authority.certify("localhost", directory=tmp_path)) as port:
        assert _greet(_document(port=port, ca=authority.pem)) == 1


@pytest.mark.parametrize("case", ["another authority", "no authority", "another host", "no TLS"])
def test_any_other_server_is_not(case: str, unix_socket: Path, tmp_path: Path) -> None:
    authority = Authority.new()
    host = "elsewhere" if case == "another host" else "localhost"
    context = None if case == "no TLS" else authority.certify(host, directory=tmp_path)
    trusted = {"another authority": Authority.new().pem, "no authority": None}.get(case, authority.pem)
    with tls_front(unix_socket, context) as port, pytest.raises(OperationalError, match=r"SSL|certificate"):
        _greet(_document(port=port, ca=trusted))


def test_the_host_must_be_verified_in_full() -> None:
    query = address(_document(ca="a certificate")).query
    assert query["sslmode"] == "verify-full"
    assert Path(str(query["sslrootcert"])).read_text() == "a certificate"


def test_a_port_may_be_written_as_text() -> None:
    assert address(_document(port="5433")).port == 5433


def test_an_address_that_is_given_is_used_and_no_secret_is_asked(database_url: str) -> None:
    def refuse(_: str) -> str:
        pytest.fail("the secret was asked")

    engine = open_database(DatabaseSettings(database_url=database_url, database_secret="arn"), read_secret=refuse)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    engine.dispose()


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ("hush, this is no JSON", "not a JSON object"),
        ('["hush"]', "not a JSON object"),
        (_document(host=None), "needs host"),
        (_document(port="hush"), "needs a number as port"),
        (json.dumps({"password": "hush"}), "needs host, port, username, dbname"),
    ],
)
def test_a_secret_that_cannot_be_used_is_described_and_never_quoted(document: str, named: str) -> None:
    with pytest.raises(SecretUnreadable, match=named) as caught:
        address(document)
    assert "hush" not in str(caught.value)
    assert caught.value.__cause__ is None
