"""A secret reaches the trial that names it and nothing else: not a file, a row, a log or an answer."""

import base64
import subprocess
from pathlib import Path

from tests.acceptance.asking import Asking
from tests.acceptance.conftest import SECRET
from tests.api.bundle import TASK

CODED = base64.b64encode(SECRET.encode()).decode()
TELLTALE = {
    **TASK,
    "solution/solve.sh": """#!/bin/sh
echo "plain $HARBOUR_KEY."
echo "coded $(printf %s "$HARBOUR_KEY" | base64)."
printf %s "$HARBOUR_KEY" > /logs/agent/stolen.txt
""",
}


def files_with(directory: Path, text: str) -> list[str]:
    found = subprocess.run(["grep", "-rlF", "--", text, str(directory)], capture_output=True, text=True, check=False)
    return found.stdout.split()


def test_a_secret_that_a_trial_tells_is_replaced_at_equal_length(anywhere: Asking) -> None:
    (run,) = anywhere.ended(anywhere.submit(TELLTALE, secrets=["HARBOUR_KEY"]))
    assert run["state"] == "graded", run["log_tail"]
    log = anywhere.http.get(f"/v1/runs/{run['id']}/logs", params={"stream": "agent"}).text
    plain, coded = log.splitlines()[:2]
    assert (len(plain), len(coded)) == (len(f"plain {SECRET}."), len(f"coded {CODED}."))
    stolen = anywhere.shared / run["trials"][0]["path"] / "agent" / "stolen.txt"
    assert stolen.stat().st_size == len(SECRET)
    for text in (SECRET, CODED.rstrip("=")[:-1]):
        assert files_with(anywhere.shared, text) == []
        assert files_with(anywhere.stack.directory / "logs", text) == []
        assert files_with(anywhere.stack.directory / "postgres", text) == []
        assert text not in anywhere.http.get(f"/v1/runs/{run['id']}").text
        assert text not in anywhere.http.get(f"/v1/runs/{run['id']}/result").text


def test_a_trial_that_does_not_name_a_secret_does_not_get_it(anywhere: Asking) -> None:
    (run,) = anywhere.ended(anywhere.submit(TELLTALE))
    log = anywhere.http.get(f"/v1/runs/{run['id']}/logs", params={"stream": "agent"}).text
    assert log.splitlines()[:2] == ["plain .", "coded ."]


def test_a_secret_that_nobody_gave_ends_the_run_with_its_name(anywhere: Asking) -> None:
    (run,) = anywhere.ended(anywhere.submit(TASK, secrets=["NOBODY_GAVE_ME"]))
    assert (run["state"], run["cause"]) == ("errored", "secret_missing")
    assert "NOBODY_GAVE_ME" in run["message"]
