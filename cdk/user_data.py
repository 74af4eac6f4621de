"""What an instance is told at its birth: a cloud-init document that fetches the worker's runtime and runs its boot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from textwrap import indent

MACHINE_IMAGE_PARAMETER = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
"""The public Systems Manager parameter that names Ubuntu's newest image of this release; see docs/machine-image.md."""

LIMIT_BYTES = 16_384
"""What EC2 takes as user data, before it is encoded."""

BOOT = Path(__file__).parent / "boot"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerBoot:
    """What the workers of one stage are told. Any text may be a CDK token; none is a secret."""

    region: str
    runtime_bucket: str
    runtime_key: str
    runtime_sha256: str
    """Of the archive as it lies in S3 (`cdk.worker_runtime`): a runtime that was changed on its way is not unpacked."""
    file_system: str
    access_point: str
    blocked_networks: Sequence[str]
    """IPv4 networks that no container may reach, beside the metadata: the VPC, with its database and file system."""
    blocked_networks_v6: Sequence[str] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    """The worker's variables, as `worker_agent.settings` reads them; its name and region are added by the boot."""


def render_user_data(boot: WorkerBoot) -> str:
    """The cloud-init document, as text. Raises ValueError if EC2 would refuse it, or if a value spans lines."""
    document = Template((BOOT / "cloud-config.yaml").read_text()).substitute(
        boot_variables=_in_block(_variables(_boot_variables(boot))),
        worker_variables=_in_block(_variables(boot.settings)),
        begin=_in_block((BOOT / "begin").read_text()),
    )
    if len(document.encode()) > LIMIT_BYTES:
        raise ValueError(
            f"the user data has {len(document.encode())} bytes, and EC2 takes {LIMIT_BYTES}: "
            "what does not differ between stages belongs into the runtime (cdk/boot/)"
        )
    return document


def _boot_variables(boot: WorkerBoot) -> dict[str, str]:
    return {
        "REGION": boot.region,
        "RUNTIME_BUCKET": boot.runtime_bucket,
        "RUNTIME_KEY": boot.runtime_key,
        "RUNTIME_SHA256": boot.runtime_sha256,
        "FILE_SYSTEM": boot.file_system,
        "ACCESS_POINT": boot.access_point,
        "BLOCKED_NETWORKS": ",".join(boot.blocked_networks),
        "BLOCKED_NETWORKS_V6": ",".join(boot.blocked_networks_v6),
    }


def _variables(values: Mapping[str, str]) -> str:
    """Lines that systemd reads as an environment file and a shell as assignments."""
    for name, value in values.items():
        if unfit := set(value) & set("\n\r'"):
            raise ValueError(f"{name} cannot go into a machine's settings: it holds {sorted(unfit)}")
    return "".join(f"{name}='{value}'\n" for name, value in values.items())


def _in_block(text: str) -> str:
    """The text as it stands in a literal block of the document, whose first line the template has indented."""
    return indent(text, " " * 6).removeprefix(" " * 6).rstrip()
