"""The rules for every key of a service: what keeps its containers to themselves, and the host to itself."""

from collections.abc import Iterator, Mapping

from flotilla.task.compose.build import build
from flotilla.task.compose.finding import Finding, Steps, refusal, undecided
from flotilla.task.compose.network import endpoints, ports
from flotilla.task.compose.paths import files
from flotilla.task.compose.rules import Rule, Scope, among, each, every, harmless, keyed, least, named, never, off
from flotilla.task.compose.storage import mounts
from flotilla.task.compose.value import Value, assigned, decided, listed, mapped

HARMLESS = (
    "attach", "blkio_config", "command", "configs", "cpu_count", "cpu_percent", "cpu_period", "cpu_quota", "cpu_shares",
    "cpus", "cpuset", "depends_on", "develop", "dns", "dns_opt", "dns_search", "domainname", "entrypoint",
    "environment", "expose", "extends", "extra_hosts", "group_add", "healthcheck", "hostname", "image", "init",
    "labels", "links", "mac_address", "mem_limit", "mem_reservation", "mem_swappiness", "memswap_limit", "platform",
    "profiles", "pull_policy", "pull_refresh_after", "read_only", "restart", "scale", "secrets", "shm_size",
    "stdin_open", "stop_grace_period", "stop_signal", "storage_opt", "tmpfs", "tty", "user", "working_dir",
)  # fmt: skip
"""What concerns the task's own containers alone. `extra_hosts` may name this host, which the firewall keeps closed.

`extends` is followed, and `develop` is for a command of Compose that nobody calls.
"""

CAPABILITIES = frozenset(
    (
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "IPC_LOCK", "KILL", "MKNOD", "NET_BIND_SERVICE",
        "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT", "SYS_PTRACE",
    )
)  # fmt: skip
"""Those that every container has anyway, and two that reach no further than its own processes and memory limit.

`NET_ADMIN` is not among them: it opens much of the kernel, and undoes the network policy of Harbor's own sidecar.
"""

MOST_CONTAINERS = 20
"""Of one trial: sixty of them share a host."""

ULIMITS = (
    "as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nofile", "nproc", "rss", "sigpending",
    "stack",
)  # fmt: skip
_SHARED_MEMORY = ("net.", "fs.mqueue.", "kernel.msg", "kernel.sem", "kernel.shm")
_GPUS_ARE_STATED = "state gpus in task.toml."


def _capabilities(value: Value, steps: Steps, scope: Scope) -> Iterator[Finding]:
    granted = scope.granted.get(str(steps[-2]), ())
    allowed = CAPABILITIES | set(granted)
    why = "this capability reaches beyond the container."
    rule = each(lambda name: name.upper().removeprefix("CAP_") in allowed, why=why, mend="Leave it out.")
    yield from rule(value, steps, scope)


def _gpus(value: Value, steps: Steps, scope: Scope) -> Iterator[Finding]:
    words = keyed(_DEVICE_REQUEST, what="A device")
    for place, entry in enumerate(listed(value)):
        yield from words(entry, (*steps, place), scope)


def _deploy(value: Value, steps: Steps, scope: Scope) -> Iterator[Finding]:
    resources = mapped(mapped(value).get("resources"))
    below = (*steps, "resources")
    devices = mapped(resources.get("reservations")).get("devices")
    yield from _gpus(devices, (*below, "reservations", "devices"), scope)
    yield from _PIDS(mapped(resources.get("limits")).get("pids"), (*below, "limits", "pids"), scope)


def _sysctls(value: Value, steps: Steps, _: Scope) -> Iterator[Finding]:
    for name, text in assigned(value):
        if not name.startswith(_SHARED_MEMORY):
            yield refusal((*steps, name), text, why="this is a setting of the host's kernel.", mend="Leave it out.")


def _shares(what: str, *allowed: str, prefixes: tuple[str, ...] = ()) -> Rule:
    """The rule of a namespace, which a service may share with another of its own task."""
    others = " or ".join([*allowed, *(f"{prefix}NAME" for prefix in prefixes)])
    return among(
        *allowed,
        prefixes=prefixes,
        why=f"{what} of the host, or of other trials, would be shared with it.",
        mend=f"Leave it out, or write {others}." if others else "Leave it out.",
    )


_DEVICE_REQUEST: Mapping[str, Rule] = {
    **dict.fromkeys(("capabilities", "count", "device_ids", "options"), harmless),
    "driver": among("nvidia", why="only GPUs are for tasks.", mend=f"Leave it out; {_GPUS_ARE_STATED}"),
}
_PIDS = least(1, why="processes without end would take the host's.", mend="Write a number, or leave it out.")
_HOOKS = every(
    keyed(
        {
            **dict.fromkeys(("command", "environment", "user", "working_dir"), harmless),
            "privileged": off("a privileged hook has this host's devices and kernel to itself."),
        },
        what="A hook",
    )
)

RULES: Mapping[str, Rule] = {
    **dict.fromkeys(HARMLESS, harmless),
    "privileged": off("a privileged container has this host's devices and kernel to itself."),
    "network_mode": _shares("The network", "none", prefixes=("service:",)),
    "pid": _shares("The processes", prefixes=("service:",)),
    "ipc": _shares("The shared memory", "private", "shareable", "none", prefixes=("service:",)),
    "uts": _shares("The host name"),
    "userns_mode": _shares("The users"),
    "cgroup": _shares("The control groups", "private"),
    "cgroup_parent": never("it takes the container out of the limits of this host."),
    "cap_add": _capabilities,
    "cap_drop": harmless,
    "security_opt": among(
        "no-new-privileges",
        "no-new-privileges:true",
        "no-new-privileges=true",
        why="it takes down what keeps the container in.",
        mend="Leave it out; SYS_PTRACE in cap_add is enough for debuggers.",
    ),
    "devices": never("devices are the host's.", f"Leave it out; for GPUs: {_GPUS_ARE_STATED}"),
    "device_cgroup_rules": never("devices are the host's."),
    "gpus": _gpus,
    "deploy": _deploy,
    "runtime": never("what keeps containers in is for the host to say.", f"Leave it out; for GPUs: {_GPUS_ARE_STATED}"),
    "volumes": mounts,
    "volumes_from": each(
        lambda text: not text.startswith("container:"),
        why="a container of another trial's would lend its files.",
        mend="Name a service of this file.",
    ),
    "external_links": never("they lead to containers of other trials.", "Name services of this file."),
    "networks": endpoints,
    "ports": ports,
    "container_name": never("two trials of the task could not run on one host.", "Leave it out: services have names."),
    "env_file": files,
    "label_file": files,
    "credential_spec": never("it reads credentials of the host."),
    "use_api_socket": off("it is the Docker socket, and with it this host."),
    "provider": never("it runs a program on the host."),
    "models": never("they run on the host."),
    "cpu_rt_period": never("real-time processes take this host's processors from all others."),
    "cpu_rt_runtime": never("real-time processes take this host's processors from all others."),
    "ulimits": keyed(dict.fromkeys(ULIMITS, harmless), what="A limit"),
    "sysctls": _sysctls,
    "pids_limit": _PIDS,
    "oom_kill_disable": off("memory that is used up would stop the host instead."),
    "oom_score_adj": least(0, why="the host would end other programs first.", mend="Leave it out."),
    "logging": keyed(
        {
            "driver": among(
                "json-file", "local", "none", why="the engine itself would send the log past the firewall.",
                mend="Leave it out.",
            ),
            "options": keyed(dict.fromkeys(("max-size", "max-file", "compress", "mode"), harmless), what="A log"),
        },
        what="A log",
    ),
    "post_start": _HOOKS,
    "pre_stop": _HOOKS,
    "build": build,
}  # fmt: skip

_words = named(keyed(RULES, what="A service"))


def services(value: Value, steps: Steps, scope: Scope) -> Iterator[Finding]:
    """The rule of all services: of each one, and of how many containers they come to."""
    yield from _words(value, steps, scope)
    containers = 0
    for name, service in mapped(value).items():
        words = mapped(service)
        numbers = {("scale",): words.get("scale"), ("deploy", "replicas"): mapped(words.get("deploy")).get("replicas")}
        for way, number in numbers.items():
            if isinstance(number, str) and decided(number) is None:
                yield undecided((*steps, name, *way), number)
        containers += max([1, *(int(one) for one in numbers.values() if isinstance(one, str) and one.isdecimal())])
    if containers > MOST_CONTAINERS:
        why = f"{containers:,} containers are more than the {MOST_CONTAINERS} that one trial may have."
        yield Finding(steps=steps, message=why, mend="Leave services out, or have fewer replicas.")
