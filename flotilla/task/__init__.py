"""Harbor tasks as Flotilla reads and checks them, where Harbor is not installed."""

from flotilla.task.check import check
from flotilla.task.checked import CheckedTask, Phase
from flotilla.task.directory import DirectoryTree
from flotilla.task.fault import BundleRefused, Fault, Rule
from flotilla.task.limits import Limits
from flotilla.task.tree import Kind, Member, TaskTree

__all__ = [
    "BundleRefused",
    "CheckedTask",
    "DirectoryTree",
    "Fault",
    "Kind",
    "Limits",
    "Member",
    "Phase",
    "Rule",
    "TaskTree",
    "check",
]
