"""What is read from a task's Compose files, and what is put on top."""

from pathlib import Path

import pytest

from worker_agent.docker.composition import Additions, Composition, overlay, read
from worker_agent.docker.errors import ComposeFileError

ADDITIONS = Additions(labels={"a": "$b"}, pids_limit=10, memory_mb=20, memory_mb_of_main=30, log_max_size="1m")


def of(tmp_path: Path, *documents: str) -> Composition:
    paths = [tmp_path / f"{number}.yaml" for number in range(len(documents))]
    for path, text in zip(paths, documents, strict=True):
        path.write_text(text)
    return read(paths, main={"build": {}})


def test_without_a_file_there_is_main_built_from_the_task(tmp_path: Path) -> None:
    composition = of(tmp_path)
    assert composition.built() == ["main"]
    assert composition.is_built_by_content()


@pytest.mark.parametrize(
    "text",
    [
        "services: {db: {build: {context: ./db, args: {V: '${HOME}'}}}}",
        "services: {db: {build: ../elsewhere}}",
        "services: {db: {build: 'https://example.invalid/x.git'}}",
        "services: {db: {build: ./db, image: 'name:1'}}",
        "services: {main: {image: 'name:1'}}",
        "services: {db: {extends: {file: other.yaml, service: x}}}",
        "include: [other.yaml]",
    ],
)
def test_what_the_files_alone_do_not_decide_is_no_content(tmp_path: Path, text: str) -> None:
    assert not of(tmp_path, text).is_built_by_content()


def test_only_images_that_are_named_outright_are_pulled_ahead(tmp_path: Path) -> None:
    text = "services: {a: {image: 'a:1'}, b: {image: '${B}'}, c: {image: c, pull_policy: always}, d: {build: .}}"
    assert of(tmp_path, text).pulled() == ["a:1"]


def test_all_that_is_the_tasks_own_is_labelled(tmp_path: Path) -> None:
    text = (
        "services: {db: {image: x, logging: {driver: none}}}\n"
        "networks: {own: null, other: {external: true}}\nvolumes: {data: }\n"
    )
    words = overlay(of(tmp_path, text), additions=ADDITIONS, images={"main": "m:1"}, init=True, others=["guard"])
    labels = {"a": "$$b"}
    assert words["networks"] == {"default": {"labels": labels}, "own": {"labels": labels}}
    assert words["volumes"] == {"data": {"labels": labels}}
    assert words["services"]["guard"] == {"labels": labels}
    assert words["services"]["db"] == {"labels": labels, "pids_limit": 10, "mem_limit": "20m", "oom_score_adj": 500}
    main = words["services"]["main"]
    assert main["mem_limit"] == "30m"
    assert (main["image"], main["pull_policy"], main["init"], main["pids_limit"]) == ("m:1", "missing", True, 10)


@pytest.mark.parametrize("own", ["image: x", "deploy: {replicas: 1}", "logging: {driver: local}", "extends: b"])
def test_processes_and_logs_of_every_service_have_an_end(tmp_path: Path, own: str) -> None:
    composition = of(tmp_path, f"services: {{db: {{{own}}}}}")
    words = overlay(composition, additions=ADDITIONS, images={}, init=True)["services"]["db"]
    assert words["pids_limit"] == 10
    assert (words["logging"]["driver"], words["logging"]["options"]["max-size"]) == ("json-file", "1m")


@pytest.mark.parametrize("own", ["pids_limit: 5", "deploy: {resources: {limits: {pids: 5}}}"])
def test_a_limit_of_processes_that_a_task_states_itself_stays(tmp_path: Path, own: str) -> None:
    composition = of(tmp_path, f"services: {{main: {{{own}}}}}")
    assert "pids_limit" not in overlay(composition, additions=ADDITIONS, images={}, init=True)["services"]["main"]


@pytest.mark.parametrize(
    "own", ["pids_limit: 1000000", "pids_limit: -1", "pids_limit: 0", "deploy: {resources: {limits: {pids: 1000000}}}"]
)
def test_a_limit_of_processes_beyond_ours_is_ours(tmp_path: Path, own: str) -> None:
    words = overlay(of(tmp_path, f"services: {{db: {{{own}}}}}"), additions=ADDITIONS, images={}, init=True)
    db = words["services"]["db"]
    assert 10 in (db.get("pids_limit"), db.get("deploy", {}).get("resources", {}).get("limits", {}).get("pids"))


def test_what_a_task_builds_under_a_name_of_its_choice_is_named_after_the_trial(tmp_path: Path) -> None:
    composition = of(tmp_path, "services: {db: {build: ., image: 'debian:bookworm-slim'}}")
    words = overlay(composition, additions=ADDITIONS, images={}, init=True, project="task__x")
    assert words["services"]["db"]["image"] == "task__x-db"


@pytest.mark.parametrize("own", ["mem_limit: 1g", "deploy: {resources: {limits: {memory: 1g}}}"])
def test_a_limit_of_memory_that_a_task_states_itself_stays(tmp_path: Path, own: str) -> None:
    composition = of(tmp_path, f"services: {{db: {{{own}, oom_score_adj: 900}}}}")
    words = overlay(composition, additions=ADDITIONS, images={}, init=True)["services"]["db"]
    assert not {"mem_limit", "oom_score_adj"} & words.keys()


@pytest.mark.parametrize("limits", ["{}", "{cpus: '1'}"])
def test_limits_go_where_a_service_has_others(tmp_path: Path, limits: str) -> None:
    """Compose refuses a service that has some in either place."""
    composition = of(tmp_path, f"services: {{db: {{deploy: {{resources: {{limits: {limits}}}}}}}}}")
    words = overlay(composition, additions=ADDITIONS, images={}, init=True)["services"]["db"]
    assert words["deploy"] == {"resources": {"limits": {"pids": 10, "memory": "20m"}}}
    assert not {"pids_limit", "mem_limit"} & words.keys()


@pytest.mark.parametrize("none", ["0", "'0'", "0b", "0.0g", "-1", "'-1'", "null"])
@pytest.mark.parametrize("own", ["mem_limit: {}", "deploy: {{resources: {{limits: {{memory: {}, pids: 5}}}}}}"])
def test_no_limit_of_memory_is_ours_where_it_was_stated(tmp_path: Path, own: str, none: str) -> None:
    composition = of(tmp_path, f"services: {{db: {{{own.format(none)}}}}}")
    words = overlay(composition, additions=ADDITIONS, images={}, init=True)["services"]["db"]
    if "deploy" in own:
        assert words["deploy"] == {"resources": {"limits": {"memory": "20m"}}}
    else:
        assert words["mem_limit"] == "20m"


@pytest.mark.parametrize("own", ["init: false", "entrypoint: /sbin/init"])
def test_a_program_that_is_to_be_the_first_stays_it(tmp_path: Path, own: str) -> None:
    composition = of(tmp_path, f"services: {{main: {{{own}}}}}")
    assert "init" not in overlay(composition, additions=ADDITIONS, images={}, init=True)["services"]["main"]


def test_tags_of_compose_are_read_over(tmp_path: Path) -> None:
    assert set(of(tmp_path, "services: {db: {image: x, ports: !reset []}}").services) == {"main", "db"}


@pytest.mark.parametrize(
    "text",
    [
        "services: !override {main: {image: x}, db: {image: x}}",
        "services: !any {db: {image: x}}",
        "!any services: {db: {image: x}}",
        "!any include: [other.yaml]",
        "services: {db: !any {build: ., image: 'debian:bookworm-slim'}}",
        "!any\nservices: {db: {image: x}}",
        "!!binary c2VydmljZXM=: {db: {image: x}}",
        "services: {}\n---\nservices: {db: {build: .}}",
    ],
)
def test_what_a_tag_or_a_document_may_hide_is_for_compose_to_say(tmp_path: Path, text: str) -> None:
    composition = of(tmp_path, text)
    assert not composition.complete
    assert not composition.is_built_by_content()


def test_an_exclamation_mark_is_no_tag(tmp_path: Path) -> None:
    assert of(tmp_path, "services: {db: {image: x, command: 'echo hi!'}}").complete


def test_a_file_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    with pytest.raises(ComposeFileError, match=r"0\.yaml"):
        of(tmp_path, "services: [")
