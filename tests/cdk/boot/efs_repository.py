"""A signed package repository like AWS's own of amazon-efs-utils, with a client that mounts no EFS."""

import hashlib
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.cdk.boot.stand_ins import MOUNT_HELPER

RELEASE = "24.04"
WANTED = "3.3.0-1"
TOO_NEW = "4.0.0-1"
SUITE = f"dists/{RELEASE}"
INDEX = "main/binary-amd64/Packages"


def make_efs_repository(directory: Path) -> Mapping[str, bytes]:
    """The repository's files, by their paths on AWS's server."""
    files, stanzas = {}, []
    for version in (WANTED, TOO_NEW):
        package = _package(directory / version, version=version)
        name = f"pool/amazon-efs-utils-{version}_amd64.deb"
        files[name] = package
        stanzas.append(f"{_control(version)}Filename: {name}\nSize: {len(package)}\nSHA256: {_sha256(package)}\n")
    files[f"{SUITE}/{INDEX}"] = index = "\n".join(stanzas).encode()
    release = f"Suite: {RELEASE}\nArchitectures: amd64\nComponents: main\nDate: Mon, 23 Nov 2026 12:00:00 UTC\n"
    release += f"SHA256:\n {_sha256(index)} {len(index)} {INDEX}\n"
    files[f"{SUITE}/InRelease"], key = _signed(release, directory / "keys")
    return {f"/repo/deb/ubuntu/{RELEASE}/{name}": content for name, content in files.items()} | {"/efs-utils.gpg": key}


def _control(version: str) -> str:
    return (
        f"Package: amazon-efs-utils\nVersion: {version}\nArchitecture: amd64\nMaintainer: tests <tests@localhost>\n"
        "Depends: nfs-common\nDescription: mounts no EFS\n"
    )


def _package(tree: Path, *, version: str) -> bytes:
    for path, content in {"DEBIAN/control": _control(version), "usr/sbin/mount.efs": MOUNT_HELPER}.items():
        (tree / path).parent.mkdir(parents=True)
        (tree / path).write_text(content)
    (tree / "usr/sbin/mount.efs").chmod(0o755)
    package = tree.with_suffix(".deb")
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, package], check=True, capture_output=True)
    return package.read_bytes()


def _signed(text: str, home: Path) -> tuple[bytes, bytes]:
    """The text with a signature, and the public key it was made with."""
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--pinentry-mode", "loopback", "--passphrase", ""]

    def ask(*arguments: str) -> bytes:
        return subprocess.run([*gpg, *arguments], input=text.encode(), check=True, capture_output=True).stdout

    try:
        ask("--quick-generate-key", "tests <tests@localhost>", "ed25519", "sign", "never")
        return ask("--clearsign"), ask("--armor", "--export")
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "gpg-agent"], check=True)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
