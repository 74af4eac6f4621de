"""Exception names and messages lead to causes; no name is listed twice, and Harbor's own are known."""

import ast
from importlib.util import find_spec
from pathlib import Path

import pytest
from harbor.models.job.config import RetryConfig

from flotilla.causes import _NAMES, Cause, cause_of


@pytest.mark.parametrize(
    ("exception", "message", "cause"),
    [
        ("RewardFileNotFoundError", "No reward file found", Cause.VERIFIER),
        ("AgentTimeoutError", "Agent execution timed out after 3.0 seconds", Cause.AGENT_BUDGET),
        ("ImageBuildError", "step 2 failed", Cause.TASK_ENVIRONMENT),
        ("RuntimeError", "write /x: no space left on device", Cause.HOST_RESOURCE),
        ("RuntimeError", "toomanyrequests: You have reached your pull rate limit", Cause.IMAGE_UNAVAILABLE),
        ("RuntimeError", "all predefined address pools have been fully subnetted", Cause.HOST_RESOURCE),
        ("SomethingNew", "who knows", Cause.UNCLASSIFIED),
        ("AgentTimeoutError", "no space left on device, said the agent", Cause.AGENT_BUDGET),
    ],
)
def test_an_exception_has_the_cause_that_one_would_act_on(exception: str, message: str, cause: Cause) -> None:
    assert cause_of(exception, message) is cause


def test_no_name_stands_for_two_causes() -> None:
    names = [name for group in _NAMES.values() for name in group]
    assert len(names) == len(set(names))


def _names_of_harbor() -> set[str]:
    """Every exception class that Harbor defines, wherever: a class whose base is called an error or exception."""
    spec = find_spec("harbor")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    files = Path(spec.submodule_search_locations[0]).rglob("*.py")
    classes = [
        node for file in files for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ClassDef)
    ]
    return {
        node.name for node in classes if any(ast.unparse(base).endswith(("Error", "Exception")) for base in node.bases)
    }


def test_every_exception_that_harbor_defines_is_classified() -> None:
    names = _names_of_harbor()
    assert len(names) > 50
    assert {name for name in names if cause_of(name, "") is Cause.UNCLASSIFIED} == set()


def test_every_exception_that_harbor_does_not_retry_is_classified() -> None:
    names = RetryConfig().exclude_exceptions
    assert names
    assert {name for name in names if cause_of(name, "") is Cause.UNCLASSIFIED} == set()
