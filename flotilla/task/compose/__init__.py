"""What a task's Compose files may ask for: their own containers, and nothing of the host or of other trials."""

from flotilla.task.compose.files import host_access_faults
from flotilla.task.compose.finding import Finding
from flotilla.task.compose.folder import HostFolder
from flotilla.task.compose.judge import resolved_findings

__all__ = ["Finding", "HostFolder", "host_access_faults", "resolved_findings"]
