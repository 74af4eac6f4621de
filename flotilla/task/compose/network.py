"""Rules for networks and published ports."""

import re
from collections.abc import Iterator

from flotilla.task.compose.finding import Finding, Steps, refusal, undecided
from flotilla.task.compose.rules import Rule, Scope, among, harmless, keyed, named, never
from flotilla.task.compose.storage import external, own_name
from flotilla.task.compose.value import Value, decided, listed, mapped, split

_ADDRESSES = "fixed addresses collide with other trials, or lead this host's own traffic astray."
_BY_NAME = "Leave them to the engine, and reach services by their names."
_OPTIONS = never("options of a network change bridges and addresses of the host.")
_BRACKETED = re.compile(r"\[[^\]]*\]")

_IPAM: dict[str, Rule] = {
    "driver": among("default", why="workers have no other driver.", mend="Leave it out."),
    "config": never(_ADDRESSES, _BY_NAME),
    "options": _OPTIONS,
}
_NETWORK: dict[str, Rule] = {
    **dict.fromkeys(("attachable", "enable_ipv4", "enable_ipv6", "internal", "labels"), harmless),
    "name": own_name,
    "external": external,
    "driver": among("bridge", why="only a bridge stays behind the firewall of this host.", mend="Leave it out."),
    "driver_opts": keyed({"com.docker.network.driver.mtu": harmless}, what="A network"),
    "ipam": keyed(_IPAM, what="A network"),
}
networks = named(keyed(_NETWORK, what="A network"))

_ENDPOINT: dict[str, Rule] = {
    **dict.fromkeys(
        ("aliases", "gw_priority", "interface_name", "ipv4_address", "ipv6_address", "mac_address", "priority"),
        harmless,
    ),
    "link_local_ips": never("a container may not take such an address, since the metadata of a machine has one."),
    "driver_opts": _OPTIONS,
}
endpoints = named(keyed(_ENDPOINT, what="A service's network"))


def ports(value: Value, steps: Steps, _: Scope) -> Iterator[Finding]:
    """The rule of `ports`: only one trial of a host could have a port of the host's."""
    for place, entry in enumerate(listed(value)):
        published = _published(entry)
        if not published:
            continue
        if decided(published) is None:
            yield undecided((*steps, place), published)
        else:
            why = "a port of the host is there for one trial alone, and others would fail to start."
            mend = "Write the container's port alone; services reach each other without."
            yield refusal((*steps, place), published, why=why, mend=mend)


def _published(entry: Value) -> str:
    """The host's port, or a text that may hold one; "" if there is none."""
    if isinstance(entry, str):
        parts = split(_BRACKETED.sub("", entry))
        if len(parts) == 1:
            return entry if decided(entry) is None else ""
        return parts[-2]
    published = mapped(entry).get("published")
    return published if isinstance(published, str) and published != "0" else ""
