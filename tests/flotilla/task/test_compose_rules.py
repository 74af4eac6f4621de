"""A Compose file that reaches for the host or for other trials is refused at upload, by name."""

import time

import pytest

from flotilla.task import BundleRefused, Fault, Rule, check
from flotilla.task.compose.value import decided, split
from tests.flotilla.task.corpus import PLAIN, Sample
from tests.flotilla.task.hostile_compose import HARMLESS, HOSTILE, Hostile
from tests.flotilla.task.trees import SampleTree

COMPOSE = "environment/docker-compose.yaml"


def sample(text: str, **beside: str) -> Sample:
    files = {f"environment/{name}": content for name, content in beside.items()}
    return Sample(name="task", files={**PLAIN, COMPOSE: text, **files})


def faults(task: Sample) -> tuple[Fault, ...]:
    with pytest.raises(BundleRefused) as refusal:
        check(SampleTree(task))
    return refusal.value.faults


def pointers(case: Hostile) -> list[str]:
    names = ("docker-compose.yaml", *case.beside, "absent.yaml")
    return [
        f"/environment/{key}" if key.startswith(names) else f"/environment/docker-compose.yaml/{key}"
        for key in case.keys
    ]


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.name)
def test_what_reaches_beyond_the_tasks_own_containers_is_refused_by_name(case: Hostile) -> None:
    found = faults(sample(case.text, **case.beside))

    assert sorted(fault.pointer for fault in found) == sorted(pointers(case))
    for fault in found:
        assert fault.message.endswith(".")
        assert fault.mend.endswith(".")


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS)
def test_what_stays_within_its_own_containers_is_accepted(text: str) -> None:
    assert check(SampleTree(sample(text))).uses_compose


@pytest.mark.parametrize("case", [case for case in HOSTILE if "absent" not in case.name], ids=lambda case: case.name)
def test_a_deployment_may_allow_it(case: Hostile) -> None:
    assert check(SampleTree(sample(case.text, **case.beside)), allow_host_access=True).uses_compose


def test_a_harmless_file_beside_may_be_extended_and_included() -> None:
    text = "include: [sub/o.yaml]\nservices: {a: {extends: {file: sub/o.yaml, service: b}}}"
    other = "services: {b: {image: x, build: ../ctx, volumes: ['../data:/data:ro', './own:/own']}}"

    assert check(SampleTree(sample(text, **{"sub/o.yaml": other}))).uses_compose


def test_the_verifiers_own_compose_file_is_held_to_the_same() -> None:
    task = sample("services: {main: {}}")
    task = Sample(
        name="task",
        config={"verifier": {"environment_mode": "separate"}},
        files={**task.files, "tests/docker-compose.yaml": "services: {main: {volumes: ['../environment:/e']}}"},
    )

    assert [fault.pointer for fault in faults(task)] == ["/tests/docker-compose.yaml/services/main/volumes/0"]


def test_the_docker_socket_is_called_by_its_name() -> None:
    (fault,) = faults(sample("services: {db: {volumes: ['/var/run/docker.sock:/s']}}"))

    assert fault.rule is Rule.HOST_ACCESS
    assert "Docker socket" in fault.message


def test_a_value_that_follows_a_variable_is_told_to_be_that() -> None:
    (fault,) = faults(sample("services: {db: {network_mode: '${NETMODE}'}}"))

    assert "network_mode follows a variable" in fault.message
    assert "'${NETMODE}'" in fault.message


def test_aliases_that_multiply_within_services_are_refused_at_once() -> None:
    layers = "".join(f"      l{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30))
    began = time.monotonic()

    found = faults(sample(f"services:\n  a:\n    labels:\n      l0: &a0 [x]\n{layers}"))

    assert {fault.rule for fault in found} == {Rule.COMPOSE_FILE}
    assert time.monotonic() - began < 5


def test_a_document_that_holds_itself_is_refused() -> None:
    found = faults(sample("services: &s {a: *s}"))

    assert {fault.rule for fault in found} == {Rule.COMPOSE_FILE}


def test_a_file_of_thousands_of_faults_is_refused_with_some_of_them() -> None:
    services = "".join(f"  s{n}: {{privileged: true, volumes: ['./:/a', './b:/b']}}\n" for n in range(150))

    assert len(faults(sample(f"services:\n{services}"))) == 200


@pytest.mark.parametrize(
    ("text", "parts"),
    [("a:b:ro", ["a", "b", "ro"]), ("${X:-a:b}:/c", ["${X:-a:b}", "/c"]), ("a}:b", ["a}", "b"]),
     ("${X:-${Y:-z}}:/c:ro", ["${X:-${Y:-z}}", "/c", "ro"])],
)  # fmt: skip
def test_colons_of_a_variable_do_not_part(text: str, parts: list[str]) -> None:
    assert split(text) == parts


@pytest.mark.parametrize(
    ("text", "known"), [("a", "a"), ("$$a", "$a"), ("$a", None), ("${a}", None), ("$$$a", None), ("5$", "5$")]
)
def test_a_dollar_that_is_escaped_is_no_variable(text: str, known: str | None) -> None:
    assert decided(text) == known
