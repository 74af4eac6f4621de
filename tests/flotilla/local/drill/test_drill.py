"""`flotilla drill` itself, small: real trials, real injuries, and a broken build that does not pass."""

import json
import os
import subprocess
from typing import Any

import pytest

from flotilla.local.drill.plan import WORKER_MODULE_VARIABLE
from tests.flotilla.local.running_stack import COMMAND

SECONDS = 120
UNFENCED = "tests.flotilla.local.drill.unfenced_worker"


def hold(*options: str, worker: str = "worker_agent") -> tuple[int, dict[str, Any]]:
    """The exit code of a drill in sandboxes, and its document."""
    words = ["drill", "--json", "--environment", "sandbox", *options]
    held = subprocess.run(
        [*COMMAND, *words],
        env={**os.environ, WORKER_MODULE_VARIABLE: worker},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert held.stdout, held.stderr
    document: dict[str, Any] = json.loads(held.stdout)
    return held.returncode, document


def breaches(document: dict[str, Any]) -> dict[str, list[str]]:
    return {row["name"]: row["breaches"] for row in document["verdict"] if row["breaches"]}


def test_nothing_is_lost_or_counted_twice_while_everything_breaks() -> None:
    load = ["--runs", "16", "--workers", "4", "--slots", "4", "--lease-seconds", "10", "--longest-trial", "3"]
    faults = ["--kill", "0.5", "--duplicates", "0.2", "--reorder", "--restart-database", "--restart-queue", "--zombie"]
    code, document = hold(*load, *faults, "--kill-server", "--seed", "1")
    assert breaches(document) == {}
    assert (code, document["kept"]) == (0, True)
    assert {row["name"]: row["value"] for row in document["verdict"]}["ended once"] == "16 of 16"
    done = {injury["kind"] for injury in document["injuries"]}
    assert done == {"kill", "lose machine", "freeze", "restart database", "restart queue", "kill server"}
    assert all(injury["running"] for injury in document["injuries"] if injury["worker"])


def test_a_build_without_a_fence_does_not_pass() -> None:
    load = ["--runs", "6", "--workers", "2", "--slots", "6", "--lease-seconds", "3", "--longest-trial", "5"]
    code, document = hold(*load, "--zombie", "--seed", "1", worker=UNFENCED)
    assert (code, document["kept"]) == (1, False)
    assert {"double", "witnesses disagree"} & breaches(document).keys()


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (["--kill", "1.5"], "--kill"),
        (["--data-dir", os.curdir], "is not empty"),
        (["--environment", "docker"], "no Docker engine answers"),
    ],
)
def test_a_drill_that_cannot_be_held_says_why(monkeypatch: pytest.MonkeyPatch, options: list[str], fault: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nothing/docker.sock")
    refused = subprocess.run(
        [*COMMAND, "drill", *options], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert refused.returncode == 2
    assert fault in refused.stderr
