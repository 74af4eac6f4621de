"""Rules for one key of a Compose document, each made from what it allows and why it refuses the rest."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from flotilla.task.compose.finding import Finding, Steps, refusal, undecided
from flotilla.task.compose.folder import Folder
from flotilla.task.compose.value import EXTENSION, Value, decided, listed, mapped

_OFF = frozenset({"false", "no", "off", "n", "0", ""})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a document is judged by: its folder, and once Compose resolved it, its project and what Harbor added."""

    folder: Folder
    project: str | None = None
    granted: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Capabilities of services that are Harbor's own."""


type Rule = Callable[[Value, Steps, Scope], Iterator[Finding]]


def harmless(_: Value, __: Steps, ___: Scope) -> Iterator[Finding]:
    """The rule of what concerns nobody but the task's own containers."""
    return iter(())


def never(why: str, mend: str = "Leave it out.") -> Rule:
    """A key that may only be empty."""

    def rule(value: Value, steps: Steps, _: Scope) -> Iterator[Finding]:
        if value not in (None, "", [], {}):
            yield refusal(steps, value, why=why, mend=mend)

    return rule


def off(why: str, mend: str = "Leave it out.") -> Rule:
    """A switch that must not be on."""

    def rule(value: Value, steps: Steps, _: Scope) -> Iterator[Finding]:
        if isinstance(value, str):
            yield from _unless(value, steps, lambda text: text.lower() in _OFF, why=why, mend=mend)
        elif value:
            yield refusal(steps, value, why=why, mend=mend)

    return rule


def among(*allowed: str, why: str, mend: str, prefixes: tuple[str, ...] = ()) -> Rule:
    """One word, or several in a list, of a few that are allowed."""

    def fits(text: str) -> bool:
        return not text or text in allowed or text.startswith(prefixes)

    return each(fits, why=why, mend=mend)


def each(fits: Callable[[str], bool], *, why: str, mend: str) -> Rule:
    """Texts that each fit."""

    def rule(value: Value, steps: Steps, _: Scope) -> Iterator[Finding]:
        for entry in listed(value):
            if isinstance(entry, str):
                yield from _unless(entry, steps, fits, why=why, mend=mend)
            else:
                yield refusal(steps, entry, why=why, mend=mend)

    return rule


def least(number: int, *, why: str, mend: str) -> Rule:
    """A number that is not below this one."""

    def fits(text: str) -> bool:
        try:
            return int(text) >= number
        except ValueError:
            return False

    return each(fits, why=why, mend=mend)


def every(rule: Rule) -> Rule:
    """The rule for each entry of a list, one alone being a list of one."""

    def rules(value: Value, steps: Steps, scope: Scope) -> Iterator[Finding]:
        for place, entry in enumerate(listed(value)):
            yield from rule(entry, (*steps, place), scope)

    return rules


def keyed(rules: Mapping[str, Rule], *, what: str) -> Rule:
    """A mapping whose keys all have rules; a key that has none is refused, since nobody here knows what it does."""
    unknown = never(f"{what} with this key is not known here to be harmless.")

    def rule(value: Value, steps: Steps, scope: Scope) -> Iterator[Finding]:
        for key, entry in mapped(value).items():
            judge = harmless if key.startswith(EXTENSION) else rules.get(key, unknown)
            yield from judge(entry, (*steps, key), scope)

    return rule


def named(rule: Rule) -> Rule:
    """The rule for each value of a mapping from names that the task chose."""

    def rules(value: Value, steps: Steps, scope: Scope) -> Iterator[Finding]:
        for name, entry in mapped(value).items():
            yield from rule(entry, (*steps, name), scope)

    return rules


def _unless(text: str, steps: Steps, fits: Callable[[str], bool], *, why: str, mend: str) -> Iterator[Finding]:
    known = decided(text)
    if known is None:
        yield undecided(steps, text)
    elif not fits(known):
        yield refusal(steps, known, why=why, mend=mend)
