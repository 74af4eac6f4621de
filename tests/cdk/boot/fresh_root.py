"""A fresh root of the release that workers run, and machines made of it: overlays, in namespaces of their own."""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from tests.cdk.boot.stand_ins import NOTES

RELEASE = "noble"  # Ubuntu 24.04, as `cdk.user_data.MACHINE_IMAGE_PARAMETER` says
SCRIPT = Path("/usr/share/debootstrap/scripts/gutsy")  # the same for all of Ubuntu's releases
KEYRING = "pool/main/u/ubuntu-keyring/ubuntu-keyring_2023.11.28.1_all.deb"
KEYRING_SHA256 = "36de43b15853ccae0028e9a767613770c704833f82586f28eb262f0311adb8a8"
IN_THE_IMAGE = ("ca-certificates", "cloud-init", "curl", "python3", "systemd")
FOR_THE_TESTS = ("shellcheck",)
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
NAMESPACES = ("--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--propagation", "private")
PATIENCE_SECONDS = 280
MEMORY = "4g"  # at most; a fresh and a booted root take 1.5


def make_fresh_root(directory: Path) -> Path:
    """What the image has before anything of ours is in it, by debootstrap. Needs root and the archive."""
    root = directory / "fresh"
    # Old debootstraps do not know the release by name.
    order = ["debootstrap", "--variant=minbase", "--components=main,universe", f"--keyring={_keyring(directory)}"]
    order += [f"--include={','.join((*IN_THE_IMAGE, *FOR_THE_TESTS))}", RELEASE, str(root), _mirror()]
    _succeed(*order, str(SCRIPT))
    # The network is this machine's: its resolver, and whom it trusts.
    for ours in (Path("/etc/resolv.conf"), Path("/etc/hosts"), CERTIFICATES):
        shutil.copy(ours, root / ours.relative_to("/"))
    return root


def _mirror() -> str:
    """The archive that debootstrap itself would take for a release that is still supported."""
    known = re.findall(r"default_mirror (\S+)", SCRIPT.read_text(encoding="utf-8"))
    return str(next(mirror for mirror in known if "old-releases" not in mirror))


def _keyring(directory: Path) -> Path:
    with urlopen(f"{_mirror()}/{KEYRING}", timeout=60) as answer:  # noqa: S310 - what comes is compared with its digest
        package = answer.read()
    assert hashlib.sha256(package).hexdigest() == KEYRING_SHA256
    (directory / "keyring.deb").write_bytes(package)
    _succeed("dpkg", "--extract", str(directory / "keyring.deb"), str(directory / "keyring"))
    return directory / "keyring/usr/share/keyrings/ubuntu-archive-keyring.gpg"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A root that programs run in as if it were a machine's own; its network is this machine's."""

    root: Path
    environment: Mapping[str, str]

    def run(self, *command: str) -> str:
        """What the command prints, in new namespaces. Fails the test if it fails."""
        return _succeed(*self._enter(command))

    def begin(self, user_data: str) -> str:
        """The machine's first boot by cloud-init itself, from its data source to the last script; what it prints."""
        seed = self.root / "var/lib/cloud/seed/nocloud"
        seed.mkdir(parents=True, exist_ok=True)
        (seed / "meta-data").write_text("instance-id: i-0123456789abcdef0\n")
        (seed / "user-data").write_text(user_data)
        stages = ("init --local", "init", "modules --mode config", "modules --mode final")
        script = "; ".join(f"cloud-init {stage}" for stage in stages)
        finished = subprocess.run(
            self._enter(("sh", "-c", script)), capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
        return finished.stdout + finished.stderr

    def text(self, path: str) -> str:
        """A file's content; nothing if it is not there."""
        file = self.root / path.removeprefix("/")
        return file.read_text() if file.exists() else ""

    def notes(self) -> list[str]:
        """How the stand-ins were called, in order."""
        return self.text(NOTES).splitlines()

    def forget_notes(self) -> None:
        """As if they had not been called."""
        (self.root / NOTES.removeprefix("/")).unlink(missing_ok=True)

    def _enter(self, command: tuple[str, ...]) -> list[str]:
        variables = {"PATH": PATH, "LANG": "C.UTF-8", **self.environment}
        script = 'mount -t proc proc "$0/proc" && mount -t tmpfs tmpfs "$0/run" && exec chroot "$0" env -i "$@"'
        settings = [f"{name}={value}" for name, value in variables.items()]
        return ["unshare", *NAMESPACES, "sh", "-c", script, str(self.root), *settings, *command]


@contextmanager
def memory_mounted(directory: Path) -> Iterator[None]:
    """The directory's content is in memory, and gone at the end."""
    _succeed("mount", "-t", "tmpfs", "-o", f"size={MEMORY}", "tmpfs", str(directory))
    try:
        yield
    finally:
        _succeed("umount", str(directory))


@contextmanager
def machine_over(*lower: Path, scratch: Path, environment: Mapping[str, str]) -> Iterator[Machine]:
    """A machine whose root begins as the lower layers, the uppermost first; it writes into `scratch/upper`."""
    for name in ("upper", "work", "root"):
        (scratch / name).mkdir(parents=True)
    layers = f"lowerdir={':'.join(map(str, lower))},upperdir={scratch / 'upper'},workdir={scratch / 'work'}"
    _succeed("mount", "-t", "overlay", "overlay", "-o", layers, str(scratch / "root"))
    try:
        yield Machine(root=scratch / "root", environment=environment)
    finally:
        _succeed("umount", str(scratch / "root"))


def network_environment() -> dict[str, str]:
    """What programs that fetch packages have to know of this machine's network."""
    passed_on = {name: value for name, value in os.environ.items() if name.lower().endswith(("_proxy", "index_url"))}
    trust = dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT"), str(CERTIFICATES))
    return {"UV_SYSTEM_CERTS": "1", **trust, **passed_on}


def _succeed(*command: str) -> str:
    finished = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert finished.returncode == 0, f"{command} failed:\n{finished.stdout[-3000:]}{finished.stderr[-3000:]}"
    return finished.stdout
