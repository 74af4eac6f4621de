"""`python -m worker_agent health`, and the same check before a worker is counted."""

import json
import subprocess
import sys
from pathlib import Path

from sqlalchemy import Engine

from flotilla.store.workers import list_workers


def worker_agent(*words: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "worker_agent", *words]
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)


def test_a_healthy_worker_is_one_document_and_exit_code_0(variables: dict[str, str]) -> None:
    answered = worker_agent("health", "--json", variables=variables)
    assert (answered.returncode, answered.stderr) == (0, "")
    document = json.loads(answered.stdout)
    assert document["status"] == "healthy"
    assert {check["status"] for check in document["checks"]} == {"healthy"}


def test_what_is_broken_is_said_in_plain_words_with_exit_code_2(variables: dict[str, str]) -> None:
    Path(variables["FLOTILLA_SHARED"]).rmdir()
    answered = worker_agent("health", variables=variables)
    assert answered.returncode == 2
    assert "broken    shared files" in answered.stdout
    assert "\x1b[" not in answered.stdout
    assert answered.stdout.endswith("This worker is broken.\n")


def test_missing_variables_are_named_in_either_form(variables: dict[str, str]) -> None:
    lacking = {name: text for name, text in variables.items() if name != "FLOTILLA_QUEUE_URL"}
    plain, document = (worker_agent("health", *words, variables=lacking) for words in ([], ["--json"]))
    assert (plain.returncode, document.returncode) == (2, 2)
    assert "FLOTILLA_QUEUE_URL is not set" in plain.stdout
    assert "FLOTILLA_QUEUE_URL is not set" in json.loads(document.stdout)["checks"][0]["seen"]


def test_a_worker_on_a_broken_host_says_why_and_is_never_counted(variables: dict[str, str], engine: Engine) -> None:
    Path(variables["FLOTILLA_SHARED"]).rmdir()
    ended = worker_agent(variables=variables)
    assert ended.returncode == 2
    assert "shared files" in ended.stderr
    assert "Traceback" not in ended.stderr
    with engine.connect() as connection:
        assert list_workers(connection, gone=True) == []
