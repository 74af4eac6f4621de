"""The misfortunes of a real queue, made to happen: duplicates, disorder, late messages and lost requests."""

import random
from dataclasses import asdict, dataclass, fields
from enum import Enum, auto


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How often each misfortune happens. The same seed and the same calls give the same misfortunes."""

    duplicate: float = 0.0
    """The share of deliveries after which the message stays visible, so that the next receive gets it too."""
    reorder: bool = False
    """Hand out any visible message rather than the oldest."""
    delay: float = 0.0
    """A new message becomes visible after up to so many seconds beyond what its sender asked for."""
    outage: float = 0.0
    """The share of requests answered with 503; one half of them took effect, and only their answer was lost."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("duplicate", "outage"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be a share between 0 and 1, not {getattr(self, name)}")
        if self.delay < 0:
            raise ValueError(f"delay must be 0 seconds or more, not {self.delay}")

    @classmethod
    def read(cls, given: object) -> "Faults":
        """From JSON; raises `ValueError` that names what is unknown or of the wrong type."""
        if not isinstance(given, dict):
            raise ValueError(f"faults must be a JSON object, not {given!r}")
        types = {field.name: type(field.default) for field in fields(cls)}
        if unknown := sorted(given.keys() - types.keys()):
            raise ValueError(f"unknown faults {', '.join(unknown)}; there are {', '.join(types)}")
        for name, value in given.items():
            wanted = (int, float) if types[name] is float else types[name]
            if not isinstance(value, wanted) or (isinstance(value, bool) and types[name] is not bool):
                raise ValueError(f"{name} must be a {types[name].__name__}, not {value!r}")
        return cls(**given)

    def shown(self) -> dict[str, object]:
        """As JSON, in the form that `read` takes."""
        return asdict(self)


class Outage(Enum):
    """What becomes of a request that is answered with 503."""

    REQUEST_LOST = auto()
    ANSWER_LOST = auto()


class FaultInjector:
    """Throws the dice for the faults that are set at the moment."""

    def __init__(self, faults: Faults) -> None:
        self.set(faults)

    def set(self, faults: Faults) -> None:
        """Use these faults from now on, beginning at their seed."""
        self.faults = faults
        self._random = random.Random(faults.seed)  # noqa: S311 - repeatable dice, no secret

    def duplicates(self) -> bool:
        """Whether the message just handed out stays visible."""
        return self.faults.duplicate > 0 and self._random.random() < self.faults.duplicate

    def delay_seconds(self) -> float:
        """How long the message just sent stays hidden beyond its own delay."""
        return self._random.uniform(0, self.faults.delay) if self.faults.delay else 0.0

    def pick(self, visible: int) -> int:
        """The place, among so many visible messages, of the one to hand out."""
        return self._random.randrange(visible) if self.faults.reorder else 0

    def outage(self) -> Outage | None:
        """What becomes of the request at hand; `None` for nothing unusual."""
        if self.faults.outage == 0 or self._random.random() >= self.faults.outage:
            return None
        return self._random.choice(list(Outage))
