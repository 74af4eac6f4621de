"""Names for things: sortable by the time they were made, safe in paths, URLs and labels."""

import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no letter that looks like a digit
_TIME_DIGITS = 9  # 45 bits of milliseconds: good until the year 3084
_RANDOM_DIGITS = 9  # 45 random bits within one millisecond


def _digits(number: int, *, length: int) -> str:
    return "".join(_ALPHABET[(number >> (5 * place)) & 31] for place in reversed(range(length)))


def new_id(kind: str) -> str:
    """A new identifier such as `job_0jd3v9k2m4x7q1w8za`: eighteen digits, the first nine from the clock."""
    milliseconds = time.time_ns() // 1_000_000
    return f"{kind}_{_digits(milliseconds, length=_TIME_DIGITS)}{_digits(secrets.randbits(45), length=_RANDOM_DIGITS)}"


def new_trial_name() -> str:
    """A trial's directory and Docker name, as Harbor names one of a directory `task`: `task__3k9x0z2mq7wd`."""
    return f"task__{_digits(secrets.randbits(60), length=12)}"
