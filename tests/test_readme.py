"""What the README says is there is there."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from flotilla.settings import variable
from worker_agent.settings import WorkerSettings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _section(title: str) -> str:
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


WAY_OF_A_RUN = re.findall(r"`([\w/]+(?:\.py|/))`", _section("The way of a run").partition("\n`flotilla up`")[0])


def test_the_way_of_a_run_names_enough_files_to_follow_it() -> None:
    assert len(WAY_OF_A_RUN) > 20


@pytest.mark.parametrize("name", WAY_OF_A_RUN)
def test_every_file_on_the_way_of_a_run_exists(name: str) -> None:
    assert (ROOT / name).exists()


def test_every_example_task_is_listed_and_no_other() -> None:
    listed = re.findall(r"^\| `([\w-]+)` \|", _section("How runs end"), flags=re.MULTILINE)
    assert sorted(listed) == sorted(path.name for path in (ROOT / "examples/tasks").iterdir())


def test_every_make_target_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"\bmake ([a-z-]+)", README))
    assert {"demo", "test"} <= targets
    assert all(re.search(rf"^{target}:", makefile, flags=re.MULTILINE) for target in targets)


def test_the_table_of_a_workers_variables_is_what_it_reads() -> None:
    variables = {variable(setting) for setting in fields(WorkerSettings)}
    documented = set(re.findall(r"`(FLOTILLA_\w+)`", _section("A worker by itself")))
    assert documented == {name for name in variables if name.startswith("FLOTILLA_")}
