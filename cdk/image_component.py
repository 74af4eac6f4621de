"""The bake of a machine image, as EC2 Image Builder wants it: a component that does beforehand what a boot would do."""

import yaml

ARCHIVE = "/opt/flotilla/runtime.tar.gz"
RUNTIME = "/opt/flotilla/runtime"


def render_image_component(*, bucket: str, key: str, sha256: str) -> str:
    """The component's document, as text. The archive is `cdk.worker_runtime`'s; bucket and key may be CDK tokens."""
    document = {
        "name": "FlotillaWorker",
        "description": "Packages, Python and files of a Flotilla worker, so that its boot only starts them.",
        "schemaVersion": "1.0",
        "phases": [
            {"name": "build", "steps": [_fetch(bucket, key), _run("Bake", _bake(sha256))]},
            {"name": "validate", "steps": [_run("Prove", _proof())]},
        ],
    }
    return yaml.safe_dump(document, sort_keys=False, width=float("inf"))


def _fetch(bucket: str, key: str) -> dict[str, object]:
    source = {"source": f"s3://{bucket}/{key}", "destination": ARCHIVE, "overwrite": True}
    return {"name": "Fetch", "action": "S3Download", "inputs": [source]}


def _run(name: str, commands: list[str]) -> dict[str, object]:
    return {"name": name, "action": "ExecuteBash", "inputs": {"commands": ["set -euo pipefail", *commands]}}


def _bake(sha256: str) -> list[str]:
    return [
        f"echo '{sha256}  {ARCHIVE}' | sha256sum --check --quiet",
        f"rm -rf {RUNTIME} && mkdir -p {RUNTIME}",
        f"tar -xzf {ARCHIVE} -C {RUNTIME}",
        f"{RUNTIME}/boot/provision bake",
    ]


def _proof() -> list[str]:
    """What must hold of every image that the bake has made."""
    return [
        "dockerd --validate --config-file /etc/docker/daemon.json",
        "docker compose version",
        "mount.efs --version",
        "/opt/flotilla/python/bin/python -c 'import harbor, worker_agent.supervisor'",
    ]
