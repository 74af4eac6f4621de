"""The connection to PostgreSQL."""

from sqlalchemy import URL, Engine, create_engine

# After a failover the old server's address answers nothing, not even a refusal: a socket that waits for it would wait
# for TCP's own 15 minutes, longer than any lease. So the kernel asks an idle one after 10 s and gives up within 25 s,
# and what was sent and not acknowledged counts as lost after 20 s. A Unix socket knows none of these.
TCP = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


def connect(url: str | URL, *, pool_size: int = 5) -> Engine:
    """An engine with at most `pool_size` connections. No server-side prepared statements: a proxy would pin on them."""
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        pool_timeout=30,
        connect_args={"prepare_threshold": None, "connect_timeout": 5, "application_name": "flotilla", **TCP},
    )
