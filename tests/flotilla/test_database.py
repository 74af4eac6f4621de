"""The connection: what it tells the kernel about a server that answers nothing any more."""

from sqlalchemy import Engine

from flotilla.database import TCP


def test_a_connection_does_not_wait_for_tcps_own_patience(engine: Engine) -> None:
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        given = driver.info.get_parameters()
    assert {name: given.get(name) for name in TCP} == {name: str(value) for name, value in TCP.items()}


def test_a_server_that_is_gone_is_noticed_well_within_a_lease() -> None:
    unheard = TCP["keepalives_idle"] + TCP["keepalives_interval"] * TCP["keepalives_count"]
    assert max(unheard, TCP["tcp_user_timeout"] / 1000) <= 30
