"""A task that passed the check: what the rest of Flotilla needs to know of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One turn of agent and verifier: a step of a multi-step task, or all there is of a plain one. Times in seconds."""

    step: str | None
    agent_timeout_sec: float | None
    """None where the task sets no limit."""
    verifier_timeout_sec: float
    other_sec: float
    """The most that the step's health check, collect hooks and a separate verifier's start may take around the two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedTask:
    """The facts of a task that Harbor takes and that Flotilla can run."""

    name: str | None
    """Harbor's `org/name` from `[task]`, if it has one."""
    phases: tuple[Phase, ...]
    uses_compose: bool
    """Whether the agent's or a verifier's environment is defined by a Compose file."""
    docker_image: str | None
    has_dockerfile: bool
    cpus: int | None
    memory_mb: int | None
    storage_mb: int | None
    gpus: int | None
    network_mode: str
    """`public`, `no-network` or `allowlist`: the agent environment's baseline."""
    os: str
    build_timeout_sec: float
    healthcheck_sec: float
    """The most that the environment's health check may take after its start."""
    agent_timeout_sec: float | None
    """The task's own `[agent].timeout_sec`, which steps without a limit of their own inherit; None is unlimited."""
    verifier_timeout_sec: float

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps' names in order; empty for a plain task."""
        return tuple(phase.step for phase in self.phases if phase.step is not None)

    def longest_trial_seconds(self, default_agent_timeout: float) -> float:
        """The most that a trial may take by the task's own limits, in seconds.

        Adds up the environment's start (`build_timeout_sec`, and its health check in the worst case) and, for each
        phase, the agent's limit (the default where the task has none), the verifier's limit, and the phase's other
        times: the step's health check, collect hooks, the start of a separate verifier. Not in it, because no task
        states them: the agent's own set-up, copying files, a step's `setup.sh`, and stopping; the caller allows for
        these.
        """
        return (
            self.build_timeout_sec
            + self.healthcheck_sec
            + sum(
                (default_agent_timeout if phase.agent_timeout_sec is None else phase.agent_timeout_sec)
                + phase.verifier_timeout_sec
                + phase.other_sec
                for phase in self.phases
            )
        )
