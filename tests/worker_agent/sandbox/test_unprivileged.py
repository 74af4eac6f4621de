"""A plain user gets a sandbox as well, with one user in it."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[3]
PROGRAM = """
import asyncio, os, sys
from pathlib import Path
from worker_agent.sandbox.availability import why_unavailable
from worker_agent.sandbox.filesystem import build
from worker_agent.sandbox.leftovers import remove_scratch
from worker_agent.sandbox.sandbox import Order, Sandbox

async def main(place):
    if fault := await why_unavailable(place / "probe"):
        print(fault)
        return
    mounts = build(place, hidden=[Path("/usr/share/doc")], binds=[(place.parent / "logs", "/logs/agent", False)])
    sandbox = await Sandbox.open(place, mounts=mounts, network=False)
    try:
        env = {"PATH": "/usr/sbin:/usr/bin"}
        await sandbox.run(Order(argv=("/bin/bash", "-c", sys.argv[2]), env=env, user="daemon"), output=1, errors=1)
    finally:
        await sandbox.close()
        remove_scratch(place)

asyncio.run(main(Path(sys.argv[1])))
"""
TASK = """
id -u
echo works > /logs/agent/log; echo fine > /app/file; cat /app/file
mount -t tmpfs none /mnt 2> /dev/null && echo mounted
unshare --user true 2> /dev/null && echo nested
cat /proc/1/environ 2> /dev/null && echo read
ls -d /usr/share/doc 2> /dev/null
ls /home /opt /run/docker.sock 2> /dev/null | grep -v : | grep .
mkdir /app/shut; touch /app/shut/file; chmod 000 /app/shut
"""


def test_a_plain_user_gets_a_sandbox(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    home = tmp_path / "plain"
    plain_user = 65534 if os.geteuid() == 0 else os.geteuid()
    for folder in (home, home / "scratch", home / "logs"):
        folder.mkdir()
        os.chown(folder, plain_user, -1)
    program = [sys.executable, "-c", PROGRAM, str(home / "scratch"), TASK]
    result = as_plain_user(program, readable=[Path(sys.base_prefix), Path(sys.prefix), CHECKOUT, tmp_path])
    if (
        "sysctl" in result.stdout
    ):  # this kernel keeps user namespaces from plain users, and the sentence says what to do
        assert result.stdout.count("\n") == 1
        return
    assert (result.stdout, result.stderr) == ("0\nfine\n", "")
    assert (home / "logs" / "log").read_text() == "works\n"
    assert (home / "logs" / "log").stat().st_uid == plain_user
    assert not (home / "scratch").exists()


def as_plain_user(program: list[str], *, readable: list[Path]) -> subprocess.CompletedProcess[str]:
    """Run a program as nobody if we are root, with mounts of its own that open the closed folders on its way."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1"}
    start = ["unshare", "--mount", "--propagation", "private", "sh", "-c", opening_script(program, readable)]
    return subprocess.run(
        start if os.geteuid() == 0 else program,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env=environment,
    )


def opening_script(program: list[str], readable: list[Path]) -> str:
    """Covers each closed folder (a home) with one that has only what is needed, then becomes nobody."""
    script = "set -e\nmount -t tmpfs none /mnt\n"
    for number, path in enumerate(readable):
        held = f"/mnt/readable-{number}"
        script += f"mkdir {held}; mount --bind {shlex.quote(str(path))} {held}\n"
    closed = {gate for path in readable for gate in gates(path)}
    script += "".join(f"mount -t tmpfs -o mode=755 none {shlex.quote(str(gate))}\n" for gate in sorted(closed))
    for number, path in enumerate(readable):
        if gates(path):
            script += (
                f"mkdir -p {shlex.quote(str(path))}; mount --bind /mnt/readable-{number} {shlex.quote(str(path))}\n"
            )
    return f"{script}cd /; exec setpriv --reuid nobody --regid nogroup --clear-groups -- {shlex.join(program)}\n"


def gates(path: Path) -> list[Path]:
    """The outermost folder on the way to `path` that keeps others out."""
    return [folder for folder in reversed(path.parents) if folder.stat().st_mode & 0o005 != 0o005][:1]
