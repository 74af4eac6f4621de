"""Rules for the `build` of a service: what is read from the host, and what the building containers may do."""

import re
from collections.abc import Iterator

from flotilla.task.compose.finding import Finding, Steps
from flotilla.task.compose.paths import path
from flotilla.task.compose.rules import Rule, Scope, among, each, harmless, keyed, never, off
from flotilla.task.compose.value import Value, assigned, mapped

_OF_IMAGES = re.compile(r"(docker-image://|service:|target:)")
_HARMLESS = (
    "args", "attest", "dockerfile_inline", "extra_hosts", "labels", "no_cache", "platforms", "provenance", "pull",
    "sbom", "secrets", "shm_size", "target", "ulimits",
)  # fmt: skip
_REGISTRY = "type=registry,"


def build(value: Value, steps: Steps, scope: Scope) -> Iterator[Finding]:
    """The rule of `build`, which may be the context's path alone."""
    if isinstance(value, str):
        yield from path(value, steps, scope)
        return
    yield from _words(value, steps, scope)
    words = mapped(value)
    # Compose joins the two, so that a Dockerfile outside of its context may still be one of the task.
    context = _context(words.get("context"), scope)
    if context is not None:
        yield from path(words.get("dockerfile"), (*steps, "dockerfile"), scope, below=context)


def _context(value: Value, scope: Scope) -> str | None:
    """Where the Dockerfile's path begins; None if the context is refused already."""
    text = value if isinstance(value, str) else "."
    return None if next(path(text, (), scope), None) else scope.folder.locate(text)


def _contexts(value: Value, steps: Steps, scope: Scope) -> Iterator[Finding]:
    for name, text in assigned(value):
        if isinstance(text, str) and not _OF_IMAGES.match(text):
            yield from path(text, (*steps, name), scope)


def _is_of_a_registry(text: str) -> bool:
    return "=" not in text or text.startswith(_REGISTRY)


_RULES: dict[str, Rule] = {
    **dict.fromkeys(_HARMLESS, harmless),
    "context": path,
    "dockerfile": harmless,  # judged with its context
    "additional_contexts": _contexts,
    "network": among(
        "none", "default", why="a build may have the engine's own network or none.", mend="Leave it out, or write none."
    ),
    "privileged": off("a privileged build has this host's devices and kernel to itself."),
    "entitlements": never("they give a build the host's network or devices."),
    "ssh": never("it hands the host's keys to a build."),
    "tags": never("the names of images are the same for all tasks of a host."),
    "cache_from": each(
        _is_of_a_registry, why="it reads files or uses credentials of the host.", mend="Name images alone."
    ),
    "cache_to": never("it writes files of the host, or to somebody's registry."),
}
_words = keyed(_RULES, what="A build")
