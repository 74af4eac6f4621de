"""Reads the part of a Dockerfile that can be carried out without an engine."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from worker_agent.sandbox.errors import SandboxUnsupportedError

_KNOWN = frozenset({"FROM", "ARG", "ENV", "WORKDIR", "USER", "SHELL", "COPY", "ADD", "RUN"})
# They change nothing here: Harbor starts its own command, and a sandbox publishes and keeps nothing.
_IGNORED = frozenset({"CMD", "ENTRYPOINT", "EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER", "STOPSIGNAL", "VOLUME"})
_HEREDOC = re.compile(r"<<-?([\"']?)(\w+)\1")
_VARIABLE = re.compile(r"\\\$|\$(?:(\w+)|\{(\w+)(?::-([^}]*))?\})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One instruction: its name in capitals, its flags, and the rest as written."""

    name: str
    flags: tuple[str, ...]
    text: str

    def words(self) -> list[str]:
        """The rest as a list, from either notation."""
        return self.array() or shlex.split(self.text)

    def array(self) -> list[str] | None:
        """The rest, if it is in the JSON notation."""
        try:
            words = json.loads(self.text)
        except ValueError:
            return None
        return [str(word) for word in words] if isinstance(words, list) else None


def read(path: Path) -> list[Instruction]:
    """The instructions to carry out; `SandboxUnsupportedError` for what only an image builder can do."""
    instructions = [_parse(text) for text in _logical_lines(path.read_text())]
    wanted = [instruction for instruction in instructions if instruction.name not in _IGNORED]
    for instruction in wanted:
        _require(instruction.name in _KNOWN, instruction)
        _require(not any(_needs_builder(flag) for flag in instruction.flags), instruction)
        if instruction.name in ("COPY", "ADD"):
            _require(not re.search(r"<<|://|\.git\b|\.(tar|tgz|tar\.\w+)\b", instruction.text), instruction)
    if sum(instruction.name == "FROM" for instruction in wanted) > 1:
        raise SandboxUnsupportedError(f"{path.name} has several stages: run this task with a Docker engine")
    return wanted


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Put variables in where `$NAME`, `${NAME}` or `${NAME:-default}` stands."""

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        return variables.get(name) or match[3] or "" if name else "$"

    return _VARIABLE.sub(value, text)


def _logical_lines(text: str) -> Iterator[str]:
    """Instructions with their continuation lines and here-documents, without comments."""
    lines = iter(text.splitlines())
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        whole = line.strip()
        while whole.endswith("\\"):
            following = next((more for more in lines if not more.lstrip().startswith("#")), "")
            whole = whole[:-1] + " " + following.strip()
        for heredoc in _HEREDOC.finditer(whole) if whole[:4].upper() in ("RUN ", "COPY", "ADD ") else ():
            for more in lines:
                whole += "\n" + more
                if more.strip() == heredoc[2]:
                    break
        yield whole


def _parse(line: str) -> Instruction:
    name, *rest = line.split(None, 1)
    flags = []
    text = rest[0] if rest else ""
    while match := re.match(r"--\S+\s+", text):
        flags.append(match[0].strip())
        text = text[match.end() :]
    return Instruction(name=name.upper(), flags=tuple(flags), text=text)


def _needs_builder(flag: str) -> bool:
    return flag.startswith("--from=") or (flag.startswith("--mount=") and not re.search(r"type=(cache|tmpfs)", flag))


def _require(possible: bool, instruction: Instruction) -> None:
    if not possible:
        line = " ".join((instruction.name, *instruction.flags, instruction.text.partition("\n")[0]))
        raise SandboxUnsupportedError(f"a sandbox cannot do {line!r}: run this task with a Docker engine")
