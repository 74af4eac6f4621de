"""A Compose document as plain values: text, lists and mappings, with aliases and merges resolved."""

import re
from collections.abc import Iterator
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

type Value = str | list["Value"] | dict[str, "Value"] | None

MOST_VALUES = 20_000
"""Values of one document with every alias written out; past it nobody could follow what the document says."""
MOST_DEPTH = 60

_NOTHING = "tag:yaml.org,2002:null"
_RESET = "!reset"
_MERGE = "<<"
EXTENSION = "x-"
"""How keys begin that Compose leaves alone."""
_VARIABLE = re.compile(r"\$(\$|\{|[A-Za-z_])?")


class TooTangled(ValueError):
    """The document holds itself, or far more than anybody wrote by hand, once its aliases are followed."""


class _Reader:
    """Reads nodes as Compose does after it has chosen a key's type: a scalar is the text as it was written."""

    def __init__(self) -> None:
        self._left = MOST_VALUES

    def read(self, node: Node, depth: int = 0) -> Value:
        self._left -= 1
        if self._left < 0 or depth > MOST_DEPTH:
            raise TooTangled(f"With all its aliases it has more than {MOST_VALUES:,} values, or never ends.")
        if isinstance(node, SequenceNode):
            return [self.read(entry, depth + 1) for entry in node.value]
        if isinstance(node, MappingNode):
            return self._mapping(node, depth)
        text = str(node.value)
        is_nothing = node.tag == _NOTHING or (node.tag == _RESET and text in {"", "~", "null"})
        return None if is_nothing else text

    def _mapping(self, node: MappingNode, depth: int) -> Value:
        found: dict[str, Value] = {}
        merged: dict[str, Value] = {}
        for key, entry in node.value:
            if not depth and isinstance(key, ScalarNode) and key.value.startswith(EXTENSION):
                continue  # what is used of it is read where it is used
            value = self.read(entry, depth + 1)
            if isinstance(key, ScalarNode) and key.value == _MERGE:
                for words in reversed(listed(value)):
                    merged |= mapped(words)
            elif isinstance(key, ScalarNode):
                found[key.value] = value
        return {**merged, **found}


def nodes(text: str) -> list[Node | None]:
    """The documents of a YAML file. Raises `YAMLError` or `RecursionError`.

    Graphs only: tags that Compose alone knows (`!reset`) pass, and aliases do not multiply.
    """
    return list(yaml.compose_all(_spaced(text), Loader=yaml.SafeLoader))


def _spaced(text: str) -> str:
    """The text with tabs inside lines as spaces, where Compose takes them and our reader does not."""
    lines = []
    for line in text.split("\n"):
        content = line.lstrip(" \t")
        lines.append(line.removesuffix(content) + content.replace("\t", " "))
    return "\n".join(lines)


def of_node(node: Node | None) -> Value:
    """The values of a YAML document. Raises `TooTangled`."""
    return None if node is None else _Reader().read(node)


def of_json(words: Any) -> Value:
    """The same of what Compose itself resolved and wrote as JSON."""
    if isinstance(words, dict):
        return {str(key): of_json(entry) for key, entry in words.items()}
    if isinstance(words, list):
        return [of_json(entry) for entry in words]
    if words is None or isinstance(words, str):
        return words
    return str(words).lower() if isinstance(words, bool) else str(words)


def mapped(value: Value) -> dict[str, Value]:
    """The mapping, or an empty one: Compose refuses anything else where a mapping belongs."""
    return value if isinstance(value, dict) else {}


def listed(value: Value) -> list[Value]:
    """The entries, where Compose takes one alone for a list of one; a mapping's are itself."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def assigned(value: Value) -> Iterator[tuple[str, Value]]:
    """Names and values of what may be a mapping, or a list of `name=value`."""
    if isinstance(value, dict):
        yield from value.items()
        return
    for entry in listed(value):
        if isinstance(entry, str):
            name, _, text = entry.partition("=")
            yield name, text


def decided(text: str) -> str | None:
    """The text as Compose hands it on; None if it depends on a variable."""
    if any(found.group(1) not in {None, "$"} for found in _VARIABLE.finditer(text)):
        return None
    return text.replace("$$", "$")


def split(text: str) -> list[str]:
    """The parts between colons, where those of a variable's own (`${X:-y}`) do not count."""
    parts, depth = [""], 0
    for place, char in enumerate(text):
        if char == "{" and text[place - 1 : place] == "$":
            depth += 1
        elif char == "}" and depth:
            depth -= 1
        if char == ":" and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return parts
