"""An oracle that hunts: for the tests it will be judged by, for keys, for sockets, for other trials' files."""

from pathlib import Path

from tests.acceptance.asking import Asking
from tests.api.bundle import TASK

CONTROL = "/tmp/what-the-hunt-does-find"  # noqa: S108 - of the trial, not of this host
ANSWER = "the-answer-that-is-tested.txt"
WANTED = [ANSWER, "connection.json", "bundle.zip", "job_run_1", ".s.PGSQL.5432", "docker.sock", "worker_agent"]
NAMES = " ".join(f"-o -name {name}" for name in [Path(CONTROL).name, *WANTED])
HUNTER = {
    **TASK,
    f"tests/{ANSWER}": "42\n",
    "solution/solve.sh": f"""#!/bin/bash
touch {CONTROL}
find / \\( -path /proc -o -path /sys \\) -prune -o \\( -false {NAMES} \\) -print
cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n'
echo hunted
""",
}


def test_a_hunting_trial_finds_nothing(anywhere: Asking) -> None:
    neighbour = anywhere.submit({**TASK, "solution/solve.sh": "#!/bin/sh\nsleep 3\n"})
    (run,) = anywhere.ended(anywhere.submit(HUNTER))
    assert run["state"] == "graded"
    found = (anywhere.shared / run["trials"][0]["path"] / "agent" / "oracle.txt").read_text().splitlines()
    assert CONTROL in found
    assert found[-1] == "hunted"
    assert [line for line in found if Path(line).name in WANTED] == []
    secrets = [str(anywhere.stack.directory), anywhere.stack.key]
    assert [line for line in found if any(secret in line for secret in secrets)] == []
    anywhere.ended(neighbour)
