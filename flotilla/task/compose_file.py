"""The Compose files of a task, read as far as anyone can without Compose."""

from collections.abc import Iterator
from functools import cache
from itertools import islice

from yaml.nodes import MappingNode, Node, ScalarNode

from flotilla.task.compose import host_access_faults
from flotilla.task.compose.files import Read, documents_of
from flotilla.task.fault import BundleRefused, Fault, Rule, pointer_to_path
from flotilla.task.text import text_of
from flotilla.task.tree import COMPOSE_BYTES, TaskTree

_MOST_SHOWN = 200
"""A file with thousands of services needs no list of them."""

_NOTHING = "tag:yaml.org,2002:null"


def compose_faults(tree: TaskTree, path: str, *, allow_host_access: bool) -> Iterator[Fault]:
    """Why Compose could not read this file, or what it asks of the host, unless that is allowed.

    One without services is sound: Compose lays it over Harbor's own.
    """
    read = cache(lambda file: documents_of(_text(tree, file), file=file))
    found = list(_structure_faults(read, path))
    yield from found
    if not found and not allow_host_access:
        yield from islice(host_access_faults(path, read=read), _MOST_SHOWN)


def _structure_faults(read: Read, path: str) -> Iterator[Fault]:
    try:
        documents = read(path)
    except BundleRefused as refusal:
        yield from refusal.faults
    else:
        yield from (fault for document in documents for fault in _document_faults(path, document))


def _text(tree: TaskTree, path: str) -> str:
    return text_of(tree, path, absent="Add it.", limit=COMPOSE_BYTES, rule=Rule.COMPOSE_FILE)


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
