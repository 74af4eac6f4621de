"""Whether trials can run in sandboxes on this host; if not, one sentence that says why and what to do."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from worker_agent.sandbox.errors import SandboxStartError, SandboxUnsupportedError
from worker_agent.sandbox.filesystem import build
from worker_agent.sandbox.leftovers import remove_scratch
from worker_agent.sandbox.sandbox import Sandbox, may_map_all_users

_PROGRAMS = ("bash", "tar", "mkdir")
# Switches of the kernel that forbid what a sandbox needs: file, the value that forbids, the command that allows it.
_SWITCHES = (
    ("/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=10000"),
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
)


async def why_unavailable(scratch: Path) -> str | None:
    """Start and end an empty sandbox below `scratch` (made if absent): `None` if that works here."""
    if not sys.platform.startswith("linux"):
        return "Sandboxes are made of Linux namespaces: on this system, start a Docker engine."
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"Sandboxes show this host's programs to tasks, and {', '.join(missing)} is missing: install it."
    try:
        await _try(scratch)
    except (SandboxStartError, SandboxUnsupportedError, OSError) as error:
        return f"Sandboxes do not work here ({error}): {_mend(scratch)}."
    return None


def refused_on_aws(environ: Mapping[str, str]) -> str | None:
    """Why a worker with these variables may not use sandboxes: on AWS it has an engine, and the fleet to protect."""
    if environ.get("AWS_ENDPOINT_URL"):
        return None  # a queue of our own, on one machine
    return "A worker on AWS runs its trials in Docker: sandboxes are for one machine (set FLOTILLA_ENVIRONMENT=docker)."


async def _try(scratch: Path) -> None:
    await asyncio.to_thread(scratch.mkdir, parents=True, exist_ok=True)
    place = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=scratch, prefix="probe-"))
    try:
        mounts = await asyncio.to_thread(build, place, hidden=(), binds=())
        sandbox = await Sandbox.open(place, mounts=mounts, network=False)
        await sandbox.close()
    finally:
        await asyncio.to_thread(remove_scratch, place)


def _mend(scratch: Path) -> str:
    for file, forbidding, command in _SWITCHES[: 1 if may_map_all_users() else None]:
        switch = Path(file)
        if switch.exists() and switch.read_text().strip() == forbidding:
            return f"run `{command}` as root, or start a Docker engine"
    if not os.access(scratch, os.W_OK):
        return f"make {scratch} writable, or choose another data directory"
    return (
        "they need Linux 5.11 or newer and a data directory on a file system that carries overlays "
        "(ext4, xfs, btrfs; not NFS, not a container's own root): choose another one, or start a Docker engine"
    )
