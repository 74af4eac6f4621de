"""The judgement over one whole Compose document."""

from collections.abc import Collection, Iterator, Mapping

from flotilla.task.compose.finding import Finding
from flotilla.task.compose.folder import Folder
from flotilla.task.compose.network import networks
from flotilla.task.compose.paths import Reference, covered, file_references, references
from flotilla.task.compose.rules import Rule, Scope, harmless, keyed
from flotilla.task.compose.service import services
from flotilla.task.compose.storage import small_files, volumes
from flotilla.task.compose.value import Value, mapped, of_json

_RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("include", "name", "version"), harmless),  # what is included is judged as a file of its own
    "services": services,
    "networks": networks,
    "volumes": volumes,
    "secrets": small_files,
    "configs": small_files,
}
_judge = keyed(_RULES, what="A Compose file")


def judged(document: Value, scope: Scope) -> Iterator[Finding]:
    """Everything in the document that reaches beyond the task's own containers."""
    yield from _judge(document, (), scope)


def used(document: Value, scope: Scope) -> Iterator[Reference]:
    """What the document mounts, and the files that Compose reads for it."""
    words = mapped(document)
    yield from references(words.get("services"), ("env_file", "label_file"), scope)
    for kind in ("secrets", "configs"):
        yield from file_references(words.get(kind), kind, scope)


def resolved_findings(
    words: object, *, folder: Folder, project: str, granted: Mapping[str, Collection[str]]
) -> list[Finding]:
    """The same of what Compose made of all files of a project, read from its JSON."""
    document = of_json(words)
    scope = Scope(folder=folder, project=project, granted=granted)
    return [*judged(document, scope), *(finding for _, finding in covered(used(document, scope)))]
