"""What is uploaded beside the templates."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Cargo:
    """`wheels` is a directory with `python/` in it, what the functions import beside this checkout's packages;

    `runtime` is the workers' archive (`cdk.worker_runtime`).
    """

    wheels: Path
    runtime: Path
