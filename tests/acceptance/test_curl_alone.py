"""Nothing but curl: a zip goes up, a job is made, its log is followed, its result is read."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.acceptance.asking import Asking
from tests.api.bundle import TASK, zipped

TALKATIVE = {**TASK, "solution/solve.sh": "#!/bin/sh\nfor n in 1 2 3; do echo line $n; sleep 0.3; done\n"}


def curl(asking: Asking, *words: str) -> str:
    key = f"Authorization: Bearer {asking.stack.key}"
    command = ["curl", "--silent", "--show-error", "--fail-with-body", "--max-time", "60", "-H", key, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_curl_alone_is_enough(anywhere: Asking, tmp_path: Path) -> None:
    (tmp_path / "task.zip").write_bytes(zipped(TALKATIVE))
    api = f"{anywhere.stack.url}/v1"
    archive = ["--data-binary", f"@{tmp_path / 'task.zip'}", "-H", "Content-Type: application/zip"]
    bundle: dict[str, Any] = json.loads(curl(anywhere, *archive, f"{api}/bundles"))
    job = json.loads(
        curl(anywhere, "--json", json.dumps({"bundle": bundle["id"], "agent": {"name": "oracle"}}), f"{api}/jobs")
    )
    run = json.loads(curl(anywhere, f"{api}/jobs/{job['id']}/runs"))["items"][0]
    events = curl(anywhere, "-N", f"{api}/runs/{run['id']}/logs?stream=agent&follow=true").split("\n\n")
    said = [line.removeprefix("data: ") for event in events for line in event.splitlines() if line.startswith("data: ")]
    assert said[1:4] == ["line 1", "line 2", "line 3"]
    assert json.loads(said[-1]) == {"state": "graded", "reward": 1.0, "cause": None}
    result = json.loads(curl(anywhere, f"{api}/runs/{run['id']}/result"))
    assert result["verifier_result"]["rewards"] == {"reward": 1.0}
