"""A machine after its boot, with what the boot printed."""

from dataclasses import dataclass
from pathlib import Path

from tests.cdk.boot.fresh_root import Machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Booted:
    """`layers` are what its root is made of, the uppermost first."""

    machine: Machine
    output: str
    layers: tuple[Path, ...]
