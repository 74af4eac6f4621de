"""What is wrong with a bundle: where, what, and how to mend it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Rule(StrEnum):
    """The rule that a fault breaks. All but `HARBOR` are ours, beyond what Harbor's own `Task` looks at."""

    HARBOR = "harbor"
    """Harbor's `Task` refuses it too."""
    ARCHIVE = "archive"
    """The archive itself: no archive, empty, encrypted, cut off, damaged."""
    LIMIT = "limit"
    """More bytes or files than a bundle may have."""
    NAME = "name"
    """A name that leaves the task's folder, or that not every machine can hold."""
    DUPLICATE = "duplicate"
    """One name twice, or as a file and a folder."""
    LINK = "link"
    """Links, devices, pipes: a bundle holds files and folders only."""
    TEXT_SIZE = "text-size"
    """A text that the check must read is larger than any such text."""
    FILE_EXPECTED = "file-expected"
    """A folder, or bytes that are no text, where the trial will open a text file."""
    ENVIRONMENT = "environment-definition"
    """Nothing says what the agent runs in; Harbor finds out only when a trial starts."""
    OPERATING_SYSTEM = "operating-system"
    """Workers run Linux."""
    RESOURCES = "resources"
    """Amounts of which no machine can give so much, or so little."""
    TIME = "time"
    """Time limits that end nothing, or end it before it begins."""
    COMPOSE_FILE = "compose-file"
    """A Compose file that Compose cannot read."""
    HOST_ACCESS = "host-access"
    """A Compose file that reaches beyond its own containers: to the host, or to other trials."""
    SIDECAR = "sidecar"
    """Files are to be collected from a service, but no Compose file can define it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing wrong, with a JSON pointer (RFC 6901) to it.

    The pointer begins with the path in the bundle and goes on inside a document: `/task.toml/environment/cpus`,
    `/tests/test.sh`; `""` is the archive as a whole.
    """

    pointer: str
    message: str
    mend: str
    rule: Rule = Rule.HARBOR

    def __str__(self) -> str:
        return f"{self.pointer or 'the bundle'}: {self.message} {self.mend}"


class BundleRefused(Exception):
    """The bundle cannot become a job. `faults` holds everything found, at least one."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


def refused(message: str, mend: str, *, rule: Rule, pointer: str = "") -> BundleRefused:
    """A refusal for one reason, ready to raise."""
    return BundleRefused([Fault(pointer=pointer, message=message, mend=mend, rule=rule)])


def pointer_to(*steps: str | int) -> str:
    """The JSON pointer along these keys and indices."""
    return "".join("/" + printable(str(step)).replace("~", "~0").replace("/", "~1") for step in steps)


def pointer_to_path(path: str, *inside: str | int) -> str:
    """The JSON pointer to a file or folder of the bundle, and on to something inside its document."""
    return pointer_to(*path.split("/"), *inside)


def printable(text: str) -> str:
    """The text with what no terminal or JSON document should carry (controls, lone surrogates) spelled out."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
