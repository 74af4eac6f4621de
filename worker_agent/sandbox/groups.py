"""The control groups of sandboxes: what they are called, so that the worker finds those that a trial's process made."""

from collections.abc import Mapping
from pathlib import Path

from worker_agent.control_group import ControlGroup


def name_of(place: Path) -> str:
    """The name of the group of the sandbox that lies there, which no other sandbox of the host has."""
    return f"flotilla-{place.name}"


def groups_of(sandboxes: Path, *, within: Mapping[str, Path] | None = None) -> list[ControlGroup]:
    """The groups of all sandboxes that lie in a folder, in the places for groups that are known."""
    names = [name_of(place) for place in sandboxes.iterdir()] if sandboxes.is_dir() else []
    found = [ControlGroup.called(name, within=within) for name in names]
    return [group for group in found if group.folders]
