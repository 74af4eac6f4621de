"""The file system of one sandbox: what is shown of the host, what is fresh, and what Harbor wants mounted."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from worker_agent.sandbox.furniture import furnish
from worker_agent.sandbox.layers import Layers
from worker_agent.sandbox.mounts import Mount, bind, system_mounts
from worker_agent.sandbox.sandbox import ROOT


def build(scratch: Path, *, hidden: Iterable[Path], binds: Sequence[tuple[Path, str, bool]]) -> list[Mount]:
    """Lay a sandbox's file system out below `scratch` and give the mounts that make it whole, in their order.

    `hidden` are host paths that must not exist for the task; `binds` are (host path, path inside, read-only).
    """
    layers = Layers(scratch, hidden=hidden)
    furnish(layers)
    own = [Mount(ROOT, ROOT, flags=bind(ROOT, ROOT).flags), *layers.mounts(ROOT), *system_mounts(ROOT, empty="empty")]
    return own + [_bind(layers, source, target, read_only=read_only) for source, target, read_only in binds]


def _bind(layers: Layers, source: Path, target: str, *, read_only: bool) -> Mount:
    if not source.exists():
        source.mkdir(parents=True)  # as container engines do
    if not read_only:
        source.chmod(0o777 if source.is_dir() else 0o666)  # for every user of the task, as Harbor expects
    place = layers.place(target)
    if source.is_dir():
        place.mkdir(exist_ok=True)
    elif not os.path.lexists(place):
        place.touch()
    return bind(source.resolve(), f"{ROOT}{target}", read_only=read_only)
