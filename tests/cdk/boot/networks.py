"""A machine with a container and what lies outside, as three network namespaces: real packets that leave nothing."""

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

OUTSIDE_ADDRESSES = (
    "169.254.169.254/32",
    "169.254.170.2/32",
    "10.40.3.7/32",
    "203.0.113.5/32",
    "fd00:ec2::254/128",
    "2001:db8:40::7/128",
    "2001:db8:99::5/128",
)
MACHINE_UPLINK, MACHINE_BRIDGE = "192.0.2.10", "10.128.0.1"
CONTAINER = "10.128.0.2"
PATIENCE_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """The names of the three namespaces."""

    machine: str
    container: str
    outside: str

    def listen(self, namespace: str, *ports: int) -> list[socket.socket]:
        """Sockets that take connections to any address of the namespace."""
        return [_listening(_socket_in(namespace, socket.AF_INET6), port) for port in ports]

    def reaches(self, namespace: str, address: str, port: int) -> bool:
        """Whether a connection from the namespace comes about; False if it is refused at once."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with _socket_in(namespace, family) as client:
            client.settimeout(PATIENCE_SECONDS)
            try:
                client.connect((address, port))
            except ConnectionRefusedError:
                return False
        return True


@contextmanager
def connected_networks(*, uplink: str) -> Iterator[Networks]:
    """The machine's way out is called `uplink`; its container is on a bridge whose name a task has chosen."""
    prefix = f"flotilla{os.getpid()}"
    networks = Networks(machine=f"{prefix}m", container=f"{prefix}c", outside=f"{prefix}o")
    namespaces = (networks.machine, networks.container, networks.outside)
    made = []
    try:
        for namespace in namespaces:
            _ip("netns", "add", namespace)
            made.append(namespace)
            _ip("-n", namespace, "link", "set", "lo", "up")
        _connect(networks, uplink)
        yield networks
    finally:
        for namespace in made:
            _ip("netns", "delete", namespace)


def _connect(networks: Networks, uplink: str) -> None:
    machine, container, outside = networks.machine, networks.container, networks.outside
    _ip("-n", machine, "link", "add", uplink, "type", "veth", "peer", "name", "world", "netns", outside)
    _ip("-n", machine, "link", "add", "task-bridge", "type", "bridge")
    _ip("-n", machine, "link", "add", "port", "type", "veth", "peer", "name", "eth0", "netns", container)
    _ip("-n", machine, "link", "set", "port", "master", "task-bridge", "up")
    _address(machine, uplink, f"{MACHINE_UPLINK}/24", "2001:db8::10/64")
    _address(outside, "world", "192.0.2.1/24", "2001:db8::1/64", *OUTSIDE_ADDRESSES)
    _address(machine, "task-bridge", f"{MACHINE_BRIDGE}/24", "fd10::1/64")
    _address(container, "eth0", f"{CONTAINER}/24", "fd10::2/64")
    for namespace, ways in {
        machine: ("192.0.2.1", "2001:db8::1"),
        container: (MACHINE_BRIDGE, "fd10::1"),
        outside: (MACHINE_UPLINK, "2001:db8::10"),
    }.items():
        for way in ways:
            _ip("-n", namespace, "route", "add", "default", "via", way)
    settings = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    _ip("netns", "exec", machine, "sysctl", "--quiet", *settings)


def _address(namespace: str, device: str, *addresses: str) -> None:
    _ip("-n", namespace, "link", "set", device, "up")
    for address in addresses:
        unique = ["nodad"] if ":" in address else []  # nobody else can have it: not to be waited for
        _ip("-n", namespace, "address", "add", address, "dev", device, *unique)


def _ip(*arguments: str) -> None:
    finished = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, f"ip {' '.join(arguments)}: {finished.stderr}"


def _socket_in(namespace: str, family: socket.AddressFamily) -> socket.socket:
    """A socket belongs to the namespace of the thread that makes it, so a thread moves there, makes it and ends."""
    made: list[socket.socket] = []

    def make() -> None:
        with open(f"/run/netns/{namespace}") as file:  # noqa: PTH123 - only its descriptor is wanted
            os.setns(file.fileno(), os.CLONE_NEWNET)
        made.append(socket.socket(family, socket.SOCK_STREAM))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return made[0]


def _listening(server: socket.socket, port: int) -> socket.socket:
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("::", port))
    server.listen()
    return server
