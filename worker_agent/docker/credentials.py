"""What a registry wants to know of us, from the configuration that Docker's own command line uses."""

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

CENTRAL_REGISTRY = "https://index.docker.io/v1/"
HELPER_SECONDS = 30


def registry_auth(image: str) -> dict[str, str]:
    """The header that lets the engine pull an image; empty for a registry without an entry."""
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    except FileNotFoundError:
        return {}
    registry = registry_of(image)
    login = _by_helper(config, registry) or _by_entry(config, registry)
    if login is None:
        return {}
    name, _, password = login.partition(":")
    # An identity token of a helper comes with this name instead of a user's.
    words = {"identitytoken": password} if name == "<token>" else {"username": name, "password": password}
    document = json.dumps({**words, "serveraddress": registry}).encode()
    return {"X-Registry-Auth": base64.urlsafe_b64encode(document).decode()}


def registry_of(image: str) -> str:
    """The registry's key in the configuration: what stands before the first slash, if it looks like a host."""
    host, slash, _ = image.partition("/")
    looks_like_host = bool(slash) and ("." in host or ":" in host or host == "localhost")
    return host if looks_like_host else CENTRAL_REGISTRY


def _by_helper(config: dict[str, Any], registry: str) -> str | None:
    helper = config.get("credHelpers", {}).get(registry) or config.get("credsStore")
    if not helper:
        return None
    answer = subprocess.run(
        [f"docker-credential-{helper}", "get"],
        input=registry,
        capture_output=True,
        text=True,
        timeout=HELPER_SECONDS,
        check=False,
    )
    if answer.returncode != 0:  # it keeps nothing for this registry
        return None
    words = json.loads(answer.stdout)
    return f"{words['Username']}:{words['Secret']}"


def _by_entry(config: dict[str, Any], registry: str) -> str | None:
    entry = config.get("auths", {}).get(registry, {}).get("auth")
    return base64.b64decode(entry).decode() if entry else None
