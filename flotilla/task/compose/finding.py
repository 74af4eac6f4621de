"""What a Compose document asks for and may not have."""

from dataclasses import dataclass

from flotilla.task.compose.value import Value
from flotilla.task.fault import printable

_SHOWN = 80
UNDECIDED = "Write the value itself: what it will be must be known before anything starts."


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is refused: the way to it in the document, why, and what to do instead."""

    steps: tuple[str | int, ...]
    message: str
    mend: str

    @property
    def name(self) -> str:
        """The way to it as people write it: `services.db.network_mode`."""
        return ".".join(printable(str(step)) for step in self.steps)

    def __str__(self) -> str:
        return f"{self.name}: {self.message} {self.mend}"


type Steps = tuple[str | int, ...]


def undecided(steps: Steps, text: str) -> Finding:
    """The finding for a value that follows a variable where a fixed one is needed."""
    return Finding(steps=steps, message=f"{_key(steps)} follows a variable: {shown(text)}.", mend=UNDECIDED)


def refusal(steps: Steps, value: Value, *, why: str, mend: str) -> Finding:
    """The finding for a value that is known and not wanted."""
    told = shown(value) if isinstance(value, str) else "set"
    return Finding(steps=steps, message=f"{_key(steps)} is {told}: {why}", mend=mend)


def shown(value: Value) -> str:
    """The value for a message, in reasonable length."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _key(steps: Steps) -> str:
    return printable(next((step for step in reversed(steps) if isinstance(step, str)), "document"))
