"""Network policies of `task.toml`: who may be reached by whom."""

import re
from enum import StrEnum
from ipaddress import ip_address, ip_network
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ValidationInfo, field_validator

from flotilla.task.wrong import wrong

_HOST_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
_HOST_FORMS = "Write a host name, '*.' and a host name, an IP address, or a network such as 192.0.2.0/24."


class NetworkMode(StrEnum):
    """How far a phase may reach."""

    NO_NETWORK = "no-network"
    PUBLIC = "public"
    ALLOWLIST = "allowlist"


def _checked_host(entry: str) -> str:
    host = entry.strip().lower().rstrip(".")
    if not _is_network(host) if "/" in host else not _is_host(host):
        raise wrong(f"{entry!r} is not a host that can be allowed.", _HOST_FORMS)
    return host


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=True)
    except ValueError:
        return False
    return "%" not in text


def _is_host(text: str) -> bool:
    if ":" in text:
        return "%" not in text and _is_address(text)
    name = text.removeprefix("*.")
    if name != text and _is_address(name):
        return False
    return all(_HOST_LABEL.match(label) for label in name.split("."))


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


Host = Annotated[str, AfterValidator(_checked_host)]


class NetworkPolicy(BaseModel):
    """The fields that [agent], [verifier] and [environment] share; what an absent mode means is theirs to say."""

    network_mode: NetworkMode | None = None
    allowed_hosts: list[Host] | None = None

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts_belong_to_an_allowlist(cls, hosts: list[str] | None, info: ValidationInfo) -> list[str] | None:
        if hosts is None or "network_mode" not in info.data:  # a broken mode is reported already
            return hosts
        mode = info.data["network_mode"]
        if mode is None or (hosts and mode is not NetworkMode.ALLOWLIST):
            raise wrong("Hosts are allowed here, but the network is no allowlist.", 'Set network_mode = "allowlist".')
        return hosts
