"""However a trial ends, nothing of its sandbox runs on, and what lies on disk can be removed."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from worker_agent.sandbox.leftovers import remove_scratch, take_over

TRIAL = """
import asyncio, sys
from pathlib import Path
from worker_agent.sandbox.filesystem import build
from worker_agent.sandbox.sandbox import Order, Sandbox

async def main(place):
    sandbox = await Sandbox.open(place, mounts=build(place, hidden=[], binds=[]), network=False)
    mess = "mkdir -p /app/closed/inner; rm -rf /usr/share/doc; chmod 000 /app/closed"
    command = f"setsid sleep 271828 & {mess}; echo up; sleep 271828"
    await sandbox.run(Order(argv=("/bin/bash", "-c", command), env={"PATH": "/usr/bin"}), output=1)

asyncio.run(main(Path(sys.argv[1])))
"""

REMOVAL = """
import sys
from pathlib import Path
from worker_agent.sandbox.leftovers import remove_scratch
remove_scratch(Path(sys.argv[1]))
"""


def test_after_sigkill_of_the_trial_only_its_scratch_directory_remains(tmp_path: Path) -> None:
    place = tmp_path / "killed"
    place.mkdir()
    trial = subprocess.Popen(
        [sys.executable, "-c", TRIAL, str(place)],
        stdout=subprocess.PIPE, env={"PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip
    with trial:
        assert trial.stdout is not None
        assert trial.stdout.readline() == b"up\n"
        trial.send_signal(signal.SIGKILL)
        # Nobody is left to hold the command's output, not even the daemon that left its session.
        ready, _, _ = select.select([trial.stdout], [], [], 30)
        assert ready and trial.stdout.read() == b""
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
    assert not list(running("271828"))
    assert (place / "root" / "app").is_dir()
    remove_scratch(place)
    assert not place.exists()


def running(argument: str) -> list[int]:
    """The processes that have this argument."""
    commands = {path: path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")}
    return [int(path.parent.name) for path, command in commands.items() if argument.encode() in command.split(b"\0")]


def test_removal_of_what_is_gone_is_fine_and_a_plain_file_is_not_touched(tmp_path: Path) -> None:
    remove_scratch(tmp_path / "gone")
    (tmp_path / "file").write_text("x")
    remove_scratch(tmp_path / "file")
    assert (tmp_path / "file").exists()


def test_removal_takes_off_what_is_mounted_below(tmp_path: Path) -> None:
    place = tmp_path / "scratch with space"
    (place / "inner").mkdir(parents=True)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    script = f"mount --bind '{outside}' '{place}/inner' && exec {sys.executable} -c '{REMOVAL}' '{place}'"
    rights = ["--mount"] if os.geteuid() == 0 else ["--mount", "--user", "--map-root-user"]
    subprocess.run(["unshare", *rights, "sh", "-c", script], check=True, cwd=Path(__file__).parents[3])
    assert not place.exists() and (outside / "kept").exists()


def test_taking_over_touches_nothing_that_a_link_points_to(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("x")
    outside.chmod(0o640)
    logs = tmp_path / "logs"
    (logs / "shut").mkdir(parents=True)
    (logs / "shut" / "program").write_text("x")
    (logs / "shut" / "program").chmod(0o4711)
    (logs / "shut").chmod(0o000)
    (logs / "link").symlink_to(outside)
    (logs / "broken").symlink_to("/none")
    take_over(logs)
    assert (logs / "shut" / "program").stat().st_mode & 0o7777 == 0o711
    assert outside.stat().st_mode & 0o7777 == 0o640


def test_a_tree_that_no_path_can_name_is_removed_and_taken_over(tmp_path: Path) -> None:
    place = tmp_path / "deep"
    place.mkdir()
    here = os.open(place, os.O_RDONLY)
    for _ in range(1500):  # past what a path may have, and past what Python climbs
        os.mkdir("down", dir_fd=here)
        inner = os.open("down", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    try:
        take_over(place)
        remove_scratch(place)
        assert not place.exists()
    finally:
        subprocess.run(["rm", "-rf", place], check=True)  # pytest could not remove it either
