"""The task that a drill runs: real work for Harbor, whose every phase leaves a line in the ledger."""

from pathlib import Path

from flotilla.local.drill.engine_ledger import NONCE_DIGITS
from flotilla.local.drill.ledger import Phase
from flotilla.local.drill.ledger_server import LedgerAddress

NAME = "flotilla/drill"
IMAGE = "debian:bookworm-slim"
NONCE_KEY = "nonce"  # among the rewards: so it is in Harbor's result, in the database and in the API's answers
_NONCE_FILE = "/tmp/flotilla-drill-nonce"  # noqa: S108 - inside the trial's environment, which nobody shares

_TASK = f"""schema_version = "1.4"

[task]
name = "{NAME}"
description = "Waits for a while, and says to witnesses that it did."

[agent]
timeout_sec = {{agent_seconds}}

[verifier]
timeout_sec = 300

[environment]
build_timeout_sec = 600
docker_image = "{IMAGE}"
"""

_TELL = """tell() {{
    echo "$1 nonce $nonce"
    exec 3<>/dev/tcp/127.0.0.1/{port}
    echo "{key} $nonce $place $1" >&3
    read -r -u 3 answer
    [ "$answer" = written ]
    exec 3>&-
}}
while read -r _ _ _ root point _; do
    if [ "$point" = /logs/agent ]; then place=$root/; fi
done </proc/self/mountinfo
"""
"""In a sandbox: over the host's loopback, with the place of the agent's log as the kernel has it."""

_SAY = 'tell() { echo "$1 nonce $nonce"; }\n'
"""In Docker: the engine is the witness."""

_OWN_NONCE = f"""read -r uuid </proc/sys/kernel/random/uuid
uuid=${{uuid//-/}}
nonce=$((16#${{uuid:0:{NONCE_DIGITS}}}))
"""
_CONTAINER_NONCE = f"""while read -r line; do
    if [[ $line =~ /([0-9a-f]{{64}})/hostname ]]; then nonce=$((16#${{BASH_REMATCH[1]:0:{NONCE_DIGITS}}})); fi
done </proc/self/mountinfo
"""

_SOLVE = f"""#!/bin/bash
set -eu
{{nonce}}echo "$nonce" >{_NONCE_FILE}
{{tell}}tell "{Phase.AGENT_BEGUN}"
sleep $(({{shortest}} + nonce % {{spread}}))
tell "{Phase.AGENT_ENDED}"
"""

_TEST = f"""#!/bin/bash
set -eu
read -r nonce <{_NONCE_FILE}
{{tell}}tell "{Phase.VERIFIER_BEGUN}"
echo "{{{{\\"reward\\": 1, \\"{NONCE_KEY}\\": $nonce}}}}" >/logs/verifier/reward.json
tell "{Phase.VERIFIER_ENDED}"
"""


def write_task(directory: Path, *, seconds: tuple[int, int], ledger: LedgerAddress | None) -> None:
    """Writes the task; its agent works for a time between these two. Without a ledger's address it is for Docker."""
    shortest, longest = seconds
    tell = _SAY if ledger is None else _TELL.format(port=ledger.port, key=ledger.key)
    nonce = _CONTAINER_NONCE if ledger is None else _OWN_NONCE
    files = {
        "task.toml": _TASK.format(agent_seconds=longest + 300),
        "instruction.md": "Wait, and leave a sign.\n",
        "environment/README": "nothing is needed\n",
        "solution/solve.sh": _SOLVE.format(
            nonce=nonce, tell=tell, shortest=shortest, spread=max(longest - shortest, 0) + 1
        ),
        "tests/test.sh": _TEST.format(tell=tell),
    }
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if path.suffix == ".sh":
            path.chmod(0o755)
