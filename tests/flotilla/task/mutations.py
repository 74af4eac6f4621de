"""Changes to a task: files gone or spoilt, values of every type in every field."""

import copy
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.flotilla.task.corpus import Sample, without

WORDS: tuple[Any, ...] = (
    "", " ", "x", "5", "-1", "1.5", "..", "a/../b", "/abs", "a\\b", "NUL.txt", "com¹", "Con ", "a.", "a\nb", "a/b\n",
    "org/..x", "2x4", "1G", "1 gb", "infG", "nanM", "true", "http", "STDIO", "manifest.json/", "*.1.2.3.4", "h:80",
    "a" * 300, "ß", "ſ", "public", "allowlist", "shared", "separate", "windows", "main", "-db", "\x7f", "x ", "GPU",
)  # fmt: skip
NUMBERS: tuple[Any, ...] = (0, -1, 1, 2.0, 2.5, True, 10**12, 10**30, 1e308, float("inf"), float("nan"), -0.0, 0.25)
TABLES: tuple[Any, ...] = ([], {}, ["x"], [1], {"a": 1}, [{}], [{"name": "a"}], [["x"]], {"command": "x"}, {"a": "b"})
VALUES = (*WORDS, *NUMBERS, *TABLES)

ENVIRONMENT_FIELDS = (
    "build_timeout_sec", "docker_image", "os", "cpus", "memory_mb", "memory", "storage_mb", "storage", "gpus",
    "gpu_types", "tpu", "mcp_servers", "env", "skills_dir", "healthcheck", "workdir", "allow_internet", "network_mode",
    "allowed_hosts",
)  # fmt: skip
VERIFIER_FIELDS = (
    "timeout_sec", "env", "user", "environment_mode", "environment", "collect", "network_mode", "allowed_hosts",
)  # fmt: skip
FIELDS: tuple[tuple[str | int, ...], ...] = (
    *((name,) for name in ("schema_version", "version", "task", "metadata", "source", "steps", "artifacts", "solution",
                           "multi_step_reward_strategy", "agent", "verifier", "environment", "surprise")),
    *(("task", name) for name in ("name", "version", "description", "authors", "keywords")),
    *(("agent", name) for name in ("timeout_sec", "user", "network_mode", "allowed_hosts")),
    *(("environment", name) for name in ENVIRONMENT_FIELDS),
    *(("verifier", name) for name in VERIFIER_FIELDS),
    *(("verifier", "environment", name) for name in ENVIRONMENT_FIELDS),
    *(("environment", "healthcheck", name) for name in ("command", "retries", "interval_sec", "start_period_sec")),
    *(("environment", "tpu", name) for name in ("type", "topology")),
    *(("steps", 0, name) for name in ("name", "agent", "verifier", "min_reward", "healthcheck", "artifacts")),
    *(("steps", 0, "verifier", name) for name in VERIFIER_FIELDS),
)  # fmt: skip


TABLE_FIELDS = frozenset(
    {"task", "metadata", "steps", "artifacts", "solution", "agent", "verifier", "environment", "authors", "keywords",
     "env", "gpu_types", "tpu", "mcp_servers", "healthcheck", "collect", "allowed_hosts", "exclude", "args"}
)  # fmt: skip


def mutations(base: Sample, dice: random.Random, *, count: int) -> Iterator[Sample]:
    """The base itself, each of its files gone or spoilt, and `count` random changes to its configuration."""
    yield base
    for path in sorted(base.files):
        yield replace(without(base, path), name=f"{base.name} without {path}")
        spoilt = dice.choice([None, b"\xff\xfe", b"", b"a: [", b"\t"])
        yield replace(base, name=f"{base.name} with {path} = {spoilt!r}", files={**base.files, path: spoilt})
    for _ in range(count):
        changed = copy.deepcopy(base.config)
        told = [_change(changed, dice) for _ in range(dice.choice([1, 1, 2, 3]))]
        yield replace(base, name=f"{base.name}: {'; '.join(told)}", config=changed)


def _change(config: dict[str, Any], dice: random.Random) -> str:
    """Changes one value in place, one that is there or one that could be, and tells what it did."""
    present = list(leaves(config))
    if present and dice.random() < 0.4:
        place = dice.choice(present)
        if dice.random() < 0.3:
            owner_of(config, place).pop(place[-1])
            return f"no {place}"
    else:
        place = dice.choice(FIELDS)
    value = copy.deepcopy(dice.choice(_fitting(place) if dice.random() < 0.7 else VALUES))
    owner, last = owner_of(config, place), place[-1]
    is_there = isinstance(owner, list) and isinstance(last, int) and last < len(owner)
    if is_there or isinstance(owner, dict):
        owner[last] = value
    return f"{place} = {value!r}"


def _fitting(place: tuple[str | int, ...]) -> tuple[Any, ...]:
    """Values that may be right there, so that not everything is refused for its type."""
    name = str(place[-1])
    if name.endswith(("_sec", "_mb", "cpus", "gpus", "retries", "min_reward", "user")):
        return NUMBERS
    return TABLES if name in TABLE_FIELDS else WORDS


def leaves(data: Any, *place: str | int) -> Iterator[tuple[str | int, ...]]:
    """The places of all values in the data, tables and lists as well as what is in them."""
    keys = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in keys:
        yield (*place, key)
        if isinstance(value, dict | list):
            yield from leaves(value, *place, key)


def owner_of(config: dict[str, Any], place: tuple[str | int, ...]) -> Any:
    """What holds the value at `place`, made on the way where it is missing."""
    owner: Any = config
    for step in place[:-1]:
        if isinstance(owner, dict):
            owner = owner.setdefault(str(step), {})
        elif isinstance(owner, list) and isinstance(step, int) and step < len(owner):
            owner = owner[step]
        else:
            return None
    return owner
