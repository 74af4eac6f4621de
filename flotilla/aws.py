"""How this fleet calls AWS where a caller waits for the answer."""

from botocore.config import Config


def brief_calls() -> Config:
    """Two seconds to connect, five to answer, two attempts: whoever asks is asked again within seconds."""
    return Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 2, "mode": "standard"})
