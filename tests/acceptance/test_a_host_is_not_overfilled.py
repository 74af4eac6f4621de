"""Tasks that declare more than their host has left wait for it; one that declares more than there is says so."""

import os
from pathlib import Path

from tests.acceptance.asking import Asking
from tests.acceptance.conftest import variables
from tests.api.bundle import TASK
from tests.flotilla.local.running_stack import running_stack, until

TOML = '[task]\nname = "acme/sum"\n\n[environment]\nmemory_mb = {}\n'
MEMORY_MB = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
SLOW = "#!/bin/sh\nsleep 3\n"


def _declaring(memory_mb: int, solution: str = SLOW) -> dict[str, str]:
    return {**TASK, "task.toml": TOML.format(memory_mb), "solution/solve.sh": solution}


def test_a_worker_promises_no_more_memory_than_its_overcommit_allows(tmp_path: Path) -> None:
    given = {**variables(), "FLOTILLA_MEMORY_OVERCOMMIT": "1"}
    with (
        running_stack(tmp_path / "data", "--slots", "6", variables=given) as stack,
        stack.http() as http,
    ):
        asking = Asking(http=http, stack=stack)
        third = _declaring(MEMORY_MB // 3)
        job = asking.submit(third, runs=4)
        until(lambda: "memory" in {run["waiting_on"] for run in asking.runs(job)}, "a run waits for memory")
        giant = asking.submit(_declaring(MEMORY_MB + 1), runs=1, max_trials=3)
        (ended,) = asking.ended(giant)
        assert (ended["state"], ended["cause"], len(ended["trials"])) == ("errored", "never_fits", 1)
        assert f"declares {MEMORY_MB + 1} MB of memory, a worker has {MEMORY_MB}" in ended["message"]
        runs = asking.ended(job)
        assert [run["state"] for run in runs] == ["graded"] * 4
        conditions = [run["trials"][0]["conditions"] for run in runs]
        assert {len(run["trials"]) for run in runs} == {1}
        assert max(one["promised"]["memory_mb"] for one in conditions) <= MEMORY_MB
        assert {one["overcommit"]["memory"] for one in conditions} == {1.0}
        assert {one["contended"] for one in conditions} <= {True, False, None}
