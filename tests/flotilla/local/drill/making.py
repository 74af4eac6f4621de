"""What the witnesses say after a good drill of two runs, to be changed by one lie at a time."""

from flotilla.local.drill.facts import Depth, Directory, Facts, Result, Run, Tally, Trial, Worker
from flotilla.local.drill.injuries import Absence
from flotilla.local.drill.ledger import Entry, Phase
from flotilla.local.drill.verdict import GRADED_FILES
from flotilla.states import RunState, TrialState

LEASE = 90.0
KILLED_AT = 100.0
NONCE, OTHER_NONCE, LOST_NONCE = 11, 22, 10


def entries(trial: str, nonce: int, *, at: float, worker: str, phases: tuple[Phase, ...] = tuple(Phase)) -> list[Entry]:
    return [
        Entry(at=at + number, phase=phase, nonce=nonce, trial=trial, worker=worker)
        for number, phase in enumerate(phases)
    ]


def graded(name: str, nonce: int, *, number: int, worker: str, started_at: float) -> Trial:
    return Trial(
        name=name,
        number=number,
        worker=worker,
        state=TrialState.GRADED,
        started_at=started_at,
        finished_at=started_at + 10,
        counts=True,
        result=Result(trial=name, nonce=nonce),
    )


def directory(trial: str, nonce: int | None = None) -> Directory:
    if nonce is None:
        return Directory(trial=trial, files=frozenset({"trial.log", "agent/oracle.txt"}))
    return Directory(trial=trial, files=GRADED_FILES, result=Result(trial=trial, nonce=nonce))


def run(number: int, trials: list[Trial], directories: list[Directory], *, nonce: int) -> Run:
    return Run(
        number=number,
        state=RunState.GRADED,
        cause=None,
        nonce=nonce,
        shown_state="graded",
        shown_nonce=nonce,
        shown_result=Result(trial=trials[-1].name, nonce=nonce),
        trials=trials,
        directories=directories,
    )


LOST = Trial(
    name="task__lost",
    number=1,
    worker="one",
    state=TrialState.LOST,
    started_at=50.0,
    finished_at=195.0,
    counts=False,
)
AFTER_LOSS = graded("task__after", NONCE, number=2, worker="two", started_at=200.0)
PLAIN = graded("task__plain", OTHER_NONCE, number=1, worker="two", started_at=50.0)

GOOD = Facts(
    asked_runs=2,
    lease_seconds=LEASE,
    runs=[
        run(1, [LOST, AFTER_LOSS], [directory("task__lost"), directory("task__after", NONCE)], nonce=NONCE),
        run(2, [PLAIN], [directory("task__plain", OTHER_NONCE)], nonce=OTHER_NONCE),
    ],
    tally=Tally(runs=2, open_runs=0, state="done", shown={"graded": 2}),
    depths=[
        Depth(queue="runs", messages=0, dead_letters=False),
        Depth(queue="runs-dead", messages=0, dead_letters=True),
    ],
    workers=[
        Worker(name="one", slots=1, started_at=0.0, stopped_at=195.0),
        Worker(name="two", slots=2, started_at=0.0, stopped_at=None),
    ],
    entries=[
        *entries("task__lost", LOST_NONCE, at=52.0, worker="one", phases=(Phase.AGENT_BEGUN,)),
        *entries("task__after", NONCE, at=202.0, worker="two"),
        *entries("task__plain", OTHER_NONCE, at=52.0, worker="two"),
    ],
    absences=[Absence(worker="one", begins=KILLED_AT)],
)
"""One worker was killed under a trial, whose run the other worker graded; a second run had no trouble."""
