"""The control groups of sandboxes: what they are called, so that the worker finds those that a trial's process made."""

from pathlib import Path

from worker_agent.control_group import ControlGroup


def name_of(place: Path) -> str:
    """The name of the group of the sandbox that lies there, which no other sandbox of the host has."""
    return f"flotilla-{place.name}"


def groups_of(places: Path) -> list[ControlGroup]:
    """The groups of all sandboxes that lie in a folder."""
    found = [ControlGroup.called(name_of(place)) for place in places.iterdir()] if places.is_dir() else []
    return [group for group in found if group.folders]
