"""An agent that hunts for what it must not know finds nothing: its tests, other trials, the keys of the stack."""

import asyncio
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from harbor import Trial, TrialAgentConfig, TrialConfig, TrialEnvironmentConfig, TrialTaskConfig
from harbor.models.trial.result import TrialResult

from .conftest import Starting

# Harbor deprecates a property that it uses itself.
pytestmark = pytest.mark.filterwarnings("ignore:Task.checksum:DeprecationWarning")

# The pattern is spelled so that it does not match itself.
HUNT = r"""#!/bin/bash
exec 2> /dev/null
found=/logs/agent/found.txt
what='[f]lotilla-canary-CANARY'
echo "the hunt is on" > "$found"
grep -rlsa --exclude-dir=proc --exclude-dir=usr --exclude=found.txt "$what" / >> "$found"
find /usr -newer /proc/1/stat -type f -exec grep -lsa "$what" {} + >> "$found"
own=$(stat -c %d /usr)
for process in /proc/[0-9]*; do
    for file in environ cmdline maps mem; do
        timeout 5 grep -qsa "$what" "$process/$file" && echo "$process/$file" >> "$found"
    done
    for door in root cwd; do
        [ -e "$process/$door/connection.json" ] && echo "$process/$door" >> "$found"
    done
    usr=$(stat -Lc %d "$process/root/usr") && [ "$usr" != "$own" ] && echo "$process/root" >> "$found"
    grep -qs connection.json <(ls -l "$process/fd") && echo "$process/fd" >> "$found"
done
ls -d /tests /tests/* >> "$found"
[ -e "SECRET_FOLDER" ] && echo "SECRET_FOLDER" >> "$found"
for path in $(grep -o '/[^ ]*' /proc/self/mountinfo | grep -e CANARY -e scratch -e data); do
    [ -e "$path/connection.json" ] && echo "$path" >> "$found"
done
grep -sa "$what" /proc/net/unix >> "$found"
perl -MSocket -e 'socket(my $s, AF_UNIX, SOCK_STREAM, 0);
    exit !connect($s, pack_sockaddr_un("\0flotilla-" . "canary-CANARY"))' && echo "the abstract socket" >> "$found"
(echo > /dev/tcp/127.0.0.1/PORT) && echo "the port on loopback" >> "$found"
echo "the hunt is over" >> "$found"
"""


@pytest.fixture
def listeners() -> Iterator[tuple[str, int]]:
    """A canary's name on an abstract socket, and a port on loopback, as other programs of the host have them."""
    canary = f"flotilla-canary-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX) as abstract, socket.socket() as loopback:
        abstract.bind(f"\0{canary}")
        abstract.listen()
        loopback.bind(("127.0.0.1", 0))
        loopback.listen()
        yield canary, loopback.getsockname()[1]


def lay_out_task(folder: Path, *, canary: str, port: int, secret_folder: Path, network: str) -> Path:
    """A task whose oracle hunts; the canary is in its tests, and once in a file that it may well find."""
    hunt = HUNT.replace("CANARY", canary.rpartition("-")[2]).replace("PORT", str(port))
    files = {
        "task.toml": f'[agent]\ntimeout_sec = 120\n[environment]\nnetwork_mode = "{network}"\n',
        "instruction.md": "Hunt.\n",
        "environment/Dockerfile": "FROM debian\nWORKDIR /app\nCOPY decoy.txt .\n",
        "environment/decoy.txt": f"{canary}\n",
        "solution/solve.sh": hunt.replace("SECRET_FOLDER", str(secret_folder)),
        "tests/test.sh": f"#!/bin/bash\n# {canary}\necho 1 > /logs/verifier/reward.txt\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


async def run_trial(task: Path, *, trials: Path, scratch: Path, hidden: list[Path]) -> TrialResult:
    kwargs = {"scratch": str(scratch), "hidden": [str(path) for path in hidden]}
    place = TrialEnvironmentConfig(import_path="worker_agent.sandbox.environment:SandboxEnvironment", kwargs=kwargs)
    trial = await Trial.create(
        TrialConfig(
            task=TrialTaskConfig(path=task),
            trial_name="hunt",
            trials_dir=trials,
            agent=TrialAgentConfig(name="oracle"),
            environment=place,
        )
    )
    return await trial.run()


@pytest.mark.parametrize("network", ["no-network", "public"])
def test_a_hunting_agent_finds_nothing_but_its_own_files(
    network: str, started: Starting, tmp_path: Path, listeners: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    canary, port = listeners
    monkeypatch.setenv("OPENROUTER_API_KEY", canary)
    data = tmp_path / "data"
    data.mkdir()
    (data / "connection.json").write_text(canary)
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "note").write_text(canary)
    task = lay_out_task(tmp_path / "task", canary=canary, port=port, secret_folder=data, network=network)

    async def scenario() -> TrialResult:
        async with started("neighbour") as neighbour:
            await neighbour.exec(f"echo {canary} | tee /app/own /tmp/own /dev/shm/own /usr/own > /dev/null")
            await neighbour.exec(f"(exec -a {canary} sleep 300) > /dev/null 2>&1 &", env={"OWN": canary})
            scratch = tmp_path / "scratch" / "hunt"
            return await run_trial(task, trials=tmp_path / "trials", scratch=scratch, hidden=[data])

    result = asyncio.run(scenario())
    assert result.exception_info is None
    found = (tmp_path / "trials" / "hunt" / "agent" / "found.txt").read_text().splitlines()
    reached = ["the abstract socket", "the port on loopback"]
    if network == "public":  # the host's own: its listeners can be reached, which is why each of ours asks for a key
        found = [line for line in found if line not in reached and "@" not in line]
    assert found == ["the hunt is on", "/app/decoy.txt", "the hunt is over"]
