"""Memory: how much of the host's can still be had."""

from dataclasses import dataclass
from pathlib import Path

from worker_agent.health.finding import Finding, broken, degraded, healthy

MIB = 1 << 20
FLOOR_MIB = 256
"""An empty container and its trial's process take 50 MiB: where there is not even room for a few, the kernel kills."""
LOW_SHARE = 0.10
LOW_MIB = 1024
"""A tenth of the host's, or a gigabyte: what one task more may well want."""
MEND = "end what else runs on this host, lower FLOTILLA_SLOTS, or take a larger machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """In MiB: what can be had without swapping, and what there is."""

    available: int
    total: int


def measure(meminfo: Path = Path("/proc/meminfo")) -> Memory:
    """The host's memory now."""
    rows = (line.partition(":") for line in meminfo.read_text(encoding="ascii").splitlines())
    kibibytes = {name: int(rest.split()[0]) for name, _, rest in rows if rest}
    return Memory(available=kibibytes["MemAvailable"] // 1024, total=kibibytes["MemTotal"] // 1024)


def memory(found: Memory) -> Finding:
    """The finding on memory."""
    seen = f"{found.available:,} MiB of {found.total:,} MiB are available, the floor is {FLOOR_MIB} MiB"
    if found.available < FLOOR_MIB:
        return broken("memory", seen, mend=MEND)
    if found.available < min(LOW_MIB, LOW_SHARE * found.total):
        return degraded("memory", seen, mend=MEND)
    return healthy("memory", seen)
