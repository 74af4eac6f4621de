"""The Compose files of a task, read as far as anyone can without Compose."""

from collections.abc import Iterator

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

from flotilla.task.fault import BundleRefused, Fault, Rule, pointer_to_path
from flotilla.task.text import text_of
from flotilla.task.tree import TaskTree

_LIMIT = 1 << 18
"""Bytes; YAML is slow to read, and people write these by hand."""

_NOTHING = "tag:yaml.org,2002:null"


def compose_faults(tree: TaskTree, path: str) -> Iterator[Fault]:
    """Why Compose could not read this file. One without services is sound: Compose lays it over Harbor's own."""
    try:
        # A document of the graph only: tags that Compose alone knows (!reset) pass, and aliases do not multiply.
        documents = list(yaml.compose_all(_spaced(_text(tree, path)), Loader=yaml.SafeLoader))
    except BundleRefused as refusal:
        yield from refusal.faults
    except (yaml.YAMLError, RecursionError) as error:
        yield _fault(path, message=f"This is no YAML: {' '.join(str(error).split())[:300]}.", mend="Correct the line.")
    else:
        yield from (fault for document in documents for fault in _document_faults(path, document))


def _text(tree: TaskTree, path: str) -> str:
    return text_of(tree, path, absent="Add it.", limit=_LIMIT, rule=Rule.COMPOSE_FILE)


def _spaced(text: str) -> str:
    """The text with tabs inside lines as spaces, where Compose takes them and our reader does not."""
    lines = []
    for line in text.split("\n"):
        content = line.lstrip(" \t")
        lines.append(line.removesuffix(content) + content.replace("\t", " "))
    return "\n".join(lines)


def _document_faults(path: str, document: Node | None) -> Iterator[Fault]:
    if document is None or document.tag == _NOTHING:
        return
    if not isinstance(document, MappingNode):
        yield _fault(path, message="This is no mapping.", mend="Begin with 'services:' and name the services below it.")
        return
    for key, value in document.value:
        is_services = isinstance(key, ScalarNode) and key.value == "services"
        if is_services and not isinstance(value, MappingNode) and not value.tag.startswith("!"):
            yield _fault(path, "services", message="The services are no mapping.", mend="Name each service below it.")


def _fault(path: str, *inside: str, message: str, mend: str) -> Fault:
    return Fault(pointer=pointer_to_path(path, *inside), message=message, mend=mend, rule=Rule.COMPOSE_FILE)
