"""The names of secrets that a job may ask for: variables of its trials' processes that nothing else depends on."""

import re

MODEL_KEY = "OPENROUTER_API_KEY"
"""The secret that agents with a model get unless the job names others."""

PATTERN = r"[A-Z][A-Z0-9_]{0,127}"

_RESERVED = frozenset(
    {"PATH", "HOME", "TMPDIR", "TMP", "TEMP", "USER", "LOGNAME", "SHELL", "PWD", "LANG", "LANGUAGE", "TZ", "TERM"}
    | {"IFS", "ENV", "BASH_ENV", "HOSTNAME", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}
)
_RESERVED_BEGINNINGS = ("LD_", "LC_", "PYTHON", "DOCKER_", "COMPOSE_", "AWS_", "FLOTILLA_", "XDG_", "GLIBC_", "MALLOC_")


def flaw_of(name: str) -> str | None:
    """Why a job may not ask for a secret of that name; None if it may."""
    if not re.fullmatch(PATTERN, name):
        return "is no name of a secret: it takes capital letters, digits and underscores, a letter first, 128 at most"
    if name in _RESERVED or name.startswith(_RESERVED_BEGINNINGS):
        return "is reserved: it steers the worker, not the agent"
    return None
