"""What the check says, where it points, and what it hands on."""

from typing import Any

import pytest

from flotilla.task import BundleRefused, CheckedTask, Fault, Rule, check
from tests.flotilla.task.corpus import COMPOSE, DOCKERFILE, IMAGE, PLAIN, Sample, broken_tasks
from tests.flotilla.task.trees import SampleTree


def plain(**config: Any) -> Sample:
    return Sample(name="task", config=config, files={**PLAIN, **DOCKERFILE})


def faults(sample: Sample) -> tuple[Fault, ...]:
    with pytest.raises(BundleRefused) as refusal:
        check(SampleTree(sample))
    return refusal.value.faults


def pointers(sample: Sample) -> list[str]:
    return [fault.pointer for fault in faults(sample)]


@pytest.mark.parametrize(
    ("config", "pointer"),
    [
        ({"environment": {"memory_mb": "much"}}, "/task.toml/environment/memory_mb"),
        ({"environment": {"memory_mb": -5}}, "/task.toml/environment/memory_mb"),
        ({"environment": {"memory": "-1G"}}, "/task.toml/environment/memory"),
        ({"environment": {"memory": "1T"}}, "/task.toml/environment/memory"),
        ({"environment": {"memory": "1G", "memory_mb": 5}}, "/task.toml/environment/memory_mb"),
        ({"environment": {"os": "windows"}}, "/task.toml/environment/os"),
        ({"environment": {"network_mode": "public", "allowed_hosts": ["h"]}}, "/task.toml/environment/allowed_hosts"),
        ({"environment": {"mcp_servers": [{"name": "a"}]}}, "/task.toml/environment/mcp_servers/0/url"),
        ({"environment": {"healthcheck": {}}}, "/task.toml/environment/healthcheck/command"),
        ({"environment": 5}, "/task.toml/environment"),
        ({"agent": {"user": []}}, "/task.toml/agent/user"),
        ({"agent": {"timeout_sec": 0}}, "/task.toml/agent/timeout_sec"),
        ({"agent": {"network_mode": "allowlist", "allowed_hosts": ["a", "b:1"]}}, "/task.toml/agent/allowed_hosts/1"),
        ({"verifier": {"env": {"a/b~c": 5}}}, "/task.toml/verifier/env/a~1b~0c"),
        ({"verifier": {"environment_mode": "shared", "environment": {}}}, "/task.toml/verifier/environment"),
        ({"task": {}}, "/task.toml/task/name"),
        ({"version": 1.0}, "/task.toml/version"),
        ({"artifacts": ["ok", "../x"]}, "/task.toml/artifacts/1"),
        ({"artifacts": [{"destination": "x"}]}, "/task.toml/artifacts/0/source"),
        ({"artifacts": [{"source": "x", "service": "db"}]}, "/task.toml/artifacts/0/service"),
        ({"steps": [{"name": "a"}, {"name": "b", "min_reward": "x"}]}, "/task.toml/steps/1/min_reward"),
        ({"steps": [{"name": "a/b"}]}, "/task.toml/steps/0/name"),
    ],
)  # fmt: skip
def test_a_fault_in_the_configuration_is_pointed_at(config: dict[str, Any], pointer: str) -> None:
    assert pointers(plain(**config)) == [pointer]


def test_everything_wrong_is_told_at_once() -> None:
    sample = Sample(name="task", config={"environment": {"cpus": 0}, "agent": {"timeout_sec": -1}})

    assert pointers(sample) == [
        "/environment",
        "/instruction.md",
        "/tests/test.sh",
        "/task.toml/environment/cpus",
        "/task.toml/agent/timeout_sec",
    ]


def test_a_task_without_its_configuration_is_told_where_it_must_lie() -> None:
    sample = plain()
    tree = SampleTree(sample)
    tree.members = {path: member for path, member in tree.members.items() if path != "task.toml"}

    with pytest.raises(BundleRefused) as refusal:
        check(tree)

    assert [(fault.pointer, fault.mend) for fault in refusal.value.faults] == [
        ("/task.toml", "Put the task at the archive's root or into its only folder.")
    ]


@pytest.mark.parametrize("sample", broken_tasks(), ids=lambda sample: sample.name)
def test_every_refusal_says_what_is_wrong_and_how_to_mend_it(sample: Sample) -> None:
    for fault in faults(sample):
        assert fault.message.endswith(".")
        assert fault.mend.endswith(".")
        assert fault.pointer.startswith("/")


def test_a_refusal_never_shows_the_value_of_a_variable() -> None:
    sample = plain(environment={"env": {"KEY": ["hunter2"]}})

    assert all("hunter2" not in str(fault) for fault in faults(sample))


def test_numbers_without_end_are_refused_in_a_few_characters() -> None:
    (fault,) = faults(plain(environment={"cpus": 10**4000}))

    assert fault.rule is Rule.RESOURCES
    assert len(fault.message) < 200


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing but a comment\n",
        "volumes: {data: {}}\n",
        "services:\n  main: !reset null\n",
        "services: !override {main: {image: x}}\n",
        "services:\n  main:\n    image:\tx\n",
        "services: {a: {image: x}}\n---\nservices: {b: {image: y}}\n",
        "x-all: &all {a: {image: x}}\nservices: *all\n",
    ],
)
def test_a_compose_file_that_compose_takes_is_taken(text: str) -> None:
    sample = Sample(name="task", files={**PLAIN, "environment/docker-compose.yaml": text})

    assert check(SampleTree(sample)).uses_compose


@pytest.mark.parametrize(
    "text", ["services:\n", "services: []\n", "[]\n", "just words\n", "services:\n\tmain: {}\n", "a: [\n", "[" * 5000]
)
def test_a_compose_file_that_compose_cannot_read_is_refused(text: str) -> None:
    sample = Sample(name="task", files={**PLAIN, "environment/docker-compose.yaml": text})

    assert {fault.rule for fault in faults(sample)} == {Rule.COMPOSE_FILE}


def test_aliases_that_multiply_cost_nothing() -> None:
    layers = "".join(f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30))
    sample = Sample(name="task", files={**PLAIN, "environment/docker-compose.yaml": f"x-0: &a0 [x]\n{layers}"})

    assert check(SampleTree(sample)).uses_compose


def test_a_text_past_all_reason_is_refused() -> None:
    sample = plain()
    sample.files["instruction.md"] = "a" * (1 << 20) + "b"

    assert [(fault.pointer, fault.rule) for fault in faults(sample)] == [("/instruction.md", Rule.TEXT_SIZE)]


def checked(sample: Sample) -> CheckedTask:
    return check(SampleTree(sample))


def test_a_plain_trial_takes_at_most_its_start_its_agent_and_its_verifier() -> None:
    task = checked(
        plain(agent={"timeout_sec": 100}, verifier={"timeout_sec": 20}, environment={"build_timeout_sec": 3})
    )

    assert task.longest_trial_seconds(default_agent_timeout=9999) == 123
    assert task.steps == ()


def test_an_agent_without_a_limit_takes_the_default() -> None:
    task = checked(plain(verifier={"timeout_sec": 20}, environment={"build_timeout_sec": 3}))

    assert task.longest_trial_seconds(default_agent_timeout=1000) == 1023


def test_health_checks_hooks_and_a_separate_verifier_take_their_time() -> None:
    slow_check = {"command": "x", "timeout_sec": 2, "interval_sec": 1, "start_period_sec": 30, "retries": 4}
    hook = {"command": "x", "timeout_sec": 7}
    task = checked(
        plain(
            agent={"timeout_sec": 0.5},
            environment={
                "build_timeout_sec": 10,
                "healthcheck": slow_check,
            },
            verifier={"timeout_sec": 0.5, "environment_mode": "separate", "collect": [hook]},
        )
    )

    start_period, retries = 30 + 2 + 5, 4 * (2 + 1)
    assert task.longest_trial_seconds(default_agent_timeout=0) == 10 + start_period + retries + 0.5 + 7 + 10 + 0.5


def test_every_step_adds_its_own_times_or_those_it_inherits() -> None:
    steps = [
        {"name": "a", "agent": {"timeout_sec": 1}, "verifier": {"timeout_sec": 2}},
        {"name": "b", "verifier": {"timeout_sec": 4}, "healthcheck": {"command": "x", "timeout_sec": 1, "retries": 1}},
    ]
    files = {**PLAIN, **DOCKERFILE, "steps/a/instruction.md": "", "steps/b/instruction.md": ""}
    task = checked(
        Sample(
            name="task",
            config={"steps": steps, "agent": {"timeout_sec": 100}, "environment": {"build_timeout_sec": 1000}},
            files=files,
        )
    )

    assert task.steps == ("a", "b")
    assert task.longest_trial_seconds(default_agent_timeout=0) == 1000 + (1 + 2) + (100 + 4 + 1 + 5)


def test_what_a_trial_runs_in_is_handed_on() -> None:
    built, composed = checked(plain()), checked(Sample(name="task", files={**PLAIN, **COMPOSE}))
    prebuilt = checked(Sample(name="task", config={"environment": IMAGE}, files=dict(PLAIN)))

    assert (built.has_dockerfile, built.uses_compose, built.docker_image) == (True, False, None)
    assert (composed.has_dockerfile, composed.uses_compose, composed.docker_image) == (False, True, None)
    assert (prebuilt.has_dockerfile, prebuilt.uses_compose, prebuilt.docker_image) == (
        False,
        False,
        IMAGE["docker_image"],
    )
