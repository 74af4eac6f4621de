"""The instance types that workers may have, and the classes that the database may have: what each of them is."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Virtual CPUs and memory."""

    vcpus: int
    memory_gib: int


_GENERAL = Machine(vcpus=8, memory_gib=32)
_COMPUTE = Machine(vcpus=8, memory_gib=16)
_MEMORY = Machine(vcpus=8, memory_gib=64)
_GENERAL_FAMILIES = (
    *("t3", "t3a", "m5", "m5a", "m5d", "m5ad", "m5n", "m5dn", "m5zn", "m6i", "m6a", "m6id", "m6in", "m6idn"),
    *("m7i", "m7a", "m7i-flex", "m8i", "m8a", "m8i-flex"),
)
_SMALLER_AND_LARGER = ("m5", "m5a", "m6i", "m6a", "m7i", "m7a")

WORKER_TYPES: Mapping[str, Machine] = {
    **{f"{family}.2xlarge": _GENERAL for family in _GENERAL_FAMILIES},
    **{f"{family}.2xlarge": _COMPUTE for family in ("c5", "c5a", "c5d", "c6i", "c6a", "c7i", "c7a", "c7i-flex")},
    **{f"{family}.2xlarge": _MEMORY for family in ("r5", "r5a", "r5d", "r6i", "r6a", "r7i", "r7a")},
    **{f"{family}.xlarge": Machine(vcpus=4, memory_gib=16) for family in _SMALLER_AND_LARGER},
    **{f"{family}.4xlarge": Machine(vcpus=16, memory_gib=64) for family in _SMALLER_AND_LARGER},
}
"""All are x86-64: task images rarely come for anything else."""

DATABASE_CLASSES: Mapping[str, Machine] = {
    "t4g.small": Machine(vcpus=2, memory_gib=2),
    "t4g.medium": Machine(vcpus=2, memory_gib=4),
    "t4g.large": Machine(vcpus=2, memory_gib=8),
    "m7g.large": Machine(vcpus=2, memory_gib=8),
    "m7g.xlarge": Machine(vcpus=4, memory_gib=16),
    "r7g.large": Machine(vcpus=2, memory_gib=16),
}


def is_burstable(instance_type: str) -> bool:
    """Whether its CPU runs on credits."""
    return instance_type.startswith("t")
