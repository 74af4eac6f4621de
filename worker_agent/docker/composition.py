"""What a task's Compose files say, as far as it matters to us, and the overlay that goes on top of them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from harbor.constants import MAIN_SERVICE_NAME

from worker_agent.docker.containers import OOM_SCORE
from worker_agent.docker.errors import ComposeFileError

_NO_MEMORY = re.compile(r"\s*(-.*|\+?[0.]+\s*[A-Za-z]*\s*)")
STOP_GRACE = "1s"
ELSEWHERE = ("$", "..", "://")
"""Marks of a build that follows variables, or reads folders or addresses outside of the task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """The services, networks and volumes of all Compose files of a task; `main` is always among the services.

    `complete` is false as long as there may be others: of files that Compose finds by itself (`include`, `extends`), or
    under tags, which Compose reads over or follows.
    `named` is whether images can be named after what the task's files say of them.
    """

    services: Mapping[str, Mapping[str, Any]]
    networks: Mapping[str, Mapping[str, Any]]
    volumes: Mapping[str, Mapping[str, Any]]
    complete: bool
    named: bool

    def built(self) -> list[str]:
        """The services whose image is built from the task."""
        return [name for name, service in self.services.items() if "build" in service]

    def pulled(self) -> list[str]:
        """The images that must come from elsewhere, where the files name them outright."""
        images = (service.get("image") for service in self.services.values() if _is_only_named(service))
        return [str(image) for image in images if image and "$" not in str(image)]

    def is_built_by_content(self) -> bool:
        """Whether the task's files alone decide what is built, so that an image can be named after them.

        What it does not decide, and names of its own choosing, are for Compose to follow at every trial.
        """
        recipes = [self.services[name] for name in self.built()]
        spelled = [str(recipe["build"]) for recipe in recipes]
        return (
            self.named
            and not any(mark in recipe for recipe in spelled for mark in ELSEWHERE)
            and not any("image" in recipe for recipe in recipes)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Additions:
    """What every container of a trial gets beside what its task says."""

    labels: Mapping[str, str]
    pids_limit: int
    memory_mb: int
    """What services may use that say nothing of it; `main` may use what the task declares."""
    memory_mb_of_main: int
    log_max_size: str


def read(paths: Sequence[Path], *, main: Mapping[str, Any]) -> Composition:
    """The composition that the files make together on top of what Harbor says of `main`; a later file's keys win."""
    services: dict[str, dict[str, Any]] = {MAIN_SERVICE_NAME: dict(main)}
    networks: dict[str, dict[str, Any]] = {"default": {}}
    volumes: dict[str, dict[str, Any]] = {}
    complete = True
    for path in paths:
        document, is_plain = _document(path)
        for kind, found in (("services", services), ("networks", networks), ("volumes", volumes)):
            for name, words in _mapping(document.get(kind)).items():
                found.setdefault(str(name), {}).update(_mapping(words))
        complete = complete and is_plain and "include" not in document
    complete = complete and not any("extends" in service for service in services.values())
    return Composition(services=services, networks=networks, volumes=volumes, complete=complete, named=complete)


def resolved(words: Mapping[str, Any], *, without: Sequence[str] = ()) -> Composition:
    """What Compose itself made of all files, as its `config` tells; `without` are services that are not the task's."""
    services = {name: _stated(service) for name, service in _mapping(words.get("services")).items()}
    return Composition(
        services={name: service for name, service in services.items() if name not in without},
        networks={name: _mapping(network) for name, network in _mapping(words.get("networks")).items()},
        volumes={name: _mapping(volume) for name, volume in _mapping(words.get("volumes")).items()},
        complete=True,
        named=False,
    )


def overlay(
    composition: Composition,
    *,
    additions: Additions,
    images: Mapping[str, str],
    init: bool,
    others: Sequence[str] = (),
    project: str = "",
) -> dict[str, Any]:
    """The last Compose file: labels, limits, and the images that were built under names of their content.

    `others` are services that Harbor adds to the task's. What is built otherwise is named after the `project`: a name
    of the task's choice would take the place of an image that other trials use.
    """
    labels = {name: text.replace("$", "$$") for name, text in additions.labels.items()}
    services: dict[str, dict[str, Any]] = {name: {"labels": labels} for name in (*composition.services, *others)}
    for name, service in composition.services.items():
        if _mapping(service.get("logging")).get("driver") != "none":
            services[name]["logging"] = _logging(service, additions=additions)
        megabytes = additions.memory_mb_of_main if name == MAIN_SERVICE_NAME else additions.memory_mb
        services[name] |= _lacking_limits(service, processes=additions.pids_limit, memory=f"{megabytes}m")
        if "oom_score_adj" not in service:
            services[name]["oom_score_adj"] = OOM_SCORE
        if name in images:
            services[name] |= {"image": images[name], "pull_policy": "missing"}
        elif "build" in service:  # an image of this trial alone
            services[name] |= {"build": {"labels": labels}, "image": own_image(project, name)}
    services[MAIN_SERVICE_NAME] |= _of_main(composition.services[MAIN_SERVICE_NAME], init=init)
    return {
        "services": services,
        "networks": {name: {"labels": labels} for name, words in composition.networks.items() if _is_ours(words)},
        "volumes": {name: {"labels": labels} for name, words in composition.volumes.items() if _is_ours(words)},
    }


def own_image(project: str, service: str) -> str:
    """What Compose itself calls the image of a service that says nothing of it."""
    return f"{project}-{service}"


def _logging(service: Mapping[str, Any], *, additions: Additions) -> dict[str, Any]:
    options = {"max-size": additions.log_max_size, "max-file": "1"}
    if "logging" in service:
        options["compress"] = "false"  # the engine compresses no single file, and Compose would keep the task's word
    return {"driver": "json-file", "options": options}


def _lacking_limits(service: Mapping[str, Any], *, processes: int, memory: str) -> dict[str, Any]:
    """The limits of which the service states none, and that of processes if it states more.

    Compose knows two places for them, and refuses a service that has limits in both.
    """
    resources = _mapping(_mapping(service.get("deploy")).get("resources"))
    in_deploy = "limits" in resources
    stated = _mapping(resources.get("limits")) if in_deploy else service
    of_processes, of_memory = ("pids", "memory") if in_deploy else ("pids_limit", "mem_limit")
    lacking: dict[str, Any] = {}
    if not _is_limit_of_processes(stated.get(of_processes), most=processes):
        lacking[of_processes] = processes
    if not _is_limit_of_memory(stated.get(of_memory)):
        lacking[of_memory] = memory
    return {"deploy": {"resources": {"limits": lacking}}} if in_deploy and lacking else lacking


def _is_limit_of_processes(own: object, *, most: int) -> bool:
    return isinstance(own, int) and 0 < own <= most  # Compose takes none, or less, for no limit


def _is_limit_of_memory(own: object) -> bool:
    """Whatever is neither nothing nor below it: the engine takes those for no limit."""
    return own is not None and not _NO_MEMORY.fullmatch(str(own))


def _of_main(service: Mapping[str, Any], *, init: bool) -> dict[str, Any]:
    words: dict[str, Any] = {"stop_grace_period": STOP_GRACE}
    # A program that wants to be PID 1 itself must stay it.
    if init and "init" not in service and "entrypoint" not in service:
        words["init"] = True
    return words


def _stated(service: Mapping[str, Any]) -> dict[str, Any]:
    """Without the keys that Compose lists as not stated."""
    return {key: word for key, word in service.items() if word is not None}


def _is_only_named(service: Mapping[str, Any]) -> bool:
    return "build" not in service and "pull_policy" not in service


def _is_ours(words: Mapping[str, Any]) -> bool:
    return not words.get("external")


def _document(path: Path) -> tuple[dict[str, Any], bool]:
    """What the file says, and whether that is all: no tag, and no further document, which Compose would merge."""
    text = path.read_text()
    try:
        documents = list(yaml.load_all(text, Loader=_ComposeLoader))
        is_plain = len(documents) < 2 and not ("!" in text and _has_tags(text))
        return _mapping(next(iter(documents), None)), is_plain
    except yaml.YAMLError as error:
        raise ComposeFileError(f"the Compose file {path.name} is no YAML: {error}") from error


def _has_tags(text: str) -> bool:
    return any(getattr(event, "tag", None) for event in yaml.parse(text, Loader=yaml.SafeLoader))


def _mapping(words: object) -> dict[str, Any]:
    return words if isinstance(words, dict) else {}


class _ComposeLoader(yaml.SafeLoader):
    """Compose has tags of its own (`!reset`, `!override`), and takes any other; it is asked what they come to."""


_ComposeLoader.add_multi_constructor("!", lambda *_: None)
