"""What a drill is asked to do."""

from dataclasses import dataclass

SHIPPED_LEASE_SECONDS = 90.0
LONG_TRIAL_SECONDS = 40  # in a drill of many runs, so that most of them run at the same time
SHORT_TRIAL_SECONDS = 10
MANY_RUNS = 100
OUTLAST_SECONDS = 60  # trials that meet an outage of the database begin so long before it, and end so long after


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What is done to the stack, each at moments that the seed chooses. Shares are of the workers, or of deliveries."""

    kill: float = 0.0
    """Workers whose process is killed: some come back under their name, others are gone with their machine."""
    spot: float = 0.0
    """Workers that get a spot notice, and whose machine ends when it said."""
    duplicates: float = 0.0
    """Deliveries of the queue that come again."""
    reorder: bool = False
    restart_database: bool = False
    database_outage: float = 0.0
    """Seconds."""
    restart_queue: bool = False
    kill_server: bool = False
    full_disk: bool = False
    slow_shared: bool = False
    zombie: bool = False
    """One worker with all its trials is stopped past its lease, and goes on then."""


DEFAULT_MIX = Faults(
    kill=0.3,
    spot=0.1,
    duplicates=0.05,
    reorder=True,
    restart_database=True,
    restart_queue=True,
    kill_server=True,
    zombie=True,
)
"""What is done if nothing is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One drill: the load, the faults, and the seed that all chance comes from."""

    runs: int
    workers: int
    slots: int
    seed: int
    faults: Faults
    lease_seconds: float = SHIPPED_LEASE_SECONDS
    longest_trial: int | None = None

    @property
    def trial_seconds(self) -> tuple[int, int]:
        """The shortest and the longest time that a trial's agent works."""
        if self.longest_trial is not None:
            return max(self.longest_trial // 5, 1), self.longest_trial
        if self.faults.database_outage:
            return OUTLAST_SECONDS, 2 * OUTLAST_SECONDS + round(self.faults.database_outage)
        longest = LONG_TRIAL_SECONDS if self.runs > MANY_RUNS else SHORT_TRIAL_SECONDS
        return longest // 5, longest
