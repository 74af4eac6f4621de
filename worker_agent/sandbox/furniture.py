"""What a sandbox has of its own: fresh folders, devices, and the few files of `/etc` that cannot be the host's."""

import os
from pathlib import Path

from worker_agent.sandbox.layers import Layers
from worker_agent.sandbox.mounts import device_names

HOSTNAME = "sandbox"
DEFAULT_WORKDIR = "/app"

_FOLDERS = (
    *("app", "dev/pts", "home", "mnt", "opt", "proc", "srv", "sys"),
    *("var/cache/apt/archives/partial", "var/log/apt", "var/mail", "var/spool"),
)
_OPEN_FOLDERS = ("tmp", "var/tmp", "run/lock", "dev/shm")
_LINKS = {
    "/dev/fd": "/proc/self/fd",
    "/dev/ptmx": "pts/ptmx",
    "/dev/stderr": "/proc/self/fd/2",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/var/lock": "../run/lock",
    "/var/run": "../run",
}


def furnish(layers: Layers) -> None:
    """Make the fresh part of a sandbox's file system."""
    for name in _FOLDERS:
        layers.place(f"/{name}").mkdir(parents=True, exist_ok=True)
    for name in _OPEN_FOLDERS:
        folder = layers.place(f"/{name}")
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o1777)
    layers.place("/root").mkdir(mode=0o700)
    for link, target in (*_LINKS.items(), *layers.links()):
        layers.place(link).symlink_to(target)
    for name in device_names():
        layers.place(f"/dev/{name}").touch()
    _write_identity(layers)


def _write_identity(layers: Layers) -> None:
    """Name, names of other hosts, and accounts without passwords."""
    _write(layers, "/etc/hostname", text=f"{HOSTNAME}\n")
    _write(layers, "/etc/hosts", text=f"127.0.0.1 localhost {HOSTNAME}\n::1 localhost\n{_read('/etc/hosts')}")
    _write(layers, "/etc/resolv.conf", text=_read("/etc/resolv.conf"))  # often a link into /run, which is not shown
    users = [row.split(":")[0] for row in _read("/etc/passwd").splitlines()]
    groups = [row.split(":")[0] for row in _read("/etc/group").splitlines()]
    _write(layers, "/etc/shadow", text="".join(f"{user}:*:19000:0:99999:7:::\n" for user in users), mode=0o640)
    _write(layers, "/etc/gshadow", text="".join(f"{group}:*::\n" for group in groups), mode=0o640)


def _write(layers: Layers, path: str, *, text: str, mode: int = 0o644) -> None:
    place = layers.place(path)
    if os.path.lexists(place):
        place.unlink()  # the hole over the host's file
    place.write_text(text)
    place.chmod(mode)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except FileNotFoundError:
        return ""
