"""Fields with rules of their own, by arbitrary texts: ours takes what Harbor's model takes, and nothing else."""

import copy
import warnings
from typing import Any

import pytest
from harbor.models.task.config import TaskConfig as HarborConfig
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from flotilla.task.config import TaskConfig
from tests.flotilla.task.corpus import EVERYTHING
from tests.flotilla.task.mutations import VALUES, leaves, owner_of


def is_taken(model: Any, config: dict[str, Any]) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old fields warn
        try:
            model.model_validate(copy.deepcopy(config))  # Harbor's changes what it is given
        except (ValidationError, OverflowError):
            return False
    return True


def pieces(*words: str) -> st.SearchStrategy[str]:
    """Texts put together from these words and some that trip everybody."""
    trips = [" ", "\n", "ſ", "é", "e\u0301", "\x7f", "A", "0"]
    return st.lists(st.sampled_from([*words, *words, *trips]), max_size=4).map("".join)


step_names = pieces(
    ".", "..", "/", "\\", "con", "NUL", "com", "¹", "1", "COMIN$", "conın$", "ı", ":", "a" * 128, "\x01"
)
hosts = pieces(
    "*.", "*", ".", "-", "a", "example.com", "1.2.3.4", "/24", "/0", "::1", "2001:db8::", "/32", "%eth", "[", "]"
)
paths = pieces("..", "/", "./", "\\", "a", "manifest.json", "C:", ".")
services = pieces("main", "-", "_", ".", "db")
packages = pieces("org", "/", ".", "..", "-", "_", "x")
sizes = st.sampled_from(["1G", "1024m", "1048576K", "0G"]) | pieces(
    "1", ".5", "e9", "inf", "nan", "_", "g", "M", "k", "-"
)
grids = pieces("2", "x", "X", "4", "٣", "0")
words = pieces(
    "linux", "Windows", "public", "allowlist", "no-network", "shared", "separate", "mean", "http", "stdio", "sse"
)
modes = st.sampled_from([None, "public", "allowlist", "no-network", "other"])


def present(**fields: Any) -> dict[str, Any]:
    """The fields that are not None, since TOML has no null."""
    return {name: value for name, value in fields.items() if value is not None}


networks = st.builds(present, network_mode=modes, allowed_hosts=st.none() | st.lists(hosts, max_size=3))
artifacts = st.lists(
    paths | st.builds(present, source=paths, destination=st.none() | paths, service=st.none() | services), max_size=3
)
servers = st.builds(present, name=words, transport=st.none() | words, url=st.none() | words, command=st.none() | words)
old_sizes = st.builds(
    present, memory=st.none() | sizes, memory_mb=st.none() | st.sampled_from([0, 1, 1024, 1024.0, "1024", True])
)
verifiers = st.builds(present, environment_mode=st.none() | words, environment=st.none() | networks)

CONFIGS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "step names": st.lists(step_names.map(lambda name: {"name": name}), max_size=3).map(lambda steps: {"steps": steps}),
    "phase networks": networks.map(lambda network: {"agent": network}),
    "environment networks": networks.map(lambda network: {"environment": network}),
    "artifacts": artifacts.map(lambda found: {"artifacts": found}),
    "step artifacts": artifacts.map(lambda found: {"steps": [{"name": "a", "artifacts": found}]}),
    "collect hooks": services.map(lambda name: {"verifier": {"collect": [{"command": "x", "service": name}]}}),
    "package names": packages.map(lambda name: {"task": {"name": name}}),
    "old sizes": old_sizes.map(lambda found: {"environment": found}),
    "grids": grids.map(lambda grid: {"environment": {"tpu": {"type": "v6e", "topology": grid}}}),
    "servers": servers.map(lambda server: {"environment": {"mcp_servers": [server]}}),
    "verifiers": verifiers.map(lambda verifier: {"verifier": verifier}),
    "systems": words.map(lambda name: {"environment": {"os": name}}),
}


@pytest.mark.parametrize("field", CONFIGS)
@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_a_field_with_a_rule_of_its_own_takes_what_harbor_takes(field: str, data: st.DataObject) -> None:
    config = data.draw(CONFIGS[field])

    assert is_taken(TaskConfig, config) == is_taken(HarborConfig, config)


@pytest.mark.parametrize("place", list(leaves(EVERYTHING)), ids=lambda place: "/".join(map(str, place)))
def test_every_value_in_every_field_is_taken_if_harbor_takes_it(place: tuple[str | int, ...]) -> None:
    differ = []
    for value in VALUES:
        config = copy.deepcopy(EVERYTHING)
        owner_of(config, place)[place[-1]] = value
        if is_taken(TaskConfig, config) != is_taken(HarborConfig, config):
            differ.append(value)

    assert differ == []
